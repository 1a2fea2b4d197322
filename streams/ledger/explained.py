"""What `explain` reads of the ledger: an effect as it was written, and the checkpoint to fold again from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from streams.ledger import claims
from streams.ledger.reads import text_of


@dataclass(frozen=True, slots=True)
class Written:
    """One effect as it was committed: its canonical line, and when the log knew its record (RFC 3339)."""

    line: bytes
    known_at: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """A checkpoint to fold from, `anchor` or `live`."""

    kind: str
    checkpoint: claims.Checkpoint


def read_written(
    connection: psycopg.Connection[Any], topic: str, partition: int, offset: int, n: int
) -> Written | None:
    """Find one effect; None where the ledger has none of that id."""
    row = connection.execute(
        "select line, known_at from effect where topic = %s and partition = %s and rec_offset = %s and n = %s",
        (topic, partition, offset, n),
    ).fetchone()
    return None if row is None else Written(bytes(row[0]), text_of(row[1]) or "")


def newest_beginning(
    connection: psycopg.Connection[Any], topic: str, partition: int, first_kept: int, offset: int
) -> Beginning | None:
    """Give the newest checkpoint at or before an offset from which the log still has all records; None without one.

    Raises
    ------
    SnapshotError
        If its bytes are not those that were written.
    """
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")  # a worker replaces the live one
        row = connection.execute(
            "select kind, next_offset from checkpoint where topic = %s and partition = %s and next_offset between %s"
            " and %s order by next_offset desc, kind limit 1",
            (topic, partition, first_kept, offset),
        ).fetchone()
        if row is None or not row[1]:
            return None
        return Beginning(row[0], claims.load_checkpoint(connection, topic, partition, row[1], row[0]))


def program_at(connection: psycopg.Connection[Any], topic: str, partition: int, offset: int) -> dict[str, str]:
    """Describe what computed the effects of an offset: the program of the first checkpoint after it, or the newest."""
    row = connection.execute(
        "select program from checkpoint where topic = %s and partition = %s"
        " order by next_offset <= %s, abs(next_offset - %s) limit 1",
        (topic, partition, offset, offset),
    ).fetchone()
    return dict(row[0]) if row else {}
