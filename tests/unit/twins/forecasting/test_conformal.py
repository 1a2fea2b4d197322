"""Conformal quantiles: coverage where scores are exchangeable, and the tracker's where they drift; laws first."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError, ShapeError
from twins.forecasting import Tracker, split_quantile


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=60), st.sampled_from([0.5, 0.8, 0.9]))
def test_the_split_quantile_holds_its_share_of_any_exchangeable_set(scores: list[float], coverage: float) -> None:
    """Leaving each of m + 1 scores out in turn is what exchangeable means: the share held is exact, not simulated."""
    everything = np.array([*scores, 1.0])
    held = sum(
        float(everything[i]) <= float(split_quantile(np.delete(everything, i), coverage))
        for i in range(len(everything))
    )
    assert held >= coverage * len(everything) - 1e-9
    if len(set(everything.tolist())) == len(everything):
        assert held <= coverage * len(everything) + 1  # at most 1 / (m + 1) too many, without ties


def test_missing_scores_do_not_count_and_too_few_promise_nothing() -> None:
    scores = np.full((30, 3), np.nan)
    scores[:19, 0] = np.arange(1.0, 20.0)[::-1]
    scores[:8, 1] = np.arange(8.0)
    found = split_quantile(scores, 0.9)
    assert found.tolist() == [18.0, math.inf, math.inf]
    assert split_quantile(np.empty((0, 2)), 0.9).tolist() == [math.inf, math.inf]


@settings(deadline=None)
@given(
    st.lists(st.floats(0.0, 1e3) | st.just(math.inf), min_size=1, max_size=300),
    st.floats(0.01, 0.2),
    st.sampled_from([0.5, 0.9, 0.95]),
)
def test_the_tracker_misses_its_share_of_whatever_comes(scores: list[float], rate: float, coverage: float) -> None:
    """The bound of the docstring: it needs nothing of the scores, only that q stayed within its bounds."""
    tracker = Tracker(coverage=coverage, rate=rate, start=1.0, smallest=1e-12, largest=1e12)
    state, misses = tracker.begin(1), 0.0
    for score in scores:
        missed = state.missed_by(np.array([score]))
        misses += float(missed[0])
        state = tracker.step(state, missed, np.ones(1, np.bool_))
    moved = abs(math.log(float(state.quantile[0])))
    # what ln q moved is the rate times the surplus of misses; 300 roundings of 1e-16 times at most 30
    assert abs(misses - (1 - coverage) * len(scores)) == pytest.approx(moved / rate, abs=1e-9)
    assert state.told.tolist() == [len(scores)]


def test_exchangeable_scores_are_held_at_the_stated_share() -> None:
    seed = 7
    print(f"seed {seed}")
    scores = np.abs(np.random.default_rng(seed).standard_t(5, (4000, 50)))
    tracker = Tracker(start=3.0)
    state = tracker.begin(50)
    held = np.zeros(50)
    for row in scores:
        missed = state.missed_by(row)
        held += 1 - missed
        state = tracker.step(state, missed, np.ones(50, np.bool_))
    # the law bounds each by ln(3.0 / 1.5) / (0.02 * 4000) = 0.9 %
    assert np.all(np.abs(held / 4000 - 0.9) < 0.01)
    assert np.all(np.abs(state.quantile / np.quantile(scores, 0.9) - 1) < 0.3)


def test_under_drift_the_tracker_keeps_its_share_where_a_split_quantile_loses_it() -> None:
    seed = 8
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    steps, units = 3000, 40
    spread = np.exp(np.linspace(0.0, math.log(8.0), steps))  # errors grow eightfold
    scores = np.abs(rng.normal(size=(steps, units))) * spread[:, None]
    fixed = split_quantile(np.abs(rng.normal(size=(500, units))), 0.9)
    tracker = Tracker()
    state = tracker.begin(units)
    held, held_fixed = np.zeros(3), np.zeros(3)
    for place, row in enumerate(scores):
        missed = state.missed_by(row)
        held[place * 3 // steps] += float((1 - missed).mean()) * 3 / steps
        held_fixed[place * 3 // steps] += float((row <= fixed).mean()) * 3 / steps
        state = tracker.step(state, missed, np.ones(units, np.bool_))
    # a third lasts 1000 steps, in which ln q must grow by 0.69: 0.69 / (0.02 * 1000) = 3.5 % of misses, at 6 in 10 of
    # its steps' length in excess; so at least 86 %
    assert np.all(held > 0.86)
    assert np.all(held < 0.93)
    assert held_fixed[2] < 0.45


def test_a_share_of_misses_moves_the_quantile_of_a_group() -> None:
    tracker = Tracker(rate=0.1, start=1.0)
    state = tracker.step(tracker.begin(3), np.array([0.1, 0.6, np.nan]), np.array([True, True, True]))
    assert state.quantile.tolist() == pytest.approx([1.0, math.exp(0.05), 1.0], rel=1e-12)
    assert state.told.tolist() == [1, 1, 0]
    assert tracker.step(state, np.ones(3), np.zeros(3, np.bool_)).quantile.tolist() == state.quantile.tolist()


def test_a_unit_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(3)
    tracker = Tracker()
    many, alone = tracker.begin(33), [tracker.begin(1) for _ in range(33)]
    for _ in range(50):
        scores, there = np.abs(rng.normal(size=33)), rng.random(33) < 0.8
        many = tracker.step(many, many.missed_by(scores), there)
        for j in range(33):
            mine = alone[j].missed_by(scores[j : j + 1])
            alone[j] = tracker.step(alone[j], mine, there[j : j + 1])
            assert alone[j].quantile[0] == many.quantile[j]


def test_the_quantile_stays_within_its_bounds() -> None:
    tracker = Tracker(rate=1.0, smallest=0.5, largest=2.0)
    state = tracker.begin(2)
    for _ in range(40):
        state = tracker.step(state, np.array([1.0, 0.0]), np.ones(2, np.bool_))
    assert state.quantile.tolist() == [2.0, 0.5]


@pytest.mark.parametrize(
    "wrong", [{"coverage": 0.0}, {"coverage": 1.0}, {"rate": 0.0}, {"start": 30.0}, {"smallest": 0.0}]
)
def test_a_wrong_setting_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Tracker(**wrong)


def test_wrong_shapes_and_coverages_are_refused() -> None:
    tracker = Tracker()
    with pytest.raises(ShapeError):
        tracker.step(tracker.begin(3), np.zeros(2), np.ones(3, np.bool_))
    with pytest.raises(SettingsError):
        split_quantile(np.ones(3), 1.5)
