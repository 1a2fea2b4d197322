"""Plain readings, read the short way: straight to numbers, with no object for the fact or its channels.

Plain is what nearly every record is: our headers, JSON data, tags that this twin said before in the same order,
every quality good. Anything else, and anything wrong in any way, is left to `schemas.events.read_record`, which says
why. So the short way decides nothing and changes nothing; it saves time, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct, defstruct

from schemas.bioreactor import Channel
from schemas.errors import InputError
from schemas.events import JSON, LARGEST_RECORD, Headers
from schemas.ids import LONGEST, check_id
from schemas.instants import parse_instant
from schemas.topics import FUTURE_TOLERANCE
from schemas.upcast import NEWEST

Shape = tuple[tuple[str, str], ...]  # (tag, unit) of each channel of a reading
Decode = Callable[[bytes], Any]  # gives a struct with `channels`, each with a `value`

READING: Literal["bioreactor.reading"] = "bioreactor.reading"
VERSION = str(NEWEST)
_TYPE = READING.encode()
_TYPE_PAIR = ("ce_type", _TYPE)
# Headers that may be missing, but say this where they stand.
_ALWAYS = {
    "ce_type": _TYPE,
    "ce_specversion": b"1.0",
    "ce_schemaversion": VERSION.encode(),
    "content-type": JSON.encode(),
}
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


class PlainRows(NamedTuple):
    """Plain readings of n records, by column."""

    subjects: list[str]
    event_times: Sequence[int]  # us
    record_times: Sequence[int]  # us
    digests: list[bytes]  # of (source, id)
    shapes: list[Shape]
    channels: list[Sequence[Channel]]


class _Known(NamedTuple):
    """What is known of a twin."""

    subject: str
    shape: Shape
    decode: Decode


class PlainReadings:
    """Knows which twin said which tags last. What it knows decides how fast a record is read, not how.

    A twin's first set counts at once where others say the same; after a change one counts when it came twice in a row,
    so a twin that changes every time is read the long way at no further cost.
    """

    def __init__(self) -> None:
        self._seen: dict[Shape, int] = {}
        self._decoders: dict[Shape, Decode] = {}
        self._last: dict[bytes, Shape] = {}
        self._of: dict[bytes | None, _Known] = {}

    def learn(self, subject: str, shape: Shape) -> None:
        """Take note of a reading that was read the long way."""
        key = subject.encode()
        last = self._last.get(key)
        if last != shape:
            if len(self._last) >= MOST_TWINS:
                self._last.clear()
                self._of.clear()
            self._last[key] = shape
            self._of.pop(key, None)
        if last is not None and last != shape:
            return
        decode = self._decoders.get(shape)
        if decode is not None:
            self._of[key] = _Known(subject, shape, decode)
        elif last is not None and len(self._decoders) < MOST_SHAPES:
            if len(self._seen) >= MOST_TWINS:
                self._seen.clear()
            self._seen[shape] = self._seen.get(shape, 0) + 1
            if self._seen[shape] >= _COMMON:
                self._decoders[shape] = _decoder(shape)

    def forget(self, key: bytes | None) -> None:
        """Take note of a record that looked plain and was not: its twin says something else now."""
        if self._of.pop(key, None) is not None and key is not None:
            self._last[key] = ()

    def likely(self, records: Sequence[Raw]) -> list[int]:
        """Give the places of records that look like plain readings."""
        of = self._of
        return [
            place
            for place, record in enumerate(records)
            if record.key in of
            and (headers := record.headers)
            and (_TYPE if isinstance(headers, bytes) else _TYPE_PAIR) in headers
        ]

    def read(self, records: Sequence[Raw]) -> PlainRows | None:
        """Read plain readings, of twins that are known; give None if one of the records is something else."""
        try:
            known = [self._of[record.key] for record in records]
            subjects = [one.subject for one in known]
            values = [record.value or b"" for record in records]
            if max(map(len, values)) > LARGEST_RECORD:
                return None
            said = _read_headers(records)
            if said.subjects != subjects:  # which are those of the keys
                return None
            event_times = [parse_instant(time) for time in said.times]
            record_times = event_times
            if said.recorded != said.times:
                record_times = [
                    event_time if not text or text == time else parse_instant(text)
                    for event_time, time, text in zip(event_times, said.times, said.recorded, strict=True)
                ]
                for event_time, record_time in zip(event_times, record_times, strict=True):
                    if event_time > record_time + FUTURE_TOLERANCE:
                        return None
            if any(said.sequences) and not all(map(_fine, filter(None, said.sequences))):
                return None
            _check_ids(said.names)
            digests = [
                blake2b(_hash_prefix(source) + name.encode(), digest_size=8).digest()
                for source, name in zip(said.sources, said.names, strict=True)
            ]
            channels = [one.decode(value).channels for one, value in zip(known, values, strict=True)]
        except (InputError, msgspec.MsgspecError, _NotPlainError, LookupError, TypeError, ValueError, RecursionError):
            return None
        return PlainRows(subjects, event_times, record_times, digests, [one.shape for one in known], channels)


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


class _Headers(NamedTuple):
    """Headers of plain readings, by column."""

    subjects: list[str]
    sources: list[str]
    names: list[str]
    times: list[str]
    recorded: list[str]
    sequences: list[str]


_PACKED = msgspec.msgpack.Decoder(_Said).decode


def _read_headers(records: Sequence[Raw]) -> _Headers:
    headers = [record.headers for record in records]
    if isinstance(headers[0], bytes):
        said = [_PACKED(packed) for packed in headers]  # type: ignore[arg-type]  # pairs among them raise
        if [one.ce_schemaversion for one in said].count(VERSION) != len(said):
            raise _NotPlainError
        return _Headers(
            [one.ce_subject for one in said],
            [one.ce_source for one in said],
            [one.ce_id for one in said],
            [one.ce_time for one in said],
            [one.ce_recordtime for one in said],
            [one.ce_sequence for one in said],
        )
    return _read_pairs(headers)  # type: ignore[arg-type]


def _read_pairs(headers: Sequence[Sequence[tuple[str, bytes | None]]]) -> _Headers:
    """Read headers that are pairs, as Kafka brings them, and stand in the same order in every record."""
    count, width = len(headers), len(headers[0])
    if [len(pairs) for pairs in headers].count(width) != count:
        raise _NotPlainError
    flat = list(chain.from_iterable(chain.from_iterable(headers)))
    said: dict[str, list[Any]] = {}  # Any: bytes or None, told below
    for place, (name, _) in enumerate(headers[0]):
        column = flat[2 * place + 1 :: 2 * width]
        if flat[2 * place :: 2 * width].count(name) != count or name in said:
            raise _NotPlainError
        wanted = _ALWAYS.get(name)
        if (column.count(None) if wanted is None else column.count(wanted) - count) != 0:
            raise _NotPlainError
        said[name] = column
    if "ce_type" not in said:
        raise _NotPlainError
    for text in said.get("traceparent", ()):
        text.decode()
    empty = [b""] * count
    times, recorded = said["ce_time"], said.get("ce_recordtime", empty)
    written = [text.decode() for text in times]
    return _Headers(
        [text.decode() for text in said["ce_subject"]],
        [_text(text) for text in said["ce_source"]],
        [text.decode() for text in said["ce_id"]],
        written,
        written if recorded == times else [text.decode() for text in recorded],
        [text.decode() for text in said.get("ce_sequence", empty)],
    )


def _check_ids(names: Sequence[str]) -> None:
    """Check many ids, nearly always at once: a text of plain ids without a space is plain."""
    lengths = [len(name) for name in names]
    whole = "".join(names)
    if not (min(lengths) and max(lengths) <= LONGEST and whole.isascii() and whole.isprintable() and " " not in whole):
        for name in names:
            check_id(name, "id")


def _fine(sequence: str) -> bool:
    return len(sequence) <= _LONGEST_SEQUENCE and sequence.isascii() and sequence.isdecimal()


@lru_cache(maxsize=2 * MOST_TWINS)
def _text(written: bytes) -> str:
    """Decode a text that comes again and again."""
    return written.decode()


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
