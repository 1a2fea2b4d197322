"""Find one recommendation of a twin by its identity."""

from __future__ import annotations

from typing import Any

from streams.ledger.reads import Connection, line_of


async def find_recommendation(connection: Connection, twin_no: int, correction: str) -> dict[str, Any] | None:
    """Give the recommendation's effect, and when the log knew it; None if the twin never gave it."""
    rows = await connection.execute(
        "select line, known_at from effect where twin_no = %s and kind = 'correction'"
        " and convert_from(line, 'UTF8')::json #>> '{data,action}' = 'recommend'"
        " and convert_from(line, 'UTF8')::json #>> '{data,correction}' = %s order by known_at desc limit 1",
        (twin_no, correction),
    )
    row = await rows.fetchone()
    return None if row is None else line_of(row)
