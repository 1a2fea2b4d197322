"""Sends the outbox to Kafka, at least once, each message with the id it was given when it was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import structlog

from schemas.errors import LogError
from streams.appending import AsyncWriter, async_writer
from streams.ledger.outbox import Waiting, delete_outbox, open_outbox, read_outbox

_POLL_SECONDS = 0.2
_STANDBY_SECONDS = 1.0
_RETRY_SECONDS = 0.5
_BATCH = 2000
log = structlog.get_logger("twinstream.publisher")


class OutboxPublisher:
    """Sends the outbox to Kafka, oldest first, and deletes what the broker acknowledged. One of all workers does."""

    def __init__(self, uri: str, broker: str, active: Callable[[], bool]) -> None:
        self._uri = uri
        self._broker = broker
        self._active = active

    async def run(self) -> None:
        """Send for ever. Broker or database away: wait and try again; nothing is dropped."""
        while True:
            try:
                if not self._active():
                    await asyncio.sleep(_POLL_SECONDS)
                    continue
                connection = await asyncio.to_thread(open_outbox, self._uri)
                if connection is None:
                    await asyncio.sleep(_STANDBY_SECONDS)
                    continue
                with closing(connection):
                    await self._publish(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError, LogError, OSError) as error:
                log.warning("outbox waits", error=str(error).strip()[:200])
                await asyncio.sleep(_RETRY_SECONDS)

    async def _publish(self, connection: psycopg.Connection[Any]) -> None:
        """Send as long as this worker owns a partition."""
        async with async_writer(self._broker, self._uri) as writer:
            while self._active():
                if await self._round(connection, writer) < _BATCH:
                    await asyncio.sleep(_POLL_SECONDS)

    async def _round(self, connection: psycopg.Connection[Any], writer: AsyncWriter) -> int:
        waiting = await asyncio.to_thread(read_outbox, connection, _BATCH)
        by_topic: dict[str, list[Waiting]] = {}
        for one in waiting:
            by_topic.setdefault(one.topic, []).append(one)
        for topic, rows in by_topic.items():
            await writer.append(topic, [(one.key, one.value, one.headers, None) for one in rows])
        if waiting:
            await asyncio.to_thread(delete_outbox, connection, [one.seq for one in waiting])
        return len(waiting)
