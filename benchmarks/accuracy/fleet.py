"""How good the estimates of a simulated fleet are, where the truth is known: the coverage of the 90 % bands, the error.

Whole runs of a fleet are folded in process, by the very code that runs live, with late assays, feeds and samples: with
faultless probes, with drop-outs, spikes, drifts and stuck sensors, and with parameters that are wrong about the fleet
(by default the filter believes that every probe is calibrated to 2 %; those of the fleet are to 10 %).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.report import Report, add_out, given
from connectors.bioreactor_faults import Faults
from connectors.bioreactor_score import score
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from streams.models import load_model
from twins.checks import PlainRecord
from twins.frame import FrameReader
from twins.past import MemoryPast

FAULTY = Faults(lost=0.02, duplicate=0.005, late=0.01, spike=0.002, stuck=0.01, drift=0.02, superseded=0.05)
# What a user who knows the fleet's probes would say of them in `batch_started`.
TOLD = {"gain_sd": 0.1, "signal_relative_sd": 0.03, "assay_relative_sd": 0.03}
_FRAME = 4000


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="accuracy", description=__doc__)
    parser.add_argument("--twins", type=int, default=100)
    parser.add_argument("--hours", type=float, default=36.0, help="of each run, 36 at most")
    parser.add_argument("--rate", type=float, default=1 / 60, help="readings a second of event time")
    parser.add_argument("--after-hours", type=float, default=2.0, help="leave out the first hours of each run")
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("accuracy", "Estimates of a simulated fleet held against the truth.", given(options))
    fleets: tuple[tuple[str, Faults, dict[str, float]], ...] = (
        ("faultless", Faults(), TOLD),
        ("faulty", FAULTY, TOLD),
        ("faultless, not told", Faults(), {}),
    )
    for fleet, faults, told in fleets:
        simulation = Simulation(
            units=options.twins, seed=options.seed, rate_hz=options.rate, faults=faults, parameters=told
        )
        simulator = Simulator(simulation, packed=True)
        begun = time.perf_counter()
        said, records = _estimates(simulator, options.hours)
        seconds = time.perf_counter() - begun
        for quantity, found in score(said, simulator, after_hours=options.after_hours).items():
            report.add(
                "scores",
                fleet=fleet,
                quantity=quantity,
                estimates=found.count,
                coverage_of_90=found.coverage,
                relative_error=found.relative,
                rmse=found.rmse,
                bias=found.bias,
                mean_square_z=found.mean_square_z,
            )
        report.add("folds", fleet=fleet, records=records, records_per_s=records / seconds)
    report.notes += [
        "Estimates are those made at the time; what late assays changed afterwards (`revised`) is left out.",
        f"The faulty fleet: {FAULTY}.",
    ]
    report.write(options.out)
    return 0


def _estimates(simulator: Simulator, hours: float) -> tuple[list[dict[str, Any]], int]:
    """Fold the fleet's events so far; give its live estimates and the number of records."""
    block = load_model("bioreactor", None).empty()
    reader, past = FrameReader("bioreactor.events", 0), MemoryPast()
    said: list[dict[str, Any]] = []
    count = 0
    for records in _frames(simulator, hours):
        frame = reader.read(records)
        effects = block.apply(frame, past.load(block.wanted(frame), frame.first))
        past.keep(frame, effects)
        said += [
            {"kind": "estimate", "key": one.key, "event_time": one.event_time, "data": one.data}
            for one in effects.estimates
            if not one.data["revised"]
        ]
        count += len(records)
    return said, count


def _frames(simulator: Simulator, hours: float) -> Iterator[list[PlainRecord]]:
    last = simulator.steps_in(hours) - 1
    frame: list[PlainRecord] = []
    for offset, one in enumerate(simulator.stream(0, last)):
        frame.append(PlainRecord(offset, 0, one.key, one.value, one.headers))
        if len(frame) >= _FRAME:
            yield frame
            frame = []
    if frame:
        yield frame
