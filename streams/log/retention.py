"""Retention: drop whole hours of the log once they are older than kept, and nobody who folds still needs them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import errors, sql

from streams.log.install import cover_ahead

# (topic, partition) -> the lowest offset still needed, such as that of a checkpoint; None: none is.
KeepFrom = Callable[[str, int], int | None]

_PRODUCER_DAYS = 7  # a producer silent for longer will not ask again for its last answer


def keep(conn: psycopg.Connection[Any], age: timedelta, keep_from: KeepFrom) -> list[str]:
    """Make segments for the hours ahead, and drop those whose records are all older than `age` and not needed.

    Oldest first; the first one that must stay ends it, so a partition never has a hole. To be called every few
    minutes by one process; another one at the same time does no harm.

    Parameters
    ----------
    conn : Connection
        Autocommitting: detaching while others read and write cannot be done within a transaction.
    keep_from : callable
        Called for each partition that has records in a segment about to go.

    Returns
    -------
    list of str
        Names of the segments that were dropped.
    """
    cover_ahead(conn)
    _finish_detaching(conn)
    conn.execute("delete from log_producer where appended[1] < now() - make_interval(days => %s)", (_PRODUCER_DAYS,))
    old = conn.execute("select name from log_segment where until <= now() - %s order by until", (age,)).fetchall()
    dropped: list[str] = []
    for (segment,) in old:
        last = _last_offsets(conn, segment)
        if any(_needed(keep_from(name, partition), offset) for name, _, partition, offset in last):
            break
        with conn.transaction():
            for _, topic, partition, offset in last:
                conn.execute(
                    "update log_head set first_offset = greatest(first_offset, %s) where topic = %s and partition = %s",
                    (offset + 1, topic, partition),
                )
        if not _drop(conn, segment):
            break
        dropped.append(segment)
    return dropped


def _needed(lowest: int | None, last: int) -> bool:
    return lowest is not None and last >= lowest


def _last_offsets(conn: psycopg.Connection[Any], segment: str) -> list[tuple[str, int, int, int]]:
    """Give topic, its number, partition and last offset for each partition with records in a segment."""
    query = sql.SQL(
        "select t.name, h.topic, h.partition, m.last from log_head h join log_topic t on t.no = h.topic"
        " cross join lateral ("
        "select max(s.rec_offset) as last from {} s where s.topic = h.topic and s.partition = h.partition) m"
        " where m.last is not null order by 2, 3"
    ).format(sql.Identifier(segment))
    return conn.execute(query).fetchall()


def _drop(conn: psycopg.Connection[Any], segment: str) -> bool:
    """Detach and drop; give up where a long transaction is in the way, to be tried again another time."""
    name = sql.Identifier(segment)
    try:
        conn.execute(sql.SQL("alter table log_record detach partition {} concurrently").format(name))
        conn.execute(sql.SQL("drop table {}").format(name))
    except (errors.LockNotAvailable, errors.QueryCanceled, errors.ObjectNotInPrerequisiteState, errors.UndefinedTable):
        return False
    conn.execute("delete from log_segment where name = %s", (segment,))
    return True


def _finish_detaching(conn: psycopg.Connection[Any]) -> None:
    """End what a process that died between detaching and dropping left behind."""
    pending = conn.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'log_record'::regclass and i.inhdetachpending"
    ).fetchall()
    for (segment,) in pending:
        conn.execute(sql.SQL("alter table log_record detach partition {} finalize").format(sql.Identifier(segment)))
    loose = conn.execute(
        "select s.name from log_segment s where to_regclass(s.name) is null or not exists ("
        "select from pg_inherits i where i.inhparent = 'log_record'::regclass and i.inhrelid = to_regclass(s.name))"
    ).fetchall()
    for (segment,) in loose:
        conn.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(segment)))
        conn.execute("delete from log_segment where name = %s", (segment,))
