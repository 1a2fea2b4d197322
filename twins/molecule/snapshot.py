"""A checkpoint as bytes: what the run wrote down, OpenMM's own checkpoint, and a state that any platform can take.

    magic, SHA-256 of all that follows, length of the header, header (JSON), rows, state, OpenMM's checkpoint

OpenMM's checkpoint goes on to the same bits, but only on the same version, platform, device and precision; the state
(positions, velocities, box) goes on anywhere, to other bits. Neither is compressed: they are random digits, of which
zlib takes 4 % away, at 22 ns a byte.
"""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import SnapshotError
from twins.molecule.observing import COLUMNS
from twins.sealed import seal, unseal

Floats = NDArray[np.float64]

MAGIC = b"twinstream.md.1\n"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Origin:
    """What wrote it; only there do OpenMM's own bytes fit."""

    openmm: str
    platform: str
    device: str
    precision: str
    threads: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a run stands. `exact`: so far by the same bits as a run that was never stopped."""

    of: str  # hash of specification and prepared system
    origin: Origin
    at: int
    exact: bool
    rows: Floats  # (reports, columns)
    positions: Floats  # (atoms, 3) [nm]
    velocities: Floats  # (atoms, 3) [nm/ps]
    box: Floats  # (3, 3) [nm]
    native: bytes


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    of: str
    origin: dict[str, str | int]
    at: int
    exact: bool
    reports: int
    atoms: int


def pack(mark: Mark) -> bytes:
    """Give a mark as bytes."""
    header = msgspec.json.encode(
        _Header(mark.of, asdict(mark.origin), mark.at, mark.exact, len(mark.rows), len(mark.positions))
    )
    arrays = (mark.rows, mark.positions, mark.velocities, mark.box)
    body = b"".join(
        (_LENGTH.pack(len(header)), header, *(one.astype("<f8", copy=False).tobytes() for one in arrays), mark.native)
    )
    return seal(body, MAGIC)


def unpack(body: bytes, of: str) -> Mark:
    """Read a mark of one specification.

    Raises
    ------
    SnapshotError
        If it is torn, changed, of another form, or of another specification.
    """
    if body[: len(MAGIC)] != MAGIC:
        raise _distrusted("a checkpoint of molecular dynamics, version 1", f"{bytes(body[:16])!r}")
    whole = unseal(body, MAGIC)
    if whole is None:
        raise _distrusted("a whole checkpoint", f"{len(body)} bytes whose hash is wrong")
    try:
        (length,) = _LENGTH.unpack_from(whole)
        start = _LENGTH.size
        header = msgspec.json.decode(whole[start : start + length], type=_Header)
        origin = msgspec.convert(header.origin, Origin)
        start += length
        rows, start = _take(whole, start, (header.reports, len(COLUMNS)))
        positions, start = _take(whole, start, (header.atoms, 3))
        velocities, start = _take(whole, start, (header.atoms, 3))
        box, start = _take(whole, start, (3, 3))
    except (struct.error, ValueError, msgspec.MsgspecError) as error:
        raise _distrusted("a checkpoint that can be read", str(error)) from None
    if header.of != of:
        raise _distrusted("a checkpoint of this specification", f"that of {header.of[:16]}")
    return Mark(header.of, origin, header.at, header.exact, rows, positions, velocities, box, whole[start:])


def _take(body: bytes, start: int, shape: tuple[int, int]) -> tuple[Floats, int]:
    count = shape[0] * shape[1]
    found = np.frombuffer(body, dtype="<f8", count=count, offset=start).reshape(shape)
    return found.astype(np.float64), start + 8 * count


def _distrusted(expected: str, received: str) -> SnapshotError:
    return SnapshotError(f"expected {expected}, received {received}; the run goes on from an earlier one, or the start")
