"""Taking in: each question once, one slot for each twin and kind, answers repeated, everything bounded."""

from __future__ import annotations

import msgspec
import pytest

from schemas.jobs import ResimulationResult
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.jobs.ports import Progress
from streams.jobs.queue_bounds import QueueBounds
from streams.jobs.slots import MOST_REASONS
from streams.jobs.store import JobStore
from tests.support.engines import rows_of
from tests.support.jobs import answer, ask, change, column, one, open_store, race, request, results, said, states, take

pytestmark = pytest.mark.postgres


def outcomes(store: JobStore, *asked: object) -> list[str]:
    return [taken.outcome for taken in store.submit(asked)]  # type: ignore[arg-type]


def test_the_same_id_is_taken_once(store: JobStore, uri: str) -> None:
    assert outcomes(store, ask("a"), ask("a")) == ["queued", "duplicate"]
    assert outcomes(store, ask("a", seed=2)) == ["duplicate"]
    assert states(uri) == {"a": "queued"}


def test_an_equal_question_that_waits_answers_for_both(store: JobStore, uri: str) -> None:
    store.submit([ask("a", reason="growth slows")])
    taken = store.submit([ask("b", reason="growth slows"), ask("c", reason="asked by QA", priority="release")])
    assert [(one.outcome, one.job) for one in taken] == [("duplicate", "a"), ("extended", "a")]
    assert column(uri, "a", "reasons") == ["growth slows", "asked by QA"]
    assert (column(uri, "a", "priority"), column(uri, "a", "rank")) == (1, 1)


def test_a_newer_question_replaces_the_one_that_waits(store: JobStore, uri: str) -> None:
    store.submit([ask("a", seed=1, reason="one", priority="release", deadline="2026-03-02T00:00:00Z")])
    (taken,) = store.submit([ask("b", seed=2, reason="two", deadline="2026-03-03T00:00:00Z")])
    assert (taken.outcome, taken.job) == ("superseded_older", "b")
    assert states(uri) == {"a": "superseded", "b": "queued"}
    assert column(uri, "a", "superseded_by") == "b"
    assert column(uri, "b", "reasons") == ["one", "two"]
    assert column(uri, "b", "priority") == 1
    assert column(uri, "b", "deadline").isoformat() == "2026-03-02T00:00:00+00:00"
    assert column(uri, "b", "asked_at") == column(uri, "a", "asked_at")
    assert [(result.job, result.status) for result in results(uri)] == [("a", "cancelled")]
    assert said(uri, "bioreactor.events") == []


def test_other_twins_and_kinds_have_slots_of_their_own(store: JobStore, uri: str) -> None:
    asked = [ask("a"), ask("b", key="BR-2", seed=2), ask("c", kind="md", seed=3)]
    assert outcomes(store, *asked) == ["queued"] * 3


@pytest.mark.parametrize(
    ("overlap", "share", "outcome", "wish", "waiting"),
    [
        ("finish", 0.1, "queued", "", ["b"]),
        ("supersede", 0.49, "superseded_older", "supersede", ["b"]),
        ("supersede", 0.5, "queued", "", ["b"]),
        ("extend", 0.1, "extended", "", []),
    ],
)
def test_what_runs_is_met_by_the_rule_of_its_engine(
    store: JobStore, uri: str, overlap: str, share: float, outcome: str, wish: str, waiting: list[str]
) -> None:
    store.submit([ask("a", seed=1)])
    lease = one(store).lease
    store.renew("w", [Progress(lease, share)])
    (taken,) = store.submit([ask("b", seed=2, overlap=overlap, reason="newer")])  # type: ignore[arg-type]
    assert taken.outcome == outcome
    assert column(uri, "a", "wish") == wish
    assert [job for job, state in states(uri).items() if state == "queued"] == waiting
    assert ("newer" in column(uri, "a", "reasons")) == (overlap == "extend")
    assert take(store, worker="other") == []  # one slot: the newer waits until the older has ended


def test_ten_thousand_triggers_are_at_most_two_runs(store: JobStore, uri: str) -> None:
    store.submit([ask("first", seed=0)])
    runs = [one(store)]
    for begin in range(0, 10_000, 1000):
        store.submit([ask(f"t{i}", seed=i + 1, overlap="finish") for i in range(begin, begin + 1000)])
    assert store.finish(answer(runs[0]))
    while found := take(store):
        runs += found
        assert store.finish(answer(found[0]))
    assert [run.lease.id for run in runs] == ["first", "t9999"]
    assert rows_of(uri, "select count(*) from job where state = 'superseded'") == [(9_999,)]


def test_an_answer_is_repeated_at_once_for_an_equal_question(store: JobStore, uri: str) -> None:
    store.submit([ask("a", seed=1)])
    assert store.finish(answer(one(store)))
    (taken,) = store.submit([ask("b", seed=1, key="BR-2")])
    assert (taken.outcome, taken.job) == ("cached", "a")
    assert column(uri, "b", "answered_by") == "a"
    repeated = next(result for result in results(uri) if result.job == "b")
    assert repeated.status == "done"
    assert repeated.provenance.cached_from == "a"
    assert repeated.summary == {"found": 1.5}
    events = [(key, headers["ce_id"]) for key, _, headers in said(uri, "bioreactor.events")]
    assert sorted(events) == [(b"BR-1", "a"), (b"BR-2", "b")]
    assert msgspec.json.decode(column(uri, "b", "result"), type=ResimulationResult) == repeated


