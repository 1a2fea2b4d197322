"""Quantiles and probabilities of counts: negative binomials matched by moments, alone and as a mixture of draws."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from twins.enrollment.study import Floats

EXACT = 16  # up to this upper end, counts are summed one by one
SECANTS, CLOSE = 12, 0.05  # steps towards a mixture's quantile, and where they end [subjects]


def chance(n: Floats, mean: Floats, variance: Floats) -> Floats:
    """Give P(N <= n) of a count with this mean and variance.

    A negative binomial by the cube root of its F form (Paulson 1942; within 0.003 for means of 5 and more); where the
    variance is not above the mean (capped counts), a normal with a continuity correction. Between counts it is
    smooth: n - 1/2 gives about P(N < n) + P(N = n)/2. n < -1/2 gives 0.
    """
    mean = np.maximum(mean, 1e-12)
    extra = np.maximum(variance - mean, 1e-9 * mean)
    size = mean * mean / extra  # r of the negative binomial
    # P(N <= n) = P(F <= x), F with 2 (n + 1) and 2 r degrees of freedom reversed
    v1, v2 = 1.0 / (9.0 * size), 1.0 / (9.0 * (np.maximum(n, -0.5) + 1.0))
    ratio = np.cbrt((np.maximum(n, -0.5) + 1.0) / mean)
    z = (ratio * (1.0 - v2) - (1.0 - v1)) / np.sqrt(v1 + v2 * ratio * ratio)
    narrow = variance < mean
    if np.any(narrow):
        z = np.where(narrow, (n + 0.5 - mean) / np.sqrt(np.maximum(variance, 1e-9)), z)
    return np.where(n < -0.5, 0.0, ndtr(z))


def quantiles(mean: Floats, variance: Floats, levels: Floats) -> Floats:
    """Give quantiles of counts with these moments, shape (..., levels).

    With F(n) = P(N < n) + P(N = n)/2: below a half the least n with F(n) >= level, above it the largest with
    F(n) <= level, at a half the median. Closed intervals then hold what they say on average; by whole steps, more.
    """
    high = mean + 2.5 * np.sqrt(np.maximum(variance, 1e-12))
    small = (high <= EXACT) | (mean <= 0.0)  # a mean of nothing is nobody, however wide its doubt
    out = np.empty((*mean.shape, len(levels)))
    if small.any():
        out[small] = _by_sums(mean[small], variance[small], levels)
    if not small.all():
        out[~small] = _by_root(mean[~small], variance[~small], levels)
    return out


def mixed(mean: Floats, variance: Floats, levels: Floats) -> Floats:
    """Give quantiles of equal mixtures of counts.

    Parameters
    ----------
    mean, variance : arrays, shape (draws, f)
        Of each count given its draw.

    Returns
    -------
    array, shape (f, levels)
    """
    half = np.where(levels == 0.5, 0.0, 0.5)[:, None, None]  # of what stands at n
    wanted = ndtri(levels)[:, None]
    middle, spread = mean.mean(axis=0), np.sqrt(variance.mean(axis=0) + mean.var(axis=0)) + 0.25
    # By secants on the normal scale, where a distribution function is nearly a line.
    at = np.maximum(middle + wanted * spread, 0.0)
    slope = np.broadcast_to(1.0 / spread, at.shape)
    here = _normal_score(at, half, mean, variance)
    for _ in range(SECANTS):
        move = np.clip((wanted - here) / slope, -1.5 * spread, 1.5 * spread)
        after = np.maximum(at + move, 0.0)
        if np.all(np.abs(after - at) < CLOSE):
            break
        there = _normal_score(after, half, mean, variance)
        gone = after - at
        found = (there - here) / np.where(np.abs(gone) < 1e-9, 1.0, gone)
        slope = np.where(np.abs(gone) < 1e-9, slope, np.clip(found, 0.2 / spread, 20.0 / spread))
        at, here = after, there
    rounded = np.where(levels[:, None] > 0.5, np.floor(at), np.ceil(at))
    return np.asarray(rounded.T, dtype=np.float64)


def _normal_score(n: Floats, half: Floats, mean: Floats, variance: Floats) -> Floats:
    share = chance(n[:, None, :] - half, mean, variance).mean(axis=1)
    return np.asarray(ndtri(np.clip(share, 1e-9, 1.0 - 1e-9)), dtype=np.float64)


def layers(mean: Floats, variance: Floats, size: int) -> tuple[Floats, Floats]:
    """Put draws of like means together, `size` to a layer: moments (d / size, f) of what each is a mixture of."""
    order = np.argsort(mean, axis=0)
    shape = (-1, size, mean.shape[1])
    of, wide = (np.take_along_axis(part, order, axis=0).reshape(shape) for part in (mean, variance))
    middle = of.mean(axis=1)
    return middle, wide.mean(axis=1) + np.square(of - middle[:, None]).mean(axis=1)


def _by_sums(mean: Floats, variance: Floats, levels: Floats) -> Floats:
    extra = np.maximum(variance - mean, 1e-9 * np.maximum(mean, 1e-9))
    mean = np.maximum(mean, 1e-12)
    size = mean * mean / extra
    share = np.minimum(extra / (extra + mean), 1.0 - 1e-12)
    weight = np.exp(size * np.log1p(-share))
    total = weight.copy()
    out = np.zeros((len(mean), len(levels)))
    half = np.where(levels == 0.5, 0.0, 0.5)
    for n in range(1, 3 * EXACT):
        below = total[:, None] - half * weight[:, None] < levels
        if not below.any():
            break
        out += below
        weight = weight * share * ((size + (n - 1.0)) / n)
        total = total + weight
    return np.maximum(out - (levels > 0.5), 0.0)


def _by_root(mean: Floats, variance: Floats, levels: Floats) -> Floats:
    """Invert the gamma's cube root with the count's variance; half a count makes up for steps."""
    ninth = variance / np.square(mean) / 9.0
    root = np.maximum(1.0 - ninth + ndtri(levels)[:, None] * np.sqrt(ninth), 0.0).T
    at = mean[:, None] * root**3
    rounded = np.where(levels < 0.5, np.ceil(at), np.where(levels > 0.5, np.floor(at), np.rint(at)))
    return np.asarray(rounded, dtype=np.float64)
