"""Oxygen from gas to liquid: correlations for kLa, the balance, and kLa from a dynamic experiment.

Source
------
van 't Riet 1979, Ind. Eng. Chem. Process Des. Dev. 18:357: kLa = 0.026 (P/V)^0.4 vs^0.5 for coalescing liquids and
0.002 (P/V)^0.7 vs^0.2 for others, in 1/s with P/V in W/m3 and vs in m/s; about 20 to 40 % accurate. Dynamic method:
Bandyopadhyay and Humphrey 1967, Biotechnol. Bioeng. 9:533, here in integrated form, which needs no slope of noisy data.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ShapeError
from twins.bioreactor.models.model import Array

_SECONDS = 3600.0


class Transfer(NamedTuple):
    """What a dynamic experiment says."""

    kla: float  # [1/h]
    uptake: float  # OUR, in the unit of oxygen per hour


def kla_coalescing(power_per_volume: Array, gas_velocity: Array) -> Array:
    """Give kLa [1/h] in a coalescing liquid (water, thin media), from P/V [W/m3] and superficial gas velocity [m/s].

    Examples
    --------
    >>> round(kla_coalescing(1000.0, 0.01), 1)
    148.3
    """
    return _SECONDS * 0.026 * power_per_volume**0.4 * gas_velocity**0.5


def kla_non_coalescing(power_per_volume: Array, gas_velocity: Array) -> Array:
    """Give kLa [1/h] in a non-coalescing liquid (salts, antifoam-free media), from P/V [W/m3] and gas velocity [m/s].

    Examples
    --------
    >>> round(kla_non_coalescing(1000.0, 0.01), 1)
    360.9
    """
    return _SECONDS * 0.002 * power_per_volume**0.7 * gas_velocity**0.2


def oxygen_rate(kla: Array, saturation: Array, oxygen: Array, uptake: Array) -> Array:
    """Give dC/dt = kLa (C* - C) - OUR, in the unit of oxygen per hour."""
    return kla * (saturation - oxygen) - uptake


def fit_dynamic(hours: NDArray[np.float64], oxygen: NDArray[np.float64], saturation: float) -> Transfer:
    """Give kLa and uptake from oxygen that recovers after the gas was turned on again.

    Parameters
    ----------
    hours, oxygen : array, shape (n,)
        Times, rising [h], and dissolved oxygen; n at least 3.
    saturation : float
        C*, in the unit of `oxygen`.

    Returns
    -------
    Transfer
        By least squares of C(t) - C(0) = kLa integral(C* - C) - OUR t.

    Raises
    ------
    ShapeError
        If the two do not have the same length, or fewer than 3 points.

    Notes
    -----
    Valid for: a probe much faster than 1/kLa, uptake that is constant over the recovery. Not valid for: oxygen so low
    that uptake falls with it.
    """
    if hours.ndim != 1 or hours.shape != oxygen.shape or hours.size < 3:
        raise ShapeError(f"expected two series of equal length, 3 or more, received {hours.shape} and {oxygen.shape}")
    lacking = saturation - oxygen
    steps = np.diff(hours)
    driven = np.concatenate(([0.0], np.cumsum(0.5 * (lacking[1:] + lacking[:-1]) * steps)))
    known = np.stack([driven, hours[0] - hours], axis=1)
    (kla, uptake), *_ = np.linalg.lstsq(known, oxygen - oxygen[0], rcond=None)
    return Transfer(float(kla), float(uptake))
