"""Scenarios side by side on common draws, and a tornado of what drives the date and the cost."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.errors import ShapeError
from twins.enrollment.money.budget import Budget
from twins.enrollment.money.course import Course
from twins.enrollment.money.outlook import Outlook, outlook
from twins.enrollment.study import Floats

LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A budget and a course under a name; courses that are compared come from the same draws, in the same order."""

    name: str
    budget: Budget
    course: Course


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario beside the first. Quantiles are (0.05, 0.5, 0.95); differences are paired, draw by draw.

    `enrolled`, `ends` [d since origin], `cost` and `days_later`, `cost_more` are quantiles. `on_time` is the
    probability that enrollment ends by the deadline, `within` that the rest costs no more than the budget at hand.
    `time_driven` is the mean change of lines that run with the clock. `per_day` is mean cost more per mean day later
    of the enrollment's end, NaN where it does not move: with fewer days and more cost, the price (as a negative
    number) of a day gained. `cost_more_mean` comes with its standard error `cost_more_error` over the draws, `by_line`
    is its part of each line of either budget.
    """

    name: str
    enrolled: Floats
    on_time: float
    ends: Floats
    cost: Floats
    within: float
    days_later: Floats
    cost_more: Floats
    cost_more_mean: float
    cost_more_error: float
    time_driven: float
    per_day: float
    by_line: dict[str, float]


@dataclass(frozen=True, slots=True)
class Swing:
    """An input moved one at a time: what low and high do to the mean date of the end and to the mean cost."""

    name: str
    days: tuple[float, float]
    cost: tuple[float, float]

    @property
    def days_swing(self) -> float:
        """Distance of the two dates [d]."""
        return abs(self.days[1] - self.days[0])

    @property
    def cost_swing(self) -> float:
        """Distance of the two costs."""
        return abs(self.cost[1] - self.cost[0])


def compare(
    scenarios: Sequence[Scenario], origin: datetime.date, deadline: float, money: float, spent: float = 0.0
) -> tuple[Row, ...]:
    """Set scenarios side by side, each against the first.

    Parameters
    ----------
    scenarios : sequence of Scenario
        The first is the base. All have the same draws (`ShapeError` if their number differs) and reporting currency.
    origin : date
        The study's day 0.
    deadline : float
        Of the last enrolment [d since origin].
    money, spent : float
        The budget at hand for the whole study, and what of it is spent, in the reporting currency.
    """
    base = scenarios[0]
    first = outlook(base.budget, base.course, origin)
    rows = []
    for one in scenarios:
        _alike(base, one)
        ahead = first if one is base else outlook(one.budget, one.course, origin)
        rows.append(_row(one, ahead, base, first, deadline, money - spent))
    return tuple(rows)


def tornado(
    base: Scenario, moved: Sequence[tuple[str, Scenario, Scenario]], origin: datetime.date, by: str = "cost"
) -> tuple[Swing, ...]:
    """Move inputs one at a time, sort by the swing of `by` ("cost" or "days"), greatest first.

    `moved` lists (name, low, high): scenarios on the base's draws, in which one input has its low and its high value.
    """
    if by not in ("cost", "days"):
        raise ShapeError(f'expected by "cost" or "days", received {by!r}, in a tornado')
    centre = outlook(base.budget, base.course, origin).total.mean()
    swings = []
    for name, *pair in moved:
        for one in pair:
            _alike(base, one)
        low, high = (float(outlook(one.budget, one.course, origin).total.mean() - centre) for one in pair)
        left, right = (float((one.course.ends - base.course.ends).mean()) for one in pair)
        swings.append(Swing(name, (left, right), (low, high)))
    return tuple(sorted(swings, key=lambda swing: swing.cost_swing if by == "cost" else swing.days_swing, reverse=True))


def _alike(base: Scenario, one: Scenario) -> None:
    expected = (len(base.course.ends), base.budget.currency)
    received = (len(one.course.ends), one.budget.currency)
    if expected != received:
        raise ShapeError(f"expected draws and currency {expected}, received {received}, in scenario {one.name!r}")


def _row(one: Scenario, ahead: Outlook, base: Scenario, first: Outlook, deadline: float, money: float) -> Row:
    later = one.course.enrolled - base.course.enrolled
    more = ahead.total - first.total
    days = float(later.mean())
    return Row(
        one.name,
        np.quantile(one.course.enrolled, LEVELS),
        float((one.course.enrolled <= deadline).mean()),
        np.quantile(one.course.ends, LEVELS),
        np.quantile(ahead.total, LEVELS),
        ahead.within(money),
        np.quantile(later, LEVELS),
        np.quantile(more, LEVELS),
        float(more.mean()),
        float(more.std() / np.sqrt(len(more))),
        float((ahead.time_driven - first.time_driven).mean()),
        float(more.mean()) / days if days else float("nan"),
        _by_line(ahead, first),
    )


def _by_line(ahead: Outlook, first: Outlook) -> dict[str, float]:
    here, there = (dict(zip(one.lines, one.by_line.T, strict=True)) for one in (ahead, first))
    nothing = np.zeros(len(ahead.total))
    names = dict.fromkeys((*first.lines, *ahead.lines))
    return {name: float((here.get(name, nothing) - there.get(name, nothing)).mean()) for name in names}
