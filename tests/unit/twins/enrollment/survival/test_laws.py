"""Laws: hazard, cumulative hazard and inverse agree with each other and with scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from twins.enrollment.study import Floats
from twins.enrollment.survival import kaplan_meier, law
from twins.enrollment.survival.laws import Law

DAYS = np.array([0.5, 3.0, 40.0, 179.0, 181.0, 700.0, 5000.0])
LAWS = [
    (law("exponential"), np.array([-6.0])),
    (law("weibull"), np.array([6.0, -0.4])),
    (law("log_logistic"), np.array([6.0, -0.3])),
    (law("log_normal"), np.array([6.0, 0.4])),
    (law("piecewise", (0.0, 180.0, 400.0)), np.array([-6.0, -7.0, -5.0])),
]


@pytest.mark.parametrize(("which", "theta"), LAWS, ids=lambda value: getattr(value, "name", ""))
def test_the_inverse_undoes_the_cumulative_hazard(which: Law, theta: Floats) -> None:
    assert which.inverse(which.cumulative(DAYS, theta), theta) == pytest.approx(DAYS, rel=1e-9)


@pytest.mark.parametrize(("which", "theta"), LAWS, ids=lambda value: getattr(value, "name", ""))
def test_the_hazard_is_the_slope_of_the_cumulative_hazard(which: Law, theta: Floats) -> None:
    step = 1e-4 * DAYS
    slope = (which.cumulative(DAYS + step, theta) - which.cumulative(DAYS - step, theta)) / (2 * step)
    assert np.exp(which.log_hazard(DAYS, theta)) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize(("which", "theta"), LAWS, ids=lambda value: getattr(value, "name", ""))
def test_many_parameter_sets_are_as_one_after_the_other(which: Law, theta: Floats) -> None:
    sets = theta[:, None] + np.array([0.0, 0.1, -0.2])
    together = which.cumulative(DAYS, sets[..., None])
    for k in range(3):
        assert together[k] == pytest.approx(which.cumulative(DAYS, sets[:, k]), rel=1e-12)


def test_survival_is_scipys() -> None:
    for which, frozen in (
        (LAWS[1], stats.weibull_min(np.exp(0.4), scale=np.exp(6.0))),
        (LAWS[2], stats.fisk(np.exp(0.3), scale=np.exp(6.0))),
        (LAWS[3], stats.lognorm(np.exp(0.4), scale=np.exp(6.0))),
    ):
        assert which[0].cumulative(DAYS, which[1]) == pytest.approx(-frozen.logsf(DAYS), rel=1e-9)


def test_a_piece_without_hazard_is_crossed_and_one_for_ever_never_ends() -> None:
    with np.errstate(divide="ignore"):
        gap = np.log(np.array([0.01, 0.0, 0.02]))
        end = np.log(np.array([0.01, 0.0]))
    assert law("piecewise", (0.0, 100.0, 200.0)).inverse(np.array([0.5, 1.5]), gap) == pytest.approx([50, 225])
    assert law("piecewise", (0.0, 100.0)).inverse(np.array([0.5, 1.5]), end) == pytest.approx([50, np.inf])


@pytest.mark.parametrize("cuts", [(), (1.0, 2.0), (0.0, 5.0, 5.0)])
def test_cuts_that_are_none(cuts: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="cuts"):
        law("piecewise", cuts)


def test_an_unknown_law() -> None:
    with pytest.raises(ValueError, match="gompertz"):
        law("gompertz")  # type: ignore[arg-type]


def test_product_limit_by_hand() -> None:
    """Days 1, 2+, 3, 3, 5+ (+: cut off): S is 4/5, then 4/5 x 1/3; Greenwood by hand."""
    curve = kaplan_meier(np.array([1.0, 2, 3, 3, 5]), np.array([1.0, 0, 1, 1, 0]))
    assert curve.days.tolist() == [1.0, 3.0]
    assert curve.survival == pytest.approx([4 / 5, 4 / 15])
    assert curve.error**2 == pytest.approx([1 / 20, 1 / 20 + 2 / 3])
    assert curve.median == 3.0
    assert kaplan_meier(np.array([1.0, 2.0]), np.array([0.0, 0.0])).median == np.inf
