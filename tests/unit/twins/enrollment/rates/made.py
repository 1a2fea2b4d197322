"""Studies for the tests of rates: made from a seed, with countries, sites that are late, and subjects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.studies import study
from twins.enrollment.rates import RateSettings, learn, outlook
from twins.enrollment.rates.outlook import Outlook
from twins.enrollment.study import MONTH, Country, Ints, Sites, Study, Target

AS_OF, DAYS = 300.0, 300.0 + MONTH * np.array([1.0, 3.0, 6.0, 12.0])


def made(seed: int = 3, sites: int = 24, later: int = 8, caps: tuple[float, ...] = (), goal: int = 300) -> Study:
    """Make a study of 4 countries at day 300; the last `later` sites are planned, two of them overdue."""
    rng = np.random.default_rng(seed)
    opened = np.where(np.arange(sites) < sites - later, 200.0 * rng.random(sites), np.nan)
    planned = np.where(np.isnan(opened), AS_OF + 150.0 * rng.random(sites), opened - rng.gamma(4.0, 10.0, sites))
    if later:
        planned[-2:] = AS_OF - 40.0
    rate = rng.gamma(1.5, 1.0 / 1.5, sites) / MONTH
    came = rng.poisson(np.nan_to_num(rate * (AS_OF - opened)))
    site = np.repeat(np.arange(sites), came)
    day = AS_OF - (AS_OF - opened[site]) * rng.random(len(site))
    countries = [Country(f"C{n}", cap) for n, cap in enumerate(caps or (np.inf,) * 4)]
    return study(
        AS_OF, opened, site, day, country=np.arange(sites) % 4, planned=planned, countries=countries,
        targets=[Target("last", goal, AS_OF + 365.0)],
    )  # fmt: skip


def told(of: Study, settings: RateSettings | None = None) -> Outlook:
    """Learn and look out."""
    return outlook(learn(of, settings or RateSettings()), of, DAYS)


def permuted(of: Study, site: Ints, country: Ints) -> Study:
    """Give the same study with sites and countries in another order: `site[new] = old`, `country[new] = old`."""
    new_site, new_country = np.argsort(site), np.argsort(country)
    s = of.sites
    return replace(
        of, countries=tuple(of.countries[old] for old in country),
        sites=Sites(
            tuple(s.names[old] for old in site), new_country[s.country[site]], s.status[site], s.planned[site],
            s.opened[site], s.cap[site],
        ),
        spans=replace(of.spans, site=new_site[of.spans.site]),
        subjects=replace(of.subjects, site=new_site[of.subjects.site]),
    )  # fmt: skip
