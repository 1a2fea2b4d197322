"""What the rest of a study costs, draw by draw: every line is linear in what the simulation counts.

So a budget becomes a few tables of weights, and a forecast of all draws a few products of matrices. Weights are
multiples of 1/128 of the reporting currency (1 where it has no cents), quantities of 1/2048 of a subject, a site or a
month: their products and sums are exact in double precision up to `LARGEST` weights' units, so that the sums by
line, by country and by month are the same number whatever the order of adding.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from schemas.errors import InvalidFieldError
from twins.enrollment.money.budget import TIME_DRIVEN, Budget
from twins.enrollment.money.course import Course
from twins.enrollment.money.weights import Weights, calendar, exact, weigh
from twins.enrollment.study import MONTH, Floats

BLOCK = 500  # draws at a time: bounds the memory beside the course (500 x 20 x 36 doubles are 3 MB)
LARGEST = (
    2.0**40
)  # weights' units of one draw: 2^53 over 2048, and a factor of 4 to spare (8.6e9 of a currency of cents)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Costs from `as_of` on in the reporting currency, d draws.

    `by_line` (d, l), `by_country` (d, c + 1) with the study's own last, `by_month` (d, k) as they arise, `cash` (d, k)
    as they are paid, `total` (d,). `edges` (k + 1,): starts of calendar months [d], the first is `as_of`. `ends` (d,).
    """

    lines: tuple[str, ...]
    kinds: tuple[str, ...]
    countries: tuple[str, ...]
    edges: Floats
    by_line: Floats
    by_country: Floats
    by_month: Floats
    cash: Floats
    total: Floats
    ends: Floats

    @property
    def time_driven(self) -> Floats:
        """Costs that run with the clock, shape (d,)."""
        chosen = [kind in TIME_DRIVEN for kind in self.kinds]
        return np.asarray(self.by_line[:, chosen].sum(axis=1))

    def within(self, money: float) -> float:
        """Probability that the rest costs no more than `money`."""
        return float((self.total <= money).mean())

    def correlation(self) -> float:
        """Correlation of the end's date with the cost over the draws; 0 where either does not vary."""
        if np.ptp(self.total) == 0.0 or np.ptp(self.ends) == 0.0:
            return 0.0
        return float(np.corrcoef(self.ends, self.total)[0, 1])


def outlook(budget: Budget, course: Course, origin: datetime.date) -> Outlook:
    """Forecast the costs still to come.

    Parameters
    ----------
    budget : Budget
    course : Course
        d draws, c countries, m steps.
    origin : date
        The study's day 0, for calendar months.

    Returns
    -------
    Outlook

    Raises
    ------
    InvalidFieldError
        If a line names a country the course does not have, or a draw costs more than can be added exactly.

    Notes
    -----
    Subjects come evenly within a step and sites run evenly within it. A visit falls `visit_day` after enrolment and
    takes place with probability exp(-dropout visit_day). Sites close, and are paid for it, at the study's end. Costs
    of a month of the study run from `as_of` to the end of each draw.
    """
    edges = calendar(origin, float(course.steps[0]), _last(budget, course))
    table = weigh(budget, course, edges)
    draws, months = len(course.ends), len(edges) - 1
    out = np.zeros((draws, table.width))
    for start in range(0, draws, BLOCK):
        part = slice(start, start + BLOCK)
        out[part] = _block(table, course, part, edges)
    lines, countries = len(budget.lines), len(course.countries) + 1
    by_line, by_country, by_month, cash = np.split(out, np.cumsum([lines, countries, months]), axis=1)
    total = by_line.sum(axis=1)
    if total.max(initial=0.0) > LARGEST * table.unit:
        limit = f"a cost of at most {LARGEST * table.unit:g} {budget.currency} in every draw"
        raise InvalidFieldError(expected=limit, received=f"{total.max():g}", where="budget", advice="check the amounts")
    names, kinds = tuple(x.name for x in budget.lines), tuple(str(x.kind) for x in budget.lines)
    return Outlook(names, kinds, course.countries, edges, by_line, by_country, by_month, cash, total, course.ends)


def _last(budget: Budget, course: Course) -> float:
    visit = max((line.visit_day or 0.0 for line in budget.lines), default=0.0)
    fixed = max((line.day or 0.0 for line in budget.lines), default=0.0)
    lag = max((line.lag_days for line in budget.lines), default=0.0)
    amended = max(course.amendments, default=0.0)
    return float(max(course.steps[-1] + visit, course.ends.max(), fixed, amended)) + lag


def _block(table: Weights, course: Course, part: slice, edges: Floats) -> Floats:
    came = np.diff(course.subjects[part], axis=2, prepend=0.0)
    opened = course.opened[part]
    d, c, m = came.shape
    out = came.reshape(d, c * m) @ table.enrolled.reshape(c * m, -1)
    out += exact(course.site_days[part] / MONTH).reshape(d, c * m) @ table.site_month.reshape(c * m, -1)
    if table.start.any():
        out += opened.reshape(d, c * m) @ table.start.reshape(c * m, -1)
    if table.screened.any():  # failed are screened less enrolled: `weigh` has put that into the two tables
        seen = exact(came * course.screened[part][:, :, None])
        out += seen.reshape(d, c * m) @ table.screened.reshape(c * m, -1)
    ends = course.ends[part]
    for lag, prices in table.study_month.items():
        out += _elapsed(ends, edges, lag) @ prices
    sites = opened.sum(axis=2) + course.open_now
    for lag, prices in table.close.items():
        month = np.searchsorted(edges, np.minimum(ends + lag, np.nextafter(edges[-1], 0.0)), side="right") - 1
        out += np.einsum("dc,dcx->dx", sites, prices[:, month].transpose(1, 0, 2))
    return np.asarray(out + table.fixed)


def _elapsed(ends: Floats, edges: Floats, lag: float) -> Floats:
    """Months of the study in each month of the calendar, each `lag` days later than it was, shape (d, k).

    What runs up to each edge is rounded, so that the parts sum to the rounded whole.
    """
    upto = np.minimum(ends[:, None] + lag, edges[1:]) - (edges[0] + lag)
    return np.diff(exact(np.maximum(upto, 0.0) / MONTH), axis=1, prepend=0.0)
