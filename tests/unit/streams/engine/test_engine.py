"""The engine on a real ledger: it goes on where it was, whatever it was doing when it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.engine.engine import EXIT_BROKEN, EXIT_STALE
from streams.ledger import claims
from streams.ledger.connect import connect
from tests.faults.breakage import poisoned
from tests.faults.load import rows
from tests.faults.logs import Kept
from tests.faults.verifier import check_ledger
from tests.support.counting import CountingModel
from tests.support.engines import TOPIC, Bench, prepared, rows_of
from tests.support.records import START, Record, reading, record
from twins.bioreactor import BioreactorModel

pytestmark = pytest.mark.postgres
SEED = 20261210


@pytest.fixture
def uri(postgres_uri: str) -> str:
    return prepared(postgres_uri)


def one_unit(stop: int, poison: int | None = None) -> list[Record]:
    return [record(reading("U", i, event_id="poison" if i == poison else f"{i}"), i, i) for i in range(stop)]


def plant_log(number: int) -> dict[int, list[Kept]]:
    """Records of a small plant, as a log would hold them."""
    log: dict[int, list[Kept]] = {partition: [] for partition in range(PARTITIONS)}
    feed = rows(SEED, units=12)
    for _ in range(number):
        key, value, headers = next(feed)
        found = log[partition_of(key, PARTITIONS)]
        found.append(Kept(len(found), START // 1000, key, value, headers))
    return log


def test_a_refold_in_other_frames_ends_in_the_same_state(uri: str) -> None:
    """Late facts are refolded from what the ledger remembers, also where another life cut other frames."""
    log = plant_log(2400)
    sizes = [(997,), (3, 11), (400,), (1, 2, 61)]
    for life, size in enumerate(sizes):
        bench = Bench(uri, BioreactorModel())  # no checkpoint in so short a life: each refolds from the beginning
        share = {partition: found[: len(found) * (life + 1) // len(sizes)] for partition, found in log.items()}
        bench.feed(dict(share), SEED + life, size)
        bench.vanish()
        assert not bench.codes
    found = check_ledger(uri, None, BioreactorModel(), SEED, log=log)
    print(f"seed {SEED}: {found}")
    assert not found.problems


def test_it_goes_on_from_the_checkpoint(uri: str) -> None:
    first = Bench(uri)
    first.feed({0: one_unit(30)}, SEED)
    first.stop()
    assert rows_of(uri, "select next_offset, checkpoint_offset from applied") == [(30, 30)]
    second = Bench(uri, checkpoint_seconds=0.0001)  # a checkpoint with each frame
    assert second.engine.claim([0]) == {0: 30}
    second.engine.fold(0, one_unit(50)[30:])
    second.vanish()
    third = Bench(uri)
    assert third.engine.claim([0]) == {0: 50}
    third.stop()


def test_claimed_again_by_itself_it_keeps_what_it_holds(uri: str) -> None:
    bench = Bench(uri)
    bench.feed({0: one_unit(30)}, SEED)
    assert bench.engine.claim([0]) == {0: 30}  # no checkpoint was taken: only memory knows
    bench.engine.fold(0, one_unit(40)[30:])
    bench.stop()
    assert rows_of(uri, "select next_offset, epoch from applied") == [(40, 2)]
    assert not bench.codes


def test_of_partitions_given_up_it_takes_no_last_checkpoint(uri: str) -> None:
    bench = Bench(uri)
    bench.feed({0: one_unit(30), 1: one_unit(30)}, SEED)
    bench.engine.revoke([1])
    with connect(uri) as heir:
        claims.claim(heir, [(TOPIC, 1)], "heir")
    bench.stop()
    assert not bench.codes
    assert rows_of(uri, "select partition, checkpoint_offset from applied order by 1") == [(0, 30), (1, 0)]


def test_a_lost_frame_is_fetched_again(uri: str) -> None:
    bench = Bench(uri)
    bench.engine.claim([0])
    log = one_unit(40)
    assert bench.engine.fold(0, log[:10]) is None
    assert bench.engine.fold(0, log[20:30]) == 10
    assert bench.engine.fold(0, log[30:40]) == 10  # it was on its way already
    assert bench.engine.fold(0, log[10:40]) is None
    bench.stop()
    assert rows_of(uri, "select count(*), count(distinct rec_offset) from reading") == [(40, 40)]


def test_what_the_log_itself_lacks_does_not_stop_it(uri: str) -> None:
    bench = Bench(uri)
    bench.engine.claim([0])
    log = one_unit(40)
    assert bench.engine.fold(0, log[20:30]) == 0  # retention took what was before
    assert bench.engine.fold(0, log[20:30]) is None
    assert bench.engine.fold(0, log[35:40], 30) is None  # a hole of Kafka: it follows what was handed on last
    bench.stop()
    assert rows_of(uri, "select count(*) from reading") == [(15,)]


def test_a_stale_engine_ends_with_75(uri: str) -> None:
    bench = Bench(uri)
    bench.engine.claim([0])
    with connect(uri) as heir:
        claims.claim(heir, [(TOPIC, 0)], "heir")
    bench.engine.fold(0, one_unit(10))
    assert bench.ended.wait(10)
    assert bench.codes == [EXIT_STALE]
    assert rows_of(uri, "select count(*) from reading") == [(0,)]
    assert rows_of(uri, "select * from trouble") == []
    bench.stop()


def test_an_engine_that_leaves_goes_quietly_where_an_heir_came_first(uri: str) -> None:
    bench = Bench(uri)
    bench.engine.claim([0])
    with connect(uri) as heir:
        claims.claim(heir, [(TOPIC, 0)], "heir")
    bench.engines.interrupt()  # it was told to stop
    bench.engine.fold(0, one_unit(10))
    bench.stop()
    assert bench.codes == []
    assert rows_of(uri, "select count(*) from reading") == [(0,)], "it wrote what is the heir's to write"
    assert rows_of(uri, "select * from trouble") == []


def test_a_failure_of_a_fold_is_noted_where_it_happened(uri: str) -> None:
    bench = Bench(uri, poisoned(CountingModel(), "poison"))
    bench.engine.claim([0])
    bench.engine.fold(0, one_unit(20))
    try:
        bench.engine.fold(0, one_unit(40, poison=30)[20:])
    except ZeroDivisionError as error:
        bench.engine.failed(0, error)
    assert bench.codes == [EXIT_BROKEN]
    assert rows_of(uri, "select partition, next_offset, exits, error from trouble") == [
        (0, 20, 1, "ZeroDivisionError: poison: poison")
    ]
    bench.stop()


def test_it_ends_though_the_failure_cannot_be_noted(own_postgres: Any) -> None:
    uri = prepared(own_postgres.database())
    bench = Bench(uri)
    bench.engine.claim([0])
    own_postgres.stop()
    bench.engine.fold(0, one_unit(10))
    began = monotonic()
    bench.engine.failed(0, RuntimeError("planted"))
    assert monotonic() - began < 5.0
    assert bench.codes[0] == EXIT_BROKEN
    own_postgres.start()
    bench.stop()


def test_backpressure_holds_the_fold_and_drops_nothing(own_postgres: Any) -> None:
    uri = prepared(own_postgres.database())
    bench = Bench(uri, pending_records=100)
    bench.engine.claim([0])
    own_postgres.stop()
    log = one_unit(1000)

    def fold() -> None:
        for start in range(0, len(log), 20):
            bench.engine.fold(0, log[start : start + 20])

    folding = threading.Thread(target=fold)
    folding.start()
    gauge = bench.metrics.backpressure._value
    assert _until(lambda: gauge.get() == 1.0)
    assert bench.engine._commits._waiting <= 100
    assert folding.is_alive()
    own_postgres.start()
    folding.join(30)
    assert not folding.is_alive()
    bench.stop()
    assert rows_of(uri, "select count(*), count(distinct rec_offset) from reading") == [(1000, 1000)]
    assert not bench.codes


def test_told_to_stop_it_waits_for_no_database(own_postgres: Any) -> None:
    uri = prepared(own_postgres.database())
    bench = Bench(uri, pending_records=20)
    bench.engine.claim([0])
    own_postgres.stop()
    folding = threading.Thread(target=lambda: [bench.engine.fold(0, one_unit(100)[i : i + 20]) for i in (0, 20, 40)])
    folding.start()
    assert _until(lambda: bench.metrics.backpressure._value.get() == 1.0)
    bench.engines.interrupt()
    folding.join(5)
    assert not folding.is_alive()
    began = monotonic()
    bench.engines.stop(1.0)
    assert monotonic() - began < 3.0
    bench._hang_up()
    own_postgres.start()
    assert rows_of(uri, "select count(*) from reading") == [(0,)]


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    over, pause = monotonic() + seconds, threading.Event()
    while not condition():
        if monotonic() > over:
            return False
        pause.wait(0.01)
    return True
