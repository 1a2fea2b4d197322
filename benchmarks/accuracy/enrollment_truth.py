"""Trials whose truth is known: sites, countries, openings and rates drawn, subjects come, an outlook is asked for.

Nothing here knows the model that is judged. The mixture of changes is the published one (docs/enrollment_rates.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.studies import study
from twins.enrollment.study import MONTH, Study, Target

Floats = NDArray[np.float64]
FAMILIES = ("constant", "walk", "decay", "season", "halving")  # a fifth each
GRID = 5.0  # days between points of a rate's course
YEARS = 12.0  # that the truth goes on


@dataclass(frozen=True, slots=True)
class Cell:
    """What trials of one cell have in common; pairs are bounds of what is drawn, uniform (rates and shapes: in ln)."""

    name: str
    sites: tuple[int, int] = (20, 80)
    countries: tuple[int, int] = (1, 8)
    months: tuple[float, float] = (6.0, 18.0)  # of data
    ahead: tuple[float, float] = (3.0, 15.0)  # months to the date that is asked for
    rate: tuple[float, float] = (0.3, 1.5)  # of a site [a month]
    shape: tuple[float, float] = (0.8, 4.0)
    between: tuple[float, float] = (0.0, 0.4)  # sd of ln rate between countries
    opening: float = 0.5  # sites open evenly over this share of the past ...
    later: float = 0.0  # ... and this share of them are planned to open in the next `later_months`
    later_months: float = 9.0
    late: tuple[float, float] = (30.0, 30.0)  # mean and sd of the delay against plan [d]
    families: tuple[str, ...] = ("constant",)


STATIC = (
    Cell("few sites", sites=(5, 10), countries=(1, 3), months=(3.0, 12.0)),
    Cell("many zero-count sites", sites=(60, 200), rate=(0.02, 0.12), shape=(0.4, 1.5), countries=(4, 20)),
    Cell("sites not yet open", sites=(20, 60), later=0.6, months=(4.0, 12.0)),
    Cell("two years of 100 to 200 sites", sites=(100, 200), months=(18.0, 24.0), countries=(5, 20)),
    Cell("three months", sites=(10, 40), months=(3.0, 3.5)),
)
DRIFT = Cell("drift", families=FAMILIES, sites=(20, 100), months=(6.0, 24.0), ahead=(3.0, 12.0), between=(0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Trial:
    """A study as told, the days asked for, and what happened; `course` is the rate's factor on `grid` [d]."""

    study: Study
    family: str
    day: float
    count: float  # by that day
    by_country: Floats
    by_site: Floats
    target_day: float  # when the target was reached
    shape: float
    grid: Floats
    course: Floats


def make(cell: Cell, rng: np.random.Generator) -> Trial:
    """Draw one trial."""
    sites = int(rng.integers(cell.sites[0], cell.sites[1] + 1))
    countries = min(int(rng.integers(cell.countries[0], cell.countries[1] + 1)), sites)
    country = np.sort(np.concatenate([np.arange(countries), rng.integers(0, countries, sites - countries)]))
    as_of = MONTH * rng.uniform(*cell.months)
    day = as_of + MONTH * rng.uniform(*cell.ahead)
    family = cell.families[int(rng.integers(len(cell.families)))]
    grid = np.arange(0.0, as_of + 365.25 * YEARS, GRID)
    course = _course(family, grid, as_of, rng)
    shape = float(np.exp(rng.uniform(*np.log(cell.shape))))
    effect = np.exp(rng.uniform(*cell.between) * rng.standard_normal(countries))
    typical = np.exp(rng.uniform(*np.log(cell.rate))) / MONTH
    rate = typical * effect[country] * rng.gamma(shape, 1.0 / shape, sites)
    planned, opens = _openings(cell, sites, as_of, rng)
    total = np.concatenate([[0.0], np.cumsum(course) * GRID])  # integral of the factor, from day 0
    edge = np.append(grid, grid[-1] + GRID)

    def upto(when: Floats) -> Floats:
        return np.asarray(np.interp(when, edge, total), dtype=np.float64)

    past = np.maximum(upto(np.full(sites, as_of)) - upto(np.minimum(opens, as_of)), 0.0)
    came = rng.poisson(rate * past)
    site = np.repeat(np.arange(sites), came)
    begun = upto(opens)[site]
    days = np.interp(begun + rng.random(len(site)) * (upto(np.array([as_of])) - begun), total, edge)
    now = np.maximum(opens, as_of)
    more = rng.poisson(rate * np.maximum(upto(np.full(sites, day)) - upto(now), 0.0))
    nominal = typical * float(np.clip(day - now, 0.0, None).sum())  # what a planner would expect, not what is true
    left = max(round(nominal * rng.uniform(0.4, 1.0)), 1)
    needs = np.cumsum(rng.exponential(size=left))[-1]
    until = edge[edge >= as_of]
    flow = (rate[:, None] * np.maximum(upto(until) - upto(now)[:, None], 0.0)).sum(axis=0)
    target = float(np.interp(needs, flow, until)) if needs < flow[-1] else np.inf
    told = study(
        as_of, np.where(opens <= as_of, opens, np.nan), site, np.minimum(days, as_of), country=country,
        planned=planned, targets=[Target("last", len(site) + left, day)],
    )  # fmt: skip
    all_ = came + more
    of_country = np.bincount(country, weights=all_, minlength=countries).astype(np.float64)
    return Trial(
        told, family, day, float(all_.sum()), of_country, all_.astype(np.float64), target, shape, grid, course,
    )  # fmt: skip


def _openings(cell: Cell, sites: int, as_of: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    mean, sd = cell.late
    delay = rng.gamma((mean / sd) ** 2, sd * sd / mean, sites)
    opens = as_of * cell.opening * rng.random(sites)
    opens[0] = 0.0
    later = rng.random(sites) < cell.later
    later[0] = False
    planned = np.where(later, as_of + MONTH * cell.later_months * rng.random(sites), opens - delay)
    planned = np.where(later & (rng.random(sites) < 0.2), as_of - delay * rng.random(sites), planned)
    return planned, np.where(later, np.maximum(planned + delay, as_of + 0.5), opens)


def _course(family: str, grid: Floats, as_of: float, rng: np.random.Generator) -> Floats:
    months = grid / MONTH
    if family == "walk":
        sd = rng.uniform(0.05, 0.15)
        return np.asarray(np.exp(np.cumsum(sd * np.sqrt(GRID / MONTH) * rng.standard_normal(len(grid)))), np.float64)
    if family == "decay":
        return np.asarray(np.exp(-rng.uniform(0.01, 0.07) * months), np.float64)
    if family == "season":
        return np.asarray(
            np.exp(rng.uniform(0.1, 0.4) * np.cos(2.0 * np.pi * (months / 12.0 + rng.random()))), np.float64
        )
    if family == "halving":
        return np.where(grid < as_of * rng.uniform(0.1, 0.9), 1.0, 0.5)
    return np.ones(len(grid))
