"""Plain readings, read the short way: straight to numbers, with no object for the fact or its channels.

Plain is what nearly every record is: our headers, JSON data, tags that this twin said before in the same order,
every quality good. Anything else, and anything wrong in any way, is left to `schemas.events.read_record`, which says
why. So the short way decides nothing and changes nothing; it saves time, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct, defstruct

from schemas.errors import InputError
from schemas.events import JSON, LARGEST_RECORD, Headers
from schemas.ids import check_id
from schemas.instants import parse_instant
from schemas.topics import FUTURE_TOLERANCE
from schemas.upcast import NEWEST

Shape = tuple[tuple[str, str], ...]  # (tag, unit) of each channel of a reading
Decode = Callable[[bytes], Any]  # gives a struct with `channels`, each with a `value`

READING: Literal["bioreactor.reading"] = "bioreactor.reading"
VERSION = str(NEWEST)
_TYPE, _VERSION, _JSON = READING.encode(), VERSION.encode(), JSON.encode()
_LONGEST_SEQUENCE = 18  # digits

MOST_SHAPES = 64  # distinct sets of tags that are read the short way
MOST_TWINS = 1 << 17  # whose set is remembered
_COMMON = 8  # readings with the same set before it is worth a decoder


class Raw(Protocol):
    """What is needed of a record."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


# subject, event time, record time [us], digest of (source, id), set of tags, struct with the values
Plain = tuple[str, int, int, bytes, Shape, Any]


class PlainReadings:
    """Knows which twin said which tags last. What it knows decides how fast a record is read, not how.

    A twin's set counts once it came twice in a row, so one that changes every time is read the long way at no
    further cost.
    """

    def __init__(self) -> None:
        self._seen: dict[Shape, int] = {}
        self._decoders: dict[Shape, Decode] = {}
        self._last: dict[str, Shape] = {}
        self._of: dict[str, tuple[Shape, Decode]] = {}

    def learn(self, subject: str, shape: Shape) -> None:
        """Take note of a reading that was read the long way."""
        if self._last.get(subject) != shape:
            if len(self._last) >= MOST_TWINS:
                self._last.clear()
                self._of.clear()
            self._last[subject] = shape
        elif (decode := self._decoders.get(shape)) is not None:
            self._of[subject] = (shape, decode)
        elif len(self._decoders) < MOST_SHAPES:
            if len(self._seen) >= MOST_TWINS:
                self._seen.clear()
            self._seen[shape] = self._seen.get(shape, 0) + 1
            if self._seen[shape] >= _COMMON:
                self._decoders[shape] = _decoder(shape)

    def read(self, record: Raw) -> Plain | None:
        """Read a plain reading; give None for any other record, good or bad."""
        value, headers, key = record.value, record.headers, record.key
        if value is None or len(value) > LARGEST_RECORD:
            return None
        try:
            said = _PACKED(headers) if isinstance(headers, bytes) else _pairs(headers)
            subject, time, recorded = said.ce_subject, said.ce_time, said.ce_recordtime
            known = self._of.get(subject)
            if known is None or key != _as_key(subject):
                return None
            event_time = parse_instant(time)
            record_time = event_time if not recorded or recorded == time else parse_instant(recorded)
            if (
                event_time > record_time + FUTURE_TOLERANCE
                or said.ce_schemaversion != VERSION
                or (said.ce_sequence and not _fine(said.ce_sequence))
            ):
                return None
            name = _hash_prefix(said.ce_source) + check_id(said.ce_id, "id").encode()
        except (InputError, msgspec.MsgspecError, _NotPlainError, UnicodeDecodeError, RecursionError):
            return None
        try:
            data = known[1](value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            del self._of[subject]  # it says something else now
            return None
        return subject, event_time, record_time, blake2b(name, digest_size=8).digest(), known[0], data


class _NotPlainError(Exception):
    """The headers are not those of a plain reading."""


class _Said(Struct, frozen=True, gc=False):
    """The headers of a plain reading. Whatever else stands there is nobody's, as for `schemas.events.Attributes`."""

    ce_id: str
    ce_source: str
    ce_type: Literal["bioreactor.reading"]
    ce_time: str
    ce_subject: str
    ce_recordtime: str = ""
    ce_sequence: str = ""
    ce_schemaversion: str = VERSION
    ce_specversion: Literal["1.0"] = "1.0"
    traceparent: str = ""
    content_type: Literal["application/json"] = msgspec.field(default="application/json", name="content-type")


_PACKED = msgspec.msgpack.Decoder(_Said).decode


def _pairs(headers: Headers) -> _Said:
    """Read headers that are pairs of name and bytes, as Kafka brings them."""
    said: dict[str, Any] = dict(headers or ())  # type: ignore[arg-type]  # bytes go another way
    take = said.get
    if (
        len(said) != len(headers or ())
        or take("ce_type") != _TYPE
        or take("content-type", _JSON) != _JSON
        or take("ce_specversion", b"1.0") != b"1.0"
        or take("ce_schemaversion", _VERSION) != _VERSION
        or None in said.values()
    ):
        raise _NotPlainError
    try:
        time = said["ce_time"].decode()
        recorded = take("ce_recordtime", b"")
        return _Said(
            said["ce_id"].decode(),
            _text(said["ce_source"]),
            READING,
            time,
            _text(said["ce_subject"]),
            time if recorded == said["ce_time"] else recorded.decode(),
            take("ce_sequence", b"").decode(),
            traceparent=take("traceparent", b"").decode(),
        )
    except KeyError:
        raise _NotPlainError from None


def _fine(sequence: str) -> bool:
    return len(sequence) <= _LONGEST_SEQUENCE and sequence.isascii() and sequence.isdecimal()


@lru_cache(maxsize=2 * MOST_TWINS)
def _text(written: bytes) -> str:
    """Decode a text that comes again and again."""
    return written.decode()


@lru_cache(maxsize=MOST_TWINS)
def _as_key(subject: str) -> bytes:
    return check_id(subject, "subject").encode()


@lru_cache(maxsize=MOST_TWINS)
def _hash_prefix(source: str) -> bytes:
    """Give what `schemas.ids.event_hash` digests before the id."""
    return check_id(source, "source").encode() + b"\x00"


def _decoder(shape: Shape) -> Decode:
    """Make a decoder that takes readings of exactly these tags and units, in this order, all of good quality."""
    channels = tuple(
        _strict(
            "Channel",
            [("tag", Literal[tag]), ("value", float), ("unit", Literal[unit]), ("quality", Literal["good"], "good")],
        )
        for tag, unit in shape
    )
    return msgspec.json.Decoder(_strict("Reading", [("channels", tuple[channels])])).decode  # type: ignore[valid-type]


def _strict(name: str, fields: list[Any]) -> type[msgspec.Struct]:  # Any: as `defstruct` takes them
    return defstruct(name, fields, frozen=True, gc=False, forbid_unknown_fields=True)
