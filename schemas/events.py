"""An event, its two spellings on the wire, and how each is read.

Structured: one CloudEvents JSON object (files, `/api/v1/events`). Binary: attributes as `ce_` headers and the
data alone as value (topics). Both give the same `Event`. Nothing here converts units: `twins/frame.py` does, once.

Source: CloudEvents 1.0.2, JSON format and Kafka protocol binding.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from schemas import bioreactor, enrollment, partitions, supply
from schemas.errors import InputError, InvalidFieldError, MalformedError, UnknownTypeError
from schemas.ids import check_id
from schemas.instants import Instant, format_instant, parse_instant
from schemas.partitions import KEYLESS
from schemas.upcast import NEWEST, upcast

JSON = "application/json"
MSGPACK = "application/msgpack"
STRUCTURED = "application/cloudevents+json"

LARGEST_RECORD = 1 << 20  # bytes; a bigger one is nobody's reading
DEEPEST = 32  # nesting of a structured event

# Header values of a topic record: a list of pairs on Kafka, one msgpack map in the embedded log.
Headers = Sequence[tuple[str, bytes]] | bytes | None

EVENTS: dict[str, type[Struct]] = {**bioreactor.EVENTS, **enrollment.EVENTS, **supply.EVENTS, **partitions.EVENTS}


class Event(Struct, frozen=True):
    """A fact, checked. Times are microseconds UTC; `data` is one of `EVENTS`' types."""

    id: str
    source: str
    type: str
    subject: str
    event_time: Instant
    record_time: Instant
    data: Any  # one of the Structs in EVENTS; which one is known by `type`
    sequence: int | None = None
    traceparent: str | None = None


class Attributes(Struct, frozen=True, gc=False):
    """CloudEvents attributes as they stand in the headers (text, unchecked)."""

    ce_id: str = ""
    ce_source: str = ""
    ce_type: str = ""
    ce_time: str = ""
    ce_subject: str = ""
    ce_recordtime: str = ""
    ce_sequence: str = ""
    ce_schemaversion: str = str(NEWEST)
    ce_specversion: str = "1.0"
    traceparent: str = ""
    content_type: str = msgspec.field(default=JSON, name="content-type")


