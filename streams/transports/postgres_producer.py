"""Faust's producer on the embedded log: what an app itself sends, batched by the log's own producer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from faust.transport.base import Producer as BaseProducer
from faust.types import TP, RecordMetadata

from schemas.placement import partition_of
from schemas.topics import PARTITIONS, TOPICS
from streams.log import Placed, Producer, connect, declare
from streams.transports.hooks import hooks_of


class PostgresProducer(BaseProducer):
    """Sends to the log. Accepts while the database is away, and delivers once it is back."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hooks = hooks_of(self.app)
        self._log: Producer | None = None

    async def on_start(self) -> None:
        """Start the log's producer; it connects when there is something to send."""
        await super().on_start()
        self._log = Producer(self._hooks.database, self._hooks.worker)

    async def on_stop(self) -> None:
        """Make durable what was accepted."""
        await super().on_stop()
        if self._log is not None:
            await asyncio.to_thread(self._log.close)

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,  # Faust's HeadersArg: a mapping, or a list of pairs, or none
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Accept a message; the awaitable resolves once it is durable. The log gives its own timestamp."""
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers or ())
        log = self._producer()
        if log.full:
            answer = await asyncio.to_thread(log.send, topic, [(key, value, pairs)], partition)
        else:
            answer = log.send(topic, [(key, value, pairs)], partition)
        return asyncio.ensure_future(_metadata(asyncio.wrap_future(answer)))

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> RecordMetadata:
        """Send, and return once it is durable."""
        return await (await self.send(*args, **kwargs))

    async def flush(self) -> None:
        """Wait until all that was sent is durable."""
        await self.buffer.flush()
        if self._log is not None:
            await asyncio.to_thread(self._log.flush)

    async def create_topic(self, topic: str, partitions: int, replication: int, **kwargs: Any) -> None:
        """Declare a topic."""
        number = TOPICS[topic].partitions if topic in TOPICS else partitions

        def create() -> None:
            with connect(self._hooks.database, self._hooks.worker) as conn:
                declare(conn, topic, number)

        await asyncio.to_thread(create)

    def key_partition(self, topic: str, key: bytes | None) -> TP:
        """Place a key."""
        return TP(topic, partition_of(key, TOPICS[topic].partitions if topic in TOPICS else PARTITIONS))

    def supports_headers(self) -> bool:
        """Say that messages may have headers."""
        return True

    def _producer(self) -> Producer:
        if self._log is None:
            self._log = Producer(self._hooks.database, self._hooks.worker)
        return self._log


async def _metadata(answer: asyncio.Future[list[Placed]]) -> RecordMetadata:
    placed = (await answer)[0]
    tp = TP(placed.topic, placed.partition)
    return RecordMetadata(placed.topic, placed.partition, tp, placed.offset, placed.timestamp / 1000, 1)
