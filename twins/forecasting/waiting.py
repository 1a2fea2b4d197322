"""Forecasts that wait for their truth: what was said, until the instant it spoke of has come.

The error of a forecast six hours ahead is known six hours later and not before. A ring keeps what was said at each
origin, and gives back what falls due. Its size is fixed: an origin older than the ring is long is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NEVER = -1


@dataclass(frozen=True, slots=True, eq=False)
class Due:
    """What was said about one instant, per lead; NaN where nothing falls due.

    Parameters
    ----------
    centre, spread, factor : array, shape (leads, n)
        As they were given to `Waiting.put`.
    """

    centre: Floats
    spread: Floats
    factor: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A ring of forecasts of n units that are read in the same cycle.

    Parameters
    ----------
    made : array of int64, shape (slots,)
        Origin of each slot [us], `NEVER` where it is empty.
    open : array of int64, shape (leads, slots)
        1 where a slot's forecast still waits, else 0.
    centre, spread, factor : array, shape (leads, slots, n)
        What was said.
    next : array of int64, shape (1,)
        The slot to be written next.
    """

    made: Ints
    open: Ints
    centre: Floats
    spread: Floats
    factor: Floats
    next: Ints

    @staticmethod
    def empty(leads: int, slots: int, count: int) -> Waiting:
        """Give a ring that holds nothing."""
        shape = (leads, slots, count)
        return Waiting(
            np.full(slots, NEVER, np.int64),
            np.zeros((leads, slots), np.int64),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.zeros(1, np.int64),
        )

    def put(self, origin: int, centre: Floats, spread: Floats, factor: Floats) -> Waiting:
        """Keep what is said at an origin [us], in place of the oldest.

        Raises
        ------
        ShapeError
            If the arrays are not of shape (leads, n).
        """
        slot = int(self.next[0])
        shape = (self.centre.shape[0], self.centre.shape[2])
        for array in (centre, spread, factor):
            if array.shape != shape:
                raise ShapeError(f"expected forecasts of shape {shape}, one per lead and unit, received {array.shape}")
        made, waits = self.made.copy(), self.open.copy()
        made[slot], waits[:, slot] = origin, 1
        said = self.centre.copy(), self.spread.copy(), self.factor.copy()
        for array, new in zip(said, (centre, spread, factor), strict=True):
            array[:, slot] = new
        return Waiting(made, waits, *said, np.array([(slot + 1) % len(made)]))

    def take(self, instant: int, leads: Ints, tolerance: int) -> tuple[Due, Waiting]:
        """Take out what was said about this instant.

        Parameters
        ----------
        instant : int
            Of the readings at hand [us].
        leads : array of int64, shape (leads,)
            How far ahead each forecast looks [us].
        tolerance : int
            How far from `instant` a target may lie [us]. Of several, the nearest is taken, the later of two equal
            ones; each forecast is taken once at most.
        """
        shape = (self.centre.shape[0], self.centre.shape[2])
        found = [np.full(shape, np.nan) for _ in range(3)]
        waits = self.open.copy()
        for place, lead in enumerate(leads.tolist()):
            distance = np.where(
                (waits[place] == 1) & (self.made != NEVER), np.abs(self.made + lead - instant), tolerance + 1
            )
            nearest = int(distance.min())
            if nearest > tolerance:
                continue
            slots = np.flatnonzero(distance == nearest)
            slot = int(slots[np.argmax(self.made[slots])])
            waits[place, slot] = 0
            for array, kept in zip(found, (self.centre, self.spread, self.factor), strict=True):
                array[place] = kept[place, slot]
        return Due(*found), replace(self, open=waits)
