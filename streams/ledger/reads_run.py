"""Read what a run report is made from: one twin between two event times, as known at one moment.

Every row keeps the record's topic, partition and offset, or the effect id, that it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from schemas.effects import order_of
from schemas.errors import InvalidFieldError
from schemas.instants import DAY, Instant, instant_of
from streams.ledger.reads import Connection, line_of, moment
from streams.ledger.reads_twins import BATCH_TYPES

MOST_FACTS = 20_000  # of one report, feeds not counted; a run has hundreds
MOST_ALERTS = 50_000  # alert messages of one report
BACK = 30 * DAY  # how long before a period raises of alerts that stand in it are looked for

Row = dict[str, Any]  # Any: a row's values are of the types the columns have


@dataclass(frozen=True, slots=True)
class Span:
    """One twin between two event times [us], both included, as known at `known_at` [us]."""

    twin_no: int
    topic: str
    partition: int
    start: Instant
    end: Instant
    known_at: Instant

    def parameters(self) -> dict[str, Any]:
        """Give the bounds for a statement."""
        return {
            "no": self.twin_no, "topic": self.topic, "partition": self.partition, "start": moment(self.start),
            "end": moment(self.end), "known_at": moment(self.known_at),
        }  # fmt: skip


_IN_SPAN = "twin_no = %(no)s and event_time between %(start)s and %(end)s and known_at <= %(known_at)s"


async def read_batches(connection: Connection, twin_no: int, known_at: int | None) -> list[Row]:
    """Give starts and ends of a twin's batches, by event time."""
    rows = await connection.execute(
        "select type, event_time, known_at, rec_offset, data from fact"
        f" where twin_no = %(no)s and type in {BATCH_TYPES} and known_at <= %(known_at)s"
        " order by event_time, rec_offset",
        {"no": twin_no, "known_at": moment(known_at)},
    )
    return await rows.fetchall()


async def read_extent(
    connection: Connection, twin_no: int, start: int, end: int | None, known_at: int | None
) -> tuple[Instant, Instant, Instant] | None:
    """Give first and last event time, and when the last of it was known, from `start` to `end`; None for nothing."""
    bounds = "twin_no = %(no)s and event_time between %(start)s and %(end)s and known_at <= %(known_at)s"
    rows = await connection.execute(
        "select min(first) as first, max(last) as last, max(known) as known from ("
        + " union all ".join(
            f"select min(event_time) as first, max(event_time) as last, max(known_at) as known from {table}"
            f" where {bounds}"
            for table in ("reading", "fact", "effect")
        )
        + ") as found",
        {"no": twin_no, "start": moment(start), "end": moment(end), "known_at": moment(known_at)},
    )
    row = await rows.fetchone()
    if row is None or row["first"] is None:
        return None
    return instant_of(row["first"]), instant_of(row["last"]), instant_of(row["known"])


async def count_records(connection: Connection, span: Span) -> list[Row]:
    """Count readings and other facts by type, each with the first and last offset and times."""
    columns = (
        "count(*) as n, min(rec_offset) as first, max(rec_offset) as last, min(event_time) as event_first,"
        " max(event_time) as event_last, min(known_at) as known_first, max(known_at) as known_last"
    )
    rows = await connection.execute(
        f"select 'bioreactor.reading' as type, {columns} from reading where {_IN_SPAN} having count(*) > 0"
        f" union all select type, {columns} from fact where {_IN_SPAN} group by type order by type",
        span.parameters(),
    )
    return await rows.fetchall()


async def count_effects(connection: Connection, span: Span) -> list[Row]:
    """Count effects by kind, each with its offsets and a digest.

    The digest is SHA-256 over the SHA-256 of every canonical line, in order of partition, offset and n.
    """
    rows = await connection.execute(
        "select kind, count(*) as n, min(rec_offset) as first, max(rec_offset) as last,"
        " encode(sha256(string_agg(sha256(line), ''::bytea order by partition, rec_offset, n)), 'hex') as digest"
        f" from effect where {_IN_SPAN} group by kind order by kind",
        span.parameters(),
    )
    return await rows.fetchall()


