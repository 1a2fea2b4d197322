"""The index of EPCIS events, written once and by one at a time; and captures taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import psycopg
import pytest

from connectors.epcis import read_json
from schemas.epcis import EpcisEvent
from streams.ledger import epcis_captures, epcis_index, epcis_reads
from streams.ledger.connect import connect
from streams.ledger.epcis_index import Row, row_of
from streams.ledger.epcis_reads import EventQuery, Has, read_events
from streams.ledger.migrate import migrate
from streams.ledger.reads import Connection

pytestmark = pytest.mark.postgres

TOPIC = "supply.events"
KNOWN = 1_772_400_000_000_000
T = TypeVar("T")


@pytest.fixture
def ledger(postgres_uri: str) -> Callable[[Callable[[Connection], Awaitable[Any]]], Any]:
    """Run a coroutine with a connection to an empty ledger."""
    with connect(postgres_uri) as connection:
        migrate(connection)

    async def within(work: Callable[[Connection], Awaitable[T]]) -> T:
        async with await psycopg.AsyncConnection.connect(
            postgres_uri, autocommit=True, row_factory=psycopg.rows.dict_row
        ) as connection:
            return await work(connection)

    return lambda work: asyncio.run(within(work))


def event(epc: str, minute: int = 0) -> EpcisEvent:
    [read] = read_json(
        {
            "type": "ObjectEvent",
            "eventTime": f"2026-03-01T08:{minute:02d}:00Z",
            "eventTimeZoneOffset": "+00:00",
            "action": "OBSERVE",
            "epcList": [epc],
        }
    )
    assert isinstance(read, EpcisEvent)
    return read


def row(epc: str, minute: int = 0, known_at: int = KNOWN) -> Row:
    return row_of(event(epc, minute), known_at)


async def names(connection: Connection, query: EventQuery | None = None) -> list[str]:
    found = await read_events(connection, query or EventQuery(), 100, 1 << 60)
    assert not found.more
    return [each.event.epcs[0] for each in found.events]


def test_rows_and_place_move_together_and_only_from_where_it_stands(ledger: Callable[..., Any]) -> None:
    async def work(connection: Connection) -> None:
        assert await epcis_index.take(connection, TOPIC, 3, 0, 5, [row("urn:x:1"), row("urn:x:2")]) == []
        assert await epcis_index.take(connection, TOPIC, 3, 0, 5, [row("urn:x:3")]) is None  # another was faster
        assert await epcis_index.take(connection, TOPIC, 3, 5, 9, [row("urn:x:2", known_at=KNOWN + 9)]) == []
        assert await epcis_index.positions(connection, TOPIC) == {3: 9}
        assert await names(connection) == ["urn:x:1", "urn:x:2"]

    ledger(work)


def test_two_that_follow_at_once_write_each_event_once(ledger: Callable[..., Any], postgres_uri: str) -> None:
    async def one(rows: list[Row]) -> list[str] | None:
        async with await psycopg.AsyncConnection.connect(
            postgres_uri, autocommit=True, row_factory=psycopg.rows.dict_row
        ) as own:
            return await epcis_index.take(own, TOPIC, 0, 0, 100, rows)

    async def work(connection: Connection) -> None:
        rows = [row(f"urn:x:{n}") for n in range(100)]
        answers = await asyncio.gather(*(one(rows) for _ in range(4)))
        assert answers.count([]) == 1
        assert answers.count(None) == 3
        assert len(await names(connection)) == 100

    ledger(work)


def test_what_the_database_will_not_hold_is_named_and_passed_over(ledger: Callable[..., Any]) -> None:
    async def work(connection: Connection) -> None:
        poison = row("urn:x:bad")._replace(values=(("epc", "a\x00b"),))
        refused = await epcis_index.take(connection, TOPIC, 0, 0, 3, [row("urn:x:1"), poison, row("urn:x:2")])
        assert refused == [poison.name]
        assert await names(connection) == ["urn:x:1", "urn:x:2"]
        assert await epcis_index.positions(connection, TOPIC) == {0: 3}

    ledger(work)


def test_record_times_never_fall_with_the_number(ledger: Callable[..., Any]) -> None:
    async def work(connection: Connection) -> None:
        await epcis_index.take(connection, TOPIC, 0, 0, 1, [row("urn:x:1", known_at=KNOWN + 50)])
        await epcis_index.take(connection, TOPIC, 1, 0, 1, [row("urn:x:2", known_at=KNOWN)])
        found = await read_events(connection, EventQuery(), 10, 1 << 60)
        assert [each.record_time for each in found.events] == [KNOWN + 50, KNOWN + 50]

    ledger(work)


def test_an_overlong_identifier_is_found_by_its_digest(ledger: Callable[..., Any]) -> None:
    async def work(connection: Connection) -> None:
        long = "urn:x:" + "\u00e9" * 2000
        await epcis_index.take(connection, TOPIC, 0, 0, 2, [row(long), row("urn:x:1")])
        assert await names(connection, EventQuery(has=[Has(("epc",), (long,))])) == [long]
        assert await names(connection, EventQuery(has=[Has(("epc",), (), ("urn:x:%",))])) == []

    ledger(work)


def test_a_page_is_bounded_by_its_bytes_too(ledger: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(f"urn:x:{n}") for n in range(9)]
    size = len(bytes(rows[0].columns[-1] or b""))  # type: ignore[arg-type]
    monkeypatch.setattr(epcis_reads, "MOST_BYTES", 3 * size)

    async def work(connection: Connection) -> None:
        await epcis_index.take(connection, TOPIC, 0, 0, 9, rows)
        seen, after = [], 0
        for _ in range(3):
            events, more = await read_events(connection, EventQuery(), 100, 1 << 60, above=after)
            seen.append(len(events))
            assert more == (len(seen) < 3)
            after = events[-1].no
        assert seen == [3, 3, 3]
        events, more = await read_events(connection, EventQuery(), 2, 1 << 60)
        assert (len(events), more) == (2, True)

    ledger(work)


def test_a_capture_that_its_process_left_is_taken_up_again(ledger: Callable[..., Any]) -> None:
    async def work(connection: Connection) -> None:
        assert await epcis_captures.add(connection, "c1", "lab", "rollback", "application/json", b"{}")
        first = await epcis_captures.claim(connection)
        assert first is not None
        assert await epcis_captures.claim(connection) is None  # held
        await epcis_captures.give_back(connection, "c1", -1.0)
        again = await epcis_captures.claim(connection)
        assert again is not None
        assert (again.payload, again.attempt) == (b"{}", 2)
        await epcis_captures.finish(connection, "c1", epcis_captures.Outcome(True, 1, 0, []))
        await epcis_captures.give_back(connection, "c1", -1.0)
        assert await epcis_captures.claim(connection) is None
        row = await (await connection.execute("select payload from epcis_capture")).fetchone()
        assert row == {"payload": None}

    ledger(work)


def test_only_so_many_captures_may_wait(ledger: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epcis_captures, "MOST_OPEN", 2)

    async def work(connection: Connection) -> None:
        added = [await epcis_captures.add(connection, f"c{n}", "", "proceed", "", b"x") for n in range(3)]
        assert added == [True, True, False]

    ledger(work)


def test_the_body_that_is_kept_reads_as_the_event() -> None:
    read = event("urn:x:1")
    assert msgspec.json.decode(bytes(row_of(read, KNOWN).columns[-1] or b""), type=EpcisEvent) == read  # type: ignore[arg-type]
