"""Following the job ledger: one look for all, the newest word of each job, bounds, an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import psycopg
import pytest

from schemas.jobs import JobProgress
from streams.api import job_watch
from streams.api.job_watch import MOST_PRESENT, MOST_WAITING, Following, JobWatch
from streams.jobs.reads_progress import Looked


class Ledger(JobWatch):
    """A watch over a ledger in memory. `away` makes a look raise."""

    def __init__(self) -> None:
        super().__init__(cast(Any, None))
        self.jobs: dict[int, JobProgress] = {}
        self.away: Exception | None = None
        self.looks = 0
        self.news = asyncio.Event()  # a look was taken in, and the next begins

    async def _look(self) -> Looked:
        self.looks += 1
        self.news.set()
        await asyncio.sleep(0)
        if self.away is not None:
            raise self.away
        return Looked(dict(self.jobs), max(self.jobs, default=0), "now")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_watch, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(job_watch, "RETRY_SECONDS", 0.001)


def told(no: int, share: float = 0.0, state: Any = "running") -> JobProgress:
    return JobProgress(f"j{no}", state, share)


def within(seconds: float, scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), seconds))


async def until(watch: Ledger, ready: Callable[[], bool]) -> None:
    while not ready():
        watch.news.clear()
        await watch.news.wait()


def test_of_each_job_the_newest_word_waits_and_a_slow_one_begins_anew() -> None:
    listener = Following()
    listener.anew = False
    for share in (0.1, 0.2, 0.3):
        listener.offer(told(1, share))
    assert listener.take() == [told(1, 0.3)]
    assert listener.take() == []
    for no in range(MOST_WAITING + 1):
        listener.offer(told(no))
    assert listener.anew
    assert len(listener.waiting) <= MOST_WAITING


def test_all_listeners_are_told_what_is_different_once() -> None:
    async def scenario() -> None:
        watch = Ledger()
        watch.jobs = {1: told(1)}
        one, other = watch.join(), watch.join()
        await until(watch, lambda: watch.looked)
        assert watch.present() == [told(1)]
        watch.jobs = {1: told(1, 0.5), 2: told(2, state="queued")}
        await until(watch, lambda: len(one.waiting) == 2 and len(other.waiting) == 2)
        assert one.take() == [told(1, 0.5), told(2, state="queued")]
        watch.jobs[1] = told(1, 1.0, "done")
        await until(watch, lambda: bool(one.waiting))
        assert one.take() == [told(1, 1.0, "done")]
        looks = watch.looks
        await until(watch, lambda: watch.looks > looks + 3)
        assert not one.waiting, "a job that ended is told once, though looks see it for a while"
        assert watch.present() == [told(2, state="queued")]
        await watch.stop()

    within(10, scenario)


def test_while_nobody_listens_nobody_looks() -> None:
    async def scenario() -> None:
        watch = Ledger()
        listener = watch.join()
        await until(watch, lambda: watch.looked)
        watch.leave(listener)
        assert watch._task is not None
        await watch._task
        looks = watch.looks
        await asyncio.sleep(0)
        assert watch.looks == looks
        watch.jobs = {1: told(1)}
        again = watch.join()
        await until(watch, lambda: watch.present() == [told(1)])
        assert again.anew
        await watch.stop()
        assert again.closed

    within(10, scenario)


def test_an_outage_is_told_and_its_end_too() -> None:
    async def scenario() -> None:
        watch = Ledger()
        watch.join()
        await until(watch, lambda: watch.looked)
        watch.away = psycopg.OperationalError("gone")
        await until(watch, lambda: "OperationalError" in watch.trouble)
        watch.away = None
        await until(watch, lambda: watch.trouble == "")
        await watch.stop()

    within(10, scenario)


def test_of_many_that_wait_the_oldest_are_let_go_and_those_that_run_are_kept() -> None:
    async def scenario() -> None:
        watch = Ledger()
        watch.jobs = {0: told(0), **{no: told(no, state="queued") for no in range(1, MOST_PRESENT + 100)}}
        watch.join()
        await until(watch, lambda: watch.looked)
        kept = {one.job for one in watch.present()}
        assert len(kept) == MOST_PRESENT
        assert {"j0", f"j{MOST_PRESENT + 99}"} <= kept
        assert "j1" not in kept
        await watch.stop()

    within(10, scenario)
