"""Read twins: a page of many at a glance, one in full, now or as of a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from schemas.topics import TOPICS
from streams.ledger.reads import (
    AsOf,
    Connection,
    input_topic_of,
    line_of,
    moment,
    read_cursor,
    text_of,
    write_cursor,
)
from streams.ledger.supply_beliefs import read_ahead

State = Literal["critical", "high", "medium", "low", "stale", "normal", "ended", "no_data"]
STATES: tuple[State, ...] = ("critical", "high", "medium", "low", "stale", "normal", "ended", "no_data")
Sort = Literal["urgency", "name", "biomass", "growth_rate", "hours", "updated"]
LARGEST_PAGE = 1000
# Families without a horizon live on facts that come when people enter them. Their twins are stale after so many days
# more than others; assumed: sites report once a week, and a twin on the wall's clock speaks each day.
SPARSE = tuple(topic.family for topic in TOPICS.values() if topic.framed and topic.horizon is None)
SPARSE_DAYS = 8

# One row a twin with its state. A twin with an open alert has that alert's priority as state, stale or not;
# `stale` beside it says that nothing was known of it since `stale_before`, unless its run has ended. A run has ended
# when the twin's last word on batches says so; it was known at most a horizon before the last estimate.
BATCH_TYPES = "('bioreactor.batch_started', 'bioreactor.batch_ended')"
_UNITS = f"""
with worst as (
    select twin_no, count(*) as alerts,
        max(case priority when 'critical' then 4 when 'high' then 3 when 'medium' then 2 else 1 end) as rank
    from open_alert group by twin_no),
unit as (
    select t.no, t.kind, t.key, t.sort_key, t.partition, t.event_time, t.known_at, t.estimate,
        coalesce(w.alerts, 0) as alerts, coalesce(w.rank, 0) as rank, coalesce(b.ended, false) as ended,
        t.estimate is not null and not coalesce(b.ended, false) and t.known_at < %(stale_before)s
            - case when t.kind = any(%(sparse)s) then %(sparse_days)s else 0 end * interval '1 day' as stale
    from twin t left join worst w on w.twin_no = t.no
    left join lateral (
        select f.type = 'bioreactor.batch_ended' as ended from fact f
        where f.twin_no = t.no and f.type in {BATCH_TYPES}
          and f.known_at >= t.known_at - interval '1 day' and f.known_at <= t.known_at + interval '1 day'
        order by f.event_time desc, f.rec_offset desc limit 1) b on true
    where %(kind)s::text is null or t.kind = %(kind)s),
stated as (
    select *, case
        when rank > 0 then (array['low', 'medium', 'high', 'critical'])[rank]
        when estimate is null then 'no_data' when ended then 'ended' when stale then 'stale' else 'normal' end as state
    from unit)
"""

_SORTS: dict[Sort, str] = {
    "urgency": "-(rank * 10 + case state when 'no_data' then 0 when 'ended' then 1 when 'stale' then 3 else 2 end)",
    "name": "0",
    "biomass": "-(estimate #>> '{state,biomass,mean}')::float8",
    "growth_rate": "-(estimate #>> '{state,growth_rate,mean}')::float8",
    "hours": "-(estimate ->> 'hours')::float8",
    "updated": "-extract(epoch from known_at)",
}


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What to list. `stale_before` [us]: a running twin last known of earlier is stale."""

    stale_before: int
    kind: str | None = None
    search: str = ""
    states: tuple[State, ...] = ()
    sort: Sort = "urgency"
    limit: int = 100
    cursor: str | None = None


async def count_states(connection: Connection, query: PageQuery) -> dict[str, int]:
    """Count twins by state, over all that match the search; `stale` counts those with alerts too, `all` is all."""
    rows = await connection.execute(
        _UNITS + f", found as materialized (select state, stale from stated where {_SEARCH})"
        " select state, count(*) as n, count(*) filter (where stale) as stale from found group by 1",
        _parameters(query),
    )
    counts: dict[str, int] = dict.fromkeys(STATES, 0)
    counts["all"] = 0
    stale = 0
    for row in await rows.fetchall():
        counts[row["state"]] += row["n"]
        counts["all"] += row["n"]
        stale += row["stale"]
    counts["stale"] = stale
    return counts


