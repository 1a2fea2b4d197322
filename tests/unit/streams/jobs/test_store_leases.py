"""Holding a job and letting it go: fences, the database's clock, checkpoints, each end once."""

from __future__ import annotations

import time
from functools import partial

import psycopg
import pytest

from schemas.errors import LedgerError
from streams.jobs import leases
from streams.jobs.finishing import MOST_LOST
from streams.jobs.ports import MOST_CHECKPOINT_BYTES, MOST_FAILURES, Finished, Progress
from streams.jobs.store import JobStore
from streams.ledger import audit
from tests.support.engines import rows_of
from tests.support.jobs import (
    KIND,
    answer,
    ask,
    change,
    column,
    one,
    open_store,
    race,
    results,
    run_out,
    said,
    states,
    take,
)

pytestmark = pytest.mark.postgres


def test_an_answer_is_row_result_and_event_in_one(store: JobStore, uri: str) -> None:
    store.submit([ask("bioreactor.events/0/3/0")])
    claimed = one(store)
    assert claimed.inputs == ("bioreactor.events/0/3",)
    assert store.finish(answer(claimed))
    assert not store.finish(answer(claimed))
    assert states(uri) == {"bioreactor.events/0/3/0": "done"}
    ((key, value, headers),) = said(uri, "bioreactor.events")
    assert key == b"BR-1"
    assert headers["ce_type"] == "bioreactor.resimulated"
    assert (headers["ce_id"], headers["ce_source"]) == ("bioreactor.events/0/3/0", "twinstream/jobs")
    assert headers["ce_time"] == "2026-03-01T08:00:00Z"
    assert value == said(uri, "resim.results")[0][1] == bytes(column(uri, "bioreactor.events/0/3/0", "result"))


def test_nothing_of_an_answer_stays_when_its_commit_fails(uri: str) -> None:
    def at_step(step: str) -> None:
        if step == "finish_written":
            raise RuntimeError(step)

    store = open_store(uri, at_step)
    store.submit([ask("a")])
    with pytest.raises(RuntimeError):
        store.finish(answer(one(store)))
    assert states(uri) == {"a": "running"}
    assert said(uri, "resim.results") == said(uri, "bioreactor.events") == []
    store.close()


def test_who_froze_commits_nothing_of_any_kind(store: JobStore, uri: str) -> None:
    store.submit([ask("a")])
    frozen = one(store, worker="frozen")
    run_out(uri, "a")
    assert store.reap() == 1
    second = one(store, worker="second")
    assert second.lease.attempt == frozen.lease.attempt + 1
    assert store.renew("frozen", [Progress(frozen.lease, 0.9)]) == {frozen.lease: "lost"}
    assert not store.keep_checkpoint(frozen.lease, 1, {}, "cpu", b"late")
    assert not store.finish(answer(frozen))
    assert not store.fail(frozen.lease, "late", again=True)
    assert not store.give_back(frozen.lease)
    assert store.finish(answer(second))
    assert [result.provenance.attempt for result in results(uri)] == [2]


