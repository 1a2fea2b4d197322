"""A box's twin: whom it warns of what, once, and what it takes back when the box was not what it seemed."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import supply as s
from schemas.events import Event
from tests.support.supply_story import Story
from tests.unit.twins.supply.telling import Teller, alerts, consequences, packed, refusals, replace, times, withdraw
from twins.supply.temperature import mean_kinetic

KEY = "shipper:B1"


def emptying(made: Story, begin: float = 0.0, hours: int = 16, **changed: Any) -> list[Event]:
    """Tell a box that loses its refrigerant within hours, days before it is expected."""
    events = [made.tell(begin, KEY, packed(**changed))]
    for hour in range(1, hours):
        fill = max(4.4 - 0.3 * hour, 0.0)
        events.append(made.tell(begin + hour, KEY, s.ShipperWeighed(fill_kg=fill)))
    return events


def words(effects: list[Any]) -> list[tuple[str, bool, bool]]:
    return [
        (subject, one.standing, one.warned) for subject, one in consequences(effects, "supply.box_at_risk")
    ]  # fmt: skip


def test_the_patient_is_warned_once_and_told_when_it_is_over() -> None:
    made, told = Story(), Teller()
    told.tell(*emptying(made))
    assert alerts(told.effects, "warm") == ["raise"]
    assert words(told.effects)[-1] == ("patient:A", True, True)
    assert len(words(told.effects)) <= 2  # watched, then warned
    said = told.tell(made.tell(17, KEY, s.ShipperOpened(place="S1")))
    assert alerts(said, "warm") == ["clear"]
    assert words(said) == [("patient:A", False, False)]
    at = times(told.effects)
    assert at == sorted(set(at))  # the patient believes the later word: no two are of one time


def test_two_words_at_one_time_of_the_clock_still_have_an_order() -> None:
    made, told = Story(), Teller()
    told.tell(*emptying(made))
    said = told.tell(withdraw(made.events[-1], 0), *(withdraw(one, 1 + n) for n, one in enumerate(made.events[1:-1])))
    assert words(said)
    assert words(said)[-1] == ("patient:A", False, False)
    at = times(told.effects)
    assert at == sorted(set(at))


@pytest.mark.parametrize("how", ["withdrawn", "patient corrected", "packed anew"])
def test_a_patient_whose_cells_are_not_in_the_box_is_told_so(how: str) -> None:
    made, told = Story(), Teller()
    events = emptying(made)
    told.tell(*events)
    if how == "withdrawn":
        said = told.tell(withdraw(events[0], 1))
        assert alerts(said, "warm") == ["clear"]
        assert words(said) == [("patient:A", False, False)]
    elif how == "patient corrected":
        said = told.tell(replace(events[0], 1, patient="B"))
        assert words(said)[0] == ("patient:A", False, False)
        assert words(said)[-1][0] == "patient:B"
        assert words(said)[-1][1]
    else:
        said = told.tell(made.tell(40, KEY, packed(patient="B", expected_arrival="2026-03-04T00:00:00Z")))
        assert words(said) == [("patient:A", False, False)]
        assert alerts(said, "warm") == ["clear"]


def test_a_late_row_of_a_trip_that_is_over_counts_as_after_a_restart() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, packed()))
    told.tell(*(made.tell(24 * day, KEY, s.ShipperWeighed(fill_kg=4.4 - 0.4 * day)) for day in range(1, 4)))
    told.tell(made.tell(90, KEY, s.ShipperOpened()), *emptying(made, 100, 4))
    other = told.restored()
    late = made.tell(80, KEY, s.ShipperWeighed(fill_kg=2.0), known=110)
    after = made.tell(111, KEY, s.ShipperWeighed(fill_kg=3.0))
    assert [one.data for one in told.tell(late, after)] == [one.data for one in other.tell(late, after)]
    assert told.restored().block.belief(KEY) == told.block.belief(KEY)
    taught = [one.state(KEY).inner.folding.hold.box for one in (told, told.restored())]
    assert taught[0] == taught[1]


def test_an_excursion_stands_until_it_is_withdrawn() -> None:
    made, told = Story(), Teller()
    hot = [made.tell(0, KEY, packed())]
    hot += [made.tell(h, KEY, s.ShipperLogged(logger="L", seconds=(0.0,), celsius=(-190.0,))) for h in range(1, 4)]
    hot += [made.tell(h, KEY, s.ShipperLogged(logger="L", seconds=(0.0,), celsius=(-20.0,))) for h in range(4, 9)]
    told.tell(*hot)
    assert alerts(told.effects, "excursion.limit") == ["raise"]
    said = told.tell(*(withdraw(one, n) for n, one in enumerate(hot[4:])))
    assert alerts(said, "excursion.limit") == ["clear"]


def test_what_cannot_be_true_names_its_field() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, packed()))
    before = told.block.snapshot()
    cases: list[tuple[Any, str]] = [
        (s.ShipperLogged(logger="L", seconds=(0.0, 1.0), celsius=(-190.0,)), "seconds"),
        (packed(qualified_until="soon"), "qualified_until"),
        (packed(limit_celsius=-199.0), "data"),
        (s.TransitExpected(low="2026-03-05T00:00:00Z", median="2026-03-04T00:00:00Z", high="2026-03-06T00:00:00Z"),
         "median"),
        (s.TransitExpected(low="x", median="y", high="z"), "low"),
        (s.PlateRead(plate="P", cfu=1), "type"),
    ]  # fmt: skip
    for data, field in cases:
        assert [where for _, where in refusals(told.tell(made.tell(1, KEY, data)))] == [field], field
    assert told.block.snapshot() == before


def left_of(effects: list[Any]) -> float:
    """Give the median hours to the limit of the newest forecast."""
    (*_, newest) = [one.data["hours_to_limit"] for one in effects if one.kind == "forecast"]
    median: float = newest[2]
    return median


def test_a_box_holds_no_longer_than_it_was_qualified_for_in_any_order() -> None:
    made, told, other = Story(), Teller(), Teller()
    pack = made.tell(0, KEY, packed())
    plain = left_of(told.tell(pack))
    half = made.tell(-1, KEY, s.ShipperQualified(passed=True, hold_hours=packed().hold_hours / 2))
    said = told.tell(half)
    assert plain / 2 <= left_of(said) < 0.55 * plain  # what follows the last of the refrigerant is not halved
    other.tell(half, pack)
    assert other.block.belief(KEY) == told.block.belief(KEY)
    assert left_of(told.tell(withdraw(half, 1))) == plain


def test_a_box_that_failed_its_qualification_or_outlived_it_is_told_of_while_it_travels() -> None:
    made, told = Story(), Teller()
    failed = made.tell(1, KEY, s.ShipperQualified(passed=False))
    assert alerts(told.tell(made.tell(0, KEY, packed()), failed), "qualification") == ["raise"]
    anew = made.tell(2, KEY, s.ShipperQualified(passed=True, until="2026-03-03T00:00:00Z"))
    assert alerts(told.tell(anew), "qualification") == ["clear"]
    late = made.tell(200, KEY, s.ShipperWeighed(fill_kg=2.0))
    assert alerts(told.tell(late), "qualification") == ["raise"]
    assert alerts(told.tell(made.tell(201, KEY, s.ShipperOpened())), "qualification") == ["clear"]
    assert refusals(told.tell(made.tell(202, KEY, s.ShipperQualified(passed=True, until="soon"))))[0][1] == "until"


def test_a_qualification_after_a_trip_says_nothing_of_it() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, packed()), made.tell(50, KEY, s.ShipperOpened()))
    said = told.tell(made.tell(60, KEY, s.ShipperQualified(passed=False)))
    assert alerts(said, "qualification") == []
    (*_, estimate) = [one.data for one in said if one.kind == "estimate"]
    assert estimate["hold_hours"] == packed().hold_hours


def logged(made: Story, hours: float, celsius: float, known: float | None = None) -> Event:
    return made.tell(hours, KEY, s.ShipperLogged(logger="L", seconds=(0.0,), celsius=(celsius,)), known=known)


def newest(effects: list[Any]) -> Any:
    (*_, last) = [one.data for one in effects if one.kind == "estimate"]
    return last


COLD = {"storage": "cold", "cold_celsius": 2.0, "logger_lag_hours": 0.0, "logger_noise_kelvin": 0.001}
AGING = {"activation_kj_per_mol": 83.144, "reference_celsius": 5.0}


def cold_box() -> Teller:
    return Teller(boxes={"other": {**COLD, "dose": AGING}, "estimate_minutes": 1})


def test_mean_kinetic_temperature_is_told_where_it_applies_and_is_an_alert_above_its_limit() -> None:
    made, told = Story(), cold_box()
    told.tell(made.tell(0, KEY, packed(limit_celsius=12.0)))
    told.tell(*(logged(made, 1 + hour, 5.0) for hour in range(30)))
    kinetic = newest(told.effects)["kinetic"]
    assert kinetic["celsius"] == pytest.approx(5.0)
    assert (kinetic["limit_celsius"], kinetic["refused"]) == (8.0, None)
    assert alerts(told.effects, "kinetic") == []
    warm = [logged(made, 31 + hour, 11.0) for hour in range(20)]
    told.tell(*warm)
    assert alerts(told.effects, "kinetic") == ["raise"]
    # 24 h of which 19 at 11 degC, 1 between, 4 at 5 degC: the trapezoid of exponentials over the window
    hours = [4.0 + 0.5, 19.0 + 0.5]
    assert newest(told.effects)["kinetic"]["celsius"] == pytest.approx(mean_kinetic([5.0, 11.0], hours))
    said = told.tell(*(withdraw(one, n) for n, one in enumerate(warm)))
    assert alerts(said, "kinetic") == ["clear"]


def test_mean_kinetic_temperature_is_refused_with_its_reason() -> None:
    made, told = Story(), Teller()
    said = told.tell(made.tell(0, KEY, packed()))
    assert newest(said)["kinetic"]["refused"] == "storage"
    assert newest(said)["dose"] is None
    other, cold = Story(), cold_box()
    assert newest(cold.tell(other.tell(0, KEY, packed(limit_celsius=12.0))))["kinetic"]["refused"] == "no_readings"
    said = cold.tell(logged(other, 1, 5.0), logged(other, 9, 5.0))
    assert newest(said)["kinetic"]["refused"] == "gap"


def test_thermal_dose_is_a_running_state_that_a_late_reading_corrects_to_the_bit() -> None:
    made, told, other = Story(), cold_box(), cold_box()
    pack = made.tell(0, KEY, packed(limit_celsius=12.0))
    read = [logged(made, 1 + hour, 5.0, known=20) for hour in range(11)]
    opened = made.tell(22, KEY, s.ShipperOpened())
    told.tell(pack, *read, opened)
    dose = newest(told.effects)["dose"]
    assert dose["hours"] == pytest.approx(10.0, rel=1e-9)  # at its reference an hour is an hour
    assert (dose["covered_hours"], dose["unknown_hours"]) == (10.0, 0.0)
    other.tell(pack, *read[::2], opened, *read[1::2], after := made.tell(23, KEY, s.ShipperTipped(tipped=False)))
    told.tell(after)
    assert other.block.belief(KEY) == told.block.belief(KEY)
    assert newest(other.effects)["dose"] == dose
