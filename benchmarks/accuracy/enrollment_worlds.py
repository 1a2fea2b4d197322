"""Studies whose truth is known, for policies to be tried on. Shares no line with the model that advises.

A study multiplier, country multipliers and site rates are drawn once; each site, there or yet to be opened, has its own
start-up delay and its own arrivals, so that every policy meets the same chance (common random numbers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MONTH = 365.25 / 12
COUNTRIES = 3
PRIOR_RATES = np.array([0.5, 0.4, 0.7]) / MONTH  # subjects a day and site, as feasibility said
LEAD_MEANS, LEAD_CV = np.array([120.0, 206.0, 160.0]), 0.3  # d
SITES_EACH, SPARE, WANTED = 8, 72, 240
STUDY_SD, SHAPE = 0.35, 1.5  # of the log multiplier of all rates (feasibility errs alike everywhere); of site rates
COUNTRY_SD = 0.1  # of log multipliers of countries, unless told
EVERY_DAYS, LATE_SHAPE, LATE_SCALE = 15.0, 2.0, 20.0
PER_SITE, PER_SITE_MONTH, PER_SUBJECT = 40_000.0, 1_500.0, 8_000.0
LONGEST = 3000.0  # d: where everything ends
DUE = 700.0
FIRST = 6 * MONTH  # nobody decides before: a course is corrected once there are facts, before that it is design
LOT, MOST_EACH = 4, 64  # sites are opened by so many, and so many at most in a country

Opening = tuple[float, int, int]  # day of the decision, country, sites


@dataclass(frozen=True)
class Trial:
    """One world. `rate`, `opens` (s,) of the sites planned; `new_rate`, `new_delay` (c, x) of those that may be opened.

    `arrivals` (s, k) and `new_arrivals` (c, x, k): days since opening of each site's subjects.
    """

    country: NDArray[np.int64]
    planned: Floats
    rate: Floats
    opens: Floats
    arrivals: Floats
    multiplier: Floats  # of each country
    new_rate: Floats
    new_delay: Floats
    new_arrivals: Floats


def trial(seed: int, country_sd: float = COUNTRY_SD) -> Trial:
    """Draw a world."""
    rng = np.random.default_rng([seed, 77])
    multiplier = np.exp(STUDY_SD * rng.standard_normal() + country_sd * rng.standard_normal(COUNTRIES))
    country = np.repeat(np.arange(COUNTRIES), SITES_EACH)
    planned = EVERY_DAYS * np.tile(np.arange(SITES_EACH, dtype=np.float64), COUNTRIES)
    mean = PRIOR_RATES * multiplier
    rate = rng.gamma(SHAPE, mean[country] / SHAPE)
    opens = planned + rng.gamma(LATE_SHAPE, LATE_SCALE, len(country))
    new_rate = rng.gamma(SHAPE, mean[:, None] / SHAPE, (COUNTRIES, SPARE))
    form = LEAD_CV**-2
    new_delay = rng.gamma(form, LEAD_MEANS[:, None] / form, (COUNTRIES, SPARE))
    gaps, new_gaps = (
        rng.standard_exponential((len(country), WANTED)),
        rng.standard_exponential((COUNTRIES, SPARE, WANTED)),
    )
    with np.errstate(divide="ignore"):
        arrivals = np.cumsum(gaps, axis=1) / rate[:, None]
        new_arrivals = np.cumsum(new_gaps, axis=2) / new_rate[:, :, None]
    return Trial(country, planned, rate, opens, arrivals, multiplier, new_rate, new_delay, new_arrivals)


def sites_of(world: Trial, openings: Sequence[Opening]) -> list[tuple[int, float, Floats]]:
    """Give every site as country, day it opens, days of its subjects."""
    found = [
        (int(c), float(day), day + days)
        for c, day, days in zip(world.country, world.opens, world.arrivals, strict=True)
    ]
    used = [0] * COUNTRIES
    for decided, c, count in openings:
        for k in range(used[c], used[c] + count):
            day = decided + float(world.new_delay[c, k])
            found.append((c, day, day + world.new_arrivals[c, k]))
        used[c] += count
    return found


def finish_of(world: Trial, openings: Sequence[Opening]) -> float:
    """Give the day of the last subject wanted."""
    days = np.concatenate([days[days < LONGEST] for _, _, days in sites_of(world, openings)])
    return float(np.partition(days, WANTED - 1)[WANTED - 1]) if len(days) >= WANTED else LONGEST


def cost_of(world: Trial, openings: Sequence[Opening], price: float) -> float:
    """Give what a course of decisions cost in truth, the price of days in it. Decisions after the end were not made."""
    finish = finish_of(world, openings)
    made = [one for one in openings if one[0] < finish]
    open_days = sum(max(finish - day, 0.0) for _, day, _ in sites_of(world, made))
    opened = sum(count for _, _, count in made)
    return PER_SITE * opened + PER_SITE_MONTH * open_days / MONTH + PER_SUBJECT * WANTED + price * finish


def informed(world: Trial, price: float) -> list[Opening]:
    """Decide on `FIRST` what who knows the true rates would: those of sites there are, and means of new ones.

    Chance of single arrivals and delays it does not know; finishes are those of mean intensities.
    """
    days = np.arange(0.0, LONGEST, 4.0)
    come = (world.rate[:, None] * np.maximum(days - world.opens[:, None], 0.0)).sum(axis=0)
    open_for = np.maximum(days - world.opens[:, None], 0.0).sum(axis=0)
    rng = np.random.default_rng(5)
    form = LEAD_CV**-2
    delays = rng.gamma(form, LEAD_MEANS[:, None] / form, (COUNTRIES, 200))
    more = np.maximum(days - FIRST - delays[:, :, None], 0.0).mean(axis=1)  # (c, days): days that a new site is open
    mean = PRIOR_RATES * world.multiplier

    def cost(counts: NDArray[np.int64]) -> float:
        total = come + (counts * mean) @ more
        at = min(int(np.searchsorted(total, WANTED)), len(days) - 1)
        last = total[at - 1] if at else 0.0
        finish = days[at] - 4.0 * (total[at] - WANTED) / max(total[at] - last, 1e-9) if at < len(days) - 1 else LONGEST
        opened = (open_for + counts @ more)[at]
        return float(PER_SITE * counts.sum() + PER_SITE_MONTH * opened / MONTH + price * finish)

    best = np.zeros(COUNTRIES, dtype=np.int64)
    return [(FIRST, c, int(count)) for c, count in enumerate(_descended(cost, best)) if count]


def clairvoyant(world: Trial, price: float) -> list[Opening]:
    """Decide on `FIRST` what who knows all that will happen would."""

    def cost(counts: NDArray[np.int64]) -> float:
        return cost_of(world, [(FIRST, c, int(count)) for c, count in enumerate(counts) if count], price)

    start = np.array([0, 0, 0], dtype=np.int64)
    for _, c, count in informed(world, price):
        start[c] = count
    return [(FIRST, c, int(count)) for c, count in enumerate(_descended(cost, start)) if count]


def _descended(cost, begun: NDArray[np.int64]) -> NDArray[np.int64]:  # type: ignore[no-untyped-def]
    """Lower a cost by steps of single coordinates, until none helps."""
    best, least = begun.copy(), cost(begun)
    for step in (4 * LOT, LOT):
        helped = True
        while helped:
            helped = False
            for c in range(len(best)):
                for sign in (1, -1):
                    tried = best.copy()
                    tried[c] = np.clip(tried[c] + sign * step, 0, MOST_EACH)
                    found = cost(tried)
                    if found < least - 1e-6:
                        best, least, helped = tried, found, True
    return best
