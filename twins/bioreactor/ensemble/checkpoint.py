"""The checkpoint of an ensemble as bytes: msgpack under a hash, arrays as they lie in memory. No pickle.

It holds the coordinates of every draw and what has been reported, nothing that follows from the specification.
"""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from schemas.errors import SnapshotError

MAGIC = b"TWEN"
VERSION = 1
_HASH = 32  # bytes


class SavedTrack(Struct, frozen=True):
    """One scenario: piece and tiles done of it, coordinates, rows of reports, bits of left limits."""

    at: int
    done: int
    z: bytes
    reports: int
    rows: bytes
    left: bytes


class Saved(Struct, frozen=True):
    """All of it.

    `question` is the hash of the specification; `steps` are those chosen for each scenario's windows; without
    tracks they are still being chosen.
    """

    version: int
    question: str
    versions: dict[str, str]
    backend: str
    steps: list[list[int]]
    error: float | None
    tracks: list[SavedTrack]


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(Saved)


def write(saved: Saved) -> bytes:
    """Give the bytes."""
    body = _ENCODE.encode(saved)
    return MAGIC + hashlib.sha256(body).digest() + body


def read(body: bytes) -> Saved:
    """Read them back.

    Raises
    ------
    SnapshotError
        If they are not what `write` gave.
    """
    head = len(MAGIC) + _HASH
    if body[: len(MAGIC)] != MAGIC or hashlib.sha256(body[head:]).digest() != body[len(MAGIC) : head]:
        raise SnapshotError(
            f"expected a whole checkpoint of an ensemble, received {len(body)} other bytes; take another"
        )
    try:
        saved = _DECODE.decode(body[head:])
    except msgspec.DecodeError as error:
        raise SnapshotError(f"expected a checkpoint of version {VERSION}, received {error}; take another") from None
    if saved.version != VERSION:
        raise SnapshotError(f"expected a checkpoint of version {VERSION}, received {saved.version}; take another")
    return saved
