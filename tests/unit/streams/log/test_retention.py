"""Retention: whole hours, oldest first, never what is still needed, never in anybody's way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from streams.log import append, beginnings, connect, ends, keep, read

pytestmark = pytest.mark.postgres
Log = psycopg.Connection[Any]


def old_hours(log: Log, hours: int, partitions: int = 2) -> None:
    """Make segments of past hours with one record a partition in each, the oldest first."""
    log.execute("select log_cover(now() - make_interval(hours => h)) from generate_series(1, %s) h", (hours,))
    for hour in range(hours, 0, -1):
        log.execute(
            "insert into log_record (appended_at, topic, partition, rec_offset, value)"
            " select now() - make_interval(hours => %s), h.topic, h.partition, h.next_offset, 'old'"
            " from log_head h join log_topic t on t.no = h.topic where t.name = 'events' and h.partition < %s",
            (hour, partitions),
        )
        log.execute(
            "update log_head h set next_offset = next_offset + 1 from log_topic t"
            " where t.no = h.topic and t.name = 'events' and h.partition < %s",
            (partitions,),
        )


def never(_: str, __: int) -> int | None:
    return None


def test_old_hours_go_and_the_beginning_moves(log: Log) -> None:
    old_hours(log, 6)
    append(log, "events", 0, [(None, b"new", None)])
    dropped = keep(log, timedelta(hours=3), never)
    assert len(dropped) in (2, 3)  # an hour goes when all of it is old
    gone = len(dropped)
    assert beginnings(log, "events")[0] == gone
    assert ends(log, "events")[0] == 7
    assert read(log, "events", 0, 0)[0].offset == gone
    assert keep(log, timedelta(hours=3), never) == []


def test_what_a_checkpoint_needs_stays_whatever_its_age(log: Log) -> None:
    old_hours(log, 6)
    asked: set[tuple[str, int]] = set()

    def checkpoint(topic: str, partition: int) -> int | None:
        asked.add((topic, partition))
        return 2 if (topic, partition) == ("events", 1) else None

    assert len(keep(log, timedelta(hours=1), checkpoint)) == 2
    assert beginnings(log, "events")[1] == 2
    assert asked == {("events", 0), ("events", 1)}


def test_it_waits_for_nobody(log: Log, postgres_uri: str) -> None:
    old_hours(log, 3)
    with connect(postgres_uri, "reader") as reader, reader.transaction():
        read(reader, "events", 0, 0)
        log.execute("set lock_timeout = '300ms'")
        log.execute("set statement_timeout = '1s'")
        assert keep(log, timedelta(hours=1), never) == []
        append(log, "events", 0, [(None, b"others go on", None)])
    assert keep(log, timedelta(hours=1), never) != []


def test_what_a_dead_process_left_detached_is_dropped(log: Log) -> None:
    old_hours(log, 3)
    row = log.execute("select name from log_segment order by until limit 1").fetchone()
    assert row is not None
    log.execute(f"alter table log_record detach partition {row[0]} concurrently".encode())
    keep(log, timedelta(days=9), never)
    assert log.execute("select to_regclass(%s)", (row[0],)).fetchone() == (None,)


def test_hours_ahead_are_made(log: Log) -> None:
    (name,) = log.execute("delete from log_segment where since > now() + interval '2 hours' returning name").fetchall()[
        0
    ]
    log.execute(f"alter table log_record detach partition {name} concurrently".encode())
    log.execute(f"drop table {name}".encode())
    keep(log, timedelta(days=7), never)
    row = log.execute("select count(*) from log_segment where until > now()").fetchone()
    assert row is not None
    assert row[0] >= 4
