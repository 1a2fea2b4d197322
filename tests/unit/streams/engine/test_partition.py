"""How a frame becomes what is committed: as one, or record by record where the program broke before."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import pytest

from schemas.effects import write_effect
from streams.engine.partition import PartitionFold
from streams.ledger.claims import Checkpoint, Claim
from streams.ledger.folded import Folded
from tests.faults.breakage import poisoned
from tests.support.counting import CountingModel
from tests.support.records import Record, reading, record
from twins.block import Past, Wanted

TOPIC = "bioreactor.events"
NEAR = 100


def fold_of(
    *, poison: str = "", applied: int = 0, troubles: int = 0, skipped: Sequence[int] = (), state: bytes | None = None,
    at: int = 0,
) -> PartitionFold:  # fmt: skip
    model = poisoned(CountingModel(), poison) if poison else CountingModel()

    def no_past(wanted: Sequence[Wanted], before: int) -> Past:
        return {}

    fold = PartitionFold(model, TOPIC, 0, no_past)
    checkpoint = None if state is None else Checkpoint(at, model.name, state)
    assert fold.resume(Claim(TOPIC, 0, 1, applied, checkpoint, frozenset(skipped), troubles), NEAR) == at
    return fold


def records(stop: int, start: int = 0, poison: Sequence[int] = ()) -> list[Record]:
    return [
        record(reading("U", i, event_id=f"poison-{i}" if i in poison else f"{i}"), i, i) for i in range(start, stop)
    ]


def lines(folded: Sequence[Folded]) -> list[bytes]:
    return [write_effect(effect) for one in folded for effect in one.effects.all()]


def test_records_folded_before_fall_away() -> None:
    fold = fold_of()
    assert fold.fold(records(10)) is not None
    assert fold.fold(records(10)) is None
    assert list(fold.fold_frame(records(10))) == []
    folded = fold.fold(records(14))
    assert folded is not None
    assert (folded.frame.first, folded.next_offset) == (10, 14)


def test_with_care_the_effects_are_the_same() -> None:
    plain = fold_of()
    careful = fold_of(troubles=2)
    whole = list(plain.fold_frame(records(150)))
    single = list(careful.fold_frame(records(150)))
    assert len(whole) == 1
    assert [one.alone for one in single] == [*range(NEAR), None]  # the window ends: the rest is folded as one
    assert lines(single) == lines(whole)
    assert careful.block.snapshot() == plain.block.snapshot()


def test_care_begins_where_the_ledger_ends() -> None:
    early = fold_of()
    early.fold(records(20))
    fold = fold_of(applied=50, troubles=2, state=early.block.snapshot(), at=20)
    folded = list(fold.fold_frame(records(60, start=20)))
    assert [one.alone for one in folded] == [None, *range(50, 60)]
    assert (folded[0].frame.first, folded[0].next_offset) == (20, 50)


def test_one_trouble_asks_for_no_care() -> None:
    assert [one.alone for one in fold_of(troubles=1).fold_frame(records(10))] == [None]


def test_without_care_poison_raises_and_with_it_is_skipped() -> None:
    rows = records(200, poison=(70, 71, 99))
    with pytest.raises(ZeroDivisionError):
        list(fold_of(poison="poison").fold_frame(rows[:100]))
    fold = fold_of(poison="poison", troubles=2)
    folded = list(fold.fold_frame(rows))
    assert [skip.offset for one in folded for skip in one.skips] == [70, 71, 99]
    rejects = [effect for one in folded for effect in one.effects.rejects]
    assert [effect.id for effect in rejects] == [f"{TOPIC}/0/{offset}/0" for offset in (70, 71, 99)]
    assert {effect.data["reason"] for effect in rejects} == {"program_error"}
    assert all(70 in one.originals for one in folded if one.alone == 70)
    # as if those records had never been: the same as a fold that was told to leave them out
    told = fold_of(skipped=(70, 71, 99))
    assert lines(list(told.fold_frame(rows))) == lines(folded)
    assert fold.block.snapshot() == told.block.snapshot()


def test_all_poison() -> None:
    fold = fold_of(poison="poison", troubles=2)
    folded = list(fold.fold_frame(records(90, poison=range(90))))
    assert [skip.offset for one in folded for skip in one.skips] == list(range(90))
    assert fold.block.snapshot() == CountingModel().empty().snapshot()


def test_a_skipped_record_at_a_frames_edge_belongs_to_the_frame() -> None:
    fold = fold_of(skipped=(0, 9))
    folded = fold.fold(records(10))
    assert folded is not None
    assert (folded.frame.first, folded.frame.last, folded.next_offset) == (0, 9, 10)


@pytest.mark.parametrize("error", [psycopg.errors.UndefinedTable(), OSError(), psycopg.OperationalError()])
def test_what_is_nobodys_fault_is_never_blamed_on_a_record(error: Exception) -> None:
    fold = fold_of(troubles=2)

    def apply(*_: object) -> None:
        raise error

    fold.block.apply = apply  # type: ignore[assignment,method-assign]
    with pytest.raises(type(error)):
        list(fold.fold_frame(records(3)))
