"""Moves are a set: any order of arrival gives the same bytes, and what is written is what is read."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import supply as s
from schemas.errors import SnapshotError
from schemas.fields import FactName
from schemas.ids import event_hash
from twins.supply.kept import Row
from twins.supply.moves import Moves

LEGS = tuple(s.LegName(step, "LYS-AMS", "QX") for step in ("receipt", "make", "release"))


def move(number: int, patient: str, time: int, ahead: int, step: str | None = "make") -> Row:
    name = ("twins", f"move {number}")
    legs = tuple(msgspec.structs.replace(one) for one in LEGS[ahead:])  # equal, but not the same objects
    wrong = FactName("planner", "x") if number % 3 == 0 else None
    data = s.Moved(patient=patient, step=step, leg_hours=1.5, ahead=legs, slot="2026-05-01T00:00:00Z", supersedes=wrong)
    return Row(time, time + 1, event_hash(*name), name, data)


ROWS = [move(k, f"COI-{k % 4}", 10 * (k % 5), k % 3, None if k == 7 else "make") for k in range(16)]


def put(rows: list[Row]) -> Moves:
    moves = Moves()
    for row in rows:
        moves.put(row)
    return moves


@given(st.permutations(ROWS), st.sets(st.integers(0, 15), max_size=6), st.integers(0, 16))
def test_any_order_gives_the_same_bytes_and_they_are_read_as_they_were_written(
    rows: list[Row], back: set[int], place: int
) -> None:
    whole = put(ROWS)
    moves = put(rows[:place])
    moves.write()  # what this keeps is what a later one writes
    for row in rows[place:]:
        moves.put(row)
    for number in back:
        assert moves.take_back(ROWS[number].hash) == whole.take_back(ROWS[number].hash)
    again = Moves.read(moves.write())
    assert moves.write() == whole.write() == again.write()
    assert moves.newest == whole.newest == again.newest
    assert list(moves.times()) == list(again.times())


def test_legs_ahead_that_are_equal_are_kept_once() -> None:
    moves = put(ROWS)
    kept = {id(row.data.ahead) for row in moves.newest.values()}
    assert len(kept) <= len(LEGS)
    assert moves.write().count(b"LYS-AMS") == sum(len(LEGS) - one for one in range(len(LEGS)))


def test_of_who_is_forgotten_nothing_stays() -> None:
    moves = put(ROWS)
    assert moves.forget("COI-1").data.patient == "COI-1"
    assert len(moves) == 3
    assert moves.write() == put([row for row in ROWS if row.data.patient != "COI-1"]).write()
    assert moves.take_back(ROWS[1].hash) is None


def test_bytes_that_are_no_moves_are_refused() -> None:
    with pytest.raises(SnapshotError, match="expected the moves"):
        Moves.read(msgspec.msgpack.encode([[], [[1, 2, "a", "b", 5, []]]]))
