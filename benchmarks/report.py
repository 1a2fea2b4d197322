"""What a benchmark leaves: a JSON for machines and a table for people, with the machine and the commit."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"


@dataclass(slots=True)
class Bar:
    """One thing to be reached: `got` against `wanted`, larger is better unless `most`."""

    what: str
    wanted: float
    got: float
    unit: str
    most: bool = False

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.got <= self.wanted if self.most else self.got >= self.wanted


@dataclass(slots=True)
class Report:
    """The results of one benchmark. `tables` are named lists of rows; a row maps columns to values."""

    name: str
    about: str
    options: Mapping[str, Any]  # as given on the command line
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # values go straight to JSON
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, table: str, **row: Any) -> None:
        """Add a row to a table."""
        self.tables.setdefault(table, []).append(row)

    def write(self, folder: Path) -> None:
        """Write `<name>.json` and `<name>.md`, and print the latter."""
        folder.mkdir(parents=True, exist_ok=True)
        text = self.markdown()
        (folder / f"{self.name}.md").write_text(text)
        (folder / f"{self.name}.json").write_text(json.dumps(self.document(), indent=1, default=str) + "\n")
        print(text)

    def document(self) -> dict[str, Any]:
        """Give everything as one JSON object."""
        return {
            "benchmark": self.name,
            "about": self.about,
            "on": datetime.now(UTC).date().isoformat(),
            "commit": commit(),
            "machine": machine(),
            "options": dict(self.options),
            "bars": [
                {"what": b.what, "wanted": b.wanted, "got": b.got, "unit": b.unit, "met": b.met} for b in self.bars
            ],
            "tables": self.tables,
            "notes": self.notes,
        }

    def markdown(self) -> str:
        """Lay it out for reading."""
        said = machine()
        given = ", ".join(f"{name} {_said(value)}" for name, value in self.options.items())
        lines = [
            f"# {self.name}",
            "",
            self.about,
            "",
            f"{said['cpu']}, {said['cores']} cores, {said['memory_gib']} GiB, {said['system']}, "
            f"Python {said['python']}; commit {commit()}; {datetime.now(UTC).date().isoformat()}.",
            f"Options: {given}.",
            "",
        ]
        for bar in self.bars:
            sign = "at most" if bar.most else "at least"
            verdict = "met" if bar.met else "NOT met"
            lines.append(
                f"- {bar.what}: {_said(bar.got)} {bar.unit} (bar: {sign} {_said(bar.wanted)} {bar.unit}) {verdict}"
            )
        if self.bars:
            lines.append("")
        for name, rows in self.tables.items():
            lines += [f"## {name}", "", *_table(rows), ""]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines).rstrip() + "\n"


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where results go."""
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Give the options as they stand in a report: all but the folder."""
    return {name: value for name, value in vars(options).items() if name != "out"}


def machine() -> dict[str, Any]:
    """Name what it ran on, without saying whose it is."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def commit() -> str:
    """Name the commit, with a plus where the tree has other changes than results."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = [line for line in _git("status", "--porcelain").splitlines() if "benchmarks/results" not in line]
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return head + ("+" if changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.machine()
    return platform.machine()


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_said(row.get(name, "")) for name in columns] for row in rows]
    lines = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |"]
    lines.append("|" + "|".join(" --- " for _ in columns) + "|")
    return lines + ["| " + " | ".join(row) + " |" for row in cells]


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return " ".join(_said(item) for item in value)
    return str(value)
