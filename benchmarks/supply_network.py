"""How much faster the batch engine simulates a supply network than SimPy, and what 1,000 replications cost.

Both engines run on equal chance that was drawn before, by turns, on one core; compiling is told apart. `all in` also
counts what the batch draws as it goes. SimPy is the reference of this package; a model by `simpy.PriorityResource`
takes as long.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.report import Bar, Report, add_out, given
from schemas.jobs import SimulationSpec
from twins.supply.network.batch import functions, predraw, run_batch, run_drawn
from twins.supply.network.checking import read_network
from twins.supply.network.model import Compiled, compile_network
from twins.supply.network.reference import run_reference

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "supply" / "reference_network.json"
REFERENCE, OTHERS, SECONDS = 100.0, 60.0, 2.0
DAYS = 3000.0


def reference_network() -> Compiled:
    """Give the network of the example."""
    spec = msgspec.json.decode(EXAMPLE.read_bytes(), type=SimulationSpec)
    return compile_network(read_network(spec.inputs["network"]), spec.horizon / 24.0)


def others() -> dict[str, Compiled]:
    """Give networks of other shapes, of 1,000 patients each."""
    exponential = [{"law": "exponential", "mean": mean} for mean in (0.8, 1.6, 0.7)]
    line = [{"name": f"s{k}", "duration": exponential[k], "needs": [f"r{k}"]} for k in range(3)]
    line[2]["outcomes"] = [{"probability": 0.1, "to": "s0"}]
    nested = [
        {"name": "make", "duration": {"law": "uniform", "low": 1.0, "high": 2.0}, "needs": ["suite", "staff"]},
        {"name": "grow", "duration": {"law": "lognormal", "median": 5.0, "sigma": 0.2}, "needs": ["incubator"]},
        {"name": "fill", "duration": {"law": "exponential", "mean": 0.5}, "needs": ["suite", "staff", "filler"]},
    ]
    outage = {"windows": [{"begin": 100.0 * k, "end": 100.0 * k + 10.0, "units": 1} for k in range(1, 20)]}
    week = {"weekly": [{"begin": 5.0, "end": 7.0, "units": 2}]}
    return {
        "Jackson line with rework": _network([("r0", 1, {}), ("r1", 2, {}), ("r2", 1, {})], line, [], 1.0),
        "nested thrice, outages, weekends": _network(
            [("suite", 6, outage), ("staff", 4, week), ("incubator", 12, {}), ("filler", 2, {})], nested, [], 1.2
        ),
        "one queue of 10": _network(
            [("bay", 10, {})],
            [{"name": "s", "duration": {"law": "exponential", "mean": 9.0}, "needs": ["bay"]}], [], 1.0,
        ),
        "three holds over staff": _network(
            [("site", 30, {}), ("room", 12, {}), ("staff", 3, {})],
            [
                {"name": "prepare", "duration": {"law": "gamma", "shape": 4.0, "scale": 0.1}, "needs": ["staff"]},
                {"name": "run", "duration": {"law": "gamma", "shape": 20.0, "scale": 0.3}},
                {"name": "close", "duration": {"law": "gamma", "shape": 4.0, "scale": 0.1}, "needs": ["staff"],
                 "outcomes": [{"probability": 0.1, "to": "prepare", "most": 3}]},
                {"name": "test", "duration": {"law": "deterministic", "days": 7.0}},
            ],
            [("site", "prepare", "test"), ("room", "prepare", "close")], 1.3,
        ),
    }  # fmt: skip


def _network(resources: Any, steps: Any, holds: Any, per_day: float) -> Compiled:  # Any: parts of a document
    document = {
        "name": "one of others",
        "resources": [{"name": name, "units": units, **more} for name, units, more in resources],
        "routes": [
            {"name": "r", "steps": steps, "holds": [{"resource": r, "first": a, "last": b} for r, a, b in holds]}
        ],
        "classes": [
            {"name": f"c{k}", "route": "r", "priority": k,
             "arrivals": {"kind": "poisson", "per_day": share * per_day, "most": int(1000 * share)}}
            for k, share in enumerate((0.2, 0.8))
        ],
    }  # fmt: skip
    return compile_network(read_network(document), DAYS)


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="supply_network", description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_network", "Replications of a supply network: the batch engine and SimPy.", given(options))
    begun = time.perf_counter()
    network = reference_network()
    drawn = predraw(network, options.seed, 0)
    run_drawn(network, options.seed, drawn)
    compiling = time.perf_counter() - begun
    for name, one in {"reference": network, **others()}.items():
        ratio = _compare(report, name, one, options.seed, options.repeats)
        report.bars.append(Bar(f"{name}: times SimPy", REFERENCE if name == "reference" else OTHERS, ratio, "x"))
    work = partial(run_batch, network, options.seed, range(1000), threads=options.threads)
    best, spent = _best(work, time.perf_counter), _best(work)
    report.bars.append(Bar("1,000 replications of 1,000 patients, all in", SECONDS, best, "s", most=True))
    report.notes += [
        f"The first run took {compiling:.2f} s: compiling, or reading what was compiled before.",
        f"The 1,000 replications took {spent:.2f} s of processor time.",
        "times: medians of processor time of runs by turns, of each the better of two, on one chance, drawn before. "
        "all in: the batch draws as it goes, SimPy does not.",
    ]
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def _compare(report: Report, name: str, network: Compiled, seed: int, repeats: int) -> float:
    """Time both by turns; each turn is another replication. Give the ratio of the medians."""
    functions(True)
    slow, fast, whole, visits = [], [], [], 0
    for replication in range(repeats):
        drawn = predraw(network, seed, replication, visits=8)
        slow.append(_best(partial(run_reference, network, seed, drawn)))
        fast.append(_best(partial(run_drawn, network, seed, drawn)))
        whole.append(_best(partial(run_batch, network, seed, [replication])))
        wanted, got = run_reference(network, seed, drawn), run_drawn(network, seed, drawn)
        np.testing.assert_allclose(wanted.finish, got.finish[0, : drawn.patients], rtol=0.0, atol=1e-9)
        visits += len(wanted.trace.who)
    ratio = float(np.median(slow) / np.median(fast))
    report.add(
        "engines", network=name, steps=visits // repeats, simpy_ms=1e3 * float(np.median(slow)),
        batch_ms=1e3 * float(np.median(fast)), all_in_ms=1e3 * float(np.median(whole)), times=ratio,
        all_in_times=float(np.median(slow) / np.median(whole)),
    )  # fmt: skip
    return ratio


def _best(work: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:  # Any: not looked at
    """Give the shorter of two runs [s]: the first one warms the caches, for both alike."""
    return min(_timed(work, clock) for _ in range(2))


def _timed(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    begun = clock()
    work()
    return clock() - begun
