"""An unfinished run on the plane of finished ones: T2 and SPE at each point of maturity, one point at a time.

The future is treated as missing: scores come from the trimmed scores of what was seen, by the operator of the point
(PMP or TSR, `missing.py`). A tag missing at a point gets what the model says of it from the points before; it counts
in no SPE. SPE at a point is that of the point's own values.

Source
------
Nomikos and MacGregor 1995, Technometrics 37:41, section 4; Garcia-Munoz, Kourti and MacGregor 2004, Ind. Eng. Chem.
Res. 43:5929.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twins.monitoring.alignment import between_rows
from twins.monitoring.contributions import spe_contributions, t2_contributions_so_far
from twins.monitoring.pca import Floats, Integers, Scaling, autoscale


class Plane(NamedTuple):
    """The model plane of k points, j tags and a components, and how to find a run on it before its end."""

    mean: Floats  # (k, j)
    sd: Floats  # (k, j); 0 carries no weight
    loadings: Floats  # (k, j, a), orthonormal as (k j, a)
    variances: Floats  # (a,) or more
    operators: Floats  # (k, a, a): scores = B_k trimmed scores


class Point(NamedTuple):
    """What one point gives for n units."""

    scores: Floats  # (n, a)
    trimmed: Floats  # (n, j, a)
    z: Floats  # (n, j), missing values filled
    t2: Floats  # (n,)
    spe: Floats  # (n,); NaN where no tag is known
    t2_parts: Floats  # (n, j)
    spe_parts: Floats  # (n, j)


@dataclass(frozen=True, slots=True)
class SoFar:
    """What n units need between rows. 8 (j a + 2 j + 2) bytes a unit."""

    point: Integers  # (n,): last point reached, -1 for none
    trimmed: Floats  # (n, j, a)
    maturity: Floats  # (n,): of the last row
    last: Floats  # (n, j): last known value of each tag
    last_at: Floats  # (n, j): its maturity

    @classmethod
    def start(cls, plane: Plane, n: int) -> SoFar:
        """Give the state of n units that have said nothing yet."""
        _, j, a = plane.loadings.shape
        return cls(
            np.full(n, -1, np.int64), np.zeros((n, j, a)), np.full(n, -np.inf), np.full((n, j), np.nan),
            np.full((n, j), np.nan),
        )  # fmt: skip

    @property
    def bytes_per_unit(self) -> int:
        """Give the size of one unit's state."""
        arrays = (self.point, self.trimmed, self.maturity, self.last, self.last_at)
        return sum(one.nbytes for one in arrays) // max(1, len(self.point))


class Observed(NamedTuple):
    """The state after a row, and what its newest point gave."""

    so_far: SoFar
    point: Point


def take_point(plane: Plane, point: Integers, values: Floats, trimmed: Floats) -> Point:
    """Add one point of maturity to what was seen. Sums run over tags and components, never across units.

    Parameters
    ----------
    plane : Plane
    point : array of int, shape (n,)
        Which point each unit has reached.
    values : array, shape (n, j)
        The tags at it; NaN where missing.
    trimmed : array, shape (n, j, a)
        Trimmed scores up to the point before, by tag.
    """
    loadings, operators = plane.loadings[point], plane.operators[point]
    n, j, a = loadings.shape
    z = autoscale(values, Scaling(plane.mean[point], plane.sd[point]))
    known = ~np.isnan(z)
    if not known.all():
        before = _scores(plane.operators[np.maximum(point - 1, 0)], trimmed)
        z = np.where(known, z, _expected(loadings, before))
    trimmed = trimmed + z[:, :, None] * loadings
    scores = _scores(operators, trimmed)
    weighted = scores / plane.variances[:a]
    t2 = np.zeros(n)
    weights = np.zeros((n, a))
    for one in range(a):
        t2 += scores[:, one] * weighted[:, one]
        weights += weighted[:, one, None] * operators[:, one, :]
    # where nothing varied in training nothing is known of the residual either
    residual = np.where(known & (plane.sd[point] > 0), z - _expected(loadings, scores), 0.0)
    parts = spe_contributions(residual)
    spe = np.zeros(n)
    for tag in range(j):
        spe += parts[:, tag]
    spe = np.where(known.any(axis=1), spe, np.nan)
    return Point(scores, trimmed, z, t2, spe, t2_contributions_so_far(trimmed, weights), parts)


