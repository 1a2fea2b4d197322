"""10,000 journeys live, some 40 facts each, interleaved: what one scan costs on one core, its reading included.

Facts of all journeys come in one stream, by the time at which each is known. After each the journey that it belongs to
is read anew. Also told: the size of a journey in a snapshot, and what writing and restoring it costs.
"""

from __future__ import annotations

import argparse
import heapq
import resource
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.accuracy.supply_injuries import BOUND
from benchmarks.accuracy.supply_scans import make
from benchmarks.report import Bar, Report, add_out, given
from twins.supply.identity import Journey, Settings

SETTINGS = Settings(lateness=BOUND)


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="supply_journeys", description=__doc__)
    parser.add_argument("--journeys", type=int, default=10_000)
    parser.add_argument("--facts", type=int, default=40, help="of a sound journey, about")
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_journeys", str(__doc__).splitlines()[0], given(options))
    made = [
        make(np.random.Generator(np.random.Philox(key=[options.seed, number])), number, options.facts)
        for number in range(options.journeys)
    ]
    streams = [[(fact.known_at, number, place) for place, fact in enumerate(one.arriving)]
               for number, one in enumerate(made)]  # fmt: skip
    order = list(heapq.merge(*map(sorted, streams)))
    empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    journeys = [Journey(one.coi, SETTINGS) for one in made]
    spent = np.empty(len(order))
    used = time.process_time()
    for step, (_, number, place) in enumerate(order):
        begun = time.perf_counter()
        journey = journeys[number]
        journey.take(made[number].arriving[place])
        journey.read()
        spent[step] = time.perf_counter() - begun
    core = time.process_time() - used
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - empty
    begun = time.process_time()
    written = [journey.write() for journey in journeys]
    writing = time.process_time() - begun
    begun = time.process_time()
    restored = [Journey.restore(body, SETTINGS) for body in written]
    restoring = time.process_time() - begun
    same = sum(one.write() == body for one, body in zip(restored, written, strict=True))
    sizes = np.array([len(body) for body in written])
    mean_us = 1e6 * core / len(order)
    report.add(
        "scans", facts=len(order), cpu_us_mean=mean_us, scans_per_core_second=1e6 / mean_us,
        wall_us_p50=1e6 * float(np.quantile(spent, 0.5)), wall_us_p99=1e6 * float(np.quantile(spent, 0.99)),
        wall_ms_worst=1e3 * float(spent.max()),
    )  # fmt: skip
    report.add(
        "memory", snapshot_bytes_mean=float(sizes.mean()), snapshot_bytes_most=int(sizes.max()),
        grown_kib_a_journey=grown / options.journeys, write_us=1e6 * writing / options.journeys,
        restore_us=1e6 * restoring / options.journeys,
    )  # fmt: skip
    report.bars += [
        Bar("a scan with its reading, one core", 200.0, mean_us, "us", most=True),
        Bar("scans on one core", 1000.0, 1e6 / mean_us, "/s"),
        Bar("largest journey in a snapshot", 8192, float(sizes.max()), "bytes", most=True),
        Bar("snapshots that read back to the same bytes", float(len(written)), float(same), "journeys"),
    ]
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1
