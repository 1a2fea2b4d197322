"""Parts of what waits to be folded, so that twins that take long for a record do not hold other families up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import TypeVar

from twins.frame import RawRecord

T = TypeVar("T")
Frames = Mapping[int, tuple[Sequence[RawRecord], int | None]]  # by partition: records, and the offset they follow

TURN_SECONDS = 0.05  # what a reading of another family may wait for: half of the 0.1 s aimed at for an alert
ALONE_SECONDS = 0.25  # where there is no other family: what the end of the process may wait for, beside commits
FIRST_RECORDS = 16  # before anything is known of the pace; assumed: at 3 ms each, one turn


class Turns:
    """Cuts frames of one family into parts of about TURN_SECONDS by the pace of those before. For one agent.

    Where a frame ends changes nothing of what twins say (`twins/block.py`), so the clock may decide it.

    Parameters
    ----------
    cut : bool
        Whether this family's frames are cut at all. Twins with their readings in columns are quick by the frame, and
        are folded as they come.
    alone : bool
        Whether the worker has no other family. Between two turns the fold thread has nothing to do for a moment.
    """

    def __init__(self, cut: bool, alone: bool = False) -> None:
        self._cut = cut
        self._turn = ALONE_SECONDS if alone else TURN_SECONDS
        self._seconds = TURN_SECONDS / FIRST_RECORDS  # of one record

    def of(self, frames: Frames) -> Iterator[Frames]:
        """Give the parts in order, each partition's records as they follow each other. Small ones share a part."""
        if not self._cut:
            yield frames
            return
        turn: dict[int, tuple[Sequence[RawRecord], int | None]] = {}
        room = self._room()
        for partition, (records, follows) in frames.items():
            start = 0
            while start < len(records):
                part = records[start : start + room]
                turn[partition] = part, follows
                start, room = start + len(part), room - len(part)
                follows = part[-1].offset + 1
                if not room:
                    yield turn
                    turn, room = {}, self._room()
        if turn:
            yield turn

    def _room(self) -> int:
        return max(1, int(self._turn / self._seconds))

    def timed(self, fold: Callable[[Frames], T], frames: Frames) -> T:
        """Fold a part, and learn the pace."""
        began = monotonic()
        done = fold(frames)
        records = sum(len(part) for part, _ in frames.values())
        if records:
            self._seconds = max(1e-6, (monotonic() - began) / records)
        return done
