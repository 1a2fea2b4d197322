"""Make bitemporal intervals of marks that open and close: a function of the set of marks, in whatever order they came.

The marks of one sequence (one thing in one container; one thing over all places) are ordered by event time. One that
opens holds until the next mark. A close that nothing precedes says that it was inside before, since when nobody knows.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from streams.lineage.kinds import BEGINNING, FOREVER


class Point(NamedTuple):
    """One mark with when it was believed. Sorts by event time, closes before opens, then by what names it for ever."""

    at: int
    opens: bool
    event_id: str
    src_key: str
    event: int
    src: int
    known_from: int
    known_until: int


class Interval(NamedTuple):
    """One row: a thing was in `src` over [valid_from, valid_until), as known over [known_from, known_until)."""

    src: int
    event: int
    ended_by: int | None
    valid_from: int
    valid_until: int
    known_from: int
    known_until: int


def intervals_of(points: Iterable[Point]) -> list[Interval]:
    """Give the rows of one sequence, sorted.

    Examples
    --------
    >>> put = Point(10, True, "a", "box", 1, 7, 100, FOREVER)
    >>> taken = Point(20, False, "b", "box", 2, 7, 300, FOREVER)
    >>> [(row.valid_from, row.ended_by, row.known_from) for row in intervals_of([taken, put])]
    [(10, None, 100), (10, 2, 300)]
    """
    standing: list[Point] = []
    open_rows: dict[Point, Interval] = {}
    done: list[Interval] = []
    for moment, changes in _changes(points):
        touched = set()
        for arrives, point in changes:
            if arrives:
                insort(standing, point)
            place = bisect_left(standing, point)
            touched.update(standing[max(0, place - 1) : place + 2])
            touched.add(point)
            if not arrives:
                del standing[place]
        for point in touched:
            old, new = open_rows.pop(point, None), _row(standing, point, moment)
            if old is not None and new is not None and old[:5] == new[:5]:
                open_rows[point] = old
                continue
            if old is not None and old.known_from < moment:
                done.append(old._replace(known_until=moment))
            if new is not None:
                open_rows[point] = new
    return sorted((*done, *open_rows.values()), key=_order)


def _order(row: Interval) -> tuple[int, ...]:
    return (row.src, row.event, row.ended_by or 0, row.valid_from, row.valid_until, row.known_from, row.known_until)


def _changes(points: Iterable[Point]) -> Iterator[tuple[int, Sequence[tuple[bool, Point]]]]:
    """Give what came and what was declared an error, by the instant at which it was known."""
    changes = []
    for point in points:
        if point.known_from < point.known_until:
            changes.append((point.known_from, True, point))
            if point.known_until < FOREVER:
                changes.append((point.known_until, False, point))
    changes.sort()
    for moment, group in groupby(changes, key=lambda one: one[0]):
        yield moment, [(arrives, point) for _, arrives, point in group]


def _row(standing: Sequence[Point], point: Point, moment: int) -> Interval | None:
    """Give the interval that a mark stands for now, if it stands for one."""
    place = bisect_left(standing, point)
    if place == len(standing) or standing[place] != point:
        return None
    if not point.opens:
        if place or not point.src:
            return None
        return Interval(point.src, point.event, point.event, BEGINNING, point.at, moment, FOREVER)
    if place + 1 == len(standing):
        return Interval(point.src, point.event, None, point.at, FOREVER, moment, FOREVER)
    following = standing[place + 1]
    until = max(point.at + 1, following.at)  # what was seen there was there for that instant at least
    return Interval(point.src, point.event, following.event, point.at, until, moment, FOREVER)
