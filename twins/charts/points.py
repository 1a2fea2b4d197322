"""What every control chart does with its points: their arrays, gaps between them, and beginning anew."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError, ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Marks = NDArray[np.uint16]

NEVER = -1  # an instant before any point
HIGH, LOW = 1, 2  # bits of what fired, where a chart has two limits


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


State = TypeVar("State", bound=_Dataclass)


def check_shapes(seen: Ints, *arrays: NDArray[np.generic]) -> None:
    """Raise ShapeError unless every array has one element a chart."""
    for array in arrays:
        if array.shape != seen.shape:
            raise ShapeError(f"expected arrays of shape {seen.shape}, one element a chart, received {array.shape}")


def check_longest_gap(longest_gap: int) -> None:
    """Raise SettingsError unless a gap is 0 us or more."""
    if longest_gap < 0:
        raise SettingsError(f"expected a longest gap of 0 us or more, received {longest_gap}")


def begins(seen: Ints, instants: Ints, longest_gap: int | Ints) -> Bools:
    """Say which charts begin with the point at hand: nothing came before, or too long ago."""
    fresh: Bools = (seen == NEVER) | (instants - seen > longest_gap)
    return fresh


def chosen(which: Bools, those: State, others: State) -> State:
    """Take the charts in `which` from one state, the rest from another: arrays of the same shapes, (..., n)."""
    return type(those)(
        *(np.where(which, getattr(those, field.name), getattr(others, field.name)) for field in fields(those))
    )
