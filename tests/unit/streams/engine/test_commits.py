"""The commit thread: what it does with a round that fails, and whom it blames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from schemas.errors import StaleEpochError
from streams.engine.commits import CommitThread
from streams.engine.partition import PartitionFold
from streams.ledger.claims import Claim
from streams.ledger.folded import Folded
from streams.metrics import Metrics
from tests.support.counting import CountingModel
from tests.support.records import reading, record

TOPIC = "bioreactor.events"
Judge = Callable[[Sequence[Folded]], BaseException | None]


class Rounds:
    """Stands in the committer's place: keeps the rounds it was given, and raises what the test says."""

    def __init__(self, judge: Judge) -> None:
        self.tried: list[list[int]] = []
        self.committed: list[int] = []
        self._judge = judge

    def forget(self) -> None:
        return

    def commit(self, connection: object, folded: Sequence[Folded]) -> int:
        self.tried.append([one.frame.first for one in folded])
        error = self._judge(folded)
        if error is not None:
            raise error
        self.committed += [one.frame.first for one in folded]
        return len(folded)


class Thread:
    """A commit thread on such rounds."""

    def __init__(self, judge: Judge) -> None:
        self.rounds = Rounds(judge)
        self.failures: list[tuple[BaseException, int | None]] = []
        self.ended = threading.Event()
        self.seen: list[int] = []
        self.thread = CommitThread(
            "", self.rounds, Metrics(), "test", 1000, self._committed, self._failed  # type: ignore[arg-type]
        )  # fmt: skip
        self.thread._connected = lambda: None  # type: ignore[assignment,method-assign,return-value]

    def _committed(self, round_: list[Folded]) -> None:
        self.seen += [one.frame.first for one in round_]

    def _failed(self, error: BaseException, guilty: Folded | None) -> None:
        self.failures.append((error, None if guilty is None else guilty.frame.first))
        self.ended.set()

    def run(self, frames: Sequence[Folded]) -> None:
        for one in frames:
            self.thread.submit(one)
        self.thread.start()


@pytest.fixture
def frames() -> list[Folded]:
    """Frames of ten records each."""
    fold = PartitionFold(CountingModel(), TOPIC, 0, lambda wanted, before: {})
    fold.resume(Claim(TOPIC, 0, 1, 0, None, frozenset(), 0))
    made = [fold.fold([record(reading("U", i), i) for i in range(start, start + 10)]) for start in range(0, 50, 10)]
    return [one for one in made if one is not None]


@pytest.fixture
def start(frames: list[Folded]) -> Iterator[Callable[[Judge], Thread]]:
    started: list[Thread] = []

    def begin(judge: Judge) -> Thread:
        one = Thread(judge)
        started.append(one)
        one.run(frames)
        return one

    yield begin
    for one in started:
        one.thread.stop(5.0)


def test_what_waits_is_committed_as_one(start: Callable[[Judge], Thread]) -> None:
    one = start(lambda folded: None)
    assert one.thread.flush(5.0)
    assert one.rounds.tried == [[0, 10, 20, 30, 40]]
    assert one.seen == [0, 10, 20, 30, 40]


def test_while_the_database_is_away_the_round_waits(start: Callable[[Judge], Thread]) -> None:
    left = [
        psycopg.OperationalError("away"),
        psycopg.errors.IdleInTransactionSessionTimeout(),
        psycopg.InterfaceError(),
    ]
    one = start(lambda folded: left.pop() if left else None)
    assert one.thread.flush(10.0)
    assert one.rounds.tried == [[0, 10, 20, 30, 40]] * 4
    assert one.seen == [0, 10, 20, 30, 40]
    assert not one.failures


def test_the_frame_to_blame_is_found_and_those_before_it_are_committed(start: Callable[[Judge], Thread]) -> None:
    broken = psycopg.DataError("a value it cannot take")
    one = start(lambda folded: broken if any(frame.frame.first == 30 for frame in folded) else None)
    assert one.ended.wait(5)
    assert one.failures == [(broken, 30)]
    assert one.rounds.tried == [[0, 10, 20, 30, 40], [0], [10], [20], [30]]
    assert one.seen == [0, 10, 20]


def test_an_error_that_does_not_come_again_ends_it_too_and_blames_nobody(start: Callable[[Judge], Thread]) -> None:
    left: list[BaseException] = [ZeroDivisionError()]
    one = start(lambda folded: left.pop() if left else None)
    assert one.ended.wait(5)
    assert [guilty for _, guilty in one.failures] == [None]
    assert one.seen == [0, 10, 20, 30, 40]


def test_a_stale_round_is_not_tried_again(start: Callable[[Judge], Thread]) -> None:
    one = start(lambda folded: StaleEpochError("another owner took it"))
    assert one.ended.wait(5)
    assert one.rounds.tried == [[0, 10, 20, 30, 40]]
    assert isinstance(one.failures[0][0], StaleEpochError)


def test_a_limit_holds_submit_back(frames: list[Folded]) -> None:
    go_on = threading.Event()

    def wait(folded: Sequence[Folded]) -> None:
        assert go_on.wait(10)

    one = Thread(wait)
    one.thread._limit = 25
    one.thread.start()
    submitted: list[Any] = []

    def submit() -> None:
        for frame in frames:
            one.thread.submit(frame)
            submitted.append(frame)

    submitting = threading.Thread(target=submit)
    submitting.start()
    submitting.join(0.3)
    assert submitting.is_alive()
    assert len(submitted) <= 3
    go_on.set()
    submitting.join(10)
    assert one.thread.flush(10.0)
    assert one.seen == [0, 10, 20, 30, 40]
    one.thread.stop(5.0)
