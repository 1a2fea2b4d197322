"""Read records in offset order: several partitions in one statement, bounded in records and bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.types.numeric import Int8BinaryLoader

from schemas.errors import LogError, TopicMissingError
from streams.log.session import connect

LIMIT_RECORDS = 2000
LIMIT_BYTES = 4 << 20

_UNIX_2000 = 946_684_800_000_000
_EVER = float("-inf")
# One index scan a wanted partition. `since` prunes the segments below: append times never fall within a partition.
# The window bounds bytes without reading values that are not sent; the first record comes whatever its size.
_READ = """
select w.slot, r.rec_offset, r.appended_at, r.key, r.value, r.headers
from unnest(%s::int[], %s::int[], %s::int[], %s::bigint[]) as w (slot, topic, partition, next_offset)
cross join lateral (
    select * from (
        select l.rec_offset, l.appended_at, l.key, l.value, l.headers,
               sum(octet_length(l.value)) over (
                   order by l.rec_offset rows between unbounded preceding and 1 preceding
               ) as before
        from log_record l
        where l.topic = w.topic and l.partition = w.partition and l.rec_offset >= w.next_offset
          and l.appended_at >= to_timestamp(%s)
        order by l.rec_offset
        limit %s
    ) s
    where coalesce(s.before, 0) < %s
    order by s.rec_offset
) r
"""
_HEADS = """
select t.name, h.topic, h.partition, h.first_offset, h.next_offset
from log_topic t join log_head h on h.topic = t.no
where t.name = any(%s)
"""


class Record(Struct, frozen=True, gc=False):
    """One record, as `twins.frame.RawRecord` wants it. `timestamp` is its append time [ms]."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: bytes | None


@dataclass(frozen=True, slots=True)
class Head:
    """The ends of one partition: the first offset kept and the next to be given."""

    topic: int
    first: int
    next: int


def read(
    conn: psycopg.Connection[Any],
    topic: str,
    partition: int,
    offset: int,
    limit: int = LIMIT_RECORDS,
    limit_bytes: int = LIMIT_BYTES,
) -> list[Record]:
    """Read up to `limit` records of one partition from `offset` on; fewer where their values pass `limit_bytes`."""
    head = heads(conn, [topic]).get((topic, partition))
    if head is None:
        raise TopicMissingError(f"expected a declared topic, received partition {partition} of {topic}")
    return _fetch(conn, [(head.topic, partition, offset)], _EVER, limit, limit_bytes)[0]


def heads(conn: psycopg.Connection[Any], topics: Sequence[str]) -> dict[tuple[str, int], Head]:
    """Give the ends of all partitions of `topics`."""
    rows = conn.execute(_HEADS, (list(topics),)).fetchall()
    return {(name, partition): Head(topic, first, end) for name, topic, partition, first, end in rows}


def ends(conn: psycopg.Connection[Any], topic: str) -> dict[int, int]:
    """Give the next offset of each partition of a topic."""
    return {partition: head.next for (_, partition), head in heads(conn, [topic]).items()}


def beginnings(conn: psycopg.Connection[Any], topic: str) -> dict[int, int]:
    """Give the first offset kept of each partition of a topic."""
    return {partition: head.first for (_, partition), head in heads(conn, [topic]).items()}


class Reader:
    """A session that reads many partitions, and remembers how far back it must look. Not for two threads at once.

    A connection error closes the session; the next call opens another.
    """

    def __init__(self, database: str, name: str = "twinstream-reader") -> None:
        self._database = database
        self._name = name
        self._conn: psycopg.Connection[Any] | None = None
        self._since: dict[
            tuple[str, int], tuple[int, float]
        ] = {}  # next offset, and its lowest possible append time [s]
        self.heads: dict[tuple[str, int], Head] = {}

    def read(
        self, wanted: Mapping[tuple[str, int], int], limit: int = LIMIT_RECORDS, limit_bytes: int = LIMIT_BYTES
    ) -> dict[tuple[str, int], list[Record]]:
        """Read each wanted partition from its offset on; `limit` and `limit_bytes` are for each.

        Partitions with nothing new are left out. `heads` is refreshed.

        Raises
        ------
        psycopg.OperationalError
            If the database is away.
        LogError
            If an offset below the newest is missing in the middle: the log is damaged.
        """
        self.refresh({topic for topic, _ in wanted})
        fresh = [place for place, offset in wanted.items() if place in self.heads and self.heads[place].next > offset]
        if not fresh:
            return {}
        lowest = min(self._since_of(place, wanted[place]) for place in fresh)
        slots = [(self.heads[place].topic, place[1], wanted[place]) for place in fresh]
        found = _fetch(self._session(), slots, lowest, limit, limit_bytes)
        got = {place: records for place, records in zip(fresh, found, strict=True) if records}
        for place, records in got.items():
            if records[-1].offset - records[0].offset + 1 != len(records):
                raise LogError(
                    f"expected offsets without a gap from {records[0].offset}, received {len(records)} records to"
                    f" {records[-1].offset}, in {place[0]} partition {place[1]}; restore the database"
                )
            self._since[place] = (records[-1].offset + 1, records[-1].timestamp / 1000 - 0.001)
        return got

    def refresh(self, topics: set[str]) -> dict[tuple[str, int], Head]:
        """Ask for the ends of all partitions of `topics`."""
        self.heads = heads(self._session(), sorted(topics))
        return self.heads

    def close(self) -> None:
        """End the session; the reader may be used again."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _since_of(self, place: tuple[str, int], offset: int) -> float:
        known = self._since.get(place)
        return known[1] if known is not None and known[0] <= offset else _EVER

    def _session(self) -> psycopg.Connection[Any]:
        if self._conn is None or self._conn.broken or self._conn.closed:
            self._conn = connect(self._database, self._name)
            # Planned anew each time, so that segments are pruned before they are locked. Always by the index, in its
            # order: statistics lag behind the newest records, of which the planner then expects none, so that it would
            # fetch and sort all that waits for the first few; a reader that is behind would only fall further behind.
            self._conn.execute(
                "set plan_cache_mode = force_custom_plan; set enable_sort = off; set enable_bitmapscan = off;"
                " set enable_seqscan = off"
            )
        return self._conn


def _fetch(
    conn: psycopg.Connection[Any], slots: Sequence[tuple[int, int, int]], since: float, limit: int, limit_bytes: int
) -> list[list[Record]]:
    """Read (topic number, partition, offset) slots; one list of records each."""
    cursor = conn.cursor(binary=True)
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
    numbers, partitions, offsets = (list(column) for column in zip(*slots, strict=True))
    rows = cursor.execute(
        _READ, (list(range(len(slots))), numbers, partitions, offsets, since, limit, limit_bytes)
    ).fetchall()
    found: list[list[Record]] = [[] for _ in slots]
    for slot, offset, moment, key, value, headers in rows:
        found[slot].append(Record(offset, (moment + _UNIX_2000) // 1000, key, value, headers))
    return found
