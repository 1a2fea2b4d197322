"""Alarm, action and proven limits are kept apart, and their order is checked."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError
from schemas.instants import SECOND
from twins.alarming.limits import NO_BRIDGE, Band, TagLimits, rules_of


def test_lays_out_each_kind_and_side_with_its_own_deadband_and_delays() -> None:
    limits = TagLimits(
        "ph",
        alarm=Band(6.9, 7.1, deadband=0.02, on_delay_seconds=30, off_delay_seconds=60, priority="high"),
        action=Band(6.8, 7.2),
        proven=Band(None, 7.4),
        bridge_seconds=120,
    )
    rules = rules_of(limits)
    assert [(rule.name, rule.kind, rule.high) for rule in rules] == [
        ("ph.low.alarm", "alarm", False),
        ("ph.high.alarm", "alarm", True),
        ("ph.low.action", "action", False),
        ("ph.high.action", "action", True),
        ("ph.high.proven", "proven", True),
    ]
    low, high = rules[:2]
    assert (low.limit, low.clear) == (6.9, 6.92)
    assert high.limit == 7.1
    assert high.clear == pytest.approx(7.08)
    assert (low.on_delay, low.off_delay, low.bridge) == (30 * SECOND, 60 * SECOND, 120 * SECOND)
    assert (low.priority, rules[2].priority) == ("high", "medium")
    assert rules[2].on_delay == rules[2].off_delay == 0
    assert rules_of(TagLimits("ph", alarm=Band(1.0)))[0].bridge == NO_BRIDGE


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({}, "received none, for ph"),
        ({"alarm": {}}, "received neither, in the alarm limits of ph"),
        ({"alarm": {"low": 7, "high": 7}}, "low below high"),
        ({"alarm": {"low": 6, "high": 7, "deadband": 0.6}}, "at most half"),
        ({"alarm": {"low": 6, "deadband": -1}}, "deadband of 0 or more"),
        ({"alarm": {"low": 6.9}, "action": {"low": 6.9}}, "low action limit outside the alarm limit of 6.9"),
        ({"alarm": {"high": 7.1}, "action": {"high": 7.0}}, "high action limit outside the alarm limit of 7.1"),
        ({"action": {"high": 7.1}, "proven": {"high": 7.1}}, "high proven limit outside the action limit of 7.1"),
        ({"alarm": {"low": 6.7}, "action": {"high": 7}, "proven": {"low": 6.8}}, "outside the alarm limit of 6.7"),
    ],
)
def test_what_is_out_of_order_is_refused(limits: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=r"expected") as error:
        rules_of(msgspec.convert({"tag": "ph", **limits}, TagLimits))
    assert says in str(error.value)


def test_a_deadband_of_half_the_span_leaves_one_value_to_clear_at() -> None:
    rules = rules_of(TagLimits("ph", alarm=Band(6.0, 7.0, deadband=0.5)))
    assert rules[0].clear == rules[1].clear == 6.5


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_limit_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="finite"):
        rules_of(TagLimits("ph", alarm=Band(high=value)))


@settings(deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=6, max_size=6))
def test_only_limits_that_lie_strictly_within_each_other_pass(values: list[int]) -> None:
    a, b, c, d, e, f = map(float, values)
    limits = TagLimits("ph", alarm=Band(a, b), action=Band(c, d), proven=Band(e, f))
    if e < c < a < b < d < f:
        assert len(rules_of(limits)) == 6
    else:
        with pytest.raises(SettingsError):
            rules_of(limits)
