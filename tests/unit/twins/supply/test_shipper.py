"""A box's twin: whom it warns of what, once, and what it takes back when the box was not what it seemed."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import supply as s
from schemas.events import Event
from tests.support.supply_story import Story
from tests.unit.twins.supply.telling import Teller, alerts, consequences, packed, refusals, replace, times, withdraw

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
