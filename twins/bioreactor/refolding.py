"""Fold the runs of twins again under another configuration, from the minutes that were kept of them.

Many twins side by side, some minutes of each at a time: a run of two weeks is 20,160 minutes. Marks are kept anew as
far back as a late fact may reach.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from schemas.errors import SnapshotError
from schemas.instants import MINUTE
from schemas.topics import TOPICS
from twins.bioreactor import filter as ekf
from twins.bioreactor.fold import prior, side_by_side
from twins.bioreactor.late import Record, Refold, mark_memory, refold, row_memory, write_mark
from twins.bioreactor.rows import (
    EMPTY_BUCKET,
    FEED,
    NO_ITEMS,
    SAMPLE,
    Items,
    Row,
    read_row,
    write_row,
)
from twins.bioreactor.state import NEVER, State
from twins.block import Effects, LoadPast, Past, Wanted

HORIZON = TOPICS["bioreactor.events"].horizon or 0
MOST_TWINS = 512  # side by side: more make a minute hardly cheaper
MOST_MINUTES = 200_000  # of a group at a time: some 100 MB while they are folded
MARK_EVERY = 60  # minutes
FEW_TWINS = 8  # side by side where nobody said when their runs began: all that was kept of them is folded at once


def refold_all(state: State, load: LoadPast, offset: int, effects: Effects) -> None:
    """Fold every twin's run again up to its open minute; keep marks on account of the record at `offset`."""
    strange = _other_signal(state)
    for slots in _groups(state):
        _Group(state, slots, strange, offset, effects).fold(load)
    for slot in sorted(strange):
        state.bucket[slot] = _quiet_bucket(tuple(state.bucket[slot].tolist()))
        if slot in state.items:
            state.items[slot] = _quiet_items(state.items[slot])
        state.biomass[slot] = state.biomass_column


def _begins(state: State, slot: int) -> int:
    """Give the minute in which a twin's run began, 0 where nobody said."""
    started = state.batches[slot].started
    return 0 if started is None else started // MINUTE


def _groups(state: State) -> Iterator[list[int]]:
    """Put twins together whose runs began near each other."""
    begins = {slot: _begins(state, slot) for slot in range(len(state))}
    said = sorted((slot for slot in begins if begins[slot]), key=lambda slot: (begins[slot], slot))
    unsaid = [slot for slot in begins if not begins[slot]]
    for slots, most in ((said, MOST_TWINS), (unsaid, FEW_TWINS)):
        for first in range(0, len(slots), most):
            yield slots[first : first + most]


