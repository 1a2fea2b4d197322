"""Consequences are suppressed while their cause holds, kept as records, and raised when they outlive it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidFieldError, SettingsError
from twins.alarming.suppression import (
    MOST_CONSEQUENCES,
    Consequence,
    Record,
    SuppressionState,
    SuppressionTable,
    Turn,
    pass_time,
    step,
)

STIR, OXYGEN, FEED, GLUCOSE, GROWTH = "agitation_lost", "dissolved_oxygen.low", "feed_lost", "glucose.low", "growth.low"
LINES = (
    Consequence(STIR, OXYGEN, 100),
    Consequence(FEED, GLUCOSE, 50),
    Consequence(OXYGEN, GROWTH, 10),
    Consequence(GLUCOSE, GROWTH, 30),
)
TABLE = SuppressionTable(LINES)


def up(rule: str, name: str, at: int) -> Turn:
    return Turn(rule, name, True, at)


def down(rule: str, name: str, at: int) -> Turn:
    return Turn(rule, name, False, at)


def fold(turns: list[Turn], until: int | None = None, ticks: tuple[int, ...] = ()) -> list[Record]:
    """What leaves, with time told in between at `ticks`."""
    state, waiting = SuppressionState(), sorted(ticks)
    said: list[Record] = []
    for turn in turns:
        while waiting and waiting[0] <= turn.at:
            state, records = pass_time(TABLE, state, waiting.pop(0))
            said += records
        state, records = step(TABLE, state, turn)
        said += records
        assert len(state.known) <= len(TABLE.rules)
    if until is not None:
        said += pass_time(TABLE, state, until)[1]
    return said


def test_a_consequence_of_a_standing_cause_is_kept_with_its_causes_id() -> None:
    turns = [up(STIR, "a1", 0), up(OXYGEN, "o1", 20), down(OXYGEN, "o1", 90), down(STIR, "a1", 200)]
    assert fold(turns, 10_000) == [
        Record(STIR, "a1", "raised", 0),
        Record(OXYGEN, "o1", "suppressed", 20, "a1"),
        Record(OXYGEN, "o1", "cleared", 90, "a1"),
        Record(STIR, "a1", "cleared", 200),
    ]


@pytest.mark.parametrize(("until", "released"), [(299, False), (300, True), (9000, True)])
def test_one_that_outlives_its_cause_by_the_window_is_raised_at_that_instant(until: int, released: bool) -> None:
    turns = [up(STIR, "a1", 0), up(OXYGEN, "o1", 20), down(STIR, "a1", 200)]
    assert fold(turns, until)[3:] == ([Record(OXYGEN, "o1", "raised", 300, "a1")] if released else [])


@pytest.mark.parametrize(("at", "change"), [(299, "suppressed"), (300, "raised")])
def test_one_that_comes_within_the_window_after_its_cause_is_suppressed(at: int, change: str) -> None:
    said = fold([up(STIR, "a1", 0), down(STIR, "a1", 200), up(OXYGEN, "o1", at)])
    assert said[2].change == change
    assert said[2].cause == ("a1" if change == "suppressed" else None)


def test_a_cause_that_returns_within_the_window_holds_on() -> None:
    turns = [
        up(STIR, "a1", 0), up(OXYGEN, "o1", 20), down(STIR, "a1", 200), up(STIR, "a2", 250), down(STIR, "a2", 400),
    ]  # fmt: skip
    assert fold(turns, 499)[5:] == []
    assert fold(turns, 500)[5:] == [Record(OXYGEN, "o1", "raised", 500, "a1")]


def test_one_that_was_there_before_its_cause_stays_raised() -> None:
    said = fold([up(OXYGEN, "o1", 0), up(STIR, "a1", 10), down(STIR, "a1", 20), down(OXYGEN, "o1", 30)], 1000)
    assert [(record.id, record.change, record.cause) for record in said] == [
        ("o1", "raised", None), ("a1", "raised", None), ("a1", "cleared", None), ("o1", "cleared", None),
    ]  # fmt: skip


def test_a_suppressed_alarm_is_itself_a_cause_and_either_of_two_causes_is_enough() -> None:
    turns = [
        up(STIR, "a1", 0), up(OXYGEN, "o1", 20), up(GROWTH, "g1", 30), up(GLUCOSE, "s1", 40),
        down(OXYGEN, "o1", 50), down(GLUCOSE, "s1", 60),
    ]  # fmt: skip
    said = fold(turns, 1000)
    assert said[2] == Record(GROWTH, "g1", "suppressed", 30, "o1")
    assert said[3] == Record(GLUCOSE, "s1", "raised", 40)
    assert said[6:] == [Record(GROWTH, "g1", "raised", 90, "o1")]  # 60 + 30, not 50 + 10


def test_what_the_table_does_not_name_passes_and_is_not_remembered() -> None:
    state, said = step(TABLE, SuppressionState(), up("ph.high", "p1", 5))
    assert said == (Record("ph.high", "p1", "raised", 5),)
    state, said = step(TABLE, state, down("ph.high", "p1", 6))
    assert said == (Record("ph.high", "p1", "cleared", 6),)
    assert not state.known


@st.composite
def sequences(draw: st.DrawFn) -> list[Turn]:
    """Any alarms of the table's rules and one more, none raised twice."""
    rules = [*TABLE.rules, "ph.high"]
    standing: dict[str, str] = {}
    turns: list[Turn] = []
    now = 0
    for n, (place, elapsed) in enumerate(
        draw(
            st.lists(
                st.tuples(st.integers(0, len(rules) - 1), st.sampled_from([0, 1, 9, 10, 30, 49, 50, 100])), max_size=40
            )
        )
    ):
        now += elapsed
        rule = rules[place]
        if rule in standing:
            turns.append(down(rule, standing.pop(rule), now))
        else:
            standing[rule] = f"{rule}#{n}"
            turns.append(up(rule, standing[rule], now))
    return turns


