"""The short way of plain readings gives what the long way gives, for any record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.bioreactor import Channel, Reading
from schemas.events import Event, pack_headers, write_headers, write_value
from schemas.instants import MINUTE, SECOND, Instant
from tests.support.records import START, Record
from twins.frame import FrameReader
from twins.plain import PlainReadings

TOPIC = "bioreactor.events"
TAGS = (("biomass", "g/L"), ("temperature", "Cel"), ("ph", "[pH]"))
WARM_FRAMES = 3


def record(unit: str, offset: int, packed: bool, *, tags: Sequence[tuple[str, str]] = TAGS, **fields: Any) -> Record:
    at = Instant(START + offset * SECOND)
    data = Reading(tuple(Channel(tag, 1.0 + i + offset / 7, code) for i, (tag, code) in enumerate(tags)))
    event = Event(f"{unit}-{offset}", "test", "bioreactor.reading", unit, at, at, data)
    event = msgspec.structs.replace(event, **fields)
    pairs = write_headers(event)
    key = event.subject.encode()
    return Record(offset, START // 1000 + offset, key, write_value(event), pack_headers(pairs) if packed else pairs)


def warm(packed: bool, units: int = 8) -> FrameReader:
    """A reader that has learnt the tags of U0, U1 ..."""
    reader = FrameReader(TOPIC, 0)
    for k in range(WARM_FRAMES):
        reader.read([record(f"U{i}", k * units + i, packed) for i in range(units)])
    probe = [record(f"U{i}", 99, packed) for i in range(units)]
    assert reader._plain.likely(probe) == list(range(units))
    assert reader._plain.read(probe) is not None
    return reader


def assert_same(reader: FrameReader, records: Sequence[Record]) -> None:
    """Compare a warm reader's frame with one of a reader that knows nothing, and so goes the long way."""
    short, long = reader.read(records), FrameReader(TOPIC, 0).read(records)
    assert list(short.facts) == list(long.facts)
    assert short.refused == long.refused
    assert (short.first, short.last, short.columns.keys) == (long.first, long.last, long.columns.keys)
    for name in ("offsets", "known_at", "event_time", "record_time", "hashes"):
        np.testing.assert_array_equal(getattr(short.columns, name), getattr(long.columns, name))
        expected = {"offsets": "offset", "hashes": "hash", "known_at": "known_at"}.get(name)
        if expected:
            assert getattr(short.columns, name).tolist() == [getattr(fact, expected) for fact in long.facts]
    assert len(short.readings) == len(long.readings)
    for ours, theirs in zip(short.readings, long.readings, strict=True):
        assert (ours.channels.tags, ours.channels.units) == (theirs.channels.tags, theirs.channels.units)
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        np.testing.assert_array_equal(ours.values, theirs.values)
        np.testing.assert_array_equal(ours.quality, theirs.quality)


@pytest.mark.parametrize("packed", [True, False])
def test_plain_readings_of_a_twin_seen_before_go_the_short_way(packed: bool) -> None:
    learner = PlainReadings()
    shape = TAGS
    for _ in range(20):
        learner.learn("U1", shape)
    read = learner.read([record("U1", 100, packed), record("U1", 101, packed)])
    assert read is not None
    at = [START + 100 * SECOND, START + 101 * SECOND]
    assert (read.subjects, read.event_times, read.record_times) == (["U1", "U1"], at, at)
    assert read.shapes == [shape, shape]
    assert [channel.value for channel in read.channels[0]] == [1.0 + i + 100 / 7 for i in range(3)]


@pytest.mark.parametrize("packed", [True, False])
def test_a_warm_reader_reads_plain_readings_as_a_cold_one(packed: bool) -> None:
    assert_same(warm(packed), [record(f"U{i % 8}", 100 + i, packed) for i in range(40)])


def test_a_twin_that_changes_its_tags_each_time_is_never_tried_the_short_way() -> None:
    learner = PlainReadings()
    for _ in range(50):
        learner.learn("U1", TAGS)
        learner.learn("U1", TAGS[:2])
    assert not learner.likely([record("U1", 1, True)])


