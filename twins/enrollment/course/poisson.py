"""The inverse of the Poisson law: the count that a uniform stands for. Exact, and it never falls as the mean grows.

Small means are searched from 0 upwards. Larger ones go by the normal expansion of the quantile, and where that comes
close to a whole number the distribution function itself decides.

Source: M. B. Giles, "Algorithm 955: approximation of the inverse Poisson cumulative distribution function", ACM TOMS
42(1), 2016, equations for Q_N2. Where we differ: the bound of the error is wider than there, so as to be safe.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, pdtr, pdtrik

from twins.enrollment.study import Floats

SEARCHED = 8.0  # means below are searched
_MOST_STEPS = 90  # of a search: 8 + 29 standard deviations, beyond what a double can name
_PUT_ASIDE_EVERY = 4
_TAIL = 5.0  # standard deviations beyond which the expansion is not trusted


def invert(u: Floats, mean: Floats) -> Floats:
    """Give the least count whose distribution function reaches `u`.

    Parameters
    ----------
    u : array
        In (0, 1), 2^-48 or more from either.
    mean : array of the same shape
        0 or more, finite.

    Returns
    -------
    array of float64, whole numbers

    Examples
    --------
    >>> import numpy as np
    >>> invert(np.array([0.5, 0.5, 0.999]), np.array([0.0, 3.0, 400.0])).tolist()
    [0.0, 3.0, 463.0]
    """
    shape = np.shape(mean)
    u, mean = np.ravel(u), np.ravel(mean)
    large = mean >= SEARCHED
    if not large.any():
        return _searched(u, mean).reshape(shape)
    found = np.empty_like(mean)
    found[large] = _expanded(u[large], mean[large])
    small = ~large
    found[small] = _searched(u[small], mean[small])
    return found.reshape(shape)


def _searched(u: Floats, mean: Floats) -> Floats:
    """Count up from 0 all at once; who has arrived is put aside every few steps, which costs less than at each."""
    found = np.zeros_like(mean)
    at = np.arange(len(mean))
    part = np.exp(-mean)
    reached, count = part.copy(), np.zeros_like(mean)
    for k in range(1, _MOST_STEPS):
        above = u > reached
        count += above
        if k % _PUT_ASIDE_EVERY == 0:
            found[at] = count
            left = np.flatnonzero(above)
            if not len(left):
                return found
            at, u, mean = at[left], u[left], mean[left]
            part, reached, count = part[left], reached[left], count[left]
        part *= mean
        part *= 1.0 / k
        reached += part
    found[at] = count
    return found


def _expanded(u: Floats, mean: Floats) -> Floats:
    z, root = ndtri(u), np.sqrt(mean)
    square = z * z
    x = mean + root * z + (2.0 + square) / 6.0
    x -= z * (2.0 + square) / (72.0 * root)
    x += (-16.0 + square * (7.0 + 3.0 * square)) / (810.0 * mean)
    near = np.rint(x)
    apart = 0.004 + 0.03 * (1.0 + np.abs(z) * square) * (1.0 + 0.1 * square) / (mean * root)
    unsure = np.flatnonzero(np.abs(x - near) < apart)
    found: Floats = np.maximum(np.floor(x), 0.0)
    k = np.maximum(near[unsure], 1.0)
    found[unsure] = np.where(u[unsure] > pdtr(k - 1.0, mean[unsure]), k, k - 1.0)
    tail = np.flatnonzero(np.abs(z) > _TAIL)
    if len(tail):
        found[tail] = _in_the_tail(u[tail], mean[tail])
    return found


def _in_the_tail(u: Floats, mean: Floats) -> Floats:
    """Invert one by one what lies far out, from a guess that is nearly right."""
    guess: Floats = np.maximum(np.rint(np.nan_to_num(pdtrik(u, mean))) - 2.0, 0.0)
    for _ in range(5):
        guess = np.where(u > pdtr(guess, mean), guess + 1.0, guess)
    return guess
