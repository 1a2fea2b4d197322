"""Bring a database to the ledger's newest shape.

Migrations are numbered SQL files, each run once, all that are missing in one transaction.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import psycopg

from schemas.errors import LedgerError

_LOCK = 7_205_001  # advisory: one migration at a time


def migrate(connection: psycopg.Connection[Any]) -> list[str]:
    """Run what has not run yet; give the names of what ran.

    Raises
    ------
    LedgerError
        If the database was shaped by a newer twinstream.
    """
    files = {
        entry.name: entry.read_text()
        for entry in sorted(resources.files("streams.ledger").joinpath("migrations").iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".sql")
    }
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(
            "create table if not exists migration (name text primary key, ran_at timestamptz not null default now())"
        )
        done = {row[0] for row in connection.execute("select name from migration")}
        unknown = done - files.keys()
        if unknown:
            raise LedgerError(
                f"expected migrations up to {max(files)}, found {sorted(unknown)} in the database: it was written by a"
                " newer twinstream; upgrade this one"
            )
        ran = [name for name in files if name not in done]
        for name in ran:
            connection.execute(files[name].encode())
            connection.execute("insert into migration (name) values (%s)", (name,))
    return ran
