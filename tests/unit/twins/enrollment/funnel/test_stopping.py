"""When to stop screening, caps of strata, places in screening."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy.enrollment_funnel import Truth, as_known, make
from twins.enrollment.funnel import (
    Stop,
    arrivals,
    arrivals_of,
    funnel,
    in_flight,
    nowcast,
    screening_load,
    stop_screening,
    strata,
)
from twins.enrollment.study import Study

TRUTH = Truth(rate=2.0, days=150.0, lag=3.0)


def study_of(seed: int = 1) -> Study:
    return as_known(make(TRUTH, np.random.default_rng(seed)), TRUTH.days)


def stop_of(study: Study, target: int, sure: float = 0.9) -> Stop:
    found = funnel(study)
    flight, unknown = in_flight(study, found), nowcast(study, found.reporting)
    return stop_screening(study, target, flight, unknown, arrivals(study, found), sure=sure)


def test_a_target_within_reach_of_those_in_the_funnel_stops_screening_now() -> None:
    study = study_of()
    stop = stop_of(study, len(study.counted) + 4)
    assert stop.best is not None
    assert stop.best.day == study.as_of
    assert stop.best == stop.now
    assert stop.now.over > 3.0


def test_the_stop_is_the_first_day_that_is_likely_enough() -> None:
    study = study_of()
    stop = stop_of(study, len(study.counted) + 60)
    assert stop.best is not None
    place = round(stop.best.day - study.as_of)
    assert stop.reached[place] >= 0.9 > stop.reached[place - 1]
    assert (np.diff(stop.reached) >= -1e-9).all(), "longer is never less"
    assert stop.best.reached == pytest.approx(stop.reached[place], abs=0.01)
    assert stop.best.low <= stop.best.middle <= stop.best.high
    assert stop.best.over > stop.now.over
    surer = stop_of(study, len(study.counted) + 60, sure=0.99).best
    assert surer is not None
    assert surer.day > stop.best.day
    assert surer.over > stop.best.over


def test_a_target_out_of_reach_has_no_day() -> None:
    study = study_of()
    assert stop_of(study, len(study.counted) + 10_000).best is None
    assert stop_of(study, len(study.counted)).now.reached == 1.0


def test_a_stop_leaves_fewer_beyond_the_target_than_waiting_for_it() -> None:
    rng, ours, theirs = np.random.default_rng(2), [], []
    for _ in range(12):
        world = make(replace(TRUTH, days=90.0), rng, beyond=60.0)
        study = as_known(world, 90.0)
        target = len(study.counted) + 30
        stop = stop_of(study, target).best
        assert stop is not None
        ours.append(np.sum(world.passes & (world.screened <= stop.day)) - target)
        known = np.sort(world.known[world.passes])[target - 1]
        theirs.append(np.sum(world.passes & (world.screened <= known)) - target)
    assert np.mean(np.maximum(ours, 0)) < 0.75 * np.mean(np.maximum(theirs, 0))
    assert np.mean(np.array(ours) >= 0) >= 0.7


def test_draws_of_rates_may_stand_for_what_comes() -> None:
    study = study_of()
    found = funnel(study)
    flight, unknown = in_flight(study, found), nowcast(study, found.reporting)
    usual = arrivals(study, found)
    rng = np.random.default_rng(3)
    total = usual.variance[0] / usual.mean[0]
    draws = rng.gamma(usual.mean[0] / total, total, 4000)[:, None] * np.arange(1, 121)
    one, two = (
        stop_screening(study, len(study.counted) + 60, flight, unknown, each) for each in (usual, arrivals_of(draws))
    )
    np.testing.assert_allclose(one.reached, two.reached, atol=0.04)


def test_a_stratum_that_those_in_the_funnel_fill_is_closed() -> None:
    study = study_of()
    s = replace(study.subjects, stratum=np.arange(len(study.subjects)) % 2)
    known = [int(np.sum(~np.isnan(s.enrolled) & (s.stratum == place))) for place in (0, 1)]
    caps = np.array([known[0] + 2.0, np.inf])
    study = replace(study, subjects=s, strata=("low", "high"), strata_caps=caps)
    low, high = strata(study, in_flight(study, funnel(study)))
    assert low.known == known[0]
    assert (low.close, high.close) == (True, False)
    assert low.exceeds > 0.5
    assert low.free == 0.0
    assert (high.exceeds, high.free) == (0.0, np.inf)


def test_places_in_screening_bound_what_a_site_takes_in() -> None:
    study = study_of()
    waits, most = screening_load(study, funnel(study), np.array([4.0, 8.0, np.inf] + [4.0] * 27))
    assert waits.sum() > 0
    assert most[1] == 2.0 * most[0]
    assert 4 / 20 < most[0] < 4 / 8, "a stay is 8 to 20 days"
    assert np.isinf(most[2])
