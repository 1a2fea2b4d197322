"""Whose turn it is: rank, fairness, deadlines, budgets, ageing; and that a claim reads no more than it must."""

from __future__ import annotations

import psycopg
import pytest

from streams.jobs.finishing import AGE_SECONDS
from streams.jobs.ports import Progress
from streams.jobs.store import JobStore
from tests.support.engines import rows_of
from tests.support.jobs import KIND, answer, ask, change, column, one, open_store, race, take

pytestmark = pytest.mark.postgres


def order(store: JobStore, count: int) -> list[str]:
    return [one(store).lease.id for _ in range(count)]


def test_rank_comes_first_then_the_deadline_then_who_came_first(store: JobStore) -> None:
    store.submit(
        [
            ask("background", "B-1", seed=1, priority="background"),
            ask("third", "B-2", seed=2),
            ask("second", "B-3", seed=3, deadline="2026-12-02T00:00:00Z"),
            ask("first", "B-4", seed=4, deadline="2026-12-01T00:00:00Z"),
            ask("safety", "B-5", seed=5, priority="patient_safety"),
        ]
    )
    assert order(store, 5) == ["safety", "first", "second", "third", "background"]


def test_a_flood_of_one_tenant_does_not_hold_up_another(store: JobStore) -> None:
    store.submit([ask(f"flood-{i}", f"F-{i}", seed=i, tenant="loud") for i in range(50)])
    store.submit([ask(f"calm-{i}", f"C-{i}", seed=100 + i, tenant="calm") for i in range(2)])
    found = order(store, 4)
    assert sorted(name.split("-")[0] for name in found) == ["calm", "calm", "flood", "flood"]


FLOOD = 5_000
OTHERS = [f"other{n}" for n in range(5)]
_FILL = (
    "insert into job (id, twin_kind, twin_key, kind, tenant, asked_by, reasons, priority, rank, spec, content_hash,"
    " event_time) select 'flood-' || i, 'bioreactor', 'F-' || i, %s, 'loud', 'm', '{r}', 2, 2,"
    " (select spec from job where id = 'seed'), 'x', now() from generate_series(1, %s) i"
)


@pytest.fixture
def flooded(store: JobStore, uri: str) -> JobStore:
    """Thousands of one tenant wait; behind them four of each of five others."""
    store.submit([ask("seed", "T-0", tenant="loud")])
    change(uri, _FILL, KIND, FLOOD)
    for n in range(4):
        store.submit([ask(f"{who}-{n}", f"{who}-{n}", seed=10 * n + i, tenant=who) for i, who in enumerate(OTHERS)])
    return store


def test_behind_a_flood_each_other_tenant_has_its_turn_in_every_round(flooded: JobStore, uri: str) -> None:
    found = [name.split("-")[0] for name in order(flooded, 24)]
    rounds = [sorted(found[begin : begin + 6]) for begin in range(0, 24, 6)]
    loud = {"flood", "seed"}
    assert all(sum(name in loud for name in one) == 1 and set(one) - loud == set(OTHERS) for one in rounds), rounds
    flooded.submit([ask("late", "L-1", seed=99, tenant="late"), ask("safe", seed=98, priority="patient_safety")])
    assert order(flooded, 3)[:2] == ["safe", "late"]
    counts = dict(rows_of(uri, "select tenant, count(*) from job where state = 'running' group by 1"))
    assert counts == {"loud": 5, "late": 1, "site": 1, **dict.fromkeys(OTHERS, 4)}


def test_a_flood_holds_one_place_of_four_while_others_wait(flooded: JobStore, uri: str) -> None:
    """Four places, each free again as soon as its job is answered: the oldest first."""
    waiting = dict.fromkeys(OTHERS, 4)
    running, before = [one(flooded) for _ in range(4)], 0
    for claimed in running:
        _take_off(waiting, claimed.lease.id)
    while any(waiting.values()):
        assert flooded.finish(answer(running.pop(0)))
        claimed = one(flooded)
        running.append(claimed)
        before += not _take_off(waiting, claimed.lease.id)
        held = sum(not found.lease.id.startswith("other") for found in running)
        assert held <= 1 or sum(map(bool, waiting.values())) < 4, (held, waiting)
    assert before <= 20, "of the flood, before the last of the others' twenty"


def _take_off(waiting: dict[str, int], job: str) -> bool:
    """Count another's job as begun; tell whether it is one."""
    who = job.split("-")[0]
    if who in waiting:
        waiting[who] -= 1
    return who in waiting