@settings(deadline=None)
@given(sequences())
def test_no_alarm_is_lost(turns: list[Turn]) -> None:
    said = fold(turns, 1 << 60)
    for turn in turns:
        story = [(record.change, record.at) for record in said if record.id == turn.id]
        if turn.raised:
            assert story[0] in [("raised", turn.at), ("suppressed", turn.at)]
        else:
            assert story[-1] == ("cleared", turn.at)
    for name in {turn.id for turn in turns}:
        changes = [record.change for record in said if record.id == name]
        assert changes in [
            ["raised"], ["raised", "cleared"], ["suppressed"], ["suppressed", "cleared"],
            ["suppressed", "raised"], ["suppressed", "raised", "cleared"],
        ]  # fmt: skip
        causes = {record.cause for record in said if record.id == name and record.change == "suppressed"}
        assert causes <= {turn.id for turn in turns}
    assert all(one.at <= other.at for one, other in pairwise(said))


@settings(deadline=None)
@given(sequences(), st.lists(st.integers(0, 3000), max_size=20))
def test_how_often_time_is_told_changes_nothing(turns: list[Turn], ticks: list[int]) -> None:
    assert fold(turns, 1 << 60, tuple(ticks)) == fold(turns, 1 << 60)


def lived(turns: list[Turn], last: int) -> list[Record]:
    """The same, told tick by tick, with no deadlines: at each tick, is there anything that holds it down?"""
    standing: dict[str, str] = {}
    cleared: dict[str, tuple[str, int]] = {}
    suppressed: dict[str, str] = {}  # rule -> id of its cause
    said: list[Record] = []

    def holder(rule: str, now: int) -> str | None:
        for line in LINES:
            if line.effect == rule:
                if line.cause in standing:
                    return standing[line.cause]
                if line.cause in cleared and now - cleared[line.cause][1] < line.window:
                    return cleared[line.cause][0]
        return None

    def release(now: int) -> None:
        for rule in [rule for rule in suppressed if holder(rule, now) is None]:
            said.append(Record(rule, standing[rule], "raised", now, suppressed.pop(rule)))

    for now in range(last + 1):
        release(now)
        for turn in (turn for turn in turns if turn.at == now):
            if turn.raised:
                cause = holder(turn.rule, now)
                standing[turn.rule] = turn.id
                if cause is not None:
                    suppressed[turn.rule] = cause
                said.append(Record(turn.rule, turn.id, "suppressed" if cause else "raised", now, cause))
            else:
                cleared[turn.rule] = (standing.pop(turn.rule), now)
                said.append(Record(turn.rule, turn.id, "cleared", now, suppressed.pop(turn.rule, None)))
            release(now)
    return said


@settings(deadline=None)
@given(sequences())
def test_agrees_with_a_telling_tick_by_tick(turns: list[Turn]) -> None:
    last = max((turn.at for turn in turns), default=0) + 250  # longer than any chain of windows

    def ordered(records: list[Record]) -> list[tuple[int, str, str, str | None]]:
        return sorted((one.at, one.id, one.change, one.cause) for one in records)

    assert ordered(fold(turns, last)) == ordered(lived(turns, last))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([Consequence("a", "a", 1)], "a -> a"),
        ([Consequence("a", "b", 1), Consequence("b", "c", 1), Consequence("c", "a", 1)], "cycle"),
        ([Consequence("a", "b", 1), Consequence("a", "b", 2)], "once"),
        ([Consequence("a", "b", -1)], "window"),
        ([Consequence("a", f"b{n}", 1) for n in range(MOST_CONSEQUENCES + 1)], "at most"),
    ],
)
def test_a_table_that_cannot_work_is_refused(lines: list[Consequence], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        SuppressionTable(lines)


@pytest.mark.parametrize(
    "turns",
    [
        [down(STIR, "a1", 0)],
        [up(STIR, "a1", 0), up(STIR, "a2", 1)],
        [up(STIR, "a1", 0), down(STIR, "a2", 1)],
        [up(STIR, "a1", 0), down(STIR, "a1", 1), down(STIR, "a1", 2)],
    ],
)
def test_alarms_that_contradict_each_other_are_refused(turns: list[Turn]) -> None:
    with pytest.raises(InvalidFieldError, match="rule agitation_lost"):
        fold(turns)


def test_the_state_given_is_left() -> None:
    state, _ = step(TABLE, SuppressionState(), up(STIR, "a1", 0))
    before = dict(state.known)
    step(TABLE, state, up(OXYGEN, "o1", 5))
    assert dict(state.known) == before
