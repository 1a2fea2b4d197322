"""A budget as tables of weights: what one unit of each quantity costs, by line, by country, by month, and in cash."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

import numpy as np

from schemas.errors import InvalidFieldError
from twins.enrollment.money.budget import Budget, Line
from twins.enrollment.money.course import Course
from twins.enrollment.study import Floats

YEAR = 365.25  # days of the Julian year
_FINE = 2048.0  # parts of a subject, a site or a month: 21 minutes of a month
_WHOLE = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)  # ISO 4217: no cents


@dataclass(slots=True)
class Weights:
    """Tables whose last axis is [lines | countries and study | months as they arise | months as paid], `width` long.

    `enrolled`, `screened`, `start`, `site_month`: (c, m, width); who fails is screened less enrolled in the first two.
    `study_month`: by lag, (k, width), a month of the study in a month. `close`: by lag, (c, k, width), a site that
    closes in a month. `fixed`: (width,).
    """

    unit: float
    width: int
    enrolled: Floats
    screened: Floats
    start: Floats
    site_month: Floats
    study_month: dict[float, Floats]
    close: dict[float, Floats]
    fixed: Floats


def exact(quantity: Floats) -> Floats:
    """Round to what sums without error: multiples of 1/2048."""
    return np.asarray(np.rint(quantity * _FINE) / _FINE)


def calendar(origin: datetime.date, start: float, last: float) -> Floats:
    """List the edges of calendar months over [start, last] as days since `origin`; the first edge is `start`.

    Examples
    --------
    >>> calendar(datetime.date(2026, 1, 15), 10.0, 50.0).tolist()
    [10.0, 17.0, 45.0, 76.0]
    """
    edges, day = [start], origin + datetime.timedelta(days=math.floor(start))
    year, month = day.year, day.month
    while edges[-1] <= last:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        edges.append(float((datetime.date(year, month, 1) - origin).days))
    return np.array(edges)


def spread(steps: Floats, shift: float, edges: Floats, lag: float = 0.0) -> Floats:
    """Tell which share of each step, moved by `shift` days, falls in each month, shape (m, k).

    What falls before the first edge is left out; the rest is then put off by `lag` days.

    Examples
    --------
    >>> spread(np.array([0.0, 10.0]), 5.0, np.array([0.0, 10.0, 20.0])).tolist()
    [[0.5, 0.5]]
    """
    low = np.maximum(steps[:-1, None] + shift, edges[0]) + lag
    high = steps[1:, None] + shift + lag
    shared = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return np.asarray(np.clip(shared, 0.0, None) / np.diff(steps)[:, None])


def weigh(budget: Budget, course: Course, edges: Floats) -> Weights:
    """Make the tables of a budget for the steps of a course; `InvalidFieldError` for a country that it lacks."""
    c, m, k = len(course.countries), len(course.steps) - 1, len(edges) - 1
    unit = 1.0 if budget.currency in _WHOLE else 1 / 128
    width = len(budget.lines) + c + 1 + 2 * k
    enrolled, screened, start, site_month = np.zeros((4, c, m, width))
    table = Weights(unit, width, enrolled, screened, start, site_month, {}, {}, np.zeros(width))
    writer = _Writer(budget, course, edges, table)
    for place, line in enumerate(budget.lines):
        writer.add(place, line)
    return table


class _Writer:
    """Writes one line after the other into the tables."""

    def __init__(self, budget: Budget, course: Course, edges: Floats, table: Weights) -> None:
        self.budget, self.course, self.edges, self.table = budget, course, edges, table
        self.first = len(budget.lines)
        self.months = self.first + len(course.countries) + 1
        self.cash = self.months + len(edges) - 1

    def add(self, place: int, line: Line) -> None:
        """Write one line."""
        price = line.amount * self.budget.rate(line.currency) * (1.0 + line.overhead)
        chosen = self._countries(line)
        table = self.table
        cubes = {
            "subject_enrolled": table.enrolled,
            "visit": table.enrolled,
            "subject_screened": table.screened,
            "subject_failed": table.screened,
            "site_start": table.start,
            "site_month": table.site_month,
        }
        if line.kind in cubes:
            self._steps(cubes[line.kind], place, line, price, chosen)
            if line.kind == "subject_failed":
                self._steps(table.enrolled, place, line, -price, chosen)
        elif line.kind == "study_month":
            rows = table.study_month.setdefault(line.lag_days, np.zeros((len(self.edges) - 1, table.width)))
            self._monthly(rows, place, line, price, self._home(line))
        elif line.kind == "site_close":
            empty = np.zeros((len(self.course.countries), len(self.edges) - 1, table.width))
            self._close(empty, place, line, price, chosen)
        else:
            days = self.course.amendments if line.kind == "amendment" else (line.day or 0.0,)
            for day in days:
                self._once(place, line, price, day, self._home(line))

    def _steps(self, cube: Floats, place: int, line: Line, price: float, chosen: list[int]) -> None:
        shift = line.visit_day or 0.0
        price *= math.exp(-self.course.dropout * shift)
        self._rows(cube, place, line, price, chosen, self.course.steps)
        if line.kind == "visit" and self.course.past is not None:
            steps, past = self.course.past_steps, self.course.past
            rows = np.zeros((*past.shape, self.table.width))
            self._rows(rows, place, line, price, chosen, steps)
            self.table.fixed += np.einsum("cp,cpx->x", past, rows)

    def _rows(self, cube: Floats, place: int, line: Line, price: float, chosen: list[int], steps: Floats) -> None:
        shift = line.visit_day or 0.0
        rising = price * index(line, steps[:-1] + shift)[:, None]
        arising = self._split(rising, spread(steps, shift, self.edges))
        paid = self._split(rising, spread(steps, shift, self.edges, line.lag_days))
        for country in chosen:
            cube[country, :, place] += arising.sum(axis=1)
            cube[country, :, self.first + country] += arising.sum(axis=1)
            cube[country, :, self.months : self.cash] += arising
            cube[country, :, self.cash :] += paid

    def _monthly(self, rows: Floats, place: int, line: Line, price: float, home: int) -> None:
        """Write what arises in each month; costs of the study's months are split so that lag 0 holds what arises."""
        months = np.arange(len(self.edges) - 1)
        value = self._round(price * index(line, self.edges[:-1]))
        now = self.table.study_month.setdefault(0.0, np.zeros_like(rows))
        now[months, place] += value
        now[months, self.first + home] += value
        now[months, self.months + months] += value
        paid = self._round(price * index(line, self.edges[:-1] - line.lag_days))
        rows[months, self.cash + months] += paid

    def _close(self, empty: Floats, place: int, line: Line, price: float, chosen: list[int]) -> None:
        months = np.arange(len(self.edges) - 1)
        now = self.table.close.setdefault(0.0, empty)
        later = self.table.close.setdefault(line.lag_days, np.zeros_like(empty))
        value = self._round(price * index(line, self.edges[:-1]))
        paid = self._round(price * index(line, self.edges[:-1] - line.lag_days))
        for country in chosen:
            now[country, months, place] += value
            now[country, months, self.first + country] += value
            now[country, months, self.months + months] += value
            later[country, months, self.cash + months] += paid

    def _once(self, place: int, line: Line, price: float, day: float, home: int) -> None:
        if day < self.edges[0]:
            return
        value = float(self._round(price * index(line, np.array([day])))[0])
        for column, at in ((self.months, day), (self.cash, day + line.lag_days)):
            self.table.fixed[column + int(np.searchsorted(self.edges, at, side="right")) - 1] += value
        self.table.fixed[place] += value
        self.table.fixed[self.first + home] += value

    def _split(self, price: Floats, shares: Floats) -> Floats:
        """Share a price out over months so that the rounded parts sum to the rounded price, wherever the edges lie."""
        upto = np.round(shares.cumsum(axis=1), 12)  # what sums to 1 shall not round as a hair less
        return np.diff(self._round(price * upto), axis=1, prepend=0.0)

    def _round(self, value: Floats) -> Floats:
        return np.asarray(np.rint(value / self.table.unit) * self.table.unit)

    def _countries(self, line: Line) -> list[int]:
        return chosen(line, self.course.countries)

    def _home(self, line: Line) -> int:
        return self._countries(line)[0] if line.countries else len(self.course.countries)


def index(line: Line, days: Floats) -> Floats:
    """Give what a line's amount is multiplied by on each day since the origin: its rise at each full year."""
    years = np.maximum(np.floor(days / YEAR), 0.0)
    return np.asarray((1.0 + line.indexation) ** years)


def chosen(line: Line, countries: tuple[str, ...]) -> list[int]:
    """Give the places of the countries that a line is charged in; `InvalidFieldError` for one that is not there."""
    for name in line.countries:
        if name not in countries:
            raise InvalidFieldError(
                expected=f"a country of the study ({', '.join(countries)})",
                received=name,
                where=f"budget line {line.name!r}, countries",
                advice="correct the document",
            )
    return [place for place, name in enumerate(countries) if not line.countries or name in line.countries]
