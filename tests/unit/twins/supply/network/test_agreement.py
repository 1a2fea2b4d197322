"""One truth, two engines: on equal chance the SimPy reference and the batch agree on every event time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.jobs import SimulationSpec
from tests.support.supply_networks import random_network
from twins.supply.network.batch import Trace, predraw, run_batch, run_drawn
from twins.supply.network.checking import read_network
from twins.supply.network.model import Compiled, compile_network

pytest.importorskip("simpy")
from twins.supply.network.reference import run_reference  # after the skip: it needs SimPy

EXAMPLE = Path(__file__).resolve().parents[5] / "examples" / "supply" / "reference_network.json"
CLOSE = 1e-9  # days; both add the same numbers in the same order, so they differ by nothing as a rule


def in_order(trace: Trace) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    order = np.lexsort(trace.who.T[::-1])
    return trace.who[order], trace.times[order]


def check(network: Compiled, seed: int, replication: int, compiled: bool) -> int:
    drawn = predraw(network, seed, replication, compiled=compiled)
    wanted = run_reference(network, seed, drawn)
    for got in (
        run_batch(network, seed, [replication], records=500, compiled=compiled),
        run_drawn(network, seed, drawn, records=500, compiled=compiled),
    ):
        (who, times), (other, others) = in_order(wanted.trace), in_order(got.traces[0])
        np.testing.assert_array_equal(who, other)
        np.testing.assert_allclose(times, others, rtol=0.0, atol=CLOSE)
        assert wanted.status == got.status[0, : got.patients[0]].tolist()
        np.testing.assert_allclose(wanted.finish, got.finish[0, : got.patients[0]], rtol=0.0, atol=CLOSE)
        np.testing.assert_allclose(wanted.busy_days, got.busy_days[0], atol=CLOSE)
        np.testing.assert_allclose(wanted.queue_days, got.queue_days[0], atol=CLOSE)
        assert abs(wanted.end - got.end[0]) < CLOSE
    return len(who)


@pytest.mark.parametrize("seed", range(20))
def test_the_engines_agree_on_every_event_of_a_random_network(seed: int) -> None:
    assert check(compile_network(read_network(random_network(seed)), 90.0), seed, 0, compiled=False) > 20


def test_the_random_networks_hold_what_they_are_to_hold() -> None:
    documents = [random_network(seed) for seed in range(20)]
    routes = [route for one in documents for route in one["routes"]]
    steps = [step for route in routes for step in route["steps"]]
    assert any(len({c["priority"] for c in one["classes"]}) > 1 for one in documents)
    assert any(route["holds"] for route in routes)
    assert any(len(step["needs"]) > 1 for step in steps)
    assert any("most" in outcome for step in steps for outcome in step["outcomes"])
    assert any("windows" in resource for one in documents for resource in one["resources"])
    assert any(one["start"] for one in documents)
    assert {c["arrivals"]["kind"] for one in documents for c in one["classes"]} == {"poisson", "scheduled", "closed"}


@pytest.mark.slow  # it compiles
@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba, the extra fast")
def test_the_compiled_engine_agrees_too() -> None:
    for seed in range(20):
        check(compile_network(read_network(random_network(seed, 300)), 200.0), seed, 3, compiled=True)
    spec = msgspec.json.decode(EXAMPLE.read_bytes(), type=SimulationSpec)
    network = compile_network(read_network(spec.inputs["network"]), spec.horizon / 24.0)
    assert check(network, 5, 0, compiled=True) > 8000
    one, two = (run_batch(network, 5, range(6), threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.finish, two.finish)
    plain = run_batch(network, 5, [2], compiled=False)
    np.testing.assert_allclose(plain.finish[0], one.finish[2], rtol=0.0, atol=CLOSE)
