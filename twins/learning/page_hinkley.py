"""The Page-Hinkley test for many streams at once: has the mean of a stream moved since it began?

A stream is a row of eight floats. Every function works on arrays of rows, element by element.

Source
------
Page 1954, Biometrika 41:100, with the running mean and the forgetting of river's `drift.PageHinkley` (mode "both"), to
which it is equal to the bit: the tests hold the two side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Points since the test last began, their mean, the two sums, their least and greatest, whether a change is standing
# (until the next point, which begins the test anew), and how often one was found.
COUNT, MEAN, RISING, FALLING, LEAST, GREATEST, FOUND, TIMES = range(8)
WIDTH = 8


@dataclass(frozen=True, slots=True)
class PageHinkley:
    """The settings of a test.

    Parameters
    ----------
    delta : float
        Change of the mean, in the stream's unit, that is of no interest.
    threshold : float
        What a sum must reach for a change to be called.
    least : int
        Points before any change is called.
    alpha : float
        What is left of a sum a point later.
    """

    delta: float
    threshold: float
    least: int = 30
    alpha: float = 1 - 0.0001

    def begin(self, count: int) -> Floats:
        """Give so many streams that have shown nothing, shape (count, 8)."""
        rows = np.zeros((count, WIDTH))
        _begin(rows, np.ones(count, dtype=np.bool_))
        return rows

    def step(self, rows: Floats, x: Floats) -> None:
        """Take one point of each stream in, in place.

        Parameters
        ----------
        rows : array, shape (n, 8)
            What is remembered.
        x : array, shape (n,)
            The points, finite.
        """
        _begin(rows, rows[:, FOUND] > 0.0)
        rows[:, COUNT] += 1.0
        rows[:, MEAN] += (1.0 / rows[:, COUNT]) * (x - rows[:, MEAN])
        away = x - rows[:, MEAN]
        rows[:, RISING] = self.alpha * rows[:, RISING] + away - self.delta
        rows[:, FALLING] = self.alpha * rows[:, FALLING] + away + self.delta
        rows[:, LEAST] = np.minimum(rows[:, LEAST], rows[:, RISING])
        rows[:, GREATEST] = np.maximum(rows[:, GREATEST], rows[:, FALLING])
        up, down = self.sums(rows)
        found = (rows[:, COUNT] >= self.least) & ((up > self.threshold) | (down > self.threshold))
        rows[:, FOUND] = found
        rows[:, TIMES] += found

    @staticmethod
    def sums(rows: Floats) -> tuple[Floats, Floats]:
        """Give what is held against the threshold, upwards and downwards, each of shape (n,); 0 before any point."""
        told = rows[:, COUNT] > 0.0
        least = np.where(told, rows[:, LEAST], 0.0)
        greatest = np.where(told, rows[:, GREATEST], 0.0)
        return rows[:, RISING] - least, greatest - rows[:, FALLING]


def _begin(rows: Floats, which: NDArray[np.bool_]) -> None:
    """Let some streams begin anew; how often they changed stays."""
    rows[which, COUNT : GREATEST + 1] = (0.0, 0.0, 0.0, 0.0, np.inf, -1.0)
    rows[which, FOUND] = 0.0