_OUR_HEADERS = frozenset(field.encode_name for field in msgspec.structs.fields(Attributes))
_HEADER_MAP = msgspec.msgpack.Decoder(Attributes)
_TO_MAP = msgspec.msgpack.Encoder()
_JSON = {name: msgspec.json.Decoder(kind) for name, kind in EVENTS.items()}
_PACK = {name: msgspec.msgpack.Decoder(kind) for name, kind in EVENTS.items()}
_NEWEST_TEXT = str(NEWEST)
_ANY_JSON = msgspec.json.Decoder()
_ANY_PACK = msgspec.msgpack.Decoder()
_ENCODE = msgspec.json.Encoder()
_SEQUENCE = re.compile(r"[0-9]{1,18}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
STRUCTURED_FIELDS = frozenset(
    {
        *("specversion", "id", "source", "type", "subject", "time", "recordtime", "sequence", "schemaversion"),
        *("traceparent", "tracestate", "datacontenttype", "dataschema", "partitionkey", "data"),
        *("topic", "partition", "offset"),  # where a recorded line stood; `fold` heeds them
    }
)


def read_record(key: bytes | None, value: bytes | None, headers: Headers) -> Event:
    """Read one topic record, binary or structured.

    Raises
    ------
    InputError
        With the reason; the caller makes a reject of it.
    """
    if value is None:
        raise MalformedError(expected="a value", received="none (a tombstone)", where="record")
    if len(value) > LARGEST_RECORD:
        raise MalformedError(expected=f"at most {LARGEST_RECORD} bytes", received=f"{len(value)} bytes", where="record")
    attributes = read_headers(headers)
    if attributes.content_type.startswith(STRUCTURED) or not attributes.ce_type:
        event = read_structured(value)
    else:
        event = _read_binary(attributes, value)
    if event.subject and key != event.subject.encode():
        raise InvalidFieldError(
            expected="the record's key to be its subject",
            received=f"{'no key' if key is None else f'key {key[:60]!r}'} and subject {event.subject!r}",
            where="key",
            advice="produce with the subject as key, else its twin never sees it in order",
        )
    return event


def read_headers(headers: Headers) -> Attributes:
    """Read headers of either backend."""
    if not headers:
        return Attributes()
    try:
        if isinstance(headers, bytes):
            return _HEADER_MAP.decode(headers)
        # Other people's headers may hold anything; only ours are read.
        ours = {name: value.decode() for name, value in headers if name in _OUR_HEADERS and value is not None}
        return msgspec.convert(ours, Attributes)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(
            expected="CloudEvents headers as UTF-8 text", received=str(error), where="headers"
        ) from None


def read_structured(line: bytes | str, record_time: Instant | None = None) -> Event:
    """Read one CloudEvents structured JSON object.

    `record_time` stands in where the event brings no `recordtime`; without either it is the event time.
    """
    raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
    if len(raw) > LARGEST_RECORD:
        raise MalformedError(expected=f"at most {LARGEST_RECORD} bytes", received=f"{len(raw)} bytes", where="line")
    _check_depth(raw)
    try:
        document = _ANY_JSON.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(
            expected="one JSON object", received=f"{raw[:60]!r} ({error})", where="line", advice="one event a line"
        ) from None
    if not isinstance(document, dict):
        raise MalformedError(expected="a JSON object", received=type(document).__name__, where="line")
    unknown = document.keys() - STRUCTURED_FIELDS
    if unknown:
        raise InvalidFieldError(
            expected="CloudEvents attributes and `data`", received=f"also {sorted(unknown)[:3]}"[:120], where="event"
        )
    text = {
        name: _text(document, name) for name in ("id", "source", "type", "subject", "time", "recordtime", "traceparent")
    }
    version = document.get("schemaversion", NEWEST)
    sequence = document.get("sequence")
    attributes = Attributes(
        ce_id=text["id"],
        ce_source=text["source"],
        ce_type=text["type"],
        ce_time=text["time"],
        ce_subject=text["subject"],
        ce_recordtime=text["recordtime"] or (format_instant(record_time) if record_time is not None else ""),
        ce_sequence="" if sequence is None else str(sequence),
        ce_schemaversion=str(version),
        ce_specversion=str(document.get("specversion", "1.0")),
        traceparent=text["traceparent"],
    )
    return _read_binary(attributes, None, document.get("data", {}))


def _read_binary(attributes: Attributes, value: bytes | None, document: Any = None) -> Event:
    """Check the attributes, read the data. `document`, if no value: the data already as JSON."""
    kind = EVENTS.get(attributes.ce_type)
    if kind is None:
        raise UnknownTypeError(
            expected="a known event type",
            received=repr(attributes.ce_type)[:80],
            where="type",
            advice="`twinstream schema` lists them",
        )
    if attributes.ce_specversion != "1.0":
        raise InvalidFieldError(
            expected="specversion 1.0", received=repr(attributes.ce_specversion)[:20], where="specversion"
        )
    if not attributes.ce_time:
        raise InvalidFieldError(expected="an RFC 3339 time", received="nothing", where="time")
    event_time = parse_instant(attributes.ce_time)
    recorded = attributes.ce_recordtime
    return Event(
        check_id(attributes.ce_id, "id"),
        check_id(attributes.ce_source, "source"),
        attributes.ce_type,
        _subject(attributes),
        event_time,
        event_time if not recorded or recorded == attributes.ce_time else parse_instant(recorded, "recordtime"),
        _read_data(attributes, kind, value, document),
        _sequence(attributes.ce_sequence),
        _traceparent(attributes.traceparent),
    )


def _subject(attributes: Attributes) -> str:
    if attributes.ce_type in KEYLESS and not attributes.ce_subject:
        return ""
    return check_id(attributes.ce_subject, "subject")


def _traceparent(text: str) -> str | None:
    """Keep a W3C trace context; another is ignored, as the recommendation says, never a reason to refuse a fact."""
    return text if text and _TRACEPARENT.fullmatch(text) else None


def _sequence(text: str) -> int | None:
    if not text:
        return None
    if _SEQUENCE.fullmatch(text) is None:
        raise InvalidFieldError(expected="a sequence of up to 18 digits", received=repr(text)[:40], where="sequence")
    return int(text)


def _read_data(attributes: Attributes, kind: type[Struct], value: bytes | None, document: Any) -> Any:
    name = attributes.ce_type
    version = attributes.ce_schemaversion
    try:
        if version == _NEWEST_TEXT:
            if value is None:
                return msgspec.convert(document, kind)
            if attributes.content_type.startswith(MSGPACK):
                return _finite(_PACK[name].decode(value), name)
            return _JSON[name].decode(value)
        if not version.isdecimal() or len(version) > 4 or not 1 <= int(version) <= NEWEST:
            raise UnknownTypeError(
                expected=f"{name} of schema version 1 to {NEWEST}", received=repr(version)[:20], where="schemaversion"
            )
        if value is not None:
            document = (_ANY_PACK if attributes.content_type.startswith(MSGPACK) else _ANY_JSON).decode(value)
        if not isinstance(document, dict):
            raise MalformedError(expected="a JSON object", received=type(document).__name__, where="data")
        return _finite(msgspec.convert(upcast(name, int(version), document), kind), name)
    except msgspec.ValidationError as error:
        raise InvalidFieldError(
            expected=f"data as `twinstream schema {name}` prints it", received=str(error), where="data"
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(expected=f"{attributes.content_type} data", received=str(error), where="data") from None


def _finite(data: Any, name: str) -> Any:
    """Refuse NaN and infinity, which msgpack can say and JSON cannot. A reading's are set aside channel by channel."""
    if name != "bioreactor.reading":
        for value in _numbers(msgspec.to_builtins(data)):
            if not math.isfinite(value):
                raise InvalidFieldError(expected="finite numbers", received=str(value), where="data")
    return data


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidFieldError(expected="text", received=type(value).__name__, where=name)
    return value


def _check_depth(raw: bytes) -> None:
    """Refuse a document that could nest deeper than DEEPEST before any parser walks it."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return
    depth = deepest = 0
    inside = escaped = False
    for byte in raw:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > DEEPEST:
                raise MalformedError(
                    expected=f"nesting of at most {DEEPEST}", received="a deeper document", where="line"
                )
        elif byte in b"]}":
            depth -= 1


def write_headers(event: Event, content_type: str = JSON) -> list[tuple[str, bytes]]:
    """Write an event's attributes as headers (binary mode)."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", format_instant(event.event_time).encode()),
        ("ce_recordtime", format_instant(event.record_time).encode()),
        ("ce_schemaversion", str(NEWEST).encode()),
        ("content-type", content_type.encode()),
    ]
    if event.subject:
        headers.append(("ce_subject", event.subject.encode()))
    if event.sequence is not None:
        headers.append(("ce_sequence", str(event.sequence).encode()))
    if event.traceparent:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers


def pack_headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Pack headers as the embedded log keeps them: one msgpack map of text."""
    return _TO_MAP.encode({name: value.decode("utf-8", "replace") for name, value in headers})


def write_value(event: Event) -> bytes:
    """Write an event's data as JSON."""
    return _ENCODE.encode(event.data)


def write_structured(event: Event) -> bytes:
    """Write an event as one structured JSON line, without the line's end."""
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": format_instant(event.event_time),
        "recordtime": format_instant(event.record_time),
        "schemaversion": NEWEST,
        "data": event.data,
    }
    if event.subject:
        document["subject"] = event.subject
    if event.sequence is not None:
        document["sequence"] = str(event.sequence)
    if event.traceparent:
        document["traceparent"] = event.traceparent
    return _ENCODE.encode(document)


def family_of(event_type: str) -> str:
    """Name the family an event type belongs to, which is also its input topic's first word."""
    return event_type.partition(".")[0]


__all__ = ["Event", "InputError", "read_record", "read_structured", "write_headers", "write_structured", "write_value"]
