"""What a study cost and will cost: its budget on what happened and on joint draws of what is to come."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas import enrollment as e
from schemas.instants import DAY
from twins.enrollment import course, money
from twins.enrollment.drawing import Drawn, course_of
from twins.enrollment.money import TIME_DRIVEN, Booked, Budget, Completion, Past, ToDate
from twins.enrollment.plan import Plan
from twins.enrollment.reading import Reading
from twins.enrollment.register import Register
from twins.enrollment.study import CLOSED, Floats, Ints

MOST_MONTHS = 120  # to come that are said one by one; the rest is summed

# What each kind of line is charged for, and how often: of what is spent once whatever is done, nothing.
_PER: dict[str, tuple[str, str]] = {
    "subject_screened": ("subject", "screened"),
    "subject_failed": ("subject", "failed"),
    "subject_enrolled": ("subject", "once"),
    "visit": ("subject", "once"),
    "site_month": ("site", "once"),
    "site_start": ("nothing", "once"),  # an action says itself what it costs to open a site
    "site_close": ("site", "spread"),
    "study_month": ("study", "once"),
    "fixed": ("nothing", "once"),
    "amendment": ("nothing", "once"),
}

Data = dict[str, Any]  # Any: JSON


def booked_costs(register: Register, reading: Reading, budget: Budget) -> tuple[list[Booked], Data]:
    """Give the costs booked on lines of the budget, in currencies it knows; and how much else was booked, by line."""
    lines = {line.name for line in budget.lines}
    known = {budget.currency, *(rate.currency for rate in budget.rates)}
    found, others = [], {}
    for said in register.costs:
        if register.counts(said):
            data = said.data
            if data.line in lines and data.currency in known:
                found.append(Booked(data.line, data.amount, data.currency, reading.plan.day(said.time)))
            else:
                others[data.line] = f"{data.currency}: not on the budget"
    return found, others


def prices_of(budget: Budget, screened: float, price_of_day: float, months: float) -> course.Prices:
    """Give a budget's prices as a simulation of actions takes them, in its currency, without indexation.

    Parameters
    ----------
    screened : float
        Screened for one who is enrolled, 1 or more.
    months : float
        That a site which is opened stays open, about: its start and its close are spread over them.
    """
    per = dict.fromkeys(("subject", "site", "study"), 0.0)
    of_country: dict[str, dict[str, float]] = {}
    for line in budget.lines:
        amount = line.amount * budget.rate(line.currency) * (1.0 + line.overhead)
        what, times = _PER[line.kind]
        value = amount * {"once": 1.0, "screened": screened, "failed": screened - 1.0, "spread": 1.0 / months}[times]
        if what == "study" or (what != "nothing" and not line.countries):
            per[what] += value
        for name in line.countries if what in ("subject", "site") else ():
            own = of_country.setdefault(name, {"subject": 0.0, "site": 0.0})
            own[what] += value
    countries = tuple(
        course.CountryPrice(name, per["subject"] + own["subject"], per["site"] + own["site"])
        for name, own in sorted(of_country.items())
    )
    return course.Prices(
        budget.currency, 0.0, per["subject"], per["site"], per["study"], price_of_day, "all", countries
    )


@dataclass(frozen=True, slots=True)
class Spending:
    """What a study cost so far, what it will have cost, and the course that this rests on."""

    budget: Budget
    origin: datetime.date
    to_date: ToDate
    course: money.Course
    found: Completion
    others: Data  # booked on no line of the budget, or in a currency that it does not know


def spending(drawn: Drawn, budget: Budget, register: Register) -> Spending:
    """Forecast the cost at completion: of each line the greater of booked and accrued, and what is to come."""
    reading = drawn.reading
    costs, others = booked_costs(register, reading, budget)
    origin, drawn_course = day_zero(reading.plan), course_of(drawn)
    ends = float(drawn_course.enrolled.max()) + reading.plan.follow_up_days
    to_date = money.accrue(budget, past_of(reading, register, ends), costs, origin)
    booked, accrued = to_date.by_line(to_date.booked), to_date.by_line(to_date.accrued)
    found = money.completion(money.outlook(budget, drawn_course, origin), booked, accrued)
    return Spending(budget, origin, to_date, drawn_course, found, others)


def day_zero(plan: Plan) -> datetime.date:
    """Give the date of a plan's day 0."""
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=plan.origin // DAY)


