"""Read the cells of a table: numbers with either decimal mark, and times in any of the spellings a mapping may name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import InvalidFieldError
from schemas.instants import DAY, EARLIEST, HOUR, LATEST, MINUTE, SECOND, Instant, parse_instant

Zone = tzinfo
SCALES = {"h": HOUR, "min": MINUTE, "s": SECOND, "ms": SECOND // 1000, "d": DAY}  # [us]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def read_number(text: str, decimal: str, where: str) -> float:
    """Read a finite number.

    Raises
    ------
    InvalidFieldError
        If it is none, or written with the other decimal mark.

    Examples
    --------
    >>> read_number("41,0586", ",", "Time [h]"), read_number(" -1.5e-3", ".", "DO%")
    (41.0586, -0.0015)
    """
    # a point in a file with decimal commas groups thousands, or is a mistake: it is not guessed which
    plain = text.replace(",", ".") if decimal == "," else text
    try:
        value = math.nan if "_" in text or (decimal == "," and "." in text) else float(plain)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidFieldError(
            expected=f"a number with decimal mark {decimal!r}",
            received=repr(text)[:80],
            where=where,
            advice="correct `decimal` or `missing` under `table`, or the file",
        )
    return value


def clock_reader(kind: str, decimal: str, origin: str | None, zone: Zone) -> Callable[[str], Instant]:
    """Make the function that reads a row's time [us]. A repeated hour at the end of summer time is its first.

    The function raises InvalidFieldError for what is no such time, or outside 1970 to 2200.
    """
    if kind in SCALES:
        start, scale = check_origin(origin or ""), SCALES[kind]

        def since(text: str) -> Instant:
            elapsed = read_number(text, decimal, "time") * scale
            if not abs(elapsed) < LATEST:
                raise _no_time(text, f"{kind} since {origin}")
            return _inside(start + round(elapsed), text)

        return since
    if kind == "iso":
        return lambda text: _absolute(_iso(text), zone, text)
    return lambda text: _absolute(_strptime(text, kind), zone, text)


def check_origin(text: str) -> Instant:
    """Read the origin of relative times; it needs its zone."""
    try:
        return parse_instant(text, "time.origin")
    except InvalidFieldError as error:
        raise ValueError(str(error)) from None


@lru_cache(maxsize=64)
def check_zone(name: str) -> Zone:
    """Find a zone: UTC, an offset such as +02:00, or a name of the time zone database."""
    if name in ("UTC", "Z"):
        return UTC
    if name[:1] in "+-" and len(name) == 6 and name[3] == ":" and (name[1:3] + name[4:]).isdecimal():
        minutes = int(name[1:3]) * 60 + int(name[4:])
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=minutes if name[0] == "+" else -minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"expected a zone such as UTC, +02:00 or Europe/Copenhagen, received {name!r}") from None


def check_pattern(pattern: str) -> None:
    """Refuse a strptime pattern that cannot tell a day."""
    probe = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.13 on a day without a year: refused below
            back = datetime.strptime(probe.strftime(pattern), pattern)  # noqa: DTZ007  only its day is looked at
    except ValueError:
        back = None
    if back is None or (back.year, back.month, back.day) != (2001, 2, 3):
        raise ValueError(
            f"expected h, min, s, ms, d, iso, or a strptime pattern with day, month and year, received {pattern!r}; "
            "such as '%d-%m-%Y %H:%M:%S'"
        )


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise _no_time(text, "ISO 8601, such as 2026-03-01 08:00:00") from None


def _strptime(text: str, pattern: str) -> datetime:
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007  the mapping's zone is put on next
    except ValueError:
        raise _no_time(text, f"pattern {pattern!r}") from None


def _absolute(moment: datetime, zone: Zone, text: str) -> Instant:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return _inside((moment - _EPOCH) // _MICROSECOND, text)
    except OverflowError:
        raise _no_time(text, "between 1970 and 2200") from None


def _inside(instant: int, text: str) -> Instant:
    if not EARLIEST <= instant < LATEST:
        raise _no_time(text, "between 1970 and 2200")
    return Instant(instant)


def _no_time(text: str, kind: str) -> InvalidFieldError:
    return InvalidFieldError(
        expected=f"a time ({kind})", received=repr(text)[:80], where="time", advice="correct `time` in the mapping"
    )