class _Group:
    """Twins that are folded side by side, so many minutes at a time."""

    def __init__(
        self, state: State, slots: list[int], strange: frozenset[int], offset: int, effects: Effects
    ) -> None:  # fmt: skip
        self.state, self.slots, self.strange, self.offset, self.effects = state, slots, strange, offset, effects
        self.at = [_begins(state, slot) for slot in slots]  # minutes: folded up to here
        self.opened = [max(0, int(state.heard[slot]) // MINUTE) for slot in slots]
        # before this no late fact can reach: marks are kept from here on
        late = [(int(state.heard[slot]) - HORIZON) // MINUTE for slot in slots]
        self.reach = [max(reach, begin) for reach, begin in zip(late, self.at, strict=True)]
        self.first = prior(state.table, state.beside)
        self.beliefs = [self.first.copy_of([0]) for _ in slots]
        self.marks: list[list[tuple[int, bytes]]] = [[] for _ in slots]

    def fold(self, load: LoadPast) -> None:
        """Fold all, window by window; write what is believed into the state."""
        for j in range(len(self.slots)):
            self._mark_reach(j)
        while active := [j for j, at in enumerate(self.at) if at < self.opened[j]]:
            first = min(self.at[j] for j in active)
            last = first + max(1, MOST_MINUTES // len(active)) if first else max(self.opened)
            self._window([j for j in active if self.at[j] < last], last, load)
        for j, slot in enumerate(self.slots):
            self._settle(j, slot)
        beliefs = side_by_side(self.beliefs)
        self.state.keep(np.array(self.slots), beliefs, range(len(self.slots)))
        self.state.dirty[np.array(self.slots)] = NEVER

    def _window(self, these: list[int], last: int, load: LoadPast) -> None:
        """Fold some twins on, up to `last`, to where marks begin, or to the open minute."""
        state = self.state
        stops = [
            min(last, self.opened[j], self.reach[j] if self.at[j] < self.reach[j] else last) for j in these
        ]  # fmt: skip
        past = load(
            [
                Wanted(state.keys[self.slots[j]], self.at[j] * MINUTE, (), whole=True, until=stop * MINUTE)
                for j, stop in zip(these, stops, strict=True)
            ]
        )
        records, jobs = [], []
        for j, stop in zip(these, stops, strict=True):
            rows = self._rows(self.slots[j], past)
            # nothing is kept of a first window's beginning: what is not known is not there
            records.append(Record(self.beliefs[j], self.at[j] if self.at[j] else -1, rows))
            changed = self.reach[j] if self.at[j] >= self.reach[j] else NEVER
            jobs.append(Refold(self.slots[j], 0, stop, changed, False))
        beliefs = refold(records, jobs, state.table, state.beside)
        for place, (j, stop) in enumerate(zip(these, stops, strict=True)):
            self.beliefs[j], self.at[j] = beliefs.copy_of([place]), stop
            self._keep_marks(j, jobs[place])
            self._mark_reach(j)

    def _keep_marks(self, j: int, job: Refold) -> None:
        """Keep one mark an hour: all of a day are one transaction, and a late fact folds an hour more at most."""
        for minute, mark in job.marks:
            if not self.marks[j] or minute - self.marks[j][-1][0] >= MARK_EVERY:
                self.marks[j].append((minute, write_mark(mark, 0)))

    def _mark_reach(self, j: int) -> None:
        if self.at[j] == self.reach[j] and not self.marks[j]:
            self.marks[j].append((self.reach[j], write_mark(self.beliefs[j], 0)))

    def _rows(self, slot: int, past: Past) -> dict[int, Row]:
        key = self.state.keys[slot]
        kept = {one.event_time // MINUTE: one.body for one in past[key].inputs if one.body is not None}
        rows = {minute: read_row(minute, body) for minute, body in kept.items()}
        if slot in self.strange:
            _quieten(key, rows, self.offset, self.effects)
        return rows

    def _settle(self, j: int, slot: int) -> None:
        """See whether the kept minutes led where the run stands; if not, its history was dropped."""
        state, batch = self.state, self.state.batches[slot]
        if self.beliefs[j].batches[0] == batch:
            key = state.keys[slot]
            self.effects.memory += [mark_memory(key, minute, self.offset, body) for minute, body in self.marks[j]]
            return
        if state.i[slot, ekf.RUNNING] > 0:
            raise SnapshotError(
                f"expected the kept minutes of {state.keys[slot]} since {batch.batch} began, found them incomplete;"
                " restore the dropped days of the table memory, or end the run first"
            )
        self.beliefs[j] = self.first.copy_of([0])
        self.beliefs[j].batches[0] = batch
        self.beliefs[j].i[ekf.RUNNING, 0] = 0


# -- twins whose signal is of another unit than the new process model's: under it, it would not have counted --


def _other_signal(state: State) -> frozenset[int]:
    used = len(state)
    if state.biomass_column < 0:
        return frozenset()
    return frozenset(np.nonzero(state.biomass[:used] != state.biomass_column)[0].tolist())


def _quieten(key: str, rows: dict[int, Row], offset: int, effects: Effects) -> None:
    for minute, row in rows.items():
        quiet = Row(minute, _quiet_bucket(row.bucket), _quiet_items(row.items))
        if quiet != row:
            rows[minute] = quiet
            effects.memory.append(row_memory(key, minute, offset, write_row(quiet.bucket, quiet.items)))


def _quiet_bucket(bucket: tuple[int, ...]) -> tuple[int, ...]:
    quiet = list(EMPTY_BUCKET)
    quiet[FEED], quiet[SAMPLE] = bucket[FEED], bucket[SAMPLE]
    return tuple(quiet)


def _quiet_items(items: Items) -> Items:
    kept = tuple(one for one in items.assays if one.tag != "biomass")
    return (
        items if len(kept) == len(items.assays) else replace(items, assays=kept) if kept or items.changes else NO_ITEMS
    )
