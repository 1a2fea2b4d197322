"""Follow `supply.events` into the index: each event once, exactly, however it came and however often the process ends.

The place in the topic moves in the transaction that writes the rows, so a restart goes on behind the last row; a second
process that follows too finds its place taken and writes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import structlog

from connectors.epcis.records import TYPE
from schemas.epcis import EpcisEvent
from schemas.errors import InputError
from schemas.events import read_record
from streams.api.ports import LogReader
from streams.ledger import epcis_index
from streams.ledger.epcis_index import Row, row_of
from streams.ledger.epcis_store import EpcisStore
from twins.frame import RawRecord

TOPIC = "supply.events"
READ_AT_ONCE = 500
WAIT_SECONDS = 0.5
RETRY_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Follower:
    """The one task of a process that fills the index.

    `positions` and `ends` are the next offset of each partition, read and appended; `newest` is the highest number of
    an event; `trouble` says why it stands, empty while it does not.
    """

    def __init__(self, store: EpcisStore, reader: LogReader) -> None:
        self._store = store
        self._reader = reader
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._moved = asyncio.Event()
        self.positions: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.newest = 0
        self.trouble = "not started"

    @property
    def lag(self) -> int:
        """How many records of the topic are not read yet."""
        return sum(max(0, end - self.positions.get(partition, 0)) for partition, end in self.ends.items())

    def start(self) -> None:
        """Begin to follow, in the background."""
        self._task = asyncio.create_task(self._run(), name="epcis follower")

    async def stop(self) -> None:
        """Stop following. What was begun is finished or undone by the database."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """Say that something was appended."""
        self._news.set()

    async def reached(self, places: Mapping[int, int], seconds: float) -> bool:
        """Wait until the index holds what lies before these offsets; tell whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(self.positions.get(partition, 0) < offset for partition, offset in places.items()):
                    await self.moved()
                return True
        return False

    async def moved(self) -> None:
        """Wait until more was written."""
        await self._moved.wait()

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
                self.trouble = ""
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), WAIT_SECONDS)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # log or database may be away for any reason; it is told, and tried again
                if not self.trouble:
                    _log.warning("events of EPCIS are not followed", error=repr(error))
                self.trouble = f"log or database does not answer ({type(error).__name__})"
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        """Read on until the ends as they are now."""
        self._news.clear()
        self.ends = await self._reader.ends(TOPIC)
        async with self._store.connection() as connection:
            self.positions = await epcis_index.positions(connection, TOPIC)
            self.newest = await epcis_index.newest(connection)
        for partition, end in self.ends.items():
            if self.positions.get(partition, 0) > end:  # the log began anew; what is known already changes nothing
                await self._write(partition, self.positions[partition], 0, [])
            while (begin := self.positions.get(partition, 0)) < end:
                records = await self._reader.read(TOPIC, partition, begin, READ_AT_ONCE)
                rows = await asyncio.to_thread(rows_of, records)
                if not await self._write(partition, begin, records[-1].offset + 1 if records else end, rows):
                    return  # another process moved on: look again where it stands
        self._tell()

    async def _write(self, partition: int, begin: int, end: int, rows: Sequence[Row]) -> bool:
        async with self._store.connection() as connection:
            refused = await epcis_index.take(connection, TOPIC, partition, begin, end, rows)
            self.newest = await epcis_index.newest(connection)
        if refused is None:
            return False
        for name in refused:
            _log.warning("an event cannot stand in the index", event=name, partition=partition)
        self.positions[partition] = end
        self._tell()
        return True

    def _tell(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def rows_of(records: Sequence[RawRecord]) -> list[Row]:
    """Make the rows of a topic's records. What is no EPCIS event, or cannot be read, is for the twins to reject."""
    rows = []
    for record in records:
        with contextlib.suppress(InputError):
            event = read_record(record.key, record.value, record.headers)
            if event.type == TYPE and isinstance(event.data, EpcisEvent):
                rows.append(row_of(event.data, record.timestamp * 1000))
    return rows
