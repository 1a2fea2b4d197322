"""On the embedded log one worker works and another stands by, to take over from one killed, frozen or stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import psycopg
import pytest

from streams.log import Producer, connect, declare, install
from tests.contract.processes import Process

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
TOPIC = "takeover"
LEASE = 6.0
TAKEOVER_SECONDS = 10.0


@pytest.fixture
def uri(postgres_uri: str) -> str:
    with connect(postgres_uri, "test") as conn:
        install(conn)
        declare(conn, TOPIC, 8)
    return postgres_uri


@pytest.fixture
def pair(uri: str, tmp_path: Path) -> Iterator[tuple[Process, Process]]:
    """An active worker, and one that stands by."""
    first = Process(uri, TOPIC, tmp_path / "a", lease=LEASE)
    second = None
    try:
        first.until(first.claimed, 20, "claim")
        second = Process(uri, TOPIC, tmp_path / "b", lease=LEASE)
        _until(lambda: _waits(uri, second.process.pid), 20, "standby")
        yield first, second
    finally:
        first.close()
        if second is not None:
            second.close()


def _until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, f"{what}: not within {seconds:g} s"
        threading.Event().wait(0.05)


def _waits(uri: str, pid: int) -> bool:
    with psycopg.connect(uri, autocommit=True) as conn:
        row = conn.execute(
            "select count(*) from pg_stat_activity where application_name like %s and query like '%%advisory%%'",
            (f"worker-{pid}#%",),
        ).fetchone()
    return row is not None and row[0] > 0


def _write(uri: str, count: int) -> None:
    producer = Producer(uri)
    producer.append(TOPIC, [(b"k%d" % (i % 50), b"v", None) for i in range(count)])
    producer.close()


def test_the_second_stands_by_and_takes_over_from_a_killed_one(uri: str, pair: tuple[Process, Process]) -> None:
    first, second = pair
    _write(uri, 500)
    first.until(lambda: first.offsets() == 500, 10, "frames")
    assert not second.claimed()
    first.signal(signal.SIGKILL)
    took = second.until(second.claimed, TAKEOVER_SECONDS, "take-over")
    print(f"take-over after SIGKILL: {took:.2f} s")
    assert took < LEASE / 2  # the server sees the socket close, nobody waits for the lease
    second.until(lambda: second.offsets() == 500, 10, "frames")


def test_a_frozen_worker_is_replaced_and_ends_when_it_wakes(uri: str, pair: tuple[Process, Process]) -> None:
    first, second = pair
    stop = threading.Event()
    traffic = threading.Thread(target=_notify_until, args=(uri, stop))
    traffic.start()
    try:
        first.signal(signal.SIGSTOP)
        took = second.until(second.claimed, TAKEOVER_SECONDS, "take-over")
        print(f"take-over after SIGSTOP, with notifications flowing: {took:.2f} s")
        frames = sum(word["event"] == "frame" for word in first.said)
        _write(uri, 100)
        second.until(lambda: second.offsets() >= 100, 10, "frames")
        first.signal(signal.SIGCONT)
        assert first.process.wait(5) == 75
        assert sum(word["event"] == "frame" for word in first.said) == frames, "it worked after its lease"
    finally:
        stop.set()
        traffic.join()


def test_a_worker_told_to_stop_hands_over_at_once(pair: tuple[Process, Process]) -> None:
    first, second = pair
    first.signal(signal.SIGINT)
    took = second.until(second.claimed, TAKEOVER_SECONDS, "take-over")
    print(f"take-over after a clean stop: {took:.2f} s")
    assert took < LEASE


def _notify_until(uri: str, stop: threading.Event) -> None:
    """Send more notifications than a socket's buffers hold, as a busy plant does."""
    with connect(uri, "traffic") as conn:
        while not stop.wait(0.005):
            for _ in range(20):
                conn.execute("select pg_notify('twinstream_log', repeat('x', 7000))")
