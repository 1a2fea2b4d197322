"""Wake-up by notification, by poll where that fails; and the offsets that groups note."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

import psycopg
import pytest

from streams.log import Producer, Waiter, append, commit_offsets, committed, lag, notify

pytestmark = pytest.mark.postgres
Log = psycopg.Connection[Any]


def listening(log: Log) -> bool:
    row = log.execute(
        "select count(*) from pg_stat_activity where application_name = 'ear' and query ilike 'listen%'"
    ).fetchone()
    return row is not None and row[0] == 1


def wait_for(condition: Any) -> None:
    end = monotonic() + 10
    while not condition():
        assert monotonic() < end
        threading.Event().wait(0.01)


def test_news_between_reading_and_waiting_is_not_missed(log: Log, postgres_uri: str) -> None:
    woken = threading.Event()
    waiter = Waiter(postgres_uri, {"events"}, wake=woken.set, name="ear").start()
    wait_for(lambda: listening(log))
    seen = waiter.count
    notify(log, ["events"])
    assert woken.wait(5)
    assert waiter.wait(seen, 5.0)
    waiter.close()


def test_other_topics_do_not_wake(log: Log, postgres_uri: str) -> None:
    waiter = Waiter(postgres_uri, {"events"}, name="ear").start()
    wait_for(lambda: listening(log))
    seen = waiter.count
    notify(log, ["twin.alerts"])
    notify(log, ["events", "twin.alerts"])
    wait_for(lambda: waiter.wait(seen, 0.2))
    assert waiter.count == seen + 1
    waiter.close()


def test_without_news_it_polls(log: Log, postgres_uri: str) -> None:
    waiter = Waiter("host=/nowhere", {"events"}).start()
    began = monotonic()
    assert not waiter.wait(waiter.count, 5.0)
    assert monotonic() - began < 1.0
    waiter.close()


def test_a_producer_wakes_its_readers(log: Log, postgres_uri: str) -> None:
    waiter = Waiter(postgres_uri, {"events"}, name="ear").start()
    wait_for(lambda: listening(log))
    producer = Producer(postgres_uri)
    seen = waiter.count
    producer.append("events", [(b"k", b"v", None)])
    wait_for(lambda: waiter.wait(seen, 1.0))
    producer.close()
    waiter.close()


def test_lag_counts_what_a_group_has_not_noted(log: Log) -> None:
    append(log, "events", 2, [(None, b"v", None)] * 10)
    assert lag(log, "g", "events")[2] == 10
    commit_offsets(log, "g", {("events", 2): 7, ("events", 3): 0})
    assert committed(log, "g") == {("events", 2): 7, ("events", 3): 0}
    commit_offsets(log, "g", {("events", 2): 10})
    assert lag(log, "g", "events")[2] == 0
    assert lag(log, "other", "events")[2] == 10
