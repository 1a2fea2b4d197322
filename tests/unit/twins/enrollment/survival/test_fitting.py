"""Fits: figures that were printed elsewhere, and optima of likelihoods written down again here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from twins.enrollment.study import Floats
from twins.enrollment.survival import events_needed, fit, law, weights
from twins.enrollment.survival.fitting import Fit

DAYS = np.array([33.0, 61, 92, 140, 155, 180, 211, 240, 260, 301, 333, 365, 365, 400, 412, 450, 477, 501, 520, 560])
EVENTS = np.array([1.0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0])


def of(events: int, rate: float, subjects: int) -> tuple[Floats, Floats]:
    """Times with so many events over the exposure that a printed log rate implies."""
    each = events / np.exp(rate) / subjects
    return np.full(subjects, each), (np.arange(subjects) < events).astype(float)


@pytest.mark.parametrize(
    ("events", "theta", "aic"), [(183, -6.524076, 2755.8117), (12, -9.248655, 247.9677)], ids=["event", "dropout"]
)
def test_exponential_figures_of_eventpred(events: int, theta: float, aic: float) -> None:
    days, ended = of(events, theta, 300)
    found = fit(law("exponential"), days, ended)
    assert found.theta[0] == pytest.approx(theta, abs=1e-9)
    assert found.covariance[0, 0] == pytest.approx(1 / events)
    assert found.aic == pytest.approx(aic, abs=5e-4)  # the printed ln rate has six digits, times 183 events


def test_piecewise_figures_of_eventpred() -> None:
    """73 and 110 events follow from the printed rates and criterion; exposures from events over rate."""
    rates, counts = np.array([-6.446372, -6.572499]), np.array([73, 110])
    exposure = counts / np.exp(rates)
    later = 200  # who pass the cut at day 180, each with the same time beyond it
    early = (exposure[0] - later * 180) / 100
    assert 0 < early < 180
    days = np.concatenate([np.full(100, early), np.full(later, 180 + exposure[1] / later)])
    events = np.concatenate([np.arange(100) < 73, np.arange(later) < 110]).astype(float)
    found = fit(law("piecewise", (0.0, 180.0)), days, events)
    assert found.theta == pytest.approx(rates, abs=1e-9)
    assert found.aic == pytest.approx(2757.1200, abs=5e-4)


def test_averaging_weight_of_eventpred() -> None:
    fits = [Fit(name, np.zeros(2), np.eye(2), 2 - aic / 2, 300) for name, aic in (("w", 2755.7842), ("l", 2769.5140))]
    assert weights(fits)[0] == pytest.approx(0.998957, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "frozen"),
    [
        ("weibull", lambda a, b: stats.weibull_min(np.exp(-b), scale=np.exp(a))),
        ("log_logistic", lambda a, b: stats.fisk(np.exp(-b), scale=np.exp(a))),
        ("log_normal", lambda a, b: stats.lognorm(np.exp(b), scale=np.exp(a))),
    ],
)
def test_two_parameter_laws_against_another_optimum(name: str, frozen: object) -> None:
    def minus(theta: Floats) -> float:
        one = frozen(*theta)  # type: ignore[operator]
        return -float(one.logpdf(DAYS[EVENTS > 0]).sum() + one.logsf(DAYS[EVENTS == 0]).sum())

    best = optimize.minimize(minus, [6.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
    found = fit(law(name), DAYS, EVENTS)  # type: ignore[arg-type]
    assert found.log_likelihood == pytest.approx(-best.fun, abs=1e-8)
    assert found.theta == pytest.approx(best.x, abs=1e-5)
    step = 1e-3  # an independent curvature along each parameter
    for i in range(2):
        move = np.eye(2)[i] * step
        bend = (minus(best.x + move) + minus(best.x - move) - 2 * best.fun) / step**2
        assert np.linalg.inv(found.covariance)[i, i] == pytest.approx(bend, rel=1e-3)


def test_a_law_without_events_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="expected an event"):
        fit(law("weibull"), DAYS, np.zeros(len(DAYS)))
    with pytest.raises(ValueError, match="merge pieces"):
        fit(law("piecewise", (0.0, 600.0)), DAYS, EVENTS)


@pytest.mark.parametrize(
    ("ratio", "power", "events"),
    [
        (0.70, 0.8, 246.787105), (0.70, 0.9, 330.377914), (0.65, 0.8, 169.180663), (0.65, 0.9, 226.484907),
        (0.75, 0.8, 379.351730), (0.75, 0.9, 507.844335),
    ],
)  # fmt: skip
def test_schoenfeld(ratio: float, power: float, events: float) -> None:
    assert events_needed(ratio, power) == pytest.approx(events, abs=5e-7)


@pytest.mark.parametrize("ratio", [0.0, 1.0, -2.0])
def test_schoenfeld_needs_a_difference(ratio: float) -> None:
    with pytest.raises(ValueError, match="hazard ratio"):
        events_needed(ratio, 0.8)
