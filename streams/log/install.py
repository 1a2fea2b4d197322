"""Install the log's tables and declare topics. Both may run again at any time, from any number of processes."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import psycopg

from schemas.errors import LogError
from schemas.topics import TOPICS, Topic

_LOCK = "select pg_advisory_xact_lock(7504, 0)"


def install(conn: psycopg.Connection[Any], topics: Iterable[Topic] = tuple(TOPICS.values())) -> None:
    """Create what is missing, declare `topics`, and make segments for now and the hours to come."""
    schema = files("streams.log").joinpath("schema.sql").read_bytes()
    with conn.transaction():
        conn.execute(_LOCK)
        conn.execute(schema)
        for topic in topics:
            _declare(conn, topic.name, topic.partitions)
        cover_ahead(conn)


def declare(conn: psycopg.Connection[Any], name: str, partitions: int) -> int:
    """Declare one topic, and say how many partitions it has.

    Raises
    ------
    LogError
        If the topic exists with another number: the placement of its keys depends on it.
    """
    with conn.transaction():
        conn.execute(_LOCK)
        return _declare(conn, name, partitions)


def cover_ahead(conn: psycopg.Connection[Any], hours: int = 3) -> None:
    """Make the segments of this hour and the next ones, before any append needs them."""
    conn.execute(
        "select log_cover(now() + make_interval(hours => h)) from generate_series(0, %s) h"
        " where not exists (select from log_segment s where s.since <= now() + make_interval(hours => h)"
        " and s.until > now() + make_interval(hours => h))",
        (hours,),
    )


def _declare(conn: psycopg.Connection[Any], name: str, partitions: int) -> int:
    row = conn.execute("select partitions from log_topic where name = %s", (name,)).fetchone()
    if row is None:
        conn.execute(
            "with t as (insert into log_topic (name, partitions) values (%s, %s) returning no)"
            " insert into log_head (topic, partition) select t.no, p from t, generate_series(0, %s::int - 1) p",
            (name, partitions, partitions),
        )
        return partitions
    if row[0] != partitions:
        raise LogError(
            f"expected {partitions} partitions, found {row[0]}, for topic {name}; a topic keeps its number for life,"
            " use a new name"
        )
    return partitions
