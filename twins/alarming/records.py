"""Alarm records as the figures need them, checked, and those of them that belong to a period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from schemas.effects import AlertPriority
from schemas.errors import InvalidFieldError, SettingsError
from schemas.instants import DAY, MINUTE


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """One alarm, from raised to cleared.

    Parameters
    ----------
    id, rule, unit, operator : str
        The alarm, its rule, the unit it is of, and the operator position that has to act on it.
    priority : AlertPriority
        low, medium, high or critical.
    raised_at : int
        [us]. An alarm released from suppression was raised then.
    cleared_at, acknowledged_at : int, optional
        [us]; None: not yet.
    suppressed : bool
        Whether it was never shown. Such a one counts in no figure but its own.
    """

    id: str
    rule: str
    unit: str
    operator: str
    priority: AlertPriority
    raised_at: int
    cleared_at: int | None = None
    acknowledged_at: int | None = None
    suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """The time that is looked at, [start, end), and where its days begin.

    Parameters
    ----------
    start, end : int
        [us].
    days : tuple of int
        Boundaries of days, ascending: the first at `start` or before, the last at `end` or after [us]. They are the
        caller's, who knows the zone and its clock changes; a day of 23 or 25 hours is one day.

    Raises
    ------
    SettingsError
        If the period is empty, or the days are not ascending or do not cover it.
    """

    start: int
    end: int
    days: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise SettingsError(f"expected a period that ends after its start, received {self.start} to {self.end}")
        ascending = all(one < other for one, other in pairwise(self.days))
        if not (len(self.days) > 1 and ascending and self.days[0] <= self.start and self.days[-1] >= self.end):
            raise SettingsError(
                f"expected ascending boundaries of days that cover {self.start} to {self.end}, received {self.days}"[
                    :400
                ]
            )


def period_of(start: int, end: int, offset_minutes: int = 0) -> Period:
    """Give a period whose days begin at midnight of a zone with a fixed offset from UTC.

    Examples
    --------
    >>> [boundary // 3_600_000_000 for boundary in period_of(0, 86_400_000_000, offset_minutes=60).days]
    [-1, 23, 47]
    """
    offset = offset_minutes * MINUTE
    first, last = (start + offset) // DAY, -(-(end + offset) // DAY)
    return Period(start, end, tuple(day * DAY - offset for day in range(first, last + 1)))


def check_records(records: Sequence[AlarmRecord]) -> None:
    """Check alarm records.

    Raises
    ------
    InvalidFieldError
        If two have one id, or one is cleared or acknowledged before it was raised.
    """
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise InvalidFieldError(expected="each alarm once", received=f"{record.id} again", where="alarm records")
        seen.add(record.id)
        for name in ("cleared_at", "acknowledged_at"):
            instant = getattr(record, name)
            if instant is not None and instant < record.raised_at:
                raise InvalidFieldError(
                    expected=f"{name} at {record.raised_at}, when it was raised, or later",
                    received=str(instant),
                    where=f"alarm {record.id}",
                )
