"""The simulator of supply networks against queueing theory, at one family-wise level over all quantities.

Each quantity is estimated by the mean of independent replications after a warm-up; its interval is Student's at the
level of Sidak, so that all of them hold together with 95 %. Little's law and conservation are checked on traces.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.report import Bar, Report, add_out, given
from tests.support.supply_networks import random_network
from twins.supply.network import closed_forms
from twins.supply.network.batch import Batch, run_batch
from twins.supply.network.checking import read_network
from twins.supply.network.kernel import FINISHED, IN_PROCESS, LEFT
from twins.supply.network.model import Compiled, compile_network

Floats = NDArray[np.float64]
LEVEL, EXACT = 0.95, 1e-9
WARM_UP, DAYS = 2_000.0, 42_000.0
EXPONENTIAL = {"law": "exponential", "mean": 1.0}


@dataclass(frozen=True, slots=True)
class Case:
    """A network, and what of it is compared: name, truth, estimate by replication."""

    name: str
    network: Compiled
    quantities: list[tuple[str, float, Callable[[Batch], Floats]]]


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="supply_queueing", description=__doc__)
    parser.add_argument("--replications", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_queueing", "Simulated supply networks against closed forms.", given(options))
    cases = list(_cases())
    count = sum(len(case.quantities) for case in cases)
    level = LEVEL ** (1.0 / count)
    critical = float(stats.t.ppf(0.5 + level / 2.0, options.replications - 1))
    outside = 0
    for case in cases:
        batch = run_batch(case.network, options.seed, range(options.replications), threads=2)
        for what, truth, estimate in case.quantities:
            values = estimate(batch)
            mean, error = float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
            off = abs(mean - truth) / error
            outside += off > critical
            report.add(
                "quantities", case=case.name, quantity=what, truth=truth, mean=mean, half=critical * error, off=off
            )
    report.bars.append(Bar(f"quantities outside, of {count} at {LEVEL:.0%} together", 0, outside, "", most=True))
    for what, error in _laws(options.seed).items():
        report.bars.append(Bar(what, EXACT, error, "", most=True))
    report.notes.append(f"off: distance in standard errors; {critical:.2f} are allowed.")
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def _network(resources: Any, steps: Any, classes: Any, warm_up: float = WARM_UP, days: float = DAYS) -> Compiled:
    """Give a network of one route; classes are (priority, arrivals)."""
    document = {
        "name": "truth", "warm_up": warm_up,
        "resources": [{"name": name, "units": units} for name, units in resources],
        "routes": [{"name": "r", "steps": steps}],
        "classes": [
            {"name": f"c{k}", "route": "r", "priority": priority, "arrivals": arrivals}
            for k, (priority, arrivals) in enumerate(classes)
        ],
    }  # fmt: skip
    return compile_network(read_network(document), days)


def _step(name: str, duration: Any, needs: Sequence[str] = (), outcomes: Any = ()) -> dict[str, Any]:
    return {"name": name, "duration": duration, "needs": list(needs), "outcomes": list(outcomes)}


def _waiting(resource: int) -> Callable[[Batch], Floats]:
    return lambda batch: batch.queue_days[:, resource] / (batch.end - WARM_UP)


def _busy(resource: int) -> Callable[[Batch], Floats]:
    return lambda batch: batch.busy_days[:, resource] / (batch.end - WARM_UP)


def _wait(resource: int, of: int) -> Callable[[Batch], Floats]:
    return lambda batch: batch.wait_days[:, resource, of] / batch.waited[:, resource, of]


def _served(resource: int) -> Callable[[Batch], Floats]:
    return lambda batch: batch.waited[:, resource].sum(axis=1) / (batch.end - WARM_UP)


def _sojourn(batch: Batch) -> Floats:
    """Mean time from arrival to finish of who came after the warm-up and well before the end."""
    counted = (batch.arrived >= WARM_UP) & (batch.arrived < DAYS - 1_000.0)
    return np.nanmean(np.where(counted, batch.finish - batch.arrived, np.nan), axis=1)


def _inside(batch: Batch) -> Floats:
    return np.asarray(((batch.status == IN_PROCESS) & (batch.arrived < batch.end[:, None])).sum(axis=1), np.float64)


def _poisson(rate: float) -> dict[str, Any]:
    return {"kind": "poisson", "per_day": rate}


def _cases() -> Iterator[Case]:
    for rate, servers in ((0.8, 1), (1.8, 2), (5.1, 6), (10.8, 12)):
        truth = closed_forms.mmc(rate, 1.0, servers)
        network = _network([("r", servers)], [_step("s", EXPONENTIAL, ["r"])], [(0, _poisson(rate))])
        yield Case(f"M/M/{servers}", network, [
            ("waiting", truth.waiting, _waiting(0)), ("busy", rate, _busy(0)), ("wait", truth.wait, _wait(0, 0)),
        ])  # fmt: skip
    laws = (
        ("D", {"law": "deterministic", "days": 1.0}, 1.0, 1.0),
        ("gamma", {"law": "gamma", "shape": 0.5, "scale": 2.0}, 1.0, 3.0),
        ("lognormal", {"law": "lognormal", "median": 1.0, "sigma": 0.6}, math.exp(0.18), math.exp(0.72)),
        ("uniform", {"law": "uniform", "low": 0.0, "high": 2.0}, 1.0, 4.0 / 3.0),
        ("empirical", {"law": "empirical", "levels": [0.0, 0.5, 1.0], "days": [0.0, 1.0, 3.0]}, 1.25, 7.0 / 3.0),
    )  # the last: half uniform on 0 to 1 (second moment 1/3), half on 1 to 3 (13/3)
    for name, law, mean, second in laws:
        rate = 0.75 / mean
        truth = closed_forms.mg1(rate, mean, second)
        network = _network([("r", 1)], [_step("s", law, ["r"])], [(0, _poisson(rate))])
        yield Case(f"M/{name}/1", network, [("wait", truth.wait, _wait(0, 0)), ("busy", 0.75, _busy(0))])
    rates = (0.2, 0.25, 0.35)
    waits = closed_forms.priority_waits(rates, (1.0,) * 3, (1.25,) * 3)
    network = _network(
        [("r", 1)], [_step("s", {"law": "gamma", "shape": 4.0, "scale": 0.25}, ["r"])],
        [(k, _poisson(rate)) for k, rate in enumerate(rates)],
    )  # fmt: skip
    yield Case("M/G/1 priorities", network, [(f"wait {k}", waits[k], _wait(0, k)) for k in range(3)])
    yield _jackson()
    yield from _closed()
    yield from _transient()
    tests = {"kind": "scheduled", "patients": [{"patient": f"t{k}", "day": 0.0} for k in range(7)]}
    network = _network([("r", 1)], [_step("s", EXPONENTIAL)], [(0, tests)], 0.0, 1_000.0)
    yield Case("7 parallel tests", network, [("last", closed_forms.harmonic(7), lambda batch: batch.end)])


def _jackson() -> Case:
    means, servers = (0.7, 1.5, 0.8), (1, 2, 1)
    routing = ((0.0, 1.0, 0.0), (0.0, 0.1, 0.85), (0.05, 0.0, 0.0))
    queues, sojourn = closed_forms.jackson((0.95, 0.0, 0.0), routing, means, servers)
    laws = [{"law": "exponential", "mean": mean} for mean in means]
    steps = [
        _step("a", laws[0], ["a"]),
        _step("b", laws[1], ["b"], [{"probability": 0.1, "to": "b"}, {"probability": 0.05, "to": "leave"}]),
        _step("c", laws[2], ["c"], [{"probability": 0.05, "to": "a"}]),
    ]
    network = _network(list(zip("abc", servers, strict=True)), steps, [(0, _poisson(0.95))])
    return Case("Jackson with rework", network, [
        *((f"waiting {name}", queues[k].waiting, _waiting(k)) for k, name in enumerate("abc")),
        ("sojourn", sojourn, _sojourn),
    ])  # fmt: skip


def _closed() -> Iterator[Case]:
    demands = (2.0, 1.0, 0.5)
    steps = [_step(f"s{k}", {"law": "exponential", "mean": mean}, [f"r{k}"]) for k, mean in enumerate(demands)]
    steps.append(_step("think", {"law": "gamma", "shape": 2.0, "scale": 2.0}))
    for customers in (1, 3, 8):
        for think in (0.0, 4.0):
            throughput, numbers = closed_forms.closed_network(demands, customers, think)
            network = _network(
                [(f"r{k}", 1) for k in range(3)], steps[: 4 if think else 3],
                [(0, {"kind": "closed", "patients": customers})],
            )  # fmt: skip
            if customers == 1 and think == 0.0:
                yield Case("closed, 1", network, [("throughput", throughput, _served(0))])
                continue
            waiting = numbers[0] - throughput * demands[0]
            quantities = [("throughput", throughput, _served(0))]
            if customers > 1:
                quantities.append(("waiting", waiting, _waiting(0)))
            yield Case(f"closed, {customers}, think {think:g}", network, quantities)


def _transient() -> Iterator[Case]:
    """A surge from day 20 to 40, looked at on days 20, 40 and 60."""
    truths = closed_forms.present(((20.0, 2.0), (20.0, 3.5), (20.0, 2.0)), 1.0, 3)
    surge = {**_poisson(2.0), "surges": [{"begin": 20.0, "end": 40.0, "factor": 1.75}]}
    for day, truth in zip((20.0, 40.0, 60.0), truths, strict=True):
        network = _network([("r", 3)], [_step("s", EXPONENTIAL, ["r"])], [(0, surge)], 0.0, day)
        yield Case("surge M/M/3", network, [(f"present on day {day:g}", truth, _inside)])


def _laws(seed: int) -> dict[str, float]:
    """Give the worst of Little's law and of conservation over random networks, and two deterministic truths."""
    little = lost = 0.0
    for place in range(40):
        network = compile_network(read_network(random_network(1000 * seed + place, 200)), 100.0)
        batch = run_batch(network, seed, [0], records=5_000)
        trace, end = batch.traces[0], float(batch.end[0])
        waits = np.fmin(trace.times[:, 1], end) - np.maximum(trace.times[:, 0], 0.0)
        total = float(np.maximum(waits, 0.0).sum())
        little = max(little, abs(total - float(batch.queue_days[0].sum())) / max(total, 1.0))
        came = len(np.unique(trace.who[:, 0]))
        n = int(batch.patients[0])
        status, present = batch.status[0, :n], batch.arrived[0, :n] < end
        out, scrapped = int((status == FINISHED).sum()), int((status == LEFT).sum())
        inside = int(((status == IN_PROCESS) & present).sum())
        lost = max(lost, abs(came - out - scrapped - inside))
    return {"Little's law on traces, relative": little, "in - out - in process - scrapped": lost, **_deterministic()}


def _deterministic() -> dict[str, float]:
    days = (2.0, 5.0, 3.0)
    steps = [_step(f"s{k}", {"law": "deterministic", "days": one}, [f"r{k}"]) for k, one in enumerate(days)]
    jobs = {"kind": "scheduled", "patients": [{"patient": f"p{k}", "day": 0.0} for k in range(100)]}
    line = _network([(f"r{k}", 1) for k in range(3)], steps, [(0, jobs)], 0.0, 10_000.0)
    off = abs(float(run_batch(line, 1, [0]).end[0]) - closed_forms.line_days(days, 100)[0])
    return {"deterministic line of 100 jobs [d]": off}
