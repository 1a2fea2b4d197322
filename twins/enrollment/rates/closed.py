"""The textbook's closed forms: one site, a sum of sites matched by moments, new sites, a single rate.

They are what the hierarchical model comes to where hyper-parameters are known and nothing changes, and its tests.
Times are in one unit, rates per that unit.

Source
------
Anisimov and Fedorov, Statistics in Medicine 2007; Gajewski, Simon and Carlson, Statistics in Medicine 2008.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaincc, betaincinv, gammaln

from twins.enrollment.study import Floats


@dataclass(frozen=True, slots=True)
class Gamma:
    """A rate's gamma: `shape`, and `rate` [time]."""

    shape: float
    rate: float

    @property
    def mean(self) -> float:
        """The mean rate [1/time]."""
        return self.shape / self.rate


def site_posterior(prior: Gamma, subjects: float, exposure: float) -> Gamma:
    """Give a site's rate after it brought subjects while open for `exposure`: silence lowers it."""
    return Gamma(prior.shape + subjects, prior.rate + exposure)


def log_marginal(a: float, b: float, subjects: Floats, exposure: Floats) -> float:
    """Give the log-likelihood of (a, b) from all sites that were open; those that brought none count."""
    k, v = (np.asarray(part, dtype=np.float64)[np.asarray(exposure) > 0.0] for part in (subjects, exposure))
    terms = gammaln(a + k) - gammaln(a) - gammaln(k + 1.0) + a * np.log(b / (b + v)) + k * np.log(v / (b + v))
    return float(terms.sum())


def matched(shape: Floats, rate: Floats) -> Gamma:
    """Match one gamma to a sum of gammas, by mean and variance."""
    mean, variance = float(np.sum(shape / rate)), float(np.sum(shape / np.square(rate)))
    return Gamma(mean * mean / variance, mean / variance)


def count_chance(of: Gamma, window: float, n: ArrayLike) -> Floats:
    """Give P(N <= n) of the subjects of a window: negative binomial."""
    n = np.asarray(n, dtype=np.float64)
    if window <= 0.0:
        return np.where(n >= 0.0, 1.0, 0.0)
    inside = betainc(of.shape, np.maximum(np.floor(n), 0.0) + 1.0, of.rate / (of.rate + window))
    return np.where(n < 0.0, 0.0, inside)


def time_chance(of: Gamma, n: float, window: ArrayLike) -> Floats:
    """Give P(T <= window) of the time to n more subjects: a Pearson VI, rate times a beta prime of (n, shape)."""
    window = np.asarray(window, dtype=np.float64)
    return np.asarray(betaincc(of.shape, n, of.rate / (of.rate + window)), dtype=np.float64)


def time_quantile(of: Gamma, n: float, level: ArrayLike) -> Floats:
    """Give quantiles of the time to n more subjects."""
    share = betaincinv(n, of.shape, level)
    return np.asarray(of.rate * share / (1.0 - share), dtype=np.float64)


def time_mean(of: Gamma, n: float) -> float:
    """Give the mean time to n more subjects; inf where the shape is 1 or less."""
    return n * of.rate / (of.shape - 1.0) if of.shape > 1.0 else float("inf")


def poisson_mixture(mean: float, variance: float) -> tuple[float, float]:
    """Match a negative binomial (size, probability) to a count's mean and variance, which is the larger."""
    if not variance > mean > 0.0:
        raise ValueError(
            f"expected a variance above a mean above 0, received mean {mean:g} and variance {variance:g}; "
            "a count that varies less is no mixture of Poisson counts"
        )
    return mean * mean / (variance - mean), mean / variance


def new_sites(a: float, b: float, sites: float, open_mean: float, open_square: float) -> tuple[float, float]:
    """Give mean and variance of the integrated intensity of sites to come.

    `open_mean` and `open_square` are E[w] and E[w^2] of the time w that one of them will have been open.
    """
    mean = a / b
    each = (a / b**2 + mean**2) * open_square - (mean * open_mean) ** 2
    return sites * mean * open_mean, sites * each


def single_rate(planned: float, over: float, subjects: float, elapsed: float) -> Gamma:
    """Give the rate of a study after subjects in elapsed time, its plan worth `planned` subjects in `over`."""
    return Gamma(planned + subjects, over + elapsed)


def time_decay_mean(mu: float, delta: float, elapsed: Floats) -> Floats:
    """Give expected subjects when the rate is (mu/delta)(1 - exp(-delta t)): eventPred's time-decay model."""
    t = np.asarray(elapsed, dtype=np.float64)
    return np.asarray(mu / delta * (t + np.expm1(-delta * t) / delta), dtype=np.float64)
