"""The in-memory source and sink."""

from __future__ import annotations

import pytest

from connectors.checks import check_ids_are_stable, check_is_resumable
from connectors.memory import MemorySink, MemorySource
from connectors.outgoing import BadLine, encode, encode_items
from schemas.bioreactor import PhaseChanged
from schemas.errors import UsageError
from schemas.events import Event
from schemas.instants import SECOND, Instant
from schemas.partitions import TimePassed

NOON = Instant(1_772_366_400 * SECOND)
EVENTS = [Event(f"{n}", "s", "bioreactor.phase_changed", "B", NOON, NOON, PhaseChanged(f"p{n}")) for n in range(5)]


def test_source_resumes_and_is_stable() -> None:
    check_ids_are_stable(lambda: MemorySource([*EVENTS, BadLine(b"x")]))
    check_is_resumable(lambda: MemorySource([*EVENTS, BadLine(b"x")]))
    with pytest.raises(UsageError, match="position"):
        list(MemorySource(EVENTS).items(after="x"))


def test_sink_keeps_each_fact_once_and_every_bad_line() -> None:
    sink = MemorySink()
    records = list(encode_items(MemorySource([*EVENTS, BadLine(b"x")]).items()))
    assert (sink.write(records), sink.write(records)) == (6, 1)
    assert sink.records == [*records, records[-1]]


def test_sink_keeps_time_passed_of_every_partition() -> None:
    sink = MemorySink()
    assert sink.write(encode(Event("t", "s", "time.passed", "", NOON, NOON, TimePassed()))) == 8


def test_full_sink_says_so() -> None:
    sink = MemorySink(largest=2)
    with pytest.raises(UsageError, match="at most 2"):
        sink.write(encode_items(MemorySource(EVENTS).items()))
    assert len(sink.records) == 2
