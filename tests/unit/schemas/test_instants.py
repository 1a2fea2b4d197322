"""Instants: text to microseconds and back, and what is no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidFieldError
from schemas.instants import DAY, EARLIEST, HOUR, LATEST, MINUTE, SECOND, format_instant, parse_instant


@given(st.integers(EARLIEST, LATEST - 1))
def test_an_instant_survives_its_text(instant: int) -> None:
    assert parse_instant(format_instant(instant)) == instant


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)),  # noqa: DTZ001 - the zone is given beside it
    st.integers(-14 * 60, 14 * 60),
)
def test_any_zone_gives_the_same_instant_as_the_standard_library(moment: datetime, offset_minutes: int) -> None:
    there = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    expected = (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_instant(there.isoformat()) == expected


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:00:00Z", 951_825_600 * SECOND),
        ("2026-03-01T08:00:00.5+00:00", 1_772_352_000 * SECOND + 500_000),
        ("2199-12-31T23:59:59.999999Z", LATEST - 1),
    ],
)
def test_known_times(text: str, instant: int) -> None:
    assert parse_instant(text) == instant


def test_the_units_of_time_fit_each_other() -> None:
    assert DAY == 24 * HOUR == 1440 * MINUTE == 86_400 * SECOND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-03-01",
        "2026-03-01T08:00:00",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-02-30T00:00:00Z",
        "2026-03-01T25:00:00Z",
        "1772348400",
        "NaN",
        "\ud800",
        "2026-03-01T08:00:00Z" * 1000,
    ],
)
def test_what_is_no_time_is_refused_shortly(text: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        parse_instant(text)
    assert len(str(refused.value)) < 300


@given(st.text(max_size=60))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        instant = parse_instant(text)
    except InvalidFieldError:
        return
    assert EARLIEST <= instant < LATEST
