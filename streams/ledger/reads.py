"""Read the ledger for people: a small pool of read-only connections, and what all reads share.

What is read stands in `reads_twins.py`, `reads_history.py`, `reads_alerts.py` and `reads_health.py`; every
number they give carries the effect id, or the topic, partition and offset, that it comes from.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from psycopg_pool import AsyncConnectionPool

from schemas.errors import InvalidFieldError
from schemas.instants import LATEST, Instant, moment_of
from schemas.topics import TOPICS
from streams.ledger.connect import options

# A page must not hold the ledger up: a read that takes longer is ended, and its caller told to ask for less [ms].
READ_MS = 10_000
WAIT_SECONDS = 5.0  # for a free connection

Connection = psycopg.AsyncConnection[dict[str, Any]]  # a row's values are of the types the columns have


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment to look at [us since 1970]: `at` bounds event times, `known_at` the times the log knew. None: now."""

    at: Instant | None = None
    known_at: Instant | None = None

    @property
    def live(self) -> bool:
        """Whether this is the present."""
        return self.at is None and self.known_at is None

    def parameters(self) -> dict[str, datetime]:
        """Give both bounds for a statement; the present is a bound that nothing exceeds."""
        return {"at": moment(self.at), "known_at": moment(self.known_at)}


class LedgerReads:
    """A pool of read-only connections to the ledger."""

    def __init__(self, database: str, connections: int = 4) -> None:
        settings = options("twinstream api")
        settings["options"] += f" -c default_transaction_read_only=on -c statement_timeout={READ_MS}"
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            database,
            min_size=1,
            max_size=connections,
            open=False,
            timeout=WAIT_SECONDS,
            check=AsyncConnectionPool.check_connection,
            kwargs={"autocommit": True, "row_factory": psycopg.rows.dict_row, **settings},
        )

    async def open(self) -> None:
        """Begin to connect; does not wait for the database to be there."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection.

        Raises
        ------
        psycopg_pool.PoolTimeout
            If none could be had within WAIT_SECONDS, because the database is away or all are busy.
        """
        async with self._pool.connection() as connection:
            yield connection


def moment(instant: int | None) -> datetime:
    """Give an instant as the driver wants it; none is the far future."""
    return moment_of(LATEST if instant is None else instant)


def line_of(row: dict[str, Any]) -> dict[str, Any]:
    """Read an effect's canonical line, with the time at which the log knew its record."""
    document: dict[str, Any] = msgspec.json.decode(row["line"])
    document["known_at"] = text_of(row["known_at"])
    return document


def text_of(value: datetime | None) -> str | None:
    """Write a time from the database as RFC 3339 in UTC."""
    return None if value is None else value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def input_topic_of(kind: str) -> str | None:
    """Name the topic a twin's facts came on."""
    name = f"{kind}.events"
    return name if name in TOPICS else None


def write_cursor(*values: object) -> str:
    """Write a place in a list as opaque text."""
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(text: str, *kinds: type) -> list[Any]:
    """Read a place in a list back.

    Raises
    ------
    InvalidFieldError
        If this program did not write it for that list.
    """
    try:
        values = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
            raise ValueError(text)
    except (ValueError, RecursionError):
        raise InvalidFieldError(
            expected="a cursor from an earlier page of this list",
            received=repr(text)[:60],
            where="cursor",
            advice="leave it out to begin at the first page",
        ) from None
    return values
