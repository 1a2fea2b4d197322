"""A job worker on the job ledger itself: answered once, a killed engine goes on, the past is what was known then."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from schemas.instants import MINUTE, parse_instant
from schemas.jobs import ResimulationRequest
from streams.jobs.past import known_before, read_past
from streams.jobs.ports import Asked, Claimed, Lease
from streams.jobs.store import JobStore
from streams.jobs.worker import Worker
from streams.ledger.connect import connect
from streams.ledger.partitions import make_day
from streams.outputs import EmbeddedOutputs
from tests.support.counting_engine import CountingEngine, specification
from tests.support.engines import rows_of
from tests.support.job_worker import job_worker
from tests.support.jobs import results
from twins.engine import Device

pytestmark = pytest.mark.postgres
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
SLOW = 10_000


def open_store(uri: str) -> JobStore:
    return JobStore(uri, EmbeddedOutputs(uri))


@contextmanager
def working(uri: str) -> Iterator[Worker]:
    worker = job_worker(uri)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: worker.ready)
        yield worker
    finally:
        worker.request_stop()
        thread.join(20.0)


@contextmanager
def process(uri: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of its own process, killed at the end."""
    started = subprocess.Popen([sys.executable, "-m", "tests.support.job_worker", uri, name])
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def submit(uri: str, steps: Sequence[int]) -> None:
    store = open_store(uri)
    store.submit(
        [
            Asked(f"job-{n}", "bioreactor", f"BR-{n}", "growth", AT, question(count), "finish", "")
            for n, count in enumerate(steps)
        ]
    )
    store.close()


def question(steps: int) -> ResimulationRequest:
    return ResimulationRequest(specification(steps, work=SLOW), "asked")


def expected(steps: int) -> bytes:
    """What stands in the answer, whoever gives it."""
    run = CountingEngine().prepare(specification(steps, work=SLOW), (), Device())
    run.run(60.0)
    return f'"mix":"{run.answer().summary["mix"]}"'.encode()


def assert_answered_once(uri: str, steps: Sequence[int]) -> None:
    rows = rows_of(uri, "select id, state, result from job order by no")
    assert [(job, state) for job, state, _ in rows] == [(f"job-{n}", "done") for n in range(len(steps))]
    for (_, _, result), count in zip(rows, steps, strict=True):
        assert expected(count) in bytes(result)
    assert [one.job for one in sorted(results(uri), key=lambda one: one.job)] == [job for job, _, _ in rows]


def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def state(uri: str, job: str) -> str:
    return str(rows_of(uri, "select state from job where id = %s", job)[0][0])


@pytest.mark.faults
def test_a_killed_engine_is_answered_once_and_to_the_same_bits(uri: str) -> None:
    with working(uri) as worker:
        submit(uri, [250])
        until(lambda: rows_of(uri, "select from job_checkpoint"))
        engine = worker.slots[0].process
        assert engine is not None
        os.kill(engine.pid, signal.SIGKILL)
        until(lambda: state(uri, "job-0") == "done")
    assert_answered_once(uri, [250])
    ((attempt, failures, result),) = rows_of(uri, "select attempt, failures, result from job")
    assert (attempt, failures) == (2, 1)
    assert b'"resumed":["1/' in bytes(result)
    assert rows_of(uri, "select from job_checkpoint") == []


@pytest.mark.faults
def test_a_worker_that_goes_leaves_the_job_to_the_next(uri: str) -> None:
    with working(uri):
        submit(uri, [200])
        until(lambda: rows_of(uri, "select from job where share > 0"))
    assert state(uri, "job-0") == "queued"
    with working(uri):
        until(lambda: state(uri, "job-0") == "done")
    assert_answered_once(uri, [200])
    assert rows_of(uri, "select attempt, failures from job") == [(2, 0)]


@pytest.mark.faults
def test_workers_killed_at_random_answer_every_job_once(uri: str) -> None:
    rng = random.Random(20260301)
    steps = [300, 500, 700]
    submit(uri, steps)
    for life in range(3):
        with process(uri, f"w{life}"):
            share = rng.uniform(0.05, 0.6)
            until(partial(rows_of, uri, "select from job where state = 'done' or share > %s", share))
    with process(uri, "last") as last:
        until(lambda: not rows_of(uri, "select from job where state <> 'done'"))
        last.terminate()
        assert last.wait(15.0) == 0
    assert_answered_once(uri, steps)


@pytest.mark.faults
def test_a_frozen_worker_that_wakes_commits_nothing(uri: str) -> None:
    submit(uri, [400])
    with process(uri, "frozen") as frozen:
        until(lambda: rows_of(uri, "select from job_checkpoint"))
        frozen.send_signal(signal.SIGSTOP)
        with process(uri, "other"):
            until(lambda: rows_of(uri, "select from job where worker = 'other'"))
            frozen.send_signal(signal.SIGCONT)
            until(lambda: state(uri, "job-0") == "done")
        assert frozen.poll() is None
    assert_answered_once(uri, [400])
    assert rows_of(uri, "select attempt, worker from job") == [(2, "other")]


def claimed(past_from: datetime | None, *inputs: str) -> Claimed:
    lease = Lease(1, "job-1", 1)
    return Claimed(lease, "bioreactor", "BR-1", "counting", "what_if", specification(), "", inputs, past_from, 0, 0.0)


def test_the_past_is_what_was_known_at_the_request(uri: str) -> None:
    at = parse_instant("2026-03-01T08:00:00Z")
    with connect(uri) as connection:
        make_day(connection, AT.date())
        connection.execute("delete from memory")
        connection.execute("delete from twin where key = 'BR-1'")
        number = connection.execute(
            "insert into twin (kind, key, partition) values ('bioreactor', 'BR-1', 0) returning no"
        ).fetchone()
        assert number is not None
        for minute, offset, body in [(0, 3, b"a"), (1, 5, b"b"), (1, 9, b"later"), (2, 12, b"c"), (-1, 2, b"before")]:
            connection.execute(
                "insert into memory (known_at, twin_no, kind, event_time, rec_offset, body)"
                " values (%s, %s, 'input', to_timestamp(%s), %s, %s)",
                (AT, number[0], (at + minute * MINUTE) / 1e6, offset, body),
            )
    asked = claimed(AT, "bioreactor.events/0/8")
    assert [(row.offset, row.body) for row in read_past(uri, asked)] == [(3, b"a"), (5, b"b")]
    assert [row.body for row in read_past(uri, claimed(AT))] == [b"a", b"later", b"c"]
    assert read_past(uri, claimed(None)) == ()
    assert list(read_past(uri, replace(asked, twin_key="nobody"))) == []


def test_only_the_twins_own_topic_says_what_was_known() -> None:
    assert known_before(claimed(AT, "resim.requests/1/70", "bioreactor.events/0/41")) == 42
    assert known_before(claimed(AT)) > 1 << 60
