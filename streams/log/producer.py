"""A producer: hand it records from any thread; one thread of its own appends them in batches.

A record is durable before it is acknowledged.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import psycopg

from schemas.errors import LogError, TopicMissingError
from schemas.placement import partition_of
from streams.log.append import Batch, Placed, Row, append_all, notify
from streams.log.session import AWAY, connect

BATCH_RECORDS = 4000  # in one statement
BATCH_BYTES = 16 << 20
PENDING_RECORDS = 100_000  # accepted but not yet durable; beyond it `send` waits
RETRY_SECONDS = 0.25
NOTIFY_SECONDS = 0.005  # between two notifications while more is waiting


log = logging.getLogger("twinstream.log")


@dataclass(slots=True)
class _Chunk:
    """Records that are answered together. `partition` None: placed by their keys."""

    topic: str
    rows: Sequence[Row]
    partition: int | None
    answer: Future[list[Placed]] = field(default_factory=lambda: _running(Future()))


class Producer:
    """Appends records, in the order given per partition, and wakes their readers.

    While the database is away it keeps what it accepted and tries again; each batch has a number, so a batch
    whose acknowledgement was lost is not appended twice. What was not yet durable when the process dies is lost:
    its sender was never told otherwise.
    """

    def __init__(self, database: str, name: str = "twinstream-producer") -> None:
        self._database = database
        self._name = name
        self._id = uuid.uuid4().hex
        self._number = 0
        self._queue: deque[_Chunk] = deque()
        self._pending = 0
        self._change = threading.Condition()
        self._closing = False
        self._conn: psycopg.Connection[Any] | None = None
        self._partitions: dict[str, int] = {}
        self._news: set[str] = set()
        self._told = 0.0
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="log-producer", daemon=True)
        self._thread.start()

    def send(
        self, topic: str, rows: Sequence[Row], partition: int | None = None, *, wait_seconds: float | None = None
    ) -> Future[list[Placed]]:
        """Accept records; the future resolves once they are durable, to one `Placed` for each partition touched
        (several for more than BATCH_RECORDS), at the offset of the first of these records there.

        Without `partition` each goes where its key belongs. Waits, at most `wait_seconds`, while PENDING_RECORDS
        are not durable yet.

        Raises
        ------
        LogError
            If the producer was closed, or there was no room in time. The future raises it for records that the
            log refused; those were not appended.
        """
        parts = [_Chunk(topic, part, partition) for part in _split(rows)]
        with self._change:
            if not self._change.wait_for(lambda: self._closing or self._pending < PENDING_RECORDS, wait_seconds):
                raise LogError(
                    f"expected room for records of {topic}, {self._pending} are waiting; is the database away?"
                )
            if self._closing:
                raise LogError(f"expected an open producer, received records of {topic} after it was closed")
            self._queue.extend(parts)
            self._pending += len(rows)
            self._change.notify_all()
        return _joined([part.answer for part in parts])

    def append(
        self, topic: str, rows: Sequence[Row], partition: int | None = None, timeout: float = 60.0
    ) -> list[Placed]:
        """Append records and return when they are durable.

        Raises
        ------
        LogError
            If that did not happen in time. They may still be appended: send the same events again, duplicates
            are known by their ids.
        """
        try:
            return self.send(topic, rows, partition, wait_seconds=timeout).result(timeout)
        except TimeoutError:
            raise LogError(
                f"expected {len(rows)} records of {topic} to be durable within {timeout:g} s; is the database away?"
            ) from None

    def flush(self, timeout: float = 60.0) -> bool:
        """Wait until all that was accepted is durable; say whether it is."""
        with self._change:
            return self._change.wait_for(lambda: not self._pending, timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Append what is waiting, then end. What could not be made durable in time fails with LogError."""
        self.flush(timeout)
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._thread.join(timeout)

    @property
    def full(self) -> bool:
        """Whether `send` would wait."""
        return self._pending >= PENDING_RECORDS

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closing or self._queue, NOTIFY_SECONDS if self._news else None)
                chunks = list(self._take())
                if self._closing and not chunks:
                    break
            if chunks:
                self._settle(chunks)
            self._tell_readers()
        if self._conn is not None:
            self._conn.close()

    def _take(self) -> Iterator[_Chunk]:
        """Take what fits in one statement, at least one chunk."""
        records = size = 0
        while self._queue:
            chunk = self._queue[0]
            records += len(chunk.rows)
            size += _size(chunk.rows)
            if (records > BATCH_RECORDS or size > BATCH_BYTES) and records != len(chunk.rows):
                return
            yield self._queue.popleft()

    def _settle(self, chunks: list[_Chunk]) -> None:
        """Append, and answer. Where the log refuses a batch of several chunks, each is tried alone."""
        try:
            placed = self._append(chunks)
        except Exception as error:  # whatever it is, each sender must be told; this thread answers for all
            if len(chunks) > 1 and not self._closing:
                for chunk in chunks:
                    self._settle([chunk])
                return
            chunks[0].answer.set_exception(error)
            for chunk in chunks[1:]:
                chunk.answer.set_exception(error)
        else:
            for chunk, where in zip(chunks, placed, strict=True):
                chunk.answer.set_result(where)
        with self._change:
            self._pending -= sum(len(chunk.rows) for chunk in chunks)
            self._change.notify_all()

    def _append(self, chunks: list[_Chunk]) -> list[list[Placed]]:
        """Append in one statement; say for each chunk where its records went."""
        self._number += 1
        while True:
            try:
                conn = self._session()
                batches, ranges = self._place(conn, chunks)
                placed = {(one.topic, one.partition): one for one in append_all(conn, batches, self._id, self._number)}
            except AWAY as error:
                self._note(error)
                with self._change:
                    if self._change.wait_for(lambda: self._closing, RETRY_SECONDS):
                        raise LogError(f"the producer was closed while the database was away: {error}") from error
            else:
                self._note(None)
                self._news.update(chunk.topic for chunk in chunks)
                return [
                    [placed[place]._replace(offset=placed[place].offset + begin) for place, begin in chunk.items()]
                    for chunk in ranges
                ]

    def _place(
        self, conn: psycopg.Connection[Any], chunks: list[_Chunk]
    ) -> tuple[list[Batch], list[dict[tuple[str, int], int]]]:
        """Sort records by partition; say for each chunk where in each partition's batch its own begin."""
        groups: dict[tuple[str, int], list[Row]] = {}
        ranges: list[dict[tuple[str, int], int]] = []
        for chunk in chunks:
            topic = chunk.topic
            begins: dict[tuple[str, int], int] = {}
            partitions = self._partitions_of(conn, topic) if chunk.partition is None else 0
            for row in chunk.rows:
                place = (topic, partition_of(row[0], partitions) if chunk.partition is None else chunk.partition)
                rows = groups.setdefault(place, [])
                begins.setdefault(place, len(rows))
                rows.append(row)
            ranges.append(begins)
        return [Batch(topic, partition, rows) for (topic, partition), rows in groups.items()], ranges

    def _partitions_of(self, conn: psycopg.Connection[Any], topic: str) -> int:
        if topic not in self._partitions:
            self._partitions = dict(conn.execute("select name, partitions from log_topic").fetchall())
        if topic not in self._partitions:
            raise TopicMissingError(
                f"expected a declared topic, received {topic}; `install` declares those of schemas/topics.py"
            )
        return self._partitions[topic]

    def _tell_readers(self) -> None:
        if not self._news or (self._queue and monotonic() - self._told < NOTIFY_SECONDS):
            return
        topics, self._news = self._news, set()
        try:
            notify(self._session(), topics)
        except AWAY:
            return  # readers poll: nothing is late by more than that
        self._told = monotonic()

    def _note(self, error: Exception | None) -> None:
        """Log the first failure of a row of them, and its end."""
        if error is not None and not self._failing:
            log.warning("%s cannot append, trying again until it can: %s", self._name, error)
        elif error is None and self._failing:
            log.warning("%s appends again", self._name)
        self._failing = error is not None

    def _session(self) -> psycopg.Connection[Any]:
        if self._conn is None or self._conn.broken or self._conn.closed:
            self._conn = connect(self._database, self._name)
        return self._conn


