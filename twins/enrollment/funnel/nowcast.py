"""How many subjects have enrolled of whom nothing is known yet, by day: else every last fortnight looks like a fall.

A day's unknown subjects are the part of a Poisson stream that has not been reported. Its rate is learned from the days
around, each counted by what is known of it, and thinned by what is not: a gamma rate makes that negative binomial.

Source
------
Lawless 1994, Canad. J. Statist. 22:15, section 4, for counts not yet reported and what the doubt in the delays adds.
Where we differ: the rate is per day that a site is open, and how near a day must
be to tell of its rate is weighed by how well days foretell each other (leave one out).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from twins.enrollment.funnel.counts import chances, quantiles, room
from twins.enrollment.funnel.reporting import Reporting, learn_reporting
from twins.enrollment.study import Floats, Ints, Study

HALVES = (6.0, 14.0, 56.0)  # assumed: days apart at which a day counts half for the rate of another
BEFORE = (0.2, 0.4, 0.4)  # assumed: their chances before the data, as most rates change slowly
LEAST_DAYS = 56  # days looked at, however short delays are
PRIOR = 0.5  # of the shape of the rate: Jeffreys' of a Poisson rate


@dataclass(frozen=True, slots=True)
class Nowcast:
    """What is expected to have happened that is not known yet.

    Of whole days since the origin, `days` (b,), the last of them today as far as it went. `known`: subjects known of
    each. `complete`: share of it that is known, from 0.05 to 1. `expected`, `low`, `high`: subjects not known yet, with
    the bounds of the stated share. `total`, `total_variance`, `total_low`, `total_high`: of all days together.
    """

    days: Ints
    known: Floats
    complete: Floats
    expected: Floats
    low: Ints
    high: Ints
    total: float
    total_variance: float
    total_low: int
    total_high: int
    reporting: Reporting


def nowcast(study: Study, reporting: Reporting | None = None, *, share: float = 0.9) -> Nowcast:
    """Say what has happened that is not known yet.

    Parameters
    ----------
    study : Study
    reporting : Reporting, optional
        How long reports take; learned from the study without.
    share : float
        Of the intervals.

    Returns
    -------
    Nowcast
        Of as many days as a report may take, at least 56, none before the first that a site was open.
    """
    reporting = learn_reporting(study) if reporting is None else reporting
    last = int(np.ceil(study.as_of)) - 1
    opened = int(np.floor(np.min(study.spans.start, initial=last)))
    days = np.arange(max(last - max(reporting.longest, LEAST_DAYS) + 1, min(opened, last)), last + 1)
    known, open_days = _by_day(study, days)
    complete = reporting.complete_days(study.as_of, days)
    weight, shape, rate = _rates(days, known, complete * open_days)
    each = rate * (1.0 - complete) * open_days  # (halves, b)
    doubt = rate * open_days * complete * _doubt(study.as_of, days, reporting)
    means = np.concatenate([each, each.sum(axis=1, keepdims=True)], axis=1)  # the last column: all days together
    spread = np.concatenate([each / np.sqrt(shape), (each / np.sqrt(shape)).sum(axis=1, keepdims=True)], axis=1)
    doubts = np.concatenate([doubt, doubt.sum(axis=1, keepdims=True)], axis=1)
    mean = weight @ means
    variance = weight @ (means + spread**2 + doubts**2 + (means - mean) ** 2)
    tail = 0.5 * (1.0 - share)
    low, high = quantiles(chances(mean, variance, room(mean, variance)), (tail, 1.0 - tail))
    return Nowcast(
        days, known, complete, mean[:-1], low[:-1], high[:-1],
        float(mean[-1]), float(variance[-1]), int(low[-1]), int(high[-1]), reporting,
    )  # fmt: skip


def _by_day(study: Study, days: Ints) -> tuple[Floats, Floats]:
    """Count who is known of each day, and the days that sites were open in it."""
    place = np.floor(study.counted).astype(np.int64) - days[0]
    known = np.bincount(place[(place >= 0) & (place < len(days))], minlength=len(days)).astype(np.float64)
    edges = np.append(days, days[-1] + 1).astype(np.float64)
    # Open days up to an edge: of all spans, what lies before it.
    before = [np.clip(edges[:, None] - day, 0.0, None).sum(axis=1) for day in (study.spans.start, study.spans.end)]
    return known, np.maximum(np.diff(before[0] - before[1]), 0.0)


def _rates(days: Ints, known: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
    """Give of each of `HALVES` its weight (h,), and shape and mean of the rate of each day, (h, b)."""
    away = np.abs(days[:, None] - days)
    kernel = np.stack([0.5 ** (np.arange(len(days)) / half) for half in HALVES])[:, away]
    shape, rate = _gamma(kernel, known, exposure)
    kernel[:, np.arange(len(days)), np.arange(len(days))] = 0.0
    others, expected = _gamma(kernel, known, exposure)
    mean = np.maximum(expected * exposure, 1e-12)
    logs = gammaln(others + known) - gammaln(others) + others * np.log(others / (others + mean))
    logs = (logs + known * np.log(mean / (others + mean))) @ (exposure > 0.0)
    weight = BEFORE * np.exp(logs - logs.max())
    return weight / weight.sum(), shape, rate


def _gamma(kernel: Floats, known: Floats, exposure: Floats) -> tuple[Floats, Floats]:
    came, open_days = kernel @ known + PRIOR, kernel @ exposure
    shape = came**2 / (kernel**2 @ known + PRIOR)  # of the gamma law with the variance of the weighted sum
    return shape, np.where(open_days > 0.0, came / np.maximum(open_days, 1e-9), 0.0)


def _doubt(as_of: float, days: Ints, reporting: Reporting) -> Floats:
    age = np.clip(as_of - days - 1.0, 0.0, reporting.longest - 1.0)
    return np.asarray(np.interp(age, np.arange(reporting.longest), reporting.doubt))