def test_several_at_once_are_shared_among_tenants(store: JobStore) -> None:
    store.submit([ask(f"a{i}", f"A-{i}", seed=i, tenant="a") for i in range(20)])
    store.submit([ask(f"b{i}", f"B-{i}", seed=50 + i, tenant="b") for i in range(20)])
    store.submit([ask("c0", "C-0", seed=99, tenant="c")])
    found = [claimed.lease.id[0] for claimed in take(store, most=11)]
    assert (found.count("a"), found.count("b"), found.count("c")) in ((5, 5, 1), (4, 6, 1), (6, 4, 1))


def test_only_kinds_that_are_wanted_are_given(store: JobStore) -> None:
    store.submit([ask("a", seed=1), ask("b", seed=2, kind="md")])
    assert take(store, kinds=("other",)) == []
    assert [claimed.lease.id for claimed in take(store, most=5, kinds=("md",))] == ["b"]


def test_a_budget_holds_back_and_fills_again_by_the_databases_clock(store: JobStore, uri: str) -> None:
    change(uri, "insert into job_budget values ('site', %s, 3600, 100, 5, clock_timestamp())", KIND)
    store.submit([ask(f"a{i}", f"BR-{i}", seed=i) for i in range(2)])
    store.submit([ask("safe", "BR-9", seed=9, priority="patient_safety")])
    assert one(store).lease.id == "safe"
    lease = one(store).lease
    store.renew("w", [Progress(lease, 0.5, seconds=1000.0)])
    assert take(store) == []
    change(uri, "update job_budget set filled_at = filled_at - interval '1000 s'")
    assert one(store).lease.id == "a1"


def test_a_budget_for_any_kind_bounds_every_kind(store: JobStore, uri: str) -> None:
    change(uri, "insert into job_budget values ('site', '*', 0, 10, 1, clock_timestamp())")
    store.submit([ask("a", seed=1), ask("b", "BR-2", seed=2, kind="md")])
    assert store.finish(answer(one(store), seconds=2.5))
    store.submit([ask("c", "BR-3", seed=3, tenant="rich")])
    assert [found.lease.id for found in take(store, most=9, kinds=(KIND, "md"))] == ["c"]
    assert rows_of(uri, "select left_seconds from job_budget") == [(-1.5,)]


def test_waiting_raises_the_rank_but_never_into_patient_safety(store: JobStore, uri: str) -> None:
    store.submit([ask("old", "BR-1", seed=1, priority="background"), ask("new", "BR-2", seed=2, priority="background")])
    ranks = []
    for steps in (0.9, 1.1, 2.1, 9.0):
        change(
            uri,
            "update job set asked_at = clock_timestamp() - make_interval(secs => %s) where id = 'old'",
            steps * AGE_SECONDS,
        )
        for _ in range(4):
            store.reap()
        ranks.append(column(uri, "old", "rank"))
    assert ranks == [3, 2, 1, 1]
    assert (column(uri, "new", "rank"), column(uri, "old", "priority")) == (3, 3)


def test_each_job_is_claimed_by_one_of_many(store: JobStore, uri: str) -> None:
    store.submit([ask(f"a{i}", f"BR-{i}", seed=i) for i in range(60)])
    others = [open_store(uri) for _ in range(4)]

    def drain(other: JobStore) -> list[str]:
        found = []
        while claimed := take(other, most=2):
            found += [one.lease.id for one in claimed]
        return found

    found = race(*(lambda other=other: drain(other) for other in others))
    for other in others:
        other.close()
    assert sorted(job for each in found for job in each) == sorted(f"a{i}" for i in range(60))


def test_a_claim_reads_its_index_alone_whatever_the_statistics(store: JobStore, uri: str) -> None:
    fill = (
        "insert into job (id, twin_kind, twin_key, kind, tenant, asked_by, reasons, priority, rank, spec, content_hash,"
        " event_time) select 'j' || i, 'bioreactor', 'T' || i, %s, 'site', 'm', '{r}', 3, 3,"
        " (select spec from job where id = 'seed'), 'x', now() from generate_series(1, 20000) i"
    )
    store.submit([ask("seed", "T-0")])
    for prefix, statistics in (("fresh", "select 1"), ("analyzed", "analyze job")):
        change(uri, fill.replace("'j' ||", f"'{prefix}' ||").replace("'T' ||", f"'{prefix}' ||"), KIND)
        change(uri, statistics)
        with psycopg.connect(uri, autocommit=True) as connection:
            for _ in range(2):  # the first reads the catalogue too
                plan = connection.execute(
                    "explain (analyze, buffers, format json) select no from job_claim('w', array[%s], 'cpu', 1, 30)",
                    (KIND,),
                ).fetchone()
        assert plan is not None
        assert plan[0][0]["Plan"]["Shared Hit Blocks"] < 200  # the whole table has thousands
