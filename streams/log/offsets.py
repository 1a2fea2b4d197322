"""How far consumer groups say they are. Advice for lag monitors, as on Kafka: the ledger holds the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from streams.log.read import heads


def commit_offsets(conn: psycopg.Connection[Any], group: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Note the next offset of each (topic, partition) for a group."""
    topics, partitions = [place[0] for place in offsets], [place[1] for place in offsets]
    conn.execute(
        "insert into log_committed (grp, topic, partition, next_offset)"
        " select %s, t.no, w.p, w.o from unnest(%s::text[], %s::int[], %s::bigint[]) as w (name, p, o)"
        " join log_topic t using (name)"
        " on conflict (grp, topic, partition) do update set next_offset = excluded.next_offset",
        (group, topics, partitions, list(offsets.values())),
    )


def committed(conn: psycopg.Connection[Any], group: str) -> dict[tuple[str, int], int]:
    """Give what a group noted."""
    rows = conn.execute(
        "select t.name, c.partition, c.next_offset from log_committed c join log_topic t on t.no = c.topic"
        " where c.grp = %s",
        (group,),
    ).fetchall()
    return {(name, partition): offset for name, partition, offset in rows}


def lag(conn: psycopg.Connection[Any], group: str, topic: str) -> dict[int, int]:
    """Give how many records of each partition a group has still to take."""
    taken = committed(conn, group)
    return {
        partition: head.next - max(head.first, taken.get((name, partition), 0))
        for (name, partition), head in heads(conn, [topic]).items()
    }
