"""Alarms that tell nothing: chattering, fleeting, stale, and the few that make most of the load.

Source
------
ANSI/ISA-18.2-2016, clauses 3 (chattering, fleeting and stale alarm) and 16; EEMUA 191 ed. 3.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from twins.alarming.records import AlarmRecord


class Source(NamedTuple):
    """Where alarms come from: one rule of one unit, which the standards call one alarm."""

    unit: str
    rule: str


def source_of(record: AlarmRecord) -> Source:
    """Give the source of an alarm."""
    return Source(record.unit, record.rule)


def chattering_ids(records: Iterable[AlarmRecord], count: int, width: int) -> set[str]:
    """Give the ids of alarms that are among `count` or more of one source within [t, t + width) [us]."""
    of: dict[Source, list[AlarmRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.raised_at, record.id)):
        of[source_of(record)].append(record)
    found: set[str] = set()
    for raised in of.values():
        for place, last in enumerate(raised[count - 1 :]):
            if last.raised_at - raised[place].raised_at < width:
                found.update(record.id for record in raised[place : place + count])
    return found


def fleeting_ids(records: Iterable[AlarmRecord], width: int) -> set[str]:
    """Give the ids of alarms that cleared within less than `width` [us]."""
    return {
        record.id
        for record in records
        if record.cleared_at is not None and record.cleared_at - record.raised_at < width
    }


def stale_by_day(records: Iterable[AlarmRecord], days: Sequence[int], end: int, after: int) -> list[list[str]]:
    """Give, for each day, the ids of alarms that stood in it for longer than `after` [us] already.

    Parameters
    ----------
    records : iterable of AlarmRecord
        Raised before `end`.
    days : sequence of int
        Boundaries of days [us].
    end : int
        What happens from here on is not looked at [us].
    after : int
        An alarm that cleared exactly so long after it was raised was not stale.
    """
    found: list[list[str]] = [[] for _ in days[1:]]
    for record in records:
        since = record.raised_at + after
        until = end if record.cleared_at is None else min(record.cleared_at, end)
        if since >= until:
            continue
        for day, (first, last) in enumerate(pairwise(days)):
            if max(since, first) < min(until, last):
                found[day].append(record.id)
    return found


def most_frequent(records: Iterable[AlarmRecord], count: int) -> tuple[tuple[Source, int], ...]:
    """Give the sources with the most alarms, most first; equal ones by name."""
    counts = Counter(map(source_of, records))
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:count])
