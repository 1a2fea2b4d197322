"""Laws of counts from two moments, against those that they are meant to be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, nbinom, poisson

from twins.enrollment.funnel.counts import at_least, chances, quantiles, room

K = np.arange(61.0)
LAWS = {
    "binomial": (12 * 0.3, 12 * 0.3 * 0.7, binom(12, 0.3)),
    "poisson": (4.2, 4.2, poisson(4.2)),
    "negative binomial": (6.0, 6.0 + 36.0 / 2.5, nbinom(2.5, 2.5 / 8.5)),
}


@pytest.mark.parametrize("name", LAWS)
def test_a_law_of_the_family_is_found_from_its_moments(name: str) -> None:
    mean, variance, law = LAWS[name]
    np.testing.assert_allclose(chances(mean, variance, 400)[:61], law.pmf(K), atol=1e-9)
    np.testing.assert_allclose(at_least(mean, variance, K), law.sf(K - 1), atol=1e-9)


def test_a_sum_of_unequal_chances_is_near_the_binomial_of_its_moments() -> None:
    p = np.random.default_rng(1).uniform(0.1, 0.95, 40)
    exact = np.ones(1)
    for one in p:
        exact = np.convolve(exact, [1.0 - one, one])
    told = chances(p.sum(), (p * (1.0 - p)).sum(), 40)
    assert np.abs(told - exact).sum() / 2 < 0.02
    assert np.abs(np.cumsum(told) - np.cumsum(exact)).max() < 0.015
    assert np.abs(quantiles(told, (0.05, 0.95)) - quantiles(exact, (0.05, 0.95))).max() <= 1


def test_nothing_and_certainty_are_counts_too() -> None:
    assert chances(0.0, 0.0, 3).tolist() == [1.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(chances(3.0, 0.0, 5), [0, 0, 0, 1, 0, 0], atol=1e-6)
    assert at_least(0.0, 0.0, np.array([0.0, 1.0, -3.0])).tolist() == [1.0, 0.0, 1.0]
    assert at_least(3.0, 0.0, np.array([3.0, 4.0])) == pytest.approx([1.0, 0.0], abs=1e-6)


def test_hundreds_neither_overflow_nor_vanish() -> None:
    for mean, variance in ((900.0, 30.0), (900.0, 90_000.0)):
        p = chances(mean, variance, room(mean, variance))
        k = np.arange(len(p))
        assert p.sum() == pytest.approx(1.0)
        assert p @ k == pytest.approx(mean, rel=1e-2)
        assert p @ (k - mean) ** 2 == pytest.approx(variance, rel=0.05)
