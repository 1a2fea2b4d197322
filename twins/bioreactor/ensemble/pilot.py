"""The steps of an ensemble, chosen by a measured error: a few draws go first, at a step and at half of it.

Rule: time is cut into windows of at most 3 h, at every edge of what happens and at every report. In each the pilots
take the longest of 1/2, 1/4 ... 1/64 h at which their states differ by at most `TARGET` at its end from those at half
the step, from the same beginning; they go on from the latter. All draws then take, in each window, the shortest step of
it, the two before and the two after. Pilots are, for each thing that differs, the draw with the least and the draw with
the most of it, then the first draws: 64 at most. So the steps follow from the specification alone, whatever a draw is
run beside; the sum of the differences is said with the answer.

Source
------
Step doubling (Hairer, Norsett and Wanner 1993, Solving ODEs I, II.4): of order 4, the step's own error is 16/15 of the
difference. `TARGET` is half of the 1e-4 that an ensemble promises: hard windows are few, and what draws take there is
mostly shorter than what the pilots needed (measured: errors of 1e-5 and less; docs/ensembles.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.ensemble.question import LONGEST_STEP
from twins.bioreactor.ensemble.stepping import Stepper
from twins.bioreactor.ensemble.tracks import MOST_STEPS, Piece, filled, tiles_of
from twins.bioreactor.models.coordinates import to_coordinates, to_states
from twins.bioreactor.models.implicit import SMALLEST
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.steps import Leg, lay_legs
from twins.bioreactor.timeline import Stretch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PILOTS = 64
WINDOW = 3.0  # h
BESIDE = 2  # windows on either side whose steps count too: other draws come to the same place some hours apart
FINEST = 5  # halvings of the longest step
TARGET = 5e-5
EASY = 1.0 / 256.0  # of the target: the next window may try a step twice as long
FLOOR = SMALLEST  # of a state's scale: what relative errors are held against at least, as in the implicit steps


class Pilot:
    """The pilots of one scenario.

    Parameters
    ----------
    x, p : array, shape (states, draws) and (parameters, draws)
        States at hour 0, and parameters, of all draws.
    """

    def __init__(
        self, model: ProcessModel, stretches: Sequence[Stretch], hours: Sequence[float], x: Floats, p: Floats
    ) -> None:
        chosen = pilots_of(p, x)
        self._model, tiles = model, tiles_of(len(chosen))
        self._z: Floats = filled(to_coordinates(np, model.states, x[:, chosen]), tiles)
        self._p = filled(p[:, chosen], tiles)
        self._tiles = tiles
        self._windows = [window for leg in lay_legs(stretches, hours, WINDOW) for window in _cut(leg)]
        self._windows = [window for window in self._windows if window.stop <= hours[-1]]
        self._halvings: list[int] = []
        self._guess = 0
        self.error = 0.0

    @property
    def share(self) -> float:
        """How much is done, of 1."""
        return len(self._halvings) / len(self._windows)

    def go_on(self, stepper: Stepper) -> bool:
        """Choose the step of the next window; say whether there was one."""
        if len(self._halvings) == len(self._windows):
            return False
        window = self._windows[len(self._halvings)]
        for event in window.events:
            x = event.apply(self._model, to_states(np, self._model.states, self._z))
            self._z = to_coordinates(np, self._model.states, x)
        halvings = self._guess
        coarse = self._cover(stepper, window, halvings)
        while True:
            fine = self._cover(stepper, window, halvings + 1)
            apart = self._apart(coarse, fine)
            if apart <= TARGET or halvings == FINEST:
                break
            halvings, coarse = halvings + 1, fine
        self._guess = max(halvings - 1, 0) if apart <= EASY * TARGET else halvings
        self._halvings.append(halvings)
        self._z = fine
        self.error += apart
        return True

    def legs(self) -> list[Leg]:
        """Give the windows with the steps that all draws take."""
        chosen = self._halvings
        most = [max(chosen[max(k - BESIDE, 0) : k + BESIDE + 1]) for k in range(len(chosen))]
        return [stepped(window, halvings) for window, halvings in zip(self._windows, most, strict=True)]

    def recalled(self, steps: Sequence[int]) -> list[Leg]:
        """Give the windows with steps that were chosen before."""
        return [
            replace(window, steps=some, length=(window.stop - window.begin) / some)
            for window, some in zip(self._windows, steps, strict=True)
        ]

    def _cover(self, stepper: Stepper, window: Leg, halvings: int) -> Floats:
        leg, z = stepped(window, halvings), self._z
        for first in range(0, leg.steps, MOST_STEPS):
            piece = Piece(leg, first, min(MOST_STEPS, leg.steps - first))
            u = np.repeat(piece.inputs()[:, :, None], self._tiles, axis=2)
            z = stepper.advance(z, self._p, piece.hours(), leg.length, u)
        return z

    def _apart(self, coarse: Floats, fine: Floats) -> float:
        """Give the largest relative difference; infinite where a number is none."""
        states = self._model.states
        least = FLOOR * np.array([state.scale for state in states])[:, None]
        a, b = (to_states(np, states, one) for one in (coarse, fine))
        apart = float(np.max(np.abs(a - b) / np.maximum(np.abs(b), least)))
        return apart if np.isfinite(apart) else float("inf")


def pilots_of(p: Floats, x: Floats) -> Ints:
    """Choose the draws that go first, from parameters and states at hour 0, shape (rows, draws).

    Examples
    --------
    >>> pilots_of(np.arange(200.0)[None] * [[1.0], [0.0]], np.zeros((1, 200)))[[0, 1, 62, 63]].tolist()
    [0, 1, 62, 199]
    """
    found: list[int] = []
    for row in (*p, *x):
        if row.max() > row.min():
            found += [int(row.argmin()), int(row.argmax())]
    chosen = list(dict.fromkeys([*found[: PILOTS - 1], *range(min(PILOTS, p.shape[1]))]))[:PILOTS]
    return np.array(sorted(chosen))


def stepped(window: Leg, halvings: int) -> Leg:
    """Give a window in steps of the longest step halved so often, or as little shorter as makes them whole.

    Examples
    --------
    >>> nothing = Stretch(0.0, 4.5, (), np.zeros(1), 0, ())
    >>> stepped(Leg(nothing, 0.0, 4.5, 1, 4.5, (), True), 2).steps
    36
    """
    steps = max(1, int(np.ceil((window.stop - window.begin) / LONGEST_STEP - 1e-9))) << halvings
    return replace(window, steps=steps, length=(window.stop - window.begin) / steps)


def _cut(leg: Leg) -> list[Leg]:
    """Make each step of a leg a window of its own."""
    edges = [*(leg.hour(step) for step in range(leg.steps)), leg.stop]
    return [
        Leg(
            leg.stretch, edges[k], edges[k + 1], 1, edges[k + 1] - edges[k],
            leg.events if k == 0 else (), leg.reported and k == leg.steps - 1,
        )
        for k in range(leg.steps)
    ]  # fmt: skip
