"""Expected events in closed form, against quadrature of the definition and against the simulation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from tests.unit.twins.enrollment.survival.trials import cut, drawn
from twins.enrollment.study import Floats
from twins.enrollment.survival import (
    Accrual,
    Hazards,
    arrivals,
    day_of_events,
    expected_events,
    expected_of_ongoing,
    fixed,
    law,
    number_law,
    simulate,
)

MONTH = 30.4375
FRONT = Accrual(np.array([0, 6, 18, 24]) * MONTH, np.array([60, 15, 5]) / MONTH)  # RConsortium pharma-skills 38
HELD = Accrual(np.array([0, 3, 7, 12]) * MONTH, np.array([20, 0, 30]) / MONTH)
CHANGING = Hazards(np.array([0.0, 90.0, 180.0]), np.array([0.002, 0.0, 0.004]), np.array([0.001, 0.0, 0.0]))
SLOW = Hazards(np.array([0.0]), np.array([1e-9]), np.array([0.0]))
PLAIN = Hazards(np.array([0.0]), np.array([np.log(2) / (12 * MONTH)]), np.array([1e-4]))


NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)


def integral(of: Callable[[Floats], Floats], start: float, end: float, kinks: Floats) -> float:
    """Quadrature of a function that is smooth between kinks."""
    edges = [start, *sorted(k for k in kinks if start < k < end), end]
    total = 0.0
    for a, b in pairwise(edges):
        total += 0.5 * (b - a) * float(WEIGHTS @ of(0.5 * (b - a) * NODES + 0.5 * (a + b)))
    return total


def share(hazards: Hazards, day: float) -> float:
    """F(u) as the integral of h(v) exp(-(H + G)(v))."""
    ends = np.append(hazards.cuts[1:], np.inf)

    def density(v: Floats) -> Floats:
        spent = np.clip(v[:, None] - hazards.cuts, 0, ends - hazards.cuts) @ (hazards.event + hazards.dropout)
        return np.asarray(hazards.event[np.searchsorted(hazards.cuts, v, side="right") - 1] * np.exp(-spent))

    return integral(density, 0.0, day, hazards.cuts)


@pytest.mark.parametrize("hazards", [PLAIN, CHANGING, SLOW], ids=["plain", "changing", "slow"])
@pytest.mark.parametrize("accrual", [FRONT, HELD], ids=["front-loaded", "held"])
@pytest.mark.parametrize("date", [60.0, 400.0, 1500.0])
def test_against_quadrature(hazards: Hazards, accrual: Accrual, date: float) -> None:
    def shares(days: Floats) -> Floats:
        return np.array([share(hazards, date - one) for one in days])

    total = 0.0
    for (a, b), rate in zip(pairwise(accrual.edges), accrual.rates, strict=True):
        if a < date and rate > 0:
            total += rate * integral(shares, a, min(b, date), date - hazards.cuts)
    assert expected_events(np.array([date]), accrual, hazards)[0] == pytest.approx(total, rel=1e-9, abs=1e-12)


def test_small_rates_join_the_exact_form() -> None:
    """Just below and above where the series takes over."""
    spans = np.array([999.999, 1000.001])
    rate = 1e-6
    one = Hazards(np.array([0.0]), np.array([rate]), np.array([0.0]))
    exact = np.array([float(s - (1 - np.exp(-np.longdouble(rate) * s)) / np.longdouble(rate)) for s in spans])
    assert one.summed(spans) == pytest.approx(exact, rel=1e-8)
    assert one.happened(spans) == pytest.approx(-np.expm1(-rate * spans), rel=1e-13)


def test_the_day_of_so_many_events_and_the_day_that_never_comes() -> None:
    day = day_of_events(300.0, FRONT, PLAIN)
    assert expected_events(np.array([day]), FRONT, PLAIN)[0] == pytest.approx(300.0, abs=1e-6)
    assert day_of_events(600.0, FRONT, PLAIN) == np.inf  # 570 subjects
    assert day_of_events(570.0 * 0.99, FRONT, PLAIN) == np.inf  # drop-out takes more than 1 %


def test_nobody_enters_while_accrual_is_held() -> None:
    never = Hazards(np.array([0.0]), np.array([0.0]), np.array([0.0]))
    assert expected_events(np.array([50.0, 5000.0]), HELD, never).tolist() == [0.0, 0.0]
    assert day_of_events(1.0, HELD, never) == np.inf
    nobody = Accrual(np.array([0.0, 100.0]), np.array([0.0]))
    assert expected_events(np.array([50.0]), nobody, PLAIN).tolist() == [0.0]


def test_simulation_agrees_with_the_closed_form_for_known_rates() -> None:
    """Same design by both: subjects at risk, and accrual with a hold; 2000 draws, four standard errors."""
    rate, gone, draws = 0.002, 0.0005, 2000
    seen = cut(200.0, *drawn(5, 120))
    known = Hazards(np.array([0.0]), np.array([rate]), np.array([gone]))
    to_come = Accrual(np.array([200.0, 260.0, 320.0, 380.0]), np.array([0.5, 0.0, 1.0]))
    future = arrivals(to_come.edges, np.tile(to_come.rates, (draws, 1)), 200, seed=3)
    event, out = (fixed(law("exponential"), np.log([r]), draws) for r in (rate, gone))
    counts = simulate(seen, event, out, future, np.inf, 3).counts(np.array([300.0, 500.0, 900.0]))
    dates, so_far = np.array([300.0, 500.0, 900.0]), int(seen.event.sum())
    ages = seen.days[seen.at_risk]
    going, coming = expected_of_ongoing(dates, 200.0, ages, known), expected_events(dates, to_come, known)
    error = counts.std(axis=0) / np.sqrt(draws)
    assert (np.abs(counts.mean(axis=0) - so_far - going - coming) < 4 * error).all()
    later = known.happened(ages[:, None] + dates - 200.0)
    share = (later - known.happened(ages)[:, None]) / known.remaining(ages)[:, None]
    for k in range(3):
        exact = number_law(share[:, k], float(coming[k]), 400)
        assert exact.sum() == pytest.approx(1.0, abs=1e-9)
        said = np.bincount(counts[:, k].astype(int) - so_far, minlength=401)[:401] / draws
        assert np.abs(np.cumsum(said) - np.cumsum(exact)).max() < 1.95 / np.sqrt(draws)  # Kolmogorov, one in 1000


def test_number_law_is_binomial_and_poisson_at_its_ends() -> None:
    assert number_law(np.full(20, 0.3), 0.0, 20) == pytest.approx(stats.binom(20, 0.3).pmf(np.arange(21)))
    assert number_law(np.zeros(0), 7.0, 30) == pytest.approx(stats.poisson(7.0).pmf(np.arange(31)))


@pytest.mark.parametrize(
    ("edges", "rates"), [([0.0, 1.0], [1.0, 2.0]), ([0.0, 2.0, 1.0], [1.0, 1.0]), ([0.0, 1.0], [-1.0])]
)
def test_an_accrual_that_is_none(edges: list[float], rates: list[float]) -> None:
    with pytest.raises(ValueError, match="accrual"):
        Accrual(np.array(edges), np.array(rates))


def test_hazards_that_are_none() -> None:
    zero: Floats = np.zeros(2)
    with pytest.raises(ValueError, match="cuts"):
        Hazards(np.array([1.0, 2.0]), zero, zero)
