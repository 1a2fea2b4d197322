"""The grid that logarithms of durations live on, and the first guesses on it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cells = NDArray[np.float32]  # what is kept of a lane: 7 digits are more than 10,000 legs can tell
CELL, LOWEST, CELLS = 0.04, math.log(0.02), 300  # assumed: cells of 4 % from 1.2 minutes to 135 days
GRID: Floats = LOWEST + CELL * np.arange(CELLS, dtype=np.float64)
EDGES: Floats = np.concatenate(([GRID[0] - CELL / 2], GRID + CELL / 2))
RESIDUAL: Floats = CELL * np.arange(1 - CELLS, CELLS, dtype=np.float64)  # location less observation
NEAR = 0.35  # Laplace scale of a jump [ln], assumed: half of them beyond a factor 1.27


def unit(weights: Cells) -> Cells:
    """Give weights that add to 1."""
    scaled: Cells = weights / weights.sum()
    return scaled


def _kept(weights: Floats) -> Cells:
    return unit(weights.astype(np.float32))


# assumed: heavy tails; and a leg is of the order of a day
FIRST = _kept(np.exp(-0.5 * (RESIDUAL / 0.25) ** 2) / 0.25 + 0.1 / (1 + (RESIDUAL / 0.5) ** 2))
FLAT = _kept(np.exp(-0.5 * ((GRID - math.log(24.0)) / 1.5) ** 2) + 0.02)
KERNEL = _kept(np.exp(-np.abs(RESIDUAL) / NEAR))
INDEX: Cells = np.arange(CELLS, dtype=np.float32)
