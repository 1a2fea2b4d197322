"""Bugs to plant in a worker, so that each fault test is seen to fail: mistakes that somebody could make."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from streams import app, publisher
from streams.engine import commits, engine, partition, watch
from streams.ledger import claims, commit, outbox
from streams.ledger.connect import connect
from streams.log import membership
from streams.transports import kafka
from twins import frame


def put(owner: Any, name: str, value: Any) -> None:
    """Put something in the place of a module's or a class's member, for good."""
    assert hasattr(owner, name), f"expected {owner} to have {name}; the product has moved on"
    setattr(owner, name, value)


def _database() -> str:
    return os.environ["TWINSTREAM_DATABASE"]


def _no_epoch_check() -> None:
    """Whoever folded may commit, owner or not."""

    def fence(self: Any, connection: psycopg.Connection[Any], folded: Sequence[Any]) -> dict[tuple[str, int], int]:
        return _advance(connection, folded)

    put(commit.Committer, "_fence", fence)


def _forget_applied() -> None:
    """Write every frame anew, whatever an earlier try or an earlier life committed: a blind retry."""
    fence = commit.Committer._fence

    def forgetful(self: Any, connection: Any, folded: Any) -> dict[tuple[str, int], int]:
        return dict.fromkeys(fence(self, connection, folded), 0)

    put(commit.Committer, "_fence", forgetful)


def _advance_first() -> None:
    """Acknowledge before the work is durable: `applied` moves on in a transaction of its own."""
    write = commit.Committer._write

    def write_late(self: Any, connection: psycopg.Connection[Any], folded: Sequence[Any], fresh: Any) -> int:
        with connect(_database(), autocommit=True) as other:
            before = _advance(other, folded)
        self._fence = lambda *_: before
        return write(self, connection, folded, fresh)

    put(commit.Committer, "_write", write_late)


def _advance(connection: psycopg.Connection[Any], folded: Sequence[Any]) -> dict[tuple[str, int], int]:
    before: dict[tuple[str, int], int] = {}
    for one in folded:
        place = one.frame.topic, one.frame.partition
        row = connection.execute(
            "select next_offset from applied where topic = %s and partition = %s", place
        ).fetchone()
        assert row is not None
        before.setdefault(place, int(row[0]))
        connection.execute(
            "update applied set next_offset = greatest(next_offset, %s) where topic = %s and partition = %s",
            (one.next_offset, *place),
        )
    return before


def _resume_at_applied() -> None:
    """Take the checkpoint's state for that of `applied`, and fold nothing again."""
    claim = claims.claim

    def claim_short(*arguments: Any, **named: Any) -> list[claims.Claim]:
        return [
            one if one.checkpoint is None else replace(one, checkpoint=replace(one.checkpoint, next_offset=one.applied))
            for one in claim(*arguments, **named)
        ]

    put(claims, "claim", claim_short)


def _checkpoint_apart() -> None:
    """Save the state in a transaction of its own, before the rows that belong to it."""
    write = commit.Committer._write

    def write_checkpoint_first(self: Any, connection: Any, folded: Sequence[Any], fresh: Any) -> int:
        with connect(_database()) as other:
            self._write_checkpoints(other, folded)
        return write(self, connection, folded, fresh)

    put(commit.Committer, "_write", write_checkpoint_first)


def _drop_when_away() -> None:
    """Give a round up where the database is away."""

    def commit_once(self: Any, round_: list[Any]) -> None:
        try:
            self._committer.commit(self._connected(), round_)
        except psycopg.OperationalError:
            self._disconnect()
            return
        self._on_committed(round_)

    put(commits.CommitThread, "_commit_as_one", commit_once)


def _swallow_errors() -> None:
    """Log what is raised, and go on."""

    def failed(self: Any, *_: Any) -> None:
        return

    put(engine.Engine, "_fail", failed)
    put(app._App, "_crash", failed)
    threading.excepthook = lambda _: None


