"""Numbers and times as other people's tables spell them."""

from __future__ import annotations

import pytest

from connectors.cells import check_pattern, check_zone, clock_reader, read_number
from schemas.errors import InvalidFieldError
from schemas.instants import format_instant


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1.5", ".", 1.5),
        ("1,5", ",", 1.5),
        (" -2e-3 ", ".", -0.002),
        ("41,0586111111111", ",", 41.0586111111111),
    ],
)
def test_numbers(text: str, decimal: str, value: float) -> None:
    assert read_number(text, decimal, "x") == value


NO_NUMBERS = [
    ("1,5", "."),
    ("1_000", "."),
    ("1.234", ","),  # thousands, or a mistake: not guessed
    ("1.234,5", ","),
    ("inf", "."),
    ("nan", "."),
    ("1e999", "."),
    ("", "."),
    ("7 h", "."),
]


@pytest.mark.parametrize(("text", "decimal"), NO_NUMBERS)
def test_no_numbers(text: str, decimal: str) -> None:
    with pytest.raises(InvalidFieldError, match="expected a number"):
        read_number(text, decimal, "x")


@pytest.mark.parametrize(
    ("kind", "origin", "zone", "text", "said"),
    [
        ("h", "2026-01-01T00:00:00Z", "UTC", "14.5", "2026-01-01T14:30:00Z"),
        ("min", "2026-01-01T00:00:00+01:00", "UTC", "-60", "2025-12-31T22:00:00Z"),
        ("s", "1970-01-01T00:00:00Z", "UTC", "1767225600.25", "2026-01-01T00:00:00.250000Z"),
        ("ms", "1970-01-01T00:00:00Z", "UTC", "1767225600250", "2026-01-01T00:00:00.250000Z"),
        ("d", "2026-01-01T00:00:00Z", "UTC", "0.5", "2026-01-01T12:00:00Z"),
        ("iso", None, "+02:00", "2026-07-01 12:00:00", "2026-07-01T10:00:00Z"),
        ("iso", None, "+02:00", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"),
        ("%d-%m-%Y %H:%M", None, "Europe/Copenhagen", "03-03-2022 12:30", "2022-03-03T11:30:00Z"),
        ("%d-%m-%Y %H:%M", None, "Europe/Copenhagen", "03-07-2022 12:30", "2022-07-03T10:30:00Z"),
    ],
)
def test_times(kind: str, origin: str | None, zone: str, text: str, said: str) -> None:
    assert format_instant(clock_reader(kind, ".", origin, check_zone(zone))(text)) == said


@pytest.mark.parametrize(
    ("kind", "origin", "text"),
    [
        ("h", "2026-01-01T00:00:00Z", "soon"),
        ("h", "2026-01-01T00:00:00Z", "1e300"),
        ("h", "2026-01-01T00:00:00Z", "9e6"),
        ("iso", None, "1.3.2026"),
        ("iso", None, "0001-01-01"),
        ("%d-%m-%Y", None, "2026-01-01"),
    ],
)
def test_no_times(kind: str, origin: str | None, text: str) -> None:
    with pytest.raises(InvalidFieldError):
        clock_reader(kind, ".", origin, check_zone("UTC"))(text)


@pytest.mark.parametrize("pattern", ["%H:%M", "hours", "%d", "%Q"])
def test_pattern_without_a_day_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="strptime"):
        check_pattern(pattern)


@pytest.mark.parametrize("name", ["Nowhere/Town", "+2", "+99:99", "../etc/passwd", ""])
def test_zone_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected a zone"):
        check_zone(name)
