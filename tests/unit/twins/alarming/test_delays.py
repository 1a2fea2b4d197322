"""Deadband and delays: laws over irregular samples, against a plain reading of them one sample at a time."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ShapeError
from twins.alarming import delays
from twins.alarming.delays import Points, Turn
from twins.alarming.limits import NO_BRIDGE, AlarmRule


class Sample(NamedTuple):
    point: int
    at: int
    value: float


def rule(high: bool, limit: float, band: float, on: int, off: int, bridge: int = NO_BRIDGE) -> AlarmRule:
    clear = limit - band if high else limit + band
    return AlarmRule("r", "ph", "alarm", high, limit, clear, on, off, bridge, "medium")


def walk(rules: list[AlarmRule], samples: list[Sample], cuts: list[int] | None = None) -> list[Turn]:
    """The turns of a sequence of samples, cut into calls at the given places."""
    points, state, found = Points.of(rules), delays.start(len(rules)), []
    edges = [0, *sorted(cuts or []), len(samples)]
    for first, last in pairwise(edges):
        part = samples[first:last]
        state, turns = delays.walk(
            points,
            state,
            np.array([one.point for one in part], np.int64),
            np.array([one.at for one in part], np.int64),
            np.array([one.value for one in part], np.float64),
        )
        found += [Turn(turn.place + first, turn.point, turn.raised) for turn in turns]
    return found


def oracle(rules: list[AlarmRule], samples: list[Sample]) -> list[Turn]:
    """The same, from the whole history of each point at each sample."""
    found: list[Turn] = []
    history: list[list[Sample]] = [[] for _ in rules]
    raised = [False] * len(rules)
    for place, sample in enumerate(samples):
        it, past = rules[sample.point], history[sample.point]
        if math.isnan(sample.value) or (past and sample.at < past[-1].at):
            continue
        past.append(sample)

        def turns(value: float, it: AlarmRule = it, up: bool = raised[sample.point]) -> bool:
            beyond, inside = (value, it.clear) if it.high else (-value, -it.clear)
            limit = it.limit if it.high else -it.limit
            return beyond <= inside if up else beyond > limit

        streak: list[Sample] = []
        for earlier in reversed(past):
            if not turns(earlier.value):
                break
            if raised[sample.point] and streak and streak[-1].at - earlier.at > it.bridge:
                break
            streak.append(earlier)
        needed = it.off_delay if raised[sample.point] else it.on_delay
        if streak and sample.at - streak[-1].at >= needed:
            raised[sample.point] = not raised[sample.point]
            found.append(Turn(place, sample.point, raised[sample.point]))
            past.clear()
            past.append(Sample(sample.point, sample.at, math.nan))  # the next condition begins after this sample
    return found


RULES = st.builds(
    rule,
    st.booleans(),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0, 1, 5, 12]),
    st.sampled_from([0, 1, 5, 12]),
    st.sampled_from([NO_BRIDGE, 4]),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[AlarmRule], list[Sample]]:
    rules = draw(st.lists(RULES, min_size=1, max_size=3))
    value = st.sampled_from([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, math.nan, math.inf])
    now, samples = 0, []
    steps = st.tuples(st.integers(0, len(rules) - 1), st.sampled_from([0, 1, 1, 2, 5, 20, -1]), value)
    for point, elapsed, v in draw(st.lists(steps, max_size=50)):
        now = max(0, now + elapsed)
        samples.append(Sample(point, now, v))
    return rules, samples


@settings(deadline=None)
@given(cases())
def test_agrees_with_the_whole_history_of_each_point(case: tuple[list[AlarmRule], list[Sample]]) -> None:
    assert walk(*case) == oracle(*case)


@settings(deadline=None)
@given(cases(), st.lists(st.integers(0, 50), max_size=6))
def test_where_the_samples_are_cut_into_calls_changes_nothing(
    case: tuple[list[AlarmRule], list[Sample]], cuts: list[int]
) -> None:
    rules, samples = case
    assert walk(rules, samples, [min(cut, len(samples)) for cut in cuts]) == walk(rules, samples)


@settings(deadline=None)
@given(cases())
def test_never_raises_early_and_never_clears_early(case: tuple[list[AlarmRule], list[Sample]]) -> None:
    rules, samples = case
    turns = walk(rules, samples)
    for point, it in enumerate(rules):
        newest, of = -1, []
        for place, sample in enumerate(samples):  # those that were used
            if sample.point == point and not math.isnan(sample.value) and sample.at >= newest:
                newest = sample.at
                of.append((place, sample))
        for turn in (turn for turn in turns if turn.point == point):
            at = samples[turn.place].at
            wait = it.on_delay if turn.raised else it.off_delay
            until = [sample for place, sample in of if place <= turn.place]
            good = [
                (one.value > it.limit if it.high else one.value < it.limit)
                if turn.raised
                else (one.value <= it.clear if it.high else one.value >= it.clear)
                for one in until
            ]
            streak = next((n for n, fine in enumerate(reversed(good)) if not fine), len(good))
            assert streak > 0
            assert at - until[-streak].at >= wait


@settings(deadline=None)
@given(cases())
def test_without_delays_it_is_the_plain_rule(case: tuple[list[AlarmRule], list[Sample]]) -> None:
    rules = [rule(one.high, one.limit, abs(one.limit - one.clear), 0, 0) for one in case[0]]
    raised, newest = [False] * len(rules), [-1] * len(rules)
    expected: list[Turn] = []
    for place, (point, at, value) in enumerate(case[1]):
        it = rules[point]
        if math.isnan(value) or at < newest[point]:
            continue
        newest[point] = at
        beyond = value > it.limit if it.high else value < it.limit
        back = value <= it.clear if it.high else value >= it.clear
        if back if raised[point] else beyond:
            raised[point] = not raised[point]
            expected.append(Turn(place, point, raised[point]))
    assert walk(rules, case[1]) == expected


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 3, 10]), st.sampled_from([0, 3, 10]))
def test_turns_are_at_least_their_delays_apart(seed: int, on: int, off: int) -> None:
    rng = np.random.default_rng(seed)
    instants = np.cumsum(rng.integers(0, 3, 300))
    samples = [Sample(0, int(at), float(v)) for at, v in zip(instants, rng.normal(size=300), strict=True)]
    turns = walk([rule(True, 0.0, 0.2, on, off)], samples)
    for one, other in pairwise(turns):
        assert one.raised != other.raised
        assert samples[other.place].at - samples[one.place].at >= (on if other.raised else off)


def test_a_noisy_value_at_its_limit_chatters_without_and_not_with_deadband_and_delays() -> None:
    rng = np.random.default_rng(12)
    samples = [Sample(0, 10 * place, float(v)) for place, v in enumerate(7.0 + 0.01 * rng.normal(size=2000))]
    plain = walk([rule(True, 7.0, 0.0, 0, 0)], samples)
    quiet = walk([rule(True, 7.0, 0.02, 30, 30)], samples)
    assert len(plain) > 900
    assert len(quiet) < len(plain) / 50


@pytest.mark.parametrize(("at", "raises"), [(59, False), (60, True)])
def test_the_on_delay_has_passed_at_its_very_end(at: int, raises: bool) -> None:
    samples = [Sample(0, 0, 8.0), Sample(0, 30, 8.0), Sample(0, at, 8.0)]
    assert walk([rule(True, 7.0, 0.0, 60, 0)], samples) == ([Turn(2, 0, True)] if raises else [])


def test_one_sample_that_is_not_beyond_begins_the_on_delay_anew() -> None:
    samples = [Sample(0, at, v) for at, v in ((0, 8.0), (50, 7.0), (55, 8.0), (114, 8.0), (115, 8.0))]
    assert walk([rule(True, 7.0, 0.0, 60, 0)], samples) == [Turn(4, 0, True)]


def test_a_value_within_the_deadband_begins_the_off_delay_anew() -> None:
    values = ((0, 8.0), (10, 6.5), (20, 6.8), (30, 6.5), (39, 6.5), (40, 6.5))
    samples = [Sample(0, at, v) for at, v in values]
    assert walk([rule(True, 7.0, 0.5, 0, 10)], samples) == [Turn(0, 0, True), Turn(5, 0, False)]


def test_silence_does_not_clear_and_does_not_hold_up_an_alarm() -> None:
    it = rule(True, 7.0, 0.0, 60, 60, bridge=100)
    raised = [Sample(0, 0, 8.0), Sample(0, 500, 8.0)]
    cleared = [Sample(0, 510, 6.0), Sample(0, 1000, 6.0), Sample(0, 1060, 6.0)]
    assert walk([it], raised + cleared) == [Turn(1, 0, True), Turn(4, 0, False)]


def test_time_alone_raises_what_was_beyond_and_clears_nothing() -> None:
    points = Points.of([rule(True, 7.0, 0.0, 60, 0), rule(True, 7.0, 0.0, 60, 0), rule(False, 7.0, 0.0, 0, 60)])
    state, turns = delays.step(
        points, delays.start(3), np.zeros(3, np.int64), np.array([8.0, 6.0, 6.0]), np.ones(3, np.bool_)
    )
    assert turns.tolist() == [0, 0, 1]
    state, turns = delays.pass_time(points, state, 59)
    assert turns.tolist() == [0, 0, 0]
    state, turns = delays.pass_time(points, state, 60)
    assert turns.tolist() == [1, 0, 0]
    state, turns = delays.step(  # from before that instant: it does not turn the first back
        points, state, np.full(3, 30), np.array([6.0, 8.0, 8.0]), np.ones(3, np.bool_)
    )
    assert turns.tolist() == [0, 0, 0]
    state, turns = delays.pass_time(points, state, 10_000)
    assert turns.tolist() == [0, 1, 0]
    _, turns = delays.step(points, state, np.full(3, 10_001), np.full(3, 7.0), np.ones(3, np.bool_))
    assert turns.tolist() == [-1, -1, -1]


def test_a_point_does_not_depend_on_its_neighbours_and_the_state_given_is_left() -> None:
    rng = np.random.default_rng(6)
    rules = [rule(bool(j % 2), 0.0, 0.3 * (j % 3), 5 * (j % 4), 7 * (j % 3), 30) for j in range(24)]
    points, many = Points.of(rules), delays.start(24)
    alone = [delays.start(1) for _ in rules]
    for place in range(200):
        at, values, there = np.full(24, place * 4), rng.normal(size=24), rng.random(24) < 0.8
        before = many.copy()
        after, turns = delays.step(points, many, at, values, there)
        np.testing.assert_array_equal(many, before)
        many = after
        for j, one in enumerate(rules):
            alone[j], mine = delays.step(Points.of([one]), alone[j], at[:1], values[j : j + 1], there[j : j + 1])
            assert mine[0] == turns[j]
            assert (alone[j][:, 0] == many[:, j]).all()


def test_arrays_of_another_length_are_refused() -> None:
    points = Points.of([rule(True, 7.0, 0.0, 0, 0)])
    with pytest.raises(ShapeError, match="one element a point"):
        delays.step(points, delays.start(1), np.zeros(2, np.int64), np.zeros(1), np.ones(1, np.bool_))
    with pytest.raises(ShapeError):
        delays.step(points, delays.start(2), np.zeros(1, np.int64), np.zeros(1), np.ones(1, np.bool_))
