"""`time.passed`, written by a partition's owner: silence is evidence, and a replay must see it too."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.events import Event, write_headers, write_value
from schemas.instants import Instant
from schemas.partitions import OWNER_SOURCE, TimePassed
from streams.appending import Row


def time_passed(partitions: Sequence[int], now: int) -> list[Row]:
    """Make one key-less record per partition, for an instant [us].

    Examples
    --------
    >>> [row[3] for row in time_passed([2, 5], 1_000_000)]
    [2, 5]
    """
    rows: list[Row] = []
    for partition in partitions:
        event = Event(f"{partition}-{now}", OWNER_SOURCE, "time.passed", "", Instant(now), Instant(now), TimePassed())
        rows.append((None, write_value(event), write_headers(event), partition))
    return rows
