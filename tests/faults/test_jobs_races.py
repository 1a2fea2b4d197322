"""Somebody cancels or asks anew while a worker answers, and calls of the database are lost or doubled: one end each."""

from __future__ import annotations

import random
import signal
from collections import Counter
from datetime import UTC, datetime

import pytest

from schemas.jobs import ResimulationRequest
from streams.jobs import store as store_module
from streams.jobs.ports import Asked
from tests.faults.job_pool import WORK, Life, Pool
from tests.faults.workers import until
from tests.support.counting_engine import specification
from tests.support.engines import rows_of
from tests.support.jobs import change, open_store, said

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261124
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def frozen_with_its_answer(pool: Pool) -> Life:
    """A worker that has an answer, and says nothing to the ledger until it is woken; its lease goes on."""
    pool.ask(20)
    life = pool.launch("worker", at="finish", act="stop", places=1, lease_seconds=60.0)
    pool.launch("dispatcher")
    until(life.stopped, 30, "an answer; " + pool.told())
    return life


def test_what_is_cancelled_before_its_answer_is_committed_is_cancelled(pool: Pool) -> None:
    worker, store = frozen_with_its_answer(pool), open_store(pool.uri)
    assert store.cancel("job-0", "Kim", "wrong run")
    worker.signal(signal.SIGCONT)
    pool.until("state = 'cancelled'")
    assert not store.cancel("job-0", "Kim", "again")
    store.close()
    pool.ask(20)  # its worker goes on
    pool.until("state = 'done'")
    assert Counter((one.job, one.status) for one in pool.results()) == {("job-0", "cancelled"): 1, ("job-1", "done"): 1}
    assert [headers["ce_id"] for _, _, headers in said(pool.uri, "bioreactor.events")] == ["job-1"]


def test_an_answer_that_was_there_before_the_newer_question_counts(pool: Pool) -> None:
    worker = frozen_with_its_answer(pool)
    pool.ask(30, key="BR-job-0")
    pool.until("wish = 'supersede'")
    worker.signal(signal.SIGCONT)
    pool.all_ended()
    pool.assert_each_answered_once()


def test_cancelled_and_superseded_at_random_moments_each_job_ends_once(pool: Pool) -> None:
    print(f"seed {SEED}")
    rng, store = random.Random(SEED), open_store(pool.uri)
    pool.launch("dispatcher")
    pool.launch("worker")
    told: dict[str, bool] = {}
    for _ in range(15):
        cancelled, superseded = pool.ask(rng.randint(20, 300), rng.randint(20, 300))
        share = rng.uniform(0.0, 1.0)
        moved = "state <> 'queued' and (share >= %s or state <> 'running') and id = any(%s)"
        names = [cancelled, superseded]
        until(lambda: rows_of(pool.uri, f"select from job where {moved}", share, names), 30, pool.told())  # noqa: B023
        if pool.state(cancelled):
            told[cancelled] = store.cancel(cancelled, "Kim", "no need")
        pool.ask(10, key=f"BR-{superseded}")
    store.close()
    pool.all_ended()
    states = dict(rows_of(pool.uri, "select id, state from job"))
    assert set(states) == set(pool.asked)
    for name, heard in told.items():
        assert states[name] == ("cancelled" if heard else "done"), name
    assert Counter(one.job for one in pool.results()) == Counter(list(states))
    without = tuple(name for name, state in states.items() if state in ("cancelled", "superseded"))
    pool.assert_each_answered_once(without)
    events = {headers["ce_id"] for _, _, headers in said(pool.uri, "bioreactor.events")}
    assert not events & set(without)
    print(Counter(states.values()))
    assert {True, False} == set(told.values())


def test_a_lost_call_costs_a_moment_and_a_doubled_one_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.launch("worker")
    pool.launch("worker")
    until(lambda: len(rows_of(pool.uri, "select from pg_stat_activity where query ilike 'listen%%'")) == 2, 30, "ears")

    def submit(*steps: int) -> None:
        store = open_store(pool.uri)
        for count in steps:
            name, spec = f"job-{len(pool.asked)}", specification(count, work=WORK, seed=len(pool.asked))
            pool.asked[name] = spec
            asked = ResimulationRequest(spec, "growth slows")
            store.submit([Asked(name, "bioreactor", f"BR-{name}", "growth", AT, asked, "finish", "")])
        store.close()

    with monkeypatch.context() as lost:
        lost.setattr(store_module, "_TELL", "select 1")
        submit(20, 20, 20)
        pool.all_ended(10.0)
    for _ in range(30):
        change(pool.uri, f"select pg_notify('{store_module.CHANNEL}', '')")
    submit(*[20] * 10)
    for _ in range(30):
        change(pool.uri, f"select pg_notify('{store_module.CHANNEL}', '')")
    pool.all_ended(20.0)
    pool.assert_each_answered_once()
    assert pool.count("attempt = 1") == len(pool.asked)
