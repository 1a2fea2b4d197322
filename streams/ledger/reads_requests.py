"""Read one twin's requests for a re-simulation: what it asked, why, and how often on that day."""

from __future__ import annotations

from typing import Any

from streams.ledger.reads import AsOf, Connection, line_of


async def read_requests(connection: Connection, twin_no: int, as_of: AsOf, limit: int) -> dict[str, Any]:
    """Give the newest requests as of a moment, newest first, and how many there are.

    Each is the effect with `nth_that_day`: the unit's first, second ... request of its day of UTC, by event time, as
    the budget of a twin counts them (`twins/bioreactor/triggers.py`).
    """
    rows = await connection.execute(
        """
        select line, known_at, count(*) over () as total,
            row_number() over (
                partition by (event_time at time zone 'UTC')::date order by event_time, known_at, rec_offset, n) as nth
        from effect
        where twin_no = %(no)s and kind = 'request' and event_time <= %(at)s and known_at <= %(known_at)s
        order by event_time desc, known_at desc, rec_offset desc, n desc limit %(limit)s
        """,
        {"no": twin_no, "limit": limit, **as_of.parameters()},
    )
    found = await rows.fetchall()
    return {
        "items": [{**line_of(row), "nth_that_day": row["nth"]} for row in found],
        "total": found[0]["total"] if found else 0,
    }
