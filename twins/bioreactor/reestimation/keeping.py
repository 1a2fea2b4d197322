"""Checkpoints of a re-estimation: named arrays as bytes, under a hash of all. No pickle."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.errors import SnapshotError
from twins.sealed import seal, unseal

FORMAT = 1
KINDS = {"f": np.float64, "i": np.int64}


class _Kept(Struct, frozen=True, array_like=True):
    format: int
    mark: bytes
    stage: str
    turns: int
    arrays: dict[str, tuple[str, tuple[int, ...], bytes]]


def write(mark: bytes, stage: str, turns: int, arrays: dict[str, NDArray[Any]]) -> bytes:
    """Write a checkpoint; `mark` names what it is of."""
    kept = {name: (str(one.dtype.kind), one.shape, one.tobytes()) for name, one in arrays.items()}
    return seal(msgspec.msgpack.encode(_Kept(FORMAT, mark, stage, turns, kept)))


def read(body: bytes, mark: bytes) -> tuple[str, int, dict[str, NDArray[Any]]]:
    """Read what `write` wrote: stage, turns, arrays.

    Raises
    ------
    SnapshotError
        If the bytes are torn, of another format, or not of `mark`.
    """
    rest = unseal(body)
    if rest is None:
        raise _no("a whole one", "one whose hash is wrong")
    try:
        kept = msgspec.msgpack.decode(rest, type=_Kept)
        if kept.format != FORMAT:
            raise _no(f"format {FORMAT}", str(kept.format))
        if kept.mark != mark:
            raise _no("one of this specification and past", "one of another")
        return kept.stage, kept.turns, {name: _array(*one) for name, one in kept.arrays.items()}
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        raise _no("a whole one", str(error)) from None


def _array(kind: str, shape: tuple[int, ...], body: bytes) -> NDArray[Any]:
    found = np.frombuffer(body, dtype=KINDS[kind])
    if math.prod(shape) != len(found):
        raise ValueError(f"an array of {len(found)} numbers for {shape}")
    return found.reshape(shape).copy()


def _no(expected: str, received: str) -> SnapshotError:
    return SnapshotError(f"expected {expected}, received {received}, as a checkpoint of a re-estimation; begin anew")
