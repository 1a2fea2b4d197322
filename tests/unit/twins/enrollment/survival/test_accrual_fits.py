"""Enrollment of the published example, fitted at its first interim: the figures that eventPred prints for it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.twins.enrollment.survival.recipe import Stream, trial
from twins.enrollment.study import Floats
from twins.enrollment.survival.accrual_fits import b_spline, piecewise_poisson, poisson, time_decay

LAST = 363.0  # day of the last subject before the cut at day 366


@pytest.fixture(scope="module")
def days() -> Floats:
    entry = np.sort(trial()[0])
    return entry[entry <= LAST]


def test_the_stream_is_rs() -> None:
    """What R prints for set.seed(123); runif(3), and for rexp(3)."""
    uniform, exponential = Stream(123), Stream(123)
    assert [uniform.uniform() for _ in range(3)] == pytest.approx([0.2875775, 0.7883051, 0.4089769], abs=5e-8)
    assert [exponential.exponential() for _ in range(3)] == pytest.approx(
        [0.84345726, 0.57661027, 1.32905487], abs=5e-9
    )


def test_poisson(days: Floats) -> None:
    found = poisson(days, LAST)
    assert len(days) == 224
    assert (found.theta[0], found.covariance[0, 0]) == pytest.approx((-0.482757, 0.004464), abs=5e-7)
    assert (found.aic, found.bic) == pytest.approx((666.2750, 669.6867), abs=5e-5)


def test_piecewise_poisson(days: Floats) -> None:
    found = piecewise_poisson(days, LAST, (0.0, 140.0))
    assert found.theta == pytest.approx([-1.180442, -0.208675], abs=5e-7)
    assert found.aic == pytest.approx(629.0583, abs=5e-5)


def test_time_decay(days: Floats) -> None:
    """The printed parameters are where R's search stopped: the likelihood is flat there, and ours is no worse."""
    found = time_decay(days, LAST)
    assert (found.aic, found.bic) == pytest.approx((609.0973, 615.9206), abs=1e-4)
    assert found.theta == pytest.approx([-5.394735, -5.958500], abs=3e-3)
    assert found.aic < 609.09735


def test_b_spline(days: Floats) -> None:
    assert b_spline(days, LAST, knots=1).aic == pytest.approx(614.6706, abs=5e-5)


def test_a_piece_that_brought_nobody(days: Floats) -> None:
    with pytest.raises(ValueError, match="merge pieces"):
        piecewise_poisson(days, LAST, (0.0, 5.0))
