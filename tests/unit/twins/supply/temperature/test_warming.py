"""Warnings: two marks with hysteresis, a tip that is set right in time, and a box that will be warm."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.instants import HOUR
from twins.supply.temperature import (
    FILL,
    TILT,
    Hold,
    HoldLeft,
    Logger,
    Payload,
    Shipper,
    WarmRule,
    WarmWarning,
    judge,
    new_box,
)

SHIPPER = Shipper(hold_hours=240.0)
LAW = Hold(SHIPPER, new_box(SHIPPER), Payload(Logger(0.5, 0.25)))
RULE = WarmRule()


def left(fill: float, rate: float = 1.0 / 240.0) -> HoldLeft:
    """Give a box with so much in it, all of it well known."""
    return HoldLeft("fill", (fill, rate, 0.0), (1e-4, 0.0, 0.0, 1e-9, 0.0, 0.0), 0.0, 5.0, 0.3, 0.0, 1e-4, False)


def looked(hours: list[float], transit: float, rule: WarmRule = RULE) -> list[WarmWarning]:
    """Look each hour at a box with so many hours left."""
    warning, seen = WarmWarning(), []
    for k, hour in enumerate(hours):
        box = left((hour - 5.0) / 240.0)
        warning = judge(rule, warning, box, np.linspace(transit - 4, transit + 4, 33), k * HOUR)
        seen.append(warning)
    return seen


def test_a_limit_that_comes_near_is_warned_of_once() -> None:
    seen = looked([float(h) for h in range(40, 0, -1)], 50.0, WarmRule(warm_hours=1e6))
    begun = next(k for k, w in enumerate(seen) if w.standing)
    assert 40 - begun in range(11, 16)
    assert seen[begun].reason == "limit_near"
    assert {w.since for w in seen[begun:]} == {begun * HOUR}


def test_a_trembling_probability_does_not_warn_again() -> None:
    rule = WarmRule(warm_hours=1e6, near_on=0.5, near_off=0.2)
    seen = looked([12.5, 13.5] * 10, 50.0, rule)
    assert [w.standing for w in seen] == [True] * 20
    assert len({w.since for w in seen}) == 1
    ended = looked([10.0, 40.0, 40.0], 30.0, rule)
    assert [w.standing for w in ended] == [True, False, False]


def test_likely_for_some_hours_warns_and_likely_for_a_moment_does_not() -> None:
    seen = looked([40.0] * 10, 90.0)
    assert [w.standing for w in seen] == [False] * 8 + [True] * 2
    assert seen[-1].reason == "warm_on_arrival"
    assert not any(w.standing for w in looked([40.0] * 6 + [120.0] * 3 + [40.0] * 6, 90.0))


def test_a_box_at_the_door_is_left_alone() -> None:
    assert not any(w.standing for w in looked([13.0, 12.0, 11.0], 2.0))


def course(loss: float, transit: float, seed: int = 1) -> list[tuple[float, WarmWarning]]:
    """Send a box that falls at hour 30 for 3 h, and look each hour."""
    rng = np.random.default_rng(seed)
    state, warning, fill, seen = LAW.start(), WarmWarning(), 1.0, []
    for k in range(int(2 * transit)):
        t = k / 2
        tipped = 30.0 <= t < 33.0
        state = LAW.step(state, round(t * HOUR), TILT, float(tipped))
        state = LAW.step(state, round(t * HOUR), FILL, max(0.0, fill + rng.normal(0.0, 0.03)))
        fill -= 0.5 / 240.0 + (loss / 6.0 if tipped else 0.0)
        draws = np.linspace(0.9, 1.1, 41) * (transit - t)
        warning = judge(RULE, warning, LAW.left(state, round(t * HOUR)), draws, round(t * HOUR))
        seen.append((t, warning))
    return seen


def test_a_tip_that_leaves_enough_is_not_warned_of_and_one_that_does_not_is() -> None:
    for seed in range(4):
        assert not any(w.standing for _, w in course(0.3, 90.0, seed))
        warned = [t for t, w in course(0.6, 110.0, seed) if w.standing]
        assert warned
        limit = (1.0 - 0.6) * 240.0 + SHIPPER.grace_hours
        assert warned[0] <= limit - 6.0


def test_p_warm_is_the_share_of_ways_longer_than_the_hold() -> None:
    box = left(0.5)
    assert box.warm_on_arrival(np.array([60.0, 200.0])) == pytest.approx(0.5, abs=1e-6)
    assert box.warm_on_arrival(np.array([60.0, 200.0]), np.array([3.0, 1.0])) == pytest.approx(0.25, abs=1e-6)
    assert box.quantiles(np.array([0.5]))[0] == pytest.approx(125.0, abs=0.6)


def test_marks_are_checked() -> None:
    for wrong in ({"warm_on": 0.2, "warm_off": 0.3}, {"near_hours": -1.0}, {"near_warm": 2.0}):
        with pytest.raises(SettingsError):
            WarmRule(**wrong)
