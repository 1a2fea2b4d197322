"""The textbook's closed forms against figures worked by hand, exact convolution and each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import nbdtr
from scipy.stats import betaprime, nbinom

from twins.enrollment.rates import closed


def test_silence_lowers_a_site_s_rate_and_a_subject_raises_it() -> None:
    prior = closed.Gamma(1.2, 3.0)
    assert closed.site_posterior(prior, 0.0, 2.0).mean == pytest.approx(1.2 / 5.0)
    assert closed.site_posterior(prior, 0.0, 4.0).mean < closed.site_posterior(prior, 0.0, 2.0).mean < prior.mean
    assert closed.site_posterior(prior, 4.0, 2.0).mean > prior.mean


def test_the_marginal_likelihood_is_of_negative_binomials_and_silent_sites_count() -> None:
    k, v = np.array([0.0, 0.0, 3.0, 1.0]), np.array([4.0, 2.0, 6.0, 1.0])
    by_hand = nbinom.logpmf(k, 1.5, 2.0 / (2.0 + v)).sum()
    assert closed.log_marginal(1.5, 2.0, k, v) == pytest.approx(by_hand, rel=1e-12)
    assert closed.log_marginal(1.5, 2.0, k[2:], v[2:]) - by_hand > 0.5
    unopened = closed.log_marginal(1.5, 2.0, np.append(k, 0.0), np.append(v, 0.0))
    assert unopened == pytest.approx(by_hand, rel=1e-12)


def test_counts_and_times_are_dual() -> None:
    of = closed.Gamma(3.7, 2.1)
    for n in (1, 5, 40):
        for window in (0.5, 3.0, 20.0):
            by_count = 1.0 - float(closed.count_chance(of, window, n - 1))
            assert float(closed.time_chance(of, n, window)) == pytest.approx(by_count, abs=1e-12)
    whole = float(closed.count_chance(closed.Gamma(4.0, 2.1), 3.0, 7))
    assert whole == pytest.approx(nbdtr(7, 4, 2.1 / 5.1), rel=1e-12)


def test_the_time_is_a_beta_prime() -> None:
    of = closed.Gamma(6.5, 3.0)
    assert closed.time_mean(of, 10) == pytest.approx(10 * 3.0 / 5.5)
    assert closed.time_mean(closed.Gamma(1.0, 3.0), 10) == np.inf
    levels = np.array([0.05, 0.5, 0.95])
    expected = 3.0 * betaprime.ppf(levels, 10, 6.5)
    assert closed.time_quantile(of, 10, levels) == pytest.approx(expected, rel=1e-8)
    assert closed.time_chance(of, 10, expected) == pytest.approx(levels, abs=1e-8)


def test_the_matched_gamma_against_exact_convolution() -> None:
    shape, rate = np.array([1.2, 2.2, 5.2, 1.2, 3.2]), np.array([8.0, 5.0, 9.0, 2.0, 6.0])
    window, top = 6.0, 200
    exact = np.ones(1)
    for a, b in zip(shape, rate, strict=True):
        exact = np.convolve(exact, nbinom.pmf(np.arange(top), a, b / (b + window)))[:top]
    of = closed.matched(shape, rate)
    assert of.mean == pytest.approx((shape / rate).sum())
    said = closed.count_chance(of, window, np.arange(top))
    assert np.abs(said - np.cumsum(exact)).max() < 0.008  # one gamma for five


def test_new_sites_by_the_worked_example() -> None:
    # Activation even on [0, 3], t = 6: E[w] = 4.5, E[w^2] = 21.
    mean, variance = closed.new_sites(2.0, 4.0, 10.0, 4.5, 21.0)
    assert mean == pytest.approx(10 * 0.5 * 4.5)
    assert variance == pytest.approx(10 * ((2.0 / 16.0 + 0.25) * 21.0 - (0.5 * 4.5) ** 2))
    rng = np.random.default_rng(4)
    intensity = (rng.gamma(2.0, 0.25, (200_000, 10)) * (6.0 - 3.0 * rng.random((200_000, 10)))).sum(axis=1)
    assert mean == pytest.approx(intensity.mean(), rel=0.005)
    assert variance == pytest.approx(intensity.var(), rel=0.02)


def test_a_matched_count_has_the_moments_asked_for() -> None:
    size, probability = closed.poisson_mixture(22.5, 40.0)
    assert size * (1 - probability) / probability == pytest.approx(22.5)
    assert size * (1 - probability) / probability**2 == pytest.approx(40.0)
    with pytest.raises(ValueError, match="above a mean"):
        closed.poisson_mixture(22.5, 20.0)


def test_a_single_rate_by_gajewski() -> None:
    # A plan of 300 in 36 months worth half of it; 40 came in 6 months.
    of = closed.single_rate(150.0, 18.0, 40.0, 6.0)
    assert of.mean == pytest.approx(190.0 / 24.0)
    assert closed.time_mean(of, 260) == pytest.approx(24.0 * 260 / 189.0)


def test_the_time_decay_model_at_its_published_fit() -> None:
    # eventPred's interimData1: ln mu -5.394735, ln delta -5.958500, last randomised at day 363, 224 subjects: at the
    # maximum the expected count is the count, to what six digits of ln mu leave.
    mean = closed.time_decay_mean(np.exp(-5.394735), np.exp(-5.9585), np.array([363.0]))
    assert mean[0] == pytest.approx(224.0, abs=0.01)
