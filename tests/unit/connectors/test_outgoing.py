"""Entries become records: binary facts, raw bad lines, and `time.passed` for every partition."""

from __future__ import annotations

import pytest

from connectors.outgoing import BadLine, Item, as_line, encode, encode_items, shift, subject_or_none
from schemas.bioreactor import Channel, Reading
from schemas.enrollment import SiteActivated
from schemas.errors import MalformedError
from schemas.events import STRUCTURED, Event, read_record, read_structured
from schemas.instants import SECOND, Instant
from schemas.partitions import TimePassed
from schemas.topics import PARTITIONS

NOON = Instant(1_772_366_400 * SECOND)
READING = Event("1", "skid", "bioreactor.reading", "BR-1", NOON, NOON, Reading((Channel("biomass", 1.5, "g/L"),)), 7)
PASSED = Event("t", "skid", "time.passed", "", NOON, NOON, TimePassed())


def test_fact_travels_in_binary_mode_keyed_by_its_subject() -> None:
    (record,) = encode(READING)
    assert (record.topic, record.key, record.partition, record.event_time) == ("bioreactor.events", b"BR-1", None, NOON)
    assert read_record(record.key, record.value, record.headers) == READING


def test_keyless_time_passed_goes_to_every_partition_once() -> None:
    records = encode(PASSED)
    assert [record.partition for record in records] == list(range(PARTITIONS))
    assert {record.key for record in records} == {None}
    assert all(read_record(None, record.value, record.headers) == PASSED for record in records)


def test_time_passed_goes_where_the_fact_before_it_went() -> None:
    site = Event("2", "ctms", "enrollment.site_activated", "ST-1", NOON, NOON, SiteActivated(site="S1"))
    entries: tuple[Event | BadLine, ...] = (PASSED, site, PASSED, BadLine(b"{"), READING, PASSED)
    items = [Item(str(n), (entry,)) for n, entry in enumerate(entries)]
    # each word of the time passed comes to every partition, every other entry once
    expected = ["bioreactor"] * PARTITIONS + ["enrollment"] * (1 + PARTITIONS + 1) + ["bioreactor"] * (1 + PARTITIONS)
    assert [record.family for record in encode_items(items)] == expected


def test_bad_line_travels_as_it_came_and_is_refused_there() -> None:
    (record,) = encode(BadLine(b"{oops", "BR-1", 5))
    assert (record.key, record.value, record.partition) == (b"BR-1", b"{oops", None)
    assert list(record.headers) == [("content-type", STRUCTURED.encode())]
    with pytest.raises(MalformedError):
        read_record(record.key, record.value, record.headers)


def test_bad_line_of_nobody_goes_to_partition_0() -> None:
    (record,) = encode(BadLine(b"\xff"))
    assert (record.key, record.partition) == (None, 0)


def test_shifted_fact_keeps_its_spacing_and_is_no_duplicate() -> None:
    moved = shift(READING, 90 * SECOND)
    assert isinstance(moved, Event)
    assert (moved.event_time, moved.record_time, moved.id) == (NOON + 90 * SECOND, NOON + 90 * SECOND, "1+90")
    assert shift(BadLine(b"x", None, 5), 3) == BadLine(b"x", None, 8)


def test_record_spelled_as_a_line_reads_back_as_the_same_event() -> None:
    for event in (READING, PASSED):
        assert read_structured(as_line(encode(event)[0])) == event
    assert as_line(encode(BadLine(b"{oops"))[0]) == b"{oops"


@pytest.mark.parametrize("text", [None, 5, "", " x", "a\x00b", "a" * 129, "\ud800"])
def test_no_subject(text: object) -> None:
    assert subject_or_none(text) is None
