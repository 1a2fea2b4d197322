"""The index of captured EPCIS events: what of an event can be asked for, and how a batch of them is written once.

One writer at a time, so that `no` rises in the order in which rows become visible: who has read up to a number misses
nothing that comes later. The place in the topic moves in the transaction that writes the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import psycopg

from connectors.epcis import canonical, event_name
from connectors.epcis.moments import moment_at
from schemas.epcis import EpcisEvent
from schemas.instants import moment_of
from streams.ledger.connect import blames_record
from streams.ledger.reads import Connection

_LOCK = 7_205_009  # advisory: one writer of the index at a time
_ENCODE = msgspec.json.Encoder()
_NAMES = (
    "name, kind, event_time, record_time, action, biz_step, disposition, read_point, biz_location, error_time, body"
)
_INSERT = (
    "with floor as (select coalesce(max(record_time), '-infinity') as since from"
    " (select record_time from epcis_event order by no desc limit 1) last)"
    f" insert into epcis_event ({_NAMES}) select {_NAMES.replace('record_time', 'greatest(record_time, since)')}"
    " from floor, unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[],"
    " %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::bytea[])"
    f" with ordinality as given ({_NAMES}, n) order by n on conflict (name) do nothing returning no, name"
)

# Fields of `epcis_value`. Business transactions, sources and destinations have their type behind the colon.
ID, EPC, PARENT, INPUT, OUTPUT = "id", "epc", "parent", "input", "output"
CLASS, INPUT_CLASS, OUTPUT_CLASS = "class", "input_class", "output_class"
TRANSACTION, SOURCE, DESTINATION = "transaction:", "source:", "destination:"
SET, UNSET, REASON, CORRECTIVE, TRANSFORMATION = "set", "unset", "reason", "corrective", "transformation"
THINGS = (EPC, PARENT, INPUT, OUTPUT)
CLASSES = (CLASS, INPUT_CLASS, OUTPUT_CLASS)
# Fields of `epcis_word`.
KINDS, EPCS, STEPS, DISPOSITIONS, POINTS, LOCATIONS = "kind", "epc", "step", "disposition", "point", "location"


_LONGEST = 2000  # bytes: an entry of an index holds no more than 2,704


class Row(NamedTuple):
    """An event as it stands in the index: its columns, what it has several of, what the lists of values show."""

    name: str
    known_at: int
    columns: tuple[str | datetime | bytes | None, ...]
    values: tuple[tuple[str, str], ...]
    words: frozenset[tuple[str, str]]


def row_of(event: EpcisEvent, known_at: int) -> Row:
    """Make an event's row. `known_at` is when the log knew it [us].

    Raises
    ------
    InputError
        If one of its times is none.
    """
    name = event_name(event)
    values = tuple(dict.fromkeys((field, indexed(value)) for field, value in values_of(event)))
    words = frozenset(each for each in words_of(event) if indexed(each[1]) == each[1])
    return Row(name, known_at, _columns(name, event, known_at), values, words)


def indexed(text: str) -> str:
    """Give what stands in an index for a text: itself, or of an overlong one its digest.

    Examples
    --------
    >>> indexed("urn:epc:id:sscc:4012345.0000000111"), len(indexed("x" * 2048))
    ('urn:epc:id:sscc:4012345.0000000111', 72)
    """
    raw = text.encode()
    return text if len(raw) <= _LONGEST else f"sha-256:{hashlib.sha256(raw).hexdigest()}"


def values_of(event: EpcisEvent) -> Iterator[tuple[str, str]]:
    """Give what can be asked of an event and it may have several of: field and value, identifiers canonical."""
    yield from ((ID, text) for text in {event.hash, event_name(event), event.event_id or event.hash})
    lists = ((EPC, (*event.epcs, *event.child_epcs)), (INPUT, event.input_epcs), (OUTPUT, event.output_epcs))
    for field, identifiers in lists:
        yield from ((field, canonical(each)) for each in identifiers)
    if event.parent_id is not None:
        yield PARENT, canonical(event.parent_id)
    amounts = (
        (CLASS, (*event.quantities, *event.child_quantities)),
        (INPUT_CLASS, event.input_quantities),
        (OUTPUT_CLASS, event.output_quantities),
    )
    for field, quantities in amounts:
        yield from ((field, canonical(each.epc_class)) for each in quantities)
    typed = (
        (TRANSACTION, event.biz_transactions),
        (SOURCE, event.sources),
        (DESTINATION, event.destinations),
    )
    for field, parts in typed:
        yield from ((field + (each.type or ""), canonical(each.id)) for each in parts)
    yield from _why(event)


def _why(event: EpcisEvent) -> Iterator[tuple[str, str]]:
    if event.persistent_disposition is not None:
        yield from ((SET, word) for word in event.persistent_disposition.set)
        yield from ((UNSET, word) for word in event.persistent_disposition.unset)
    if event.transformation_id is not None:
        yield TRANSFORMATION, canonical(event.transformation_id)
    if event.error_declaration is not None:
        if event.error_declaration.reason is not None:
            yield REASON, event.error_declaration.reason
        yield from ((CORRECTIVE, name) for name in event.error_declaration.corrective_event_ids)


def words_of(event: EpcisEvent) -> Iterator[tuple[str, str]]:
    """Give what of an event the lists of values show."""
    yield KINDS, event.kind
    for field, word in ((STEPS, event.biz_step), (DISPOSITIONS, event.disposition)):
        if word is not None:
            yield field, word
    for field, place in ((POINTS, event.read_point), (LOCATIONS, event.biz_location)):
        if place is not None:
            yield field, canonical(place.id)
    yield from ((EPCS, value) for field, value in values_of(event) if field in THINGS)


async def positions(connection: Connection, topic: str) -> dict[int, int]:
    """Give the next offset to read of each partition that was begun."""
    rows = await connection.execute("select partition, next_offset from epcis_follow where topic = %s", (topic,))
    return {row["partition"]: row["next_offset"] for row in await rows.fetchall()}


async def take(
    connection: Connection, topic: str, partition: int, begin: int, end: int, rows: Sequence[Row]
) -> list[str] | None:
    """Write the events of the offsets from `begin` to before `end`, each if it is new, and move on.

    Returns
    -------
    list of str or None
        Names of events that the database would not hold; they are passed over. None: another process has moved on
        meanwhile, and nothing was written.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        if (await positions(connection, topic)).get(partition, 0) != begin:
            return None
        refused = await _insert_all(connection, rows)
        await connection.execute(
            "insert into epcis_follow (topic, partition, next_offset) values (%s, %s, %s)"
            " on conflict (topic, partition) do update set next_offset = excluded.next_offset",
            (topic, partition, end),
        )
    return refused


