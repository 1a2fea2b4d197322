"""The filter of a room's air: exact in time, honest about what it does not know."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.accuracy.supply_cleanroom import KINDS, simulate
from twins.supply.cleanroom import airflow, room

AIR = room.air_of("half_um", 60, 30, rest_per_m3=70.0)


def test_two_short_bridges_are_one_long() -> None:
    begun = room.people(room.count(room.start(AIR, 1.0), 10, 0.0283), 3)
    once = room.predict(begun, AIR, 1.37)
    twice = room.predict(room.predict(begun, AIR, 1.11), AIR, 1.37)
    for name in ("c", "theta", "cc", "ct", "tt"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name), rel=1e-9), name


def test_without_counts_it_comes_to_the_closed_form() -> None:
    belief = room.predict(room.people(room.start(AIR, 1.0), 3), AIR, 3000.0)
    assert room.mean_per_m3(belief) == pytest.approx(102_070, rel=1e-6)


def test_moments_of_a_member_are_those_of_its_simulation() -> None:
    rng = np.random.Generator(np.random.Philox(key=7))
    kappa, spread, n, steps, hours = 1.0, 0.35, 20_000, 400, 0.2
    member = room.MEMBERS.index((kappa, spread, 0.05))
    begun = room.people(room.start(AIR, 1.0), 2)
    dt, lift = hours / steps, 2 * AIR.person_per_hour / AIR.air_m3_per_hour + 70.0
    chol = np.linalg.cholesky(
        [[begun.cc[member], begun.ct[member]], [begun.ct[member], begun.tt[member]]]
    ) @ rng.normal(size=(2, n))
    c, theta = begun.c[member] + chol[0], begun.theta[member] + chol[1]
    for _ in range(steps):
        c = c + AIR.rate_per_hour * (lift * theta - c) * dt
        theta = theta - kappa * (theta - 1) * dt + math.sqrt(2 * kappa * dt) * spread * rng.normal(size=n)
    moved = room.predict(begun, AIR, 1.0 + hours)
    assert moved.c[member] == pytest.approx(c.mean(), rel=0.02)
    assert moved.cc[member] == pytest.approx(c.var(), rel=0.05)
    assert moved.ct[member] == pytest.approx(np.cov(c, theta)[0, 1], rel=0.05)


def test_it_learns_what_people_here_shed() -> None:
    rng = np.random.Generator(np.random.Philox(key=3))
    belief, c = room.people(room.start(AIR, 1.0), 2), 0.4 * 68_000.0
    for minute in range(240):
        belief = room.count(room.predict(belief, AIR, 1.0 + minute / 60), int(rng.poisson(c * 0.0283)), 0.0283)
    assert room.source_factor(belief) == pytest.approx(0.4, rel=0.05)
    low, high = room.interval(belief)
    assert low < c < high
    assert high - low < 0.2 * c


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    sums = np.zeros(4)
    for place, kind in enumerate(list(KINDS)[1:4]):
        rng = np.random.Generator(np.random.Philox(key=[20, place]))
        for size in ("half_um", "five_um"):
            sums += np.sum([simulate(rng, kind, size, 0.5) for _ in range(2)], axis=0)
    assert 0.86 < sums[1] / sums[0] < 0.94, sums


def test_forecast_of_the_breach_and_of_the_recovery() -> None:
    rng = np.random.Generator(np.random.Philox(key=4))
    belief = room.start(AIR, 1.0)
    for minute in range(60):
        belief = room.count(room.predict(belief, AIR, 1.0 + minute / 60), int(rng.poisson(70 * 0.0283)), 0.0283)
    entered = room.people(belief, 1)
    closed = airflow.hours_until(70.0, 34_070.0, 30.0, 3_520.0)
    assert room.hours_until_above(entered, AIR, 3_520.0) == pytest.approx(closed, rel=0.35)
    assert room.hours_until_above(belief, AIR, 3_520.0, most=2) == math.inf
    later = room.people(room.predict(entered, AIR, entered.hours + 1), 0)
    down = airflow.hours_until(room.mean_per_m3(later), 70.0, 30.0, 3_520.0)
    assert down < room.hours_until_below(later, AIR, 3_520.0) < 2 * down
    assert room.above(later, 3_520.0) > 0.9


def test_counts_that_contradict_each_other_at_one_instant_leave_a_belief() -> None:
    belief = room.start(AIR, 1.0)
    for seen in (0, 9_000, 0, 10**9, 0, 0, 9_000, 1):
        belief = room.count(room.people(belief, seen % 3), seen, 0.0283)
        assert math.fsum(belief.weight) == pytest.approx(1.0)
        low, high = room.interval(belief)
        assert 0 <= low < high < math.inf
    rested = room.predict(room.people(belief, 0), AIR, 2000.0)
    assert room.mean_per_m3(rested) == pytest.approx(70.0, rel=0.2)
