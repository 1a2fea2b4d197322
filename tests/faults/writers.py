"""Who writes to the ledger, and when: triggers that note it, for tests that forbid it to somebody."""

from __future__ import annotations

import psycopg

_TABLES = ("reading", "fact", "effect", "checkpoint")


def watch_writers(uri: str) -> None:
    """Note from now on, for each write of history or state, the session's name."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("create table written (writer text not null, target text not null, at timestamptz not null)")
        connection.execute(
            "create function note_writer() returns trigger language plpgsql as $$ begin"
            " insert into written values (current_setting('application_name'), tg_table_name, clock_timestamp());"
            " return null; end $$"
        )
        for table in _TABLES:
            connection.execute(
                f"create trigger note after insert on {table} for each statement execute function note_writer()"
            )


def written_by(uri: str, pid: int) -> dict[str, int]:
    """Count what one worker process wrote, by table."""
    with psycopg.connect(uri, autocommit=True) as connection:
        return dict(
            connection.execute(
                "select target, count(*) from written where writer like %s group by target", (f"%-{pid}-%",)
            ).fetchall()
        )
