"""Limits with delays in the live block: they are what `twins.alarming.delays` says, wherever frames end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.effects import Effect
from schemas.errors import SettingsError
from schemas.instants import SECOND
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of, wild_events
from twins.alarming import Band, TagLimits, delays, rules_of
from twins.bioreactor import BioreactorModel
from twins.checks import fold

DELAYED: dict[str, Any] = {"tag": "ph", "high": 7.2, "deadband": 0.1, "unit": "[pH]", "on_delay_seconds": 60}


def alerts_of(script: Script, *limits: dict[str, Any], cuts: Any = (), **more: Any) -> list[Effect]:
    model = BioreactorModel.from_config({"limits": list(limits), **more})
    return [one for one in fold(model, records_of(script.events), cuts).effects if one.kind == "alert"]


def story(alerts: list[Effect]) -> list[tuple[str, str, int, float | None]]:
    """Give rule, action, record and value of each alert."""
    return [(one.data["rule"], one.data["action"], int(one.id.rsplit("/", 2)[1]), one.data["value"]) for one in alerts]


def without_numbers(effects: list[Effect], unit: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Give a unit's alerts without their number within a record, which counts those of all units told at once."""
    return [
        (
            one.id.rpartition("/")[0],
            one.event_time,
            one.record_time,
            {**one.data, "alert": one.data["alert"].rpartition("/")[0]},
        )
        for one in effects
        if one.kind == "alert" and one.key == unit
    ]


def told(*values: tuple[float, float]) -> Script:
    script = Script()
    script.start()
    for seconds, value in values:
        script.read(seconds, ph=value)
    return script


def test_an_on_delay_raises_at_the_first_reading_at_which_it_has_passed() -> None:
    script = told((10, 7.3), (40, 7.3), (69, 7.3), (70, 7.3), (80, 7.3))
    assert story(alerts_of(script, DELAYED)) == [("ph.high.measured", "raise", 4, 7.3)]


def test_one_reading_within_the_limit_begins_the_on_delay_anew() -> None:
    script = told((10, 7.3), (60, 7.1), (70, 7.3), (120, 7.3), (131, 7.4))
    assert story(alerts_of(script, DELAYED)) == [("ph.high.measured", "raise", 5, 7.4)]


def test_an_on_delay_that_ends_between_readings_fires_at_the_next_fact_of_the_unit() -> None:
    script = told((10, 7.3))
    script.read(69, temperature=37.0)
    script.unit = "BR-2"
    script.read(75, temperature=37.0)  # another unit's fact tells nothing
    script.unit = "BR-1"
    script.read(80, temperature=37.0)
    for cuts in ((), range(1, 5)):
        found = alerts_of(script, DELAYED, cuts=cuts)
        assert story(found) == [("ph.high.measured", "raise", 4, None)]
    assert found[0].data["message"] == "ph was above its limit of 7.2 [pH] when last read, 60 s ago or more"


@pytest.mark.parametrize("fact", ["feed", "passed", "passed for it"])
def test_a_fact_that_is_no_reading_and_time_that_passed_fire_it_too(fact: str) -> None:
    script = told((10, 7.3))
    if fact == "feed":
        script.feed(75, 0.01)
    else:
        script.passed(75, subject="" if fact == "passed" else "BR-1")
    assert story(alerts_of(script, DELAYED)) == [("ph.high.measured", "raise", 2, None)]


def test_a_twin_on_its_sources_clock_does_not_hear_the_owners_time() -> None:
    script = Script()
    script.start(clock="source")
    script.read(10, ph=7.3)
    script.passed(75, source="twinstream/owner")
    assert story(alerts_of(script, DELAYED)) == []


def test_an_off_delay_needs_every_reading_back_and_silence_never_clears() -> None:
    limit = {**DELAYED, "on_delay_seconds": 0, "off_delay_seconds": 60}
    script = told((10, 7.3), (20, 7.0), (50, 7.15), (60, 7.0))
    script.passed(500)
    script.read(600, temperature=37.0)
    script.read(601, ph=7.0)
    assert story(alerts_of(script, limit)) == [
        ("ph.high.measured", "raise", 1, 7.3),
        ("ph.high.measured", "clear", 7, 7.0),
    ]


def test_a_silence_longer_than_the_bridge_begins_the_off_delay_anew() -> None:
    limit = {**DELAYED, "on_delay_seconds": 0, "off_delay_seconds": 60, "bridge_seconds": 100}
    script = told((10, 7.3), (20, 7.0), (200, 7.0), (261, 7.0))
    assert story(alerts_of(script, limit)) == [
        ("ph.high.measured", "raise", 1, 7.3),
        ("ph.high.measured", "clear", 4, 7.0),
    ]


