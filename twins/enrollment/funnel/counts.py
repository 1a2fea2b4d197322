"""A law of a count from its mean and variance: binomial where it varies less than Poisson's, else negative binomial.

Both, and Poisson's between them, are Panjer's class, in which p(k) / p(k - 1) = alpha + beta / k.

Source
------
Panjer 1981, ASTIN Bulletin 12:22, eq. 1; alpha and beta are solved from mean M and variance V: alpha = 1 - M / V,
beta = M^2 / V - alpha. A sum of unequal Bernoulli outcomes is close to the binomial of its two moments (Ehm 1991,
Statist. Probab. Lett. 11:7), whose number of trials is rounded and its mean kept.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, gammainc

from twins.enrollment.study import Floats, Ints

_SAME = 1e-6  # relative difference of mean and variance below which the law is Poisson's


def chances(mean: Floats | float, variance: Floats | float, most: int) -> Floats:
    """Give the chance of each count.

    Parameters
    ----------
    mean, variance : array of one shape, or float
        Of the count, 0 or more. A variance that no whole number can have is raised to the least that one can.
    most : int
        The greatest count; what lies above it is left out and the rest scaled to 1.

    Returns
    -------
    array, shape (..., most + 1)

    Examples
    --------
    >>> chances(1.0, 0.5, 3).round(3).tolist()
    [0.25, 0.5, 0.25, 0.0]
    """
    m, v = _moments(mean, variance)
    alpha = 1.0 - m / v
    k = np.arange(1, most + 1, dtype=np.float64)
    ratio = alpha[..., None] + (m * m / v - alpha)[..., None] / k
    ended = np.logical_or.accumulate(ratio <= 1e-9 * np.abs(alpha)[..., None], axis=-1)
    logs = np.log(np.where(ended, 1.0, ratio)).cumsum(axis=-1)
    logs = np.concatenate([np.zeros((*m.shape, 1)), np.where(ended, -np.inf, logs)], axis=-1)
    p = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def at_least(mean: Floats | float, variance: Floats | float, count: Floats | float) -> Floats:
    """Give the chance that the count is at least so many; arguments broadcast, and `count` 0 or less is certain.

    Examples
    --------
    >>> at_least(1.0, 0.5, np.array([0, 1, 2, 3])).round(3).tolist()
    [1.0, 0.75, 0.25, 0.0]
    """
    m, v, n = np.broadcast_arrays(*_moments(mean, variance), np.asarray(count, dtype=np.float64))
    whole = np.maximum(np.ceil(n), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.abs(v - m)
        size = np.where(gap > 0.0, m * m / gap, 0.0)  # trials of the binomial, or shape of the negative binomial
        rest = np.rint(size) - whole + 1.0
        under = np.where(rest > 0.0, betainc(whole, np.maximum(rest, 1e-12), 1.0 - v / m), 0.0)
        over = betainc(whole, np.maximum(size, 1e-12), 1.0 - m / v)
    poisson = gammainc(whole, m)
    some = np.where(gap <= _SAME * m, poisson, np.where(v < m, under, over))
    return np.asarray(np.where(n <= 0.0, 1.0, np.where(m <= 0.0, 0.0, some)))


def quantiles(p: Floats, levels: tuple[float, ...]) -> Ints:
    """Give the least counts whose chance of not being exceeded reaches the levels, shape (levels, ...)."""
    by = np.cumsum(p, axis=-1)
    return np.stack([np.minimum((by < level - 1e-12).sum(axis=-1), p.shape[-1] - 1) for level in levels])


def room(mean: Floats | float, variance: Floats | float) -> int:
    """Give a count that is as good as never exceeded: ten standard deviations above the mean, and some."""
    return int(np.ceil(np.max(np.asarray(mean) + 10.0 * np.sqrt(np.asarray(variance)), initial=0.0))) + 5


def _moments(mean: Floats | float, variance: Floats | float) -> tuple[Floats, Floats]:
    m, v = np.broadcast_arrays(np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64))
    part = m - np.floor(m)
    v = np.maximum(np.maximum(v, part * (1.0 - part)), 1e-9 * np.maximum(m, 1e-9))
    with np.errstate(divide="ignore", invalid="ignore"):
        trials = np.maximum(np.rint(m * m / (m - v)), np.ceil(m))
        v = np.where(v < m, np.maximum(m * (1.0 - m / trials), 1e-9 * m), v)
    v = np.where(np.abs(v - m) <= _SAME * m, m, v)
    return m, np.where(m > 0.0, v, 1.0)
