"""Gas, oxygen, pH and volume against cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ShapeError
from twins.bioreactor.models.bicarbonate import after_acid, bicarbonate_ph
from twins.bioreactor.models.gas import MOLAR_LITRES, gas_balance, outlet_flow
from twins.bioreactor.models.model import StateInfo
from twins.bioreactor.models.oxygen_transfer import (
    fit_dynamic,
    kla_coalescing,
    kla_non_coalescing,
    oxygen_rate,
)
from twins.bioreactor.models.volume import add_bolus, draw_sample, volume_state

STATES = (
    StateInfo("glucose", "mmol/L", "softplus", 1.0, "", 20.0),
    StateInfo("history", "1", "linear", 1.0, "", 0.0, "other"),
    volume_state(1.0),
)


def test_gas_balance_by_hand() -> None:
    """1 mol/h of air (0.2095 O2, 0.0004 CO2) into 2 L; out come 0.1800 O2 and 0.0250 CO2.

    Inert 0.7901 mol/h leaves as 0.7950 of the off-gas: 0.993836 mol/h. Oxygen 0.2095 - 0.178891 = 0.030609 mol/h,
    carbon dioxide 0.024846 - 0.0004 = 0.024446 mol/h; per litre 15.305 and 12.223 mmol/L/h; quotient 0.7986.
    """
    found = gas_balance(np, MOLAR_LITRES, 2.0, 0.2095, 0.0004, 0.18, 0.025)
    assert found.oxygen_uptake == pytest.approx(15.305, abs=1e-3)
    assert found.carbon_dioxide_evolution == pytest.approx(12.223, abs=1e-3)
    assert found.respiratory_quotient == pytest.approx(0.7986, abs=1e-4)


def test_leaving_the_inert_gas_out_biases_uptake_and_quotient() -> None:
    """The same case with the outlet taken as the inlet: uptake 14.750 (3.6 % low), quotient 0.834 (4.4 % high)."""
    right = gas_balance(np, MOLAR_LITRES, 2.0, 0.2095, 0.0004, 0.18, 0.025)
    uptake, evolution = 1000 * (0.2095 - 0.18) / 2, 1000 * (0.025 - 0.0004) / 2
    assert uptake / right.oxygen_uptake - 1 == pytest.approx(-0.0362, abs=2e-4)
    assert evolution / uptake / right.respiratory_quotient - 1 == pytest.approx(0.0442, abs=2e-4)


@given(st.floats(0.05, 0.4), st.floats(0.0, 0.05), st.floats(0.0, 0.1))
def test_one_carbon_dioxide_for_one_oxygen_leaves_the_flow_as_it_is(oxygen: float, carbon: float, burnt: float) -> None:
    burnt = min(burnt, oxygen)
    assert outlet_flow(7.0, oxygen, carbon, oxygen - burnt, carbon + burnt) == pytest.approx(7.0, rel=1e-12)
    if burnt > 1e-6:
        found = gas_balance(np, 7.0, 1.0, oxygen, carbon, oxygen - burnt, carbon + burnt)
        assert found.respiratory_quotient == pytest.approx(1.0, rel=1e-8)


def test_a_quotient_without_uptake_is_not_a_number() -> None:
    found = gas_balance(np, np.array([5.0, 5.0]), 1.0, 0.21, 0.0, np.array([0.21, 0.2]), np.array([0.0, 0.01]))
    assert np.isnan(found.respiratory_quotient).tolist() == [True, False]


def test_transfer_at_a_kilowatt_per_cubic_metre_and_a_centimetre_per_second() -> None:
    assert kla_coalescing(1000.0, 0.01) == pytest.approx(148.3, abs=0.05)
    assert kla_non_coalescing(1000.0, 0.01) == pytest.approx(360.9, abs=0.05)


@pytest.mark.parametrize(("kla", "uptake"), [(148.3, 2.0), (20.0, 0.0), (360.9, 8.0)])
def test_the_dynamic_method_finds_what_made_the_curve(kla: float, uptake: float) -> None:
    """C(t) = C* - OUR/kLa - (...) exp(-kLa t), read each second: the trapezoid costs (kLa dt)^2/12, under 0.1 %."""
    hours = np.arange(0.0, 5.0 / kla, 1 / 3600)
    steady = 0.21 - uptake / 1000.0 / kla
    oxygen = steady - (steady - 0.05) * np.exp(-kla * hours)
    found = fit_dynamic(hours, oxygen, 0.21)
    assert found.kla == pytest.approx(kla, rel=1e-3)
    assert found.uptake == pytest.approx(uptake / 1000.0, abs=2e-3 * kla * 0.21)
    assert oxygen_rate(kla, 0.21, steady, uptake / 1000.0) == pytest.approx(0.0, abs=1e-12)


def test_the_dynamic_method_needs_points() -> None:
    with pytest.raises(ShapeError, match="3 or more"):
        fit_dynamic(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 1.0)


def test_ph_of_a_bicarbonate_medium() -> None:
    assert bicarbonate_ph(np, 24.0, 40.0) == pytest.approx(7.400, abs=5e-4)
    assert bicarbonate_ph(np, after_acid(np, 24.0, 10.0), 40.0) == pytest.approx(7.166, abs=5e-4)
    assert np.isfinite(bicarbonate_ph(np, after_acid(np, 24.0, 30.0), 40.0))


@given(st.floats(0.1, 10), st.floats(0, 10), st.floats(0, 100), st.floats(0, 1000))
def test_a_bolus_brings_mass_and_volume(volume: float, litres: float, glucose: float, holds: float) -> None:
    before = np.array([glucose, -3.0, volume])
    after = add_bolus(np, STATES, before, litres, np.array([holds, 7.0, 7.0]))
    assert after[0] * after[2] == pytest.approx(glucose * volume + holds * litres, rel=1e-12)
    assert after[1:].tolist() == [-3.0, volume + litres]


@given(st.floats(0.1, 10), st.floats(0, 0.999), st.floats(0, 100))
def test_a_sample_takes_mass_and_leaves_concentrations(volume: float, share: float, glucose: float) -> None:
    before = np.array([glucose, -3.0, volume])
    after = draw_sample(np, STATES, before, share * volume)
    assert after[:2].tolist() == [glucose, -3.0]
    assert after[2] == pytest.approx((1 - share) * volume, rel=1e-12)
