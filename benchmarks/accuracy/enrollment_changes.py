"""Studies whose truth is known, for the benchmark of detection: sites of unlike rates that open over time, and change.

Made apart from the method: rates of sites are log-normal, not gamma, and a country's add up to what is asked of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.enrollment.study import MONTH, OPEN, Country, Floats, Ints, Sites, Spans, Study, Subjects

Bools = NDArray[np.bool_]
SPREADS = (0.5, 0.8, 1.1)  # of ln rate among a country's sites, one drawn for each country: 12 % to 50 % of 12 are slow


@dataclass(frozen=True, slots=True)
class Truth:
    """Subjects (n,) by site and day, and of sites (s,) their country, opening [d] and rate [1/d]."""

    site: Ints
    day: Floats
    country: Ints
    opened: Floats
    rate: Floats


def draw(
    rng: np.random.Generator, countries: int, monthly: float, days: float, change: float, factor: float, opening: float
) -> Truth:
    """Draw countries of so many subjects a month when all their 3 to 20 sites are open.

    Half of them open all sites on day 0, half over `opening` days. From day `change` on, all bring `factor` as many.
    """
    size = rng.integers(3, 21, countries)
    country = np.repeat(np.arange(countries), size)
    weight = np.exp(rng.choice(SPREADS, countries)[country] * rng.standard_normal(len(country)))
    rate = monthly / MONTH * weight / np.bincount(country, weight)[country]
    opened = rng.uniform(0.0, opening, len(country)) * rng.integers(0, 2, countries)[country]
    opened[np.append(0, size.cumsum()[:-1])] = 0.0
    before = rng.poisson(rate * np.maximum(change - opened, 0.0))
    after = rng.poisson(rate * factor * np.maximum(days - np.maximum(opened, change), 0.0))
    site = np.concatenate((np.repeat(np.arange(len(rate)), before), np.repeat(np.arange(len(rate)), after)))
    low = np.concatenate((np.repeat(opened, before), np.repeat(np.maximum(opened, change), after)))
    high = np.concatenate((np.full(before.sum(), min(change, days)), np.full(after.sum(), days)))
    return Truth(site, rng.uniform(low, high), country, opened, rate)


def known(truth: Truth, day: float) -> Study:
    """Give the study as it is known on a day."""
    came, open_ = truth.day < day, np.flatnonzero(truth.opened < day)
    site = truth.site[came]
    nan, none = np.full(len(site), np.nan), np.full(len(site), -1)
    subjects = Subjects(site, none, nan, nan, nan, nan, none, truth.day[came], nan, nan, nan, nan, nan, nan)
    s = len(truth.rate)
    opened = np.where(truth.opened < day, truth.opened, np.nan)
    names = tuple(str(each) for each in range(s))
    sites = Sites(names, truth.country, np.full(s, OPEN), truth.opened, opened, np.full(s, np.inf))
    spans = Spans(open_, truth.opened[open_], np.full(len(open_), day))
    countries = tuple(Country(str(each)) for each in range(int(truth.country.max()) + 1))
    return Study("truth", day, "enrolled", countries, sites, spans, subjects, ())


def by_day(truth: Truth, days: int) -> tuple[Floats, Floats]:
    """Subjects and their expected number while nothing has changed, by country and whole day: shape (c, days)."""
    countries = int(truth.country.max()) + 1
    flat = truth.country[truth.site] * days + np.minimum(truth.day.astype(np.int64), days - 1)
    counts = np.bincount(flat, minlength=countries * days).reshape(countries, days)
    share = np.clip(np.arange(1, days + 1) - truth.opened[:, None], 0.0, 1.0) * truth.rate[:, None]
    expected = np.zeros((countries, days))
    np.add.at(expected, truth.country, share)
    return counts.astype(np.float64), expected


LAG_SHAPE, LAG_MEAN = 4.0, 14.0  # gamma, of days from screening to its decision


@dataclass(frozen=True, slots=True)
class Screenings:
    """Screenings of one country (n,): when they begin and are decided [d], and which fail."""

    begun: Floats
    decided: Floats
    fails: Bools


def screenings(
    rng: np.random.Generator, monthly: float, days: float, change: float, failing: tuple[float, float], slower: float
) -> Screenings:
    """Draw screenings at a constant rate; from day `change` on the second share fails, and decisions take longer."""
    begun = np.sort(rng.uniform(0.0, days, rng.poisson(monthly / MONTH * days)))
    late = begun >= change
    lag = rng.gamma(LAG_SHAPE, LAG_MEAN / LAG_SHAPE, len(begun)) * np.where(late, slower, 1.0)
    return Screenings(begun, begun + lag, rng.random(len(begun)) < np.where(late, failing[1], failing[0]))


def screened(all_: Screenings, day: float) -> Study:
    """Give the study as it is known on a day: one country, one site."""
    n = int(np.searchsorted(all_.begun, day))
    nan, none, zero = np.full(n, np.nan), np.full(n, -1), np.zeros(1)
    decided, fails = np.where(all_.decided[:n] < day, all_.decided[:n], np.nan), all_.fails[:n]
    failed, passed = np.where(fails, decided, np.nan), np.where(fails, np.nan, decided)
    site = np.zeros(n, dtype=np.int64)
    subjects = Subjects(site, none, nan, nan, all_.begun[:n], failed, none, passed, nan, nan, nan, nan, nan, nan)
    sites = Sites(("S1",), np.array([0]), np.array([OPEN]), zero, zero, np.array([np.inf]))
    spans = Spans(np.array([0]), zero, np.array([day]))
    return Study("truth", day, "enrolled", (Country("C"),), sites, spans, subjects, (), screening_days=90.0)


def fallen(rng: np.random.Generator, sites: int, days: float, hazard: float) -> tuple[Study, Bools]:
    """Draw sites of 0.5 to 2 a month, of which some change once at a hazard [1/d], and which are since then below half.

    A change is to a share drawn flat between 0 and 1, or as often by a log-normal factor of half a logarithm.
    """
    rate = np.exp(rng.uniform(np.log(0.5), np.log(2.0), sites)) / MONTH
    opened = rng.uniform(0.0, days / 2, sites)
    when = opened + rng.exponential(1.0 / hazard, sites)
    share = np.where(rng.random(sites) < 0.5, rng.random(sites), np.exp(0.5 * rng.standard_normal(sites)))
    before = rng.poisson(rate * (np.minimum(when, days) - opened))
    after = rng.poisson(rate * share * np.maximum(days - when, 0.0))
    each = np.arange(sites)
    site = np.concatenate((np.repeat(each, before), np.repeat(each, after)))
    low = np.concatenate((np.repeat(opened, before), np.repeat(np.minimum(when, days), after)))
    high = np.concatenate((np.repeat(np.minimum(when, days), before), np.full(int(after.sum()), days)))
    truth = Truth(site, rng.uniform(low, high), each % 8, opened, rate)
    return known(truth, days), (when < days) & (share < 0.5)
