"""What is added to a vessel at once or taken from it, and what that does to beliefs.

Source
------
The balance of `models/volume.py`. A coordinate's doubt follows its slope: dz'/dz = V/(V + v) (dx/dz)/(dx'/dz').
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.estimation.joint import Joint, JointFilter
from twins.bioreactor.models.coordinates import coordinate_of, slope_of, state_of

Floats = NDArray[np.float64]

LEAST_LITRES = 1e-9  # what a vessel holds at least: volumes are booked in whole nanolitres


def add_bolus(
    joint: Joint, filter_: JointFilter, litres: Floats, holds: Floats, kept: Sequence[int] = ()
) -> None:  # fmt: skip
    """Mix something in, in place.

    Parameters
    ----------
    litres : array, shape (n,)
        Volume added, 0 or more; 0 changes no bit.
    holds : array, shape (s, n)
        What it holds of each state, in its unit; only concentrations are looked at.
    kept : sequence of int
        Rows that are not diluted: of cells, where as much liquid was taken out without them.
    """
    added = litres > 0.0
    after = joint.volume + litres
    for row, state in enumerate(filter_.states):
        if state.role != "concentration" or row in kept:
            continue
        x = state_of(np, state, joint.mean[row])
        mixed = (x * joint.volume + holds[row] * litres) / after
        z = coordinate_of(np, state, mixed)
        scale = joint.volume / after * slope_of(np, state, x) / slope_of(np, state, state_of(np, state, z))
        joint.mean[row] = np.where(added, z, joint.mean[row])
        scale = np.where(added, scale, 1.0)
        joint.covariance[row] = joint.covariance[row] * scale
        joint.covariance[:, row] = joint.covariance[:, row] * scale
    joint.volume = np.where(added, after, joint.volume)


def draw_sample(joint: Joint, litres: Floats) -> None:
    """Take volume away, in place: concentrations stay as they are, and a vessel never holds nothing."""
    joint.volume = np.where(litres > 0.0, np.maximum(joint.volume - litres, LEAST_LITRES), joint.volume)