def _size(rows: Sequence[Row]) -> int:
    return sum([len(row[1]) if row[1] is not None else 0 for row in rows])


def _split(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut rows so that each part fits in one statement."""
    if len(rows) <= BATCH_RECORDS and _size(rows) <= BATCH_BYTES:
        yield rows
        return
    begin = size = 0
    for i, row in enumerate(rows):
        size += len(row[1] or b"")
        if i > begin and (i - begin >= BATCH_RECORDS or size > BATCH_BYTES):
            yield rows[begin:i]
            begin, size = i, len(row[1] or b"")
    yield rows[begin:]


def _running(answer: Future[list[Placed]]) -> Future[list[Placed]]:
    """Make a future that nobody can cancel: what was accepted is appended."""
    answer.set_running_or_notify_cancel()
    return answer


def _joined(answers: list[Future[list[Placed]]]) -> Future[list[Placed]]:
    """One future for several, in order."""
    if len(answers) == 1:
        return answers[0]
    whole = _running(Future())
    lock = threading.Lock()
    waiting = len(answers)

    def done(_: Future[list[Placed]]) -> None:
        nonlocal waiting
        with lock:
            waiting -= 1
            if waiting:
                return
        failed = next((answer.exception() for answer in answers if answer.exception() is not None), None)
        if failed is not None:
            whole.set_exception(failed)
        else:
            whole.set_result([placed for answer in answers for placed in answer.result()])

    for answer in answers:
        answer.add_done_callback(done)
    return whole
