"""Read how the pool is: what waits and for how long, what runs where, what was spent, what budgets are left."""

from __future__ import annotations

from typing import Any

from schemas.jobs import PRIORITIES
from streams.ledger.reads import Connection, text_of

MOST_GROUPS = 1000  # of state, priority, kind and tenant
MOST_BUDGETS = 500


async def read_summary(connection: Connection) -> dict[str, Any]:
    """Give the pool at a glance: five statements, each over what an index finds or what is short.

    `queue` holds counts with the age of the oldest [s]; `devices` what runs; `day` what ended within 24 h; `spent`
    device seconds by tenant and kind of what ended or ran within 24 h, all attempts; `budgets` what is left [s].
    """
    return {
        "queue": await _queue(connection),
        "devices": await _devices(connection),
        "day": await _day(connection),
        "spent": await _spent(connection),
        "budgets": await _budgets(connection),
        "expired": await _expired(connection),
    }


async def _queue(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.execute(
        "select state, priority, kind, tenant, count(*) as count,"
        " extract(epoch from now() - min(asked_at))::float8 as oldest_seconds, min(asked_at) as oldest_at"
        " from job where state in ('queued', 'running') group by 1, 2, 3, 4 order by 1, 2, 3, 4 limit %s",
        (MOST_GROUPS,),
    )
    return [
        {**row, "priority": PRIORITIES[row["priority"]], "oldest_at": text_of(row["oldest_at"])}
        for row in await rows.fetchall()
    ]


async def _devices(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.execute(
        "select device, count(*) as running, count(distinct worker) as workers,"
        " count(*) filter (where lease_until < now()) as expired"
        " from job where state = 'running' group by 1 order by 2 desc, 1 limit 100"
    )
    return [dict(row) for row in await rows.fetchall()]


async def _day(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.execute(
        "select kind, state as outcome, count(*) as count, count(*) filter (where answered_by is not null) as cached"
        " from job where finished_at >= now() - interval '1 day' group by 1, 2 order by 1, 2 limit %s",
        (MOST_GROUPS,),
    )
    return [dict(row) for row in await rows.fetchall()]


async def _spent(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.execute(
        "select tenant, kind, sum(seconds) as seconds, sum(jobs)::bigint as jobs from ("
        " select tenant, kind, seconds, 1 as jobs from job where finished_at >= now() - interval '1 day'"
        " union all select tenant, kind, seconds, 1 from job where state = 'running') as spent"
        " group by 1, 2 order by 3 desc, 1, 2 limit %s",
        (MOST_GROUPS,),
    )
    return [dict(row) for row in await rows.fetchall()]


async def _budgets(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.execute(
        "select b.tenant, b.kind, b.seconds_per_hour, b.most_seconds, job_budget_left(b) as left_seconds"
        " from job_budget b order by 1, 2 limit %s",
        (MOST_BUDGETS,),
    )
    return [dict(row) for row in await rows.fetchall()]


async def _expired(connection: Connection) -> int:
    rows = await connection.execute("select count(*) as n from job where state = 'running' and lease_until < now()")
    row = await rows.fetchone()
    return int(row["n"]) if row else 0
