"""Capture documents: each event that can be read is appended to `supply.events`, once for each twin that it names.

A document is durable in the ledger when it is taken in, and is worked on in the background; a process that ends in
the middle leaves it to the next. Appending twice is no harm: twins and index know an event by its hash.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog

from connectors.epcis import Identification, Refusal, facts_of, read_document
from connectors.epcis.source import SOURCE
from schemas.epcis import EpcisEvent
from schemas.errors import InputError
from schemas.events import write_headers, write_value
from schemas.instants import Instant
from schemas.placement import partition_of
from schemas.topics import TOPICS
from streams.api.ports import LogWriter, Row
from streams.api.services import now
from streams.epcis.following import TOPIC, Follower
from streams.ledger import epcis_captures as captures
from streams.ledger.epcis_captures import Outcome, Work
from streams.ledger.epcis_store import EpcisStore

MOST_EVENTS = 10_000  # of one document
MOST_BYTES = 16 << 20  # of one document
MOST_ERRORS = 500  # told of one document
SEEN_SECONDS = 3.0  # how long a capture waits for its events to be found by queries
WAIT_SECONDS = 2.0
RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 300.0

_log = structlog.get_logger(__name__)


Count = Callable[[str, int], None]  # an outcome, and of how many events


class Prepared(NamedTuple):
    """What is in a document: rows to append, events they are of, and why others are not."""

    rows: list[Row]
    events: list[EpcisEvent]
    errors: list[InputError]
    numbers: list[int | None]


def prepare(payload: bytes, table: Identification, record_time: Instant) -> Prepared:
    """Read a document. Never raises for bad input; takes a while for a large one, so call it in a thread."""
    found = Prepared([], [], [], [])
    for index, each in enumerate(read_document(payload)):
        try:
            if isinstance(each, Refusal):
                found.errors.append(each.error)
                found.numbers.append(each.number)
                continue
            facts = facts_of(each, table, SOURCE, record_time)
        except InputError as error:
            found.errors.append(error)
            found.numbers.append(index)
            continue
        found.events.append(each)
        found.rows.extend((fact.subject.encode(), write_value(fact), write_headers(fact), None) for fact in facts)
    if len(found.events) > MOST_EVENTS:
        return Prepared([], [], [_too_many(len(found.events))], [None])
    return found


def error_of(error: InputError, number: int | None = None) -> dict[str, Any]:
    """Write why something is refused, as a member of a capture's `errors`."""
    document = {
        "type": "epcisException:ValidationException",
        "title": "An event cannot be captured" if number is not None else "The document is not as it should be",
        "detail": str(error)[:1000],
        "field": error.where[:300],
        "reason": error.reason,
    }
    return document if number is None else document | {"event": number}


class Capturer:
    """Works on the documents that were taken in, one after the other."""

    def __init__(
        self,
        store: EpcisStore,
        writer: LogWriter,
        follower: Follower,
        table: Identification,
        count: Count = lambda outcome, events: None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._follower = follower
        self._table = table
        self._count = count
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def start(self) -> None:
        """Begin to work, in the background."""
        self._task = asyncio.create_task(self._run(), name="epcis capture")

    async def stop(self) -> None:
        """Stop working; what was begun is taken up again later."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """Say that a document was taken in."""
        self._news.set()

    async def append(self, rows: Sequence[Row]) -> None:
        """Append rows, durably, and wait a while until queries find what they say. Raises LogError."""
        if not rows:
            return
        offsets = await self._writer.append(TOPIC, rows)
        self._follower.nudge()
        places: dict[int, int] = {}
        for (key, *_, partition), offset in zip(rows, offsets, strict=True):
            place = partition if partition is not None else partition_of(key, TOPICS[TOPIC].partitions)
            places[place] = max(places.get(place, 0), offset + 1)
        await self._follower.reached(places, SEEN_SECONDS)

    def count(self, captured: int, refused: int) -> None:
        """Count what came of a document."""
        self._count("accepted", captured)
        self._count("rejected", refused)

    async def read(self, payload: bytes) -> Prepared:
        """Read a document in a thread."""
        return await asyncio.to_thread(prepare, payload, self._table, now())

    async def _run(self) -> None:
        while True:
            try:
                self._news.clear()
                async with self._store.connection() as connection:
                    work = await captures.claim(connection)
                if work is None:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), WAIT_SECONDS)
                    continue
                await self._capture(work)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # log or database may be away for any reason; it is told, and tried again
                _log.warning("captures wait", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _capture(self, work: Work) -> None:
        if work.attempt > captures.MOST_ATTEMPTS:
            await self._finish(work, Outcome(False, 0, 0, [_given_up(work.attempt - 1)]))
            return
        prepared = await self.read(work.payload)
        told = zip(prepared.errors, prepared.numbers, strict=True)
        errors = [error_of(error, number) for error, number in list(told)[:MOST_ERRORS]]
        if prepared.errors and (work.behaviour == "rollback" or not prepared.events):
            await self._finish(work, Outcome(False, 0, len(prepared.errors), errors))
            return
        try:
            await self.append(prepared.rows)
        except Exception:
            async with self._store.connection() as connection:
                await captures.give_back(
                    connection, work.id, min(RETRY_SECONDS * 2.0**work.attempt, LONGEST_RETRY_SECONDS)
                )
            raise
        outcome = Outcome(not prepared.errors, len(prepared.events), len(prepared.errors), errors)
        await self._finish(work, outcome)

    async def _finish(self, work: Work, outcome: Outcome) -> None:
        self.count(outcome.captured, outcome.refused)
        async with self._store.connection() as connection:
            await captures.finish(connection, work.id, outcome)


def _given_up(attempts: int) -> dict[str, Any]:
    return {
        "type": "epcisException:ImplementationException",
        "title": "The document was given up",
        "detail": f"expected to append its events, did not succeed in {attempts} attempts; send it again",
        "field": "",
        "reason": "given_up",
    }


def _too_many(count: int) -> InputError:
    return InputError(expected=f"at most {MOST_EVENTS} events", received=str(count), where="eventList")
