"""How much better a change of a proportion explains a step's outcomes than none, for many days and sizes at once.

In a country each trial succeeds with odds exp(theta), and with f times those odds after day tau. theta, of which next
to nothing is said beforehand, is integrated by Laplace's method; the countries share their prior, not their theta.

Source
------
As in `twins.enrollment.detection.rates`, for Bernoulli trials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.study import Floats, Ints

LOGIT_SPREAD = 1.0  # of a country's logit about the study's; assumed
STEPS = 4  # of Newton; each is bounded to a change of 1


@dataclass(frozen=True, slots=True)
class Trials:
    """Outcomes by country that has any: `present` (g,) which, `good` and `all` (g,), since each age (g, a)."""

    present: Ints
    good: Floats
    all: Floats
    late_good: Floats
    late_all: Floats
    begun: Floats


def tally(country: Ints, day: Floats, good: Floats, as_of: float, ages: Floats) -> Trials:
    """Count trials of (n,) countries, days and outcomes, 1 a success."""
    present, group = np.unique(country, return_inverse=True)
    place = np.searchsorted(ages, as_of - day, side="left")
    shape = (len(present), len(ages) + 1)
    flat, size = group * shape[1] + place, shape[0] * shape[1]
    every = np.bincount(flat, minlength=size).reshape(shape).cumsum(axis=1).astype(np.float64)
    won = np.bincount(flat, weights=good, minlength=size).reshape(shape).cumsum(axis=1)
    first = np.full(len(present), np.inf)
    np.minimum.at(first, group, day)
    return Trials(present, won[:, -1], every[:, -1], won[:, :-1], every[:, :-1], as_of - first)


def log_ratios(trials: Trials, odds: Floats, rows: slice = slice(None)) -> Floats:
    """Give ln L of a change over ln L of none, by country, age and factor of the odds: shape (g, a, f)."""
    shift = np.log(odds)
    every, late = trials.all[rows, None, None], trials.late_all[rows, :, None]
    centre = float(np.log((trials.good.sum() + 0.5) / (trials.all.sum() - trials.good.sum() + 0.5)))
    good, nothing = trials.good[rows, None, None], np.zeros((1, 1, 1))
    changed = trials.late_good[rows, :, None] * shift + _laplace(good, every - late, late, shift, centre)
    result: Floats = changed - _laplace(good, every, nothing, nothing, centre)
    return result


def _laplace(good: Floats, early: Floats, late: Floats, shift: Floats, centre: float) -> Floats:
    prior = 1.0 / LOGIT_SPREAD**2
    theta = np.full(np.broadcast_shapes(good.shape, early.shape, shift.shape), centre)
    bend = np.full_like(theta, prior)
    for _ in range(STEPS):
        p, q = 1.0 / (1.0 + np.exp(-theta)), 1.0 / (1.0 + np.exp(-theta - shift))
        bend = early * p * (1.0 - p) + late * q * (1.0 - q) + prior
        slope = good - early * p - late * q - (theta - centre) * prior
        theta = theta + np.clip(slope / bend, -1.0, 1.0)
    fit = good * theta - early * np.logaddexp(0.0, theta) - late * np.logaddexp(0.0, theta + shift)
    result: Floats = fit - (theta - centre) ** 2 * prior / 2 - 0.5 * np.log(bend)
    return result
