"""How what the fault detector remembers of one twin lies in a row of floats, with what the block adds to it.

Whole numbers and instants are floats there, exact below 2^53 us (the year 2255).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twins.faults import CHANNELS, State, arrays, restored

Floats = NDArray[np.float64]

# Before the detector's own: when the run began [us] (-1: nobody said), its newest minute, which channels may not be
# used (bit by bit), then of each channel until which minute it is told of as jumped, and as renewed.
BEGAN, LAST, DISTRUSTED, JUMPED_UNTIL = range(4)
RENEWED_UNTIL = JUMPED_UNTIL + len(CHANNELS)
OWN = RENEWED_UNTIL + len(CHANNELS)
NEVER = -1.0
FLOAT, WHOLE, YES_OR_NO = range(3)  # in this order they lie, so that each kind is converted at once
KINDS = {"f": FLOAT, "i": WHOLE, "b": YES_OR_NO}


class FaultRows:
    """The layout: constants only. `beginning` is the row of a run that nothing was seen of, shape (width,)."""

    def __init__(self, start: State) -> None:
        beginning = arrays(start)  # of one unit
        self._fields: list[tuple[str, int, int, bool]] = []  # name, first column, columns, whether it has a row axis
        self._ends = [0, 0, 0]  # where each kind ends
        at = 0
        for kind in (FLOAT, WHOLE, YES_OR_NO):
            for name, array in beginning.items():
                if KINDS[array.dtype.kind] == kind:
                    self._fields.append((name, at, array.size, array.ndim > 1))
                    at += array.size
            self._ends[kind] = at
        self.width = OWN + at
        row = np.full((1, self.width), NEVER)
        row[:, DISTRUSTED] = 0.0
        self.write(row, start)
        self.beginning: Floats = row[0]

    def place_of(self, name: str) -> slice:
        """Give the columns of one array of the detector's state."""
        first, count = next((first, count) for one, first, count, _ in self._fields if one == name)
        return slice(OWN + first, OWN + first + count)

    def read(self, rows: Floats) -> State:
        """Give the detector's state of some rows, shape (n, width)."""
        own = np.ascontiguousarray(rows[:, OWN:].T)
        floats, whole, _ = self._ends
        ints, flags = own[floats:whole].astype(np.int64), own[whole:] > 0.0
        stored: dict[str, NDArray[np.generic]] = {}
        for name, first, count, wide in self._fields:
            if first < floats:
                part: NDArray[np.generic] = own[first : first + count]
            elif first < whole:
                part = ints[first - floats : first - floats + count]
            else:
                part = flags[first - whole : first - whole + count]
            stored[name] = part if wide else part[0]
        return restored(stored)

    def write(self, rows: Floats, state: State) -> None:
        """Put a detector's state into its rows, in place; there is one form of what is no number."""
        own = np.empty((self.width - OWN, len(rows)))
        found = arrays(state)
        for name, first, count, _ in self._fields:
            own[first : first + count] = found[name]
        own[np.isnan(own)] = np.nan
        rows[:, OWN:] = own.T
