"""Events: both spellings round trip, and nothing that comes from outside raises anything but an InputError."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import bioreactor as b
from schemas.errors import InputError, InvalidFieldError, MalformedError, UnknownTypeError
from schemas.events import (
    DEEPEST,
    EVENTS,
    JSON,
    LARGEST_RECORD,
    MSGPACK,
    STRUCTURED,
    Event,
    pack_headers,
    read_record,
    read_structured,
    write_headers,
    write_structured,
    write_value,
)
from schemas.fields import Quantity
from schemas.instants import LATEST, Instant
from schemas.partitions import TimePassed

# --- what may be said -------------------------------------------------------------------------------------------

ids = st.text(
    st.characters(categories=("L", "N", "P", "S"), exclude_characters="\u2028\u2029"), min_size=1, max_size=40
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
units = st.sampled_from(["g/L", "%", "Cel", "mL", "[pH]"])
quantities = st.builds(Quantity, numbers, units)
channels = st.builds(b.Channel, ids, numbers, units, st.sampled_from(["good", "uncertain", "bad"]))
data = st.one_of(
    st.builds(b.BatchStarted, ids, volume=st.none() | quantities, parameters=st.dictionaries(ids, numbers, max_size=4)),
    st.builds(b.BatchEnded, ids, ids),
    st.builds(b.PhaseChanged, ids, st.none() | ids),
    st.builds(b.Reading, st.lists(channels, min_size=1, max_size=9).map(tuple)),
    st.builds(b.FeedAdded, quantities, ids),
    st.builds(b.SampleDrawn, quantities, ids),
    st.builds(b.AssayResulted, ids, ids, numbers, units, ids),
    st.builds(b.AssaySuperseded, ids, ids, numbers, units, ids),
    st.builds(b.AssayWithdrawn, ids, ids, ids),
    st.builds(TimePassed),
)
TYPE_OF = {struct: name for name, struct in EVENTS.items()}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@st.composite
def events(draw: st.DrawFn) -> Event:
    said = draw(data)
    instants = st.integers(0, LATEST - 1).map(Instant)
    return Event(
        draw(ids),
        draw(ids),
        TYPE_OF[type(said)],
        draw(ids),
        draw(instants),
        draw(instants),
        said,
        draw(st.none() | st.integers(0, 10**18 - 1)),
        draw(st.sampled_from([None, TRACE])),
    )


@given(events())
def test_a_structured_line_gives_the_event_back(event: Event) -> None:
    line = write_structured(event)
    assert b"\n" not in line
    assert read_structured(line) == event
    assert read_structured(line.decode()) == event


@given(events(), st.booleans(), st.booleans())
def test_a_binary_record_gives_the_event_back_on_either_backend(event: Event, packed: bool, as_msgpack: bool) -> None:
    headers = write_headers(event, MSGPACK if as_msgpack else JSON)
    value = msgspec.msgpack.encode(event.data) if as_msgpack else write_value(event)
    assert read_record(event.subject.encode(), value, pack_headers(headers) if packed else headers) == event


@given(events())
def test_a_structured_record_on_a_topic_reads_the_same(event: Event) -> None:
    headers = [("content-type", STRUCTURED.encode())]
    assert read_record(event.subject.encode(), write_structured(event), headers) == event
    assert read_record(event.subject.encode(), write_structured(event), None) == event


# --- what stands in for what is not said ------------------------------------------------------------------------


def line(**changes: Any) -> bytes:  # Any: whatever JSON can hold, right or wrong
    said: dict[str, Any] = {
        "id": "17",
        "source": "skid-4",
        "type": "bioreactor.reading",
        "subject": "BR-1",
        "time": "2026-03-01T08:00:00Z",
        "data": {"channels": [{"tag": "ph", "value": 7.1, "unit": "[pH]"}]},
        **changes,
    }
    return json.dumps({name: value for name, value in said.items() if value is not ...}).encode()


def headers_of(**changes: bytes) -> list[tuple[str, bytes]]:
    said = {
        "ce_id": b"17",
        "ce_source": b"skid-4",
        "ce_type": b"bioreactor.reading",
        "ce_subject": b"BR-1",
        "ce_time": b"2026-03-01T08:00:00Z",
        **{name.replace("content_type", "content-type"): value for name, value in changes.items()},
    }
    return list(said.items())


VALUE = b'{"channels":[{"tag":"ph","value":7.1,"unit":"[pH]"}]}'


def test_without_a_recordtime_the_caller_or_the_event_says_when_it_was_known() -> None:
    event = read_structured(line())
    assert event.record_time == event.event_time
    assert read_structured(line(), Instant(event.event_time + 5)).record_time == event.event_time + 5
    told = read_structured(line(recordtime="2026-03-01T09:00:00Z"), Instant(0))
    assert told.record_time == event.event_time + 3_600_000_000


def test_time_may_pass_for_nobody_in_particular() -> None:
    event = read_structured(line(type="time.passed", subject=..., data=...))
    assert (event.subject, event.data) == ("", TimePassed())


def test_a_foreign_header_or_trace_context_is_no_reason_to_refuse_a_fact() -> None:
    foreign = [*headers_of(traceparent=b"whatever"), ("x-binary", b"\xff\xfe"), ("ce_extra", b"1")]
    event = read_record(b"BR-1", VALUE, foreign)
    assert event.traceparent is None
    assert read_record(b"BR-1", VALUE, headers_of(traceparent=TRACE.encode())).traceparent == TRACE


def test_a_recorded_line_may_carry_its_place() -> None:
    assert read_structured(line(topic="bioreactor.events", partition=3, offset=17)) == read_structured(line())


# --- what is refused, and as what -------------------------------------------------------------------------------

REFUSED: list[tuple[str, bytes, type[InputError]]] = [
    ("empty", b"", MalformedError),
    ("not JSON", b"time,tag,value\n", MalformedError),
    ("not an object", b"[]", MalformedError),
    ("half a line", line()[:-5], MalformedError),
    ("two objects", line() + line(), MalformedError),
    ("not UTF-8", line().replace(b"skid-4", b"skid-\xff"), MalformedError),
    ("lone surrogate", line().replace(b"skid-4", b"\\ud800"), MalformedError),
    ("byte order mark", b"\xef\xbb\xbf" + line(), MalformedError),
    ("NaN", line().replace(b"7.1", b"NaN"), MalformedError),
    ("infinity", line().replace(b"7.1", b"1e999"), MalformedError),
    ("a number of 5000 digits", line().replace(b"7.1", b"9" * 5000), MalformedError),
    ("too large", b'{"id":"' + b"x" * LARGEST_RECORD + b'"}', MalformedError),
    ("too deep", b'{"data":' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}", MalformedError),
    ("bottomless", b"[" * 500_000, MalformedError),
    ("no type", line(type=...), UnknownTypeError),
    ("unknown type", line(type="bioreactor.exploded"), UnknownTypeError),
    ("newer version", line(schemaversion=99), UnknownTypeError),
    ("version of many digits", line(schemaversion="9" * 400), UnknownTypeError),
    ("version null", line(schemaversion=None), UnknownTypeError),
    ("negative version", line(schemaversion=-1), UnknownTypeError),
    ("another specversion", line(specversion="0.3"), InvalidFieldError),
    ("unknown attribute", line(colour="blue"), InvalidFieldError),
    ("a very long attribute", line(**{"x" * 100_000: 1}), InvalidFieldError),
    ("no id", line(id=...), InvalidFieldError),
    ("id is a number", line(id=17), InvalidFieldError),
    ("id with a control character", line(id="a\x00b"), InvalidFieldError),
    ("id too long", line(id="x" * 129), InvalidFieldError),
    ("no source", line(source=""), InvalidFieldError),
    ("no subject", line(subject=...), InvalidFieldError),
    ("no time", line(time=...), InvalidFieldError),
    ("time without zone", line(time="2026-03-01T08:00:00"), InvalidFieldError),
    ("time before 1970", line(time="1969-03-01T08:00:00Z"), InvalidFieldError),
    ("time is a number", line(time=1772348400), InvalidFieldError),
    ("sequence is a word", line(sequence="seven"), InvalidFieldError),
    ("sequence is true", line(sequence=True), InvalidFieldError),
    ("sequence of 30 digits", line(sequence=10**30), InvalidFieldError),
    ("no data", line(data=...), InvalidFieldError),
    ("data null", line(data=None), InvalidFieldError),
    ("data is a list", line(data=[]), InvalidFieldError),
    ("no channels", line(data={"channels": []}), InvalidFieldError),
    (
        "257 channels",
        line(data={"channels": [{"tag": f"t{i}", "value": 1.0, "unit": "%"} for i in range(257)]}),
        InvalidFieldError,
    ),
    ("value is text", line(data={"channels": [{"tag": "ph", "value": "7.1", "unit": "[pH]"}]}), InvalidFieldError),
    ("value null", line(data={"channels": [{"tag": "ph", "value": None, "unit": "[pH]"}]}), InvalidFieldError),
    (
        "misspelt field",
        line(data={"channels": [{"tag": "ph", "value": 7.1, "unit": "[pH]", "qualty": "bad"}]}),
        InvalidFieldError,
    ),
    ("batch with NUL", line(type="bioreactor.batch_started", data={"batch": "a\x00"}), InvalidFieldError),
    ("batch with a line end", line(type="bioreactor.batch_started", data={"batch": "a\n"}), InvalidFieldError),
    (
        "parameter name with NUL",
        line(type="bioreactor.batch_started", data={"batch": "a", "parameters": {"\x00": 1.0}}),
        InvalidFieldError,
    ),
    (
        "endless parameters",
        line(type="bioreactor.batch_started", data={"batch": "a", "parameters": {f"p{i}": 1.0 for i in range(999)}}),
        InvalidFieldError,
    ),
    (
        "unit with NUL",
        line(type="bioreactor.feed_added", data={"volume": {"value": 1.0, "unit": "m\x00L"}}),
        InvalidFieldError,
    ),
]


@pytest.mark.parametrize(("raw", "error"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_bad_line_is_refused_with_a_short_reason(raw: bytes, error: type[InputError]) -> None:
    with pytest.raises(error) as refused:
        read_structured(raw)
    assert type(refused.value) is error
    assert len(str(refused.value)) < 600
    with pytest.raises(InputError):
        read_record(b"BR-1", raw, None)


@pytest.mark.parametrize(
    ("headers", "value", "error"),
    [
        (headers_of(), None, MalformedError),
        (headers_of(), b"", MalformedError),
        (headers_of(), b"[" * 200_000, InputError),
        (headers_of(ce_schemaversion=b"1"), b"[" * 200_000, MalformedError),
        (headers_of(ce_schemaversion=b"1"), b"[]", MalformedError),
        (headers_of(content_type=MSGPACK.encode()), VALUE, InputError),
        (headers_of(content_type=MSGPACK.encode(), ce_schemaversion=b"1"), b"\x91" * 200_000, MalformedError),
        (headers_of(content_type=MSGPACK.encode(), ce_schemaversion=b"1"), b"\x81\x81\x01\x02\x03", MalformedError),
        (headers_of(ce_id=b"\xff"), VALUE, MalformedError),
        (headers_of(ce_type=b"bioreactor.exploded"), VALUE, UnknownTypeError),
        (headers_of(ce_subject=b"BR-2"), VALUE, InvalidFieldError),
        (b"\x81\xa1x" + b"\x91" * 200_000, VALUE, MalformedError),
        (b"\x81\x81\x01\x02\x03", VALUE, MalformedError),
        (b"not msgpack", VALUE, MalformedError),
    ],
)
def test_a_bad_record_is_refused(headers: Any, value: bytes | None, error: type[InputError]) -> None:
    with pytest.raises(error) as refused:
        read_record(b"BR-1", value, headers)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_quantity_that_is_no_number_is_refused_though_msgpack_can_say_it(value: float) -> None:
    said = msgspec.msgpack.encode({"volume": {"value": value, "unit": "mL"}})
    with pytest.raises(InvalidFieldError, match="finite"):
        read_record(b"BR-1", said, headers_of(ce_type=b"bioreactor.feed_added", content_type=MSGPACK.encode()))


# --- whatever comes ---------------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
names = st.sampled_from(["id", "source", "type", "subject", "time", "recordtime", "sequence", "schemaversion", "data"])


def read_or_refuse(raw: bytes, key: bytes | None = None, headers: Any = None) -> None:
    try:
        event = read_record(key, raw, headers)
    except InputError:
        return
    assert read_structured(write_structured(event)) == event


@given(st.binary(max_size=300), st.binary(max_size=80) | st.none())
def test_any_bytes_are_an_event_or_refused(raw: bytes, headers: bytes | None) -> None:
    read_or_refuse(raw, headers=headers)


@given(st.dictionaries(names, anything, max_size=5))
def test_any_attribute_may_hold_anything(changes: dict[str, Any]) -> None:
    read_or_refuse(line(**changes))


@given(st.sampled_from(sorted(b.EVENTS)), anything, st.sampled_from([1, 2]))
def test_data_may_be_anything(kind: str, said: Any, version: int) -> None:
    read_or_refuse(line(type=kind, data=said, schemaversion=version))


@settings(max_examples=300)
@given(events(), st.data())
def test_a_line_with_any_byte_changed_is_an_event_or_refused(event: Event, choose: st.DataObject) -> None:
    raw = bytearray(write_structured(event))
    for _ in range(choose.draw(st.integers(1, 3))):
        raw[choose.draw(st.integers(0, len(raw) - 1))] = choose.draw(st.integers(0, 255))
    read_or_refuse(bytes(raw))


@given(events(), st.binary(max_size=40), st.sampled_from([JSON, MSGPACK, "avro/binary", ""]))
def test_a_record_with_any_value_is_an_event_or_refused(event: Event, raw: bytes, content_type: str) -> None:
    read_or_refuse(raw, event.subject.encode(), write_headers(event, content_type))
