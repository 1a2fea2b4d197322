"""Read how the corridor is: what was applied by whom, what was set aside, whether the ledger has its shape."""

from __future__ import annotations

from typing import Any

from streams.ledger.reads import Connection, text_of


async def read_applied(connection: Connection) -> list[dict[str, Any]]:
    """Give every partition's applied offset (the next to fold), its owner and epoch."""
    rows = await connection.execute(
        "select topic, partition, next_offset, checkpoint_offset, epoch, owner, claimed_at from applied order by 1, 2"
    )
    return [{**row, "claimed_at": text_of(row["claimed_at"])} for row in await rows.fetchall()]


async def read_trouble(connection: Connection) -> dict[str, Any]:
    """Count records that ended a process, and those left out for good."""
    rows = await connection.execute(
        "select (select count(*) from trouble) as trouble, (select count(*) from skipped) as skipped,"
        " (select count(*) from twin) as twins"
    )
    row = await rows.fetchone()
    return dict(row) if row else {}


async def has_shape(connection: Connection) -> bool:
    """Tell whether the ledger's tables are there."""
    rows = await connection.execute(
        "select to_regclass('twin') is not null and to_regclass('effect') is not null as ok"
    )
    row = await rows.fetchone()
    return bool(row and row["ok"])
