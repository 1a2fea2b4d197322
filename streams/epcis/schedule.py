"""When a scheduled subscription is due: second, minute, hour, day of month, month, day of week, all in UTC.

A field is a list of numbers and of ranges in brackets, `0,15,[30-45]`; a field that is absent or empty is any.

Source: GS1, EPCIS 2.0 (2022), section 8.2.5.3 (query schedule); day of week 1 is Monday, 7 Sunday.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from schemas.errors import InvalidFieldError
from schemas.instants import Instant, instant_of, moment_of

_PART = re.compile(r"(\d{1,2})|\[(\d{1,2})-(\d{1,2})\]", re.ASCII)
_LIMITS = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "dayOfMonth": (1, 31),
    "month": (1, 12),
    "dayOfWeek": (1, 7),
}
_FURTHEST = 366 * 8  # days: a 29 February is never further


class Schedule(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """The fields, as text."""

    second: str = ""
    minute: str = ""
    hour: str = ""
    day_of_month: str = ""
    month: str = ""
    day_of_week: str = ""


def next_due(schedule: Schedule, after: int) -> Instant:
    """Give the first instant after another [us] that a schedule names.

    Raises
    ------
    InvalidFieldError
        If a field is not as it must be, or the schedule names no instant.

    Examples
    --------
    >>> from schemas.instants import format_instant, parse_instant
    >>> format_instant(next_due(Schedule(second="0", minute="[10-20],40"), parse_instant("2026-03-01T08:20:00Z")))
    '2026-03-01T08:40:00Z'
    """
    given = {name: getattr(schedule, field) for name, field in zip(_LIMITS, Schedule.__struct_fields__, strict=True)}
    allowed = {name: _numbers(name, text) for name, text in given.items()}
    begin = moment_of(after).replace(microsecond=0) + timedelta(seconds=1)
    for days in range(_FURTHEST):
        day = (begin + timedelta(days=days)).date()
        named = day.day in allowed["dayOfMonth"] and day.month in allowed["month"]
        if not named or day.isoweekday() not in allowed["dayOfWeek"]:
            continue
        first = (begin.hour, begin.minute, begin.second) if days == 0 else (0, 0, 0)
        found = _in_day(allowed, first)
        if found is not None:
            hour, minute, second = found
            return instant_of(datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC))
    raise InvalidFieldError(expected="a schedule that names some day", received="none", where="schedule.dayOfMonth")


def _in_day(allowed: dict[str, list[int]], first: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """Give the first allowed time of day that is not before another."""
    for hour in allowed["hour"]:
        for minute in allowed["minute"]:
            if (hour, minute, 59) < first:
                continue
            for second in allowed["second"]:
                if (hour, minute, second) >= first:
                    return hour, minute, second
    return None


def _numbers(name: str, text: str) -> list[int]:
    low, high = _LIMITS[name]
    if not text:
        return list(range(low, high + 1))
    found: set[int] = set()
    for part in text.split(",")[: high + 1]:
        match = _PART.fullmatch(part.strip())
        first, last = (None, None) if match is None else (match[1] or match[2], match[1] or match[3])
        if first is None or last is None or not low <= int(first) <= int(last) <= high:
            raise InvalidFieldError(
                expected=f"numbers from {low} to {high}, or ranges in brackets",
                received=repr(text)[:60],
                where=f"schedule.{name}",
            )
        found.update(range(int(first), int(last) + 1))
    return sorted(found)
