"""The worlds that policies are tried on, and the belief that stands in for the model there."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.accuracy.enrollment_policy import _multipliers, _tried, believed
from benchmarks.accuracy.enrollment_worlds import FIRST, LOT, cost_of, finish_of, informed, trial


def test_every_policy_is_tried_and_who_sees_all_does_no_worse_than_a_constant() -> None:
    costs = _tried((3, (8_000.0,), 64, 0.1))[0]
    assert {"ours", "oracle", "all seen", "do nothing", "by plan", "linear projection"} < set(costs)
    assert len([name for name in costs if name.startswith("open")]) == 9
    assert costs["all seen"] <= min(costs[name] for name in ("do nothing", "open 4 in C0", "open 4 in C2", "oracle"))


def test_more_sites_finish_sooner_and_the_oracle_opens_more_where_days_are_dear() -> None:
    for seed in range(5):
        world = trial(seed)
        assert finish_of(world, [(FIRST, 2, 12)]) <= finish_of(world, [(FIRST, 2, 4)]) <= finish_of(world, [])
        few, many = (sum(count for _, _, count in informed(world, price)) for price in (2_000.0, 40_000.0))
        assert few <= many
        assert few % LOT == many % LOT == 0


def test_what_is_decided_after_the_end_costs_nothing() -> None:
    world = trial(1)
    finish = finish_of(world, [])
    assert cost_of(world, [(finish + 1.0, 0, 8)], 8_000.0) == cost_of(world, [], 8_000.0)


def test_belief_follows_the_facts() -> None:
    rng = np.random.default_rng(2)
    country, exposed = np.repeat([0, 1, 2], 8), np.full(24, 180.0)
    nobody = _multipliers(country, np.zeros(24), exposed, rng, 2000)
    many = _multipliers(country, np.full(24, 8.0), exposed, rng, 2000)
    none = _multipliers(country, np.zeros(24), np.zeros(24), rng, 20_000)
    assert (nobody.mean(axis=0) < none.mean(axis=0)).all()
    assert (many.mean(axis=0) > none.mean(axis=0)).all()
    assert np.log(none).std(axis=0) == pytest.approx([(0.35**2 + 0.1**2) ** 0.5] * 3, rel=0.05)
    scene, ahead = believed(trial(1), [(FIRST, 0, 4)], FIRST + 30.0, 1, 50)
    assert ahead.site_rate.shape == (50, 28)
    assert (ahead.opens[:, 24:] > FIRST + 30.0).mean() > 0.9
    assert scene.have > 0
