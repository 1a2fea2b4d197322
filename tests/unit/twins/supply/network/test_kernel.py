"""Chance by counters, the laws, and the rules of the event loop on cases worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from twins.supply.network import compile_network, read_network, run_batch
from twins.supply.network.batch import Batch, key_of
from twins.supply.network.kernel import FINISHED, LEFT, chance, normal_quantile, philox
from twins.supply.network.remaining import remaining
from twins.supply.network.spec import Deterministic, Empirical, Exponential, Gamma, Law, Lognormal, Uniform

Json = dict[str, Any]  # Any: JSON


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)  # the known answers of Random123
def test_philox_gives_the_published_words(
    counter: tuple[int, int, int, int], key: tuple[int, int], words: tuple[int, ...]
) -> None:
    assert philox(*counter, *key) == words


def test_the_normal_quantile_is_that_of_scipy() -> None:
    levels = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 2001), 10.0 ** -np.arange(7.0, 16.0)])
    np.testing.assert_allclose([normal_quantile(p) for p in levels], special.ndtri(levels), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("law", "a", "b", "truth"),
    [
        (1, 2.0, 0.0, stats.expon(scale=2.0)),
        (2, 0.4, 3.0, stats.gamma(0.4, scale=3.0)),
        (2, 7.5, 0.2, stats.gamma(7.5, scale=0.2)),
        (3, np.log(2.0), 0.4, stats.lognorm(0.4, scale=2.0)),
        (4, 1.0, 3.0, stats.uniform(1.0, 2.0)),
    ],
)
def test_durations_follow_their_laws(law: int, a: float, b: float, truth: Any) -> None:  # Any: a law of scipy
    drawn = np.array([chance(law, a, b, 0, patient, 3, 1, 11, 12) for patient in range(4000)])
    assert stats.kstest(drawn[:, 0], truth.cdf).pvalue > 1e-3
    assert stats.kstest(drawn[:, 1], "uniform").pvalue > 1e-3
    assert abs(stats.spearmanr(drawn[:, 0], drawn[:, 1]).statistic) < 0.06


def test_seeds_have_keys_of_their_own() -> None:
    assert len({key_of(seed) for seed in (0, 1, 2**32, 2**33 + 1, 2**64, 2**64 + 1, 2**97, 2**128)}) == 8


@pytest.mark.parametrize(
    ("law", "truth"),
    [
        (Exponential(2.0), stats.expon(scale=2.0)),
        (Gamma(4.0, 0.5), stats.gamma(4.0, scale=0.5)),
        (Lognormal(2.0, 0.4), stats.lognorm(0.4, scale=2.0)),
        (Uniform(1.0, 3.0), stats.uniform(1.0, 2.0)),
        (Empirical((0.0, 0.5, 1.0), (1.0, 2.0, 3.0)), stats.uniform(1.0, 2.0)),
    ],
)
@pytest.mark.parametrize("elapsed", [0.0, 0.7, 1.5, 2.9])
def test_what_remains_is_conditional_on_what_has_passed(law: Law, truth: Any, elapsed: float) -> None:
    levels = np.array([0.05, 0.5, 0.95])
    wanted = truth.ppf(1.0 - (1.0 - levels) * truth.sf(elapsed)) - elapsed
    np.testing.assert_allclose(remaining(law, elapsed, levels), wanted, rtol=1e-6, atol=1e-9)


def test_a_step_that_should_have_ended_ends_at_once_and_none_is_negative() -> None:
    for law in (
        Deterministic(1.0),
        Uniform(0.0, 2.0),
        Empirical((0.0, 1.0), (0.0, 2.0)),
        Gamma(4.0, 0.5),
        Lognormal(1.0, 0.2),
    ):
        left = remaining(law, 500.0, np.array([0.0, 0.5, 0.999]))
        assert (left >= 0.0).all()
        assert np.isfinite(left).all()


def run(
    steps: list[Json], units: Json, patients: list[tuple[str, float]], start: list[Json] | None = None, **more: Any
) -> Batch:
    """Run days that are deterministic; patients are (class, day), classes `a` before `b`."""
    document = {
        "name": "by hand", "start": start or [],
        "resources": [{"name": name, **({"units": n} if isinstance(n, int) else n)} for name, n in units.items()],
        "routes": [{"name": "r", "steps": steps, "holds": more.get("holds", [])}],
        "classes": [
            {"name": name, "route": "r", "priority": k, "arrivals": {"kind": "scheduled", "patients": [
                {"patient": f"{name}{n}", "day": day} for n, (of, day) in enumerate(patients) if of == name]}}
            for k, name in enumerate("ab")
        ],
    }  # fmt: skip
    network = compile_network(read_network(document), 100.0)
    return run_batch(network, more.get("seed", 1), [0], records=50, compiled=False)


def step(name: str, days: float, *needs: str, **more: Any) -> Json:
    return {"name": name, "duration": {"law": "deterministic", "days": days}, "needs": list(needs), **more}


def test_priority_then_time_of_asking_then_number_and_nobody_is_interrupted() -> None:
    batch = run([step("s", 5.0, "x")], {"x": 1}, [("b", 0.0), ("b", 1.0), ("b", 1.0), ("a", 3.0)])
    assert batch.begun[0].tolist() == [0.0, 5.0 + 5.0, 5.0 + 10.0, 5.0]  # b0, b1, b2, a3 by day of arrival


def test_all_that_happens_at_an_instant_is_known_before_anyone_is_served() -> None:
    batch = run([step("s", 5.0, "x")], {"x": 1}, [("b", 0.0), ("b", 1.0), ("a", 5.0)])
    assert batch.begun[0].tolist() == [0.0, 10.0, 5.0]


def test_a_resource_is_held_while_another_is_waited_for() -> None:
    holds = [{"resource": "suite", "first": "make", "last": "clean"}]
    steps = [step("make", 2.0, "staff"), step("clean", 1.0)]
    batch = run(steps, {"suite": 2, "staff": 1}, [("a", 0.0), ("a", 0.0), ("a", 0.0)], holds=holds)
    assert batch.finish[0].tolist() == [3.0, 5.0, 7.0]
    assert batch.busy_days[0].tolist() == [3.0 + 5.0 + 4.0, 6.0]
    assert batch.queue_days[0].tolist() == [3.0, 2.0 + 1.0]  # the third gets a suite on day 3, staff on day 4


def test_an_outage_lets_those_who_are_served_end() -> None:
    units = {"x": {"units": 2, "windows": [{"begin": 1.0, "end": 10.0, "units": 0}]}}
    batch = run([step("s", 4.0, "x")], units, [("a", 0.0), ("a", 0.5), ("a", 0.6)])
    assert batch.finish[0].tolist() == [4.0, 4.5, 14.0]


def test_rework_is_bounded_and_then_the_patient_leaves_or_goes_on() -> None:
    for then, status, finish in (("leave", LEFT, 6.0), ("next", FINISHED, 7.0)):
        outcomes = [{"probability": 1.0, "to": "s", "most": 2, "then": then}]
        batch = run([step("s", 2.0, "x", outcomes=outcomes), step("t", 1.0)], {"x": 1}, [("a", 0.0)])
        assert (batch.status[0, 0], batch.finish[0, 0]) == (status, finish)
        assert batch.traces[0].who[:3].tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2]]


def test_the_start_state_goes_on_from_where_patients_are() -> None:
    start = [
        {"patient": "w", "class": "b", "step": "s", "elapsed": 9.0, "waiting": True},
        {"patient": "i", "class": "b", "step": "s", "elapsed": 3.0, "arrived": -20.0},
    ]
    batch = run([step("s", 5.0, "x")], {"x": 1}, [("b", 0.0)], start)
    assert batch.finish[0].tolist() == [7.0, 2.0, 12.0]
    assert batch.arrived[0].tolist() == [-9.0, -20.0, 0.0]
    assert batch.traces[0].times[1].tolist() == [-3.0, -3.0, 2.0]


def test_a_surge_leaves_those_who_come_before_it_as_they_are() -> None:
    found = []
    steps = [{"name": "s", "duration": {"law": "exponential", "mean": 0.5}, "needs": ["x"]}]
    for factor in (1.0, 3.0):
        surges = [{"begin": 20.0, "end": 40.0, "factor": factor}]
        document = {
            "name": "n", "resources": [{"name": "x", "units": 1}],
            "routes": [{"name": "r", "steps": steps}],
            "classes": [{"name": "c", "route": "r", "arrivals": {"kind": "poisson", "per_day": 1.0, "surges": surges}}],
        }  # fmt: skip
        found.append(run_batch(compile_network(read_network(document), 60.0), 3, [4], compiled=False))
    before = int((found[0].arrived[0] < 20.0).sum())
    assert before > 5
    np.testing.assert_array_equal(found[0].arrived[0, :before], found[1].arrived[0, :before])
    assert found[1].patients[0] > found[0].patients[0] + 15
