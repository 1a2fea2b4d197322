"""A commit round: all of it or nothing, once, and only by the owner."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from schemas.errors import StaleEpochError
from streams.engine.partition import PartitionFold
from streams.ledger import claims
from streams.ledger.commit import Committer
from streams.ledger.connect import connect
from streams.ledger.folded import Folded
from streams.outputs import EmbeddedOutputs
from tests.support.counting import CountingModel
from tests.support.engines import TOPIC, prepared, rows_of
from tests.support.records import START, Record, reading, record
from twins.block import Memory

pytestmark = pytest.mark.postgres


class PlantedError(Exception):
    """Raised at a step by a test."""


@pytest.fixture
def uri(postgres_uri: str) -> str:
    return prepared(postgres_uri)


@pytest.fixture
def connection(uri: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(uri, name="first") as one:
        yield one


def records(start: int, stop: int, unit: str = "U", known_second: int = 0) -> list[Record]:
    return [record(reading(unit, 10 * i), i, known_second) for i in range(start, stop)]


def owner(connection: psycopg.Connection[Any], partition: int = 0, skip: int = 0) -> PartitionFold:
    """Claim a partition; give a fold that begins with its checkpoint."""
    (claim,) = claims.claim(connection, [(TOPIC, partition)], "first")
    connection.commit()
    fold = PartitionFold(CountingModel(), TOPIC, partition, lambda wanted, before: {})
    fold.resume(claim)
    return fold


def fold_all(fold: PartitionFold, rows: Sequence[Record]) -> Folded:
    folded = fold.fold(rows)
    assert folded is not None
    return folded


def committer(uri: str, fail_at: str = "") -> Committer:
    def at_step(step: str) -> None:
        if step == fail_at:
            raise PlantedError(step)

    return Committer(EmbeddedOutputs(uri), at_step)


def counts(uri: str) -> dict[str, int]:
    """Rows of each table that a round writes."""
    tables = ("reading", "fact", "effect", "memory", "checkpoint", "log_record", "twin", "channel_set")
    return {table: rows_of(uri, f"select count(*) from {table}")[0][0] for table in tables}


def applied(uri: str, partition: int = 0) -> tuple[int, int]:
    return rows_of(uri, "select next_offset, checkpoint_offset from applied where partition = %s", partition)[0]


def test_a_round_writes_all_it_brings(uri: str, connection: psycopg.Connection[Any]) -> None:
    fold = owner(connection)
    folded = fold_all(fold, records(0, 10))
    folded.checkpoint = fold.checkpoint()
    rows = committer(uri).commit(connection, [folded])
    assert rows == 10 + 2  # ten readings, two estimates
    assert applied(uri) == (10, 10)
    assert counts(uri) == {
        "reading": 10, "fact": 0, "effect": 2, "memory": 0, "checkpoint": 2, "log_record": 2, "twin": 1,
        "channel_set": 1,
    }  # fmt: skip


def test_a_round_again_writes_nothing(uri: str, connection: psycopg.Connection[Any]) -> None:
    folded = fold_all(owner(connection), records(0, 10))
    one = committer(uri)
    one.commit(connection, [folded])
    before = counts(uri)
    assert one.commit(connection, [folded]) == 0
    assert committer(uri).commit(connection, [folded]) == 0  # nor by one who remembers nothing
    assert counts(uri) == before


def test_of_a_frame_cut_otherwise_only_what_is_new_is_written(uri: str, connection: psycopg.Connection[Any]) -> None:
    committer(uri).commit(connection, [fold_all(owner(connection), records(0, 7))])
    again = owner(connection)
    assert again.next_offset == 0  # no checkpoint: from the beginning
    committer(uri).commit(connection, [fold_all(again, records(0, 4)), fold_all(again, records(4, 12))])
    offsets = rows_of(uri, "select rec_offset from reading order by 1")
    assert [offset for (offset,) in offsets] == list(range(12))
    assert rows_of(uri, "select rec_offset, n from effect order by 1") == [(4, 0), (9, 0)]


def test_the_memory_of_a_refold_is_kept_whole(uri: str, connection: psycopg.Connection[Any]) -> None:
    """A block may sum up a frame: then one refold in other frames needs the sums of its own."""
    committer(uri).commit(connection, [fold_all(owner(connection), records(0, 10))])
    again = owner(connection)
    folded = [fold_all(again, records(0, 4)), fold_all(again, records(4, 12))]
    for one in folded:
        one.effects.memory.append(Memory("U", "mark", START, one.next_offset - 1, b"sum"))
    committer(uri).commit(connection, folded)
    assert rows_of(uri, "select rec_offset from memory order by 1") == [(3,), (11,)]


def test_a_stale_owner_writes_nothing(uri: str, connection: psycopg.Connection[Any]) -> None:
    stale = owner(connection)
    owner(connection)
    before = counts(uri)
    with pytest.raises(StaleEpochError):
        committer(uri).commit(connection, [fold_all(stale, records(0, 10))])
    assert counts(uri) == before
    assert applied(uri) == (0, 0)


def test_one_stale_partition_stops_the_round(uri: str, connection: psycopg.Connection[Any]) -> None:
    ours, stale = owner(connection, 0), owner(connection, 1)
    owner(connection, 1)
    with pytest.raises(StaleEpochError):
        committer(uri).commit(connection, [fold_all(ours, records(0, 5)), fold_all(stale, records(0, 5))])
    assert applied(uri, 0) == applied(uri, 1) == (0, 0)


def test_what_was_folded_before_a_claim_of_our_own_is_stale(uri: str, connection: psycopg.Connection[Any]) -> None:
    old = fold_all(owner(connection), records(0, 10))
    new = fold_all(owner(connection), records(0, 12))
    with pytest.raises(StaleEpochError):  # else both would be written
        committer(uri).commit(connection, [old, new])
    assert counts(uri)["reading"] == 0


@pytest.mark.parametrize("step", [step for step in Committer.STEPS if step != "committed"])
def test_an_error_at_any_step_leaves_nothing_behind(uri: str, connection: psycopg.Connection[Any], step: str) -> None:
    fold = owner(connection)
    folded = fold_all(fold, records(0, 10))
    folded.checkpoint = fold.checkpoint()
    before = counts(uri)
    one = committer(uri, fail_at=step)
    with pytest.raises(PlantedError):
        one.commit(connection, [folded])
    assert counts(uri) == before
    assert applied(uri) == (0, 0)
    one._step = lambda _: None
    assert one.commit(connection, [folded]) == 12  # it kept no number that was never durable


def test_an_unsure_commit_waits_for_the_one_before(uri: str, connection: psycopg.Connection[Any]) -> None:
    """The first try's transaction may still be open when the second begins: it must wait, and then leave all out."""
    fold = owner(connection)
    folded = fold_all(fold, records(0, 10))
    inside, go_on = threading.Event(), threading.Event()

    def hold(step: str) -> None:
        if step == "commit":
            inside.set()
            assert go_on.wait(10)

    first = threading.Thread(target=lambda: Committer(EmbeddedOutputs(uri), hold).commit(connection, [folded]))
    first.start()
    assert inside.wait(10)
    written: list[int] = []
    with connect(uri, name="second") as other:
        second = threading.Thread(target=lambda: written.append(committer(uri).commit(other, [folded])))
        second.start()
        while not rows_of(
            uri, "select 1 from pg_stat_activity where application_name = 'second' and wait_event_type = 'Lock'"
        ):
            assert second.is_alive()
        go_on.set()
        first.join(10)
        second.join(10)
    assert written == [0]
    assert counts(uri)["reading"] == 10


