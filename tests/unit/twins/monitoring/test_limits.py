"""Limits against scipy's distributions, against identities, and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from twins.monitoring.limits import (
    box_t2_limits,
    jackson_mudholkar,
    smooth_quantile,
    smooth_weighted_chi_square,
    t2_limit,
    weighted_chi_square,
)


@pytest.mark.parametrize(("a", "n", "level"), [(1, 10, 0.95), (3, 57, 0.99), (9, 500, 0.99), (2.5, 30, 0.9)])
def test_t2_limit_is_the_formula(a: float, n: int, level: float) -> None:
    expected = a * (n**2 - 1) / (n * (n - a)) * stats.f.ppf(level, a, n - a)
    assert t2_limit(a, n, level) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("p", "n"), [(2, 10), (3, 25)])
def test_t2_of_new_normal_observations_exceeds_its_limit_as_often_as_it_says(p: int, n: int) -> None:
    # mean and covariance from n observations, one new one, 20,000 times: the distribution is exact here
    rng = np.random.default_rng([p, n])
    training = rng.normal(size=(20_000, n, p))
    away = rng.normal(size=(20_000, p)) - training.mean(axis=1)
    covariance = np.einsum("bni,bnj->bij", c := training - training.mean(axis=1, keepdims=True), c) / (n - 1)
    t2 = np.einsum("bi,bi->b", away, np.linalg.solve(covariance, away[..., None])[..., 0])
    # binomial standard error .0007; four of them
    assert np.mean(t2 > t2_limit(p, n, 0.99)) == pytest.approx(0.01, abs=0.0028)


def test_equal_residual_variances_give_the_wilson_hilferty_cube() -> None:
    for m in (3, 10, 40):
        cube = m * (1 - 2 / (9 * m) + stats.norm.ppf(0.99) * np.sqrt(2 / (9 * m))) ** 3
        assert jackson_mudholkar(np.full(m, 2.5), 0.99) == pytest.approx(2.5 * cube, rel=1e-12)


@pytest.mark.parametrize("variances", [np.linspace(1.0, 0.1, 20), 0.8 ** np.arange(15), np.linspace(2.0, 0.5, 6)])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_jackson_mudholkar_is_near_the_simulated_quantile(variances: np.ndarray, level: float) -> None:
    draws = np.random.default_rng(11).normal(size=(200_000, len(variances))) ** 2 @ variances
    # the approximation is good to about a percent of the quantile, and the simulation to half of that
    assert jackson_mudholkar(variances, level) == pytest.approx(np.quantile(draws, level), rel=0.02)


def test_where_one_residual_variance_towers_the_limit_is_the_weighted_chi_square() -> None:
    variances = np.concatenate([[10.0], np.full(200, 0.05)])
    theta = [float(np.sum(variances**power)) for power in (1, 2, 3)]
    assert 1 - 2 * theta[0] * theta[2] / (3 * theta[1] ** 2) < 0
    found = jackson_mudholkar(variances, 0.99)
    assert found == weighted_chi_square(theta[0], 2 * theta[1], 0.99)
    draws = np.random.default_rng(12).normal(size=(50_000, len(variances))) ** 2 @ variances
    assert found == pytest.approx(np.quantile(draws, 0.99), rel=0.15)  # the formula with its sign turned: 47 % off


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30), st.floats(0.5, 0.9999))
def test_jackson_mudholkar_is_finite_above_zero_and_grows_with_the_scale(variances: list[float], level: float) -> None:
    found = jackson_mudholkar(np.array(variances), level)
    assert 0 < found < np.inf
    assert jackson_mudholkar(3.0 * np.array(variances), level) == pytest.approx(3.0 * found, rel=1e-6)


@given(st.integers(1, 60), st.floats(0.01, 100.0), st.floats(0.5, 0.9999))
def test_weighted_chi_square_is_exact_for_a_scaled_chi_square(h: int, g: float, level: float) -> None:
    assert weighted_chi_square(g * h, 2 * g * g * h, level) == pytest.approx(g * stats.chi2.ppf(level, h), rel=1e-9)


def test_what_never_varies_is_its_own_limit() -> None:
    assert weighted_chi_square(0.0, 0.0, 0.99) == 0.0
    assert weighted_chi_square(2.0, 0.0, 0.99) == 2.0


def test_smoothing_pools_the_neighbours_and_passes_over_what_is_not_known() -> None:
    values = np.random.default_rng(1).chisquare(4, size=(30, 9))
    values[3, 4] = np.nan
    pooled = values[:, 2:7][~np.isnan(values[:, 2:7])]
    assert smooth_quantile(values, 0.9, 2)[4] == pytest.approx(np.quantile(pooled, 0.9))
    expected = weighted_chi_square(pooled.mean(), pooled.var(ddof=1), 0.9)
    assert smooth_weighted_chi_square(values, 0.9, 2)[4] == pytest.approx(expected)
    alone = smooth_quantile(values, 0.9, 0)
    assert alone[0] == pytest.approx(np.quantile(values[:, 0], 0.9))


def test_box_limits_end_in_the_textbook_limit_and_follow_the_scores() -> None:
    variances = np.array([4.0, 1.0])
    scores = np.random.default_rng(2).normal(size=(40, 3, 2))
    scores -= scores.mean(axis=0)
    root = np.linalg.inv(np.linalg.cholesky(scores[:, 2].T @ scores[:, 2] / 39)).T
    scores[:, 2] = scores[:, 2] @ root * np.sqrt(variances)  # final scores have exactly these variances
    scores[:, 1] = scores[:, 2] * 0.5  # half as large: a quarter of the limit
    scores[:, 0] = 0.0
    found = box_t2_limits(scores, variances, 0.99)
    assert found[2] == pytest.approx(t2_limit(2, 40, 0.99), rel=1e-9)
    assert found[1] == pytest.approx(found[2] / 4, rel=1e-9)
    assert found[0] == 0.0
