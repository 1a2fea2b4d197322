"""The whole corridor on the embedded log: a live run writes what a fold of the same events writes, to the byte."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.bioreactor_faults import Faults
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from schemas.errors import InputError
from schemas.events import read_record, write_structured

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
SEED = 20261123
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "bioreactor"


def twinstream(folder: Path, *arguments: str, timeout: float = 120, code: int = 0, config: Path | None = None) -> str:
    """Run the command on the embedded database of a folder; give its standard output."""
    environment = {**os.environ, "TWINSTREAM_DATA_DIR": str(folder / "data")}
    if config is not None:
        environment["TWINSTREAM_BIOREACTOR_CONFIG"] = str(config)
    environment.pop("TWINSTREAM_DATABASE", None)
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def simulated_lines(folder: Path) -> Path:
    """Write the events of a small faulty fleet to a file, with lines nobody can read among them."""
    faults = Faults(duplicate=0.02, late=0.02, lost=0.01, malformed=0.01, wrong_unit=0.01, spike=0.01)
    simulator = Simulator(Simulation(units=9, seed=SEED, rate_hz=1 / 30, faults=faults))
    path = folder / "events.jsonl"
    with path.open("wb") as sink:
        for step in range(simulator.steps_in(5.0)):
            for one in simulator.records(step):
                if one.partition:
                    continue  # a key-less `time.passed`, once is enough in a file
                try:
                    sink.write(write_structured(read_record(one.key, one.value, one.headers)) + b"\n")
                except InputError:
                    sink.write((one.value or b"").replace(b"\n", b" ") + b"\n")
        sink.write(b"{not json\n[]\n\n{}\n")
        sink.write(
            b'{"specversion":"1.0","id":"t","source":"s","type":"time.passed","time":"2026-01-05T13:00:00Z","data":{}}\n'
        )
    return path


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: PostgreSQL's socket lives in it, and the system bounds a socket's path."""
    with tempfile.TemporaryDirectory(prefix="twinstream-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def test_replaying_events_live_gives_what_a_fold_gives(folder: Path) -> None:
    print(f"seed {SEED}")
    events = simulated_lines(folder)
    twinstream(folder, "replay", str(events), "--speed", "max")
    live, folded = folder / "live.jsonl", folder / "folded.jsonl"
    twinstream(folder, "export", "bioreactor", "--out", str(live))
    twinstream(folder, "fold", "bioreactor", "--events", str(events), "--out", str(folded), "--frame-records", "173")
    # the live run also heard its owner's `time.passed`, which have offsets of their own and say nothing to these twins
    ours, theirs = live.read_bytes().splitlines(), folded.read_bytes().splitlines()
    assert len(theirs) > 1000
    assert ours == theirs
    assert "identical" in twinstream(folder, "verify")


def test_a_process_model_says_live_what_a_fold_says(folder: Path) -> None:
    """A CHO run with late and corrected assays: through the log and the ledger, and out again to the byte."""
    config, events = EXAMPLES / "cho.json", EXAMPLES / "cho_run.jsonl"
    twinstream(folder, "replay", str(events), "--speed", "max", config=config)
    live, folded = folder / "live.jsonl", folder / "folded.jsonl"
    twinstream(folder, "export", "bioreactor", "--out", str(live), config=config)
    twinstream(folder, "fold", "bioreactor", "--events", str(events), "--out", str(folded), "--config", str(config))
    ours, theirs = live.read_bytes().splitlines(), folded.read_bytes().splitlines()
    assert ours == theirs
    assert sum(b'"glutamine"' in line for line in ours) > 20
    assert "identical" in twinstream(folder, "verify", config=config)
