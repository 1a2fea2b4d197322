"""Appending: gapless, all or none, safe to repeat, in a transaction or alone."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from schemas.errors import LogError, TopicMissingError
from schemas.events import read_headers
from schemas.topics import TOPICS, Topic
from streams.log import Batch, append, append_all, connect, declare, ends, install, read
from streams.log.append import MOST_RECORDS

pytestmark = pytest.mark.postgres
Log = psycopg.Connection[Any]


def test_installing_again_changes_nothing(log: Log) -> None:
    append(log, "events", 0, [(b"k", b"v", None)])
    install(log)
    assert ends(log, "events")[0] == 1
    for topic in TOPICS.values():
        assert set(ends(log, topic.name)) == set(range(topic.partitions))


def test_many_processes_may_install_at_once(postgres_uri: str) -> None:
    def run(_: int) -> None:
        with connect(postgres_uri, "test") as conn:
            install(conn)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(8)))


def test_a_topic_keeps_its_number_of_partitions(log: Log) -> None:
    assert declare(log, "events", 8) == 8
    with pytest.raises(LogError, match="found 8, for topic events"):
        declare(log, "events", 4)
    with pytest.raises(LogError, match="expected 3 partitions"):
        install(log, [Topic("events", "", "", partitions=3)])


def test_what_is_appended_is_read(log: Log) -> None:
    placed = append(log, "events", 3, [(b"a", b"1", [("ce_id", b"x")]), (None, None, None), (b"", b"", b"")])
    records = read(log, "events", 3, 0)
    assert [(r.offset, r.key, r.value) for r in records] == [(0, b"a", b"1"), (1, None, None), (2, b"", b"")]
    assert {r.timestamp for r in records} == {placed.timestamp}
    assert read_headers(records[0].headers).ce_id == "x"
    assert append(log, "events", 3, [(b"b", b"2", None)]).offset == 3


def test_several_partitions_in_one_statement_keep_their_own_order(log: Log) -> None:
    batches = [Batch("events", p, [(b"k%d" % i, b"%d" % p, None) for i in range(p + 1)]) for p in (5, 0, 7, 2)]
    placed = append_all(log, batches)
    assert [(p.partition, p.offset) for p in placed] == [(5, 0), (0, 0), (7, 0), (2, 0)]
    for batch in batches:
        assert [(r.key, r.value) for r in read(log, "events", batch.partition, 0)] == [row[:2] for row in batch.rows]


def test_nothing_is_appended_where_one_partition_is_missing(log: Log) -> None:
    for wrong in (Batch("events", 8, [(None, b"x", None)]), Batch("nowhere", 0, [(None, b"x", None)])):
        with pytest.raises(TopicMissingError, match="no partition"):
            append_all(log, [Batch("events", 0, [(None, b"x", None)]), wrong])
    assert set(ends(log, "events").values()) == {0}


def test_an_append_in_a_transaction_is_seen_when_that_commits(log: Log, postgres_uri: str) -> None:
    with connect(postgres_uri, "other") as other:
        with log.transaction():
            append(log, "events", 0, [(b"k", b"v", None)])
            assert read(other, "events", 0, 0) == []
        assert len(read(other, "events", 0, 0)) == 1
        with log.transaction(force_rollback=True):
            append(log, "events", 0, [(b"k", b"undone", None)])
        assert append(log, "events", 0, [(b"k", b"next", None)]).offset == 1


def test_the_same_batch_number_again_appends_nothing(log: Log) -> None:
    batches = [Batch("events", 1, [(b"k", b"v", None)] * 3), Batch("events", 2, [(b"k", b"v", None)])]
    first = append_all(log, batches, "producer", 1)
    assert append_all(log, batches, "producer", 1) == first
    assert ends(log, "events")[1] == 3
    assert append_all(log, batches, "producer", 2)[0].offset == 3
    assert append_all(log, batches, "other", 1)[0].offset == 6


def test_too_many_records_at_once_are_refused(log: Log) -> None:
    with pytest.raises(LogError, match="at most"):
        append(log, "events", 0, [(None, b"", None)] * (MOST_RECORDS + 1))


def test_append_times_never_fall_even_if_the_clock_does(log: Log) -> None:
    append(log, "events", 0, [(None, b"1", None)])
    log.execute("update log_head set appended_at = now() + interval '2 minutes' where partition = 0")
    append(log, "events", 0, [(None, b"2", None)])
    append(log, "events", 0, [(None, b"3", None)])
    times = [record.timestamp for record in read(log, "events", 0, 0)]
    assert times == sorted(times)
    assert times[2] == times[1] > times[0] + 60_000


def test_a_segment_that_nobody_made_is_made_by_the_append(log: Log) -> None:
    log.execute("update log_head set appended_at = now() + interval '3 days' where partition = 4")
    append(log, "events", 4, [(None, b"x", None)])
    assert len(read(log, "events", 4, 0)) == 1


def test_writers_of_the_same_partitions_neither_block_for_ever_nor_leave_gaps(log: Log, postgres_uri: str) -> None:
    seed = 7
    print("seed", seed)
    done = threading.Event()
    torn: list[str] = []

    def write(number: int) -> int:
        chance = random.Random(seed + number)
        total = 0
        with connect(postgres_uri, "writer") as conn:
            for _ in range(60):
                partitions = chance.sample(range(8), chance.randint(1, 8))
                append_all(conn, [Batch("events", p, [(b"w%d" % number, b"v", None)] * 5) for p in partitions])
                total += 5 * len(partitions)
        return total

    def watch() -> None:
        with connect(postgres_uri, "watcher") as conn:
            while not done.is_set():
                offsets = [record.offset for record in read(conn, "events", 3, 0)]
                if offsets != list(range(len(offsets))):
                    torn.append(f"{offsets[:3]}..{offsets[-3:]}")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            total = sum(pool.map(write, range(4)))
    finally:
        done.set()
        watcher.join()
    assert torn == []
    assert sum(ends(log, "events").values()) == total
