"""Rows as PostgreSQL's COPY BINARY, built whole by numpy where every row has the same length.

Source: PostgreSQL documentation, COPY, "Binary Format"; array wire format: `array_send` in arrayfuncs.c.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970

_FLOAT8 = 701
_INT16 = Struct(">h").pack
_INT32 = Struct(">i").pack
_INT64 = Struct(">q").pack


@lru_cache(maxsize=64)
def _reading_layout(channels: int) -> np.dtype[np.void]:
    """The bytes of one row of `reading` with so many channels."""
    fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [("fields", ">i2")]
    for name, kind in [
        ("known_at", ">i8"),
        ("twin_no", ">i4"),
        ("channel_set", ">i4"),
        ("event_time", ">i8"),
        ("record_time", ">i8"),
        ("rec_offset", ">i8"),
        ("event_hash", ">i8"),
    ]:
        fields += [(f"{name}_length", ">i4"), (name, kind)]
    fields += [
        ("array_length", ">i4"),
        ("dimensions", ">i4"),
        ("nulls", ">i4"),
        ("element", ">i4"),
        ("size", ">i4"),
        ("lower", ">i4"),
    ]
    fields += [("vals", np.dtype([("length", ">i4"), ("value", ">f8")]).descr, (channels,))]  # type: ignore[list-item]
    fields += [("quality_length", ">i4"), ("quality", "u1", (channels,))]
    return np.dtype(fields)


def reading_rows(
    *,
    known_at: NDArray[np.int64],
    twin_no: NDArray[np.int64],
    channel_set: int,
    event_time: NDArray[np.int64],
    record_time: NDArray[np.int64],
    rec_offset: NDArray[np.int64],
    event_hash: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
) -> bytes:
    """Build the rows of `reading` for one channel set. All arrays (m,), `values` and `quality` (m, c); times in us."""
    channels = values.shape[1]
    rows = np.zeros(len(known_at), dtype=_reading_layout(channels))
    rows["fields"] = 9
    for name, column, length in [
        ("known_at", known_at - POSTGRES_EPOCH, 8),
        ("twin_no", twin_no, 4),
        ("channel_set", channel_set, 4),
        ("event_time", event_time - POSTGRES_EPOCH, 8),
        ("record_time", record_time - POSTGRES_EPOCH, 8),
        ("rec_offset", rec_offset, 8),
        ("event_hash", event_hash, 8),
    ]:
        rows[f"{name}_length"] = length
        rows[name] = column
    rows["array_length"] = 20 + 12 * channels
    rows["dimensions"] = 1
    rows["element"] = _FLOAT8
    rows["size"] = channels
    rows["lower"] = 1
    rows["vals"]["length"] = 8
    rows["vals"]["value"] = values
    rows["quality_length"] = channels
    rows["quality"] = quality
    return rows.tobytes()


def instant(value: int) -> bytes:
    """A timestamptz field."""
    return b"\x00\x00\x00\x08" + _INT64(value - POSTGRES_EPOCH)


def int8(value: int) -> bytes:
    """A bigint field."""
    return b"\x00\x00\x00\x08" + _INT64(value)


def int4(value: int | None) -> bytes:
    """An int field."""
    return NULL if value is None else b"\x00\x00\x00\x04" + _INT32(value)


def text(value: str) -> bytes:
    """A text field. PostgreSQL cannot hold a NUL; it becomes the replacement character."""
    return raw(value.replace("\x00", "\ufffd").encode("utf-8", "replace"))


def jsonb(value: bytes) -> bytes:
    """A jsonb field from JSON text: one version byte, then the text. PostgreSQL's jsonb cannot hold a NUL either."""
    if b"\\u0000" in value:
        value = value.replace(b"\\u0000", b"\\ufffd")
    return _INT32(len(value) + 1) + b"\x01" + value


def raw(value: bytes) -> bytes:
    """A bytea field."""
    return _INT32(len(value)) + value


def row(*fields: bytes) -> bytes:
    """One row of fields."""
    return _INT16(len(fields)) + b"".join(fields)


NULL = b"\xff\xff\xff\xff"