def past_of(reading: Reading, register: Register, ends: float) -> Past:
    """Read what a budget is charged for from the facts.

    Parameters
    ----------
    ends : float
        When the study ends at the latest [d]: its months run no longer.
    """
    study, plan = reading.study, reading.plan
    subjects, sites = study.subjects, study.sites
    of = sites.country[subjects.site]
    steps = np.stack([subjects.screened, subjects.failed, subjects.enrolled, subjects.randomised])
    entered = np.fmin.reduce(steps, axis=0)  # who failed or enrolled was screened, told or not
    left = np.fmin(np.nan_to_num(subjects.withdrawn, nan=np.inf), np.nan_to_num(subjects.lost, nan=np.inf))
    closing = np.array([max((end for _, end in site.spans), default=np.nan) for site in plan.sites])
    amended = [
        plan.day(said.time) for said in register.study
        if isinstance(said.data, e.ProtocolAmended) and register.counts(said)
    ]  # fmt: skip
    came = ~np.isnan(study.counting_days)
    return Past(
        tuple(one.name for one in study.countries),
        study.as_of,
        min(study.as_of, ends),
        {
            "subject_screened": _known(of, entered),
            "subject_failed": _known(of, subjects.failed),
            "subject_enrolled": _known(of, study.counting_days),
            "site_start": _known(sites.country, sites.opened),
            "site_close": _known(sites.country, np.where(sites.status == CLOSED, closing, np.nan)),
        },
        left[came],
        (sites.country[study.spans.site], study.spans.start, study.spans.end),
        np.array(amended, dtype=np.float64),
    )


def _known(country: Ints, days: Floats) -> tuple[Ints, Floats]:
    there = ~np.isnan(days)
    return country[there], days[there]


def say(made: Spending, plan_day: Callable[[float], str | None]) -> Data:
    """Say what was spent and what is to come as `schemas.enrollment_effects.MoneyForecast`, but for scenarios."""
    found, past = made.found, made.to_date
    booked, accrued = past.by_line(past.booked), past.by_line(past.accrued)
    some = np.flatnonzero((found.arising_mean > 0.0) | (found.paid_mean > 0.0))
    count = min(int(some[-1]) + 1 if len(some) else 0, MOST_MONTHS)
    return {
        "currency": made.budget.currency,
        "to_date": found.to_date,
        "booked": found.booked,
        "accrued": sum(accrued.values()),
        "outstanding": found.outstanding,
        "levels": list(found.levels),
        "at_completion": found.quantiles.tolist(),
        "mean": found.mean,
        "by_line": found.by_line,
        "lines": [
            {
                "name": line.name,
                "kind": line.kind,
                "time_driven": line.kind in TIME_DRIVEN,
                "booked": booked[line.name],
                "accrued": accrued[line.name],
                "to_date": found.spent[line.name],
                "mean": found.by_line[line.name],
                "low": found.line_range[line.name][0],
                "high": found.line_range[line.name][1],
            }
            for line in made.budget.lines
        ],
        "past": {
            "months": [plan_day(day) for day in past.edges[:-1].tolist()],
            "booked": past.booked.sum(axis=0).tolist(),
            "accrued": past.accrued.sum(axis=0).tolist(),
        },
        "months": [plan_day(day) for day in found.months[:count].tolist()],
        "arising": _cents(found.arising[:count]),
        "arising_mean": found.arising_mean[:count].tolist(),
        "paid": _cents(found.paid[:count]),
        "paid_mean": found.paid_mean[:count].tolist(),
        "running": _cents(found.running[:count]),
        "later": {"arising": float(found.arising_mean[count:].sum()), "paid": float(found.paid_mean[count:].sum())},
        "correlation_with_the_end": found.correlation,
        "not_on_the_budget": made.others,
    }


def _cents(values: Floats) -> list[list[float]]:
    rounded: list[list[float]] = np.round(values, 2).tolist()
    return rounded
