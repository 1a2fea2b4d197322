"""A small pool of connections that write what the interfaces of EPCIS keep: index, captures, queries, subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg_pool import AsyncConnectionPool

from streams.ledger.connect import options
from streams.ledger.reads import WAIT_SECONDS, Connection

CONNECTIONS = 4


class EpcisStore:
    """Connections that may write, each statement committed at once unless in a transaction."""

    def __init__(self, database: str) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            database,
            min_size=0,
            max_size=CONNECTIONS,
            open=False,
            timeout=WAIT_SECONDS,
            check=AsyncConnectionPool.check_connection,
            kwargs={"autocommit": True, "row_factory": psycopg.rows.dict_row, **options("twinstream epcis")},
        )

    async def open(self) -> None:
        """Begin to connect; does not wait for the database to be there."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises PoolTimeout if none could be had within WAIT_SECONDS."""
        async with self._pool.connection() as connection:
            yield connection