def observe(plane: Plane, grid: Floats, gap: float, maturity: Floats, values: Floats, so_far: SoFar) -> Observed:
    """Take in one row of each of n units, and score those that reached a new point of the grid with it.

    Parameters
    ----------
    plane : Plane
    grid : array, shape (k,)
        Maturity of the points.
    gap : float
        Widest step of maturity that is bridged.
    maturity : array, shape (n,)
        Of the row; one below the row before counts as that, NaN as no progress.
    values : array, shape (n, j)
        NaN where missing.
    so_far : SoFar
        Left as it was.

    Returns
    -------
    Observed
        A unit that passed several points at once has the last of them; one that passed none has NaN in `t2` and
        `spe`, and its last score stands.
    """
    n, j, a = so_far.trimmed.shape
    maturity = np.fmax(so_far.maturity, maturity)
    point, trimmed = so_far.point.copy(), so_far.trimmed.copy()
    nothing = np.full(n, np.nan)
    found = Point(
        np.zeros((n, a)), trimmed, np.zeros((n, j)), nothing, nothing.copy(), np.zeros((n, j)), np.zeros((n, j))
    )
    while True:
        following = np.minimum(point + 1, len(grid) - 1)
        due = np.flatnonzero((point + 1 < len(grid)) & (grid[following] <= maturity))
        if not len(due):
            break
        at, here = grid[following[due], None], maturity[due, None]
        there = between_rows(at, so_far.last_at[due], so_far.last[due], here, values[due], gap)
        taken = take_point(plane, following[due], there, trimmed[due])
        for whole, part in zip(found, taken, strict=True):
            whole[due] = part
        point[due] += 1
    known = ~np.isnan(values)
    last = np.where(known, values, so_far.last)
    last_at = np.where(known, maturity[:, None], so_far.last_at)
    return Observed(SoFar(point, trimmed, maturity, last, last_at), found)


def take_all(plane: Plane, values: Floats) -> list[Point]:
    """Take every point of n whole runs in turn, values of shape (n, k, j)."""
    _, j, a = plane.loadings.shape
    trimmed = np.zeros((len(values), j, a))
    points = []
    for number in range(values.shape[1]):
        point = take_point(plane, np.full(len(values), number), values[:, number], trimmed)
        trimmed = point.trimmed
        points.append(point)
    return points


def whole_run_spe(plane: Plane, values: Floats, scores: Floats) -> Floats:
    """Give the SPE of whole runs: the squared residuals of all points on their final scores, shape (n,)."""
    total = np.zeros(len(values))
    for number in range(values.shape[1]):
        z = autoscale(values[:, number], Scaling(plane.mean[number], plane.sd[number]))
        residual = z - _expected(np.broadcast_to(plane.loadings[number], (len(z), *plane.loadings.shape[1:])), scores)
        for tag in range(z.shape[1]):
            known = ~np.isnan(z[:, tag]) & (plane.sd[number, tag] > 0)
            total += np.where(known, residual[:, tag] * residual[:, tag], 0.0)
    return total


def _scores(operators: Floats, trimmed: Floats) -> Floats:
    """Estimate scores, shape (n, a), from trimmed scores by tag, with one operator a unit."""
    n, j, a = trimmed.shape
    total = np.zeros((n, a))
    for tag in range(j):
        total += trimmed[:, tag, :]
    scores = np.zeros((n, a))
    for one in range(a):
        scores += operators[:, :, one] * total[:, one, None]
    return scores


def _expected(loadings: Floats, scores: Floats) -> Floats:
    """Give what the plane says of the tags at a point, shape (n, j)."""
    expected = np.zeros(loadings.shape[:2])
    for one in range(scores.shape[1]):
        expected += scores[:, one, None] * loadings[:, :, one]
    return expected
