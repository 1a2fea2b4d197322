"""History in daily pieces: hypertables where TimescaleDB is, native partitions else.

TimescaleDB's own statements stand in `timescale.py` alone.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

import psycopg

from streams.ledger import timescale

HISTORY = ("reading", "fact", "effect", "memory")
AHEAD_DAYS = 2
_LOCK = 7_205_003  # advisory: two workers do not make one day at once
_EPOCH = date(1970, 1, 1)
# Rows are only ever added: a vacuum finds nothing to free, and statistics age slowly. PostgreSQL's own thresholds would
# have both run without pause through the first hours of each day.
_HOUSEKEEPING = (
    "autovacuum_vacuum_insert_threshold = 2000000, autovacuum_vacuum_insert_scale_factor = 1,"
    " autovacuum_analyze_threshold = 500000, autovacuum_analyze_scale_factor = 0.5"
)


class Partitions:
    """Knows which days have their partitions; makes the missing ones before rows need them."""

    def __init__(self) -> None:
        self._ready: set[int] = set()
        self._hypertables: bool | None = None

    def forget(self) -> None:
        """Look again: what was made may not have become durable."""
        self._ready.clear()
        self._hypertables = None

    def ensure(self, connection: psycopg.Connection[Any], days: Collection[int]) -> None:
        """Make room for rows known on some days (since 1970), and on the days after, in a transaction of its own."""
        if self._ready.issuperset(days):
            return
        newest = max(days)
        wanted = {*days, *range(newest, newest + 1 + AHEAD_DAYS)} - self._ready
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            if self._hypertables is None:
                self._hypertables = timescale.present(connection)
            if self._hypertables:
                timescale.make_hypertables(connection, HISTORY)
            else:
                for day in sorted(wanted):
                    make_day(connection, _EPOCH + timedelta(days=day))
        self._ready.update(wanted)


def make_day(connection: psycopg.Connection[Any], day: date) -> None:
    """Make one day's partition of each history table, if it is not there."""
    for table in HISTORY:
        connection.execute(
            f"create table if not exists {table}_{day:%Y%m%d} partition of {table}"
            f" for values from ('{day} 00:00+00') to ('{day + timedelta(days=1)} 00:00+00') with ({_HOUSEKEEPING})"
        )


def drop_before(connection: psycopg.Connection[Any], day: date) -> list[str]:
    """Drop the partitions of all days before one; give their names."""
    if timescale.present(connection):
        return timescale.drop_before(connection, HISTORY, day)
    dropped = []
    for table in HISTORY:
        names = connection.execute(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = %s::regclass",
            (table,),
        ).fetchall()
        for (name,) in names:
            if name.removeprefix(f"{table}_") < f"{day:%Y%m%d}":
                connection.execute(f"drop table {name}")
                dropped.append(name)
    return dropped
