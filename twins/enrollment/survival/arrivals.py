"""Draws of who is still to come, from rates that are constant between edges; a rate of zero is a hold."""

from __future__ import annotations

import numpy as np

from twins.enrollment.study import Floats
from twins.enrollment.survival.noise import ARRIVAL, exponentials


def arrivals(edges: Floats, rates: Floats, most: int, seed: int, skip: int = 0) -> Floats:
    """Draw the days at which subjects come.

    Parameters
    ----------
    edges : array, shape (m + 1,)
        Ascending [d]; nobody comes before the first or after the last.
    rates : array, shape (draws, m)
        Subjects a day between edges, 0 or more.
    most : int
        How many may still come: enrollment stops there.
    seed, skip : int
        Key of the random numbers; subjects who came already, whose numbers are left out.

    Returns
    -------
    array, shape (draws, most)
        Ascending [d]; inf where nobody comes any more.

    Examples
    --------
    >>> import numpy as np
    >>> days = arrivals(np.array([0.0, 10, 20, 30]), np.array([[1.0, 0.0, 1.0]]), 40, seed=7)
    >>> bool(((days > 10) & (days < 20)).any())  # a hold
    False
    """
    if rates.ndim != 2 or rates.shape[1] != len(edges) - 1 or (rates < 0).any():
        raise ValueError(
            f"expected rates of shape (draws, {len(edges) - 1}) of 0 or more, received shape {rates.shape}; check edges"
        )
    draws = len(rates)
    spent = np.cumsum(exponentials(seed, ARRIVAL, np.arange(skip, skip + most), draws), axis=0).T
    expected = np.concatenate([np.zeros((draws, 1)), np.cumsum(rates * np.diff(edges), axis=1)], axis=1)
    out = np.full((draws, most), np.inf)
    for j in range(len(edges) - 1):
        inside = (spent > expected[:, j, None]) & (spent <= expected[:, j + 1, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            day = edges[j] + (spent - expected[:, j, None]) / rates[:, j, None]
        out = np.where(inside, day, out)
    return out
