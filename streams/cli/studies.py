"""What `ingest studies` simulates, and the files it writes: the events, and the truth beside them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from connectors.enrollment_simulation import drawn_simulation, load_simulation
from connectors.enrollment_simulator import StudySimulator
from connectors.outgoing import BadLine
from schemas.events import write_structured
from streams.cli.output import output

_SEED = 7


def studies_source(spec: Path | None, studies: int, seed: int | None) -> StudySimulator:
    """Make the simulated studies: those of a file, or so many that are drawn."""
    if spec is None:
        return StudySimulator(drawn_simulation(studies, _SEED if seed is None else seed))
    simulation = load_simulation(spec)
    return StudySimulator(simulation if seed is None else msgspec.structs.replace(simulation, seed=seed))


def write_studies(source: StudySimulator, out: Path | None, truth: Path | None) -> int:
    """Write the events, one a line, and the truth, each where a file is named; give how many events were written."""
    if truth is not None:
        with output(truth) as sink:
            sink.write(source.truth() + b"\n")
    if out is None:
        return 0
    count = 0
    with output(out) as sink:
        for event in source.events():
            sink.write((event.raw if isinstance(event, BadLine) else write_structured(event)) + b"\n")
            count += 1
    return count