def test_the_three_kinds_are_kept_apart() -> None:
    limit = {
        "tag": "ph",
        "unit": "[pH]",
        "alarm": {"high": 7.2, "deadband": 0.05, "priority": "high"},
        "action": {"high": 7.3, "priority": "critical"},
        "proven": {"high": 7.5},
    }
    found = alerts_of(told((1, 7.25), (2, 7.4), (3, 7.6), (4, 7.45), (5, 7.16), (6, 7.1)), limit)
    assert story(found) == [
        ("ph.high.alarm", "raise", 1, 7.25),
        ("ph.high.action", "raise", 2, 7.4),
        ("ph.high.proven", "raise", 3, 7.6),
        ("ph.high.proven", "clear", 4, 7.45),
        ("ph.high.action", "clear", 5, 7.16),
        ("ph.high.alarm", "clear", 6, 7.1),
    ]
    assert [one.data["priority"] for one in found[:3]] == ["high", "critical", "medium"]
    assert (
        found[1].data["message"] == "ph is 7.4 [pH], above its action limit of 7.3 [pH]; there is a deviation to record"
    )


def test_kinds_are_converted_to_canonical_units() -> None:
    limit = {"tag": "temperature", "unit": "[degF]", "alarm": {"high": 100.4, "deadband": 1.8}}
    rule = next(iter(BioreactorModel.from_config({"limits": [limit]}).empty()._state.rules))
    assert (rule.name, rule.unit) == ("temperature.high.alarm", "Cel")
    assert (rule.limit, rule.clear) == pytest.approx((38.0, 37.0))


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"tag": "ph", "low": 6.0, "alarm": {"high": 7.0}}, "received both"),
        ({"tag": "ph", "alarm": {"high": 7.0}, "action": {"high": 6.9}}, "outside the alarm limit"),
        ({"tag": "ph", "alarm": {}}, "low or high"),
        ({"tag": "ph", "high": 7.0, "on_delay_seconds": -1}, "on_delay_seconds"),
    ],
)
def test_limits_that_cannot_be_are_refused(limit: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=r"expected") as error:
        BioreactorModel.from_config({"limits": [limit]})
    assert says in str(error.value)


def test_the_end_of_a_batch_ends_what_waits() -> None:
    script = told((10, 7.3))
    script.end(80)
    script.passed(100)
    script.start(110, "B-2")
    script.read(120, ph=7.3)
    script.read(179, ph=7.3)
    assert story(alerts_of(script, DELAYED)) == []


def test_a_late_reading_neither_raises_nor_breaks_a_delay() -> None:
    script = told((10, 7.3), (130, 7.0), (20, 7.3), (60, 7.3), (200, 7.3), (30, 7.0), (261, 7.3))
    assert story(alerts_of(script, DELAYED)) == [("ph.high.measured", "raise", 7, 7.3)]


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.sampled_from([6.9, 7.15, 7.3, None]), min_size=1, max_size=40),
    gaps=st.lists(st.integers(0, 90), min_size=40, max_size=40),
    delay=st.tuples(st.sampled_from([0, 30, 60]), st.sampled_from([0, 30, 60]), st.sampled_from([None, 45, 80])),
    cuts=st.lists(st.integers(1, 40), max_size=8),
)
def test_the_block_turns_where_the_law_says(
    values: list[float | None], gaps: list[int], delay: tuple[int, int, int | None], cuts: list[int]
) -> None:
    on, off, bridge = delay
    script, seconds = Script(), 0
    rule = rules_of(TagLimits("ph", alarm=Band(None, 7.2, 0.1, on, off), bridge_seconds=bridge))
    points, state = delays.Points.of(rule), delays.start(1)
    script.start()
    expected = []
    for number, (value, gap) in enumerate(zip(values, gaps, strict=False), start=1):
        seconds += gap
        tags: dict[str, Any] = {"temperature": 37.0} if value is None else {"ph": value}
        script.read(seconds, **tags)
        now = np.array([BEGIN + seconds * SECOND])
        if value is None:
            state, turned = delays.pass_time(points, state, int(now[0]))
        else:
            state, turned = delays.step(points, state, now, np.array([value]), np.array([True]))
        if turned[0]:
            expected.append(("ph.high.measured", "raise" if turned[0] > 0 else "clear", number, value))
    limit = {
        "tag": "ph",
        "high": 7.2,
        "deadband": 0.1,
        "on_delay_seconds": on,
        "off_delay_seconds": off,
        "bridge_seconds": bridge,
    }
    assert story(alerts_of(script, limit, cuts=cuts)) == expected


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_neighbours_change_nothing(seed: int) -> None:
    model = BioreactorModel.from_config({
        "limits": [
            {"tag": "dissolved_oxygen", "low": 11.0, "deadband": 1.0, "on_delay_seconds": 120},
            {"tag": "ph", "high": 6.9, "off_delay_seconds": 200, "bridge_seconds": 300},
        ]
    })  # fmt: skip
    records = records_of(wild_events(seed, 90))
    whole = fold(model, records, range(0, len(records), 7))
    for unit in ("BR-0", "BR-1", "BR-2"):
        own = [record for record in records if record.key is None or record.key == unit.encode()]
        assert without_numbers(fold(model, own).effects, unit) == without_numbers(whole.effects, unit)
