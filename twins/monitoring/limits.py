"""Control limits of T2 and SPE: theoretical ones, and empirical ones.

Source
------
T2: Tracy, Young and Mason 1992, J. Quality Technology 24:88, eq. 11 (a new observation, estimated covariance).
SPE: Jackson and Mudholkar 1979, Technometrics 21:341, eq. 3.4. Weighted chi-square: Box 1954, Ann. Math. Stat. 25:290,
theorem 3.1, matched by its moments as in Nomikos and MacGregor 1995, Technometrics 37:41, eqs 14-15.
The quantiles are scipy's (`fdtri`, `gammaincinv`, `ndtri`).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from twins.monitoring.pca import Floats


def t2_limit(components: float, n: int, significance: float) -> float:
    """Give the limit of T2: a (n^2 - 1) / (n (n - a)) F(a, n - a).

    Parameters
    ----------
    components : float
        Number of components a, above 0 and below n; a fraction is the effective number of Box's theorem.
    n : int
        Observations in training.
    significance : float
        Share of normal observations within the limit, such as 0.99.

    Notes
    -----
    Valid for: independent normal observations that the model was not trained on. Not valid for: autocorrelated ones,
    which give too many alarms, because their covariance is known less well than n says.

    Examples
    --------
    >>> round(t2_limit(2, 20, 0.95), 4)  # 2 * 399 / (20 * 18) * F(.95; 2, 18) = 2.216667 * 3.554557
    7.8793
    """
    a = components
    return float(a * (n * n - 1) / (n * (n - a)) * special.fdtri(a, n - a, significance))


def jackson_mudholkar(residual_variances: Floats, significance: float) -> float:
    """Give the limit of SPE from the variances of the components that were left out.

    Parameters
    ----------
    residual_variances : array, shape (m,)
        Score variances of the residual components, 1 or more of them.
    significance : float
        Share of normal observations within the limit.

    Notes
    -----
    Where one residual variance towers over the rest, h0 is not above 0. The formula with its deviate turned round, as
    the paper has it, is then up to half too wide (simulated: 111 for 75); the weighted chi-square of the same mean and
    variance is nearer (67), and is taken.

    Examples
    --------
    Equal variances give the Wilson-Hilferty cube: 10 (1 - 2/90 + 2.3263 sqrt(2/90))^3.

    >>> round(jackson_mudholkar(np.ones(10), 0.99), 3)
    23.239
    """
    theta1, theta2, theta3 = (float(np.sum(residual_variances**power)) for power in (1, 2, 3))
    h0 = 1.0 - 2.0 * theta1 * theta3 / (3.0 * theta2 * theta2)
    if h0 < 1e-3:
        return weighted_chi_square(theta1, 2.0 * theta2, significance)
    spread = float(special.ndtri(significance)) * np.sqrt(2.0 * theta2 * h0 * h0) / theta1
    inner = spread + 1.0 + theta2 * h0 * (h0 - 1.0) / (theta1 * theta1)
    return float(theta1 * inner ** (1.0 / h0))


def weighted_chi_square(mean: float, variance: float, significance: float) -> float:
    """Give the quantile of g chi2(h) that has this mean and variance: g = v / 2m, h = 2 m^2 / v.

    Examples
    --------
    >>> round(weighted_chi_square(3.0, 6.0, 0.95), 4)  # chi-square .95 with 3 degrees of freedom
    7.8147
    """
    if mean <= 0.0 or variance <= 0.0:
        return max(mean, 0.0)
    g, h = variance / (2.0 * mean), 2.0 * mean * mean / variance
    return float(g * 2.0 * special.gammaincinv(h / 2.0, significance))


def smooth_weighted_chi_square(values: Floats, significance: float, window: int) -> Floats:
    """Give a limit per point: the weighted chi-square of the values at that point and its neighbours.

    Parameters
    ----------
    values : array, shape (n, k)
        The statistic of n runs at k points; NaN where it is not known.
    significance : float
    window : int
        Neighbours on each side whose values count too, 0 or more.

    Returns
    -------
    array, shape (k,)
        0 at a point where no run has a value.
    """
    return np.array(
        [
            0.0 if len(near) < 2 else weighted_chi_square(float(near.mean()), float(near.var(ddof=1)), significance)
            for near in _windows(values, window)
        ]
    )


def smooth_quantile(values: Floats, significance: float, window: int) -> Floats:
    """Give a limit per point: the quantile (linear between ranks) of the values at that point and its neighbours."""
    return np.array([float(np.quantile(near, significance)) if len(near) else 0.0 for near in _windows(values, window)])


def box_t2_limits(scores: Floats, variances: Floats, significance: float) -> Floats:
    """Give the limit of T2 at each point of an unfinished run, whose estimated scores vary otherwise than final ones.

    With S the second moment of the estimated scores at a point and C = L^-1/2 S L^-1/2, Box's theorem gives
    g = tr C^2 / tr C and h = (tr C)^2 / tr C^2; the limit is g times that of h components. At the end C is the
    identity, and the limit is the textbook's.

    Parameters
    ----------
    scores : array, shape (n, k, a)
        Estimated scores of the training runs at each point.
    variances : array, shape (a,)
        Final score variances.
    significance : float

    Returns
    -------
    array, shape (k,)
    """
    n = len(scores)
    u = scores / np.sqrt(variances)
    moments = np.einsum("nka,nkb->kab", u, u) / (n - 1)
    trace = np.trace(moments, axis1=1, axis2=2)
    square = np.sum(moments * moments, axis=(1, 2))
    return np.array(
        [
            0.0 if t <= 0.0 else s / t * t2_limit(min(t * t / s, len(variances)), n, significance)
            for t, s in zip(trace.tolist(), square.tolist(), strict=True)
        ]
    )


def _windows(values: Floats, window: int) -> list[Floats]:
    """Give the known values at each point and its neighbours."""
    found = []
    for point in range(values.shape[1]):
        near = values[:, max(0, point - window) : point + window + 1]
        found.append(near[~np.isnan(near)])
    return found
