"""How each site stands: the probability that it fell, that it brings too little, and its rank. Nobody is alarmed by it.

A site that brings one subject a month cannot be alarmed on: the best possible method needs months, or cries wolf. What
can be said of it is a probability that holds on average: of the sites given 0.3, three in ten did fall. How often sites
change is learned from all sites of the study at once, and integrated over; so is the day and the size.

Source
------
Gamma posterior of a rate: `twins.enrollment.detection.rates`. Its distribution function, for ranks: Wilson and Hilferty
1931, PNAS 17:684.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc, ndtr

from twins.enrollment.detection.exposure import Exposure
from twins.enrollment.detection.findings import SiteHealth
from twins.enrollment.detection.settings import YEAR, DetectionSettings
from twins.enrollment.study import MONTH, NORMAL_95, Floats

HAZARDS = np.array([0.05, 0.15, 0.4, 1.0]) / YEAR  # of a change of a site, weighed alike at first [1/d]
SMALLEST, LARGEST = 0.05, 1.5  # sizes of a change of a site that are weighed
SIZES = 10


def judge(
    open_: Exposure, days: Floats, alpha: float, expected: Floats | None, settings: DetectionSettings
) -> SiteHealth:
    """Judge every site that was ever open.

    Parameters
    ----------
    days : array, shape (k, a)
        How many days each age stands for, by site.
    expected : array, shape (s,), or None
        Planned rate of each of the study's sites [1/d]; None: the mean of its country.
    """
    size = np.diff(np.append(open_.starts, len(open_.count)))
    mean = (np.add.reduceat(open_.count, open_.starts) + 0.5) / np.add.reduceat(open_.days, open_.starts)
    mean = np.repeat(mean, size)
    shape, per = alpha + open_.count, alpha / mean + open_.days
    wanted = mean if expected is None else expected[open_.site]
    rate = _quantiles(shape, per)
    month, others = rate * MONTH, np.sort(rate[1])
    return SiteHealth(
        open_.site,
        settings.below,
        _fell(open_, days, shape, per, settings),
        gammainc(shape, settings.below * wanted * per),
        shape / per * MONTH,
        month[0],
        month[2],
        1.0 + _below(rate[1], shape, per),
        np.searchsorted(others, rate[0], side="left") + 1.0,
        np.minimum(np.searchsorted(others, rate[2], side="right"), len(others)).astype(np.float64),
    )


def _fell(open_: Exposure, days: Floats, shape: Floats, per: Floats, settings: DetectionSettings) -> Floats:
    """Probability that a site's rate is now below a share of its own, by its last change."""
    edges = np.geomspace(SMALLEST, LARGEST, SIZES + 1)
    factors = np.sqrt(edges[1:] * edges[:-1])
    size = np.minimum(factors, 1.0)  # of a fall every share is as likely, of a rise every logarithm; assumed
    size /= size.sum()
    fallen = np.clip(np.log(settings.below / edges[:-1]) / np.log(edges[1] / edges[0]), 0.0, 1.0)
    if days.shape[1] % 2 == 0:  # every second age stands for two: enough for what so few subjects tell
        days = days[:, ::2] + days[:, 1::2]
    thin = slice(0, None, -(-open_.late_days.shape[1] // days.shape[1]))
    late = open_.late_days[:, thin, None] * ((factors - 1.0) / per[:, None, None])
    log = open_.late_count[:, thin, None] * np.log(factors) - shape[:, None, None] * np.log(1.0 + late)
    ratio = np.exp(np.minimum(log, 600.0))
    ages = days.cumsum(axis=1) - days / 2
    came = HAZARDS[:, None, None] * days * np.exp(-HAZARDS[:, None, None] * ages)  # the last change, (h, k, a)
    none = np.exp(-HAZARDS[:, None] * days.sum(axis=1))
    some = np.einsum("hka,ka->hk", came, ratio @ size)
    fell = np.einsum("hka,ka->hk", came, ratio @ (fallen * size))
    every = none + some
    weigh = np.log(every).sum(axis=1)
    weight = np.exp(weigh - weigh.max())
    result: Floats = (weight / weight.sum()) @ (fell / every)
    return result


def _quantiles(shape: Floats, per: Floats) -> Floats:
    """5, 50 and 95 % of gammas: shape (3, k)."""
    z = np.array([-NORMAL_95, 0.0, NORMAL_95])[:, None]
    third = 1.0 / (9.0 * shape)
    result: Floats = np.maximum(1.0 - third + z * np.sqrt(third), 0.0) ** 3 * shape / per
    return result


def _below(value: Floats, shape: Floats, per: Floats) -> Floats:
    """How many other gammas are expected below each value."""
    third = 1.0 / (9.0 * shape)
    scaled = np.cbrt(per / shape)
    z = (np.cbrt(value)[:, None] * scaled - (1.0 - third)) / np.sqrt(third)
    chance = ndtr(z)
    np.fill_diagonal(chance, 0.0)
    result: Floats = chance.sum(axis=1)
    return result