async def read_run_facts(connection: Connection, span: Span) -> list[Row]:
    """Give all facts but readings and feeds, in the order in which the log knew them.

    Raises
    ------
    InvalidFieldError
        If there are more than MOST_FACTS.
    """
    rows = await connection.execute(
        "select type, event_time, record_time, known_at, rec_offset, source, id, data from fact"
        f" where {_IN_SPAN} and type not in ('bioreactor.feed_added', 'time.passed')"
        " order by rec_offset limit %(most)s",
        span.parameters() | {"most": MOST_FACTS + 1},
    )
    found = await rows.fetchall()
    if len(found) > MOST_FACTS:
        raise InvalidFieldError(expected=f"at most {MOST_FACTS} facts", received="more", where="the report's period")
    return found


async def sum_feeds(connection: Connection, span: Span) -> list[Row]:
    """Sum up the feeds by name and unit."""
    rows = await connection.execute(
        "select data ->> 'feed' as feed, data #>> '{volume,unit}' as unit, count(*) as n,"
        " sum((data #>> '{volume,value}')::numeric)::float8 as total, min(rec_offset) as first,"
        " max(rec_offset) as last, min(event_time) as event_first, max(event_time) as event_last"
        f" from fact where {_IN_SPAN} and type = 'bioreactor.feed_added' group by 1, 2 order by 1, 2",
        span.parameters(),
    )
    return await rows.fetchall()


