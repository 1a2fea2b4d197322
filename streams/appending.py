"""Append rows that may name their partition, and say where each went; asynchronous doors to log readers and writers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

from schemas.events import Headers
from schemas.placement import partition_of
from schemas.topics import TOPICS
from streams.transports.access import LogReader, LogWriter, open_reader, open_writer
from twins.frame import RawRecord

Row = tuple[bytes | None, bytes, Headers, int | None]  # key, value, headers, partition (None: by key)

_CALL_ROWS = 2000
_READERS = 4  # an API has many pages open; each of these serves one read at a time


def append_rows(writer: LogWriter, topic: str, rows: Sequence[Row]) -> list[int]:
    """Append rows in their order per partition; give their offsets once all are durable."""
    offsets: list[int] = []
    for start in range(0, len(rows), _CALL_ROWS):
        offsets += _append_few(writer, topic, rows[start : start + _CALL_ROWS])
    return offsets


def _append_few(writer: LogWriter, topic: str, rows: Sequence[Row]) -> list[int]:
    """Append rows that fit in one statement. Runs of rows placed by key go together; order is kept throughout."""
    offsets: list[int] = []
    for by_key, run in groupby(rows, key=lambda row: row[3] is None):
        if by_key:
            offsets += _append_keyed(writer, topic, list(run))
        else:
            offsets += [writer.append(topic, [row[:3]], row[3])[0].offset for row in run]
    return offsets


def _append_keyed(writer: LogWriter, topic: str, rows: Sequence[Row]) -> list[int]:
    placed = writer.append(topic, [row[:3] for row in rows])
    if len(placed) == len(rows):
        return [one.offset for one in placed]
    # one statement: the rows of a partition follow each other
    partitions = TOPICS[topic].partitions
    following = {one.partition: one.offset for one in placed}
    offsets = []
    for key, *_ in rows:
        partition = partition_of(key, partitions)
        offsets.append(following[partition])
        following[partition] += 1
    return offsets


class AsyncWriter:
    """A log writer for coroutines."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    async def append(self, topic: str, rows: Sequence[Row]) -> list[int]:
        """Append rows in order; give their offsets once they are durable."""
        return await asyncio.to_thread(append_rows, self._writer, topic, rows)


class AsyncReader:
    """A log reader for coroutines, over a few readers that each serve one at a time."""

    def __init__(self, readers: Sequence[LogReader]) -> None:
        self._free: asyncio.Queue[LogReader] = asyncio.Queue()
        for one in readers[1:]:
            self._free.put_nowait(one)
        self._waiting = readers[0]

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> Sequence[RawRecord]:
        """Read up to `limit` records from `offset` on."""
        reader = await self._free.get()
        try:
            return await asyncio.to_thread(reader.read, topic, partition, offset, limit)
        finally:
            self._free.put_nowait(reader)

    async def beginnings(self, topic: str) -> dict[int, int]:
        """Give the first kept offset of each partition."""
        reader = await self._free.get()
        try:
            return await asyncio.to_thread(reader.beginnings, topic)
        finally:
            self._free.put_nowait(reader)

    async def ends(self, topic: str) -> dict[int, int]:
        """Give the next offset of each partition."""
        reader = await self._free.get()
        try:
            return await asyncio.to_thread(reader.ends, topic)
        finally:
            self._free.put_nowait(reader)

    async def wait(self, timeout: float) -> None:
        """Return when something may have been appended, or after `timeout` seconds."""
        await asyncio.to_thread(self._waiting.wait, timeout)


@asynccontextmanager
async def async_writer(broker: str | None, uri: str) -> AsyncIterator[AsyncWriter]:
    """Open a writer for coroutines."""
    writer = await asyncio.to_thread(open_writer, broker, uri)
    try:
        yield AsyncWriter(writer)
    finally:
        await asyncio.to_thread(writer.close)


@asynccontextmanager
async def async_reader(broker: str | None, uri: str, topics: set[str] | None = None) -> AsyncIterator[AsyncReader]:
    """Open readers for coroutines; `topics` are those whose news should wake them."""
    readers = [await asyncio.to_thread(open_reader, broker, uri, topics) for _ in range(1 + _READERS)]
    try:
        yield AsyncReader(readers)
    finally:
        for one in readers:
            await asyncio.to_thread(one.close)
