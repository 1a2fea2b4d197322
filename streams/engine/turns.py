"""Parts of what waits to be folded, so that twins that take long for a record do not hold other families up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from twins.frame import RawRecord

T = TypeVar("T")
Frames = Mapping[int, tuple[Sequence[RawRecord], int | None]]  # by partition: records, and the offset they follow

TURN_SECONDS = 0.05  # what a reading of another family may wait for: half of the 0.1 s aimed at for an alert
FIRST_RECORDS = 16  # before anything is known of the pace; assumed: at 3 ms each, one turn


class Turns:
    """Cuts frames of one family into parts of about TURN_SECONDS by the pace of those before. For one agent.

    Where a frame ends changes nothing of what twins say (`twins/block.py`), so the clock may decide it.

    Parameters
    ----------
    cut : bool
        Whether this family's frames are cut at all. Twins with their readings in columns are quick by the frame, and
        are folded as they come.
    """

    def __init__(self, cut: bool) -> None:
        self._cut = cut
        self._seconds = TURN_SECONDS / FIRST_RECORDS  # of one record

    def of(self, frames: Frames) -> Iterator[Frames]:
        """Give the parts in order, each partition's records as they follow each other."""
        if not self._cut:
            yield frames
            return
        for partition, (records, follows) in frames.items():
            start = 0
            while start < len(records):
                part = records[start : start + max(1, int(TURN_SECONDS / self._seconds))]
                yield {partition: (part, follows)}
                start += len(part)
                follows = part[-1].offset + 1

    def timed(self, fold: Callable[[Frames], T], frames: Frames) -> T:
        """Fold a part, and learn the pace."""
        began = time.monotonic()
        done = fold(frames)
        records = sum(len(part) for part, _ in frames.values())
        if records:
            self._seconds = max(1e-6, (time.monotonic() - began) / records)
        return done
