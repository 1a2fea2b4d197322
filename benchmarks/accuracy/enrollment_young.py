"""How soon a halving can be told at all after a short past: a method that knows the rate by that past and a plan alone.

The country's subjects come at one rate; of it a plan is known that errs by a gamma factor of a stated spread (inf: no
plan; 0: the rate itself), then the counts. The likelihood ratio of a halving on any day, the rate integrated out, is
closed; its sum over days is the Shiryaev-Roberts rule, which sees a change soonest for as many false alarms (Pollak
1985, Annals of Statistics 13:206), and its limit is set by simulation. It is spared what a study has besides: the size
of the change is known to it, and so is how its sites' rates compare while they open.
"""

from __future__ import annotations

import numpy as np

from benchmarks.report import Report
from twins.enrollment.detection.evidence import GROWN, ages_of, days_each
from twins.enrollment.detection.settings import YEAR, DetectionSettings
from twins.enrollment.study import MONTH, Floats

SPREADS = (np.inf, 0.5, 0.25, 0.1, 0.0)  # of the plan's error
COUNTRIES = 400  # watched for `WATCHED` days without a change, and as many halved
WATCHED, STEP, QUIET, PATIENCE = 1461, 2, 90, 365  # days
FACTOR = 0.5
PASTS, OPENING = (3, 6, 12, 24), 240.0  # months before the halving; days over which sites open, where they do
A_YEAR = 0.2  # false alarms of a country
RULES = DetectionSettings()
AGES = ages_of(RULES)


def bounds(report: Report, seed: int, monthly: float) -> None:
    """Tell the delays of the method, by what the plan is worth and how long the past is."""
    for spread in SPREADS:
        rng = np.random.default_rng((seed, 7, int(monthly), int(100 * min(spread, 9.0))))
        limit = limit_of(rng, monthly / MONTH, spread, A_YEAR)
        for past in PASTS:
            for name, opening in (("on day 0", 0.0), ("over months", min(OPENING, past * MONTH))):
                delay = delays_of(rng, monthly / MONTH, spread, round(past * MONTH), limit, opening)
                middle, most = (float(np.quantile(delay, share, method="higher")) for share in (0.5, 0.9))
                report.add(
                    "what can be told, months",
                    a_month=monthly,
                    months_of_past=past,
                    sites_open=name,
                    plan_errs_by="no plan" if np.isinf(spread) else f"{100 * spread:.0f} %",
                    n=len(delay),
                    median=round(middle, 2),
                    p90=round(most, 2),
                )


def evidence(counts: Floats, open_: Floats, planned: Floats, spread: float, day: int) -> Floats:
    """Give the rule's sum on a day, of cumulated counts (n, days + 1), open days (days + 1,) and planned rates (n,)."""
    age = AGES[day > AGES].astype(np.int64)
    days = days_each(AGES, np.array([day - RULES.probation]))[0, : len(age)]
    late, late_open = counts[:, [day]] - counts[:, day - age], open_[day] - open_[day - age]
    if spread == 0.0:
        log = late * np.log(FACTOR) + (1.0 - FACTOR) * planned[:, None] * late_open
    else:
        shape = 0.5 if np.isinf(spread) else spread**-2
        rate = np.zeros_like(planned) if np.isinf(spread) else shape / planned
        whole = (rate + open_[day])[:, None]
        log = late * np.log(FACTOR) - (shape + counts[:, [day]]) * np.log1p(-(1.0 - FACTOR) * late_open / whole)
    return np.asarray((days * np.exp(np.minimum(log, 600.0))).sum(axis=1))


def limit_of(rng: np.random.Generator, rate: float, spread: float, a_year: float) -> float:
    """Find the limit that gives so many false alarms a country-year over the first four."""
    counts, planned = _drawn(rng, np.full(WATCHED, rate), rate, spread)
    open_ = np.arange(WATCHED + 1.0)
    days = np.arange(int(RULES.probation) + 2, WATCHED, STEP)
    all_ = np.array([evidence(counts, open_, planned, spread, int(day)) / min(day / GROWN, 1.0) for day in days])
    low, high = np.log(20.0), np.log(20_000.0)
    for _ in range(14):
        middle = (low + high) / 2
        last, alarms = np.full(COUNTRIES, -np.inf), 0
        for day, row in zip(days, all_, strict=True):
            over = row > np.exp(middle)
            alarms += int((over & (day - last > QUIET)).sum())
            last[over] = day
        low, high = (middle, high) if alarms / (COUNTRIES * WATCHED / YEAR) > a_year else (low, middle)
    return float(np.exp((low + high) / 2))


def delays_of(
    rng: np.random.Generator, rate: float, spread: float, past: int, limit: float, opening: float = 0.0
) -> Floats:
    """Give months from a halving after so many days to its flag, inf for none in a year; none that stood before.

    `opening`: days over which the sites open evenly.
    """
    days = np.arange(past + PATIENCE)
    share = np.minimum((days + 0.5) / max(opening, 0.5), 1.0)
    counts, planned = _drawn(rng, np.where(days < past, rate, FACTOR * rate) * share, rate, spread)
    open_ = np.concatenate([[0.0], share.cumsum()])
    begun = evidence(counts, open_, planned, spread, past) <= limit * min(past / GROWN, 1.0)
    delay = np.full(COUNTRIES, np.inf)
    for day in range(past + 1, past + PATIENCE):
        over = evidence(counts, open_, planned, spread, day) > limit * min(day / GROWN, 1.0)
        delay[over & np.isinf(delay)] = day - past
    return delay[begun] / MONTH


def _drawn(rng: np.random.Generator, course: Floats, rate: float, spread: float) -> tuple[Floats, Floats]:
    counts = rng.poisson(course, (COUNTRIES, len(course))).cumsum(axis=1)
    error = rng.gamma(spread**-2, spread**2, COUNTRIES) if 0.0 < spread < np.inf else np.ones(COUNTRIES)
    return np.concatenate([np.zeros((COUNTRIES, 1)), counts], axis=1), rate / error
