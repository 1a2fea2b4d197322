"""What the supply twins cost as they fold: 10,000 patients on their way, every scan with its forecast and what follows.

What the twins tell one another is folded too, as live, and counts as part of the scans that it follows from. Bars are
held against seconds of one core (processor time). As in a worker, linear algebra has one thread and the collector of
garbage looks rarely.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Bar, Report, add_out, given
from benchmarks.supply_patients import FACTS, described, facts, record
from schemas.effects import write_effect
from schemas.events import Event
from streams.app import settle_in
from streams.consequences import told_of
from twins.frame import read_frame
from twins.past import MemoryPast
from twins.scalar import ScalarBlock
from twins.supply import SupplyModel
from twins.supply.twin import SupplyState

LEAST_SCANS = 1000.0  # a second on one core
SPEC = Path(__file__).parents[1] / "examples/supply/reference_network.json"


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="supply_twin", description=__doc__)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--before", type=int, default=12, help="facts of each that are folded before time is taken")
    parser.add_argument("--scans", type=int, default=40_000, help="that are timed: four of each, one at a new step")
    parser.add_argument("--frame", type=int, default=500, help="records of a frame")
    parser.add_argument("--profile", action="store_true", help="say where the time goes, in place of a report")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_twin", "The supply twins as they fold, on one core.", given(options))
    settle_in()
    fold = Folding(options.frame)
    fold.tell([described(json.loads(SPEC.read_bytes())["inputs"]["network"])])
    begun = time.process_time()
    fold.tell(facts(options.patients, 0, options.before))
    report.add("before", facts=options.before * options.patients, cpu_s=time.process_time() - begun)
    fold.forget()
    scans = list(islice(facts(options.patients, options.before, FACTS), options.scans))
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(fold.tell, scans)
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        return 0
    _timed(report, fold, scans)
    _checkpoint(report, fold)
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


@dataclass
class Folding:
    """All twins in one block, and what they tell one another."""

    frame: int
    block: ScalarBlock[SupplyState[Any]] = field(default_factory=lambda: SupplyModel().empty())
    offset: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    said: int = 0  # bytes
    frames: list[float] = field(default_factory=list)  # seconds

    def forget(self) -> None:
        """Begin to count."""
        self.kinds, self.said, self.frames = {}, 0, []

    def tell(self, events: Iterable[Event]) -> None:
        """Fold events in frames, each with what follows from the one before it."""
        following: list[Event] = []
        source = iter(events)
        while True:
            batch = [*following, *islice(source, self.frame)]
            if not batch:
                return
            following = self._fold(batch)

    def _fold(self, batch: Sequence[Event]) -> list[Event]:
        records = [record(event, self.offset + place) for place, event in enumerate(batch)]
        self.offset += len(records)
        begun = time.process_time()
        frame = read_frame("supply.events", 0, records)
        effects = self.block.apply(frame, MemoryPast().load([], frame.first)).all()
        self.said += sum(len(write_effect(effect)) for effect in effects)
        self.frames.append(time.process_time() - begun)
        for effect in effects:
            name = f"{effect.kind}.{effect.data.get('reason')}" if effect.kind == "reject" else effect.kind
            self.kinds[name] = self.kinds.get(name, 0) + 1
        return [told_of(effect) for effect in effects if effect.kind == "consequence"]


def _timed(report: Report, fold: Folding, scans: Sequence[Event]) -> None:
    fold.tell(scans)
    core = sum(fold.frames)
    rate = len(scans) / core
    report.add(
        "scans", scans=len(scans), cpu_ms_a_thousand=1e6 * core / len(scans), scans_a_core_second=rate,
        frame_cpu_ms_p50=1e3 * float(np.quantile(fold.frames, 0.5)),
        frame_cpu_ms_p99=1e3 * float(np.quantile(fold.frames, 0.99)),
        megabytes_said=fold.said / 1e6, **fold.kinds,
    )  # fmt: skip
    report.bars.append(Bar("scans on one core, all that follows included", LEAST_SCANS, rate, "scans/s"))


def _checkpoint(report: Report, fold: Folding) -> None:
    """Write all twins down whole, and again after one frame, and read them."""
    keys = len(fold.block.keys())
    times = []
    for _ in range(2):
        begun = time.process_time()
        body = fold.block.snapshot()
        times.append(time.process_time() - begun)
    other = SupplyModel().empty()
    begun = time.process_time()
    other.restore(body)
    read = time.process_time() - begun
    same = other.snapshot() == body
    report.add("checkpoint", twins=keys, bytes_a_twin=len(body) / keys, megabytes=len(body) / 1e6,
               first_cpu_s=times[0], nothing_changed_cpu_s=times[1], read_cpu_s=read, same=same)  # fmt: skip
