"""How much may wait in the job ledger: for each tenant, and how many tenants at once. Counted now and then."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import Any

import psycopg

MOST_QUEUED = 250_000  # of one tenant; assumed
MOST_TENANTS = 256  # with something waiting; every claim looks at each of them
_COUNTED_SECONDS = 2.0  # a count is that old at most; in between our own are added


class QueueBounds:
    """Refuses what would make the queue too long. For one thread."""

    def __init__(self, most_queued: int = MOST_QUEUED, most_tenants: int = MOST_TENANTS) -> None:
        self._most_queued = most_queued
        self._most_tenants = most_tenants
        self._queued: dict[str, int] = {}
        self._tenants: set[str] = set()
        self._counted_at = float("-inf")

    def look(self, connection: psycopg.Connection[Any], tenants: Iterable[str]) -> None:
        """Count what waits of some tenants, unless that was done a moment ago."""
        if monotonic() - self._counted_at > _COUNTED_SECONDS:
            self._queued.clear()
            self._tenants = _waiting_tenants(connection, self._most_tenants)
            self._counted_at = monotonic()
        for tenant in set(tenants) - self._queued.keys():
            row = connection.execute(
                "select count(*) from (select from job where state = 'queued' and md5(tenant) = md5(%s) limit %s) as q",
                (tenant, self._most_queued),
            ).fetchone()
            self._queued[tenant] = row[0] if row else 0

    def refuses(self, tenant: str) -> str:
        """Say why one more of a tenant is refused; empty: it is not."""
        if self._queued[tenant] >= self._most_queued:
            return (
                f"expected at most {self._most_queued} jobs waiting of one tenant, tenant {tenant} has as many;"
                " cancel some, or ask again when they are done"
            )
        if tenant not in self._tenants and len(self._tenants) >= self._most_tenants:
            return (
                f"expected at most {self._most_tenants} tenants with jobs waiting, received one more, {tenant};"
                " ask again when others are done"
            )
        return ""

    def count(self, tenant: str, more: int) -> None:
        """Note what was taken in."""
        self._queued[tenant] += more
        self._tenants.add(tenant)

    def forget(self) -> None:
        """Count anew at the next look: a transaction was rolled back."""
        self._counted_at = float("-inf")


def _waiting_tenants(connection: psycopg.Connection[Any], most: int) -> set[str]:
    """Find who has something waiting, by one step of the index a tenant."""
    rows = connection.execute(
        "with recursive t (tenant) as ("
        " (select tenant from job where state = 'queued' order by md5(tenant) limit 1)"
        " union all select (select j.tenant from job j where j.state = 'queued' and md5(j.tenant) > md5(t.tenant)"
        "   order by md5(j.tenant) limit 1) from t where t.tenant is not null)"
        " select tenant from t where tenant is not null limit %s",
        (most,),
    ).fetchall()
    return {row[0] for row in rows}
