"""Pressures, badges, doors: exact times against a grid, and every rule that is broken named."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.instants import HOUR, MINUTE, SECOND
from twins.supply.cleanroom import flow, occupancy, pressure
from twins.supply.cleanroom.config import Cascade, Doorway, RoomConfig

RULE = Cascade("corridor", alarm_delay_seconds=7, door_seconds=5)
ROOM = RoomConfig(
    room="B1", grade="B", volume_m3=60, air_changes_per_hour=30, capacity_people=2, stay_hours=8, gown_minutes=120,
    doorways=(Doorway("in", people="in"), Doorway("waste", people="none", material="out")),
    interlocks=(("in", "out"),),
)  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["low", "high", "open", "close"])), max_size=14),
    st.integers(0, 60),
)
@settings(max_examples=150, deadline=None)
def test_times_out_of_limit_are_those_of_a_grid(events: list[tuple[int, str]], extra: int) -> None:
    events = sorted(events, key=lambda pair: pair[0])
    end = max((at for at, _ in events), default=0) + extra
    state = pressure.CascadeState(0)
    for at, what in events:
        if what in ("low", "high"):
            state = pressure.read(state, RULE, at * SECOND, 3.0 if what == "low" else 12.0)
        else:
            state = pressure.door(state, RULE, at * SECOND, "d", what == "open")
    state = pressure.advance(state, RULE, end * SECOND)
    low, opened, run, sums = False, None, 0, [0, 0, 0]
    for second in range(end):
        for at, what in events:
            if at == second:
                if what in ("low", "high"):
                    low = what == "low"
                    run = run if low else 0
                elif what == "open":
                    opened = second if opened is None else opened
                else:
                    opened = None
        if not low:
            continue
        excused = opened is not None and second < opened + 5
        run = 0 if excused else run + 1
        sums = [sums[0] + 1, sums[1] + excused, sums[2] + (run > 7)]
    assert [state.below_us, state.excused_us, state.alarm_us] == [each * SECOND for each in sums]


def test_an_alarm_begins_after_its_delay_and_ends_at_once() -> None:
    state = pressure.read(pressure.CascadeState(0), RULE, 0, 9.99)
    assert pressure.word(pressure.advance(state, RULE, 6 * SECOND), RULE) == "pending"
    ringing = pressure.advance(state, RULE, 8 * SECOND)
    assert pressure.word(ringing, RULE) == "alarm"
    assert ringing.alarms == 1
    assert pressure.word(pressure.read(ringing, RULE, 9 * SECOND, 10.0), RULE) == "fine"


def test_a_badge_out_that_never_came_is_flagged_at_the_bound() -> None:
    state, broken = occupancy.badge(occupancy.Occupancy(0), ROOM, 0, "ann", True)
    assert not broken
    assert occupancy.next_expiry(state, ROOM) == 8 * HOUR
    gone, violation = occupancy.expire(state, ROOM)
    assert (violation.kind, violation.subjects, violation.at) == ("badge_out_missing", ("ann",), 8 * HOUR)
    assert not gone.inside
    assert gone.person_us == 8 * HOUR


def test_capacity_gown_time_and_a_way_in_that_is_missing_are_named() -> None:
    state = occupancy.Occupancy(0)
    for minute, person in enumerate(("ann", "bob")):
        state, broken = occupancy.badge(state, ROOM, minute * MINUTE, person, True)
        assert not broken
    state, broken = occupancy.badge(state, ROOM, 2 * MINUTE, "cid", True)
    assert [(each.kind, each.subjects) for each in broken] == [("capacity", ("ann", "bob", "cid"))]
    state, broken = occupancy.badge(state, ROOM, 121 * MINUTE, "ann", False)
    assert [each.kind for each in broken] == ["gown_time"]
    _, broken = occupancy.badge(state, ROOM, 122 * MINUTE, "dan", False)
    assert [each.kind for each in broken] == ["badge_in_missing"]


def test_ways_and_interlocks() -> None:
    assert flow.way(ROOM, "in", "ann", True, True, 5) is None
    wrong = flow.way(ROOM, "in", "ann", False, True, 5)
    assert wrong is not None
    assert (wrong.kind, wrong.subjects) == ("personnel_flow", ("ann", "in"))
    assert flow.way(ROOM, "waste", "bin 3", False, False, 5) is None
    assert flow.way(ROOM, "waste", "bin 3", True, False, 5) is not None
    assert [each.subjects for each in flow.interlocked(ROOM, ("in",), "out", 5)] == [("in", "out")]
    assert not flow.interlocked(ROOM, (), "out", 5)
