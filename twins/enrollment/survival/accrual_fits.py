"""Enrollment of a whole study by maximum likelihood, as eventPred fits it: figures to compare with, not the twin's own.

Time runs from the day before the first planned day, so the first day is 1, up to the day of the last subject.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import interpolate

from twins.enrollment.study import Floats
from twins.enrollment.survival.fitting import Fit, climb, inverse

CUBIC: Final = 3


def poisson(days: Floats, until: float) -> Fit:
    """Fit a constant rate: (ln rate). `days` (n,) of subjects within (0, `until`] [d]."""
    return piecewise_poisson(days, until, (0.0,), "poisson")


def piecewise_poisson(days: Floats, until: float, cuts: tuple[float, ...], name: str = "piecewise_poisson") -> Fit:
    """Fit a rate that is constant between cuts, the first 0: (ln rate of each piece).

    Raises
    ------
    ValueError
        If a piece brought nobody.
    """
    edges = np.array([*(cut for cut in cuts if cut < until), until])
    counts = np.diff(np.searchsorted(np.sort(days), edges, side="right"), prepend=0)[1:].astype(np.float64)
    if len(edges) < 2 or (counts == 0).any():
        raise ValueError(
            f"expected a subject in each piece, received {counts.tolist()} in {edges.tolist()}; merge pieces"
        )
    theta = np.log(counts / np.diff(edges))
    return Fit(name, theta, np.diag(1.0 / counts), float(counts @ theta - counts.sum()), len(days))


def time_decay(days: Floats, until: float) -> Fit:
    """Fit a rate that climbs to a level: (mu / delta) (1 - exp(-delta t)), as (ln mu, ln delta).

    Source
    ------
    Zhang and Long 2012, Contemporary Clinical Trials 33:1067; the form of eventPred 0.3.1.
    """

    def height(theta: Floats) -> Floats:
        mu, delta = np.exp(theta)
        expected = mu / delta * (until + np.expm1(-delta * until) / delta)
        with np.errstate(divide="ignore"):
            seen = np.log(-np.expm1(-delta[..., None] * days)).sum(axis=-1)
        return np.asarray(len(days) * (theta[0] - theta[1]) + seen - expected)

    slope = 2.0 * len(days) / until**2
    theta, curvature = climb(height, np.log(np.array([slope, 2.0 / until])))
    return Fit("time_decay", theta, inverse(-curvature), float(height(theta)), len(days))


def b_spline(days: Floats, until: float, knots: int = 1) -> Fit:
    """Fit a daily log rate by cubic B-splines with inner knots at equal quantiles of the days: knots + 4 parameters.

    `days` are whole days, 1 to `until`; the likelihood is that of daily counts, without ln n!, as in eventPred.
    """
    last = int(until)
    axis = np.arange(1, last + 1, dtype=np.float64)
    inner = np.quantile(axis, np.linspace(0, 1, knots + 2)[1:-1])
    ends = [np.repeat(end, CUBIC + 1) for end in (1.0, float(last))]
    basis = interpolate.BSpline.design_matrix(axis, np.concatenate([ends[0], inner, ends[1]]), CUBIC).toarray()
    counts = np.bincount(days.astype(np.int64), minlength=last + 1)[1 : last + 1].astype(np.float64)

    def height(theta: Floats) -> Floats:
        log_rate = np.tensordot(theta, basis, axes=(0, 1))
        return np.asarray((counts * log_rate - np.exp(log_rate)).sum(axis=-1))

    theta, curvature = climb(height, np.full(knots + CUBIC + 1, np.log(len(days) / until)))
    return Fit("b_spline", theta, inverse(-curvature), float(height(theta)), len(days))
