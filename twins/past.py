"""An in-memory store of what twins ask to be kept: stands in the ledger's place in `fold`, tests and checks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

import numpy as np

from twins.block import Effects, Memory, TwinPast, Wanted
from twins.frame import Frame


class MemoryPast:
    """Keeps memory rows and the hashes of accepted facts, of one partition.

    Grows with the number of twin minutes: about 100 bytes a row. It is meant for files, not for years.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], dict[int, list[Memory]]] = {}
        self._times: dict[tuple[str, str], list[int]] = {}
        self._facts: dict[tuple[str, int], list[tuple[int, int]]] = {}

    def keep(self, frame: Frame, effects: Effects) -> None:
        """Store what folding a frame gave."""
        for row in effects.memory:
            insort(self._versions(row), row, key=_offset)  # a refold keeps rows of offsets that are there already
        facts = frame.columns
        for place in np.nonzero(effects.accepted)[0].tolist():
            one = (facts.keys[place], int(facts.event_time[place]))
            self._facts.setdefault(one, []).append((int(facts.offsets[place]), int(facts.hashes[place])))

    def seed(self, rows: Iterable[Memory]) -> None:
        """Store rows that were kept before the first frame; rows known already are passed over."""
        for row in rows:
            versions = self._versions(row)
            if all(known.offset != row.offset for known in versions):
                insort(versions, row, key=_offset)

    def _versions(self, row: Memory) -> list[Memory]:
        """Give the list of all versions of a row, oldest first."""
        place = (row.key, row.kind)
        rows = self._rows.setdefault(place, {})
        versions = rows.get(row.event_time)
        if versions is None:
            versions = rows[row.event_time] = []
            insort(self._times.setdefault(place, []), row.event_time)
        return versions

    def load(self, wanted: Sequence[Wanted], before_offset: int) -> dict[str, TwinPast]:
        """Give each wanted twin its past, as it was known before `before_offset`."""
        return {one.key: self._load(one, before_offset) for one in wanted}

    def _load(self, one: Wanted, before: int) -> TwinPast:
        mark = None
        times = self._times.get((one.key, "mark"), [])
        for place in range(bisect_right(times, one.since) - 1, -1, -1):
            mark = self._newest((one.key, "mark"), times[place], before)
            if mark is not None and mark.body is not None and mark.offset >= one.marks_from and not one.whole:
                break
            mark = None
        begin = mark.event_time if mark is not None else one.since if one.whole else 0
        times = self._times.get((one.key, "input"), [])
        after = len(times) if one.until is None else bisect_left(times, one.until)
        inputs = [self._newest((one.key, "input"), time, before) for time in times[bisect_left(times, begin) : after]]
        seen = {
            number for time in one.times for offset, number in self._facts.get((one.key, time), ()) if offset < before
        }
        return TwinPast(mark, [row for row in inputs if row is not None], frozenset(seen))

    def _newest(self, place: tuple[str, str], time: int, before: int) -> Memory | None:
        for row in reversed(self._rows[place][time]):
            if row.offset < before:
                return row
        return None


def _offset(row: Memory) -> int:
    return row.offset
