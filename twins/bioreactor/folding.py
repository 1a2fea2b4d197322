"""Fold one frame: the passes, the closing of minutes, and who speaks when.

A pass holds, of every twin, one run of plain readings or one special fact. Within a pass, segments are folded
turn by turn: in each, a twin has one. So a frame costs a fixed number of array operations, whatever it holds,
and nothing depends on where it ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.instants import MINUTE, SECOND
from schemas.partitions import OWNER_SOURCE
from twins.bioreactor.config import BioreactorConfig
from twins.bioreactor.fold import fold_minutes
from twins.bioreactor.inputs import END, HELD, PHASE, START
from twins.bioreactor.intake import NO_KEY, TOO_MANY, Intake, chunks, remember, sort_out
from twins.bioreactor.judge import Judge, Verdict
from twins.bioreactor.late import grid, mark_memory, write_mark
from twins.bioreactor.limits import Limits
from twins.bioreactor.readings import Part, lay_out, name_columns, share, show
from twins.bioreactor.rewind import Rewind
from twins.bioreactor.rows import (
    EMPTY_BUCKET,
    FEED,
    FIXED,
    GREATEST,
    LARGEST_VOLUME,
    LEAST,
    NO_ITEMS,
    SAMPLE,
    TIMES,
    TOTAL,
    Contribution,
    N,
    Row,
)
from twins.bioreactor.segments import AT_ONCE, Segments, Single, cut, gather
from twins.bioreactor.speech import Speech
from twins.bioreactor.state import CLOCK, MOST_TWINS, NEVER, State
from twins.bioreactor.suppressing import Suppressing
from twins.block import Effects, Past
from twins.frame import GOOD

Ints = NDArray[np.int64]


class Folding:
    """The working memory of one `apply`; the block's state is changed as it goes."""

    def __init__(
        self, state: State, config: BioreactorConfig, intake: Intake, past: Past, speech: Speech, effects: Effects
    ) -> None:
        self.state = state
        self.intake = intake
        self.columns = intake.columns
        self.speech = speech
        self.effects = effects
        self.periods = (config.estimate_seconds * SECOND, config.forecast_seconds * SECOND)
        self.silence = round(config.silence_minutes * MINUTE)
        name_columns(state, self.columns.frame, self.columns.readings)
        self.tables = lay_out(state, self.columns.frame)
        self.limits = Limits(state, len(self.columns.times))
        self.rewind = Rewind(state, self.columns, past, intake.fresh, speech, effects)
        self.suppressing = Suppressing(state, speech) if state.linked else None
        self.judge = Judge(state, intake, self.tables, self.rewind, speech, effects)
        self.faulting = None if state.faulting is None else state.faulting.of_frame(state, speech)

    def run(self) -> None:
        """Fold every fact of the frame, in stretches between the records that concern all twins."""
        first = 0
        slots = self.intake.slots
        for place in np.nonzero((slots == NO_KEY) | (slots == TOO_MANY))[0].tolist():
            self._stretch(first, place)
            if slots[place] == NO_KEY:
                self._clock(place)
            else:
                self.judge.refuse(place, "too_many_twins", f"at most {MOST_TWINS} twins", "add partitions")
            first = place + 1
        self._stretch(first, len(self.columns.times))

    def _stretch(self, first: int, after: int) -> None:
        if first < after:
            for places, special in chunks(sort_out(self.state, self.intake, first, after)):
                self._pass(places, special)

    def _pass(self, places: Ints, special: NDArray[np.bool_]) -> None:
        """Fold one pass: judge the special facts, then fold everything that counts."""
        state, intake, columns = self.state, self.intake, self.columns
        verdict = Verdict()
        if special.any():
            for place in places[special].tolist():
                self.judge.judge(place, verdict)
            places = np.concatenate([places[~special], np.array(verdict.readings, dtype=np.int64)])
            places = places[np.argsort(intake.slots[places], kind="stable")]
        slots, times, speech = intake.slots[places], columns.times[places], self.speech
        self._remember(places, verdict.singles)
        if self.limits.delayed:
            self._pass_time(verdict.singles)
        for place, slot in verdict.passed:
            self._silence(place, np.array([slot]))
        starts = calls = fixed = places
        good = np.zeros(0, dtype=np.bool_)
        parts: list[Part] = []
        if len(places):
            number, starts, calls = cut(state, slots, times, self.periods)
            parts = list(share(state, self.tables, places, slots, times, number))
            for one in self.limits.take(parts, places, slots, times):
                speech.measured(one)
            self._heard_again(places, slots)
            good, fixed = self._signal(parts, places)
        if verdict.refolds:
            self.rewind.refold(verdict.refolds)
        for given in verdict.answers:
            self.speech.answered(given.place, given.slot, given.answer, given.summary)
        segments = gather(places, slots, times, starts, calls, good, fixed, verdict.singles)
        turns = segments.turns()
        for turn in range(int(turns.max()) + 1 if len(turns) else 0):
            self._turn(segments, np.nonzero(turns == turn)[0], turns == turn, parts)
        if self.suppressing is not None:
            told = [one for one in verdict.singles if one.latest >= 0]
            more = np.array([[one.place, one.slot] for one in told], dtype=np.int64).reshape(-1, 2)
            self.suppressing.look(np.append(places, more[:, 0]), np.append(slots, more[:, 1]))

    def _remember(self, places: Ints, singles: list[Single]) -> None:
        kept = places
        if singles:
            kept = np.concatenate([places, np.array([single.place for single in singles], dtype=np.int64)])
            kept = kept[np.argsort(self.intake.slots[kept], kind="stable")]
        if len(kept):
            slots = self.intake.slots[kept]
            heads = np.ones(len(kept), dtype=np.bool_)
            heads[1:] = slots[1:] != slots[:-1]
            remember(self.state, slots, self.columns.hashes[kept], self.columns.times[kept], heads)

    def _pass_time(self, singles: list[Single]) -> None:
        """Let facts that are no readings tell the limits of their twins the time, but for those that end a run, or
        end the waiting of a limit: a hold, and a phase in which it does not hold."""
        for one in singles:
            change = one.add.change
            if one.latest >= 0 and (change is None or change.order not in (END, START, HELD)):
                phase = change.name if change is not None and change.order == PHASE else None
                for turn in self.limits.pass_time(one.place, np.array([one.slot]), one.latest, phase):
                    self.speech.measured(turn)

    def _heard_again(self, places: Ints, slots: Ints) -> None:
        """Clear the silence of twins that speak again."""
        rule = self.state.rules[-1]
        silent = self.state.alert[slots, rule.index] > 0
        if silent.any():
            for place, slot in zip(places[silent].tolist(), slots[silent].tolist(), strict=True):
                if self.state.alert[slot, rule.index]:
                    self.speech.turn_off(place, slot, rule, "readings arrive again")

    def _signal(self, parts: list[Part], places: Ints) -> tuple[NDArray[np.bool_], Ints]:
        """Find each record's biomass signal: whether it counts, and its value in fixed point."""
        state = self.state
        spot = np.empty(len(self.columns.times), dtype=np.int64)
        spot[places] = np.arange(len(places))
        column = np.full(len(places), -1, dtype=np.int64)
        good = np.zeros(len(places), dtype=np.bool_)
        fixed = np.zeros(len(places), dtype=np.int64)
        for part in parts:
            for j, number in enumerate(part.columns.tolist()):
                if state.columns[number][0] == "biomass":
                    at = spot[part.places]
                    column[at] = number
                    usable = part.quality[:, j] == GOOD
                    good[at] = usable
                    fixed[at] = np.rint(np.where(usable, part.values[:, j], 0.0) * FIXED).astype(np.int64)
        slots = self.intake.slots[places]
        unset = good & (state.biomass[slots] < 0)
        if unset.any():
            twins, first = np.unique(slots[unset], return_index=True)
            state.biomass[twins] = column[unset][first]
        strange = good & (column != state.biomass[slots])
        for j in np.nonzero(strange)[0].tolist():
            self.judge.refuse_unit(int(places[j]), state.columns[int(column[j])][1])
        return good & ~strange, fixed

    def _turn(self, segments: Segments, q: Ints, mask: NDArray[np.bool_], parts: list[Part]) -> None:
        """Fold one segment of each twin: close what is over, add what came, speak where it is due."""
        state = self.state
        slots, minutes, places = segments.slots[q], segments.minutes[q], segments.places[q]
        calls = segments.calls[q]
        opened = state.open_minute(slots)
        closing = (minutes > opened) & (opened >= 0)
        if self.faulting is not None and closing.any():
            self.faulting.close(slots[closing], opened[closing], segments.firsts[q][closing])
        stale = (state.dirty[slots] < NEVER) & (closing | (calls > 0))
        live = closing & ~stale
        if live.any():
            self._close(slots[live], opened[live], minutes[live], segments.firsts[q][live])
        if stale.any():
            # on account of the record that calls for it: the one that ends the minute, else the one that speaks
            due = np.where(closing, segments.firsts[q], places)[stale]
            self.rewind.settle(slots[stale], opened[stale], minutes[stale], due)
        if state.charting is not None and closing.any():
            self.speech.charts(slots[closing], opened[closing], segments.firsts[q][closing])
        bucket, more = state.bucket[slots], segments.buckets[:, q].T
        for column in (N, TOTAL, TIMES):
            bucket[:, column] += more[:, column]
        bucket[:, LEAST] = np.minimum(bucket[:, LEAST], more[:, LEAST])
        bucket[:, GREATEST] = np.maximum(bucket[:, GREATEST], more[:, GREATEST])
        for column in (FEED, SAMPLE):
            bucket[:, column] = np.minimum(bucket[:, column] + more[:, column], LARGEST_VOLUME)
        state.bucket[slots] = bucket
        state.heard[slots] = np.maximum(state.heard[slots], segments.latest[q])
        offsets = self.columns.offsets
        state.first[slots] = np.where(state.count[slots] == 0, offsets[segments.firsts[q]], state.first[slots])
        state.last[slots] = offsets[places]
        state.count[slots] += segments.sizes[q]
        for part in parts:
            show(state, part, mask[segments.spots[part.segments]], self.columns.times)
        if segments.adds:
            for j, slot in zip(q.tolist(), slots.tolist(), strict=True):
                add = segments.adds.get(j)
                if add is not None and (add.change is not None or add.assay is not None):
                    self._take_items(int(segments.places[j]), slot, add)
            if self.faulting is not None:
                self.faulting.hear(segments, q)
        speaking = (calls >= AT_ONCE) | ((calls > 0) & state.running[slots])
        if speaking.any():
            when = np.where(segments.latest[q] >= 0, self.columns.times[places], state.heard[slots])
            self.speech.speak(slots[speaking], places[speaking], when[speaking], calls[speaking])

    def _take_items(self, place: int, slot: int, add: Contribution) -> None:
        state = self.state
        state.items[slot] = add.add_to(state.items.get(slot, NO_ITEMS))
        change = add.change
        if change is not None:
            phase = state.current[slot].phase
            state.refresh(slot)
            if change.order == START or (change.order == END and not state.running[slot]):
                state.answers.forget(slot)
            if change.order == START:
                self.speech.clear_all(place, slot, "a batch started")
                state.biomass[slot] = state.biomass_column
            elif change.order == END and not state.running[slot]:
                self.speech.clear_all(place, slot, "the batch ended")
            else:
                self.speech.end_limits(place, slot, phase)

    def _close(self, slots: Ints, opened: Ints, minutes: Ints, places: Ints) -> None:
        """Fold the open minutes of twins whose next minute began, and have them remembered."""
        state = self.state
        beliefs = state.beliefs(slots)
        buckets, items = state.open_row(slots)
        sampled = np.nonzero(buckets[SAMPLE])[0].tolist()
        marks = [(j, int(opened[j]), write_mark(beliefs, j)) for j in sampled]
        changed = fold_minutes(
            beliefs, state.table.gather(state.parameters[slots]), opened, buckets, items, state.table, state.beside
        )
        state.keep(slots, beliefs, changed)
        for j in np.nonzero(minutes // 10 * 10 > opened)[0].tolist():
            marks.append((j, grid(int(minutes[j])), write_mark(beliefs, j)))
        offsets = self.columns.offsets[places].tolist()
        rows = buckets.T.tolist()
        for j, (slot, minute) in enumerate(zip(slots.tolist(), opened.tolist(), strict=True)):
            self.rewind.keep_row(slot, Row(minute, tuple(rows[j]), items[j]), offsets[j])
            state.items.pop(slot, None)
        for j, minute, body in marks:
            self.effects.memory.append(mark_memory(state.keys[int(slots[j])], minute, offsets[j], body))
        state.bucket[slots] = EMPTY_BUCKET

    def _clock(self, place: int) -> None:
        """Take a record that concerns every twin: nothing else was said until now."""
        state = self.state
        number = int(self.columns.hashes[place])
        if number in state.clock:
            self.judge.refuse(place, "duplicate", "an event id that is new", "nothing to do: it counted before")
            return
        state.clock = [*state.clock, number][-CLOCK:]
        # Twins begin in the order of their first fact: those of facts after this one are not there yet.
        used = max(self.intake.fresh, int(self.intake.slots[:place].max(initial=-1)) + 1)
        offset = int(self.columns.offsets[place])
        state.first[:used] = np.where(state.count[:used] == 0, offset, state.first[:used])
        state.last[:used] = offset
        state.count[:used] += 1
        self._silence(place, np.arange(used))

    def _silence(self, place: int, slots: Ints) -> None:
        """Tell twins that time has passed: limits, silence, and alerts that are suppressed."""
        state = self.state
        if self.columns.frame.facts[place].event.source == OWNER_SOURCE:
            slots = slots[state.wall[slots]]
        now = int(self.columns.times[place])
        for turn in self.limits.pass_time(place, slots, now):
            self.speech.measured(turn)
        if self.silence > 0 and len(slots):
            self._quiet(place, slots, now)
        if self.suppressing is not None:
            self.suppressing.look(np.full(len(slots), place), slots)

    def _quiet(self, place: int, slots: Ints, now: int) -> None:
        """Raise an alert for running twins that nobody heard of for too long."""
        state, rule = self.state, self.state.rules[-1]
        quiet = now - state.heard[slots]
        due = (
            (quiet >= self.silence)
            & (state.heard[slots] >= 0)
            & state.running[slots]
            & (state.alert[slots, rule.index] == 0)
            & ~state.on_hold[slots]
        )
        for slot, time in zip(slots[due].tolist(), quiet[due].tolist(), strict=True):
            self.speech.turn_on(place, slot, rule, time / MINUTE, f"nothing was heard for {time / MINUTE:.1f} min")
