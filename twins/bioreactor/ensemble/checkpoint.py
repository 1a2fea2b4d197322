"""The checkpoint of an ensemble as bytes: msgpack under a hash, arrays as they lie in memory. No pickle.

It holds the coordinates of every draw and what has been reported, nothing that follows from the specification.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from schemas.errors import SnapshotError
from twins.sealed import seal, unseal

MAGIC = b"TWEN"
VERSION = 1


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
    return seal(_ENCODE.encode(saved), MAGIC)


def read(body: bytes) -> Saved:
    """Read them back.

    Raises
    ------
    SnapshotError
        If they are not what `write` gave.
    """
    whole = unseal(body, MAGIC)
    if whole is None:
        raise SnapshotError(
            f"expected a whole checkpoint of an ensemble, received {len(body)} other bytes; take another"
        )
    try:
        saved = _DECODE.decode(whole)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"expected a checkpoint of version {VERSION}, received {error}; take another") from None
    if saved.version != VERSION:
        raise SnapshotError(f"expected a checkpoint of version {VERSION}, received {saved.version}; take another")
    return saved
