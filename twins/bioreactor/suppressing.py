"""Suppression of consequences in the live block, by `twins.alarming.suppression`.

An alert is decided on as ever, and what it is about stands or not; here it is only decided whether people are shown
it. One that is suppressed is said with the action `suppress` and the alert it follows from; when it has outlived
that one, it is said again with the action `raise`, under the same identity, at the next fact of its twin or when time
is told to have passed.

What is remembered of a twin is a row of whole numbers: five of each rule that the table names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twins.alarming import suppression
from twins.alarming.suppression import Known, Record, SuppressionState, Turn
from twins.bioreactor.emit import Pending
from twins.bioreactor.speech import Speech
from twins.bioreactor.state import LINK, LINK_CAUSE, LINK_CLEARED, LINK_STANDING, State

Ints = NDArray[np.int64]


class Suppressing:
    """Looks at the alerts of one frame as they come, pass by pass."""

    def __init__(self, state: State, speech: Speech) -> None:
        self.state = state
        self.table = state.consequences
        self.speech = speech
        self.times = speech.columns.times
        self.offsets = speech.columns.offsets
        self.rules = [state.rules[index] for index in state.linked]
        self.place = {rule.name: place for place, rule in enumerate(self.rules)}
        self._looked = 0  # how much of what is said was looked at

    def look(self, places: Ints, slots: Ints) -> None:
        """Look at what was said since the last call, and let facts tell their twins the time.

        Parameters
        ----------
        places, slots : arrays of int64, shape (n,)
            Records and their twins, in the order of arrival by twin. Those that said something need not be among them.
        """
        said: dict[int, dict[int, list[Pending]]] = {}
        for one in self.speech.pending[self._looked :]:
            if one.kind == "alert" and self.state.rules[one.rule].name in self.place:
                place = int(np.searchsorted(self.offsets, one.offset))
                said.setdefault(one.slot, {}).setdefault(place, []).append(one)
        self._looked = len(self.speech.pending)
        held = self.state.held[slots]
        if not said and not held.any():
            return
        order = np.argsort(slots, kind="stable")
        places, ordered = places[order], slots[order]
        for slot in sorted({*said, *slots[held].tolist()}):
            mine = said.get(slot, {})
            own = slice(*np.searchsorted(ordered, [slot, slot + 1]).tolist())
            self._fold(slot, sorted({*mine, *places[own].tolist()}), mine)
        self._looked = len(self.speech.pending)

    def _fold(self, slot: int, places: list[int], said: dict[int, list[Pending]]) -> None:
        known = self._read(slot)
        for place in places:
            now = int(self.times[place])
            over = {one.rule for one in said.get(place, ()) if one.data["action"] == "clear"}  # not to be shown now
            known, records = suppression.pass_time(self.table, known, now)
            self._release(slot, place, records, over)
            for one in sorted(said.get(place, ()), key=lambda one: self.place[self.state.rules[one.rule].name]):
                rule = self.state.rules[one.rule]
                # causes come first among the effects of a record, so that theirs is an id to name
                one.seq = self.place[rule.name] - len(self.rules)
                raised = one.data["action"] == "raise"
                known, records = suppression.step(self.table, known, Turn(rule.name, rule.name, raised, now))
                for record in records:
                    if record.change == "suppressed" and record.cause is not None:
                        one.data["action"] = "suppress"
                        one.cause = self.rules[self.place[record.cause]].index
                self._release(slot, place, records, over)
        self._write(slot, known)

    def _release(self, slot: int, place: int, records: tuple[Record, ...], over: set[int]) -> None:
        for record in records:
            if record.change == "raised" and record.cause is not None:
                rule = self.rules[self.place[record.rule]]
                cause = self.rules[self.place[record.cause]]
                if rule.index not in over:
                    self.speech.release(place, slot, rule, cause, self.place[rule.name] - len(self.rules))

    def _read(self, slot: int) -> SuppressionState:
        known = {}
        for rule, link in zip(self.rules, self.state.links[slot].reshape(-1, LINK).tolist(), strict=True):
            if link[LINK_STANDING] >= 0:
                cause = None if link[LINK_CAUSE] < 0 else self.state.rules[link[LINK_CAUSE]].name
                known[rule.name] = Known(rule.name, bool(link[LINK_STANDING]), link[LINK_CLEARED], cause)
        return SuppressionState(known)

    def _write(self, slot: int, known: SuppressionState) -> None:
        links = self.state.links[slot].reshape(-1, LINK)
        for name, one in known.known.items():
            link = links[self.place[name]]
            cause = -1 if one.cause is None else self.rules[self.place[one.cause]].index
            link[[LINK_STANDING, LINK_CLEARED, LINK_CAUSE]] = one.standing, one.cleared_at, cause
        self.state.held[slot] = self.state.held_of(np.array([slot]))[0]
