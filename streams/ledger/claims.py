"""Who folds what: epochs, checkpoints, and what stopped us before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from schemas.errors import SnapshotError
from streams.ledger.program import program

CLAIM_LOCK_MS = 2_000  # a claim that waits longer for a row ends whoever holds it and says nothing


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one partition before `next_offset`."""

    next_offset: int
    model: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """One partition, ours now: `epoch` fences us; `applied` is the next offset not yet in the ledger.

    `skipped` are offsets that a fold must leave out; `troubles` how often a process failed at or near `applied`.
    """

    topic: str
    partition: int
    epoch: int
    applied: int
    checkpoint: Checkpoint | None
    skipped: frozenset[int]
    troubles: int


def claim(
    connection: psycopg.Connection[Any], partitions: Iterable[tuple[str, int]], owner: str, near: int = 1
) -> list[Claim]:
    """Take partitions: raise each one's epoch, so that whoever had it can no longer commit. One transaction.

    Parameters
    ----------
    near : int
        Failures count as `troubles` that were noted at the present `applied`, or less than so many offsets below.
    """
    claims = []
    with connection.transaction():
        connection.execute(f"set local lock_timeout = {CLAIM_LOCK_MS}")
        for topic, partition in sorted(partitions):
            connection.execute(
                "insert into applied (topic, partition) values (%s, %s) on conflict do nothing", (topic, partition)
            )
            row = connection.execute(
                "update applied set epoch = epoch + 1, owner = %s, claimed_at = now()"
                " where topic = %s and partition = %s returning epoch, next_offset, checkpoint_offset",
                (owner, topic, partition),
            ).fetchone()
            if row is None:
                raise SnapshotError(f"expected a row of `applied` for {topic}/{partition}, found none")
            epoch, applied, checkpoint_offset = row
            checkpoint = load_checkpoint(connection, topic, partition, checkpoint_offset) if checkpoint_offset else None
            skipped = connection.execute(
                "select rec_offset from skipped where topic = %s and partition = %s and rec_offset >= %s",
                (topic, partition, checkpoint.next_offset if checkpoint else 0),
            ).fetchall()
            trouble = connection.execute(
                "select coalesce(sum(exits), 0)::int from trouble where topic = %s and partition = %s"
                " and next_offset between %s and %s",
                (topic, partition, applied - near + 1, applied),
            ).fetchone()
            claims.append(
                Claim(
                    topic,
                    partition,
                    epoch,
                    applied,
                    checkpoint,
                    frozenset(offset for (offset,) in skipped),
                    trouble[0] if trouble else 0,
                )
            )
    return claims


def end_silent(connection: psycopg.Connection[Any], partitions: Iterable[tuple[str, int]]) -> int:
    """End the sessions of owners that stand still inside a transaction, as a frozen process does; give their number.

    The server itself would end one that is frozen inside a COPY only after `statement_timeout`.
    """
    topics, numbers = zip(*partitions, strict=True)
    row = connection.execute(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid() and xact_start is not null and wait_event_type = 'Client'"
        " and state_change < clock_timestamp() - make_interval(secs => %s) and application_name in (select a.owner"
        " from applied a join unnest(%s::text[], %s::int[]) as u(t, p) on a.topic = u.t and a.partition = u.p)",
        (CLAIM_LOCK_MS / 1000, list(topics), list(numbers)),
    ).fetchone()
    connection.commit()
    return int(row[0]) if row else 0


def load_checkpoint(
    connection: psycopg.Connection[Any], topic: str, partition: int, next_offset: int, kind: str = "live"
) -> Checkpoint:
    """Read one checkpoint and check it against its hash.

    Raises
    ------
    SnapshotError
        If it is missing or its bytes are not those that were written.
    """
    row = (
        connection.cursor(binary=True)
        .execute(
            "select model, sha256, body from checkpoint where topic = %s and partition = %s and kind = %s"
            " and next_offset = %s",
            (topic, partition, kind, next_offset),
        )
        .fetchone()
    )
    where = f"checkpoint {topic}/{partition} at {next_offset} ({kind})"
    if row is None:
        raise SnapshotError(f"expected {where}, found none; restore the database, or fold from the log's beginning")
    model, digest, body = row
    if hashlib.sha256(body).digest() != bytes(digest):
        raise SnapshotError(
            f"expected {where} to have hash {bytes(digest).hex()[:16]}, it has another: its bytes were changed;"
            " restore the database from a backup"
        )
    return Checkpoint(next_offset, model, bytes(body))