async def newest(connection: Connection) -> int:
    """Give the highest number of an event; 0 without any."""
    row = await (await connection.execute("select coalesce(max(no), 0) as no from epcis_event")).fetchone()
    assert row is not None
    return int(row["no"])


async def _insert_all(connection: Connection, rows: Sequence[Row]) -> list[str]:
    try:
        async with connection.transaction():
            await _insert(connection, rows)
        return []
    except psycopg.Error as error:
        if not blames_record(error):
            raise
        if len(rows) == 1:
            return [rows[0].name]
    return [name for row in rows for name in await _insert_all(connection, [row])]


async def _insert(connection: Connection, rows: Sequence[Row]) -> None:
    by_name: dict[str, Row] = {}
    for row in rows:
        by_name.setdefault(row.name, row)  # the first of equal ones counts
    if not by_name:
        return
    ordered = sorted(by_name.values(), key=lambda row: row.known_at)
    answer = await connection.execute(
        _INSERT, [list(column) for column in zip(*(r.columns for r in ordered), strict=True)]
    )
    fresh = {row["name"]: row["no"] for row in await answer.fetchall()}
    if not fresh:
        return
    values = [(no, *each) for name, no in fresh.items() for each in by_name[name].values]
    words = sorted(frozenset().union(*(by_name[name].words for name in fresh)))
    await connection.execute(
        "insert into epcis_value (no, field, value) select * from unnest(%s::bigint[], %s::text[], %s::text[])",
        [list(column) for column in zip(*values, strict=True)],
    )
    await connection.execute(
        "insert into epcis_word (field, value) select * from unnest(%s::text[], %s::text[]) on conflict do nothing",
        [list(column) for column in zip(*words, strict=True)],
    )


def _columns(name: str, event: EpcisEvent, known_at: int) -> tuple[str | datetime | bytes | None, ...]:
    declared = event.error_declaration
    return (
        name,
        event.kind,
        moment_of(moment_at(event.event_time, "eventTime")),
        moment_of(known_at),
        event.action,
        None if event.biz_step is None else indexed(event.biz_step),
        None if event.disposition is None else indexed(event.disposition),
        None if event.read_point is None else indexed(canonical(event.read_point.id)),
        None if event.biz_location is None else indexed(canonical(event.biz_location.id)),
        None if declared is None else moment_of(moment_at(declared.declaration_time, "declarationTime")),
        _ENCODE.encode(event),
    )
