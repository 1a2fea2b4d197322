"""A Faust app with one agent that keeps the offsets it is given, run inside the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import faust
from faust.types import TP

from streams.transports import CoalescingHooks, attach, transport_url

LIMIT_SECONDS = 30.0


class Worker:
    """What one worker saw: `offsets` by partition, `frames` as (partition, first, last, count), `values` in order."""

    def __init__(
        self,
        broker: str | None,
        database: str,
        topic: str,
        datadir: Path,
        *,
        claims: Mapping[int, int] | None = None,
        group: str = "group",
        partitions: int = 8,
        framed: bool = True,
        **hooks: Any,
    ) -> None:
        self.topic = topic
        self.offsets: dict[int, list[int]] = {}
        self.frames: list[tuple[int, int, int, int]] = []
        self.records: list[Any] = []
        self.claimed: list[set[int]] = []
        self.seek_once: dict[int, int] = {}  # partition -> offset to go back to after its next frame
        self.crashed: BaseException | None = None
        self._claims = dict(claims or {})
        self._framed = framed
        self._news = asyncio.Condition()
        self.hooks = CoalescingHooks(
            claims=self.claim,
            database=database,
            worker=f"worker-{uuid4().hex[:8]}",
            framed=lambda name: framed and name == topic,
            **hooks,
        )
        self.app: Any = faust.App(
            group,
            broker=transport_url(broker, database),
            store="memory://",
            datadir=str(datadir),
            web_enabled=False,
            topic_partitions=partitions,
            topic_disable_leader=True,
            topic_allow_declare=broker is None,
            consumer_auto_offset_reset="earliest",
            broker_commit_interval=0.2,
            broker_session_timeout=6.0,
            broker_heartbeat_interval=1.0,
            broker_max_poll_records=2000,
            stream_buffer_maxsize=4,
        )
        attach(self.app, self.hooks)
        channel = self.app.topic(topic, key_serializer="raw", value_serializer="raw", partitions=partitions)
        self.app.agent(channel, name=f"agent-{uuid4().hex[:8]}")(self._agent)

    async def claim(self, assigned: set[TP]) -> dict[TP, int]:
        self.claimed.append({tp.partition for tp in assigned})
        return {tp: self._claims.get(tp.partition, 0) for tp in assigned}

    async def _agent(self, stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            rows = message.value if self._framed else [message]
            partition = message.partition
            async with self._news:
                self.frames.append((partition, rows[0].offset, rows[-1].offset, len(rows)))
                self.offsets.setdefault(partition, []).extend(row.offset for row in rows)
                self.records.extend(rows)
                self._news.notify_all()
            if partition in self.seek_once:
                await self.app.consumer.seek(TP(self.topic, partition), self.seek_once.pop(partition))

    async def until(self, condition: Callable[[], bool], seconds: float = LIMIT_SECONDS) -> None:
        """Wait until frames have made a condition true; fail at once if the app has crashed."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        async with self._news:
            while not condition():
                seen = {partition: len(offsets) for partition, offsets in self.offsets.items()}
                assert not self.app.crashed, f"the app crashed: {self.app.crash_reason!r}; seen so far: {seen}"
                assert loop.time() < end, f"not within {seconds:g} s; seen so far: {seen}"
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.5)

    def count(self) -> int:
        return sum(len(offsets) for offsets in self.offsets.values())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Worker]:
        """Start the app, and stop it."""
        started = asyncio.ensure_future(self.app.start())
        try:
            yield self
        finally:
            await asyncio.wait_for(self.app.stop(), LIMIT_SECONDS)
            await asyncio.wait([started], timeout=LIMIT_SECONDS)
            if started.done() and not started.cancelled():
                self.crashed = started.exception()


async def eventually(
    condition: Callable[[], Any], seconds: float = LIMIT_SECONDS, what: str = "condition", *, blocking: bool = False
) -> Any:
    """Wait for a condition that nobody announces; give its value. A `blocking` one is evaluated in a thread."""
    until = asyncio.get_running_loop().time() + seconds
    while True:
        value = await asyncio.to_thread(condition) if blocking else condition()
        if value:
            return value
        assert asyncio.get_running_loop().time() < until, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(0.02)
