"""Reading: in order, bounded, many partitions at once."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from schemas.errors import TopicMissingError
from streams.log import Reader, append, beginnings, read
from streams.log.read import _READ

pytestmark = pytest.mark.postgres
Log = psycopg.Connection[Any]


def test_bounds_in_records_and_bytes(log: Log) -> None:
    append(log, "events", 0, [(None, b"x" * 100, None) for _ in range(50)])
    assert len(read(log, "events", 0, 0, limit=7)) == 7
    assert [r.offset for r in read(log, "events", 0, 3, limit_bytes=450)] == [3, 4, 5, 6, 7]


def test_a_record_larger_than_the_bound_comes_alone(log: Log) -> None:
    append(log, "events", 0, [(None, b"y" * 1_000_000, None), (None, b"z", None)])
    assert [len(r.value or b"") for r in read(log, "events", 0, 0, limit_bytes=1000)] == [1_000_000]
    assert [r.offset for r in read(log, "events", 0, 1, limit_bytes=1000)] == [1]


def test_a_missing_topic_is_an_error(log: Log) -> None:
    with pytest.raises(TopicMissingError):
        read(log, "nowhere", 0, 0)


def test_a_reader_follows_many_partitions(log: Log, postgres_uri: str) -> None:
    reader = Reader(postgres_uri)
    positions = {("events", p): 0 for p in range(8)}
    assert reader.read(positions) == {}
    seen: dict[tuple[str, int], list[int]] = {}
    for turn in range(6):
        for p in range(0, 8, 1 + turn % 3):
            append(log, "events", p, [(None, b"v", None)] * (turn + p + 1))
        while got := reader.read(positions, limit=4):
            for place, records in got.items():
                seen.setdefault(place, []).extend(r.offset for r in records)
                positions[place] = records[-1].offset + 1
                assert len(records) <= 4
    for (_, partition), offsets in seen.items():
        assert offsets == list(range(reader.heads[("events", partition)].next))
    assert reader.read({("events", 0): 0}, limit=2)[("events", 0)][0].offset == 0  # back to the start
    reader.close()


def test_a_reader_survives_the_end_of_its_session(log: Log, postgres_uri: str) -> None:
    reader = Reader(postgres_uri, "victim")
    append(log, "events", 0, [(None, b"v", None)])
    assert reader.read({("events", 0): 0})
    log.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'")
    with pytest.raises(psycopg.OperationalError):
        reader.read({("events", 0): 0})
    assert reader.read({("events", 0): 0})
    reader.close()


def test_beginnings_are_zero_at_first(log: Log) -> None:
    assert beginnings(log, "events") == dict.fromkeys(range(8), 0)


def test_only_the_segments_that_can_hold_the_records_are_read(log: Log, postgres_uri: str) -> None:
    """With a week of hourly segments a poll must not open each of them."""
    log.execute("select log_cover(now() - make_interval(hours => h)) from generate_series(1, 24 * 7) h")
    reader = Reader(postgres_uri, "planner")
    append(log, "events", 0, [(None, b"v", None)])
    reader.read({("events", 0): 0})
    append(log, "events", 0, [(None, b"v", None)])
    with reader._session().transaction():
        reader.read({("events", 0): 1})
        row = log.execute(
            "select count(distinct relation) from pg_locks l join pg_stat_activity a using (pid)"
            " join pg_class c on c.oid = relation"
            " where a.application_name = 'planner' and c.relname ~ '^log_record_[0-9]{10}$'"
        ).fetchone()
    assert row is not None
    assert 1 <= row[0] <= 6  # this hour, and those made ahead
    reader.close()


def test_a_reader_that_is_behind_reads_no_more_than_it_asked_for(log: Log, postgres_uri: str) -> None:
    """With statistics of before the newest records, the planner expects none of them, and would sort all that waits."""
    reader = Reader(postgres_uri, "behind")
    rows = [(None, b"v" * 300, None)] * 20_000
    append(log, "events", 0, rows)
    log.execute("analyze log_record")
    append(log, "events", 0, rows)
    reader.read({("events", 0): 39_990})
    append(log, "events", 0, rows)
    topic = reader.heads["events", 0].topic
    plan = reader._session().execute(
        f"explain {_READ}", ([0], [topic], [0], [40_000], reader._since_of(("events", 0), 40_000), 100, 1 << 20)
    )
    nodes = "\n".join(row[0] for row in plan.fetchall())
    assert "Sort  (" not in nodes
    assert "Bitmap" not in nodes
    assert "Index Scan" in nodes
    reader.close()
