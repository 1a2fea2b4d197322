"""Append what a source says to its topics: as fast as it goes, or paced by its own event times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from connectors.outgoing import Outgoing
from schemas.instants import SECOND
from streams.appending import AsyncWriter, Row

BATCH_RECORDS = 2000
BATCH_SECONDS = 0.05


async def play(
    records: Iterable[Outgoing],
    writer: AsyncWriter,
    *,
    speed: float | None,
    on_progress: Callable[[int], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Append records in order; give how many.

    Parameters
    ----------
    speed : float or None
        Seconds of event time per second; None for as fast as it goes.
    on_progress : callable
        Told how many were appended after each batch.
    stop : callable
        Asked before each batch; true ends the play early.
    """
    return await append_batches(_batches(iter(records), speed), writer, on_progress=on_progress, stop=stop)


async def append_batches(
    batches: AsyncIterator[list[Outgoing]],
    writer: AsyncWriter,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Append batches in order, each durable before the next; give how many records."""
    count = 0
    async for batch in batches:
        if stop():
            break
        rows: dict[str, list[Row]] = {}
        for one in batch:
            rows.setdefault(one.topic, []).append((one.key, one.value, one.headers, one.partition))
        for topic, of_topic in rows.items():
            await writer.append(topic, of_topic)
        count += len(batch)
        on_progress(count)
    return count


async def _batches(records: Iterator[Outgoing], speed: float | None) -> AsyncIterator[list[Outgoing]]:
    """Cut records into batches; with a speed, each record waits until its time has come."""
    started = time.monotonic()
    first: int | None = None
    batch: list[Outgoing] = []
    for record in records:
        if speed is not None and record.event_time is not None:
            first = record.event_time if first is None else first
            due = started + (record.event_time - first) / SECOND / speed
            wait = due - time.monotonic()
            if wait > BATCH_SECONDS:
                if batch:
                    yield batch
                    batch = []
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        batch.append(record)
        if len(batch) >= BATCH_RECORDS:
            yield batch
            batch = []
    if batch:
        yield batch
