"""What is kept of the twins of a frame that late facts touch, and how they are brought up to date."""

from __future__ import annotations

import numpy as np

from twins.bioreactor.intake import Columns, Ints
from twins.bioreactor.late import Record, Refold, mark_memory, open_record, refold, row_memory, write_mark
from twins.bioreactor.rows import EMPTY_BUCKET, NO_ITEMS, Contribution, Row, write_row
from twins.bioreactor.speech import Speech
from twins.bioreactor.state import NEVER, State
from twins.block import Effects, Past


class Rewind:
    """The past of a frame's twins, as handed in and as the frame goes on changing it."""

    def __init__(
        self, state: State, columns: Columns, past: Past, fresh: int, speech: Speech, effects: Effects
    ) -> None:
        self.state = state
        self.columns = columns
        self.past = past
        self.fresh = fresh  # twins from this row on began in this frame: they have no past
        self.speech = speech
        self.effects = effects
        self._records: dict[int, Record] = {}

    def _record(self, slot: int) -> Record:
        record = self._records.get(slot)
        if record is None:
            key = self.state.keys[slot]
            past = self.past.get(key) if slot >= self.fresh else self.past[key]
            record = self._records[slot] = open_record(past, self.state.table, self.state.beside)
        return record

    def seen(self, slot: int, number: int) -> bool:
        """Say whether a stored fact, of one of the times asked for, has this hash."""
        past = self.past.get(self.state.keys[slot])
        return past is not None and number in past.seen

    def row(self, slot: int, minute: int) -> Row:
        return self._record(slot).rows.get(minute) or Row(minute)

    def change_row(self, place: int, slot: int, minute: int, add: Contribution) -> None:
        row = self.row(slot, minute).with_contribution(add)
        self.keep_row(slot, row, int(self.columns.offsets[place]))

    def keep_row(self, slot: int, row: Row, offset: int) -> None:
        key = self.state.keys[slot]
        self.effects.memory.append(row_memory(key, row.minute, offset, write_row(row.bucket, row.items)))
        if slot in self._records or slot >= self.fresh or key in self.past:
            self._record(slot).rows[row.minute] = row

    def settle(self, slots: Ints, opened: Ints, minutes: Ints, places: Ints) -> None:
        """Refold twins that late readings left behind, their open minute with them if it is over."""
        state = self.state
        jobs: list[Refold] = []
        for slot, old, new, place in zip(
            slots.tolist(), opened.tolist(), minutes.tolist(), places.tolist(), strict=True
        ):
            if new > old:
                row = Row(old, tuple(state.bucket[slot].tolist()), state.items.pop(slot, NO_ITEMS))
                self.keep_row(slot, row, int(self.columns.offsets[place]))
                state.bucket[slot] = EMPTY_BUCKET
            jobs.append(Refold(slot, place, max(old, new), int(state.dirty[slot]), False))
        self.refold(jobs)

    def refold(self, jobs: list[Refold]) -> None:
        state = self.state
        beliefs = refold([self._record(job.slot) for job in jobs], jobs, state.table, state.beside)
        state.keep(np.array([job.slot for job in jobs]), beliefs, range(len(jobs)))
        for job in jobs:
            state.dirty[job.slot] = NEVER
            phase = state.current[job.slot].phase
            state.refresh(job.slot)
            offset = int(self.columns.offsets[job.place])
            for minute, mark in job.marks:
                self.effects.memory.append(mark_memory(state.keys[job.slot], minute, offset, write_mark(mark, 0)))
            if not state.running[job.slot]:
                state.answers.forget(job.slot)
                self.speech.clear_all(job.place, job.slot, "the batch ended")
            else:
                self.speech.end_limits(job.place, job.slot, phase)
            if job.speak:
                self.speech.revise(job)
