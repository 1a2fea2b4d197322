"""What weighted draws say: parameters that hold now with their doubt, and whether, when and by what they changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.estimation.outlook import UNSEEN
from twins.bioreactor.reestimation.changed import FACTOR_SD
from twins.bioreactor.reestimation.question import Question

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DIGITS = 7  # of numbers that are said
LEVELS = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


@dataclass(frozen=True, slots=True)
class Draws:
    """Weighted draws: cells (n,), hours of change (n,), vectors (d, n) with the factor's last, weights (n,)."""

    cell: Ints
    hours: Floats
    x: Floats
    weights: Floats


# Any: JSON.
def parameters_of(question: Question, draws: Draws, change: float) -> dict[str, Any]:
    """Say the parameters that hold now: medians, standard deviations of logarithms, covariance.

    Parameters
    ----------
    change : float
        That there was a change, before any data.

    Notes
    -----
    Medians are those of the log-normal distribution with the mean and covariance of the draws' logarithms: where it is
    open whether there was a change, draws lie in two heaps, and it holds both.

    One that kept more than nine tenths of its (inflated) prior's standard deviation is unseen: it is said as its prior
    was given, and without covariance.
    """
    logs = draws.x[:-1].copy()
    wide = np.array(question.sds)
    if question.changing >= 0:
        logs[question.changing] += draws.x[-1]
        wide[question.changing] = math.hypot(wide[question.changing], math.sqrt(change) * FACTOR_SD)
    mean = (logs * draws.weights).sum(axis=1)
    away = logs - mean[:, None]
    covariance = (away[:, None] * away[None] * draws.weights).sum(axis=2)
    sds = np.sqrt(np.diag(covariance))
    seen = sds < UNSEEN * wide
    said = {}
    for k, name in enumerate(question.names):
        median, sd = question.prior[k]
        if not seen[k]:
            covariance[k] = covariance[:, k] = 0.0
            covariance[k, k] = sd * sd
        said[name] = {
            "median": rounded(median * math.exp(mean[k]) if seen[k] else median),
            "sd_log": rounded(float(sds[k]) if seen[k] else sd),
            "seen": bool(seen[k]),
            "prior_median": median,
            "prior_sd_log": sd,
        }
    return {
        "parameters": said,
        "order": list(question.names),
        "covariance_log": [[rounded(one) for one in row] for row in covariance.tolist()],
    }


def change_of(draws: Draws) -> dict[str, Any]:
    """Say how probable a change is and, if there was one, at which hour of the run and by what factor."""
    changed = draws.cell > 0
    probability = float(draws.weights[changed].sum())
    said: dict[str, Any] = {"probability": rounded(probability), "hour": None, "factor": None}
    if probability > 0.0:
        own = draws.weights[changed] / probability
        for name, values in (("hour", draws.hours[changed]), ("factor", np.exp(draws.x[-1, changed]))):
            said[name] = {key: rounded(weighted_quantile(values, own, level)) for key, level in LEVELS.items()}
    return said


def weighted_quantile(values: Floats, weights: Floats, level: float) -> float:
    """Give the smallest value up to which so much weight lies, half of its own not counted; between two, in proportion.

    Examples
    --------
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.ones(3) / 3.0, 0.5)
    2.0
    """
    order = np.argsort(values, kind="stable")
    order = order[weights[order] > 0.0]
    own = weights[order]
    at = np.cumsum(own) - 0.5 * own
    return float(np.interp(level * float(own.sum()), at, values[order]))


def resample(weights: Floats, number: int) -> Ints:
    """Pick draws in proportion to their weights, evenly: the k-th at the weight (k + 1/2) / number.

    Examples
    --------
    >>> resample(np.array([0.5, 0.0, 0.5]), 4).tolist()
    [0, 0, 2, 2]

    Source
    ------
    Systematic resampling (Kitagawa 1996, J. Comput. Graph. Stat. 5:1), with the offset fixed.
    """
    at = np.searchsorted(np.cumsum(weights), (np.arange(number) + 0.5) / number * float(weights.sum()))
    return np.minimum(at, len(weights) - 1).astype(np.int64)


def rounded(value: float) -> float:
    """Give a number as it is said, in few digits."""
    return float(f"{value:.{DIGITS}g}")
