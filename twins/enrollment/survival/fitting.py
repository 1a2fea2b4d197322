"""Fits of laws by maximum likelihood, with their covariance and what to compare them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twins.enrollment.study import Floats
from twins.enrollment.survival.laws import Law, Piecewise, log_likelihood

STEP: Final = 1e-4  # of the differences behind gradient and curvature
ROUNDS: Final = 60  # bound on Newton's rounds


@dataclass(frozen=True, slots=True)
class Fit:
    """A model fitted to n subjects: parameters (p,), covariance (p, p) of their estimates, log likelihood."""

    name: str
    theta: Floats
    covariance: Floats
    log_likelihood: float
    subjects: int

    @property
    def aic(self) -> float:
        """Akaike's criterion: less is better."""
        return -2.0 * self.log_likelihood + 2.0 * len(self.theta)

    @property
    def bic(self) -> float:
        """The Bayesian criterion, by subjects as eventPred counts: less is better."""
        return -2.0 * self.log_likelihood + float(np.log(self.subjects)) * len(self.theta)


def fit(which: Law, days: Floats, events: Floats | NDArray[np.bool_]) -> Fit:
    """Fit a law to times, of events or of drop-out alike.

    Parameters
    ----------
    days : array, shape (n,)
        Under observation, above 0 [d].
    events : array, shape (n,)
        1 where that ended in what the law is of, else 0.

    Raises
    ------
    ValueError
        If the data hold no event, or a piece of a piecewise law none: the likelihood then has no maximum.

    Source
    ------
    Kalbfleisch and Prentice 2002, The statistical analysis of failure time data, 2nd ed., sections 3.2 to 3.4.
    """
    events = events.astype(np.float64)
    if which.size == 1 or isinstance(which, Piecewise):
        cuts, ends = ((0.0,), (np.inf,)) if not isinstance(which, Piecewise) else (which.cuts, which.ends)
        counts, exposure = pieces(cuts, ends, days, events)
        if (counts == 0).any():
            raise ValueError(f"expected an event in each piece, received {counts.tolist()} from {cuts}; merge pieces")
        theta, covariance = np.log(counts / exposure), np.diag(1.0 / counts)
        return Fit(which.name, theta, covariance, float(log_likelihood(which, days, events, theta)), len(days))
    if not events.any():
        raise ValueError(f"expected an event, received none in {len(days)} subjects; a {which.name} law needs one")
    theta, curvature = climb(lambda at: log_likelihood(which, days, events, at), _start(days, events))
    value = float(log_likelihood(which, days, events, theta))
    return Fit(which.name, theta, inverse(-curvature), value, len(days))


def weights(fits: Sequence[Fit]) -> Floats:
    """Weigh models by exp(-BIC / 2), as eventPred averages Weibull and log-normal.

    Source
    ------
    Hoeting et al. 1999, Statistical Science 14:382, equation 13.

    Examples
    --------
    >>> import numpy as np
    >>> one = Fit("weibull", np.zeros(2), np.eye(2), -1375.8921, 300)
    >>> two = Fit("log_normal", np.zeros(2), np.eye(2), -1382.7570, 300)
    >>> weights([one, two]).round(6).tolist()
    [0.998957, 0.001043]
    """
    bic = np.array([one.bic for one in fits])
    raw = np.exp(-0.5 * (bic - bic.min()))
    return np.asarray(raw / raw.sum())


def pieces(cuts: Sequence[float], ends: Sequence[float], days: Floats, events: Floats) -> tuple[Floats, Floats]:
    """Count events and days at risk in each piece of follow-up.

    A time on a cut belongs to the piece that ends there. Returns counts and exposures [d], each of shape (j,).
    """
    start, end = np.asarray(cuts)[:, None], np.asarray(ends)[:, None]
    inside = ((days > start) | ((start == 0) & (days <= 0))) & (days <= end)
    exposure = np.clip(days - start, 0.0, end - start).sum(axis=1)
    return (inside * events).sum(axis=1), exposure


def climb(height: Callable[[Floats], Floats], start: Floats) -> tuple[Floats, Floats]:
    """Find the maximum of a smooth function by Newton's method, with steps halved until they climb.

    `height` takes points of shape (p, m). Returns the point (p,) and the curvature there (p, p).
    """
    at = start.astype(np.float64)
    for _ in range(ROUNDS):
        value, slope, curvature = _local(height, at)
        values, vectors = np.linalg.eigh(curvature)
        values = np.minimum(values, -1e-3 * max(1.0, float(np.abs(values).max())))  # always uphill
        step = -vectors @ ((vectors.T @ slope) / values)
        step = step * min(1.0, 2.0 / float(np.abs(step).max() + 1e-300))
        tries = at[:, None] + step[:, None] * 0.5 ** np.arange(8)
        better = np.flatnonzero(height(tries) >= value - 1e-12 * abs(value))
        if not len(better) or float(np.abs(step).max()) < 1e-9:
            break
        at = tries[:, better[0]]
    return at, _local(height, at)[2]


def inverse(information: Floats) -> Floats:
    """Give the covariance of estimates from the curvature of minus the log likelihood, shape (p, p)."""
    return np.linalg.inv(information).astype(np.float64)


def _local(height: Callable[[Floats], Floats], at: Floats) -> tuple[float, Floats, Floats]:
    """Give value, gradient and curvature by central differences."""
    p = len(at)
    unit = np.eye(p) * STEP
    offsets = [np.zeros(p)]
    for i in range(p):
        offsets += [unit[i], -unit[i]]
    pairs = [(i, j) for i in range(p) for j in range(i)]
    for i, j in pairs:
        offsets += [unit[i] + unit[j], -unit[i] - unit[j]]
    values = height(at[:, None] + np.stack(offsets, axis=1))
    up, down = values[1 : 2 * p + 1 : 2], values[2 : 2 * p + 1 : 2]
    slope = (up - down) / (2.0 * STEP)
    curvature = np.diag((up + down - 2.0 * values[0]) / STEP**2)
    for k, (i, j) in enumerate(pairs):
        both = values[2 * p + 1 + 2 * k] + values[2 * p + 2 + 2 * k] - 2.0 * values[0]
        curvature[i, j] = curvature[j, i] = 0.5 * (both / STEP**2 - curvature[i, i] - curvature[j, j])
    return float(values[0]), slope, curvature


def _start(days: Floats, events: Floats) -> Floats:
    return np.array([np.log(days.sum() / events.sum()), 0.0])
