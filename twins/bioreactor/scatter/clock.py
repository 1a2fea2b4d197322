"""The feed as the clock of growth: which share of the liquid has come in as feed.

A vessel that its feed limits makes biomass in proportion to the substrate fed. With S the share of the liquid that came
in as feed, c its substrate and Y the yield, biomass per volume is X0 (1 - S) + Y c S: a straight line in S. A probe
that reads a + g X reads a straight line in S too. A sample takes liquid, biomass and feed alike, so
the line stays.

Source
------
Mass balance of a well mixed vessel, dS/dt = (1 - S) F/V. Feed-limited growth with a constant yield: Pirt 1974, The
theory of fed batch culture, J. Appl. Chem. Biotechnol. 24:415 (quasi steady state).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def gained(share: Floats, volume: Floats, added: Floats) -> Floats:
    """Give by how much the share of feed rises when `added` is fed into `volume`.

    Parameters
    ----------
    share : array, shape (..., n)
        Share of the liquid that has come in as feed, 0 to 1.
    volume, added : array, shape (..., n)
        Liquid before the feed, above 0, and liquid fed, 0 or more; one unit for both.

    Notes
    -----
    Exact for whatever course the feed takes: what was there is 1 - share of `volume`, and keeps its amount.

    Examples
    --------
    >>> gained(np.array([0.0, 0.5]), np.array([3.0, 1.0]), np.array([1.0, 1.0]))
    array([0.25, 0.25])
    """
    return (1.0 - share) * added / (volume + added)


def diluted(volume: Floats, added: Floats) -> Floats:
    """Give the dilution that feed brings: the integral of F/V over the feed, ln((volume + added) / volume).

    Examples
    --------
    >>> diluted(np.array([1.0]), np.array([1.0])).round(4)
    array([0.6931])
    """
    return np.log1p(added / volume)