def save_checkpoint(
    connection: psycopg.Connection[Any], topic: str, partition: int, checkpoint: Checkpoint, *, anchor: bool
) -> None:
    """Write a checkpoint in the caller's transaction; the live one replaces the last, an anchor stays."""
    connection.execute(
        "delete from checkpoint where topic = %s and partition = %s and kind = 'live'", (topic, partition)
    )
    for kind in ("live", "anchor") if anchor else ("live",):
        _write(connection, topic, partition, kind, checkpoint)


def save_anchor(connection: psycopg.Connection[Any], topic: str, partition: int, checkpoint: Checkpoint) -> None:
    """Write a checkpoint that stays, in the caller's transaction."""
    _write(connection, topic, partition, "anchor", checkpoint)


def _write(connection: psycopg.Connection[Any], topic: str, partition: int, kind: str, checkpoint: Checkpoint) -> None:
    digest = hashlib.sha256(checkpoint.body).digest()
    described = msgspec.json.encode(program()).decode()
    connection.execute(
        "insert into checkpoint (topic, partition, kind, next_offset, model, program, sha256, body)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (topic, partition, kind, checkpoint.next_offset, checkpoint.model, described, digest, checkpoint.body),
        binary=True,
    )


def anchored_today(connection: psycopg.Connection[Any], topic: str, partition: int, model: str) -> bool:
    """Tell whether an anchor of this day (UTC) and model is kept."""
    row = connection.execute(
        "select 1 from checkpoint where topic = %s and partition = %s and kind = 'anchor' and model = %s"
        " and created_at >= date_trunc('day', now(), 'UTC') limit 1",
        (topic, partition, model),
    ).fetchone()
    return row is not None


def skip(connection: psycopg.Connection[Any], topic: str, partition: int, epoch: int, offset: int, error: str) -> bool:
    """Set a record aside that cannot be committed; tell whether it was ours to do. Folds leave it out from now on."""
    done = connection.execute(
        "insert into skipped (topic, partition, rec_offset, error)"
        " select topic, partition, %s, %s from applied where topic = %s and partition = %s and epoch = %s"
        " and next_offset <= %s on conflict do nothing",
        (offset, storable(error), topic, partition, epoch, offset),
    )
    return done.rowcount > 0


def note_trouble(connection: psycopg.Connection[Any], topic: str, partition: int, error: str) -> int:
    """Count one more exit at the present `applied`; give how many there were."""
    row = connection.execute(
        "insert into trouble (topic, partition, next_offset, error)"
        " select topic, partition, next_offset, %s from applied where topic = %s and partition = %s"
        " on conflict (topic, partition, next_offset) do update set exits = trouble.exits + 1, error = excluded.error,"
        " seen_at = now() returning exits",
        (storable(error), topic, partition),
    ).fetchone()
    return int(row[0]) if row else 0


def needed_offsets(connection: psycopg.Connection[Any]) -> dict[tuple[str, int], int]:
    """Give, per topic and partition, the oldest offset that a restart may still fold, or the lineage still read."""
    rows = connection.execute(
        "select topic, partition, min(needed) from (select topic, partition, least(checkpoint_offset, next_offset)"
        " as needed from applied union all select topic, partition, next_offset from lineage_applied) both_readers"
        " group by topic, partition"
    ).fetchall()
    return {(topic, partition): offset for topic, partition, offset in rows}


def drop_anchors(connection: psycopg.Connection[Any], days: int) -> int:
    """Drop anchors older than some days; give how many."""
    return connection.execute(
        "delete from checkpoint where kind = 'anchor' and created_at < now() - make_interval(days => %s)", (days,)
    ).rowcount


def storable(error: str) -> str:
    """An error's text as PostgreSQL takes it: bounded, no NUL, no half of a surrogate pair."""
    return error[:2000].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
