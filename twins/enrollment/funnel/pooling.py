"""Chances to pass, of sites within countries within a study: each learns from its kin as far as they are alike.

A site's chance is Beta(mu_c kappa, (1 - mu_c) kappa), its country's mu_c is Beta(mu lambda, (1 - mu) lambda). How alike
sites and countries are (kappa, lambda) and the middle mu are summed over a grid, not chosen; so a country with two
subjects is neither believed to the letter nor ignored.

Source
------
Gelman et al., Bayesian Data Analysis, 3rd ed., section 5.3 (the Beta-binomial hierarchy), with one level more.
Priors: even over ln kappa and ln lambda on the grid, and over logit mu within it (assumed: no study says more).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from twins.enrollment.study import Floats, Ints

ALIKE = np.array([3.0, 8.0, 20.0, 50.0, 200.0])  # kappa, lambda [subjects]; assumed: from scattered to nearly the same
MIDDLES = 32  # points of mu
WIDEST = 4.0  # assumed: of logit mu on either side of the study's own share


@dataclass(frozen=True, slots=True)
class Betas:
    """Beta laws of chances, each of shape (n,)."""

    a: Floats
    b: Floats

    @property
    def mean(self) -> Floats:
        """Means."""
        return self.a / (self.a + self.b)

    @property
    def variance(self) -> Floats:
        """Variances."""
        return self.mean * (1.0 - self.mean) / (self.a + self.b + 1.0)

    def interval(self, share: float = 0.9) -> tuple[Floats, Floats]:
        """Give the bounds between which so much of each law lies, as much on either side of them."""
        tail = 0.5 * (1.0 - share)
        return np.asarray(betaincinv(self.a, self.b, tail)), np.asarray(betaincinv(self.a, self.b, 1.0 - tail))


@dataclass(frozen=True, slots=True)
class Pooled:
    """Chances to pass: of sites (s,), of countries (c,), and of the study as its subjects are spread (1,)."""

    sites: Betas
    countries: Betas
    study: Betas


def pool(passed: Floats, fell: Floats, country: Ints, countries: int) -> Pooled:
    """Learn the chances of all sites together.

    Parameters
    ----------
    passed, fell : array, shape (s,)
        Subjects of each site, 0 or more; they need not be whole.
    country : array, shape (s,)
        Index of each site's country.
    countries : int
        How many countries there are.
    """
    member = np.zeros((countries, len(country)))
    member[country, np.arange(len(country))] = 1.0
    middles = _middles(member @ passed, member @ fell)
    likely = _likely(passed, fell, member, middles)  # (c, kappa, mu_c)
    within = _within(middles)  # (lambda x mu, mu_c)
    # Products are taken country by country: so small, they need no threads, which cost more than they bring.
    evidence = likely @ within.T  # (c, kappa, lambda x mu)
    logs = np.log(np.maximum(evidence, 1e-300)).sum(axis=0)
    hyper = _scaled(logs - logs.max())
    hyper /= hyper.sum()
    evidence = np.maximum(evidence, 1e-300)
    of_country = likely * ((hyper / evidence) @ within)  # chances of (kappa, mu_c), country by country
    of_country /= of_country.sum(axis=(1, 2), keepdims=True)
    mean, square = (of_country.sum(axis=1) @ np.stack([middles, middles**2], axis=1)).T
    first = ((likely * middles) @ within.T) / evidence
    second = ((likely * middles**2) @ within.T) / evidence
    return Pooled(
        _sites(passed, fell, country, of_country, middles),
        _betas(mean, square - mean**2),
        _study(member @ (passed + fell), hyper, first, second),
    )


def _middles(passed: Floats, fell: Floats) -> Floats:
    """Lay the grid of mu over where any country's may lie."""
    n, all_passed = passed + fell, passed.sum()
    middle = np.log((all_passed + 0.5) / (fell.sum() + 0.5))
    logit = np.log((passed + 0.5) / (fell + 0.5))
    doubt = 4.5 / np.sqrt(np.maximum(n / (2.0 + np.exp(logit) + np.exp(-logit)), 0.25))
    low = np.clip((logit - doubt).min(initial=middle), middle - WIDEST, middle - 0.15)
    high = np.clip((logit + doubt).max(initial=middle), middle + 0.15, middle + WIDEST)
    return np.asarray(1.0 / (1.0 + np.exp(-np.linspace(low, high, MIDDLES))))


def _likely(passed: Floats, fell: Floats, member: Floats, middles: Floats) -> Floats:
    """Give each country's likelihood at (kappa, mu_c), scaled to at most 1: sums of logs of rising factorials."""
    a, b = ALIKE[:, None] * middles, ALIKE[:, None] * (1.0 - middles)
    logs = _rising(passed, member, a) + _rising(fell, member, b) - _rising(passed + fell, member, ALIKE)[:, :, None]
    return _scaled(logs - logs.max(axis=(1, 2), keepdims=True))


def _rising(counts: Floats, member: Floats, start: Floats) -> Floats:
    """Give sums over the sites of each country of ln(Gamma(start + count) / Gamma(start)), (c, *start.shape)."""
    steps = np.arange(int(np.ceil(counts.max(initial=0.0))))
    above = np.clip(counts[:, None] - steps, 0.0, 1.0)  # between whole counts the logs are interpolated
    above = np.einsum("cs,sj->cj", member, above)[:, None, :]
    return np.asarray((above @ np.log(start.ravel() + steps[:, None])).reshape(len(member), *start.shape))


def _within(middles: Floats) -> Floats:
    """Give the chance of each mu_c at each (lambda, mu), a row each; the grid is even in logit."""
    a = (ALIKE[:, None] * middles).ravel()[:, None]
    b = (ALIKE[:, None] * (1.0 - middles)).ravel()[:, None]
    logs = a * np.log(middles) + b * np.log(1.0 - middles)
    p = _scaled(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _scaled(logs: Floats) -> Floats:
    """Give exponentials, 0 for what is below e^-60: it counts for nothing, and numbers near the least are slow."""
    return np.where(logs > -60.0, np.exp(np.maximum(logs, -60.0)), 0.0)


def _sites(passed: Floats, fell: Floats, country: Ints, of_country: Floats, middles: Floats) -> Betas:
    n = (passed + fell)[:, None] + ALIKE
    weight, m1, m2 = (np.einsum("ckm,m->ck", of_country, middles**power)[country] for power in (0, 1, 2))
    a1 = passed[:, None] * weight + ALIKE * m1
    a2 = passed[:, None] ** 2 * weight + 2.0 * passed[:, None] * ALIKE * m1 + ALIKE**2 * m2
    mean = (a1 / n).sum(axis=1)
    return _betas(mean, ((a2 + a1) / (n * (n + 1.0))).sum(axis=1) - mean**2)


def _study(subjects: Floats, hyper: Floats, first: Floats, second: Floats) -> Betas:
    weight = (subjects + 1e-9) / (subjects + 1e-9).sum()
    mean = np.einsum("c,ckh->kh", weight, first)
    inner = np.einsum("c,ckh->kh", weight**2, np.maximum(second - first**2, 0.0))
    middle = float((hyper * mean).sum())
    variance = float((hyper * (inner + (mean - middle) ** 2)).sum())
    return _betas(np.array([middle]), np.array([variance]))


def _betas(mean: Floats, variance: Floats) -> Betas:
    mean = np.clip(mean, 1e-6, 1.0 - 1e-6)
    size = np.maximum(mean * (1.0 - mean) / np.maximum(variance, 1e-12) - 1.0, 0.05)
    return Betas(mean * size, (1.0 - mean) * size)
