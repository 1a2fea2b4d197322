"""Advice on feeding: what it promises holds when carried in fine steps, and a little less would not do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.errors import SettingsError
from twins.bioreactor.estimation import advice
from twins.bioreactor.estimation.advice import (
    BOLUS_ONLY,
    FEED,
    IMPOSSIBLE,
    NOT_NEEDED,
    Floor,
    Pump,
    advise,
    check_advice,
    least,
)
from twins.bioreactor.estimation.design import Design, Unsure
from twins.bioreactor.estimation.exchange import add_bolus
from twins.bioreactor.estimation.joint import Joint, JointFilter
from twins.bioreactor.models import MODELS

Floats = NDArray[np.float64]

Z05 = -1.6448536269514722
CULTURES: dict[str, tuple[list[float], Floor, float]] = {  # what a run begins with, floor, what the feed holds
    "cho_xing": ([3e9, 0.0, 9.0, 4.0, 2.0, 0.5], Floor(2, 2.0, 0.95), 653.0),
    "t_cell": ([2e6, 0.0, 2.0, 5.0, 7.2], Floor(2, 0.5, 0.95), 20.0),
}


def culture(name: str, n: int, seed: int) -> tuple[JointFilter, Joint, Floats, Floor, Pump]:
    begins, floor, holds = CULTURES[name]
    unsure = {"cho_xing": ("mu_m", "Y_XS"), "t_cell": ("rg", "rc")}[name]
    filter_ = JointFilter(Design(MODELS[name], tuple(Unsure(one, 0.1) for one in unsure), initial_sd=0.03))
    rng = np.random.default_rng(seed)
    x = np.array(begins)[:, None] * np.ones(n)
    x[0] *= np.exp(0.4 * rng.standard_normal(n))
    x[2] *= rng.uniform(0.6, 2.5, n)
    composition = np.zeros(len(begins))
    composition[2] = holds
    joint = filter_.start(x, np.full(n, 2.0))
    return filter_, joint, inputs_of(filter_, n), floor, Pump(1.0, 1.0, 4.0, composition)


def inputs_of(filter_: JointFilter, n: int) -> Floats:
    each = [0.0 if one.name.startswith("feed_") else one.default for one in filter_.design.model.inputs]
    u: Floats = np.repeat(np.array(each)[:, None], n, axis=1)
    return u


def lowest(filter_: JointFilter, joint: Joint, u: Floats, hours: float, row: int, step: float = 0.1) -> Floats:
    """Carry in fine steps, and give the least 5 % quantile on the way."""
    joint, n = joint.copy(), len(joint.volume)
    found: Floats = filter_.quantiles(joint, np.array([Z05]))[0, row]
    for _ in range(round(hours / step)):
        filter_.predict(joint, np.zeros(n), np.full(n, step), u)
        found = np.minimum(found, filter_.quantiles(joint, np.array([Z05]))[0, row])
    return found


def fed(filter_: JointFilter, u: Floats, rates: Floats, pump: Pump) -> Floats:
    names = [one.name for one in filter_.design.model.inputs]
    u = u.copy()
    u[names.index("feed_rate")] = rates
    u[names.index("feed_glucose")] = pump.composition[2]
    return u


@pytest.mark.parametrize("name", sorted(CULTURES))
def test_what_is_advised_keeps_the_floor_in_fine_steps_and_less_does_not(name: str) -> None:
    filter_, joint, u, floor, pump = culture(name, 24, seed=3)
    told = advise(filter_, joint, u, np.full(24, 24.0), floor, pump)
    rates, needed = told.rate_litres_per_hour, told.verdict == FEED
    assert needed.sum() > 4, told.verdict
    part = joint.part(np.nonzero(needed)[0])
    # 0.5 %: coarse steps against fine ones
    kept = lowest(filter_, part, fed(filter_, u[:, needed], rates[needed], pump), 24.0, floor.row)
    assert (kept >= 0.995 * floor.value).all(), kept
    # a twentieth less: the search ends 2 to 4 % of the floor above it. One that is nearly on its floor now has to rise
    # at once, and is fed more than the least
    less = lowest(filter_, part, fed(filter_, u[:, needed], 0.95 * rates[needed], pump), 24.0, floor.row)
    assert (less < floor.value).mean() >= 0.9, less


@pytest.mark.parametrize("name", sorted(CULTURES))
def test_a_bolus_at_the_latest_time_keeps_the_floor_to_the_end(name: str) -> None:
    filter_, joint, u, floor, pump = culture(name, 8, seed=4)
    told = advise(filter_, joint, u, np.full(8, 24.0), floor, pump)
    some = np.nonzero(told.verdict == FEED)[0][:4]
    assert len(some) > 2
    assert (told.latest_hours[some] <= told.crosses_hours[some]).all()
    assert (told.crosses_hours[some] - told.latest_hours[some] <= 24.0 / advice.POINTS + 1e-9).all()
    for j in some.tolist():
        one, hours = joint.part(np.array([j])), float(told.latest_hours[j])
        assert lowest(filter_, one, u[:, [j]], hours, floor.row)[0] >= 0.995 * floor.value
        filter_.predict(one, np.zeros(1), np.array([hours]), u[:, [j]], 0.1)
        add_bolus(one, filter_, told.bolus_litres[[j]], pump.composition[:, None])
        assert lowest(filter_, one, u[:, [j]], 24.0 - hours, floor.row)[0] >= 0.995 * floor.value


def test_where_nothing_is_needed_nothing_is_advised() -> None:
    filter_, joint, u, floor, pump = culture("cho_xing", 4, seed=5)
    told = advise(filter_, joint, u, np.full(4, 1.0), Floor(floor.row, 0.5, 0.95), pump)
    assert (told.verdict == NOT_NEEDED).all()
    for one in (told.rate_litres_per_hour, told.bolus_litres, told.latest_hours, told.crosses_hours):
        assert np.isnan(one).all()


def test_what_no_pump_or_vessel_can_do_is_said_to_be_impossible() -> None:
    filter_, joint, u, floor, pump = culture("cho_xing", 6, seed=6)
    hours = np.full(6, 48.0)
    full = advise(filter_, joint, u, hours, floor, Pump(1.0, 1.0, 2.0, pump.composition))
    assert (full.verdict == IMPOSSIBLE).all()
    assert not np.isnan(full.crosses_hours).any()
    slow = advise(filter_, joint, u, hours, floor, Pump(1e-6, 1.0, 4.0, pump.composition))
    assert (slow.verdict == BOLUS_ONLY).all()


def test_below_the_floor_already_a_bolus_is_due_now() -> None:
    filter_, joint, u, floor, pump = culture("cho_xing", 3, seed=7)
    told = advise(filter_, joint, u, np.full(3, 6.0), Floor(floor.row, 40.0, 0.95), pump)
    assert (told.verdict == BOLUS_ONLY).all()
    assert (told.crosses_hours == 0.0).all()
    assert (told.latest_hours == 0.0).all()


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32), unit=st.integers(0, 8))
def test_a_units_advice_is_the_same_alone_and_among_others(seed: int, unit: int) -> None:
    filter_, joint, u, floor, pump = culture("cho_xing", 9, seed)
    hours = np.random.default_rng(seed).uniform(2.0, 30.0, 9)
    together = advise(filter_, joint, u, hours, floor, pump)
    alone = advise(filter_, joint.part(np.array([unit])), u[:, [unit]], hours[[unit]], floor, pump)
    for name in ("rate_litres_per_hour", "bolus_litres", "latest_hours", "crosses_hours", "verdict"):
        assert getattr(alone, name).tobytes() == getattr(together, name)[[unit]].tobytes(), (seed, name)


def test_the_belief_is_left_as_it_is() -> None:
    filter_, joint, u, floor, pump = culture("cho_xing", 5, seed=8)
    before = joint.copy()
    advise(filter_, joint, u, np.full(5, 24.0), floor, pump)
    for name in ("mean", "covariance", "volume"):
        assert getattr(joint, name).tobytes() == getattr(before, name).tobytes()


def test_the_search_carries_no_further_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 3 + 2 ROUNDS times over the horizon, whatever comes."""
    filter_, joint, u, floor, pump = culture("cho_xing", 30, seed=9)
    carried = 0.0
    predict = JointFilter.predict

    def counted(self: JointFilter, joint: Joint, t: Floats, hours: Floats, u: Floats, longest: Any = None) -> None:
        nonlocal carried
        carried += float(hours.sum())
        predict(self, joint, t, hours, u, longest)

    monkeypatch.setattr(JointFilter, "predict", counted)
    advise(filter_, joint, u, np.full(30, 24.0), floor, pump)
    assert carried <= (3 + 2 * advice.ROUNDS) * 24.0 * 30


