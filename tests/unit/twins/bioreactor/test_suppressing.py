"""Consequences in the live block: said as suppressed, shown when they outlive their cause, lost never."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.effects import Effect
from schemas.errors import SettingsError
from schemas.instants import SECOND, parse_instant
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of, wild_events
from twins.bioreactor import BioreactorModel
from twins.checks import fold

STIRRER, OXYGEN, PH = "stirrer_speed.low.measured", "dissolved_oxygen.low.measured", "ph.low.measured"
CONFIG: dict[str, Any] = {
    "limits": [
        {"tag": "dissolved_oxygen", "low": 20.0, "unit": "%"},
        {"tag": "ph", "low": 6.8, "unit": "[pH]"},
        {"tag": "stirrer_speed", "low": 100.0, "unit": "1"},
    ],
    "consequences": [
        {"cause": STIRRER, "effect": OXYGEN, "hold_minutes": 10},
        {"cause": OXYGEN, "effect": PH},
    ],
}


def story(script: Script, cuts: Any = ()) -> list[tuple[str, str, int]]:
    """Give rule, action and record of each alert."""
    effects = fold(BioreactorModel.from_config(CONFIG), records_of(script.events), cuts).effects
    return [
        (one.data["rule"], one.data["action"], int(one.id.rsplit("/", 2)[1])) for one in effects if one.kind == "alert"
    ]


def alerts_of(script: Script) -> list[Effect]:
    effects = fold(BioreactorModel.from_config(CONFIG), records_of(script.events)).effects
    return [one for one in effects if one.kind == "alert"]


def lost_stirrer() -> Script:
    """The stirrer is lost, oxygen falls and comes back with it."""
    script = Script()
    script.start()
    script.read(10, stirrer_speed=0.0, dissolved_oxygen=60.0)
    script.read(30, stirrer_speed=0.0, dissolved_oxygen=10.0)
    script.read(60, stirrer_speed=300.0, dissolved_oxygen=10.0)
    return script


def test_a_consequence_is_kept_and_not_shown() -> None:
    script = lost_stirrer()
    script.read(90, stirrer_speed=300.0, dissolved_oxygen=60.0)
    script.read(900, stirrer_speed=300.0, dissolved_oxygen=10.0)
    assert story(script) == [
        (STIRRER, "raise", 1),
        (OXYGEN, "suppress", 2),
        (STIRRER, "clear", 3),
        (OXYGEN, "clear", 4),
        (OXYGEN, "raise", 5),
    ]
    found = alerts_of(script)
    assert found[1].data["suppressed_by"] == found[0].id
    assert found[1].data["alert"] == found[3].data["alert"] == found[1].id
    assert found[4].data["alert"] == found[4].id
    assert "suppressed_by" not in found[4].data


@pytest.mark.parametrize("fact", ["another tag", "time"])
def test_one_that_outlives_its_cause_is_raised_under_its_own_identity(fact: str) -> None:
    script = lost_stirrer()
    script.read(659, temperature=37.0)
    if fact == "time":
        script.passed(660)
    else:
        script.read(660, temperature=37.0)
    script.read(700, dissolved_oxygen=60.0)
    for cuts in ((), range(1, 8)):
        assert story(script, cuts) == [
            (STIRRER, "raise", 1),
            (OXYGEN, "suppress", 2),
            (STIRRER, "clear", 3),
            (OXYGEN, "raise", 5),
            (OXYGEN, "clear", 6),
        ]
    found = alerts_of(script)
    assert {found[place].data["alert"] for place in (1, 3, 4)} == {found[1].id}
    assert found[3].id != found[1].id
    assert found[3].data["suppressed_by"] == found[0].id
    assert found[3].data["message"] == f"{OXYGEN} still stands, and {STIRRER} that it was taken to follow from does not"


def test_a_suppressed_alert_is_a_cause_too_and_a_shown_one_stays() -> None:
    script = lost_stirrer()
    del script.events[-1]
    script.read(40, ph=6.0)
    script.unit = "BR-2"
    script.start()
    script.read(50, dissolved_oxygen=10.0)
    script.read(60, stirrer_speed=0.0)
    assert story(script) == [
        (STIRRER, "raise", 1),
        (OXYGEN, "suppress", 2),
        (PH, "suppress", 3),
        (OXYGEN, "raise", 5),
        (STIRRER, "raise", 6),
    ]


def test_a_cause_in_the_same_record_suppresses_and_is_said_first() -> None:
    script = Script()
    script.start()
    script.read(10, dissolved_oxygen=10.0, ph=6.0, stirrer_speed=0.0)
    found = alerts_of(script)
    assert story(script) == [(STIRRER, "raise", 1), (OXYGEN, "suppress", 1), (PH, "suppress", 1)]
    assert [one.data.get("suppressed_by") for one in found] == [None, found[0].id, found[1].id]


def test_the_end_of_a_batch_clears_what_is_suppressed() -> None:
    script = lost_stirrer()
    script.end(70)
    script.passed(5000)
    assert story(script)[3:] == [(OXYGEN, "clear", 4)]


def test_one_that_clears_with_the_fact_that_would_show_it_is_not_shown() -> None:
    script = lost_stirrer()
    script.read(900, dissolved_oxygen=60.0)
    assert story(script)[3:] == [(OXYGEN, "clear", 4)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 120), max_size=15))
def test_nothing_is_lost_and_what_stands_does_not_depend_on_the_table(seed: int, cuts: list[int]) -> None:
    limits = [
        {"tag": "dissolved_oxygen", "low": 11.0, "unit": "%"},
        {"tag": "ph", "high": 6.9, "unit": "[pH]"},
        {"tag": "biomass", "high": 1.2, "unit": "g/L"},
    ]
    table = [
        {"cause": "biomass.high.measured", "effect": "dissolved_oxygen.low.measured", "hold_minutes": 5},
        {"cause": "dissolved_oxygen.low.measured", "effect": "ph.high.measured", "hold_minutes": 1},
    ]
    records = records_of(wild_events(seed, 120))
    plain = fold(BioreactorModel.from_config({"limits": limits}), records).effects
    said = fold(BioreactorModel.from_config({"limits": limits, "consequences": table}), records, cuts).effects
    first: dict[str, str] = {}
    for one in (one for one in said if one.kind == "alert"):
        action, name = one.data["action"], one.data["alert"]
        if one.id == name:
            assert action in ("raise", "suppress")
            first[name] = action
        elif action == "raise":  # shown after all, once, and not before its cause was over by the window
            assert first[name] == "suppress"
            first[name] = "raise"
            assert parse_instant(one.event_time) - BEGIN >= 60 * SECOND
        else:
            assert action == "clear"
            del first[name]

    def turns(effects: list[Effect]) -> list[tuple[str, str, str, bool]]:
        found = [
            (one.id.rsplit("/", 1)[0], one.key, one.data["rule"], one.data["action"] == "clear")
            for one in effects
            if one.kind == "alert" and (one.id == one.data["alert"] or one.data["action"] == "clear")
        ]
        return sorted(found)

    assert turns(said) == turns(plain)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"cause": "ph.high.measured", "effect": PH}, "ph.high.measured"),
        ({"cause": PH, "effect": PH}, "cycle"),
        ({"cause": PH, "effect": STIRRER, "hold_minutes": -1}, "hold_minutes"),
    ],
)
def test_a_table_that_cannot_be_is_refused(line: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=r"expected") as error:
        BioreactorModel.from_config({**CONFIG, "consequences": [*CONFIG["consequences"], line]})
    assert says in str(error.value)
