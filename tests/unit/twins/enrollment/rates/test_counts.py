"""Quick quantiles and probabilities of counts against exact sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom

from twins.enrollment.rates.counts import chance, layers, mixed, quantiles
from twins.enrollment.rates.expecting import least

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


@pytest.mark.parametrize(("mean", "variance", "off"), [(5.0, 8.0, 0.004), (30.0, 60.0, 0.002), (400.0, 5000.0, 0.002)])
def test_the_cube_root_stands_for_the_negative_binomial(mean: float, variance: float, off: float) -> None:
    n = np.arange(0.0, mean + 5.0 * np.sqrt(variance))
    exact = nbinom.cdf(n, mean**2 / (variance - mean), mean / variance)
    assert np.abs(chance(n, np.array(mean), np.array(variance)) - exact).max() < off


@pytest.mark.parametrize("mean", [0.05, 0.7, 4.0, 9.0, 60.0, 900.0])
def test_quantiles_halve_what_stands_at_them(mean: float) -> None:
    variance = mean + 0.1 * mean**2
    size, share = mean**2 / (variance - mean), mean / variance
    said = quantiles(np.array([mean]), np.array([variance]), LEVELS)[0]
    n = np.arange(0.0, 20.0 + 10.0 * mean)
    middle = nbinom.cdf(n, size, share) - 0.5 * nbinom.pmf(n, size, share)
    exact = np.array([n[np.argmax(middle >= 0.05)], n[np.argmax(middle >= 0.25)], nbinom.ppf(0.5, size, share),
                      n[middle <= 0.75].max(initial=0.0), n[middle <= 0.95].max(initial=0.0)])  # fmt: skip
    assert np.abs(said - exact).max() <= max(1.0, 0.003 * mean) if mean > 5 else np.array_equal(said, exact)


def test_a_mixture_of_like_counts_is_the_count_and_of_unlike_ones_is_wider() -> None:
    mean, variance = np.full((64, 2), 40.0), np.full((64, 2), 70.0)
    one = mixed(mean, variance, LEVELS)[0]
    assert one == pytest.approx(quantiles(np.array([40.0]), np.array([70.0]), LEVELS)[0], abs=1.0)
    mean[:32] = 20.0
    two = mixed(mean, variance, LEVELS)[0]
    assert two[0] < one[0]
    assert mixed(*layers(mean, variance, 4), LEVELS)[0] == pytest.approx(two, abs=1.0)


def test_a_count_that_varies_less_than_poisson_is_told_too() -> None:
    assert float(chance(np.array(10.0), np.array(10.0), np.array(0.0))) == 1.0
    assert float(chance(np.array(9.0), np.array(10.0), np.array(0.0))) == 0.0


@pytest.mark.parametrize("room", [0.0, 3.0, 18.0, 30.0, 45.0, 400.0])
def test_a_capped_count_has_nearly_the_moments_of_the_exact_sum(room: float) -> None:
    mean, variance = 30.0, 60.0
    n = np.arange(400.0)
    chance_of = nbinom.pmf(n, mean**2 / (variance - mean), mean / variance)
    cut = np.minimum(n, room)
    exact = float((chance_of * cut).sum())
    spread = float((chance_of * np.square(cut)).sum()) - exact**2
    less, narrower = least(np.array(mean), np.array(variance), np.array(room))
    assert float(less) == pytest.approx(exact, abs=0.2)
    assert float(np.sqrt(narrower)) == pytest.approx(np.sqrt(max(spread, 0.0)), abs=0.6)
