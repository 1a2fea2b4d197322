"""Read how far one twin's run stood from good ones: the golden scores that its estimates carry, decimated.

Times are whole microseconds since 1970 UTC; columns of equal length. Nothing is computed here but which scores are
shown: limits and contributions are those that were said with each score, so that every one leads back to its record.
"""

from __future__ import annotations

from typing import Any

from schemas.instants import instant_of
from streams.ledger.reads import AsOf, Connection, moment
from streams.ledger.reads_history import Window

COLUMNS = ("model", "maturity", "t2", "t2_limit", "t2_contributions", "spe", "spe_limit", "spe_contributions")


async def read_golden(connection: Connection, twin_no: int, window: Window, as_of: AsOf) -> dict[str, list[Any]]:
    """Give golden scores: of every bucket the one furthest out against its limits, and the newest, with effect ids.

    Returns
    -------
    dict of list
        `t`, `id`, `known_at`, `hours`, and the fields of `GoldenScore` (`schemas/effects.py`), at most a bucket's worth
        more than `window.points`. Empty where no estimate carries a score.
    """
    rows = await connection.execute(
        """
        with scored as (
            select event_time, known_at, topic, partition, rec_offset, n,
                convert_from(line, 'UTF8')::json -> 'data' as d
            from effect
            where twin_no = %(no)s and kind = 'estimate' and event_time between %(start)s and least(%(end)s, %(at)s)
              and known_at <= %(known_at)s
              and position(convert_to('"golden":{', 'UTF8') in line) > 0 -- most estimates carry none: spare their JSON
        ), placed as (
            select *, d -> 'golden' as g,
                floor((extract(epoch from event_time) * 1e6 - %(start_us)s) / %(bucket)s) as bucket,
                event_time = max(event_time) over () as newest
            from scored where json_typeof(d -> 'golden') = 'object'
        )
        select distinct on (bucket, newest) event_time, known_at, topic, partition, rec_offset, n, g,
            d -> 'hours' as hours
        from placed
        order by bucket, newest, greatest(
                (g ->> 't2')::float8 / nullif((g ->> 't2_limit')::float8, 0),
                (g ->> 'spe')::float8 / nullif((g ->> 'spe_limit')::float8, 0)) desc nulls last,
            event_time desc, known_at desc, rec_offset desc, n desc
        """,
        {
            "no": twin_no,
            "start": moment(window.start),
            "end": moment(window.end),
            "start_us": window.start,
            "bucket": window.bucket,
            **as_of.parameters(),
        },
    )
    series: dict[str, list[Any]] = {name: [] for name in ("t", "id", "known_at", "hours", *COLUMNS)}
    for row in sorted(await rows.fetchall(), key=lambda row: row["event_time"]):
        series["t"].append(instant_of(row["event_time"]))
        series["known_at"].append(instant_of(row["known_at"]))
        series["id"].append(f"{row['topic']}/{row['partition']}/{row['rec_offset']}/{row['n']}")
        series["hours"].append(row["hours"])
        for name in COLUMNS:
            series[name].append(row["g"].get(name))
    return series
