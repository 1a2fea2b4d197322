"""Read corrections: what twins advise their people to do, and what became of earlier advice."""

from __future__ import annotations

from typing import Any, Literal

from streams.ledger.reads import AsOf, Connection
from streams.ledger.reads_alerts import page_of
from streams.ledger.reads_twins import find_twin

Action = Literal["recommend", "audit", "decide"]


async def list_corrections(
    connection: Connection,
    kind: str | None,
    key: str | None,
    as_of: AsOf,
    action: Action | None,
    limit: int,
    cursor: str | None,
) -> dict[str, Any] | None:
    """Give one page of corrections, the last known first, of all twins, of a kind, or of one; None without that twin.

    Parameters
    ----------
    key : str or None
        One twin of `kind`.
    as_of : AsOf
        Only what had been said by then, and was known by then.

    Raises
    ------
    InvalidFieldError
        If the cursor is not one of this list.
    """
    where = " and event_time <= %(until)s and known_at <= %(until_known)s"
    bounds = as_of.parameters()
    parameters: dict[str, Any] = {"until": bounds["at"], "until_known": bounds["known_at"]}
    if key is not None:
        twin = await find_twin(connection, kind or "", key)
        if twin is None:
            return None
        where += " and twin_no = %(twin_no)s"
        parameters["twin_no"] = twin["no"]
    if action is not None:
        where += " and convert_from(line, 'UTF8')::json #>> '{data,action}' = %(action)s"
        parameters["action"] = action
    return await page_of(connection, "correction", kind, limit, cursor, where, parameters)
