"""Excursions: crossings on the line, single and cumulative time, silences that are not bridged."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.instants import HOUR, MINUTE
from twins.supply.temperature import (
    TEMPERATURE,
    Excursions,
    ExcursionState,
    Filtered,
    Limit,
    Logger,
    Payload,
    fold,
    start,
)

COLD = Limit("cold", above=8.0, below=2.0, single_hours=1.0, total_hours=3.0)
LAW = Excursions((COLD, Limit("warm", above=15.0)))


def folded(law: Excursions, instants: list[int], celsius: list[float]) -> ExcursionState:
    state = law.start()
    for instant, value in zip(instants, celsius, strict=True):
        state = law.step(state, instant, TEMPERATURE, value)
    return state


def test_a_line_crosses_the_limit_where_it_does() -> None:
    state = folded(LAW, [0, HOUR, 2 * HOUR, 3 * HOUR], [4.0, 12.0, 12.0, 4.0])
    cold, warm = state.limits
    assert (cold.past[0].begin, cold.past[0].end) == (HOUR // 2, 5 * HOUR // 2)
    assert (cold.past[0].peak_celsius, cold.past[0].ended) == (12.0, "returned")
    assert (cold.total, cold.longest, cold.count) == (2 * HOUR, 2 * HOUR, 1)
    assert (cold.single_breach, cold.total_breach) == (3 * HOUR // 2, -1)
    assert (warm.count, warm.total, warm.single_breach) == (0, 0, -1)
    assert (state.highest, state.lowest) == (12.0, 4.0)


def test_steps_hold_until_the_next_reading() -> None:
    state = folded(Excursions((COLD,), between="step"), [0, HOUR, 2 * HOUR, 3 * HOUR], [4.0, 12.0, 12.0, 4.0])
    assert (state.limits[0].past[0].begin, state.limits[0].past[0].end) == (HOUR, 3 * HOUR)


def test_a_line_from_above_to_below_is_two_excursions() -> None:
    state = folded(LAW, [0, HOUR, 2 * HOUR], [5.0, 14.0, -4.0])
    cold = state.limits[0]
    assert cold.count == 2
    assert (cold.past[0].peak_celsius, cold.now.peak_celsius if cold.now else None) == (14.0, -4.0)
    assert cold.total == 40 * MINUTE + 20 * MINUTE + 20 * MINUTE  # up to 14, down to 8, from 2 to -4


def test_time_adds_up_over_excursions_and_says_when_it_was_too_much() -> None:
    law = Excursions((Limit("sum", above=8.0, single_hours=1.0, total_hours=1.5),), between="step")
    state = folded(law, [k * HOUR for k in range(6)], [5.0, 9.0, 5.0, 9.0, 5.0, 5.0])
    one = state.limits[0]
    assert (one.count, one.total, one.longest) == (2, 2 * HOUR, HOUR)
    assert (one.single_breach, one.total_breach) == (-1, 3 * HOUR + HOUR // 2)


def test_a_silence_cuts_an_excursion_and_counts_as_unknown() -> None:
    state = folded(LAW, [0, HOUR, 9 * HOUR], [12.0, 12.0, 12.0])
    cold = state.limits[0]
    assert (cold.count, cold.total, cold.past[0].ended) == (2, HOUR, "cut")
    assert (state.covered, state.unknown) == (HOUR, 8 * HOUR)


def test_on_the_limit_is_within_it_and_any_moment_beyond_breaches_a_limit_of_none() -> None:
    law = Excursions((Limit("cryo", above=-150.0),))
    assert folded(law, [0, HOUR], [-150.0, -150.0]).limits[0].count == 0
    assert folded(law, [7], [-149.9]).limits[0].single_breach == 7


def test_total_is_the_sum_of_what_is_listed_and_independent_of_order() -> None:
    rng = np.random.default_rng(6)
    instants = np.cumsum(rng.integers(1, 90 * MINUTE, 200)).tolist()
    celsius = rng.normal(5.0, 5.0, 200).tolist()
    whole, _ = fold(LAW, start(LAW), instants, [0] * 200, celsius)
    mixed = start(LAW)
    for place in rng.permutation(200):
        mixed, _ = fold(LAW, mixed, [instants[place]], [0], [celsius[place]])
    assert mixed.tip == whole.tip
    for one in whole.tip.limits:
        spans = [*one.past, *([one.now] if one.now else [])]
        assert one.count == len(spans)
        assert one.total == sum(span.end - span.begin for span in spans)
        assert one.longest == max(span.end - span.begin for span in spans)
        assert all(a.end <= b.begin for a, b in itertools.pairwise(spans))


def test_limits_are_checked() -> None:
    for wrong in ({}, {"above": float("nan")}, {"above": 2.0, "below": 8.0}, {"above": 8.0, "single_hours": -1.0}):
        with pytest.raises(SettingsError):
            Limit("wrong", **wrong)


def test_an_outlier_of_the_probe_is_no_excursion_of_the_payload() -> None:
    law = Excursions((Limit("cryo", above=-150.0),))
    filtered = Filtered(Payload(Logger(0.5, 0.25)), law)
    instants = [k * 10 * MINUTE for k in range(20)]
    celsius = [-190.0] * 10 + [-90.0] + [-190.0] * 9
    state = filtered.start()
    for instant, value in zip(instants, celsius, strict=True):
        state = filtered.step(state, instant, TEMPERATURE, value)
    assert isinstance(state[1], ExcursionState)
    assert (state[1].limits[0].count, state[0].left_out) == (0, 1)
    assert folded(law, instants, celsius).limits[0].count == 1