async def list_twins(connection: Connection, query: PageQuery) -> dict[str, Any]:
    """Give one page of twins, each with its present state, and the cursor of the next page or None.

    Raises
    ------
    InvalidFieldError
        If the cursor is not one of this list.
    """
    parameters = _parameters(query)
    where = [_SEARCH]
    if query.states:
        where.append("(state = any(%(states)s) or (stale and 'stale' = any(%(states)s)))")
    if query.cursor:
        value, key, no = read_cursor(query.cursor, float, str, int)
        parameters |= {"value": value, "after": key, "no": no}
        where.append('(place, sort_key, no) > (%(value)s, %(after)s collate "C", %(no)s)')
    rows = await connection.execute(
        _UNITS + ", placed as (select *, coalesce((" + _SORTS[query.sort] + ")::float8, 1e308) as place from stated)"
        f" select * from placed where {' and '.join(where)} order by place, sort_key, no limit %(limit)s",
        parameters,
    )
    found = await rows.fetchall()
    more = len(found) > query.limit
    found = found[: query.limit]
    last = found[-1] if more else None
    alerts = await _worst_alerts(connection, [row["no"] for row in found if row["alerts"]])
    expected = await _expected(connection, [row["no"] for row in found])
    targets = await _targets(connection, [row["no"] for row in found if "state" not in (row["estimate"] or {})])
    ahead = await read_ahead(connection, [row["no"] for row in found if row["kind"] == "supply"])
    return {
        "items": [
            _summary(row, alerts.get(row["no"]), expected.get(row["no"])) | _plainly(row, targets, ahead)
            for row in found
        ],
        "next": None if last is None else write_cursor(float(last["place"]), last["sort_key"], last["no"]),
    }


async def find_twin(connection: Connection, kind: str, key: str) -> dict[str, Any] | None:
    """Find one twin's row, or None."""
    rows = await connection.execute(
        "select no, kind, key, partition, event_time, known_at from twin where kind = %s and key = %s", (kind, key)
    )
    return await rows.fetchone()


async def present_batch(connection: Connection, twin_no: int) -> str | None:
    """Give the batch of the run that goes on in a bioreactor, by the newest word on batches; None where none does."""
    rows = await connection.execute(
        f"select type, data ->> 'batch' as batch from fact where twin_no = %s and type in {BATCH_TYPES}"
        " order by event_time desc, rec_offset desc limit 1",
        (twin_no,),
    )
    row = await rows.fetchone()
    return row["batch"] if row is not None and row["type"] == "bioreactor.batch_started" else None


async def read_twin(
    connection: Connection, kind: str, key: str, as_of: AsOf, stale_before: int
) -> dict[str, Any] | None:
    """Give one twin's state as of a moment: the estimate then believed, and how far its record reaches.

    The estimate is the latest by event time among those known; of two for one time, the one known last.
    """
    twin = await find_twin(connection, kind, key)
    if twin is None:
        return None
    estimate = await newest_effect(connection, twin["no"], "estimate", as_of)
    first = await (
        await connection.execute(
            "select event_time, known_at from effect where twin_no = %s and kind = 'estimate'"
            " order by event_time limit 1",
            (twin["no"],),
        )
    ).fetchone()
    ended = await _ended(connection, twin["no"], as_of)
    stale_at = moment(stale_before) - timedelta(days=SPARSE_DAYS if kind in SPARSE else 0)
    return {
        "kind": kind,
        "key": key,
        "topic": input_topic_of(kind),
        "partition": twin["partition"],
        "live": as_of.live,
        "at": text_of(moment(as_of.at)) if as_of.at is not None else None,
        "known_at": text_of(moment(as_of.known_at)) if as_of.known_at is not None else None,
        "last_event_time": text_of(twin["event_time"]),
        "last_known_at": text_of(twin["known_at"]),
        "ended": ended,
        "stale": bool(estimate and not ended and as_of.live and twin["known_at"] < stale_at),
        "extent": {
            "event_time": [text_of(first["event_time"]), text_of(twin["event_time"])] if first else None,
            "known_at": [text_of(first["known_at"]), text_of(twin["known_at"])] if first else None,
        },
        "estimate": estimate,
    }


async def _ended(connection: Connection, twin_no: int, as_of: AsOf) -> bool:
    rows = await connection.execute(
        f"select type from fact where twin_no = %(no)s and type in {BATCH_TYPES} and event_time <= %(at)s"
        " and known_at <= %(known_at)s order by event_time desc, rec_offset desc limit 1",
        {"no": twin_no, **as_of.parameters()},
    )
    row = await rows.fetchone()
    return row is not None and row["type"].endswith(".batch_ended")


async def newest_effect(connection: Connection, twin_no: int, kind: str, as_of: AsOf) -> dict[str, Any] | None:
    """Give a twin's newest effect of a kind as of a moment."""
    rows = await connection.execute(
        "select line, known_at from effect where twin_no = %(no)s and kind = %(kind)s and event_time <= %(at)s"
        " and known_at <= %(known_at)s order by event_time desc, known_at desc, rec_offset desc, n desc limit 1",
        {"no": twin_no, "kind": kind, **as_of.parameters()},
    )
    row = await rows.fetchone()
    return None if row is None else line_of(row)


