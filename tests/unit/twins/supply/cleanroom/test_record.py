"""A room is the set of its facts: order, doubles, settling change nothing; two open patients are always found."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError, SnapshotError
from schemas.instants import DAY, HOUR, MINUTE, SECOND
from twins.supply.cleanroom import facts as f
from twins.supply.cleanroom import look_ahead, room
from twins.supply.cleanroom.config import Adjoining, Cascade, Changeover, RoomConfig
from twins.supply.cleanroom.record import RoomRecord
from twins.supply.cleanroom.viable import Presence

T0 = 20_000 * DAY
CONFIG = RoomConfig(
    room="B1", grade="B", volume_m3=60, air_changes_per_hour=30, cascades=(Cascade("corridor"),),
    changeovers=(Changeover("x", "y", 30.0),), adjoining=(Adjoining("airlock", 15.0),),
)  # fmt: skip
numbers = itertools.count()


def fact(what: type[f.RoomFact], at: int, /, **fields: object) -> f.RoomFact:
    return what(at=T0 + at, source="test", id=str(next(numbers)), **fields)  # type: ignore[arg-type]


def shift() -> list[f.RoomFact]:
    """Give a day in the room: two patients one after the other, counts and pressures each minute, plates."""
    rng = random.Random(5)
    said = [
        fact(f.Badge, 0, person="ann", entered=True), fact(f.Badge, 5 * MINUTE, person="bob", entered=True),
        fact(f.UnitOpened, 10 * MINUTE, unit="u1", patient="p1", product="x"),
        fact(f.UnitClosed, 100 * MINUTE, unit="u1"), fact(f.LineCleared, 105 * MINUTE, patient="p1"),
        fact(f.UnitOpened, 135 * MINUTE, unit="u2", patient="p2", product="y"),
        fact(f.UnitClosed, 200 * MINUTE, unit="u2"),
        fact(f.Badge, 210 * MINUTE, person="ann", entered=False),
        fact(f.Badge, 211 * MINUTE, person="bob", entered=False),
        fact(f.Cleaned, 260 * MINUTE, began_at=T0 + 230 * MINUTE),
        fact(f.PlateExposed, 100 * MINUTE, plate="P1", kind="settle", site="bench", from_at=T0,
             to_at=T0 + 100 * MINUTE),
        fact(f.PlateRead, 3 * DAY, plate="P1", cfu=9),
        fact(f.Door, 50 * MINUTE, door="d", opened=True), fact(f.Door, 51 * MINUTE, door="d", opened=False),
    ]  # fmt: skip
    for minute in range(0, 300, 3):
        said.append(
            fact(f.Particles, minute * MINUTE, sample_m3=0.0283, count_half_um=rng.randrange(900), count_five_um=3)
        )
        said.append(fact(f.Pressure, minute * MINUTE, against="corridor", difference_pa=rng.choice([12.0, 12.0, 6.0])))
    return said


def record_of(said: list[f.RoomFact]) -> RoomRecord:
    record = RoomRecord(CONFIG)
    for each in said:
        record.take(each)
    return record


@pytest.mark.parametrize("seed", range(4))
def test_no_order_and_no_double_changes_what_is_read(seed: int) -> None:
    said = shift()
    wanted = record_of(said)
    shuffled = said + random.Random(seed).sample(said, 40)
    random.Random(seed).shuffle(shuffled)
    other = RoomRecord(CONFIG)
    for place, each in enumerate(shuffled):
        other.take(each)
        if place % 60 == 0:
            other.read(T0 + 4 * DAY)  # what is read on the way leaves no trace
    for at in (T0 + 2 * HOUR, T0 + 4 * DAY):
        assert other.read(at) == wanted.read(at)
    assert other.snapshot() == wanted.snapshot()


def test_settling_changes_no_later_reading_and_forgets_what_sums_hold() -> None:
    said = shift()
    wanted, settled = record_of(said), record_of(said)
    settled.settle(T0 + 150 * MINUTE)
    for at in (T0 + 150 * MINUTE, T0 + 4 * DAY):
        assert settled.read(at) == wanted.read(at)
    assert settled.exposed("P1") == wanted.exposed("P1") != []
    assert len(settled.snapshot()) < 0.75 * len(wanted.snapshot())
    assert settled.take(said[0]) == "settled"
    assert settled.read(T0 + 4 * DAY) == wanted.read(T0 + 4 * DAY)
    with pytest.raises(SettingsError, match="settled"):
        settled.read(T0)
    late = fact(f.UnitOpened, 20 * MINUTE, unit="u9", patient="p9")
    assert settled.take(late) == "settled"
    assert "u9" in {each.unit for each in settled.exposed("P1")}


def test_a_snapshot_taken_up_again_reads_alike() -> None:
    record = record_of(shift())
    record.settle(T0 + HOUR)
    again = RoomRecord.restore(CONFIG, record.snapshot())
    assert again.read(T0 + 4 * DAY) == record.read(T0 + 4 * DAY)
    assert again.snapshot() == record.snapshot()
    with pytest.raises(SnapshotError):
        RoomRecord.restore(CONFIG, b"no")


def test_a_late_read_holds_the_room_and_names_the_exposed_here_and_next_door() -> None:
    said = shift()
    record = record_of([each for each in said if not isinstance(each, f.PlateRead)])
    assert record.read(T0 + 4 * DAY).word == "at_rest"
    assert record.exposed("P1") == []
    record.take(next(each for each in said if isinstance(each, f.PlateRead)))
    assert record.read(T0 + 2 * DAY).word == "at_rest"
    held = record.read(T0 + 4 * DAY)
    assert (held.word, held.holds) == ("held", ("plate:P1",))
    others = [
        Presence("airlock", "u7", "p7", T0 + 114 * MINUTE, None, False),
        Presence("airlock", "u8", "p8", T0 + 115 * MINUTE, None, False),  # the tail is over
        Presence("store", "u6", "p6", T0, None, False),
    ]
    assert [each.unit for each in record.exposed("P1", others)] == ["u1", "u7"]
    record.take(fact(f.Released, 3 * DAY + HOUR, reason="plate:P1"))
    assert record.read(T0 + 4 * DAY).word == "at_rest"


def test_a_correction_counts_whenever_it_comes() -> None:
    wrong = fact(f.PlateRead, 3 * DAY, plate="P1", cfu=90)
    right = fact(f.PlateRead, 3 * DAY, plate="P1", cfu=1)
    said = [each for each in shift() if not isinstance(each, f.PlateRead)]
    first, second = record_of([*said, wrong, right]), RoomRecord(CONFIG)
    first.withdraw(wrong.source, wrong.id)
    second.withdraw(wrong.source, wrong.id)
    for each in [right, *said, wrong]:
        second.take(each)
    assert first.read(T0 + 4 * DAY) == second.read(T0 + 4 * DAY)
    assert first.read(T0 + 4 * DAY).word == "at_rest"
    assert first.snapshot() == second.snapshot()


def test_two_facts_of_one_name_are_settled_alike_in_any_order() -> None:
    one = f.Held(at=T0, source="s", id="1", reason="a")
    two = f.Held(at=T0, source="s", id="1", reason="b")
    forth, back = record_of([one, two]), record_of([two, one])
    assert forth.snapshot() == back.snapshot()
    assert forth.conflicts == {("s", "1")}


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=80, deadline=None)
def test_two_patients_open_are_always_found_and_never_wrongly(
    opens: list[tuple[int, int, int]], order: random.Random
) -> None:
    said: list[f.RoomFact] = []
    for unit, (patient, since, length) in enumerate(opens):
        said.append(fact(f.UnitOpened, since * SECOND, unit=f"u{unit}", patient=f"p{patient}"))
        said.append(fact(f.UnitClosed, (since + length) * SECOND, unit=f"u{unit}"))
    order.shuffle(said)
    wanted = {
        tuple(sorted((f"p{a[0]}", f"p{b[0]}")))
        for a, b in itertools.combinations(opens, 2)
        if a[0] != b[0] and max(a[1], b[1]) < min(a[1] + a[2], b[1] + b[2])
    }
    read = record_of(said).read(T0 + HOUR)
    assert {each.subjects for each in read.violations if each.kind == "two_patients_open"} == wanted


def test_clearance_changeover_and_holds_are_kept() -> None:
    said = [
        fact(f.UnitOpened, 0, unit="u1", patient="p1", product="x"), fact(f.UnitClosed, 10 * MINUTE, unit="u1"),
        fact(f.Held, 15 * MINUTE, reason="em"),
        fact(f.UnitOpened, 20 * MINUTE, unit="u2", patient="p2", product="y"),
    ]  # fmt: skip
    kinds = {each.kind: each for each in record_of(said).read(T0 + HOUR).violations}
    assert set(kinds) == {"line_clearance_missing", "changeover_short", "opened_while_held"}
    assert kinds["changeover_short"].detail == "by 20.0 minutes"
    assert not {each.kind for each in record_of(shift()).read(T0 + HOUR * 4).violations} & set(kinds)


def test_the_sums_of_a_shift() -> None:
    reading = record_of(shift()).read(T0 + 300 * MINUTE)
    idle = dict(reading.idle_hours)
    assert reading.person_hours == pytest.approx((210 + 206) / 60)
    assert reading.occupied_hours == pytest.approx(211 / 60)
    assert idle["cleaning"] == pytest.approx(0.5)
    assert idle["recovering"] == pytest.approx(CONFIG.recovery_us() / HOUR)
    assert sum(idle.values()) + (90 + 65) / 60 == pytest.approx(5.0)


def test_recovery_is_measured_and_forecasts_take_the_state() -> None:
    said = [fact(f.Badge, 0, person="ann", entered=True), fact(f.Badge, HOUR, person="ann", entered=False)]
    for minute, count in ((59, 900), (62, 400), (66, 40)):
        said.append(fact(f.Particles, minute * MINUTE, sample_m3=0.0283, count_half_um=count))
    record = record_of(said)
    reading = record.read(T0 + 67 * MINUTE)
    assert reading.recoveries == 1
    assert reading.mean_recovery_minutes == pytest.approx(6.0)
    assert reading.half_um_interval[0] < 40 / 0.0283 < 2 * reading.half_um_interval[1]
    assert room.mean_per_m3(record.state(T0 + 2 * HOUR).half) < 200
    half, _ = look_ahead(record.state(T0 + 30 * MINUTE), CONFIG)
    assert half.size == "half_um"
    assert half.breach_hours is not None  # 34,000 of one person lie far below 352,000
    assert half.breach_hours[1] == float("inf")
    assert half.recovered_hours is not None
    assert 0.05 < half.recovered_hours < 0.4
    back = room.people(record.state(T0 + 30 * MINUTE).half, 0)
    assert room.above(back, 3520) > 0.5


def test_facts_of_all_kinds_at_random_read_alike_in_any_order_and_settled() -> None:
    rng = random.Random(8)
    said: list[f.RoomFact] = []
    for _ in range(260):
        at, unit = rng.randrange(300) * MINUTE, f"u{rng.randrange(4)}"
        makers: list[tuple[type[f.RoomFact], dict[str, object]]] = [
            (f.Particles, {"sample_m3": 0.0283, "count_half_um": rng.choice([None, 0, 9000]), "count_five_um": 7}),
            (f.Pressure, {"against": "corridor", "difference_pa": rng.choice([3.0, 15.0])}),
            (f.Door, {"door": rng.choice(["d1", "d2"]), "opened": rng.random() < 0.5}),
            (f.Badge, {"person": rng.choice("abc"), "entered": rng.random() < 0.5}),
            (f.Moved, {"item": unit, "entered": rng.random() < 0.5, "unit": True}),
            (f.PlateRead, {"plate": rng.choice("PQ"), "cfu": rng.randrange(9)}),
            (f.UnitOpened, {"unit": unit, "patient": "p" + unit}),
            (f.UnitClosed, {"unit": unit}),
            (f.Cleaned, {"began_at": T0 + at - rng.randrange(30) * MINUTE}),
            (f.Held, {"reason": "h"}),
            (f.Released, {"reason": rng.choice(["", "h"])}),
        ]
        what, fields = rng.choice(makers)
        said.append(fact(what, at, **fields))
    span = {"site": "z", "from_at": T0 + HOUR, "to_at": T0 + 2 * HOUR}
    said += [fact(f.PlateExposed, 2 * HOUR, plate=plate, kind="settle", **span) for plate in "PQ"]
    wanted, other = record_of(said), record_of(rng.sample(said, len(said)))
    other.settle(T0 + 2 * HOUR)
    again = RoomRecord.restore(CONFIG, other.snapshot())
    for minute in (120, 200, 500):
        at = T0 + minute * MINUTE
        assert wanted.read(at) == other.read(at) == again.read(at)
    assert wanted.exposed("P") == other.exposed("P") == again.exposed("P") != []
