"""Coordinates: there and back, at both ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twins.bioreactor.models import StateInfo
from twins.bioreactor.models.coordinates import LEAST, MOST, bounds, slope_of, to_coordinates, to_states

STATES = (
    StateInfo("cells", "/L", "log", 1e8, "", 1e8),
    StateInfo("glucose", "mmol/L", "softplus", 0.5, "", 5.0),
    StateInfo("ph", "[pH]", "linear", 0.1, "", 7.0, "other"),
)


@given(st.floats(1e-12, 1e11), st.floats(1e-12, 1e11), st.floats(-1e10, 1e10))
def test_there_and_back(cells: float, glucose: float, ph: float) -> None:
    x = np.array([cells * 1e8, glucose * 0.5, ph])
    # The logarithm of 1e19 costs its exponent's digits: 44 x 2.2e-16.
    np.testing.assert_allclose(to_states(np, STATES, to_coordinates(np, STATES, x)), x, rtol=2e-14)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=True), min_size=3, max_size=3))
def test_any_coordinate_is_a_finite_state(z: list[float]) -> None:
    x = to_states(np, STATES, np.array(z))
    assert np.isfinite(x).all()
    assert (x[:2] > 0).all()


def test_nothing_is_a_large_negative_coordinate() -> None:
    z = to_coordinates(np, STATES, np.zeros(3))
    assert z.tolist() == pytest.approx([np.log(LEAST * 1e8), -30.0, 0.0], rel=1e-12)
    assert to_states(np, STATES, z).tolist() == pytest.approx([LEAST * 1e8, LEAST * 0.5, 0.0], rel=1e-9)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_what_is_beyond_the_bounds_is_held_at_them(row: int) -> None:
    low, high = bounds(STATES[row])
    z = np.zeros((3, 2))
    z[row] = -1e300, 1e300
    x = to_states(np, STATES, z)[row]
    assert x[1] == pytest.approx(MOST * STATES[row].scale, rel=1e-9)
    assert to_coordinates(np, STATES, to_states(np, STATES, z))[row].tolist() == pytest.approx([low, high], rel=1e-9)


@given(st.floats(1e-9, 1e6))
def test_the_slope_is_that_of_the_map(amount: float) -> None:
    """Against a central difference of 1e-5 in z, good to 1e-9 of the second derivative's size."""
    for state, x in zip(STATES, (amount * 1e8, amount, amount), strict=True):
        only = (state,)
        z = to_coordinates(np, only, np.array([x]))
        step = 1e-5 * max(1.0, abs(float(z[0])))
        rise = to_states(np, only, z + step) - to_states(np, only, z - step)
        assert slope_of(np, state, np.array([x]))[0] == pytest.approx(float(rise[0]) / (2 * step), rel=2e-6)