def test_an_answer_out_of_a_twins_past_is_nobody_elses(store: JobStore) -> None:
    def past(name: str, key: str = "BR-1", overlap: str = "finish") -> object:
        return ask(name, key, asked=request(past_from="2026-03-01T00:00:00Z"), overlap=overlap)  # type: ignore[arg-type]

    store.submit([past("bioreactor.events/0/7/0")])  # type: ignore[list-item]
    assert store.finish(answer(one(store)))
    assert outcomes(store, past("bioreactor.events/0/7/1")) == ["cached"]  # the same record said two
    assert outcomes(store, past("bioreactor.events/0/8/0")) == ["queued"]  # one fact more
    assert outcomes(store, past("bioreactor.events/1/7/0", "BR-2")) == ["queued"]  # another twin
    assert outcomes(store, past("what-if", "BR-3"), past("what-if-2", "BR-3")) == ["queued", "superseded_older"]


def test_a_claimed_hash_is_not_believed(store: JobStore, uri: str) -> None:
    forged = msgspec.structs.replace(request(seed=2), content_hash="00" * 32)
    store.submit([ask("a", asked=forged), ask("b", "BR-2", seed=2)])
    assert column(uri, "a", "content_hash") == column(uri, "b", "content_hash") != bytes(32)


def test_a_bad_request_is_refused_alone(store: JobStore, uri: str) -> None:
    nan = msgspec.structs.replace(
        request(), spec=msgspec.structs.replace(request().spec, parameters={"x": float("nan")})
    )
    asked = [ask("a", asked=nan), ask("b\x00"), ask("c", tenant="*"), ask("d", deadline="soon"), ask("e")]
    taken = store.submit(asked)
    assert [one.outcome for one in taken] == ["refused"] * 4 + ["queued"]
    assert all("expected" in one.why and "received" in one.why for one in taken[:4])


def test_reasons_are_bounded(store: JobStore, uri: str) -> None:
    store.submit([ask(f"r{i}", reason=f"reason {i} " + "x" * 5000) for i in range(40)])
    reasons = column(uri, "r0", "reasons")
    assert len(reasons) == MOST_REASONS
    assert max(map(len, reasons)) <= 500


def test_the_queue_of_a_tenant_and_the_number_of_tenants_are_bounded(uri: str) -> None:
    store = open_store(uri, bounds=QueueBounds(most_queued=2, most_tenants=2))
    taken = store.submit([ask(f"a{i}", f"BR-{i}", seed=i) for i in range(3)])
    assert [one.outcome for one in taken] == ["queued", "queued", "refused"]
    assert "at most 2 jobs waiting of one tenant" in taken[2].why
    assert outcomes(store, ask("newer", "BR-1", seed=9)) == ["superseded_older"]  # takes the other's place
    assert outcomes(store, ask("b", "BR-8", tenant="b"), ask("c", "BR-9", tenant="c")) == ["queued", "refused"]
    store.close()


def test_what_was_given_back_counts_as_begun(store: JobStore, uri: str) -> None:
    store.submit([ask("a", seed=1)])
    lease = one(store).lease
    store.renew("w", [Progress(lease, 0.8)])
    assert store.give_back(lease)
    assert outcomes(store, ask("b", seed=2)) == ["queued"]
    first = one(store)
    assert (first.lease.id, first.lease.attempt) == ("a", 2)
    assert take(store) == []
    assert store.finish(answer(first))
    assert one(store).lease.id == "b"


def test_two_who_take_in_at_once_keep_one_slot(store: JobStore, uri: str) -> None:
    other = open_store(uri)
    race(
        lambda: [store.submit([ask(f"a{i}", seed=i)]) for i in range(30)],
        lambda: [other.submit([ask(f"b{i}", seed=100 + i)]) for i in range(30)],
    )
    other.close()
    assert sorted(states(uri).values()) == ["queued"] + ["superseded"] * 59


def test_nothing_is_taken_in_when_the_commit_fails(uri: str) -> None:
    def at_step(step: str) -> None:
        if step == "submit_written":
            raise RuntimeError(step)

    store = open_store(uri, at_step)
    with pytest.raises(RuntimeError):
        store.submit([ask("a")])
    assert states(uri) == {}
    store.close()
    change(uri, "truncate job cascade")


def test_a_person_s_question_knows_what_the_twin_has_folded(store: JobStore, uri: str) -> None:
    """Its twin's partition, up to the newest record in the ledger; an answer found again is placed by its own."""
    place = partition_of(b"BR-1", PARTITIONS)
    change(uri, "delete from applied")
    assert outcomes(store, ask("early", kind="md")) == ["queued"]
    assert column(uri, "early", "inputs") == []  # nothing of the twin was folded yet
    for partition, after in ((place, 41), ((place + 1) % PARTITIONS, 99)):
        change(uri, "insert into applied values (%s, %s, %s)", "bioreactor.events", partition, after)
    assert outcomes(store, ask("api/1"), ask("bioreactor.events/3/7/1", key="BR-2", seed=2)) == ["queued"] * 2
    assert column(uri, "api/1", "inputs") == [f"bioreactor.events/{place}/40"]
    assert column(uri, "bioreactor.events/3/7/1", "inputs") == ["bioreactor.events/3/7"]
    for claimed in take(store, most=2):
        store.finish(answer(claimed))
    change(uri, "update applied set next_offset = 60 where partition = %s", place)
    assert outcomes(store, ask("api/2", seed=2)) == ["cached"]
    repeated = next(result for result in results(uri) if result.job == "api/2")
    assert repeated.provenance.inputs == (f"bioreactor.events/{place}/59",)
    change(uri, "delete from applied")
