"""Average run lengths of the Shewhart, EWMA and CUSUM charts, and the limits that give a wanted one.

The average run length (ARL) is the mean number of points until a chart fires: ARL0 while all is well, the fewer the
better once the mean has shifted. All figures are for residuals that are normal, independent and known in variance;
`twins.charts.simulation` shows what becomes of them where residuals are not white.

Each chart's run length solves an integral equation, which Gauss-Legendre nodes turn into linear equations; the kernel
is smooth, so the error falls faster than any power of the number of nodes.

Source
------
EWMA: Crowder 1987, Technometrics 29:401. CUSUM: Page 1954, Biometrika 41:100, and the two sides joined
as 1/ARL = 1/ARL+ + 1/ARL- (Kemp 1961, J. Royal Statistical Society B 23:149). Where we differ: for growing EWMA
limits the density of the average is carried forward point by point until the limits stand still.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from schemas.errors import SettingsError

Floats = NDArray[np.float64]

WEIGHT_SMALLEST = 0.01  # assumed: below it a chart needs hundreds of points to say anything
ARL_SMALLEST, ARL_LARGEST = 2.0, 1e7  # beyond it rounding in the linear equations would show
LIMIT_DECIMALS = 6  # limits are rounded, so that another linear algebra library gives the same configuration

_NODES_LEAST, _NODES_PER_SD = 24, 6  # what is left is rounding, 1e-13 of the square of an ARL; held by a test
_STILL = 1e-10  # growing limits are within half of this of where they end


def shewhart_arl(limit: float, shift: float = 0.0) -> float:
    """Give the ARL of single points against limits of +-`limit` standard deviations, at a mean of `shift`.

    Examples
    --------
    >>> round(shewhart_arl(3.0), 1), round(shewhart_arl(3.0, 1.0), 1)
    (370.4, 43.9)
    """
    return 1.0 / float(ndtr(-limit - shift) + ndtr(-limit + shift))


def shewhart_limit(arl0: float) -> float:
    """Give the limit, in standard deviations, at which single points have this ARL0.

    Raises
    ------
    SettingsError
        If `arl0` is not between 2 and 1e7.
    """
    _check_arl(arl0)
    return round(float(-ndtri(0.5 / arl0)), LIMIT_DECIMALS)


def ewma_arl(weight: float, limit: float, shift: float = 0.0, growing: bool = False) -> float:
    """Give the ARL of an EWMA chart that starts at the centre.

    Parameters
    ----------
    weight, limit : float
        lambda, 0.01 to 1, and L, above 0.
    shift : float
        The mean of the residuals, in their standard deviations, from the first point on.
    growing : bool
        Whether the limits are those of the t-th point, or of large t from the start.

    Returns
    -------
    float
        In points.

    Raises
    ------
    SettingsError
        If the weight or the limit is out of its range.

    Examples
    --------
    >>> round(ewma_arl(0.2, 2.962), 1), round(ewma_arl(0.2, 2.962, 1.0), 2)
    (499.7, 10.54)
    """
    if not (WEIGHT_SMALLEST <= weight <= 1 and 0 < limit < math.inf):
        raise SettingsError(
            f"expected a weight of {WEIGHT_SMALLEST} to 1 and a limit above 0, received {weight} and {limit}"
        )
    keep = 1.0 - weight
    end = limit * math.sqrt(weight / (2.0 - weight))
    nodes, share = _nodes(-end, end, 2.0 * end / weight)

    def density(now: Floats, before: Floats) -> Floats:
        """Give the density of the average at `now` (rows), from `before` (columns)."""
        return _normal((now[:, None] - keep * before[None, :]) / weight - shift) / weight

    lengths = np.linalg.solve(np.eye(len(nodes)) - share * density(nodes, nodes).T, np.ones(len(nodes)))
    if not growing:
        return float(1.0 + (share * density(nodes, np.zeros(1))[:, 0] * lengths).sum())
    total, before, weights, mass = 0.0, np.zeros(1), np.ones(1), np.ones(1)
    faded = 1.0
    while faded > _STILL:  # total: the chance of no signal yet, summed over the points
        total += float((weights * mass).sum())
        faded *= keep * keep
        scale = math.sqrt(1.0 - faded)
        now = nodes * scale
        mass = (density(now, before) * (weights * mass)).sum(axis=1)
        before, weights = now, share * scale
    return total + float((weights * mass * lengths).sum())


def ewma_limit(weight: float, arl0: float, growing: bool = False) -> float:
    """Give the limit L at which an EWMA chart has this ARL0, rounded to 6 decimals.

    Raises
    ------
    SettingsError
        If `arl0` is not between 2 and 1e7, or the weight not between 0.01 and 1.
    """
    _check_arl(arl0)
    return _solve(lambda limit: ewma_arl(weight, limit, 0.0, growing), arl0)


def cusum_arl(reference: float, decision: float, shift: float = 0.0) -> float:
    """Give the ARL of a two-sided CUSUM chart that starts at zero.

    Parameters
    ----------
    reference, decision : float
        k and h, above 0, in standard deviations.
    shift : float
        The mean of the residuals, in their standard deviations, from the first point on.

    Returns
    -------
    float
        In points.

    Raises
    ------
    SettingsError
        If k or h is not above 0.

    Examples
    --------
    >>> round(cusum_arl(0.5, 5.0), 1), round(cusum_arl(0.5, 5.0, 1.0), 2)
    (465.4, 10.38)
    """
    if not (0 < reference < math.inf and 0 < decision < math.inf):
        raise SettingsError(f"expected k and h above 0, received {reference} and {decision}")
    return 1.0 / (1.0 / _one_sided(reference - shift, decision) + 1.0 / _one_sided(reference + shift, decision))


def cusum_limit(reference: float, arl0: float) -> float:
    """Give the decision interval h at which a two-sided CUSUM chart has this ARL0, rounded to 6 decimals.

    Raises
    ------
    SettingsError
        If `arl0` is not between 2 and 1e7, or this reference value gives a longer one at any h.
    """
    _check_arl(arl0)
    if not 0 < reference < math.inf or shewhart_arl(reference) >= arl0:
        raise SettingsError(
            f"expected a reference value above 0 that can give an ARL0 of {arl0}, received {reference}; make it smaller"
        )
    return _solve(lambda decision: cusum_arl(reference, decision), arl0)


def _one_sided(drift: float, decision: float) -> float:
    """Solve l(u) = 1 + l(0) Phi(k - u) + integral of l(y) phi(y + k - u) over [0, h], for l(0)."""
    nodes, share = _nodes(0.0, decision, decision)
    nodes, share = np.concatenate([[0.0], nodes]), np.concatenate([[0.0], share])
    kernel = share * _normal(nodes[None, :] + drift - nodes[:, None])
    kernel[:, 0] = ndtr(drift - nodes)
    return float(np.linalg.solve(np.eye(len(nodes)) - kernel, np.ones(len(nodes)))[0])


def _nodes(low: float, high: float, width_sd: float) -> tuple[Floats, Floats]:
    """Give Gauss-Legendre nodes and weights; `width_sd` is the width in standard deviations of one step."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES_LEAST + math.ceil(_NODES_PER_SD * width_sd))
    half = 0.5 * (high - low)
    return low + half * (nodes + 1.0), half * weights


def _normal(z: Floats) -> Floats:
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _solve(arl: Callable[[float], float], wanted: float) -> float:
    """Find the limit of a wanted ARL: it grows with the limit, so double until it is enclosed."""
    low = high = 0.5
    while arl(high) < wanted:
        low, high = high, 2.0 * high if high < 2.0 else high + 1.0
    while arl(low) > wanted:
        low *= 0.5
    return round(float(brentq(lambda limit: math.log(arl(limit) / wanted), low, high, xtol=1e-9)), LIMIT_DECIMALS)


def _check_arl(arl0: float) -> None:
    if not ARL_SMALLEST <= arl0 <= ARL_LARGEST:
        raise SettingsError(f"expected an ARL0 of {ARL_SMALLEST:g} to {ARL_LARGEST:g} points, received {arl0}")
