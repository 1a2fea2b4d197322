"""Read the index of EPCIS events: a page of what a query finds, one event, the values that ever came.

A page is bounded above by the newest event of the first page, so that pages stay as they are while more is captured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from schemas.epcis import EpcisEvent
from schemas.instants import instant_of, moment_of
from streams.ledger.epcis_index import indexed
from streams.ledger.reads import Connection

MOST_ON_PAGE = 1000
MOST_BYTES = 16 << 20  # of events as they are kept, at once; a larger one comes alone
_DECODE = msgspec.json.Decoder(EpcisEvent)

Order = Literal["", "event_time", "record_time"]


class Has(NamedTuple):
    """One of `fields` has one of these values, or one that begins so."""

    fields: tuple[str, ...]
    values: tuple[str, ...]
    begins: tuple[str, ...] = ()


@dataclass(slots=True)
class EventQuery:
    """Conditions that all hold. `among`: a column has one of these values; `within`: it has, or is a part of one of
    these places; `since` and `until`: bounds of times [us], the upper one open; `declared`: whether an error is."""

    among: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    within: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    since: list[tuple[str, int]] = field(default_factory=list)
    until: list[tuple[str, int]] = field(default_factory=list)
    has: list[Has] = field(default_factory=list)
    declared: bool | None = None
    by: Order = ""
    newest_first: bool = False


class Stored(NamedTuple):
    """An event of the index, and when the log knew it [us]."""

    no: int
    name: str
    event: EpcisEvent
    event_time: int
    record_time: int


class Place(NamedTuple):
    """Where a page ends: the time it is ordered by [us] (0 where by number alone), and the number."""

    when: int
    no: int


class Slice(NamedTuple):
    """Events, and whether there are more behind them."""

    events: list[Stored]
    more: bool


async def read_events(
    connection: Connection, query: EventQuery, limit: int, bound: int, after: Place | None = None, above: int = 0
) -> Slice:
    """Give up to `limit` events with numbers above `above` and up to `bound`, from behind a place on.

    Fewer come where they are large: MOST_BYTES at once, and the first whatever its size.
    """
    where, values = conditions(query)
    where.append("e.no > %(above)s and e.no <= %(bound)s")
    values |= {"above": above, "bound": bound, "limit": limit + 1, "bytes": MOST_BYTES}
    way, sign = ("desc", "<") if query.newest_first else ("asc", ">")
    by_time = query.by == "event_time"
    if after is not None:
        where.append(f"(e.event_time, e.no) {sign} (%(when)s, %(after)s)" if by_time else f"e.no {sign} %(after)s")
        values |= {"when": moment_of(after.when), "after": after.no}
    order = f"e.event_time {way}, e.no {way}" if by_time else f"e.no {way}"
    rows = await connection.execute(
        "select * from (select e.*, count(*) over () as found, coalesce(sum(octet_length(e.body)) over"
        f" (order by {order} rows between unbounded preceding and 1 preceding), 0) as before from"
        " (select e.no, e.name, e.event_time, e.record_time, e.body from epcis_event e"
        f" where {' and '.join(where)} order by {order} limit %(limit)s) e) e"
        f" where e.before < %(bytes)s order by {order}",
        values,
    )
    found = await rows.fetchall()
    shown = found[:limit]
    return Slice([_stored(row) for row in shown], bool(found) and found[0]["found"] > len(shown))


async def count_events(connection: Connection, query: EventQuery, bound: int, most: int) -> int:
    """Count what a query finds, up to `most`."""
    where, values = conditions(query)
    where.append("e.no <= %(bound)s")
    rows = await connection.execute(
        f"select count(*) as n from (select 1 from epcis_event e where {' and '.join(where)} limit %(most)s) found",
        {**values, "bound": bound, "most": most},
    )
    row = await rows.fetchone()
    assert row is not None
    return int(row["n"])


async def read_event(connection: Connection, name: str) -> Stored | None:
    """Find an event by its eventID, hash id or name: the newest that has it, so that an error declaration shows."""
    rows = await connection.execute(
        "select e.no, e.name, e.event_time, e.record_time, e.body from epcis_event e"
        " join epcis_value v on v.no = e.no and v.field = 'id' and v.value = %s order by e.no desc limit 1",
        (name,),
    )
    row = await rows.fetchone()
    return None if row is None else _stored(row)


async def list_values(connection: Connection, kind: str, limit: int, after: str) -> list[str]:
    """Give the values of a kind that ever came, in bytewise order."""
    rows = await connection.execute(
        "select value from epcis_word where field = %s and value > %s order by value limit %s", (kind, after, limit)
    )
    return [row["value"] for row in await rows.fetchall()]


def conditions(query: EventQuery) -> tuple[list[str], dict[str, Any]]:
    """Write a query as conditions on `epcis_event e`, and their parameters. Names of columns are this program's own."""
    where: list[str] = []
    values: dict[str, Any] = {}

    def bind(value: list[str] | datetime) -> str:
        name = f"p{len(values)}"
        values[name] = [indexed(each) for each in value] if isinstance(value, list) else value
        return f"%({name})s"

    for column, words in query.among:
        where.append(f"e.{column} = any({bind(list(words))}::text[])")
    for column, places in query.within:
        parts = [each.rstrip("/") + "/" for each in places]
        where.append(f"(e.{column} = any({bind(list(places))}::text[]) or {_begin(f'e.{column}', parts, bind)})")
    for column, instant in query.since:
        where.append(f"e.{column} >= {bind(moment_of(instant))}")
    for column, instant in query.until:
        where.append(f"e.{column} < {bind(moment_of(instant))}")
    for has in query.has:
        match = f"v.value = any({bind(list(has.values))}::text[])"
        if has.begins:
            match = f"({match} or {_begin('v.value', list(has.begins), bind)})"
        where.append(
            "exists (select from epcis_value v where v.no = e.no"
            f" and v.field = any({bind(list(has.fields))}::text[]) and {match})"
        )
    if query.declared is not None:
        where.append(f"e.error_time is {'not ' if query.declared else ''}null")
    return where, values


def _begin(column: str, begins: list[str], bind: Any) -> str:  # Any: the closure of `conditions`
    return f"{column} like any({bind([_escaped(each) + '%' for each in begins])}::text[])"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _stored(row: dict[str, Any]) -> Stored:
    return Stored(
        row["no"], row["name"], _DECODE.decode(row["body"]), instant_of(row["event_time"]),
        instant_of(row["record_time"]),
    )  # fmt: skip
