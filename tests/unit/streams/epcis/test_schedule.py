from __future__ import annotations

import pytest

from schemas.errors import InvalidFieldError
from schemas.instants import format_instant, parse_instant
from streams.epcis.schedule import Schedule, next_due


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        (Schedule(), "2026-03-01T08:00:00.5Z", "2026-03-01T08:00:01Z"),
        (Schedule(second="0"), "2026-03-01T08:00:00Z", "2026-03-01T08:01:00Z"),
        (Schedule(second="30", minute="[15-16]"), "2026-03-01T08:16:30Z", "2026-03-01T09:15:30Z"),
        (Schedule("0", "0", "6,18"), "2026-03-01T18:00:00Z", "2026-03-02T06:00:00Z"),
        (Schedule("0", "0", "0", day_of_month="31"), "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"),
        (Schedule("0", "0", "0", day_of_week="1"), "2026-03-01T08:00:00Z", "2026-03-02T00:00:00Z"),
        (Schedule("0", "0", "0", "29", "2"), "2026-03-01T08:00:00Z", "2028-02-29T00:00:00Z"),
    ],
)
def test_the_next_instant_is_the_first_that_every_field_names(schedule: Schedule, after: str, expected: str) -> None:
    assert format_instant(next_due(schedule, parse_instant(after))) == expected


@pytest.mark.parametrize(
    "schedule",
    [Schedule(hour="24"), Schedule(minute="a"), Schedule(second="[5-1]"), Schedule(day_of_month="30", month="2")],
)
def test_a_schedule_that_names_no_instant_is_refused(schedule: Schedule) -> None:
    with pytest.raises(InvalidFieldError):
        next_due(schedule, 0)
