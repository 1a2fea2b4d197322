"""How long the job ledger keeps what has ended."""

from __future__ import annotations

from typing import Any

import psycopg

MOST_AT_ONCE = 10_000  # of one call, so that no other statement waits long


def drop_jobs(connection: psycopg.Connection[Any], days: int) -> int:
    """Drop jobs that ended longer ago, with their checkpoints, the oldest first; give how many.

    One whose answer others repeat stays as long as they do.
    """
    return connection.execute(
        "delete from job where no in (select j.no from job j"
        " where j.finished_at < clock_timestamp() - make_interval(days => %s)"
        "   and not exists (select from job other where other.answered_by = j.id"
        "     and other.finished_at >= clock_timestamp() - make_interval(days => %s))"
        " order by j.finished_at limit %s for update skip locked)",
        (days, days, MOST_AT_ONCE),
    ).rowcount
