"""Thermal dose: exact, additive, the same in any split and order."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from schemas.errors import SettingsError, ShapeError
from schemas.instants import HOUR, MINUTE
from twins.supply.temperature import TEMPERATURE, Dose, DoseState, fold, start
from twins.supply.temperature.dose import GAS_CONSTANT

DOSE = Dose(83.144, 5.0, (8.0, 25.0))


def folded(law: Dose, instants: list[int], celsius: list[float]) -> DoseState:
    state = law.start()
    for instant, value in zip(instants, celsius, strict=True):
        state = law.step(state, instant, TEMPERATURE, value)
    return state


def made(seed: int, count: int = 200) -> tuple[list[int], list[float]]:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.integers(1, 240 * MINUTE, count)).tolist(), rng.normal(6.0, 5.0, count).tolist()


@pytest.mark.parametrize("between", ["trapezoid", "step"])
def test_hours_at_the_reference_count_as_they_are(between: str) -> None:
    law = Dose(83.144, 5.0, (4.0,), between=between)  # type: ignore[arg-type]
    state = folded(law, [k * HOUR for k in range(11)], [5.0] * 11)
    assert state.hours == 10.0
    assert state.hours_above == (10.0,)


def test_a_warmer_hour_weighs_as_arrhenius_says() -> None:
    state = folded(DOSE, [0, HOUR], [25.0, 25.0])
    assert state.hours == pytest.approx(math.exp(83.144 / GAS_CONSTANT * (1 / 278.15 - 1 / 298.15)), rel=1e-12)
    assert state.hours_above == (1.0, 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_any_split_at_readings_gives_the_whole_to_the_bit(seed: int) -> None:
    instants, celsius = made(seed)
    whole = folded(DOSE, instants, celsius)
    assert whole.unknown > 0
    rng = np.random.default_rng(seed)
    cuts = sorted(set(rng.integers(1, len(instants), 9).tolist()))
    shared = DOSE.start()
    apart = DOSE.start()
    for low, high in zip([0, *cuts], [*cuts, len(instants)], strict=True):
        shared = DOSE.joined(shared, folded(DOSE, instants[max(0, low - 1) : high], celsius[max(0, low - 1) : high]))
        apart = DOSE.joined(apart, folded(DOSE, instants[low:high], celsius[low:high]))
    assert shared == whole == apart


def test_a_split_within_a_constant_stretch_changes_no_bit() -> None:
    whole = folded(DOSE, [0, 2 * HOUR], [7.3, 7.3])
    split = folded(DOSE, [0, 1234567, HOUR + 1, 2 * HOUR], [7.3] * 4)
    assert (split.total, split.above) == (whole.total, whole.above)


def test_the_order_of_arrival_changes_no_bit() -> None:
    instants, celsius = made(9)
    forward, _ = fold(DOSE, start(DOSE), instants, [TEMPERATURE] * 200, celsius)
    back = start(DOSE)
    for place in reversed(range(200)):
        back, _ = fold(DOSE, back, [instants[place]], [TEMPERATURE], [celsius[place]])
    assert back.tip == forward.tip


def test_the_sum_is_the_exact_one() -> None:
    instants, celsius = made(4)
    state = folded(DOSE, instants, celsius)
    exact = Fraction(0)
    for k in range(1, 200):
        if (elapsed := instants[k] - instants[k - 1]) <= 3 * HOUR:
            exact += (Fraction(DOSE.rate(celsius[k])) + Fraction(DOSE.rate(celsius[k - 1]))) * elapsed / 2
    assert state.hours == pytest.approx(float(exact / HOUR), rel=1e-15)
    assert state.covered + state.unknown == instants[-1] - instants[0]


def test_settings_and_order_are_checked() -> None:
    with pytest.raises(SettingsError, match="kelvin"):
        Dose(83.0, 278.15)
    with pytest.raises(SettingsError):
        Dose(700.0, -190.0)
    later, earlier = folded(DOSE, [HOUR, 2 * HOUR], [5.0, 5.0]), folded(DOSE, [0, HOUR + 1], [5.0, 5.0])
    with pytest.raises(ShapeError, match="order"):
        DOSE.joined(earlier, later)
