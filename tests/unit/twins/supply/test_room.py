"""A room's twin: who is told what a plate grew, once, and that nothing grew after all; what is kept is bounded."""

from __future__ import annotations

from typing import Any

from schemas import supply as s
from schemas.events import Event
from tests.support.supply_story import Story, _text
from tests.unit.twins.supply.telling import Teller, alerts, consequences, refusals, replace, times, withdraw

KEY = "room:R1"


def described(**rules: Any) -> s.RoomDescribed:
    adjoining = [{"room": "R2", "tail_minutes": 20.0}]
    return s.RoomDescribed(
        grade="B", volume_m3=60, air_changes_per_hour=30, clock="source", rules={"adjoining": adjoining, **rules}
    )


def shift(made: Story, hour: float = 1.0, coi: str = "A", plate: str = "PL") -> list[Event]:
    """Tell of a unit that is open while a plate lies out."""
    return [
        made.tell(hour, KEY, s.PlateExposed(plate=plate, kind="settle", until=_text(hour + 3))),
        made.tell(hour + 0.2, KEY, s.UnitOpened(patient=coi, unit=f"bag-{coi}")),
        made.tell(hour + 2, KEY, s.UnitClosed(patient=coi, unit=f"bag-{coi}")),
    ]


def begun() -> tuple[Story, Teller]:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, described()), *shift(made))
    return made, told


def exposed(effects: list[Any]) -> list[tuple[str, tuple[str, ...], float]]:
    return [(subject, one.units, one.cfu) for subject, one in consequences(effects, "supply.exposed")]


def test_a_plate_tells_each_patient_and_each_room_once() -> None:
    made, told = begun()
    said = told.tell(made.tell(100, KEY, s.PlateRead(plate="PL", cfu=9, organism="M. luteus")))
    assert exposed(said) == [("patient:A", ("bag-A",), 9.0)]
    ((subject, reached),) = consequences(said, "supply.room_reached")
    assert (subject, reached.organism, reached.cfu) == ("room:R2", "M. luteus", 9.0)
    assert alerts(said, "plate.PL") == ["raise"]
    more = told.tell(made.tell(101, KEY, s.DoorMoved(door="d", open=True)))
    assert not [one for one in more if one.kind == "consequence"]


def test_a_late_fact_of_who_was_there_is_told_at_once() -> None:
    made, told = begun()
    told.tell(made.tell(100, KEY, s.PlateRead(plate="PL", cfu=9)))
    late = [
        made.tell(3.0, KEY, s.UnitOpened(patient="B", unit="bag-B"), known=101),
        made.tell(3.5, KEY, s.UnitClosed(patient="B", unit="bag-B"), known=101),
    ]
    assert [subject for subject, _, _ in exposed(told.tell(*late))] == ["patient:B"]


def test_a_plate_that_was_misread_is_taken_back_and_said_again_if_it_grew_after_all() -> None:
    made, told = begun()
    read = made.tell(100, KEY, s.PlateRead(plate="PL", cfu=9))
    told.tell(read)
    right = replace(read, 1, cfu=0)
    said = told.tell(right)
    assert alerts(said, "plate.PL") == ["clear"]
    assert exposed(said) == [("patient:A", (), 0.0)]
    assert [one.cfu for _, one in consequences(said, "supply.room_reached")] == [0.0]
    said = told.tell(withdraw(right, 2), made.tell(102, KEY, s.PlateRead(plate="PL", cfu=9)))
    assert exposed(said) == [("patient:A", ("bag-A",), 9.0)]
    at = times(told.effects, "patient")
    assert at == sorted(set(at))


def test_a_unit_named_for_the_wrong_patient_is_told_to_the_right_one_alone() -> None:
    made, told = begun()
    wrong = made.events[2]
    told.tell(replace(wrong, 1, patient="B"), replace(made.events[3], 2, patient="B"))
    said = told.tell(made.tell(100, KEY, s.PlateRead(plate="PL", cfu=9)))
    assert exposed(said) == [("patient:B", ("bag-A",), 9.0)]


def test_a_unit_that_never_left_is_still_there() -> None:
    made, told = begun()
    told.tell(made.tell(5, KEY, s.UnitOpened(patient="B", unit="bag-B", open=False)))
    left = made.tell(6, KEY, s.UnitClosed(patient="B", unit="bag-B"))
    told.tell(left, withdraw(left, 1), made.tell(50, KEY, s.PlateExposed(plate="P2", kind="settle", until=_text(53))))
    said = told.tell(made.tell(100, KEY, s.PlateRead(plate="P2", cfu=9)))
    assert exposed(said) == [("patient:B", ("bag-B",), 9.0)]


def test_what_reached_a_room_is_told_on_and_taken_back() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, described()), *shift(made))

    def reached(cfu: float) -> s.RoomReached:
        return s.RoomReached(room="R0", plate="P0", cfu=cfu, limit=5.0, first=_text(1), after=_text(4))

    assert exposed(told.tell(made.tell(100, KEY, reached(7.0)))) == [("patient:A", ("bag-A",), 7.0)]
    assert exposed(told.tell(made.tell(101, KEY, reached(8.0)))) == [("patient:A", ("bag-A",), 8.0)]
    assert exposed(told.tell(made.tell(102, KEY, reached(0.0)))) == [("patient:A", (), 0.0)]
    assert not consequences(told.effects, "supply.room_reached")  # what came from elsewhere goes no further