def test_every_day_on_which_a_record_was_known_has_its_place(uri: str, connection: psycopg.Connection[Any]) -> None:
    day = 86_400
    rows = [record(reading("U", i), i, known_second) for i, known_second in enumerate([day * 5, 0, day * 400, day * 2])]
    committer(uri).commit(connection, [fold_all(owner(connection), rows)])
    assert counts(uri)["reading"] == 4


def test_two_workers_make_the_same_day_at_once(uri: str, connection: psycopg.Connection[Any]) -> None:
    folds = [owner(connection, partition) for partition in range(4)]
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(folds))

    def commit(fold: PartitionFold) -> None:
        try:
            with connect(uri) as own:
                barrier.wait(10)
                committer(uri).commit(own, [fold_all(fold, records(0, 5, unit=f"U{fold.partition}"))])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=commit, args=(fold,)) for fold in folds]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert not errors
    assert counts(uri)["reading"] == 20


def test_one_anchor_a_day_though_the_worker_begins_again(uri: str, connection: psycopg.Connection[Any]) -> None:
    for life in range(3):
        fold = owner(connection)
        folded = fold_all(fold, records(fold.next_offset, 10 * (life + 1)))
        folded.checkpoint = fold.checkpoint()
        committer(uri).commit(connection, [folded])
    kept = rows_of(uri, "select kind, next_offset from checkpoint order by 1")
    assert kept == [("anchor", 10), ("live", 30)]
