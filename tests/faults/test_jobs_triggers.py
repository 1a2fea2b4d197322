"""The same asked ten thousand times, two dispatchers at once, and workers that stand still past their lease."""

from __future__ import annotations

import signal

import pytest

from tests.faults.job_pool import WORK, Pool, question
from tests.faults.job_process import WATCHED
from tests.faults.workers import until
from tests.support.counting_engine import specification
from tests.support.engines import rows_of

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
TRIGGERS = 10_000


@pytest.mark.parametrize("equal", [True, False], ids=["equal", "newer"])
def test_ten_thousand_triggers_through_two_dispatchers_are_at_most_two_runs(pool: Pool, equal: bool) -> None:
    """Equal questions join one run; newer ones, of a kind that finishes what it began, replace each other meanwhile."""

    def trigger(n: int) -> tuple[bytes, bytes]:
        kind, seed = ("counting", 0) if equal else (WATCHED, n)
        return question(f"t{n}", "BR-1", specification(20, work=WORK, kind=kind, seed=seed))

    pool.put(trigger(0))
    for _ in range(2):
        pool.launch("dispatcher")
    worker = pool.launch("worker", at="finish", act="stop", lease_seconds=120.0)
    until(worker.stopped, 30, "a run that goes on while all are asked; " + pool.told())
    for begin in range(1, TRIGGERS, 2000):
        pool.put(*(trigger(n) for n in range(begin, min(begin + 2000, TRIGGERS))))
    taken = "select sum(next_offset) from job_intake"
    until(lambda: rows_of(pool.uri, taken) == [(TRIGGERS,)], 60, "all to be taken in; " + pool.told())
    worker.signal(signal.SIGCONT)
    until(lambda: not pool.count("state in ('queued', 'running')"), 60, "all to end; " + pool.told())
    ((runs, most),) = rows_of(pool.uri, "select sum(attempt), max(attempt) from job")
    print(f"{TRIGGERS} triggers, {runs} runs")
    assert (runs, most) == (1 if equal else 2, 1)
    done = rows_of(pool.uri, "select id from job where state = 'done' order by no")
    assert done == ([("t0",)] if equal else [("t0",), (f"t{TRIGGERS - 1}",)])
    answered = [one.job for one in pool.results()]
    assert len(answered) == len(set(answered)) == pool.count("true")


def test_two_dispatchers_take_in_each_once_though_one_is_frozen_in_its_commit(pool: Pool) -> None:
    pool.ask(*[10] * 40)
    frozen = pool.launch("dispatcher", at="submit_written", act="stop")
    until(frozen.stopped, 30, "the dispatcher to stand still")
    pool.launch("dispatcher")
    pool.launch("worker")
    pool.all_ended()  # the database ends the frozen transaction, and its locks
    frozen.signal(signal.SIGCONT)
    pool.ask(*[10] * 40)
    pool.all_ended()
    assert frozen.code is None
    pool.assert_each_answered_once()


def test_workers_frozen_at_their_answer_and_in_its_commit_commit_nothing_when_they_wake(pool: Pool) -> None:
    pool.ask(200, 200)
    frozen = [pool.launch("worker", at=at, act="stop", places=1, name=at) for at in ("finish", "finish_written")]
    pool.launch("dispatcher")
    until(lambda: all(life.stopped() for life in frozen), 30, "both to stand still; " + pool.told())
    other = pool.launch("worker", name="other")
    pool.all_ended()
    assert rows_of(pool.uri, "select distinct worker, attempt from job") == [("other", 2)]
    for life in frozen:
        life.signal(signal.SIGCONT)
    other.signal(signal.SIGTERM)
    assert other.wait() == 0
    pool.ask(*[40] * 6)  # they are awake: their late answers were refused before they claimed these
    pool.all_ended()
    assert [life.code for life in frozen] == [None, None]
    assert set(rows_of(pool.uri, "select worker from job where attempt = 1")) <= {("finish",), ("finish_written",)}
    pool.assert_each_answered_once()
