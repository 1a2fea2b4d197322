"""A track: all draws of one scenario, moved together through the same steps, in tiles of 64 columns.

Tiles are what launches are made of: a tile stands in whatever launch has room, beside tiles of any job, and none of its
bits depend on it. The last one is filled up with copies of the last draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.models.coordinates import to_coordinates, to_states
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.steps import Leg

Floats = NDArray[np.float64]

TILE = 64  # columns
MOST_STEPS = 32  # of a piece: what is done between two looks at the clock
MOST_STIFF_STEPS = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """Some steps of a leg, the unit of work."""

    leg: Leg
    first: int
    count: int

    @property
    def closes(self) -> bool:
        """Whether the leg ends with it."""
        return self.first + self.count == self.leg.steps

    @property
    def place(self) -> tuple[float, int, int, float]:
        """Where it is in time: pieces that are equal in this can be done together, and the least comes first."""
        return self.leg.begin, self.first, self.count, self.leg.length

    def hours(self) -> Floats:
        """Give the hour at which each step begins, shape (steps,)."""
        return np.array([self.leg.hour(step) for step in range(self.first, self.first + self.count)])

    def inputs(self) -> Floats:
        """Give the inputs of each step, shape (steps, inputs)."""
        return np.stack([self.leg.inputs(step) for step in range(self.first, self.first + self.count)])


class Recorder(Protocol):
    """What looks at a track where a leg ends."""

    def take(self, leg: Leg, z: Floats) -> None:
        """Look at the coordinates, shape (states, draws)."""


class Track:
    """The draws of one scenario under way.

    Parameters
    ----------
    x : array, shape (states, draws)
        States at hour 0.
    p : array, shape (parameters, draws)
        Parameters.
    """

    def __init__(
        self, model: ProcessModel, legs: Sequence[Leg], x: Floats, p: Floats, recorder: Recorder, most: int
    ) -> None:
        self.model, self.recorder, self.draws = model, recorder, x.shape[1]
        self.pieces = [
            Piece(leg, first, min(most, leg.steps - first)) for leg in legs for first in range(0, leg.steps, most)
        ]
        self.tiles = tiles_of(self.draws)
        self.z: Floats = filled(to_coordinates(np, model.states, x), self.tiles)
        self.p = filled(p, self.tiles)
        self.at = self.done = 0  # piece, and how many tiles have done it
        self._inputs: tuple[int, Floats] | None = None

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.at == len(self.pieces)

    @property
    def next(self) -> Piece:
        """What comes next."""
        return self.pieces[self.at]

    @property
    def share(self) -> float:
        """How much of all is done, of 1."""
        return (self.at + self.done / self.tiles) / len(self.pieces)

    def open(self) -> None:
        """Let happen what happens before the piece that comes next."""
        if self.finished or self.next.first:
            return
        for event in self.next.leg.events:
            x = event.apply(self.model, to_states(np, self.model.states, self.z))
            self.z = to_coordinates(np, self.model.states, x)

    def inputs(self) -> Floats:
        """Give the inputs of the piece that comes next, shape (steps, inputs)."""
        if self._inputs is None or self._inputs[0] != self.at:
            self._inputs = (self.at, self.next.inputs())
        return self._inputs[1]

    def close(self) -> None:
        """Go on to the next piece, when every tile has done this one."""
        piece = self.next
        if piece.closes:
            self.recorder.take(piece.leg, self.z[:, : self.draws])
        self.at, self.done = self.at + 1, 0
        self.open()


def tiles_of(draws: int) -> int:
    """Give how many tiles so many draws need."""
    return -(-draws // TILE)


def filled(table: Floats, tiles: int) -> Floats:
    """Fill up to whole tiles with copies of the last column."""
    return np.pad(table, ((0, 0), (0, tiles * TILE - table.shape[1])), mode="edge")