@settings(max_examples=60, deadline=None)
@given(root=st.floats(1e-3, 0.999), power=st.floats(0.3, 3.0), gain=st.floats(0.1, 30.0))
def test_what_is_found_was_seen_to_be_enough(root: float, power: float, gain: float) -> None:
    def margin(_: NDArray[np.int64], amount: Floats) -> Floats:
        return np.maximum((amount / root) ** power - 1.0, -1.0)

    found = least(margin, np.ones(1), np.array([gain]), rounds=20)
    assert root <= found[0] * (1 + 1e-12)
    assert found[0] <= root * 1.4 + 0.02  # never worse than the bracket that 20 rounds leave


@pytest.mark.parametrize(
    ("name", "floor", "holds", "said"),
    [
        ("cho_xing", Floor(0, 1.0, 0.95), 653.0, "can be fed"),
        ("cho_xing", Floor(2, 2.0, 0.95), 1.0, "holds more than it"),
    ],
)
def test_advice_that_cannot_be_given_is_refused(name: str, floor: Floor, holds: float, said: str) -> None:
    filter_ = JointFilter(Design(MODELS[name]))
    with pytest.raises(SettingsError, match=said):
        check_advice(filter_, floor, Pump(1.0, 1.0, 4.0, np.full(len(filter_.states), holds)))
