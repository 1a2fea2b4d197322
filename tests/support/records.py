"""Records for tests, made of plain readings."""

from __future__ import annotations

from typing import NamedTuple

from schemas.bioreactor import Channel, Reading
from schemas.events import Event, Headers, write_headers, write_value
from schemas.instants import SECOND, Instant

START = 1_767_225_600 * SECOND  # 2026-01-01


class Record(NamedTuple):
    """A record as a transport gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def reading(unit: str, second: int, value: float = 1.0, *, event_id: str | None = None, tag: str = "biomass") -> Event:
    """One reading of one tag, `second` seconds after START."""
    at = Instant(START + second * SECOND)
    data = Reading((Channel(tag, value, "g/L"),))
    return Event(event_id or f"{unit}-{second}", "test", "bioreactor.reading", unit, at, at, data)


def record(event: Event, offset: int, known_second: int = 0) -> Record:
    """An event as a record."""
    timestamp = START // 1000 + known_second * 1000
    return Record(offset, timestamp, event.subject.encode(), write_value(event), write_headers(event))


def row(event: Event) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """An event as a row for a producer."""
    return event.subject.encode(), write_value(event), write_headers(event)
