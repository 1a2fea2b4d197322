"""The only file with TimescaleDB's statements.

NOT RUN IN CI: no package of the extension can be had there. Written after TimescaleDB 2.20's documentation of
`create_hypertable`, `drop_chunks` and columnstore policies; check each against a real server before relying on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import psycopg

COLUMNSTORE_AFTER = "7 days"


def present(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether the extension is installed in this database."""
    row = connection.execute("select 1 from pg_extension where extname = 'timescaledb'").fetchone()
    return row is not None


def make_hypertables(connection: psycopg.Connection[Any], tables: Sequence[str]) -> None:
    """Turn the history tables into hypertables with daily chunks.

    A natively partitioned table cannot become one, so each is made anew; that is only right while it is empty,
    which holds right after the migrations.
    """
    for table in tables:
        done = connection.execute(
            "select 1 from timescaledb_information.hypertables where hypertable_name = %s", (table,)
        ).fetchone()
        if done is not None:
            continue
        connection.execute(f"create table {table}_plain (like {table} including all)")
        connection.execute(f"drop table {table}")
        connection.execute(f"alter table {table}_plain rename to {table}")
        connection.execute(f"select create_hypertable('{table}', by_range('known_at', interval '1 day'))")
        connection.execute(
            f"alter table {table} set (timescaledb.enable_columnstore, timescaledb.segmentby = 'twin_no',"
            " timescaledb.orderby = 'event_time')"
        )
        connection.execute(f"call add_columnstore_policy('{table}', after => interval '{COLUMNSTORE_AFTER}')")


def drop_before(connection: psycopg.Connection[Any], tables: Sequence[str], day: date) -> list[str]:
    """Drop all chunks older than a day; give their names."""
    return [
        str(name)
        for table in tables
        for (name,) in connection.execute("select drop_chunks(%s, older_than => %s::timestamptz)", (table, day))
    ]
