"""Faults of probes and actuators, looked for at the close of each minute: what stands, what is said, what is not used.

A channel's value is the newest of the minute by event time, NaN where none came in it: a silent probe is never stood
for by an older value. A set point stands until another is told. A late reading changes nothing that was said; nor does
it change which minutes' readings are used, for that is written into the minute when it closes
(docs/adr/0006-trust-is-a-fact-of-its-time.md). Minutes in which a unit says nothing at all are not folded, but for a
few in a row: that a unit is silent is told by the rule on silence, not by sixteen on probes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from schemas.bioreactor import FeedAdded, MediumExchanged, ProbeCalibrated, ProbeChanged, SampleDrawn
from schemas.events import Event
from schemas.instants import MINUTE
from twins.bioreactor import fault_rows as w
from twins.bioreactor import filter as ekf
from twins.bioreactor.fault_speech import fault_message, healed_message
from twins.bioreactor.fold import SIGNAL
from twins.bioreactor.rows import DISTRUSTED, FEED, NO_ITEMS, TRUSTED, Change
from twins.bioreactor.segments import Segments
from twins.bioreactor.speech import Speech
from twins.bioreactor.state import State
from twins.faults import alarms
from twins.faults.channels import ACTUATORS, CHANNELS, COUNT, PROBES, TESTED, Bools, Floats, Ints, W
from twins.faults.channels import FEED as FEED_PUMP
from twins.faults.detector import Outcome
from twins.faults.detector import State as Remembered
from twins.faults.telling import JUMPED, RENEWED
from twins.frame import GOOD

if TYPE_CHECKING:
    from twins.bioreactor.fault_watch import FaultWatch

GAP_FOLDED = 4  # minutes without a word that are folded as such; below `missing_minutes`, so that they claim nothing
TOLD_MINUTES = 3  # assumed: how much later than its event a step may come, and how much earlier, by the gate
BOLUS = 0.02  # assumed: a feed of this share of the vessel's volume moves probes too; less is within their noise
BITS = 2.0 ** np.arange(COUNT)[:, None]


class Faulting:
    """The working memory of one frame."""

    def __init__(self, watch: FaultWatch, state: State, speech: Speech) -> None:
        self.watch, self.state, self.speech = watch, state, speech
        mapping = watch.mapping
        self._read = _columns(state, [None if one is None else (one.tag, one.unit) for one in mapping.channels])
        self._asked = _columns(state, [None if one is None else (one.tag, one.unit) for one in mapping.demands])
        self._read_by = np.array([1.0 if one is None else one.factor for one in mapping.channels])
        self._asked_by = np.array([1.0 if one is None else one.factor for one in mapping.demands])
        self._rules = [rule for rule in state.rules if rule.kind == "fault"]  # one a place
        self._at = np.array([rule.index for rule in self._rules])
        self._signal = mapping.names.index(SIGNAL) if SIGNAL in mapping.names[:COUNT] else -1

    def close(self, slots: Ints, minutes: Ints, places: Ints) -> None:
        """Fold the minutes of running twins that are closed by the records `places`; arrays of shape (n,)."""
        there = self.state.running[slots]
        slots, minutes, places = slots[there], minutes[there], places[there]
        if not len(slots):
            return
        rows = self.watch.rows_of(self.state, slots)
        last = np.where(rows[:, w.LAST] < 0, minutes - 1, rows[:, w.LAST]).astype(np.int64)
        readings, demands = self._values(slots, minutes, rows[:, w.BEGAN])
        silent = minutes - last - 1
        self._fold_silence(rows, last, np.where(silent <= GAP_FOLDED, silent, 0), demands)
        told = self._told(rows, minutes, silent > GAP_FOLDED)
        state, outcome = self._step(rows, minutes, readings, demands, told)
        bad = (~outcome.trusted & ~np.isnan(readings)) | alarms.distrusted(state.standing)
        rows[:, w.LAST] = minutes
        rows[:, w.DISTRUSTED] = np.where(bad, BITS, 0.0).sum(axis=0)
        self.state.fault[slots] = rows
        self._decide(slots, minutes, bad)
        self._say(slots, places, minutes, outcome)

    def hear(self, segments: Segments, q: Ints) -> None:
        """Take in what was done at the vessel, of those segments that are no readings."""
        facts = self.speech.columns.frame.facts
        for j in q.tolist():
            if j in segments.adds:
                slot, minute = int(segments.slots[j]), int(segments.minutes[j])
                self._hear(slot, minute, facts[int(segments.places[j])].event)

    # -- values -----------------------------------------------------------------------------------------------------

    def _values(self, slots: Ints, minutes: Ints, since: Floats) -> tuple[Floats, Floats]:
        """Give readings (16, n) of these minutes, of the run, and demands (7, n) as they stand."""
        state, n = self.state, len(slots)
        readings, demands = np.full((COUNT, n), np.nan), np.full((len(ACTUATORS), n), np.nan)
        for found, columns, factors, whole in (
            (readings, self._read, self._read_by, False), (demands, self._asked, self._asked_by, True),
        ):  # fmt: skip
            known = np.nonzero(columns >= 0)[0]
            if not len(known):
                continue
            at = (slots[:, None], columns[known][None, :])
            time = state.value_time[at]
            there = (state.quality[at] == GOOD) & (time >= 0)
            if not whole:
                there &= (time // MINUTE == minutes[:, None]) & (time >= since[:, None])
            found[known] = np.where(there, state.value[at] * factors[known], np.nan).T
        return readings, demands

    def _fold_silence(self, rows: Floats, last: Ints, silent: Ints, demands: Floats) -> None:
        """Fold minutes in which a twin said nothing, in place."""
        for turn in range(1, int(silent.max()) + 1):
            these = np.nonzero(silent >= turn)[0]
            some, nothing = rows[these], np.full((COUNT, len(these)), np.nan)
            self._step(some, last[these] + turn, nothing, np.ascontiguousarray(demands[:, these]), None)
            rows[these] = some

    def _told(self, rows: Floats, minutes: Ints, after_gap: Bools) -> Ints | None:
        """Say which channels may have jumped, shape (16, n): by what was done, or while nobody listened."""
        jumped = minutes <= rows[:, w.JUMPED_UNTIL : w.RENEWED_UNTIL].T
        renewed = minutes <= rows[:, w.RENEWED_UNTIL : w.OWN].T
        jumped[list(TESTED)] |= after_gap
        if not (jumped.any() or renewed.any()):
            return None
        told: Ints = np.where(renewed, RENEWED, np.where(jumped, JUMPED, 0))
        return told

    def _step(
        self, rows: Floats, minutes: Ints, readings: Floats, demands: Floats, told: Ints | None
    ) -> tuple[Remembered, Outcome]:
        state, outcome = self.watch.detector.step(self.watch.rows.read(rows), minutes * MINUTE, readings, demands, told)
        self.watch.rows.write(rows, state)
        return state, outcome

    # -- what follows -----------------------------------------------------------------------------------------------

    def _decide(self, slots: Ints, minutes: Ints, bad: Bools) -> None:
        """Write into the minute that is about to be folded that from it on the signal is used no more, or again."""
        if self._signal < 0:
            return
        state = self.state
        for slot, minute, distrusted in zip(slots.tolist(), minutes.tolist(), bad[self._signal].tolist(), strict=True):
            if distrusted != (SIGNAL in state.current[slot].distrusted):
                change = Change(minute * MINUTE, DISTRUSTED if distrusted else TRUSTED, "faults", SIGNAL)
                state.items[slot] = state.items.get(slot, NO_ITEMS).with_change(change)
                state.refresh(slot)

    def _say(self, slots: Ints, places: Ints, minutes: Ints, outcome: Outcome) -> None:
        """Clear the alerts of what is at fault no more, and raise those of what is; one that comes back is another."""
        standing, said = outcome.kind.T > 0, self.state.alert[np.ix_(slots, self._at)] > 0
        over, new = said & (~standing | outcome.raised.T), standing & (~said | outcome.raised.T)
        for j, place in zip(*(part.tolist() for part in np.nonzero(over | new)), strict=True):
            slot, record, rule = int(slots[j]), int(places[j]), self._rules[place]
            if over[j, place]:
                self.speech.fault(record, slot, rule, False, healed_message(rule.tag), None)
            if new[j, place]:
                kind, other = int(outcome.kind[place, j]), int(outcome.other[place, j])
                since = int(outcome.since[place, j])
                since = since if since >= 0 else int(minutes[j]) * MINUTE
                message, what = fault_message(self.watch.mapping, place, kind, other, since)
                self.speech.fault(record, slot, rule, True, message, what)

    # -- what was done at the vessel --------------------------------------------------------------------------------

    def _hear(self, slot: int, minute: int, event: Event) -> None:
        """Note of which channels an event explains a step; one that is told late counts from now on."""
        data, until = event.data, minute + TOLD_MINUTES
        row = self.state.fault[slot]
        if isinstance(data, SampleDrawn):
            row[w.JUMPED_UNTIL + W] = until
        elif isinstance(data, MediumExchanged):
            row[[w.JUMPED_UNTIL + probe for probe in PROBES]] = until
        elif isinstance(data, FeedAdded):
            volume = int(self.state.i[slot, ekf.VOLUME])
            fed = int(self.state.bucket[slot, FEED])  # of this minute so far
            if fed >= BOLUS * volume:
                row[[w.JUMPED_UNTIL + probe for probe in PROBES]] = until
            elif self.watch.mapping.demands[ACTUATORS.index(FEED_PUMP)] is None:
                row[w.JUMPED_UNTIL + W] = until
        elif isinstance(data, ProbeCalibrated | ProbeChanged):
            names = self.watch.mapping.names[: len(CHANNELS)]
            if data.tag in names:
                row[w.RENEWED_UNTIL + names.index(data.tag)] = until


def _columns(state: State, pairs: list[tuple[str, str] | None]) -> Ints:
    return np.array([-1 if pair is None else state.column_of.get(pair, -1) for pair in pairs], dtype=np.int64)
