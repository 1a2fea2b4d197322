"""The mean of a correlated series, and how well it is known."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_BLOCKS = 8  # of a level that still counts: with fewer its own error is above a quarter


def statistics(values: Floats) -> dict[str, float | None]:
    """Give first, last, mean, standard deviation and the mean's standard error; null where there is none to give.

    Examples
    --------
    >>> statistics(np.array([1.0, 2.0, 3.0]))["mean"]
    2.0
    """
    if not len(values):
        return {}
    return {
        "first": float(values[0]),
        "last": float(values[-1]),
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "standard_error": standard_error(values),
    }


def standard_error(values: Floats) -> float | None:
    """Give the standard error of the mean of a correlated series, by blocks that double.

    Parameters
    ----------
    values : array, shape (n,)
        Evenly spaced in time, and stationary.

    Returns
    -------
    float or None
        In the values' unit: the largest of the estimates sqrt(c0 / (n' - 1)) over the levels that have at least
        `LEAST_BLOCKS` blocks; None where none has. Where the series is shorter than some tens of its correlation
        times, it is too small.

    Source
    ------
    Flyvbjerg & Petersen, "Error estimates on averages of correlated data", J. Chem. Phys. 91 (1989) 461, eqs 20 to 28.
    There a person reads off the plateau; the largest level stands for it here.

    Examples
    --------
    >>> standard_error(np.zeros(100))
    0.0
    >>> standard_error(np.zeros(7)) is None
    True
    """
    found = None
    blocks = np.asarray(values, dtype=np.float64)
    while len(blocks) >= LEAST_BLOCKS:
        error = math.sqrt(float(blocks.var()) / (len(blocks) - 1))
        found = error if found is None else max(found, error)
        even = len(blocks) // 2 * 2
        blocks = 0.5 * (blocks[0:even:2] + blocks[1:even:2])
    return found


def thinned(count: int, most: int) -> NDArray[np.int64]:
    """Give at most so many places of a series, evenly spread, the first and the last among them.

    Examples
    --------
    >>> thinned(5, 3).tolist()
    [0, 2, 4]
    """
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.unique(np.rint(np.linspace(0, count - 1, most)).astype(np.int64))
