"""Units against values printed in UCUM and in NIST SP 811, and the laws that every unit keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.bioreactor import PLAUSIBLE, TAG_DIMENSIONS
from schemas.errors import InputError, UnitError
from schemas.units import CANONICAL, UNITS, find_unit, to_canonical


@pytest.mark.parametrize(
    ("value", "code", "expected", "canonical"),
    [
        (37.0, "Cel", 37.0, "Cel"),
        (310.15, "K", 37.0, "Cel"),
        (98.6, "[degF]", 37.0, "Cel"),
        (-40.0, "[degF]", -40.0, "Cel"),
        (90.0, "min", 1.5, "h"),
        (1.0, "d", 24.0, "h"),
        (1.0, "/d", 1 / 24, "/h"),
        (0.5, "/min", 30.0, "/h"),
        (250.0, "uL", 0.00025, "L"),
        (2.0, "m3", 2000.0, "L"),
        (10.0, "mL/min", 0.6, "L/h"),
        (1.0, "kg/m3", 1.0, "g/L"),
        (1.0, "mg/mL", 1.0, "g/L"),
        (5.0, "mol/L", 5000.0, "mmol/L"),
        (1.0, "10*9/L", 1.0, "10*6/mL"),
        (2e6, "/mL", 2.0, "10*6/mL"),
        (0.3, "1", 30.0, "%"),
        # NIST SP 811, appendix B.8: psi is 6.894 757 E+03 Pa, conventional millimetre of mercury 1.333 224 E+02 Pa.
        (1.0, "[psi]", 6.894757e-2, "bar"),
        (1.0, "mm[Hg]", 1.333224e-3, "bar"),
        (101325.0, "Pa", 1.01325, "bar"),
        (1.0, "S/m", 10.0, "mS/cm"),
    ],
)
def test_a_value_becomes_canonical(value: float, code: str, expected: float, canonical: str) -> None:
    received, unit = to_canonical(value, code)
    assert unit == canonical
    assert received == pytest.approx(expected, rel=1e-6)  # the references print seven digits


@given(st.sampled_from(sorted(UNITS)), st.floats(-1e6, 1e6))
def test_conversion_keeps_order_and_can_be_undone(code: str, value: float) -> None:
    unit = UNITS[code]
    converted, _ = to_canonical(value, code)
    assert unit.scale > 0
    assert converted / unit.scale - unit.shift == pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("dimension", CANONICAL)
def test_the_canonical_unit_of_a_dimension_changes_nothing(dimension: str) -> None:
    unit = find_unit(CANONICAL[dimension])
    assert (unit.dimension, unit.scale, unit.shift) == (dimension, 1.0, 0.0)


@pytest.mark.parametrize("code", ["", "cel", "°C", "%/h", "g/L ", "x" * 10_000])
def test_a_code_off_the_list_is_refused_with_a_way_out(code: str) -> None:
    with pytest.raises(UnitError, match="schema units") as refused:
        to_canonical(1.0, code)
    assert isinstance(refused.value, InputError)
    assert len(str(refused.value)) < 300


def test_every_known_tag_has_dimensions_and_plausible_bounds() -> None:
    assert TAG_DIMENSIONS.keys() == PLAUSIBLE.keys()
    for tag, dimensions in TAG_DIMENSIONS.items():
        assert all(dimension in CANONICAL for dimension in dimensions), tag
        low, high = PLAUSIBLE[tag]
        assert low < high
