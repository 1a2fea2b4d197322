"""Limits on measured values, after `twins.alarming.delays`: all readings of a pass at once, and one after the other
only for the few twins whose alert may change.

What a rule without delays remembers is its alert. One with delays also remembers since when its condition to turn
holds, and the newest reading where that can count. Each has one form only, so that a reading that can change nothing
need not be looked at, and where a frame ends leaves no trace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.alarming import delays
from twins.alarming.delays import NEVER, RAISED, SEEN, SINCE, Points
from twins.alarming.limits import NO_BRIDGE
from twins.bioreactor.readings import Part
from twins.bioreactor.rules import Rule
from twins.bioreactor.state import State
from twins.frame import BAD

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Turn:
    """One alert that changes: `place` is that of the record in the frame, `value` what was read, None if nothing."""

    place: int
    slot: int
    rule: Rule
    raised: bool
    value: float | None


class Limits:
    """The rules on measured values of one block, while a frame is folded; what they remember is in the state."""

    def __init__(self, state: State, facts: int) -> None:
        self.state = state
        self.facts = facts
        self.rules = [rule for rule in state.rules if rule.kind == "measured"]
        self.delayed = [rule for rule in self.rules if rule.point >= 0]

    def take(self, parts: list[Part], places: Ints, slots: Ints, times: Ints) -> list[Turn]:
        """Walk all rules over the plain readings of a pass.

        Parameters
        ----------
        parts : list of Part
            The values, by table.
        places, slots, times : arrays of int64, shape (n,)
            Record, twin and event time of each reading, by twin and arrival. One without a rule's tag tells the
            rule that time has passed.
        """
        state = self.state
        found = {number: (i, j) for i, part in enumerate(parts) for j, number in enumerate(part.columns.tolist())}
        running = [state.running[part.slots] for part in parts]
        columns: dict[tuple[int, int], tuple[NDArray[np.float64], Bools]] = {}
        waiting = self._waiting(slots)
        turns: list[Turn] = []
        touched: list[Ints] = []
        for rule in self.rules:
            at = found.get(state.column_of.get((rule.tag, rule.unit or ""), -1))
            chosen = self._standing(rule, waiting)
            if at is None:
                if len(chosen):
                    nothing = np.full(len(places), np.nan)
                    turns += self._walk(rule, chosen, places, slots, times, nothing)
                    touched.append(chosen)
                continue
            part = parts[at[0]]
            if at not in columns:
                valid = running[at[0]] & part.newer[:, at[1]] & (part.quality[:, at[1]] != BAD)
                columns[at] = np.ascontiguousarray(part.values[:, at[1]]), valid
            values, valid = columns[at]
            if rule.phases:
                valid = valid & ~state.ended(rule, part.slots)
            beyond = valid & ((values > rule.limit) if rule.high else (values < rule.limit))
            on = state.alert[part.slots, rule.index] > 0
            standing = bool(on.any())
            if not standing and not len(chosen) and not beyond.any():
                continue
            moving = beyond & ~on
            if rule.on_delay > 0:
                moving &= ~state.on_hold[part.slots]
            if standing:
                moving |= on & valid & ((values <= rule.clear) if rule.high else (values >= rule.clear))
            if rule.point >= 0 and (len(chosen) or moving.any()):
                chosen = np.concatenate([chosen, part.slots[moving]])
                whole = np.full(self.facts, np.nan)
                whole[part.places] = np.where(valid, values, np.nan)
                turns += self._walk(rule, chosen, places, slots, times, whole[places])
                touched.append(chosen)
            elif moving.any():
                known = np.where(valid, values, np.nan)
                when = np.zeros(len(part.slots), dtype=np.int64)  # no delay asks for it
                turns += self._walk(rule, part.slots[moving], part.places, part.slots, when, known)
        if touched:
            self._note(np.unique(np.concatenate(touched)))
        return turns

    def pass_time(self, place: int, slots: Ints, now: int, phase: str | None = None) -> list[Turn]:
        """Raise what has been beyond its limit for long enough, of twins that were told the time by one record.

        With `phase`, that which begins with the record: a rule that does not hold in it is not told.
        """
        state = self.state
        waiting = self._waiting(slots)
        turns: list[Turn] = []
        if waiting is None:
            return turns
        for rule in self.delayed:
            if phase is not None and rule.phases and phase not in rule.phases:
                continue
            chosen = self._standing(rule, waiting)
            chosen = chosen[state.running[chosen]]
            if len(chosen):
                points = _points(rule, len(chosen))
                held = self._remembered(rule, chosen)
                after, turned = delays.pass_time(points, held, now)
                self._keep(rule, chosen, held, after, np.full(len(chosen), now))
                turns += [Turn(place, slot, rule, True, None) for slot in chosen[turned > 0].tolist()]
        self._note(waiting)
        return turns

    def _waiting(self, slots: Ints) -> Ints | None:
        """Give those of some twins for which time counts, ascending; None where there is none."""
        if not self.delayed:
            return None
        stirred = self.state.waits[slots]
        return np.unique(slots[stirred]) if stirred.any() else None

    def _standing(self, rule: Rule, waiting: Ints | None) -> Ints:
        """Give those of some twins for which time counts in this rule."""
        if rule.point < 0 or waiting is None:
            return np.zeros(0, dtype=np.int64)
        return waiting[self.state.waits_on(rule, waiting)]

    def _walk(
        self, rule: Rule, chosen: Ints, places: Ints, slots: Ints, times: Ints, values: NDArray[np.float64]
    ) -> list[Turn]:
        """Walk one rule over all readings of the chosen twins; a value that is no number is missing."""
        flags = np.zeros(len(self.state.heard), dtype=np.bool_)
        flags[chosen] = True
        at = np.nonzero(flags[slots])[0]
        twins = slots[at]
        heads = np.ones(len(at), dtype=np.bool_)
        heads[1:] = twins[1:] != twins[:-1]
        rank = np.arange(len(at)) - np.maximum.accumulate(np.where(heads, np.arange(len(at)), 0))
        turns: list[Turn] = []
        for number in range(int(rank.max()) + 1):  # one reading of each twin at a time
            q = at[rank == number]
            points, held, now = _points(rule, len(q)), self._remembered(rule, slots[q]), times[q]
            there = ~np.isnan(values[q])
            if rule.on_delay > 0:  # on hold it may clear, and not begin to wait
                there &= (held[RAISED] > 0) | ~self.state.on_hold[slots[q]]
            after, turned = delays.step(points, held, now, values[q], there)
            if rule.point >= 0:
                later, passed = delays.pass_time(points, after, now)
                after, turned = np.where(there, after, later), np.where(there, turned, passed)
            self._keep(rule, slots[q], held, after, np.where(there, NEVER, now))
            for j in np.nonzero(turned)[0].tolist():
                value = float(values[q[j]]) if there[j] else None
                turns.append(Turn(int(places[q[j]]), int(slots[q[j]]), rule, bool(turned[j] > 0), value))
        return turns

    def _remembered(self, rule: Rule, twins: Ints) -> Ints:
        state = self.state
        held = delays.start(len(twins))
        held[RAISED] = state.alert[twins, rule.index] > 0
        if rule.point >= 0:
            held[SINCE] = state.since[twins, rule.point]
            held[SEEN] = state.seen[twins, rule.point]
        return held

    def _keep(self, rule: Rule, twins: Ints, held: Ints, after: Ints, passed: Ints) -> None:
        """Write back what is remembered, in its one form.

        The newest reading means something only while the rule has a bridge, and is raised or about to be; without
        a bridge, only where the passing of time, told at `passed`, raised it: older readings do not count then.
        """
        state = self.state
        state.alert[twins, rule.index] = after[RAISED]
        if rule.point >= 0:
            idle = (after[RAISED] == 0) & (after[SINCE] == NEVER)
            seen = after[SEEN]
            if rule.bridge == NO_BRIDGE:
                seen = np.where((after[RAISED] > held[RAISED]) & (passed != NEVER), passed, held[SEEN])
            state.since[twins, rule.point] = after[SINCE]
            state.seen[twins, rule.point] = np.where(idle, NEVER, seen)

    def _note(self, twins: Ints) -> None:
        self.state.waits[twins] = self.state.waits_of(twins)


def _points(rule: Rule, count: int) -> Points:
    """Give a rule as so many alarm points."""
    return Points(
        np.full(count, rule.limit), np.full(count, rule.clear), np.full(count, rule.high),
        np.full(count, rule.on_delay), np.full(count, rule.off_delay), np.full(count, rule.bridge),
    )  # fmt: skip
