"""Times as EPCIS writes them (xsd:dateTime with zone), as an instant and as the text that is hashed.

Source: EPCIS 2.0, section 7.3.1; CBV 2.0, 8.9: UTC, milliseconds, the fourth decimal rounded half up.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from schemas.errors import InvalidFieldError
from schemas.instants import EARLIEST, LATEST, SECOND, Instant

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII | re.IGNORECASE
)
_ZONE = re.compile(r"[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def looks_like_moment(text: str) -> bool:
    """Tell whether a text is a date and time with its zone."""
    return len(text) >= 20 and text[4] == "-" and _MOMENT.fullmatch(text) is not None


def is_zone(text: str) -> bool:
    """Tell whether a text is a time zone offset, `-14:00` to `+14:00`."""
    return _ZONE.fullmatch(text) is not None


def moment_at(text: str, where: str) -> Instant:
    """Give the instant of a time [us]; digits beyond the microsecond are cut off.

    Raises
    ------
    InvalidFieldError
        If it is no such time, has no zone, or lies outside 1970 to 2200.
    """
    read = _read(text)
    if read is None:
        raise InvalidFieldError(
            expected="a date and time with its zone, such as 2026-03-01T08:00:00.000+01:00",
            received=repr(text)[:80],
            where=where,
            advice="write it as RFC 3339, with Z or an offset",
        )
    whole, fraction = read
    instant = (whole - _EPOCH) // timedelta(seconds=1) * SECOND + int(fraction[:6].ljust(6, "0"))
    if not EARLIEST <= instant < LATEST:
        raise InvalidFieldError(expected="a time between 1970 and 2200", received=repr(text)[:80], where=where)
    return Instant(instant)


def hashed_moment(text: str) -> str:
    """Spell a time as it is hashed; what is no time stays as it is.

    Examples
    --------
    >>> hashed_moment("2020-03-04T11:00:03.1415+01:00")
    '2020-03-04T10:00:03.142Z'
    """
    read = _read(text)
    if read is None:
        return text
    whole, fraction = read
    millis = int(fraction[:3].ljust(3, "0")) + (fraction[3:4] >= "5")
    try:
        moment = whole.astimezone(UTC) + timedelta(milliseconds=millis)
    except OverflowError:
        return text
    return moment.strftime(f"%Y-%m-%dT%H:%M:%S.{moment.microsecond // 1000:03d}Z")


def _read(text: str) -> tuple[datetime, str] | None:
    """Read a time to the whole second, and the digits of its fraction."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    *numbers, fraction, sign, hours, minutes = found.groups()
    offset = timedelta()
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    try:
        year, month, day, hour, minute, second = map(int, numbers)
        whole = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return whole, fraction or ""
