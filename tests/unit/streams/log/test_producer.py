"""The producer: batches, answers exactly, keeps what it accepted, never twice."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from schemas.errors import LogError, TopicMissingError
from schemas.placement import partition_of
from streams.log import Producer, append_all, connect, declare, ends, install, read
from streams.log import producer as module
from tests.conftest import PostgresServer

pytestmark = pytest.mark.postgres
Log = psycopg.Connection[Any]


def test_each_sender_learns_where_its_own_records_are(log: Log, postgres_uri: str) -> None:
    producer = Producer(postgres_uri)
    keys = [b"k%d" % i for i in range(200)]
    answers = [producer.send("events", [(key, key, None)]) for key in keys]
    for key, answer in zip(keys, answers, strict=True):
        (placed,) = answer.result(10)
        assert placed.partition == partition_of(key, 8)
        assert read(log, "events", placed.partition, placed.offset, 1)[0].value == key
    producer.close()


def test_more_than_fits_in_one_statement_is_split_and_answered_together(
    log: Log, postgres_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_RECORDS", 10)
    monkeypatch.setattr(module, "BATCH_BYTES", 1000)
    producer = Producer(postgres_uri)
    rows = [(b"k", b"%d" % i * (100 if i == 50 else 1), None) for i in range(95)]
    placed = producer.append("events", rows, partition=2)
    assert placed[0].offset == 0
    assert [r.value for r in read(log, "events", 2, 0)] == [row[1] for row in rows]
    producer.close()


def test_a_refused_record_does_not_refuse_its_neighbours(log: Log, postgres_uri: str) -> None:
    producer = Producer(postgres_uri)
    answers = [producer.send(topic, [(b"k", b"v", None)]) for topic in ("events", "nowhere", "events")]
    answers.append(producer.send("events", [(b"k", b"v", None)], partition=99))
    answers[0].result(10)
    answers[2].result(10)
    for refused in (answers[1], answers[3]):
        with pytest.raises(TopicMissingError):
            refused.result(10)
    assert sum(ends(log, "events").values()) == 2
    producer.close()


def test_a_lost_reply_doubles_nothing(log: Log, postgres_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = append_all
    calls: list[int] = []

    def cut(conn: psycopg.Connection[Any], batches: Any, producer: str | None, number: int) -> Any:
        placed = whole(conn, batches, producer, number)
        calls.append(number)
        if len(calls) == 1:
            conn.close()
            raise psycopg.OperationalError("the reply was lost")
        return placed

    monkeypatch.setattr(module, "append_all", cut)
    producer = Producer(postgres_uri)
    (placed,) = producer.append("events", [(b"k", b"v", None)] * 3, partition=0)
    assert calls == [1, 1]
    assert placed.offset == 0
    assert ends(log, "events")[0] == 3
    producer.close()


def test_it_keeps_what_it_accepted_while_the_database_is_away(own_postgres: PostgresServer) -> None:
    with connect(own_postgres.uri, "test") as conn:
        install(conn)
        declare(conn, "events", 8)
    producer = Producer(own_postgres.uri)
    producer.append("events", [(b"k", b"0", None)], partition=0)
    own_postgres.stop()
    answers = [producer.send("events", [(b"k", b"%d" % i, None)], partition=0) for i in range(1, 50)]
    with pytest.raises(LogError, match="is the database away"):
        producer.append("events", [(b"k", b"50", None)], partition=0, timeout=0.3)
    assert not any(answer.done() for answer in answers)
    own_postgres.start()
    for answer in answers:
        answer.result(20)
    assert producer.flush(20)
    with connect(own_postgres.uri, "test") as conn:
        assert [r.value for r in read(conn, "events", 0, 0)] == [b"%d" % i for i in range(51)]
    producer.close()


def test_what_is_pending_is_bounded(postgres_uri: str, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENDING_RECORDS", 10)
    producer = Producer(postgres_uri)
    with log.transaction():
        log.execute("select * from log_head for update")  # nobody can append
        producer.send("events", [(b"k", b"v", None)] * 10)
        assert producer.full
        with pytest.raises(LogError, match="room"):
            producer.send("events", [(b"k", b"v", None)], wait_seconds=0.1)
    producer.append("events", [(b"k", b"v", None)])
    assert sum(ends(log, "events").values()) == 11
    producer.close()


def test_threads_share_one_producer(log: Log, postgres_uri: str) -> None:
    producer = Producer(postgres_uri)

    def write(number: int) -> None:
        for i in range(50):
            producer.append("events", [(b"w%d" % number, b"%d" % i, None)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    producer.close()
    for number in range(6):
        key = b"w%d" % number
        got = [r.value for r in read(log, "events", partition_of(key, 8), 0) if r.key == key]
        assert got == [b"%d" % i for i in range(50)]
    with pytest.raises(LogError, match="closed"):
        producer.send("events", [(b"k", b"v", None)])
