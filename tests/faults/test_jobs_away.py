"""The job ledger is away, its disk is full, clocks step, workers drain, a newer version takes over: jobs go on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import PostgresServer
from tests.faults.job_pool import Pool
from tests.faults.workers import until
from tests.support.engines import prepared, rows_of
from tests.support.jobs import change

pytestmark = [pytest.mark.postgres, pytest.mark.faults]

_FULL = (
    "create function disk_full() returns trigger language plpgsql as $$ begin"
    " raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$"
)
_FILLED = ("job", "job_checkpoint", "log_record")


def test_the_database_goes_and_comes_back_with_jobs_running(own_postgres: PostgresServer, tmp_path: Path) -> None:
    with Pool(prepared(own_postgres.database()), tmp_path) as pool:
        pool.ask(*[20] * 20, 1500, 1500)
        dispatcher, worker = pool.launch("dispatcher"), pool.launch("worker")
        pool.until("share > 0.1 and spec like '%%1500%%'", 2)
        for _ in range(2):
            own_postgres.stop()
            own_postgres.start()
            done = pool.count("state = 'done'")
            pool.ask(*[20] * 5)
            pool.until("state = 'done'", done + 5)
        pool.all_ended()
        assert (dispatcher.code, worker.code) == (None, None)
        pool.assert_each_answered_once()
        assert pool.count("failures > 0") == 0


def test_a_full_disk_is_waited_for(pool: Pool) -> None:
    """What writes fails with SQLSTATE 53100, as it does where a file cannot grow."""
    dispatcher, worker = pool.launch("dispatcher"), pool.launch("worker")
    pool.ask(300, 300)
    pool.until("share > 0")
    change(pool.uri, _FULL)
    for table in _FILLED:
        change(pool.uri, f"create trigger full_disk before insert or update on {table} execute function disk_full()")
    for life in (worker, dispatcher):
        until(lambda: "No space left" in life.said(), 30, f"{life.log.stem} to meet it")  # noqa: B023
        if life is worker:
            change(pool.uri, "drop trigger full_disk on log_record")  # what is asked can be written, not taken in
            pool.ask(*[20] * 5)
    assert not pool.count("state = 'done'")
    for table in ("job", "job_checkpoint"):
        change(pool.uri, f"drop trigger full_disk on {table}")
    pool.all_ended()
    assert (dispatcher.code, worker.code) == (None, None)
    pool.assert_each_answered_once()
    assert pool.count("failures > 0") == 0


def test_a_worker_that_drains_leaves_its_jobs_to_another_which_finds_the_same_bits(pool: Pool) -> None:
    pool.ask(800, 800, 20, 20)
    pool.launch("dispatcher")
    first = pool.launch("worker")
    pool.until("share > 0.2 and spec like '%%800%%'", 2)
    first.signal(signal.SIGTERM)
    assert first.wait(10.0) == 0
    given_back = rows_of(pool.uri, "select attempt, failures, lost from job where state = 'queued' and attempt > 0")
    assert given_back == [(1, 0, 0)] * 2
    pool.launch("worker")
    pool.all_ended()
    assert pool.assert_each_answered_once() == 2


def test_an_upgrade_with_jobs_in_flight_begins_them_anew(pool: Pool) -> None:
    names = pool.ask(600, 600)
    pool.launch("dispatcher")
    old = pool.launch("worker")
    pool.until("share > 0.2", 2)
    until(lambda: rows_of(pool.uri, "select from job_checkpoint"), 10, "a checkpoint")
    old.kill()
    pool.launch("worker", engine="NewerEngine")
    pool.all_ended()
    assert pool.assert_each_answered_once() == 0
    assert [one.provenance.versions for one in pool.results()] == [{"counting": "2"}] * len(names)
    assert pool.count("attempt = 2") == len(names)


def test_a_job_longer_than_its_lease_is_run_once(pool: Pool) -> None:
    pool.ask(3000)
    pool.launch("dispatcher")
    for _ in range(2):
        pool.launch("worker", lease_seconds=0.6)
    pool.all_ended()
    ((attempt, lost, seconds),) = rows_of(pool.uri, "select attempt, lost, seconds from job")
    assert (attempt, lost) == (1, 0)
    assert seconds > 2 * 0.6
    pool.assert_each_answered_once()


def test_clocks_that_step_by_an_hour_move_no_lease(pool: Pool) -> None:
    """One host's clock an hour ahead, another's an hour back; then the one ahead is killed: its lease is soon over."""
    pool.launch("dispatcher")
    ahead = pool.launch("worker", name="ahead", places=1, clock_hours=1.0)
    behind = pool.launch("worker", name="behind", places=1, clock_hours=-1.0)
    pool.ask(1500, 1500)
    pool.until("share > 0.05", 2)
    for life in (ahead, behind):
        life.signal(signal.SIGUSR1)
        until(lambda: "has stepped" in life.said(), 10, f"the clock of {life.log.stem} to step")  # noqa: B023
    stepped = dict(rows_of(pool.uri, "select id, share from job"))
    further = "select from job where id = %s and share > %s"
    for name, share in stepped.items():
        until(lambda: rows_of(pool.uri, further, name, share), 20, f"{name} to go on")  # noqa: B023
    left = "select extract(epoch from lease_until - clock_timestamp())::float8 from job where state = 'running'"
    seconds = [found for _ in range(20) for (found,) in rows_of(pool.uri, left)]
    assert len(seconds) == 40
    assert all(0.0 < found <= 1.0 for found in seconds), seconds
    ahead.kill()
    pool.all_ended()
    pool.assert_each_answered_once()
    ended = rows_of(pool.uri, "select attempt, lost, failures, worker from job order by attempt")
    assert ended == [(1, 0, 0, "behind"), (2, 0, 0, "behind")]