def _drop_refused() -> None:
    """Forget what cannot be read."""
    read = frame.FrameReader.read

    def read_good(self: Any, records: Sequence[Any]) -> Any:
        found = read(self, records)
        found.refused.clear()
        return found

    put(frame.FrameReader, "read", read_good)


def _frame_dependent() -> None:
    """Say something else where a frame ends."""
    fold = partition.PartitionFold._fold

    def fold_by_frame(self: Any, records: Sequence[Any], *rest: Any) -> Any:
        folded = fold(self, records, *rest)
        last = f"/{records[-1].offset}/"
        folded.effects.estimates = [one for one in folded.effects.estimates if last not in one.id]
        return folded

    put(partition.PartitionFold, "_fold", fold_by_frame)


def _no_watch() -> None:
    """Do not notice having been frozen. Not a bug of its own: the ledger's epochs must be enough."""

    def watch_nothing(self: Any) -> None:
        self._stopped.wait()

    def lose(self: Any, reason: str) -> None:
        self._closing.set()

    put(watch.LeaseWatch, "_run", watch_nothing)
    membership.Membership.holds = lambda self: True  # type: ignore[method-assign]
    put(membership.Membership, "_lose", lose)
    kafka.FreezeGuard.holds = lambda self: True  # type: ignore[method-assign]


def _no_lease() -> None:
    """Wait for the lock for ever: nobody ends a holder that says nothing."""
    put(membership, "_END_STALE", "select %s::int, %s::int, %s::float, %s::text")
    hold = membership.Membership._hold

    def hold_on(self: Any, conn: psycopg.Connection[Any]) -> None:
        conn.execute("set idle_session_timeout = 0")
        hold(self, conn)

    put(membership.Membership, "_hold", hold_on)


def _delete_before_publishing() -> None:
    """Forget a round of the outbox before Kafka has it."""

    async def round_(self: Any, connection: Any, writer: Any) -> int:
        waiting = outbox.read_outbox(connection, 2000)
        if waiting:
            outbox.delete_outbox(connection, [one.seq for one in waiting])
        for one in waiting:
            await writer.append(one.topic, [(one.key, one.value, one.headers, None)])
        return len(waiting)

    put(publisher.OutboxPublisher, "_round", round_)


def _skip_in_silence() -> None:
    """Leave a record out without saying so in the ledger."""

    def fold_carefully(self: Any, records: Sequence[Any]) -> Any:
        for record in records:
            mark, start = self.block.snapshot(), self.next_offset
            try:
                yield self._fold([record])
            except Exception:
                self._rewind(mark, start)
                self.next_offset = record.offset + 1

    put(partition.PartitionFold, "_fold_carefully", fold_carefully)


def _never_out() -> None:
    """Begin the way out and wait there for ever, as for a broker that does not answer."""

    async def on_stop(self: Any) -> None:
        await asyncio.Event().wait()

    put(app._App, "on_stop", on_stop)


def _never_up() -> None:
    """Never end starting, nor the way out from there."""

    async def on_started(self: Any) -> None:
        await asyncio.Event().wait()

    _never_out()
    put(app._App, "on_started", on_started)


DEFECTS: dict[str, Callable[[], None]] = {
    "no_epoch_check": _no_epoch_check,
    "forget_applied": _forget_applied,
    "advance_first": _advance_first,
    "resume_at_applied": _resume_at_applied,
    "checkpoint_apart": _checkpoint_apart,
    "drop_when_away": _drop_when_away,
    "swallow_errors": _swallow_errors,
    "drop_refused": _drop_refused,
    "frame_dependent": _frame_dependent,
    "no_watch": _no_watch,
    "no_lease": _no_lease,
    "delete_before_publishing": _delete_before_publishing,
    "skip_in_silence": _skip_in_silence,
    "never_out": _never_out,
    "never_up": _never_up,
}


def plant(name: str) -> None:
    """Plant one, in this process and for good."""
    DEFECTS[name]()
