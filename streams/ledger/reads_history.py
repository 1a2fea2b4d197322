"""Read one twin's course, decimated in the database to what a chart can show: raw readings, estimates, innovations.

Times in these series are whole microseconds since 1970 UTC, as everywhere inside; columns of equal length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.instants import MINUTE, Instant, instant_of
from streams.ledger.reads import AsOf, Connection, line_of, moment, text_of
from streams.ledger.supply_beliefs import supply_beliefs

QUALITIES = ("good", "uncertain", "bad")
MOST_FACTS = 2000  # of one window; a run has hundreds
MOST_TAGS = 64
_MANY = r"\.(feed_added|subject_\w+|screen_failed|visit_done|cost_booked|event_observed)$"  # types of facts
# Facts that something goes on from, until another comes.
STANDING = ("batch_started", "batch_ended", "inoculated", "phase_changed", "held", "resumed")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of event time [us], both ends included, cut into `points` buckets."""

    start: Instant
    end: Instant
    points: int

    @property
    def bucket(self) -> int:
        """Width of a bucket [us]."""
        return max(1, -(-(self.end - self.start + 1) // self.points))


async def find_window(connection: Connection, twin_no: int, as_of: AsOf) -> tuple[Instant, Instant] | None:
    """Give the run that a moment lies in: from the newest start of a batch to the last estimate.

    Without a start of a batch it is the whole record; without an estimate, None.
    """
    rows = await connection.execute(
        """
        select coalesce(
            (select max(event_time) from fact where twin_no = %(no)s and type like '%%.batch_started'
             and event_time <= least(%(at)s, e.last) and known_at <= %(known_at)s),
            e.first) as start, greatest(e.last, r.last) as last
        from (select min(event_time) as first, max(event_time) as last from effect
              where twin_no = %(no)s and kind = 'estimate' and known_at <= %(known_at)s) e,
             (select max(event_time) as last from reading where twin_no = %(no)s and known_at <= %(known_at)s) r
        """,
        {"no": twin_no, **as_of.parameters()},
    )
    row = await rows.fetchone()
    if row is None or row["start"] is None:
        return None
    return instant_of(row["start"]), max(instant_of(row["last"]), Instant(instant_of(row["start"]) + MINUTE))


async def read_channels(
    connection: Connection, twin_no: int, window: Window, as_of: AsOf, tags: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Give raw readings by tag and quality: of every bucket the least and the greatest value, each with its offset.

    `at` does not bound them: what was measured later is shown as what came next. `known_at` does.
    """
    rows = await connection.execute(
        """
        select tag, unit, quality, min(p) as low, max(p) as high, count(*) as n
        from (
            select c.tag, c.unit, least(get_byte(r.quality, c.i::int - 1), 2) as quality,
                floor((extract(epoch from r.event_time) * 1e6 - %(start_us)s) / %(bucket)s) as bucket,
                array[r.vals[c.i], (extract(epoch from r.event_time) * 1e6)::float8, r.rec_offset::float8] as p
            from reading r
            join channel_set s on s.no = r.channel_set
            cross join lateral unnest(s.tags, s.units) with ordinality as c (tag, unit, i)
            where r.twin_no = %(no)s and r.event_time between %(start)s and %(end)s and r.known_at <= %(known_at)s
              and (%(tags)s::text[] is null or c.tag = any(%(tags)s))
        ) as point
        group by tag, unit, quality, bucket order by tag, unit, quality, bucket
        """,
        _parameters(twin_no, window, as_of) | {"tags": list(tags) or None},
    )
    found: dict[str, dict[str, Any]] = {}
    for row in await rows.fetchall():
        if row["tag"] not in found and len(found) >= MOST_TAGS:
            continue
        channel = found.setdefault(row["tag"], {"unit": row["unit"], "count": 0})
        series = channel.setdefault(QUALITIES[row["quality"]], {"t": [], "value": [], "offset": []})
        channel["count"] += row["n"]
        ends = [row["low"], row["high"]] if row["low"] != row["high"] else [row["low"]]
        for value, t, offset in sorted(ends, key=lambda end: end[1]):
            series["t"].append(int(t))
            series["value"].append(value)
            series["offset"].append(int(offset))
    return found


async def read_estimates(connection: Connection, twin_no: int, window: Window, as_of: AsOf) -> dict[str, Any]:
    """Give what was believed: of every bucket its last estimate, as known at the moment, with its effect id."""
    rows = await connection.execute(
        """
        with pick as (
            select distinct on (floor((extract(epoch from event_time) * 1e6 - %(start_us)s) / %(bucket)s))
                event_time, known_at, topic, partition, rec_offset, n
            from effect
            where twin_no = %(no)s and kind = 'estimate' and event_time between %(start)s and least(%(end)s, %(at)s)
              and known_at <= %(known_at)s
            order by floor((extract(epoch from event_time) * 1e6 - %(start_us)s) / %(bucket)s),
                event_time desc, known_at desc, rec_offset desc, n desc)
        select e.event_time, e.known_at, e.line
        from pick p join effect e on e.twin_no = %(no)s and e.kind = 'estimate' and e.event_time = p.event_time
            and e.known_at = p.known_at and e.topic = p.topic and e.partition = p.partition
            and e.rec_offset = p.rec_offset and e.n = p.n
        order by e.event_time
        """,
        _parameters(twin_no, window, as_of),
    )
    series: dict[str, Any] = {"t": [], "id": [], "known_at": [], "model": [], "revised": [], "quantities": {}}
    quantities: dict[str, Any] = series["quantities"]
    numbers: dict[str, list[float | None]] = {}
    for row in await rows.fetchall():
        effect = line_of(row)
        place = len(series["t"])
        series["t"].append(instant_of(row["event_time"]))
        series["id"].append(effect["id"])
        series["known_at"].append(instant_of(row["known_at"]))
        series["model"].append(effect["model"])
        series["revised"].append(effect["data"].get("revised", False))
        for name, value in numbers_of(effect["data"]):
            column = numbers.setdefault(name, [])
            column += [None] * (place - len(column)) + [value]
        for name, belief in beliefs_of(effect["data"]):
            columns = quantities.setdefault(name, {"unit": belief["unit"], "mean": [], "sd": [], "low": [], "high": []})
            for part in ("mean", "sd", "low", "high"):
                columns[part] += [None] * (place - len(columns[part])) + [belief[part]]
    for columns in quantities.values():
        for part in ("mean", "sd", "low", "high"):
            columns[part] += [None] * (len(series["t"]) - len(columns[part]))
    if numbers:
        series["numbers"] = {
            name: column + [None] * (len(series["t"]) - len(column)) for name, column in numbers.items()
        }
    return series


# Any: an estimate's data, which is JSON.
def numbers_of(data: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Give the plain numbers of an estimate that holds no beliefs by name, such as subjects counted.

    Examples
    --------
    >>> list(numbers_of({"counted": 12, "planned": None, "by": "2027-01-01T00:00:00Z"}))
    [('counted', 12)]
    """
    if "state" not in data:
        for name, value in data.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield name, value


# Any: an estimate's data, which is JSON.
def beliefs_of(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every belief of an estimate with its name; those of a process model are named `process.<state>`."""
    yield from data.get("state", {}).items()
    yield from supply_beliefs(data)
    process = data.get("process") or {}
    for part in ("state", "outputs"):
        for name, belief in process.get(part, {}).items():
            yield f"process.{name}", belief


async def read_innovations(connection: Connection, twin_no: int, window: Window, as_of: AsOf) -> dict[str, Any]:
    """Give the filter's innovations: of every bucket the one that the gate refused, else the greatest NIS."""
    rows = await connection.execute(
        """
        select distinct on (bucket) event_time, topic, partition, rec_offset, n, f
        from (
            select floor((extract(epoch from event_time) * 1e6 - %(start_us)s) / %(bucket)s) as bucket,
                event_time, topic, partition, rec_offset, n, known_at,
                convert_from(line, 'UTF8')::json #> '{data,filter}' as f
            from effect
            where twin_no = %(no)s and kind = 'estimate' and event_time between %(start)s and least(%(end)s, %(at)s)
              and known_at <= %(known_at)s
        ) as one
        where f ->> 'nis' is not null
        order by bucket, f ->> 'gate' not in ('rejected', 'reopened'), (f ->> 'nis')::float8 desc,
            known_at desc, rec_offset desc
        """,
        _parameters(twin_no, window, as_of),
    )
    series: dict[str, list[Any]] = {"t": [], "id": [], "nis": [], "innovation": [], "innovation_sd": [], "gate": []}
    for row in await rows.fetchall():
        series["t"].append(instant_of(row["event_time"]))
        series["id"].append(f"{row['topic']}/{row['partition']}/{row['rec_offset']}/{row['n']}")
        for name in ("nis", "innovation", "innovation_sd", "gate"):
            series[name].append(row["f"].get(name))
    return series


async def read_facts(
    connection: Connection, twin_no: int, window: Window, as_of: AsOf, topic: str | None, partition: int
) -> list[dict[str, Any]]:
    """Give the facts of a window that are not readings: batches, phases, feeds, samples, assays; oldest first.

    Of more than MOST_FACTS feeds, and steps of subjects, are left out first, the newest of them, so that no phase, hold
    or assay is missed, and no site or amendment.
    """
    rows = await connection.execute(
        "select type, event_time, record_time, known_at, rec_offset, source, id, data from fact"
        " where twin_no = %(no)s and event_time between %(start)s and %(end)s and known_at <= %(known_at)s"
        " and type <> 'time.passed' order by type ~ %(many)s, event_time, rec_offset limit %(most)s",
        _parameters(twin_no, window, as_of) | {"most": MOST_FACTS, "many": _MANY},
    )
    found = sorted(await rows.fetchall(), key=lambda row: (row["event_time"], row["rec_offset"]))
    return [_fact(row, topic, partition) for row in found]


async def read_facts_before(
    connection: Connection, twin_no: int, window: Window, as_of: AsOf, topic: str | None, partition: int
) -> list[dict[str, Any]]:
    """Give what stood when a window began: the newest fact of each type of STANDING in the same run, oldest first."""
    rows = await connection.execute(
        """
        with earlier as (
            select * from fact where twin_no = %(no)s and event_time < %(start)s and known_at <= %(known_at)s
        ), run as (
            select coalesce(max(event_time), '-infinity') as start from earlier where type like '%%.batch_started'
        )
        select distinct on (type) type, event_time, record_time, known_at, rec_offset, source, id, data
        from earlier, run where event_time >= run.start and split_part(type, '.', 2) = any(%(standing)s)
        order by type, event_time desc, rec_offset desc
        """,
        _parameters(twin_no, window, as_of) | {"standing": list(STANDING)},
    )
    found = sorted(await rows.fetchall(), key=lambda row: (row["event_time"], row["rec_offset"]))
    return [_fact(row, topic, partition) for row in found]


# Any: a row of the ledger, and a fact as JSON.
def _fact(row: dict[str, Any], topic: str | None, partition: int) -> dict[str, Any]:
    return {
        "type": row["type"],
        "t": instant_of(row["event_time"]),
        "event_time": text_of(row["event_time"]),
        "record_time": text_of(row["record_time"]),
        "known_at": text_of(row["known_at"]),
        "topic": topic,
        "partition": partition,
        "offset": row["rec_offset"],
        "source": row["source"],
        "id": row["id"],
        "data": row["data"],
    }


async def read_forecasts(
    connection: Connection, twin_no: int, as_of: AsOf, count: int, lane: str = "qualified"
) -> list[dict[str, Any]]:
    """Give the newest `count` forecasts of a lane as of a moment, newest first; of several for one time, the one known
    last. What is learned or simulated beside the twin's own forecast is of the advisory lane."""
    rows = await connection.execute(
        """
        select distinct on (event_time) line, known_at, event_time from effect
        where twin_no = %(no)s and kind = 'forecast' and lane = %(lane)s
          and event_time <= %(at)s and known_at <= %(known_at)s
        order by event_time desc, known_at desc, rec_offset desc, n desc limit %(count)s
        """,
        {"no": twin_no, "count": count, "lane": lane, **as_of.parameters()},
    )
    return [line_of(row) for row in await rows.fetchall()]


def _parameters(twin_no: int, window: Window, as_of: AsOf) -> dict[str, Any]:
    return {
        "no": twin_no,
        "start": moment(window.start),
        "end": moment(window.end),
        "start_us": window.start,
        "bucket": window.bucket,
        **as_of.parameters(),
    }
