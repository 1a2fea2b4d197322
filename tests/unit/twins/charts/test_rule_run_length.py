"""Run lengths of run rules against Champ and Woodall, closed forms, and the rules that run."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import SettingsError
from twins.charts import rules, rules_arl, run_lengths
from twins.charts.points import Bools, Floats, Ints, Marks
from twins.charts.rules import RuleState
from twins.charts.run_length import shewhart_arl

ONE, TWO, THREE, FOUR = (
    rules.WESTERN_ELECTRIC_1, rules.WESTERN_ELECTRIC_2, rules.WESTERN_ELECTRIC_3, rules.WESTERN_ELECTRIC_4,
)  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "published"),
    [
        (ONE, 370.40),
        (ONE | TWO, 225.44),
        (ONE | THREE, 166.05),
        (ONE | FOUR, 152.73),
        (ONE | TWO | THREE, 132.89),
        (ONE | TWO | FOUR, 122.05),
        (ONE | THREE | FOUR, 105.78),
        (ONE | TWO | THREE | FOUR, 91.75),
    ],
)
def test_gives_the_published_figures(wanted: int, published: float) -> None:
    assert rules_arl(wanted) == pytest.approx(published, abs=0.006)  # Champ and Woodall 1987, shift 0: two decimals


def test_agrees_with_what_can_be_worked_out_by_hand() -> None:
    # A run of r on one side of the median: 2^r - 1 points on average (Feller 1968, XIII.7, for either side)
    assert rules_arl(rules.NELSON_2) == pytest.approx(2**9 - 1, rel=1e-9)
    assert rules_arl(rules.WESTERN_ELECTRIC_4) == pytest.approx(2**8 - 1, rel=1e-9)
    # A run of r successes of chance p: (1 - p^r) / ((1 - p) p^r)
    p = 1.0 - 1.0 / shewhart_arl(1.0)
    assert rules_arl(rules.NELSON_7) == pytest.approx((1 - p**15) / ((1 - p) * p**15), rel=1e-9)
    for shift in (0.0, 0.7, 2.0):
        assert rules_arl(rules.NELSON_1, shift) == pytest.approx(shewhart_arl(3.0, shift), rel=1e-9)


def test_a_shift_up_or_down_is_found_as_soon() -> None:
    assert rules_arl(rules.WESTERN_ELECTRIC, 0.8) == pytest.approx(rules_arl(rules.WESTERN_ELECTRIC, -0.8), rel=1e-9)


@pytest.mark.parametrize(
    ("wanted", "shift"),
    [
        (rules.WESTERN_ELECTRIC, 0.0),
        (rules.WESTERN_ELECTRIC, 1.0),
        (rules.NELSON & ~(rules.NELSON_3 | rules.NELSON_4), 0.0),
        (rules.NELSON_6, 0.5),
        (rules.NELSON_8, 1.5),
    ],
)
def test_the_rules_that_run_have_the_run_length_that_is_computed(wanted: int, shift: float) -> None:
    def step(state: RuleState, instants: Ints, z: Floats, there: Bools) -> tuple[RuleState, Marks]:
        state, fired = rules.step(state, instants, z, there, 1 << 60)
        return state, fired & np.uint16(wanted)

    lengths = run_lengths(rules.start(10_000), step, seed=5, shift=shift)
    assert lengths.mean() == pytest.approx(rules_arl(wanted, shift), abs=4 * lengths.std() / len(lengths) ** 0.5)


@pytest.mark.parametrize("wanted", [0, rules.NELSON, rules.NELSON_3, rules.NELSON_4 | rules.NELSON_1, 1 << 12])
def test_rules_without_a_chain_are_refused(wanted: int) -> None:
    with pytest.raises(SettingsError, match="rules that look at zones"):
        rules_arl(wanted)
