"""What is told of a change that is flagged: how large, since when, and what was before.

The posterior of day and size is read off the same likelihood that flagged it, on a finer grid of sizes with a flat
prior on their logarithm, both ways, so that the interval may hold 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twins.enrollment.detection.exposure import Exposure
from twins.enrollment.detection.findings import Band
from twins.enrollment.study import MONTH, Floats

FINE = np.geomspace(0.05, 8.0, 23)  # sizes on which a posterior is told: a quarter apart


def bands(ratios: Callable[[Floats], Floats], days: Floats, ages: Floats) -> tuple[Band, Band]:
    """Give posteriors of the factor and of the age of one change.

    Parameters
    ----------
    ratios : function
        ln L ratios of one country or study for factors: shape (a, f).
    days : array, shape (a,)
        How many days each age stands for.
    """
    log = ratios(FINE)
    mass = days[:, None] * np.exp(log - log.max())
    edges = np.concatenate(([0.0], ages + np.append(np.diff(ages), ages[-1] - ages[-2]) / 2))
    steps = np.sqrt(FINE[1:] * FINE[:-1])
    sizes = np.log(np.concatenate(([FINE[0] ** 2 / steps[0]], steps, [FINE[-1] ** 2 / steps[-1]])))
    factor = _quantiles(sizes, mass.sum(axis=0))
    return Band(*np.exp(factor).tolist()), Band(*_quantiles(edges, mass.sum(axis=1)).tolist())


def before_and_now(open_: Exposure, rows: slice, age: int, alpha: float) -> tuple[float, float]:
    """Subjects that the sites in `rows` would have brought since an age, by what came before, and that they brought."""
    count, days = open_.count[rows], open_.days[rows]
    late_count, late_days = open_.late_count[rows, age], open_.late_days[rows, age]
    early_count, early_days = count - late_count, days - late_days
    mean = (early_count.sum() + 0.5) / max(early_days.sum(), 1.0)
    rate = (alpha + early_count) / (alpha / mean + early_days)
    return float((rate * late_days).sum()), float(late_count.sum())


def a_month(number: float, age: float) -> float:
    """Subjects a month, of so many since so many days."""
    return float(number / age * MONTH)


def _quantiles(edges: Floats, mass: Floats) -> Floats:
    below = np.concatenate(([0.0], mass.cumsum() / mass.sum()))
    return np.interp((0.05, 0.5, 0.95), below, edges)
