"""Suppression of consequences: an alarm that follows from one that stands is kept as a record, not shown again.

A table says what follows from what, such as agitation lost -> dissolved oxygen low. While the cause stands, and for
a window after it cleared, the consequence is suppressed: recorded with the cause's id. One that is still there when
the window has passed is raised. Nothing is lost: every alarm that comes in leaves at once as raised or suppressed,
and every suppressed one later as cleared or raised.

A suppressed alarm is itself a cause of what follows from it. An alarm that was raised before its cause stays raised.

Source
------
Suppression by design: ANSI/ISA-18.2-2016, clause 12; EEMUA 191 ed. 3. The windows are the user's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Literal

from schemas.errors import InvalidFieldError, SettingsError

MOST_CONSEQUENCES = 256
NEVER = -1

Change = Literal["raised", "suppressed", "cleared"]


@dataclass(frozen=True, slots=True)
class Consequence:
    """One line of the table: `effect` follows from `cause`, and for `window` [us] after the cause has cleared."""

    cause: str
    effect: str
    window: int


@dataclass(frozen=True, slots=True)
class Turn:
    """An alarm of one unit that comes in: raised or cleared, at an instant [us]. The id is that of its raising."""

    rule: str
    id: str
    raised: bool
    at: int


@dataclass(frozen=True, slots=True)
class Record:
    """What leaves. `cause` is the id of the alarm it was or is suppressed by; a release is `raised` with a cause."""

    rule: str
    id: str
    change: Change
    at: int
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of one rule: its newest alarm, when it cleared, and by whom it is suppressed."""

    id: str
    standing: bool
    cleared_at: int = NEVER
    cause: str | None = None  # not None: suppressed


@dataclass(frozen=True, slots=True)
class SuppressionState:
    """What is remembered of one unit: at most one `Known` for each rule of the table."""

    known: Mapping[str, Known] = field(default_factory=lambda: MappingProxyType({}))


class SuppressionTable:
    """What follows from what, checked.

    Raises
    ------
    SettingsError
        If the table has a cycle, says a pair twice, has a negative window, or more than 256 lines.
    """

    def __init__(self, consequences: Iterable[Consequence]) -> None:
        lines = tuple(consequences)
        if len(lines) > MOST_CONSEQUENCES:
            raise SettingsError(f"expected at most {MOST_CONSEQUENCES} consequences, received {len(lines)}")
        self.causes: dict[str, list[Consequence]] = {}  # by effect
        for line in lines:
            if line.window < 0:
                raise SettingsError(
                    f"expected a window of 0 us or more, received {line.window}, for {line.cause} -> {line.effect}"
                )
            known = self.causes.setdefault(line.effect, [])
            if any(other.cause == line.cause for other in known):
                raise SettingsError(f"expected each consequence once, received {line.cause} -> {line.effect} again")
            known.append(line)
        graph = {effect: [line.cause for line in known] for effect, known in self.causes.items()}
        try:
            self.rules = tuple(TopologicalSorter(graph).static_order())  # causes before their effects
        except CycleError as error:
            cycle = " -> ".join(map(str, error.args[1]))
            raise SettingsError(f"expected consequences without a cycle, received {cycle}") from None


def step(table: SuppressionTable, state: SuppressionState, turn: Turn) -> tuple[SuppressionState, tuple[Record, ...]]:
    """Fold one alarm of the unit that was raised or cleared, in the order of event time.

    Parameters
    ----------
    table : SuppressionTable
        What follows from what.
    state : SuppressionState
        Of this unit; it is left as it was.
    turn : Turn
        The alarm. Rules that the table does not name pass through and are not remembered.

    Returns
    -------
    (SuppressionState, tuple of Record)
        The new state; what leaves, releases that were due among it.

    Raises
    ------
    InvalidFieldError
        If an alarm is raised while its rule stands, or cleared while it does not.
    """
    state, before = pass_time(table, state, turn.at)
    if turn.rule not in table.rules:
        return state, (*before, Record(turn.rule, turn.id, "raised" if turn.raised else "cleared", turn.at))
    known = state.known.get(turn.rule)
    standing = known is not None and known.standing
    if turn.raised == standing or (known is not None and standing and known.id != turn.id):
        raise InvalidFieldError(
            expected="an alarm that does not stand yet" if turn.raised else "the id of an alarm that stands",
            received=f"{turn.id} {'raised' if turn.raised else 'cleared'}",
            where=f"rule {turn.rule}",
        )
    if turn.raised:
        cause = _cause(table, state, turn.rule, turn.at)
        entry = Known(turn.id, standing=True, cause=cause)
        record = Record(turn.rule, turn.id, "raised" if cause is None else "suppressed", turn.at, cause)
    else:
        assert known is not None
        entry = replace(known, standing=False, cleared_at=turn.at)
        record = Record(turn.rule, turn.id, "cleared", turn.at, known.cause)
    state, after = pass_time(table, _with(state, turn.rule, entry), turn.at)
    return state, (*before, record, *after)


def pass_time(
    table: SuppressionTable, state: SuppressionState, now: int
) -> tuple[SuppressionState, tuple[Record, ...]]:
    """Raise suppressed alarms that have outlived their causes by the window; each at the instant when it had.

    How often this is called between two alarms changes nothing of what leaves.

    Returns
    -------
    (SuppressionState, tuple of Record)
        The new state; what is raised, by time.
    """
    due: list[Record] = []
    for rule in table.rules:
        known = state.known.get(rule)
        if known is None or not known.standing or known.cause is None:
            continue
        ends = [_held_until(state, line) for line in table.causes[rule]]
        end = max((instant for instant in ends if instant is not None), default=NEVER)
        if None not in ends and end <= now:
            due.append(Record(rule, known.id, "raised", end, known.cause))
    for record in due:
        state = _with(state, record.rule, Known(record.id, standing=True))
    return state, tuple(sorted(due, key=lambda record: record.at))


def _cause(table: SuppressionTable, state: SuppressionState, rule: str, at: int) -> str | None:
    """Give the id of the first cause in the table that holds the rule down, or None."""
    for line in table.causes.get(rule, ()):
        until = _held_until(state, line)
        if until is None or at < until:
            return state.known[line.cause].id
    return None


def _held_until(state: SuppressionState, line: Consequence) -> int | None:
    """Say until when a cause holds its consequence down: None without end, `NEVER` not at all."""
    cause = state.known.get(line.cause)
    if cause is None:
        return NEVER
    return None if cause.standing else cause.cleared_at + line.window


def _with(state: SuppressionState, rule: str, known: Known) -> SuppressionState:
    return SuppressionState(MappingProxyType({**state.known, rule: known}))
