"""Sends the outbox to Kafka, at least once, each message with the id it was given when it was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import structlog

from schemas.errors import LogError
from streams.appending import AsyncWriter, async_writer
from streams.ledger.outbox import Waiting, delete_outbox, read_outbox

_POLL_SECONDS = 0.2
_RETRY_SECONDS = 0.5
_BATCH = 2000
log = structlog.get_logger("twinstream.publisher")


class OutboxPublisher:
    """Sends the outbox to Kafka, oldest first, and deletes what the broker acknowledged."""

    def __init__(self, uri: str, broker: str, active: Callable[[], bool]) -> None:
        self._uri = uri
        self._broker = broker
        self._active = active

    async def run(self) -> None:
        """Send for ever. Broker or database away: wait and try again; nothing is dropped."""
        while True:
            try:
                async with async_writer(self._broker, self._uri) as writer:
                    while True:
                        if not self._active() or not await self._round(writer):
                            await asyncio.sleep(_POLL_SECONDS)
            except (psycopg.OperationalError, psycopg.InterfaceError, LogError, OSError) as error:
                log.warning("outbox waits", error=str(error).strip()[:200])
                await asyncio.sleep(_RETRY_SECONDS)

    async def _round(self, writer: AsyncWriter) -> int:
        waiting = await asyncio.to_thread(read_outbox, self._uri, _BATCH)
        by_topic: dict[str, list[Waiting]] = {}
        for one in waiting:
            by_topic.setdefault(one.topic, []).append(one)
        for topic, rows in by_topic.items():
            await writer.append(topic, [(one.key, one.value, one.headers, None) for one in rows])
        if waiting:
            await asyncio.to_thread(delete_outbox, self._uri, [one.seq for one in waiting])
        return len(waiting)
