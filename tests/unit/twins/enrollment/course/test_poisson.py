"""The inverse of the Poisson law: exact, and monotone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import pdtr

from twins.enrollment.course.poisson import SEARCHED, invert


@pytest.mark.parametrize(("low", "high"), [(1e-3, 8.0), (7.9, 12.0), (12.0, 1e3), (1e3, 1e6)])
def test_the_count_is_the_least_whose_distribution_function_reaches_u(low: float, high: float) -> None:
    rng = np.random.default_rng(20)
    mean = np.exp(rng.uniform(np.log(low), np.log(high), 60_000))
    u = rng.random(len(mean))
    u[:5000], u[5000:10_000] = rng.random(5000) ** 6, 1.0 - rng.random(5000) ** 6
    u = np.clip(u, 1e-9, 1.0 - 1e-9)  # beyond, a double cannot tell the distribution function from its neighbours
    found = invert(u, mean)
    assert (pdtr(found, mean) >= u - 1e-13).all()
    below = found > 0
    assert (pdtr(found[below] - 1.0, mean[below]) < u[below] + 1e-13).all()


def test_a_larger_mean_never_gives_a_smaller_count_also_across_the_two_ways() -> None:
    rng = np.random.default_rng(21)
    mean = np.concatenate([rng.uniform(0.0, 30.0, 100_000), rng.uniform(SEARCHED - 0.01, SEARCHED, 100_000)])
    u = np.clip(rng.random(len(mean)), 2.0**-48, 1.0 - 2.0**-48)
    more = mean * (1.0 + rng.random(len(mean)) * np.where(rng.random(len(mean)) < 0.5, 0.01, 1.0))
    assert (invert(u, more) >= invert(u, mean)).all()


def test_the_farthest_uniforms_and_a_mean_of_nothing() -> None:
    mean = np.array([0.0, 0.0, 0.5, 0.5, 9.0, 9.0, 1e5, 1e5])
    u = np.tile([2.0**-48, 1.0 - 2.0**-48], 4)
    found = invert(u, mean)
    assert found[:2].tolist() == [0.0, 0.0]
    assert np.isfinite(found).all()
    assert (np.abs(found - mean) <= 9.0 * np.sqrt(mean) + 20.0).all()
