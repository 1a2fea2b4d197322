"""Forecasts of many units that wait for their outcome: a ring a unit, of a size fixed by the settings.

A unit puts a forecast in once in `every`, and takes it out, lead by lead, when its instants have come. What a ring has
no room for any more is forgotten. Inputs and what was said are kept in single precision: an example is the same whether
it waited in memory or in a snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SnapshotError
from schemas.instants import HOUR, MINUTE
from twins.learning.settings import LATE_HOURS, LearningSection

Ints = NDArray[np.int64]
NEVER = -1
CENTRE, SPREAD, EXPECTED, SHIFT = range(4)  # what is kept of each lead
PARTS = 4


@dataclass(frozen=True, slots=True)
class Due:
    """One forecast, at one lead, whose instant has come."""

    lead: int
    target: int
    x: list[float]
    centre: float
    spread: float
    expected: float
    shift: float


class Waiting:
    """The rings of a block's units."""

    def __init__(self, inputs: int, section: LearningSection) -> None:
        self._leads = [round(hours * HOUR) for hours in section.leads_hours]
        self._every = round(section.every_minutes * MINUTE)
        self._inputs, self._slots = inputs, section.waiting
        width = inputs + PARTS * len(self._leads)
        self.started: Ints = np.full(0, NEVER - 1)  # of the run [us]
        self.made: Ints = np.full((0, self._slots), NEVER)
        self.open = np.zeros((0, self._slots), dtype=np.uint8)  # a bit a lead
        self.kept = np.zeros((0, self._slots, width), dtype=np.float32)

    def arrays(self, used: int) -> list[NDArray[np.generic]]:
        """Give the arrays of the first `used` units, in the order of `put_arrays`."""
        self.make_room(used)
        return [np.ascontiguousarray(one[:used]) for one in (self.started, self.made, self.open, self.kept)]

    def put_arrays(self, bodies: Sequence[bytes], used: int) -> None:
        """Take the arrays of so many units, as bytes.

        Raises
        ------
        SnapshotError
            If they have another size.
        """
        self.make_room(used)
        arrays: list[NDArray[Any]] = [self.started, self.made, self.open, self.kept]  # Any: of several types
        for one, body in zip(arrays, bodies, strict=True):
            if len(body) != one[:used].nbytes:
                raise SnapshotError(f"expected {one[:used].nbytes} bytes that wait, received {len(body)}")
            one[:used] = np.frombuffer(body, dtype=one.dtype).reshape(one[:used].shape)

    def make_room(self, units: int) -> None:
        """See that there is a ring for so many units."""
        used = len(self.started)
        if units <= used:
            return
        more = max(64, units, 2 * used) - used
        self.started = np.concatenate([self.started, np.full(more, NEVER - 1)])
        self.made = np.concatenate([self.made, np.full((more, self._slots), NEVER)])
        self.open = np.concatenate([self.open, np.zeros((more, self._slots), dtype=np.uint8)])
        self.kept = np.concatenate([self.kept, np.zeros((more, *self.kept.shape[1:]), dtype=np.float32)])

    def begin(self, unit: int, started: int) -> bool:
        """See that what waits is of the run that began then; say whether it is another one than before."""
        if self.started[unit] == started:
            return False
        self.started[unit], self.made[unit], self.open[unit] = started, NEVER, 0
        self.kept[unit] = 0.0
        return True

    def take(self, unit: int, now: int) -> list[Due]:
        """Take out what was said of instants up to now, oldest first; what came too late is dropped."""
        found: list[tuple[int, Due]] = []
        late = round(LATE_HOURS * HOUR)
        for slot in np.nonzero(self.open[unit])[0].tolist():
            made, waits = int(self.made[unit, slot]), int(self.open[unit, slot])
            for lead, ahead in enumerate(self._leads):
                target = made + ahead
                if not waits >> lead & 1 or target > now:
                    continue
                waits &= ~(1 << lead)
                if now - target <= late:
                    row = self.kept[unit, slot].tolist()
                    at = self._inputs + PARTS * lead
                    found.append((made, Due(lead, target, row[: self._inputs], *row[at : at + PARTS])))
            self.open[unit, slot] = waits
        return [due for _, due in sorted(found, key=lambda one: (one[0], one[1].lead))]

    def wants(self, unit: int, now: int) -> bool:
        """Say whether a forecast of now is to be kept: the unit's first in this stretch of `every`."""
        place = now // self._every
        return int(self.made[unit, place % self._slots]) // self._every != place

    def put(self, unit: int, now: int, x: Sequence[float], parts: Sequence[Sequence[float]]) -> None:
        """Keep a forecast, in place of the oldest; `parts` are centres, spreads and the two of what was said."""
        slot = now // self._every % self._slots
        self.made[unit, slot] = now
        self.open[unit, slot] = (1 << len(self._leads)) - 1
        self.kept[unit, slot] = [*x, *np.array(parts).T.ravel().tolist()]