def test_a_flood_of_distinct_tags_is_bounded() -> None:
    learner = PlainReadings()
    for i in range(400):
        for _ in range(20):
            learner.learn("U1", ((f"t{i}", "Cel"),))
    assert len(learner._decoders) <= 64


_ODD_TEXT = st.sampled_from(["", " x", "x\x00", "\u2028", "1.0", "2", "1", "7", "U1", "9" * 18, "9" * 19, "abc"])
_ODD_TIME = st.sampled_from(
    ["2026-01-01T00:00:05Z", "2026-01-01T01:00:05+01:00", "2026-01-01", "", "2026-13-01T00:00:00Z"]
)
_NAMES = st.sampled_from(
    [name for name, _ in write_headers(Event("i", "s", "bioreactor.reading", "U1", Instant(0), Instant(0), None))]
    + ["ce_sequence", "traceparent", "x-other"]
)
_HEADER_CHANGE = st.tuples(_NAMES, st.one_of(st.none(), _ODD_TEXT, _ODD_TIME, st.just("2026-01-01T00:20:00Z")))
_VALUE_CHANGE = st.sampled_from(
    [
        (b'"value":', b'"value":"'),
        (b'"value":', b'"value":1e999,"value":'),
        (b'"value":', b'"value":null,"value":'),
        (b'"value":', b'"value":-'),
        (b'"unit":"g/L"', b'"unit":"g/L","quality":"bad"'),
        (b'"unit":"g/L"', b'"unit":"g/L","quality":"good"'),
        (b'"unit":"g/L"', b'"unit":"g/L","quality":"fine"'),
        (b'"unit":"g/L"', b'"unit":"g/L","other":1'),
        (b'"unit":"g/L"', b'"unit":"mg/mL"'),
        (b'"unit":"g/L"', b'"unit":"kPa"'),
        (b'"tag":"ph"', b'"tag":"biomass"'),
        (b'"tag":"ph"', b'"tag":"pressure","tag":"ph"'),
        (b'"tag":"ph"', b'"tag":"\xff"'),
        (b'"channels":', b'"channel":'),
        (b"}]}", b"}]"),
        (b"}]}", b'},{"tag":"volume","value":1.0,"unit":"L"}]}'),
        (b"}", b"} "),
    ]
)


@given(
    packed=st.booleans(),
    changes=st.lists(
        st.tuples(
            st.integers(0, 9),
            st.one_of(_HEADER_CHANGE, _VALUE_CHANGE, st.sampled_from([b"U2", b"", None])),
        ),
        max_size=12,
    ),
)
def test_any_change_of_a_plain_reading_is_read_the_same_either_way(
    packed: bool, changes: list[tuple[int, Any]]
) -> None:
    records = [record(f"U{i % 4}", 100 + i, packed) for i in range(10)]
    for place, change in changes:
        records[place] = _changed(records[place], change)
    reader = warm(packed)
    assert_same(reader, records)
    assert_same(reader, [record(f"U{i % 4}", 200 + i, packed) for i in range(8)])


def test_an_event_from_the_future_is_refused_on_the_short_way_too() -> None:
    late = record("U1", 100, True, event_time=Instant(START + 100 * SECOND + 6 * MINUTE))
    reader = warm(True)
    assert_same(reader, [late, record("U1", 101, True)])
    assert [one.reason for one in reader.read([late]).refused] == ["invalid_field"]


def _changed(one: Record, change: Any) -> Record:
    if change is None or isinstance(change, bytes):
        return one._replace(key=change)
    old, new = change
    if isinstance(old, bytes):
        assert one.value is not None
        return one._replace(value=one.value.replace(old, new, 1))
    pairs = [(name, value) for name, value in _pairs(one) if name != old]
    pairs += [] if new is None else [(old, new.encode())]
    return one._replace(headers=pack_headers(pairs) if isinstance(one.headers, bytes) else pairs)


def _pairs(one: Record) -> list[tuple[str, bytes]]:
    if isinstance(one.headers, bytes):
        return [(name, value.encode()) for name, value in msgspec.msgpack.decode(one.headers).items()]
    return list(one.headers or ())