async def read_sparks(connection: Connection, kind: str, keys: list[str], points: int, hours: float) -> dict[str, Any]:
    """Give a coarse course of each twin's biomass: what was believed at `points` even times in its last `hours`.

    Two index look-ups a point, whatever the length of the record.
    """
    rows = await connection.execute(
        """
        select t.key, (extract(epoch from e.event_time) * 1e6)::bigint as t, e.line
        from twin t
        cross join lateral (
            select greatest(t.event_time - %(hours)s * interval '1 hour', (
                select min(f.event_time) from effect f where f.twin_no = t.no and f.kind = 'estimate')) as since) s
        cross join generate_series(1, %(points)s) as i
        cross join lateral (
            select event_time, line from effect
            where twin_no = t.no and kind = 'estimate'
              and event_time <= s.since + (t.event_time - s.since) * (i::float8 / %(points)s)
            order by event_time desc, known_at desc, rec_offset desc, n desc limit 1) e
        where t.kind = %(kind)s and t.key = any(%(keys)s)
        order by t.key, i
        """,
        {"kind": kind, "keys": keys, "points": points, "hours": hours},
    )
    found: dict[str, Any] = {}
    for row in await rows.fetchall():
        belief = line_of({**row, "known_at": None})["data"].get("state", {}).get("biomass")
        spark = found.setdefault(row["key"], {"t": [], "mean": [], "low": [], "high": []})
        if belief is None or (spark["t"] and spark["t"][-1] == row["t"]):
            continue
        spark["t"].append(row["t"])
        for name in ("mean", "low", "high"):
            spark[name].append(belief[name])
    return found


_SEARCH = (
    "(%(search)s::text is null or key ilike %(search)s or estimate ->> 'batch' ilike %(search)s"
    " or estimate ->> 'phase' ilike %(search)s)"
)


def _parameters(query: PageQuery) -> dict[str, Any]:
    escaped = query.search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return {
        "kind": query.kind,
        "search": f"%{escaped}%" if escaped else None,
        "states": list(query.states),
        "stale_before": moment(query.stale_before),
        "sparse": list(SPARSE),
        "sparse_days": SPARSE_DAYS,
        "limit": query.limit + 1,
    }


async def _worst_alerts(connection: Connection, numbers: list[int]) -> dict[int, dict[str, Any]]:
    if not numbers:
        return {}
    rows = await connection.execute(
        "select distinct on (twin_no) twin_no, last from open_alert where twin_no = any(%s) order by twin_no,"
        " array_position(array['critical', 'high', 'medium', 'low'], priority), raised_at desc",
        (numbers,),
    )
    return {row["twin_no"]: row["last"] for row in await rows.fetchall()}


async def _expected(connection: Connection, numbers: list[int]) -> dict[int, dict[str, Any]]:
    """Give what each twin's newest forecast expects of biomass at its end."""
    rows = await connection.execute(
        "select no, forecast ->> 'id' as id, forecast #>> '{at,-1}' as at, forecast #>> '{units,biomass}' as unit,"
        " forecast #> '{values,biomass,-1}' as quantiles from twin"
        " where no = any(%s) and forecast #> '{values,biomass,-1}' is not null",
        (numbers,),
    )
    found = {}
    for row in await rows.fetchall():
        quantiles = row["quantiles"]
        found[row["no"]] = {
            "id": row["id"],
            "at": row["at"],
            "median": quantiles[len(quantiles) // 2],
            "low": quantiles[0],
            "high": quantiles[-1],
            "unit": row["unit"],
        }
    return found


async def _targets(connection: Connection, numbers: list[int]) -> dict[int, Any]:  # JSON
    """Give the targets that twins' newest forecasts speak of: when each is expected, how probably in time."""
    if not numbers:
        return {}
    rows = await connection.execute(
        "select no, forecast -> 'targets' as targets from twin where no = any(%s) and forecast ? 'targets'", (numbers,)
    )
    return {row["no"]: row["targets"] for row in await rows.fetchall()}


def _plainly(row: dict[str, Any], targets: dict[int, Any], ahead: dict[int, Any]) -> dict[str, Any]:
    """Give what a twin without a filter's state says of itself: the plain values of its estimate, its targets, and of a
    supply twin those of its newest forecast."""
    estimate = row["estimate"] or {}
    if not estimate or "state" in estimate:
        return {}
    beside = ("id", "event_time", "record_time", "model", "key", "kind", "lane", "twin")
    values = {
        name: value for name, value in estimate.items() if isinstance(value, str | int | float) and name not in beside
    }
    return {"values": values, "targets": targets.get(row["no"]), "ahead": ahead.get(row["no"])}


def _summary(row: dict[str, Any], alert: dict[str, Any] | None, expected: dict[str, Any] | None) -> dict[str, Any]:
    estimate = row["estimate"] or {}
    state = estimate.get("state", {})
    return {
        "kind": row["kind"],
        "key": row["key"],
        "state": row["state"],
        "stale": row["stale"],
        "batch": estimate.get("batch"),
        "phase": estimate.get("phase"),
        "hours": estimate.get("hours"),
        "biomass": state.get("biomass"),
        "growth_rate": state.get("growth_rate"),
        "expected": expected,
        "consistent": estimate.get("filter", {}).get("consistent"),
        "open_alerts": row["alerts"],
        "alert": None
        if alert is None
        else {
            "id": alert["id"],
            "priority": alert["data"]["priority"],
            "rule": alert["data"]["rule"],
            "message": alert["data"]["message"],
            "raised_at": alert["event_time"],
        },
        "estimate_id": estimate.get("id"),
        "event_time": text_of(row["event_time"]),
        "known_at": text_of(row["known_at"]),
    }
