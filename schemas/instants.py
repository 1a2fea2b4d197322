"""Instants: whole microseconds since 1970-01-01T00:00:00 UTC, and their text (RFC 3339).

One integer everywhere inside: it sorts, subtracts and compares exactly, and no time zone can hide in it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NewType

from schemas.errors import InvalidFieldError

Instant = NewType("Instant", int)

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR

# Outside these years a time is a broken clock, not a fact.
EARLIEST = Instant(0)
LATEST = Instant(7_258_118_400 * SECOND)  # 2200-01-01

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse_instant(text: str, where: str = "time") -> Instant:
    """Read an RFC 3339 time with its zone.

    Raises
    ------
    InvalidFieldError
        If it is no time, has no zone, or lies outside 1970 to 2200.

    Examples
    --------
    >>> parse_instant("2026-03-01T08:00:00+01:00")
    1772348400000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError, OverflowError):
        raise _no_time(text, where) from None
    if moment.tzinfo is None:
        raise InvalidFieldError(
            expected="a time with its zone, such as 2026-03-01T08:00:00Z",
            received=repr(text)[:80],
            where=where,
            advice="add Z or an offset",
        )
    try:
        since = moment - _EPOCH
    except OverflowError:
        raise _no_time(text, where) from None
    instant = (since.days * 86_400 + since.seconds) * SECOND + since.microseconds
    if not EARLIEST <= instant < LATEST:
        raise InvalidFieldError(expected="a time between 1970 and 2200", received=repr(text)[:80], where=where)
    return Instant(instant)


def format_instant(instant: int) -> str:
    """Write an instant as RFC 3339 in UTC, without a fraction where there is none.

    Examples
    --------
    >>> format_instant(1772348400000000), format_instant(1772348400250000)
    ('2026-03-01T07:00:00Z', '2026-03-01T07:00:00.250000Z')
    """
    day, rest = divmod(instant, DAY)
    seconds, fraction = divmod(rest, SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(day)}T{hour:02}:{minute:02}:{second:02}{f'.{fraction:06}' if fraction else ''}Z"


@lru_cache(maxsize=4096)  # of times that are written, most are of few days
def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def moment_of(instant: int) -> datetime:
    """Give an instant as the database's driver wants it: a time with its zone, UTC.

    Examples
    --------
    >>> moment_of(1772348400000000).isoformat()
    '2026-03-01T07:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=instant)


def instant_of(moment: datetime) -> Instant:
    """Give a time with its zone, such as the database's driver gives, as an instant.

    Examples
    --------
    >>> instant_of(moment_of(1772348400000000))
    1772348400000000
    """
    return Instant((moment - _EPOCH) // _MICROSECOND)


def _no_time(text: object, where: str) -> InvalidFieldError:
    return InvalidFieldError(
        expected="an RFC 3339 time such as 2026-03-01T08:00:00Z", received=repr(text)[:80], where=where
    )
