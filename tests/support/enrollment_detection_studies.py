"""Small studies in which something changed, or nothing did, for tests of detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twins.enrollment.study import MONTH, OPEN, Country, Floats, Ints, Sites, Spans, Study, Subjects

LAG = 14.0  # mean days from screening to its decision
Bools = NDArray[np.bool_]
AFTER = 120.0  # days grown beyond the last that is shown, so that some are in screening then


def grown(
    seed: int,
    months: Sequence[float],
    sites: int,
    days: float,
    *,
    change: float = np.inf,
    factor: float = 1.0,
    failing: tuple[float, float] = (0.2, 0.2),
    opening: float = 0.0,
) -> Study:
    """Grow a study of one country for each of `months` (subjects a month), all sites alike, open within `opening` days.

    From day `change` on, the first country brings `factor` times as many, and screenings fail with the second of
    `failing` everywhere.
    """
    rng = np.random.default_rng(seed)
    opened = np.tile(np.linspace(0.0, opening, sites), len(months))
    country = np.repeat(np.arange(len(months)), sites)
    rate = np.repeat(np.array(months) / sites / MONTH, sites) / (1.0 - failing[0])
    number = rng.poisson(rate * (days + AFTER - opened))
    site = np.repeat(np.arange(len(opened)), number)
    screened = rng.uniform(opened[site], days + AFTER)
    decided = screened + rng.exponential(LAG, len(site))
    thinned = (country[site] == 0) & (decided >= change)
    if factor > 1:
        raise ValueError(f"expected a factor of at most 1, received {factor}")
    keep = ~thinned | (rng.random(len(site)) < factor)
    site, decided, screened = site[keep], decided[keep], screened[keep]
    fails = rng.random(len(site)) < np.where(decided < change, *failing)
    return as_of(_study(site, decided, fails, screened, opened, country), days)


def _study(site: Ints, decided: Floats, fails: Bools, screened: Floats, opened: Floats, country: Ints) -> Study:
    n, s = len(site), len(opened)
    order = np.argsort(screened)
    site, decided, fails, screened = site[order], decided[order], fails[order], screened[order]
    nan, none = np.full(n, np.nan), np.full(n, -1)
    passed, failed = np.where(fails, np.nan, decided), np.where(fails, decided, np.nan)
    subjects = Subjects(site, none, nan, nan, screened, failed, none, passed, nan, nan, nan, nan, nan, nan)
    names = tuple(f"S{each:03}" for each in range(s))
    sites = Sites(names, country, np.full(s, OPEN), opened, opened, np.full(s, np.inf))
    countries = tuple(Country(f"C{each}") for each in range(int(country.max()) + 1))
    spans = Spans(np.arange(s), opened, np.full(s, np.inf))
    return Study("ST-1", np.inf, "enrolled", countries, sites, spans, subjects, ())


def as_of(study: Study, day: float) -> Study:
    """Give what was known of a study at an earlier day: later steps are not there, nor who had not begun."""
    old, sites = study.subjects, study.sites
    began = np.fmin(old.screened, np.fmin(old.enrolled, old.failed)) <= day
    columns = {name: getattr(old, name)[began] for name in Subjects.__slots__}
    for name in ("screened", "failed", "enrolled"):
        columns[name] = np.where(columns[name] <= day, columns[name], np.nan)
    open_ = study.spans.start < day
    start, end = study.spans.start[open_], np.minimum(study.spans.end[open_], day)
    opened = np.where(sites.opened <= day, sites.opened, np.nan)
    return replace(
        study,
        as_of=day,
        sites=replace(sites, opened=opened),
        spans=Spans(study.spans.site[open_], start, end),
        subjects=Subjects(**columns),
    )