def test_a_lease_is_over_by_the_databases_clock_though_nobody_took_it(
    store: JobStore, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.submit([ask("a")])
    claimed = one(store)
    monkeypatch.setattr(time, "time", lambda: 0.0)  # this host's clock steps back: no matter
    assert store.renew("w", [Progress(claimed.lease, 0.1)]) == {claimed.lease: "go_on"}
    run_out(uri, "a")
    assert store.renew("w", [Progress(claimed.lease, 0.2)]) == {claimed.lease: "lost"}
    assert not store.finish(answer(claimed))


def test_another_workers_name_renews_nothing(store: JobStore) -> None:
    store.submit([ask("a")])
    lease = one(store).lease
    assert store.renew("other", [Progress(lease, 0.1)]) == {lease: "lost"}


def test_the_two_newest_checkpoints_stay_and_a_torn_one_falls_back(store: JobStore, uri: str) -> None:
    store.submit([ask("a")])
    lease = one(store).lease
    for seq in range(1, 4):
        assert store.keep_checkpoint(lease, seq, {"engine": "1"}, "cpu", bytes([seq]) * 1000)
    assert store.keep_checkpoint(lease, 3, {"engine": "1"}, "cpu", b"again")  # its reply was lost
    assert store.give_back(lease)
    second = one(store).lease
    assert [(kept.attempt, kept.seq, kept.body[:1]) for kept in store.checkpoints(second)] == [
        (1, 3, b"\x03"), (1, 2, b"\x02"),
    ]  # fmt: skip
    change(uri, "update job_checkpoint set body = substr(body, 1, 999) where seq = 3")
    assert [kept.seq for kept in store.checkpoints(second)] == [2]
    change(uri, "update job_checkpoint set body = set_byte(body, 5, 255) where seq = 2")
    assert store.checkpoints(second) == []


def test_a_checkpoint_is_bounded(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_CHECKPOINT_BYTES == 64 << 20
    monkeypatch.setattr(leases, "MOST_CHECKPOINT_BYTES", 10)
    store.submit([ask("a")])
    with pytest.raises(LedgerError, match="at most 10 bytes"):
        store.keep_checkpoint(one(store).lease, 1, {}, "cpu", bytes(11))


def test_an_answer_is_bounded(store: JobStore, uri: str) -> None:
    store.submit([ask("a")])
    claimed = one(store)
    with pytest.raises(LedgerError, match="expected an answer of at most"):
        store.finish(Finished(claimed.lease, bytes(1 << 20), b"{}", 1.0, "cpu"))
    assert states(uri) == {"a": "running"}


def test_what_no_twin_reads_is_answered_to_people_and_to_a_twin_that_asked(store: JobStore, uri: str) -> None:
    own = "bioreactor.events/0/3/0"
    store.submit([ask("api/1", kind="md"), ask(own, "BR-2", seed=2, kind="md"), ask("api/2", "BR-3", seed=3)])
    for kind in ("md", "md", KIND):
        assert store.finish(answer(one(store, kinds=(kind,))))
    assert {result.job for result in results(uri)} == {"api/1", own, "api/2"}
    assert {headers["ce_id"] for _, _, headers in said(uri, "bioreactor.events")} == {own, "api/2"}


def test_failures_wait_and_then_go_to_the_dead_letters(store: JobStore, uri: str) -> None:
    store.submit([ask("a", place="resim.requests/2/7")])
    for attempt in range(1, MOST_FAILURES + 1):
        claimed = one(store)
        assert claimed.lease.attempt == attempt
        store.keep_checkpoint(claimed.lease, 1, {}, "cpu", b"kept")
        assert store.fail(claimed.lease, "the engine ended with -9", again=True)
        assert take(store) == []  # not at once
        change(uri, "update job set not_before = clock_timestamp() where state = 'queued'")
        store.reap()
    assert states(uri) == {"a": "failed"}
    assert [result.status for result in results(uri)] == ["failed"]
    assert [headers["ce_id"] for _, _, headers in said(uri, "bioreactor.events")] == ["a"]
    ((key, _, headers),) = said(uri, "resim.requests.dlq")
    assert key == b"BR-1"
    assert headers["reject_received"] == "the engine ended with -9"
    assert (headers["origin_partition"], headers["origin_offset"]) == ("2", "7")
    assert rows_of(uri, "select count(*) from job_checkpoint") != [(0,)]


def test_a_failure_for_good_is_not_tried_again(store: JobStore, uri: str) -> None:
    store.submit([ask("a")])
    assert store.fail(one(store).lease, "expected a model", again=False)
    assert states(uri) == {"a": "failed"}


def test_a_job_that_takes_its_worker_with_it_ends_as_a_dead_letter(store: JobStore, uri: str) -> None:
    store.submit([ask("a")])
    for _ in range(MOST_LOST):
        one(store)
        run_out(uri, "a")
        assert store.reap() == 1
    assert states(uri) == {"a": "failed"}
    assert len(said(uri, "resim.requests.dlq")) == 1


def test_giving_back_blames_nobody(store: JobStore, uri: str) -> None:
    store.submit([ask("a")])
    for _ in range(MOST_FAILURES + 2):
        assert store.give_back(one(store).lease, seconds=2.0)
    assert (column(uri, "a", "failures"), column(uri, "a", "seconds")) == (0, 2.0 * (MOST_FAILURES + 2))


def test_a_person_cancels_what_waits_and_what_runs(store: JobStore, uri: str) -> None:
    store.submit([ask("a", "BR-1", seed=1), ask("b", "BR-2", seed=2)])
    lease = one(store).lease
    assert store.cancel("a", "Kim", "wrong run")
    assert store.cancel("a", "Kim", "again")  # told already
    assert store.cancel("b", "Kim", "wrong run")
    assert not store.cancel("b", "Kim", "again")
    assert not store.cancel("nobody", "Kim", "")
    assert store.renew("w", [Progress(lease, 0.3)]) == {lease: "cancel"}
    assert store.give_back(lease)
    assert states(uri) == {"a": "cancelled", "b": "cancelled"}
    assert sorted((result.job, result.status) for result in results(uri)) == [("a", "cancelled"), ("b", "cancelled")]
    assert said(uri, "bioreactor.events") == []
    trail = rows_of(uri, "select actor, object from audit where action like 'cancelled%%' order by seq desc limit 2")
    assert trail == [("Kim", "b"), ("Kim", "a")]
    with psycopg.connect(uri) as connection:
        assert audit.check(connection) is None


def test_cancelling_and_finishing_at_once_leave_one_end(store: JobStore, uri: str) -> None:
    other = open_store(uri)
    for i in range(15):
        store.submit([ask(f"a{i}", f"BR-{i}", seed=i)])
        claimed = one(store)
        finished, cancelled = race(
            partial(store.finish, answer(claimed)),
            partial(other.cancel, f"a{i}", "Kim", "no need"),
        )
        assert finished != cancelled
        assert column(uri, f"a{i}", "state") == ("done" if finished else "cancelled")
    other.close()
    assert len({result.job for result in results(uri)}) == len(results(uri)) == 15


def test_superseding_and_finishing_at_once_leave_one_answer_each(store: JobStore, uri: str) -> None:
    other = open_store(uri)
    for i in range(15):
        store.submit([ask(f"old{i}", f"BR-{i}", seed=2 * i)])
        claimed = one(store)
        finished, _ = race(
            partial(store.finish, answer(claimed)),
            partial(other.submit, [ask(f"new{i}", f"BR-{i}", seed=2 * i + 1)]),
        )
        assert finished  # it came in time: the answer is good, and the newer still runs
        assert column(uri, f"old{i}", "state") == "done"
        newer = one(store)
        assert newer.lease.id == f"new{i}"
        assert store.finish(answer(newer))
    other.close()


def test_what_is_to_be_superseded_ends_when_it_is_given_back_or_lost(store: JobStore, uri: str) -> None:
    for name, let_go in (("a", "give_back"), ("b", "lost")):
        store.submit([ask(f"{name}-old", name, seed=1)])
        lease = one(store).lease
        store.submit([ask(f"{name}-new", name, seed=2)])
        assert store.renew("w", [Progress(lease, 0.1)]) == {lease: "supersede"}
        if let_go == "lost":
            run_out(uri, f"{name}-old")
            store.reap()
        else:
            store.give_back(lease)
        assert column(uri, f"{name}-old", "state") == "superseded"
        assert one(store).lease.id == f"{name}-new"


def test_a_wait_ends_when_there_is_news_and_without_it_by_its_limit(store: JobStore, uri: str) -> None:
    other = open_store(uri)
    store.wait(5.0)  # listens from now on
    other.submit([ask("a")])
    begun = time.monotonic()
    store.wait(20.0)
    assert time.monotonic() - begun < 15.0
    for _ in range(3):  # doubled calls do no harm
        change(uri, "select pg_notify('twinstream_jobs', '')")
    store.wait(20.0)
    assert one(store).lease.id == "a"
    for _ in range(4):
        store.wait(0.01)
    other.close()
