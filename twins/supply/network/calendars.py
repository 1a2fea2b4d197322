"""What changes with the date: units of a resource, and the rate at which patients come."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twins.supply.network.spec import Network, Poisson, Resource, Window, refused

MOST_CHANGES = 1_000_000  # of all resources until the horizon
WEEK = 7.0  # days

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def changes(network: Network, horizon: float) -> tuple[Ints, Floats, Ints, Ints]:
    """Give the units on day 0, and when, of which resource and by how much they change, in order of time.

    Raises
    ------
    SettingsError
        If there are more changes than there is room for.
    """
    weeks = horizon / WEEK
    expected = sum(2 * (len(one.windows) + weeks * len(one.weekly)) for one in network.resources)
    if expected > MOST_CHANGES:
        raise refused(f"at most {MOST_CHANGES} changes of units", f"{expected:.0f}", "inputs.network.resources")
    first, rows = [], []
    for place, resource in enumerate(network.resources):
        course = units_by_day(resource, horizon, network.weekday)
        first.append(course[0][1])
        for (_, before), (day, after) in pairwise(course):
            rows.append((day, place, after - before))
    rows.sort()
    return (
        np.array(first, dtype=np.int64),
        np.array([row[0] for row in rows], dtype=np.float64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int64),
    )


def units_by_day(resource: Resource, horizon: float, weekday: int = 0) -> list[tuple[float, int]]:
    """Give the units of a resource from day 0 to the horizon, each with the day from which they hold.

    A dated window wins over a weekly one, of its kind the last that is written.

    Examples
    --------
    >>> units_by_day(Resource("suite", 2, (Window(3.0, 4.0, 0),)), 10.0)
    [(0.0, 2), (3.0, 0), (4.0, 2)]
    """
    weekly = [
        Window(week * WEEK - weekday + one.begin, week * WEEK - weekday + one.end, one.units)
        for one in resource.weekly
        for week in range(math.ceil(horizon / WEEK) + 2)
    ]
    edges: list[tuple[float, int, int]] = []  # day, rank, 1 begins or -1 ends; the last rank that holds wins
    units = [resource.units]
    for window in (*weekly, *resource.windows):
        if window.end > 0.0 and window.begin < horizon:
            edges += [(max(window.begin, 0.0), len(units), 1), (window.end, len(units), -1)]
            units.append(window.units)
    edges.sort()
    course, holding = [(0.0, resource.units)], {0}
    for place, (day, rank, sign) in enumerate(edges):
        (holding.add if sign > 0 else holding.discard)(rank)
        if place + 1 < len(edges) and edges[place + 1][0] == day:
            continue
        now = units[max(holding)]
        if day == 0.0:
            course[0] = (0.0, now)
        elif now != course[-1][1] and day < horizon:
            course.append((day, now))
    return course


def cumulative(arrivals: Poisson, horizon: float) -> tuple[list[float], list[float]]:
    """Give the expected arrivals up to each of some days, between which the rate is constant.

    Examples
    --------
    >>> cumulative(Poisson(2.0, until=10.0), 100.0)
    ([0.0, 10.0], [0.0, 20.0])
    """
    until = min(horizon, math.inf if arrivals.until is None else arrivals.until)
    if until <= arrivals.begin:
        return [], []
    inside = {edge for one in arrivals.surges for edge in (one.begin, one.end) if arrivals.begin < edge < until}
    days = [arrivals.begin, *sorted(inside), until]
    total = [0.0]
    for low, high in pairwise(days):
        factor = math.prod(one.factor for one in arrivals.surges if one.begin <= low < one.end)
        total.append(total[-1] + arrivals.per_day * factor * (high - low))
    return days, total


def units_days(network: Network, horizon: float, begin: float, end: Floats) -> Floats:
    """Give each resource's units summed over the days from `begin` to each `end`, shape (ends, resources)."""
    found = np.zeros((len(end), len(network.resources)))
    for place, resource in enumerate(network.resources):
        course = units_by_day(resource, horizon, network.weekday)
        days = np.array([max(day, begin) for day, _ in course])
        units = np.array([one for _, one in course], dtype=np.float64)
        total = np.concatenate([[0.0], np.cumsum(units[:-1] * np.diff(days))])
        last = np.maximum(np.searchsorted(days, end, side="right") - 1, 0)
        found[:, place] = total[last] + units[last] * np.maximum(end - days[last], 0.0)
    return found
