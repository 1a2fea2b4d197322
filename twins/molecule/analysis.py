"""What a set of coordinates says of a molecule's shape: RMSD, radius of gyration, contacts. Pure functions, in nm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from schemas.errors import ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_SEPARATION = 4  # residues apart in the chain: |i - j| > 3 (Best, Hummer & Eaton 2013)


def rmsd(positions: Floats, reference: Floats) -> float:
    """Give the root mean square deviation of two sets of points, after the best superposition.

    Parameters
    ----------
    positions, reference : array, shape (n, 3)
        The same n points, in the same order; any unit.

    Returns
    -------
    float
        In that unit. A mirror image is not superposed on its original: rotations only.

    Raises
    ------
    ShapeError
        If the shapes are not that.

    Notes
    -----
    The residual is summed after the rotation: the shorter form, from the singular values alone, loses half the digits
    where the two are nearly equal.

    Source
    ------
    Kabsch, "A solution for the best rotation to relate two sets of vectors", Acta Cryst. A32 (1976) 922; the sign of
    the determinant as in Kabsch, Acta Cryst. A34 (1978) 827.

    Examples
    --------
    >>> square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    >>> turned = square[:, [1, 2, 0]] + 5.0
    >>> round(rmsd(turned, square), 12)
    0.0
    """
    if positions.shape != reference.shape or positions.ndim != 2 or positions.shape[1] != 3 or not len(positions):
        raise ShapeError(f"expected two arrays of shape (n, 3), received {positions.shape} and {reference.shape}")
    a, b = positions - positions.mean(axis=0), reference - reference.mean(axis=0)
    # Sums element by element, not BLAS: the same bits however many threads it has.
    covariance = np.array([[np.sum(a[:, i] * b[:, j]) for j in range(3)] for i in range(3)])
    left, _, right = np.linalg.svd(covariance)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    rotation = (left * signs) @ right
    turned = np.stack([sum(a[:, i] * rotation[i, j] for i in range(3)) for j in range(3)], axis=1)
    return float(np.sqrt(np.sum((turned - b) ** 2) / len(a)))


def radius_of_gyration(positions: Floats, masses: Floats) -> float:
    """Give the radius of gyration, sqrt(sum m |r - r_c|^2 / sum m), with r_c the centre of mass.

    Parameters
    ----------
    positions : array, shape (n, 3)
    masses : array, shape (n,)
        Any unit; their sum above 0.

    Source
    ------
    Flory, "Statistical Mechanics of Chain Molecules" (1969), ch. I, with masses as weights.

    Examples
    --------
    >>> radius_of_gyration(np.array([[0.0, 0, 0], [2.0, 0, 0]]), np.array([1.0, 1.0]))
    1.0
    """
    total = float(np.sum(masses))
    if masses.shape != positions.shape[:1] or not total > 0:
        raise ShapeError(f"expected a mass for each of {len(positions)} points, received shape {masses.shape}")
    centre = np.sum(positions * masses[:, None], axis=0) / total
    return float(np.sqrt(np.sum(masses * np.sum((positions - centre) ** 2, axis=1)) / total))


@dataclass(frozen=True, slots=True)
class Residues:
    """Where each of n heavy atoms belongs: its residue, counted along its chain, and its chain. Arrays (n,)."""

    residue: Ints
    chain: Ints


def contacts(positions: Floats, belongs: Residues, cutoff: float) -> Ints:
    """Give the pairs of heavy atoms nearer than a cutoff, in residues that are no neighbours.

    Parameters
    ----------
    positions : array, shape (n, 3)
        Heavy atoms [nm].
    belongs : Residues
    cutoff : float
        [nm]; 0.45 in the source.

    Returns
    -------
    array, shape (m,)
        Each pair (i, j), i < j, as the number i * n + j, ascending. Counted are pairs of different chains, and of
        residues more than 3 apart in one.

    Source
    ------
    Best, Hummer & Eaton, "Native contacts determine protein folding mechanisms in atomistic simulations", PNAS 110
    (2013) 17874: heavy atoms, 0.45 nm, |i - j| > 3. There a contact fades with distance; here it is there or not.
    """
    pairs = cKDTree(positions).query_pairs(cutoff, output_type="ndarray").astype(np.int64)
    i, j = pairs.min(axis=1, initial=len(positions)), pairs.max(axis=1, initial=-1)
    apart = np.abs(belongs.residue[i] - belongs.residue[j]) >= LEAST_SEPARATION
    kept = apart | (belongs.chain[i] != belongs.chain[j])
    return np.sort(i[kept] * len(positions) + j[kept])


def share_kept(now: Ints, first: Ints) -> float:
    """Give which share of the first contacts are there now; 1 where there were none.

    Examples
    --------
    >>> share_kept(np.array([3, 7]), np.array([3, 5, 7, 9]))
    0.5
    """
    return float(np.isin(first, now, assume_unique=True).mean()) if len(first) else 1.0
