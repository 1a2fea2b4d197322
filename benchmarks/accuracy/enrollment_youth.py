"""How far off the date of the target is in the first months of a study, when most who were screened wait.

Sites open over half a year, subjects are enrolled weeks after they are screened, some not at all. The outlook is asked
one to four months after the first site opened, and at nine, without and with the funnel's delay in the rates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.report import Bar, Report
from tests.support.studies import study
from twins.enrollment.funnel import funnel, lags
from twins.enrollment.rates import RateSettings, learn, outlook
from twins.enrollment.study import MONTH, Floats, Study, Target

DELAYS, MONTHS = (28.0, 42.0), (1.0, 2.0, 3.0, 4.0, 9.0)  # mean days of screening, and when it is asked
LIMIT = 2.0  # the longest screening, in means
OPENING, PASSING, SHAPE, DELAY_SHAPE, LATE = 180.0, 0.7, 1.5, 6.0, 15.0
BIAS = 0.05  # of the time left: bar of the median error


def young(rng: np.random.Generator, delay: float, month: float) -> tuple[Study, float]:
    """Draw a study so young, and the day on which its target is reached."""
    sites, as_of = int(rng.integers(20, 61)), month * MONTH
    typical = np.exp(rng.uniform(np.log(0.5), np.log(1.5))) / MONTH
    rate = typical * rng.gamma(SHAPE, 1.0 / SHAPE, sites)
    planned = np.append(0.0, rng.uniform(0.0, OPENING, sites - 1))
    opens = planned + np.append(0.0, rng.gamma(2.0, LATE / 2.0, sites - 1))
    until = OPENING + 720.0
    came = rng.poisson(rate / PASSING * (until - opens))
    site = np.repeat(np.arange(sites), came)
    screened = rng.uniform(opens[site], until)
    decided = screened + np.minimum(rng.gamma(DELAY_SHAPE, delay / DELAY_SHAPE, len(site)), LIMIT * delay - 0.01)
    passes = rng.random(len(site)) < PASSING
    enrolled = np.sort(decided[passes])
    goal = max(int(typical * sites * MONTH * rng.uniform(5.0, 9.0)), int((enrolled <= as_of).sum()) + 20)
    seen = screened <= as_of
    order = np.argsort(screened[seen])
    site, screened, decided, passes = (part[seen][order] for part in (site, screened, decided, passes))
    known = decided <= as_of
    told = study(
        as_of, np.where(opens <= as_of, opens, np.nan), site, np.where(known & passes, decided, np.nan),
        planned=planned, targets=[Target("target", goal, as_of + 365.0)],
    )  # fmt: skip
    # `study` sorts by the day of enrolment: the same order has to be given to what is told besides.
    by = np.argsort(np.where(known & passes, decided, np.nan), kind="stable")
    failed = np.where(known & ~passes, decided, np.nan)
    subjects = replace(told.subjects, screened=screened[by], failed=failed[by])
    return replace(told, subjects=subjects, screening_days=LIMIT * delay), float(enrolled[goal - 1])


def youth(report: Report, seed: int, trials: int) -> None:
    """Ask young studies for the date of their target."""
    for delay in DELAYS:
        for month in MONTHS:
            errors: Floats = np.zeros((trials, 2))
            held: Floats = np.zeros((trials, 2))
            for trial in range(trials):
                one, truth = young(np.random.default_rng([seed, trial, int(delay), int(month)]), delay, month)
                for place, waits in enumerate((np.zeros(1), lags(one, funnel(one)))):
                    posterior = learn(one, RateSettings(level=(0.85, 0.7)), None, waits)
                    days = outlook(posterior, one, np.array([one.as_of + 30.0]), sites=False).reaching[0].days
                    errors[trial, place] = (days[2] - truth) / (truth - one.as_of)
                    held[trial, place] = days[0] <= truth <= days[-1]
            middle = np.median(errors, axis=0)
            report.add(
                "young studies", screening_days=delay, month=month, trials=trials,
                error_without=round(middle[0], 3), error=round(middle[1], 3),
                mean_without=round(errors[:, 0].mean(), 3), mean=round(errors[:, 1].mean(), 3),
                held_without=round(held[:, 0].mean(), 3), held=round(held[:, 1].mean(), 3),
            )  # fmt: skip
            what = f"date of the target, month {month:.0f}, {delay:.0f} days of screening: median error"
            report.bars.append(Bar(what, BIAS, abs(float(middle[1])), "of the time left", most=True))
