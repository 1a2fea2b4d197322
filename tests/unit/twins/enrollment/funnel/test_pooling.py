"""Chances of sites, countries and the study, learned together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom

from twins.enrollment.funnel.pooling import ALIKE, Betas, _likely, _middles, pool

COUNTRY = np.repeat(np.arange(4), 10)


def test_the_likelihood_of_a_country_is_that_of_its_beta_binomials() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(0, 15, 6)
    x = rng.binomial(n, 0.6)
    middles = _middles(np.array([float(x.sum())]), np.array([float((n - x).sum())]))
    told = np.log(_likely(x.astype(np.float64), (n - x).astype(np.float64), np.ones((1, 6)), middles)[0])
    a, b = ALIKE[:, None] * middles, ALIKE[:, None] * (1.0 - middles)
    exact = sum(betabinom.logpmf(one, of, a, b) for one, of in zip(x, n, strict=True))
    keep = told > -30.0
    assert keep.sum() > 20
    np.testing.assert_allclose((told - told.max())[keep], (exact - exact.max())[keep], atol=1e-8)


def test_a_site_without_subjects_is_believed_to_be_as_its_country() -> None:
    passed, fell = np.full(40, 6.0), np.full(40, 4.0)
    passed[10:20], fell[10:20] = 1.0, 9.0
    passed[[0, 10]] = fell[[0, 10]] = 0.0
    found = pool(passed, fell, COUNTRY, 4)
    assert found.sites.mean[0] > found.sites.mean[10] + 0.2
    assert found.countries.mean[1] == pytest.approx(0.15, abs=0.08)
    low, high = found.sites.interval()
    assert (high - low)[0] > (high - low)[1]


def test_few_subjects_are_held_towards_their_kin_and_many_are_not() -> None:
    passed, fell = np.full(40, 12.0), np.full(40, 8.0)
    passed[0], fell[0] = 0.0, 2.0
    passed[1], fell[1] = 20.0, 180.0
    found = pool(passed, fell, COUNTRY, 4).sites.mean
    assert found[0] > 0.3
    assert found[1] < 0.15


def test_a_study_of_one_site_has_its_share_and_nothing_is_known_of_none() -> None:
    one = pool(np.array([70.0]), np.array([30.0]), np.array([0]), 1)
    low, high = one.sites.interval()
    assert one.sites.mean[0] == pytest.approx(0.7, abs=0.02)
    assert low[0] == pytest.approx(0.62, abs=0.03)
    assert high[0] == pytest.approx(0.77, abs=0.03)
    none = pool(np.zeros(1), np.zeros(1), np.array([0]), 1).study
    assert none.interval()[1][0] - none.interval()[0][0] > 0.6


@pytest.mark.parametrize("alike", [8.0, 1000.0])
def test_intervals_of_sites_and_study_hold_the_truth(alike: float) -> None:
    rng, held, of_study = np.random.default_rng(3), [], []
    for _ in range(120):
        p = rng.beta(0.6 * alike, 0.4 * alike, 40)
        n = rng.poisson(12, 40)
        x = rng.binomial(n, p)
        found = pool(x.astype(np.float64), (n - x).astype(np.float64), COUNTRY, 4)
        low, high = found.sites.interval()
        held.append(np.mean((low <= p) & (p <= high)))
        bottom, top = found.study.interval()
        of_study.append(bottom[0] <= (n @ p) / n.sum() <= top[0])
    assert 0.85 < np.mean(held) <= 1.0
    assert np.mean(of_study) > 0.85


def test_a_beta_law_has_its_moments() -> None:
    one = Betas(np.array([2.0]), np.array([6.0]))
    assert one.mean[0] == 0.25
    assert one.variance[0] == pytest.approx(2 * 6 / (64 * 9))
