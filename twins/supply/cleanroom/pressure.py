"""The pressure of a room over a neighbour: below its least, excused by a door, in alarm; with exact times of each.

A reading holds until the next one. Time below the least counts as out of limit. While a door that excuses is open, and
for no longer than `door_seconds` since the first was opened, it is excused too. Below without excuse for
`alarm_delay_seconds` without a break is an alarm, until it is not below.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace as _change

from twins.supply.cleanroom.config import Cascade

_SECOND = 1_000_000


class CascadeState(Struct, frozen=True, array_like=True):
    """One cascade at `at`: the reading that holds, open doors, and sums in us."""

    at: int
    difference_pa: float | None = None
    unexcused_since: int | None = None
    doors: tuple[str, ...] = ()
    doors_since: int = 0
    known_us: int = 0
    below_us: int = 0
    excused_us: int = 0
    alarm_us: int = 0
    alarms: int = 0
    alarm_since: int | None = None


def advance(state: CascadeState, rule: Cascade, to: int) -> CascadeState:
    """Let time pass to an instant [us]; exact, however many changes lie between."""
    if to <= state.at:
        return state
    if state.difference_pa is None:
        return _change(state, at=to)
    known = state.known_us + to - state.at
    if state.difference_pa >= rule.least_pa:
        return _change(state, at=to, known_us=known)
    excused_to = state.at
    if state.doors:
        excused_to = min(to, max(state.at, state.doors_since + round(rule.door_seconds * _SECOND)))
    excused = state.excused_us + excused_to - state.at
    since = state.unexcused_since
    if excused_to > state.at:
        since = None
    below = state.below_us + to - state.at
    if excused_to == to:
        return _change(
            state, at=to, known_us=known, below_us=below, excused_us=excused, unexcused_since=None, alarm_since=None
        )
    if since is None:
        since = excused_to
    rings = since + round(rule.alarm_delay_seconds * _SECOND)
    ringing = max(0, to - max(rings, excused_to))
    begun = rings if rings <= to else None
    new = begun is not None and state.alarm_since != begun
    return _change(
        state, at=to, known_us=known, below_us=below, excused_us=excused, unexcused_since=since,
        alarm_us=state.alarm_us + ringing, alarm_since=begun, alarms=state.alarms + new,
    )  # fmt: skip


def read(state: CascadeState, rule: Cascade, at: int, difference_pa: float) -> CascadeState:
    """Take a reading."""
    state = advance(state, rule, at)
    if difference_pa >= rule.least_pa:
        return _change(state, difference_pa=difference_pa, unexcused_since=None, alarm_since=None)
    return _change(state, difference_pa=difference_pa)


def door(state: CascadeState, rule: Cascade, at: int, name: str, opened: bool) -> CascadeState:
    """Open or close a door; the allowance begins when the first is opened."""
    if rule.doors and name not in rule.doors:
        return state
    state = advance(state, rule, at)
    doors = tuple(sorted({*state.doors, name} if opened else {*state.doors} - {name}))
    return _change(state, doors=doors, doors_since=state.doors_since if state.doors else at)


def word(state: CascadeState, rule: Cascade) -> str:
    """Say how it stands: unknown, fine, excused, pending or alarm."""
    if state.difference_pa is None:
        return "unknown"
    if state.difference_pa >= rule.least_pa:
        return "fine"
    if state.alarm_since is not None:
        return "alarm"
    if state.doors and state.at < state.doors_since + round(rule.door_seconds * _SECOND):
        return "excused"
    return "pending"