def test_facts_before_the_description_count_once_and_withdrawn_ones_never() -> None:
    made, told = Story(), Teller()
    facts = shift(made)
    told.tell(withdraw(facts[1], 1), *facts, facts[0])
    assert refusals(told.effects) == [("duplicate", KEY)]
    told.tell(made.tell(0, KEY, described()), made.tell(100, KEY, s.PlateRead(plate="PL", cfu=9)))
    assert exposed(told.effects) == []


def test_a_description_that_was_withdrawn_holds_no_longer_and_no_fact_is_lost() -> None:
    made, told = Story(), Teller()
    first, better = made.tell(0, KEY, described()), made.tell(1, KEY, described())
    told.tell(first, *shift(made), withdraw(first, 1))
    told = told.restored()
    assert told.state(KEY).inner.record is None
    said = told.tell(better, made.tell(100, KEY, s.PlateRead(plate="PL", cfu=9)))
    assert [subject for subject, _, _ in exposed(said)] == ["patient:A"]


def test_a_withdrawal_said_twice_is_a_duplicate() -> None:
    _, told = begun()
    gone = withdraw(told_of(told), 1)
    assert refusals(told.tell(gone)) == []
    assert [reason for reason, _ in refusals(told.tell(gone))] == ["duplicate"]


def told_of(told: Teller) -> Event:
    """Name a fact that nobody told."""
    return Story().tell(1, KEY, s.DoorMoved(door="d", open=True), name="nothing")


def test_pressure_and_particles_are_raised_and_cleared() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, described(cascades=[{"against": "corridor"}])))
    for minute in range(10):
        told.tell(made.tell(1 + minute / 10, KEY, s.PressureRead(pascal=1.0, against="corridor")))
    assert alerts(told.effects, "pressure.corridor") == ["raise"]
    assert alerts(told.tell(made.tell(3, KEY, s.PressureRead(pascal=15.0, against="corridor"))),
                  "pressure.corridor") == ["clear"]  # fmt: skip
    told.tell(made.tell(4, KEY, s.ParticlesCounted(litres=1000.0, count_05um=5_000_000, count_5um=50_000)))
    assert alerts(told.effects, "particles") == ["raise"]
    told.tell(*(made.tell(hour, KEY, s.ParticlesCounted(litres=1000.0, count_05um=1, count_5um=0)) for hour in (6, 7)))
    assert refusals(told.effects) == []
    assert alerts(told.effects, "particles") == ["raise", "clear"]


def test_what_is_kept_of_years_is_bounded() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, described()))
    sizes = []
    for week in range(104):
        hour = 168.0 * week + 1
        told.tell(*shift(made, hour, f"P{week}", f"PL-{week}"))
        told.tell(made.tell(hour + 90, KEY, s.PlateRead(plate=f"PL-{week}", cfu=9, organism="x")))
        inner = told.state(KEY).inner
        sizes.append((len(inner.notes), len(inner.talk.told)))
    assert max(sizes[60:]) <= max(sizes[30:60])
    assert len(consequences(told.effects, "supply.exposed")) == 104


def test_what_cannot_be_true_names_its_field() -> None:
    made, told = begun()
    before = told.block.snapshot()
    cases: list[tuple[Any, str]] = [
        (s.PlateExposed(plate="P", kind="air", until="later"), "until"),
        (s.RoomReached(room="R0", plate="P0", cfu=1.0, limit=5.0, first="x", after="y"), "first"),
        (described(levels_unknown=3), "data"),
        (s.Moved(patient="A", step=None), "type"),
    ]  # fmt: skip
    for data, field in cases:
        assert [where for _, where in refusals(told.tell(made.tell(3, KEY, data)))] == [field], field
    assert told.block.snapshot() == before


def test_two_patients_open_stand_until_quality_decides_and_come_again_with_the_next() -> None:
    made, told = begun()
    both = [
        made.tell(5, KEY, s.UnitOpened(patient="A", unit="bag-A")),
        made.tell(5.1, KEY, s.UnitOpened(patient="B", unit="bag-B")),
        made.tell(5.2, KEY, s.UnitClosed(patient="B", unit="bag-B")),
        made.tell(5.3, KEY, s.UnitClosed(patient="A", unit="bag-A")),
    ]
    rule = "broken.two_patients_open"
    assert alerts(told.tell(*both), rule) == ["raise"]
    assert alerts(told.tell(made.tell(24 * 10, KEY, s.DoorMoved(door="d", open=True))), rule) == []  # it stands
    word = made.tell(24 * 10 + 1, KEY, s.StopDecided(stop=rule, decision="go_on", by="QA", reason="both sampled"))
    assert alerts(told.tell(word), rule) == ["clear"]
    assert told.restored().block.belief(KEY) == told.block.belief(KEY)
    assert alerts(told.tell(withdraw(word, 1)), rule) == ["raise"]


def test_a_decision_ends_the_alert_of_a_plate() -> None:
    made, told = begun()
    assert alerts(told.tell(made.tell(100, KEY, s.PlateRead(plate="PL", cfu=9))), "plate.PL") == ["raise"]
    word = made.tell(101, KEY, s.StopDecided(stop="plate.PL", decision="go_on", by="QA", reason="of the glove"))
    assert alerts(told.tell(word), "plate.PL") == ["clear"]
