"""Read alerts and rejects: what stands open, what was said, and what could not be used and why."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.instants import parse_instant
from streams.ledger.reads import AsOf, Connection, line_of, moment, read_cursor, text_of, write_cursor
from streams.ledger.reads_twins import find_twin

MOST_OPEN = 500  # shown at once; the count is told in full
MOST_OF_ONE = 5000  # alert messages of one twin that are folded for a moment
COUNTED = 50_000  # newest rejects whose reasons are counted

_PRIORITY = "array_position(array['critical', 'high', 'medium', 'low'], a.priority)"


async def list_open_alerts(connection: Connection, kind: str | None, limit: int = MOST_OPEN) -> dict[str, Any]:
    """Give the alerts that stand open now, the most urgent and newest first, and their number by priority."""
    rows = await connection.execute(
        "select a.id, a.priority, a.raised_at, a.last, t.kind, t.key from open_alert a join twin t on t.no = a.twin_no"
        " where %(kind)s::text is null or t.kind = %(kind)s"
        f" order by {_PRIORITY}, a.raised_at desc, a.id limit %(limit)s",
        {"kind": kind, "limit": limit},
    )
    items = [
        {
            "alert": row["id"],
            "kind": row["kind"],
            "key": row["key"],
            "raised_at": text_of(row["raised_at"]),
            "last": row["last"],
        }
        for row in await rows.fetchall()
    ]
    counted = await connection.execute(
        "select a.priority, count(*) as n from open_alert a join twin t on t.no = a.twin_no"
        " where %(kind)s::text is null or t.kind = %(kind)s group by 1",
        {"kind": kind},
    )
    counts = dict.fromkeys(("critical", "high", "medium", "low"), 0)
    for row in await counted.fetchall():
        counts[row["priority"]] = row["n"]
    return {"items": items, "counts": counts, "total": sum(counts.values()), "next": None}


async def list_alert_messages(
    connection: Connection, kind: str | None, limit: int, cursor: str | None
) -> dict[str, Any]:
    """Give raises, updates and clears of all twins, the last known first."""
    return await page_of(connection, "alert", kind, limit, cursor)


async def read_alerts_of(connection: Connection, kind: str, key: str, as_of: AsOf) -> list[dict[str, Any]] | None:
    """Give the alerts of one twin as of a moment, newest first, each with all its messages; None without that twin."""
    twin = await find_twin(connection, kind, key)
    if twin is None:
        return None
    rows = await connection.execute(
        "select line, known_at from effect where twin_no = %(no)s and kind = 'alert' and event_time <= %(at)s"
        " and known_at <= %(known_at)s order by event_time desc, known_at desc, rec_offset desc, n desc limit %(most)s",
        {"no": twin["no"], "most": MOST_OF_ONE, **as_of.parameters()},
    )
    alerts: dict[str, dict[str, Any]] = {}
    for row in reversed(await rows.fetchall()):
        effect = line_of(row)
        data = effect["data"]
        alert = alerts.setdefault(data["alert"], {"alert": data["alert"], "key": key, "kind": kind, "messages": []})
        alert["messages"].append(effect)
        alert["open"] = data["action"] in ("raise", "update")
        if data["action"] in ("raise", "suppress"):
            alert["suppressed"] = data["action"] == "suppress"
            alert["raised_at"] = effect["event_time"]
        if data["action"] != "clear" or "last" not in alert:
            alert["last"] = effect
        alert["cleared_at"] = effect["event_time"] if data["action"] == "clear" else None
    newest_first = sorted(alerts.values(), key=lambda alert: parse_instant(alert["last"]["event_time"]), reverse=True)
    return sorted(newest_first, key=lambda alert: not alert["open"])


async def list_rejects(connection: Connection, kind: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """Give records, or channels of them, that were not used, with the reason; the last known first."""
    return await page_of(connection, "reject", kind, limit, cursor)


async def count_rejects(connection: Connection, since: int) -> dict[str, Any]:
    """Count rejects known since an instant [us], by reason; at most the newest COUNTED are looked at."""
    rows = await connection.execute(
        """
        select convert_from(line, 'UTF8')::json #>> '{data,reason}' as reason, count(*) as n, max(known_at) as last
        from (select line, known_at from effect where kind = 'reject' and known_at >= %(since)s
              order by known_at desc limit %(most)s) as newest
        group by 1 order by 2 desc, 1
        """,
        {"since": moment(since), "most": COUNTED},
    )
    reasons = [
        {"reason": row["reason"], "count": row["n"], "last_known_at": text_of(row["last"])}
        for row in await rows.fetchall()
    ]
    total = sum(reason["count"] for reason in reasons)
    return {"since": text_of(moment(since)), "total": total, "at_least": total >= COUNTED, "reasons": reasons}


# Any: what a statement takes, and JSON.
async def page_of(
    connection: Connection,
    effect_kind: str,
    kind: str | None,
    limit: int,
    cursor: str | None,
    where: str = "",
    given: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Give one page of effects of a kind, the last known first; `where` narrows it, with parameters `given`."""
    parameters: dict[str, Any] = {
        **given,
        "effect": effect_kind,
        "topic": None if kind is None else f"{kind}.events",
        "limit": limit + 1,
    }
    after = ""
    if cursor:
        known_at, topic, partition, offset, n = read_cursor(cursor, str, str, int, int, int)
        parameters |= {
            "known_at": moment(parse_instant(known_at, "cursor")),
            "t": topic,
            "p": partition,
            "o": offset,
            "n": n,
        }
        after = (
            " and (known_at, topic, partition, rec_offset, n)"
            " < (%(known_at)s, %(t)s::text, %(p)s::int, %(o)s::bigint, %(n)s::int)"
        )
    rows = await connection.execute(
        f"select line, known_at, topic, partition, rec_offset, n from effect where kind = '{effect_kind}'"
        f" and (%(topic)s::text is null or topic = %(topic)s){where}{after}"
        " order by known_at desc, topic desc, partition desc, rec_offset desc, n desc limit %(limit)s",
        parameters,
    )
    found = await rows.fetchall()
    more, found = len(found) > limit, found[:limit]
    return {
        "items": [line_of(row) for row in found],
        "next": write_cursor(
            text_of(found[-1]["known_at"]), *(found[-1][name] for name in ("topic", "partition", "rec_offset", "n"))
        )
        if more
        else None,
    }
