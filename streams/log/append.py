"""Append records: one statement, durable when it returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import psycopg
from psycopg import sql
from psycopg.types.numeric import Int8BinaryLoader

from schemas.errors import LogError, TopicMissingError
from schemas.events import Headers, pack_headers
from streams.arrays import Byteas, Ints, Texts, cursor_for_arrays
from streams.log.session import CHANNEL

Row: TypeAlias = tuple[bytes | None, bytes | None, Headers]  # key, value, headers (a list of pairs, or packed already)

MOST_RECORDS = 200_000  # in one statement; the caller splits
MOST_BYTES = 256 << 20  # in one statement: PostgreSQL takes messages below 1 GiB

_UNIX_2000 = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000-01-01
_APPEND = "select * from log_append(%s::text, %s::bigint, %b, %b, %b, %b, %b, %b)"


class Batch(NamedTuple):
    """Records for one partition, in order."""

    topic: str
    partition: int
    rows: Sequence[Row]


class Placed(NamedTuple):
    """Where a batch went: its first offset (the others follow without a gap) and its append time [ms]."""

    topic: str
    partition: int
    offset: int
    timestamp: int


def append(conn: psycopg.Connection[Any], topic: str, partition: int, rows: Sequence[Row]) -> Placed:
    """Append records to one partition; in the transaction that `conn` is in, or in one of its own."""
    return append_all(conn, [Batch(topic, partition, rows)])[0]


def append_all(
    conn: psycopg.Connection[Any], batches: Sequence[Batch], producer: str | None = None, number: int = 0
) -> list[Placed]:
    """Append to several partitions, all or none.

    Call it once per transaction: the heads of partitions are locked in one order within a call, and stay
    locked until the transaction ends. Readers are told by `notify`, after the transaction.

    Parameters
    ----------
    conn : Connection
        Autocommitting, or in a transaction of the caller's (read committed).
    batches : sequence of Batch
        Each partition at most once, none empty.
    producer, number : str, int
        A producer's own name and the running number of its batch. The same number again appends nothing and
        gives the first answer: so a retry after a lost reply is safe.

    Raises
    ------
    TopicMissingError
        If a topic or partition was not declared. Nothing was appended.
    """
    if not batches:
        return []
    rows = [row for batch in batches for row in batch.rows]
    if len(rows) > MOST_RECORDS:
        raise LogError(f"expected at most {MOST_RECORDS} records in one append, received {len(rows)}; split them")
    cursor = cursor_for_arrays(conn)
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
    try:
        answer = cursor.execute(
            _APPEND,
            (
                producer,
                number,
                Texts(batch.topic for batch in batches),
                Ints(batch.partition for batch in batches),
                Ints(len(batch.rows) for batch in batches),
                Byteas(row[0] for row in rows),
                Byteas(row[1] for row in rows),
                Byteas(_packed(row[2]) for row in rows),
            ),
        ).fetchone()
    except psycopg.Error as error:
        if error.sqlstate == "TS001":
            raise TopicMissingError(f"expected a declared topic, received {error.diag.message_primary}") from None
        raise
    assert answer is not None
    firsts, moments = answer
    return [
        Placed(batch.topic, batch.partition, first, (moment + _UNIX_2000) // 1000)
        for batch, first, moment in zip(batches, firsts, moments, strict=True)
    ]


def notify(conn: psycopg.Connection[Any], topics: Iterable[str]) -> None:
    """Wake the readers of `topics`. To be called outside the append's transaction, on an autocommitting session.

    A notification need not survive a crash, hence no wait for the disk.
    """
    calls = sql.SQL("; ").join(
        sql.SQL("select pg_notify({}, {})").format(sql.Literal(CHANNEL), sql.Literal(topic))
        for topic in sorted(set(topics))
    )
    conn.execute(sql.SQL("begin; set local synchronous_commit = off; {}; commit").format(calls), prepare=False)


def _packed(headers: Headers) -> bytes | None:
    if headers is None or isinstance(headers, bytes):
        return headers
    return pack_headers(headers)
