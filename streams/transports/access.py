"""Write to and read from topics without Faust: what ingest, API, feeds and `verify` use, the same on both backends.

All calls wait; from a coroutine call them by `asyncio.to_thread`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from schemas.errors import TopicMissingError
from schemas.topics import TOPICS
from streams.log import Placed, Producer, Reader, Record, Row, Waiter, connect, install
from streams.log.read import LIMIT_BYTES, LIMIT_RECORDS, Head
from streams.transports.kafka_access import KafkaReader, KafkaWriter
from twins.frame import RawRecord


class LogWriter(Protocol):
    """Appends records. Safe to use from many threads."""

    def append(
        self, topic: str, rows: Sequence[Row], partition: int | None = None, timeout: float = 60.0
    ) -> list[Placed]:
        """Append (key, value, headers) rows, and return once they are durable.

        Rows of one key keep their order. Without `partition` each goes where its key belongs, one without a key to
        partition 0. Gives one `Placed` for each partition touched, at least.

        Raises
        ------
        LogError
            If they were refused, or not durable within `timeout` seconds; they may still be appended then.
        """
        ...

    def close(self) -> None:
        """Wait for what was accepted, then end."""
        ...


class LogReader(Protocol):
    """Reads records in offset order. For one thread at a time.

    Every method raises TopicMissingError for a topic that was not declared, and on the embedded log
    psycopg.OperationalError (on Kafka LogError) while the server is away; the next call tries again.
    """

    def read(self, topic: str, partition: int, offset: int, limit: int = LIMIT_RECORDS) -> Sequence[RawRecord]:
        """Read up to `limit` records from `offset` on; none if it is the end.

        An offset no longer kept gives the first kept.
        """
        ...

    def beginnings(self, topic: str) -> dict[int, int]:
        """Give the first offset kept of each partition."""
        ...

    def ends(self, topic: str) -> dict[int, int]:
        """Give the next offset of each partition."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait for news since the last `read`; say whether there is some.

        Returns after `timeout` seconds, or when it is worth looking again, at the latest.
        """
        ...

    def close(self) -> None:
        """End; may be called twice."""
        ...


class PostgresReader:
    """A LogReader on the embedded log."""

    def __init__(self, database: str, topics: set[str] | None = None, name: str = "twinstream-reader") -> None:
        self._reader = Reader(database, name)
        self._waiter = Waiter(database, topics, name=name)
        self._listening = False
        self._seen = 0
        self._lock = threading.Lock()

    def read(self, topic: str, partition: int, offset: int, limit: int = LIMIT_RECORDS) -> Sequence[Record]:
        """See LogReader."""
        with self._lock:
            self._seen = self._waiter.count
            place = (topic, partition)
            found = self._reader.read({place: offset}, limit, LIMIT_BYTES).get(place, [])
            if place not in self._reader.heads:
                raise _missing(f"partition {partition} of {topic}")
            return found

    def beginnings(self, topic: str) -> dict[int, int]:
        """See LogReader."""
        return {partition: head.first for partition, head in self._heads(topic).items()}

    def ends(self, topic: str) -> dict[int, int]:
        """See LogReader."""
        return {partition: head.next for partition, head in self._heads(topic).items()}

    def wait(self, timeout: float) -> bool:
        """See LogReader. Starts to listen at its first call."""
        if not self._listening:
            self._listening = True
            self._waiter.start()
        news = self._waiter.wait(self._seen, timeout)
        self._seen = self._waiter.count
        return news

    def close(self) -> None:
        """See LogReader."""
        self._waiter.close()
        self._reader.close()

    def _heads(self, topic: str) -> dict[int, Head]:
        with self._lock:
            found = self._reader.refresh({topic})
        if not found:
            raise _missing(topic)
        return {partition: head for (_, partition), head in found.items()}


def _missing(what: str) -> TopicMissingError:
    return TopicMissingError(
        f"expected a declared topic, received {what}; `declare_topics` makes those of schemas/topics.py"
    )


def open_writer(broker: str | None, database: str, name: str = "twinstream-writer") -> LogWriter:
    """Open a writer: on Kafka if a broker is named, else on the log in `database`."""
    return KafkaWriter(broker, name) if broker is not None else Producer(database, name)


def open_reader(
    broker: str | None, database: str, topics: set[str] | None = None, name: str = "twinstream-reader"
) -> LogReader:
    """Open a reader; `topics` are those whose news should wake it (None: all)."""
    return KafkaReader(broker, name) if broker is not None else PostgresReader(database, topics, name)


def declare_topics(broker: str | None, database: str) -> None:
    """Make sure that all topics of schemas/topics.py exist, with their partitions. May run again at any time.

    Raises
    ------
    LogError
        If one exists with another number of partitions.
    """
    if broker is not None:
        KafkaWriter.declare(broker, {topic.name: topic.partitions for topic in TOPICS.values()})
        return
    with connect(database, "twinstream-declare") as conn:
        install(conn)
