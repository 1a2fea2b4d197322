"""What `verify` reads: where each partition stands, which anchors are kept, what the live run wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Standing:
    """One partition in the ledger. `anchors` ascend. `gapless`: its log numbers records without holes."""

    topic: str
    partition: int
    applied: int
    checkpoint: int
    anchors: tuple[int, ...]
    skipped: frozenset[int]
    gapless: bool = True


def anchored_standings(connection: psycopg.Connection[Any], topic: str, *, gapless: bool = True) -> list[Standing]:
    """Read where every partition of a topic stands."""
    rows = connection.execute(
        "select a.partition, a.next_offset, a.checkpoint_offset,"
        " array(select c.next_offset from checkpoint c where c.topic = a.topic and c.partition = a.partition"
        "       and c.kind = 'anchor' order by 1),"
        " array(select s.rec_offset from skipped s where s.topic = a.topic and s.partition = a.partition)"
        " from applied a where a.topic = %s order by a.partition",
        (topic,),
    ).fetchall()
    return [
        Standing(topic, partition, applied, checkpoint, tuple(anchors), frozenset(skipped), gapless)
        for partition, applied, checkpoint, anchors, skipped in rows
    ]


def folded_topics(connection: psycopg.Connection[Any]) -> list[str]:
    """Name the topics of which records were folded."""
    rows = connection.execute("select distinct topic from applied where next_offset > 0 order by 1").fetchall()
    return [topic for (topic,) in rows]


def program_of(connection: psycopg.Connection[Any], topic: str, partition: int) -> dict[str, str]:
    """What computed the live checkpoint of a partition."""
    row = connection.execute(
        "select program from checkpoint where topic = %s and partition = %s and kind = 'live'", (topic, partition)
    ).fetchone()
    return dict(row[0]) if row else {}


def qualified_lines(
    connection: psycopg.Connection[Any], topic: str, partition: int, start: int, end: int
) -> list[bytes]:
    """The canonical lines of the qualified lane, of records from `start` to before `end`, in order."""
    rows = connection.cursor(binary=True).execute(
        "select line from effect where topic = %s and partition = %s and rec_offset >= %s and rec_offset < %s"
        " and lane = 'qualified' order by rec_offset, n",
        (topic, partition, start, end),
    )
    return [bytes(line) for (line,) in rows]


def effect_lines(connection: psycopg.Connection[Any], topic: str) -> Any:  # Any: a server-side cursor's iterator
    """Every effect line of a topic in order of (partition, offset, n), read as a stream."""
    cursor = connection.cursor(name="effect_lines", binary=True)
    cursor.itersize = 5000
    cursor.execute("select line from effect where topic = %s order by partition, rec_offset, n", (topic,))
    return (bytes(line) for (line,) in cursor)
