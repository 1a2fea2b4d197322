"""What golden scores look like: JSON lines for programs, a table and a few sentences for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from connectors.runs import Recording
from schemas.instants import HOUR, Instant, format_instant
from twins.monitoring import Golden, ScoredRun, model_name
from twins.monitoring.batch import BatchModel
from twins.monitoring.contributions import largest
from twins.monitoring.limits import t2_limit
from twins.monitoring.pca import Bools

Line = dict[str, Any]  # Any: a JSON object of text, numbers and objects
OPTIMISTIC = 3.0  # assumed: this many times the nominal rate of false alarms is worth a word


def score_lines(
    golden: Golden, scored: Sequence[ScoredRun], recording: Recording, top: int, in_a_row: int
) -> Iterator[bytes]:
    """Give one JSON line per row (continuous) or point (batch), and one per run after its rows."""
    name = model_name(golden)
    for number, (run, recorded) in enumerate(zip(scored, recording.runs, strict=True)):
        first = int(recorded.times[0])
        for row in range(len(run.hours)):
            yield msgspec.json.encode(_row_line(golden, run, row, first, top))
        line = run_line(golden, scored, number, first, in_a_row)
        yield msgspec.json.encode({**line, "model": name})


def run_line(golden: Golden, scored: Sequence[ScoredRun], number: int, first: int, in_a_row: int) -> Line:
    """Say of a run how much of it stands beyond the limits, since when, and how it ranks as a whole.

    Parameters
    ----------
    golden : Golden
    scored : sequence of ScoredRun
        All runs of the file: ranks are among them, 1 for the largest.
    number : int
        Which of them.
    first : int
        Instant of its first row [us].
    in_a_row : int
        How many rows or points must stand beyond a limit one after another before it counts as beyond since the first.
    """
    run = scored[number]
    t2, spe = run.scores.t2_beyond, run.scores.spe_beyond
    judged = ~np.isnan(run.scores.spe)
    since = _first_of(t2 | spe, in_a_row)
    line: Line = {
        "kind": "run",
        "run": run.name,
        "rows": len(run.hours),
        "t2_beyond": _share(t2, judged),
        "spe_beyond": _share(spe, judged),
        "beyond": _share(t2 | spe, judged),
        "first_beyond_hours": None if since is None else _number(run.hours[since]),
        "first_beyond": None if since is None else _instant(first, float(run.hours[since])),
        "first_beyond_row": None if since is None else since + 1,
    }
    if isinstance(golden.model, BatchModel):
        model = golden.model
        line["complete"] = run.t2 is not None
        for what, limit in (("t2", model.run_t2_limit), ("spe", model.run_spe_limit)):
            value = getattr(run, what)
            ahead = sum(
                1
                for one in scored
                if getattr(one, what) is not None and value is not None and getattr(one, what) > value
            )
            line |= {f"run_{what}": value, f"run_{what}_limit": limit}
            line |= {f"run_{what}_rank": None if value is None else ahead + 1}
    return line


def summary_table(lines: Sequence[Line]) -> str:
    """Lay the lines of runs out for a person."""
    columns = [
        ("run", "run"),
        ("rows", "rows"),
        ("T2 beyond", "t2_beyond"),
        ("SPE beyond", "spe_beyond"),
        ("either", "beyond"),
        ("first [h]", "first_beyond_hours"),
        ("T2", "run_t2"),
        ("limit", "run_t2_limit"),
        ("rank", "run_t2_rank"),
        ("SPE", "run_spe"),
        ("limit", "run_spe_limit"),
        ("rank", "run_spe_rank"),
    ]
    shown = [(title, key) for title, key in columns if any(key in line for line in lines)]
    cells = [[title for title, _ in shown], *[[_cell(key, line.get(key)) for _, key in shown] for line in lines]]
    wide = [max(len(row[place]) for row in cells) for place in range(len(shown))]
    aligned = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, wide, strict=True))
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in aligned) + "\n"


def _row_line(golden: Golden, run: ScoredRun, row: int, first: int, top: int) -> Line:
    scores = run.scores
    hours = float(run.hours[row])
    line: Line = {"kind": "row", "run": run.name, "row": row + 1}
    line |= {"event_time": _instant(first, hours), "elapsed_hours": _number(hours)}
    if run.maturity is not None:
        line["maturity"] = float(run.maturity[row])
    for what in ("t2", "spe"):
        line |= {
            what: _number(getattr(scores, what)[row]),
            f"{what}_limit": _number(getattr(scores, f"{what}_limit")[row]),
            f"{what}_beyond": bool(getattr(scores, f"{what}_beyond")[row]),
        }
    if top:
        line["t2_contributions"] = largest(scores.t2_contributions[row], golden.model.tags, top)
        line["spe_contributions"] = largest(scores.spe_contributions[row], golden.model.tags, top)
    missing = [tag for tag, known in zip(golden.model.tags, run.known[row], strict=True) if not known]
    if missing:
        line["missing"] = missing
    return line


def _first_of(beyond: Bools, in_a_row: int) -> int | None:
    length = 0
    for place, one in enumerate(beyond.tolist()):
        length = length + 1 if one else 0
        if length == in_a_row:
            return place + 1 - in_a_row
    return None


def _share(beyond: Bools, judged: Bools) -> float | None:
    return float(np.sum(beyond & judged) / np.sum(judged)) if judged.any() else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _instant(first: int, hours: float) -> str | None:
    return None if math.isnan(hours) else format_instant(Instant(first + round(hours * HOUR)))


def _cell(key: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1%}" if key.endswith("beyond") else f"{value:.4g}"
    return str(value)


def describe(golden: Golden) -> list[str]:
    """Say of a fitted model what its maker should look at."""
    model = golden.model
    kept = model.r2[: model.components]
    said = [
        f"{model_name(golden)}: {len(golden.training)} runs, {len(model.tags)} tags, {model.components} components",
        f"R2 per component: {', '.join(f'{one:.4f}' for one in kept)}; together {float(kept.sum()):.4f}",
    ]
    level = f"{model.significance:g}"
    if not isinstance(model, BatchModel):
        return [
            *said,
            f"theoretical at {level}: T2 {model.t2_limit_theoretical:.4f}, SPE {model.spe_limit_theoretical:.4f}",
            f"empirical at {level}: T2 {model.t2_limit_empirical:.4f}, SPE {model.spe_limit_empirical:.4f}",
            f"in use: {model.limits}",
        ]
    idle = int(np.sum(model.sd == 0))
    if idle:
        flat = [(tag, int(np.sum(model.sd[:, place] == 0))) for place, tag in enumerate(model.tags)]
        where = ", ".join(f"{tag} {count}" for tag, count in flat if count)
        said.append(
            f"{idle} of {model.sd.size} columns (point, tag) are constant or unknown and carry no weight: {where}"
        )
    textbook = t2_limit(model.components, model.runs, model.significance)
    said.append(
        f"limits at {level} of a whole run: T2 {model.run_t2_limit:.4f} (textbook {textbook:.4f}), "
        f"SPE {model.run_spe_limit:.4f}"
    )
    rates = (model.left_out_t2_beyond, model.left_out_spe_beyond)
    said.append(
        f"a good run left out of training stands beyond T2 at {rates[0]:.1%} of its points, SPE at {rates[1]:.1%}"
    )
    if max(rates) > OPTIMISTIC * (1.0 - model.significance) and not model.leave_one_out:
        said.append("these limits are too narrow for new runs: --leave-one-out takes them from runs not learned from")
    return said
