"""Where a commit round's messages go: into the embedded log, or over an outbox to Kafka.

Embedded, a message is appended in the ledger's own transaction: it is there exactly once. To Kafka it goes through
the table `outbox`, at least once, with the same id each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import psycopg

from schemas.events import pack_headers
from schemas.placement import partition_of
from schemas.topics import TOPICS
from streams.ledger.folded import Output
from streams.ledger.outbox import write_outbox
from streams.log.append import MOST_RECORDS, Batch, Row, append_all, notify
from streams.log.session import AWAY
from streams.log.session import connect as connect_log


class RoundOutputs(Protocol):
    """`Outputs` of a commit, and what is to be done once it is durable."""

    def write(self, connection: psycopg.Connection[Any], outputs: Sequence[Output]) -> None: ...
    def after_commit(self) -> None: ...
    def close(self) -> None: ...


class EmbeddedOutputs:
    """Appends messages to the embedded log inside the ledger's transaction."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._written: set[str] = set()
        self._connection: psycopg.Connection[Any] | None = None

    def write(self, connection: psycopg.Connection[Any], outputs: Sequence[Output]) -> None:
        """Append. Heads are locked in one order, so a round never deadlocks with another."""
        groups: dict[tuple[str, int], list[Row]] = {}
        for one in outputs:
            partition = partition_of(one.key, TOPICS[one.topic].partitions)
            groups.setdefault((one.topic, partition), []).append((one.key, one.value, pack_headers(one.headers)))
        batches = [Batch(topic, partition, rows) for (topic, partition), rows in sorted(groups.items())]
        taken: list[Batch] = []
        for batch in batches:
            if taken and sum(len(one.rows) for one in taken) + len(batch.rows) > MOST_RECORDS:
                append_all(connection, taken)
                taken = []
            taken.append(batch)
        append_all(connection, taken)
        self._written.update(topic for topic, _ in groups)

    def after_commit(self) -> None:
        """Wake the readers. They poll too, so a lost call only costs a moment."""
        topics, self._written = self._written, set()
        if not topics:
            return
        try:
            if self._connection is None or self._connection.closed or self._connection.broken:
                self._connection = connect_log(self._uri, "twinstream-outputs")
            notify(self._connection, topics)
        except AWAY:
            self._connection = None

    def close(self) -> None:
        """End the session that wakes readers; a later commit opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class OutboxOutputs:
    """Writes messages to the outbox; `streams/publisher.py` sends them on."""

    def write(self, connection: psycopg.Connection[Any], outputs: Sequence[Output]) -> None:
        """Keep messages for the publisher."""
        write_outbox(connection, outputs)

    def after_commit(self) -> None:
        """Nothing: the publisher looks by itself."""

    def close(self) -> None:
        """Nothing is open."""


def make_outputs(broker: str | None, uri: str) -> RoundOutputs:
    """Choose by the broker."""
    return OutboxOutputs() if broker else EmbeddedOutputs(uri)
