"""What a study should have cost by now: its budget's lines on what happened, month by month, beside what was booked.

The prices are those of what is to come (`outlook`): a cost is charged once, before `as_of` here, from it on there.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.errors import ShapeError
from twins.enrollment.money.budget import Booked, Budget, Line
from twins.enrollment.money.weights import calendar, chosen, index
from twins.enrollment.study import MONTH, Floats, Ints

MOST_MONTHS = 120  # of the past that are told apart; earlier ones are the first's
EACH = ("subject_screened", "subject_failed", "subject_enrolled", "site_start", "site_close")


@dataclass(frozen=True, slots=True)
class Past:
    """What happened up to `as_of` [d since origin] that a budget is charged for.

    `events` has for each kind of `EACH` (country (n,), day (n,) [d]). `left` (n,) is when each of those enrolled left,
    inf where they stay: no visit falls after. `spans` are (country, start, end) [d] of open sites, (k,) each.
    `amendments` (a,) are their days. The study's months run from day 0 to `until`, `as_of` at most.
    """

    countries: tuple[str, ...]
    as_of: float
    until: float
    events: Mapping[str, tuple[Ints, Floats]]
    left: Floats
    spans: tuple[Ints, Floats, Floats]
    amendments: Floats

    def __post_init__(self) -> None:
        """Check what would charge a cost twice or none."""
        enrolled = self.events["subject_enrolled"][1]
        if set(self.events) != set(EACH) or self.left.shape != enrolled.shape or self.until > self.as_of:
            raise ShapeError(
                f"expected events of {', '.join(EACH)}, a day of leaving for each enrolled and months up to as_of, "
                f"received {sorted(self.events)}, {self.left.shape}, {self.until:g}, in a past for its money"
            )


@dataclass(frozen=True, slots=True)
class ToDate:
    """The past by line (in the budget's order) and by calendar month, in the reporting currency.

    `edges` (k + 1,): starts of months [d]. `accrued` and `booked` (l, k).
    """

    lines: tuple[str, ...]
    edges: Floats
    accrued: Floats
    booked: Floats

    def by_line(self, of: Floats) -> dict[str, float]:
        """Sum one of the two over the months."""
        return dict(zip(self.lines, of.sum(axis=1).tolist(), strict=True))


def accrue(budget: Budget, past: Past, booked: Sequence[Booked], origin: datetime.date) -> ToDate:
    """Charge what happened, line by line and month by month, and set beside it what was booked.

    Parameters
    ----------
    booked : sequence of Booked
        On lines of the budget, in currencies it knows; what is booked on later days than `as_of` does not count.
    origin : date
        The study's day 0.

    Raises
    ------
    InvalidFieldError
        If a line names a country that the study does not have, or a booked cost a currency without a rate.

    Notes
    -----
    A visit is charged on the day it was due, to whoever had not left by then. Indexation is that of the day, for what
    runs with the clock that of its month's start.
    """
    days = [day for _, day in past.events.values()]
    known = np.concatenate([*days, past.spans[1], [cost.day for cost in booked], [0.0, past.as_of]])
    edges = calendar(origin, float(np.floor(known.min())), past.as_of)
    edges = edges if len(edges) <= MOST_MONTHS + 1 else np.concatenate([edges[:1], edges[-MOST_MONTHS:]])
    shape = (len(budget.lines), len(edges) - 1)
    accrued, paid = np.zeros(shape), np.zeros(shape)
    place = {line.name: row for row, line in enumerate(budget.lines)}
    for row, line in enumerate(budget.lines):
        price = line.amount * budget.rate(line.currency) * (1.0 + line.overhead)
        accrued[row] = price * _units(line, past, edges)
    for cost in booked:
        if cost.day <= past.as_of:
            paid[place[cost.line], _month(edges, cost.day)] += cost.amount * budget.rate(cost.currency)
    return ToDate(tuple(place), edges, accrued, paid)


def _units(line: Line, past: Past, edges: Floats) -> Floats:
    """Count by month what a line is charged for, each raised by its indexation, shape (k,)."""
    if line.kind == "site_month":
        own = np.isin(past.spans[0], chosen(line, past.countries))
        return _running(line, past.spans[1][own], np.minimum(past.spans[2][own], past.until), edges)
    if line.kind == "study_month":
        return _running(line, np.zeros(1), np.array([past.until]), edges)
    if line.kind == "amendment":
        return _at(line, past.amendments, edges)
    if line.kind == "fixed":
        due = np.array([line.day or 0.0])
        return _at(line, due[due < past.as_of], edges)
    country, day = past.events["subject_enrolled" if line.kind == "visit" else line.kind]
    own = np.isin(country, chosen(line, past.countries))
    if line.kind == "visit":
        day = day + (line.visit_day or 0.0)
        own &= (day < past.as_of) & (day <= past.left)
    return _at(line, day[own], edges)


def _at(line: Line, days: Floats, edges: Floats) -> Floats:
    found: Floats = np.bincount(_month(edges, days), index(line, days), len(edges) - 1).astype(np.float64)
    return found


def _running(line: Line, start: Floats, end: Floats, edges: Floats) -> Floats:
    """Give months that ran in each month of the calendar."""
    shared = np.minimum(end[:, None], edges[1:]) - np.maximum(start[:, None], edges[:-1])
    found: Floats = np.maximum(shared, 0.0).sum(axis=0) / MONTH * index(line, edges[:-1])
    return found


def _month(edges: Floats, day: Floats | float) -> Ints:
    return np.clip(np.searchsorted(edges, day, side="right") - 1, 0, len(edges) - 2).astype(np.int64)
