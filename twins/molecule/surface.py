"""The surface of a molecule that a solvent's molecule can touch, by points on spheres."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from schemas.errors import ShapeError

Floats = NDArray[np.float64]

PROBE_NM = 0.14  # a molecule of water: Shrake & Rupley 1973
POINTS = 400  # of a sphere: totals of small proteins then lie within 0.5 % of the limit of many points
PAIRS_AT_ONCE = 20_000

# Van der Waals radii [nm]: Bondi, J. Phys. Chem. 68 (1964) 441, table I; hydrogens are left out, as FreeSASA does.
RADII_NM = {"C": 0.170, "N": 0.155, "O": 0.152, "F": 0.147, "P": 0.180, "S": 0.180, "Cl": 0.175, "Br": 0.185,
            "I": 0.198, "Se": 0.190, "Zn": 0.139}  # fmt: skip
OTHER_RADIUS_NM = 0.180  # assumed, for elements the table does not have


def surface_area(positions: Floats, radii: Floats, points: int = POINTS, probe: float = PROBE_NM) -> Floats:
    """Give each atom's solvent-accessible surface.

    Parameters
    ----------
    positions : array, shape (n, 3)
        Centres [nm].
    radii : array, shape (n,)
        Van der Waals radii [nm].
    points : int
        On each sphere.
    probe : float
        Radius of the solvent's molecule [nm].

    Returns
    -------
    array, shape (n,)
        [nm^2]: 4 pi (r + probe)^2 times the share of points on that sphere that lie in no other one.

    Source
    ------
    Shrake & Rupley, "Environment and exposure to solvent of protein atoms", J. Mol. Biol. 79 (1973) 351. The points
    stand on a Fibonacci lattice instead of the 92 of the source.

    Examples
    --------
    >>> alone = surface_area(np.zeros((1, 3)), np.array([0.17]))
    >>> bool(abs(alone[0] - 4 * math.pi * 0.31**2) < 1e-12)
    True
    """
    if positions.shape != (len(radii), 3):
        raise ShapeError(f"expected positions of shape ({len(radii)}, 3), received {positions.shape}")
    grown = radii + probe
    buried = np.zeros((len(radii), points), dtype=bool)
    pairs = cKDTree(positions).query_pairs(2.0 * float(grown.max(initial=0.0)), output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    sphere = _sphere(points)
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        i, j = pairs[start : start + PAIRS_AT_ONCE].T
        away = positions[j] - positions[i]
        square = np.sum(away * away, axis=1)
        near = square < (grown[i] + grown[j]) ** 2
        i, j, away, square = i[near], j[near], away[near], square[near]
        if not len(i):
            continue
        # A point r_i u lies in sphere j if |r_i u - d|^2 < r_j^2, that is u . d > (r_i^2 + d^2 - r_j^2) / (2 r_i).
        level = (grown[i] ** 2 + square - grown[j] ** 2) / (2.0 * grown[i])
        reach = sum(away[:, axis, None] * sphere[axis] for axis in range(3))
        inside = reach > level[:, None]
        begins = np.flatnonzero(np.concatenate([[True], i[1:] != i[:-1]]))
        buried[i[begins]] |= np.logical_or.reduceat(inside, begins, axis=0)
    share = 1.0 - buried.mean(axis=1)
    return np.asarray(4.0 * math.pi * grown**2 * share, dtype=np.float64)


def radius_of(element: str) -> float:
    """Give an element's radius [nm].

    Examples
    --------
    >>> radius_of("C")
    0.17
    """
    return RADII_NM.get(element, OTHER_RADIUS_NM)


@cache
def _sphere(points: int) -> Floats:
    """Spread unit vectors evenly over a sphere, shape (3, points): golden-section spiral."""
    n = np.arange(points) + 0.5
    z = 1.0 - 2.0 * n / points
    turn = n * math.pi * (3.0 - math.sqrt(5.0))
    wide = np.sqrt(1.0 - z * z)
    return np.stack([wide * np.cos(turn), wide * np.sin(turn), z])