async def read_configurations(connection: Connection, models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give the configurations that are kept of these models."""
    rows = await connection.execute("select model, body from configuration where model = any(%s)", (list(models),))
    return {row["model"]: dict(msgspec.json.decode(bytes(row["body"]))) for row in await rows.fetchall()}


async def read_models(connection: Connection, span: Span) -> list[Row]:
    """Give the models by which estimates were made, in the order of the log: one row each time it changed."""
    rows = await connection.execute(
        f"""
        with said as materialized (
            select event_time, known_at, topic, partition, rec_offset, n, d.model, d.lane,
                d.data #>> '{{process,model}}' as process
            from effect, lateral json_to_record(convert_from(line, 'UTF8')::json)
                as d (model text, lane text, data json)
            where kind = 'estimate' and {_IN_SPAN}),
        numbered as (
            select *, row_number() over w as place, lag(model) over w as model_before, lag(process) over w as before,
                lag(lane) over w as lane_before
            from said window w as (order by partition, rec_offset, n))
        select *, (select count(*) from numbered) as estimates from numbered
        where place = 1 or model is distinct from model_before or lane is distinct from lane_before
            or (process is not null and process is distinct from before)
        order by place
        """,
        span.parameters(),
    )
    return await rows.fetchall()


async def read_effects_at(
    connection: Connection,
    span: Span,
    kind: Literal["estimate", "forecast"],
    times: Sequence[int],
    order: Literal["newest word", "first word"] = "newest word",
) -> list[Row | None]:
    """Give, for each time [us], the latest effect of the qualified lane up to then; None where there is none.

    Parameters
    ----------
    order : {"newest word", "first word"}
        Of several effects for one event time, the one known last, or the one known first: what was said then, without
        what later facts taught.
    """
    way = "desc" if order == "newest word" else "asc"
    rows = await connection.execute(
        f"""
        select w.i, e.line, e.known_at
        from unnest(%(times)s::timestamptz[]) with ordinality as w (t, i)
        cross join lateral (
            select line, known_at from effect
            where twin_no = %(no)s and kind = %(kind)s and lane = 'qualified'
              and event_time between %(start)s and least(w.t, %(end)s) and known_at <= %(known_at)s
            order by event_time desc, known_at {way}, rec_offset {way}, n {way} limit 1) e
        order by w.i
        """,
        span.parameters() | {"kind": kind, "times": [moment(t) for t in times]},
    )
    found: list[Row | None] = [None] * len(times)
    for row in await rows.fetchall():
        found[row["i"] - 1] = line_of(row)
    return found


async def read_measured(connection: Connection, span: Span, tag: str, points: int) -> list[Row]:
    """Give one good reading of a tag of each of so many equal parts of the span: the last of the part."""
    rows = await connection.execute(
        """
        select p.event_time, p.value, p.unit
        from (select %(start)s::timestamptz as start, %(end)s::timestamptz as stop) w
        cross join generate_series(1, %(points)s) as i
        cross join lateral (
            select r.event_time, r.vals[c.i] as value, c.unit
            from reading r join channel_set s on s.no = r.channel_set
            cross join lateral unnest(s.tags, s.units) with ordinality as c (tag, unit, i)
            where r.twin_no = %(no)s and r.known_at <= %(known_at)s and c.tag = %(tag)s
              and r.event_time between w.start + (w.stop - w.start) * ((i - 1) / %(points)s::float8)
                and w.start + (w.stop - w.start) * (i / %(points)s::float8)
              and get_byte(r.quality, c.i::int - 1) = 0
            order by r.event_time desc, r.known_at desc, r.rec_offset desc limit 1) p
        order by i
        """,
        span.parameters() | {"tag": tag, "points": points},
    )
    return await rows.fetchall()


async def read_alert_lines(connection: Connection, span: Span) -> list[Row]:
    """Give the alert messages up to the end of the span, in the order of the log.

    Raises are looked for from BACK before it on; an older one is found by what is said of it since.

    Raises
    ------
    InvalidFieldError
        If there are more than MOST_ALERTS.
    """
    rows = await connection.execute(
        "select line, known_at from effect where twin_no = %(no)s and kind = 'alert'"
        " and event_time between %(since)s and %(end)s and known_at <= %(known_at)s"
        " order by partition, rec_offset, n limit %(most)s",
        span.parameters() | {"since": moment(span.start - BACK), "most": MOST_ALERTS + 1},
    )
    found = [line_of(row) for row in await rows.fetchall()]
    if len(found) > MOST_ALERTS:
        raise InvalidFieldError(expected=f"at most {MOST_ALERTS} alert messages", received="more", where="the report")
    begun = {one["id"] for one in found}
    places = sorted({one["data"]["alert"] for one in found} - begun)
    if places:
        columns = zip(*(order_of(name) for name in places), strict=True)
        older = await connection.execute(
            "select line, known_at from effect join unnest(%s::text[], %s::int[], %s::bigint[], %s::int[])"
            " as wanted (topic, partition, rec_offset, n) using (topic, partition, rec_offset, n)"
            " order by partition, rec_offset, n",
            tuple(list(column) for column in columns),
        )
        found = [line_of(row) for row in await older.fetchall()] + found
    return found


async def read_extremes(
    connection: Connection, span: Span, wanted: Sequence[tuple[str, str, bool, int, int]]
) -> list[Row | None]:
    """Give the farthest plain reading of each stretch.

    Parameters
    ----------
    wanted : sequence of (tag, unit, high, start, end)
        The greatest value where `high`, else the least, from start to end [us]; bad readings do not count.
    """
    if not wanted:
        return []
    tags, units, highs, starts, ends = (list(column) for column in zip(*wanted, strict=True))
    rows = await connection.execute(
        """
        select w.i, p.value, p.event_time, p.rec_offset
        from unnest(%(tags)s::text[], %(units)s::text[], %(highs)s::bool[], %(starts)s::timestamptz[],
            %(ends)s::timestamptz[]) with ordinality as w (tag, unit, high, start, stop, i)
        cross join lateral (
            select r.vals[c.i] as value, r.event_time, r.rec_offset
            from reading r join channel_set s on s.no = r.channel_set
            cross join lateral unnest(s.tags, s.units) with ordinality as c (tag, unit, i)
            where r.twin_no = %(no)s and r.event_time between w.start and w.stop and r.known_at <= %(known_at)s
              and c.tag = w.tag and c.unit = w.unit and get_byte(r.quality, c.i::int - 1) < 2
            order by case when w.high then -r.vals[c.i] else r.vals[c.i] end, r.event_time, r.rec_offset limit 1) p
        """,
        span.parameters()
        | {
            "tags": tags, "units": units, "highs": highs, "starts": [moment(t) for t in starts],
            "ends": [moment(t) for t in ends],
        },
    )  # fmt: skip
    found: list[Row | None] = [None] * len(wanted)
    for row in await rows.fetchall():
        found[row["i"] - 1] = row
    return found


async def count_run_rejects(connection: Connection, span: Span, first: int | None, last: int | None) -> list[Row]:
    """Count what was not used, by reason, with offsets; `own` is false where the record's twin could not be read.

    Those without a twin are counted where they lie between the first and last offset of the run, on its partition.
    """
    rows = await connection.execute(
        """
        select twin_no is not null as own, reason, count(*) as n, min(rec_offset) as first, max(rec_offset) as last,
            (array_agg(received order by rec_offset, n))[1] as example
        from (select twin_no, rec_offset, n, convert_from(line, 'UTF8')::json #>> '{data,reason}' as reason,
                convert_from(line, 'UTF8')::json #>> '{data,received}' as received
              from effect where kind = 'reject' and topic = %(topic)s and partition = %(partition)s
                and known_at <= %(known_at)s and (
                    (twin_no = %(no)s and event_time between %(start)s and %(end)s)
                    or ((twin_no = %(no)s or twin_no is null) and rec_offset between %(first)s and %(last)s))) as one
        group by 1, 2 order by 1 desc, 2
        """,
        span.parameters() | {"first": -1 if first is None else first, "last": -1 if last is None else last},
    )
    return await rows.fetchall()


async def read_gaps(connection: Connection, span: Span, least_seconds: float, times: float) -> tuple[float, list[Row]]:
    """Give the stretches without a reading, and the length from which on one counts [s].

    A stretch counts from `least_seconds` on, and from `times` the median distance of two readings.
    """
    rows = await connection.execute(
        f"""
        with at as (
            select event_time, rec_offset, lag(event_time) over w as before, lag(rec_offset) over w as offset_before
            from reading where {_IN_SPAN} window w as (order by event_time, rec_offset)),
        bound as (
            select greatest(%(least)s, %(times)s * coalesce(percentile_disc(0.5) within group
                (order by extract(epoch from event_time - before)::float8), 0)) as seconds
            from at where before is not null)
        select b.seconds, a.event_time, a.rec_offset, a.before, a.offset_before
        from bound b left join at a on extract(epoch from a.event_time - a.before) > b.seconds
        order by a.event_time, a.rec_offset
        """,
        span.parameters() | {"least": least_seconds, "times": times},
    )
    found = await rows.fetchall()
    bound = float(found[0]["seconds"]) if found and found[0]["seconds"] is not None else least_seconds
    return bound, [row for row in found if row["before"] is not None]


async def read_audit_head(connection: Connection, known_at: int) -> Row | None:
    """Give the newest row of the audit trail at a moment: its number, time and hash."""
    rows = await connection.execute(
        "select seq, at, encode(hash, 'hex') as hash from audit where at <= %s order by seq desc limit 1",
        (moment(known_at),),
    )
    return await rows.fetchone()


async def read_anchors(connection: Connection, span: Span, first: int, last: int) -> list[Row]:
    """Give the kept anchors from which the run's records can be folded again, and what computed them."""
    rows = await connection.execute(
        "select next_offset, created_at, model, program, encode(sha256, 'hex') as sha256 from checkpoint"
        " where topic = %(topic)s and partition = %(partition)s and kind = 'anchor' and next_offset <= %(last)s + 1"
        " and next_offset >= coalesce((select max(next_offset) from checkpoint where topic = %(topic)s"
        "   and partition = %(partition)s and kind = 'anchor' and next_offset <= %(first)s), 0) order by next_offset",
        span.parameters() | {"first": first, "last": last},
    )
    return await rows.fetchall()
