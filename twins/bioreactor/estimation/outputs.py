"""What is believed of a model's outputs (viability, growth rate, oxygen uptake): mean, spread, quantiles.

An output of many rows is looked at along the one direction in which it varies most, where a quadrature in one dimension
follows its bend; across it, it is taken as flat.

Source
------
Gauss-Hermite quadrature: Abramowitz and Stegun 1964, 25.4.46. The direction is that of the gradient in standardised
coordinates, as in active subspaces (Constantine 2015, SIAM, ch. 1); exact for a function of a linear one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.estimation.batched import cholesky
from twins.bioreactor.estimation.joint import SPREADS, Joint, JointFilter
from twins.bioreactor.models.coordinates import state_of
from twins.bioreactor.models.model import Output, Rates

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
NODES: tuple[float, ...] = tuple(_NODES.tolist())
WEIGHTS: tuple[float, ...] = tuple((_WEIGHTS / _WEIGHTS.sum()).tolist())


def state_moments(filter_: JointFilter, joint: Joint) -> tuple[Floats, Floats]:
    """Give mean and standard deviation of each state in its unit, each of shape (s, n).

    Notes
    -----
    The mean is what has the least squared error; for a state that may have run out it is above the median.
    """
    mean = np.empty((len(filter_.states), joint.mean.shape[1]))
    sd = np.empty_like(mean)
    for row, state in enumerate(filter_.states):
        spread = np.sqrt(np.maximum(joint.covariance[row, row], 0.0))
        values = [state_of(np, state, joint.mean[row] + node * spread) for node in NODES]
        mean[row], sd[row] = _moments(values)
    return mean, sd


def output_moments(filter_: JointFilter, joint: Joint, output: Output, t: Floats, u: Floats) -> tuple[Floats, Floats]:
    """Give mean and standard deviation of an output, each of shape (n,).

    Parameters
    ----------
    output : Output
        One of the model's.
    t : array, shape (n,)
        Hours since the start.
    u : array, shape (inputs, n)
        Inputs.
    """
    along = _along(filter_, joint, output.of, t, u)
    return _moments([_at(filter_, joint, output.of, t, u, node * along) for node in NODES])


def output_quantiles(
    filter_: JointFilter, joint: Joint, output: Output, t: Floats, u: Floats, normal_quantiles: Floats
) -> Floats:
    """Give quantiles of an output, shape (q, n), at quantiles of the standard normal distribution, rising."""
    along = _along(filter_, joint, output.of, t, u)
    found = [_at(filter_, joint, output.of, t, u, z * along) for z in normal_quantiles.tolist()]
    return np.sort(np.stack(found), axis=0)


def _moments(values: list[Floats]) -> tuple[Floats, Floats]:
    mean = np.zeros_like(values[0])
    for weight, value in zip(WEIGHTS, values, strict=True):
        mean = mean + weight * value
    square = np.zeros_like(mean)
    for weight, value in zip(WEIGHTS, values, strict=True):
        square = square + weight * np.square(value - mean)
    return mean, np.sqrt(square)


def _along(filter_: JointFilter, joint: Joint, of: Rates, t: Floats, u: Floats) -> Floats:
    """Give the step of one standard deviation along which the output rises most, shape (m, n)."""
    m, gamma = filter_.layout.moving, SPREADS[filter_.lane]
    factor = cholesky(np.ascontiguousarray(joint.covariance[:m, :m]))
    along, length = np.zeros_like(joint.mean[:m]), np.zeros_like(joint.mean[0])
    for j in range(m):
        ahead = _at(filter_, joint, of, t, u, gamma * factor[:, j])
        behind = _at(filter_, joint, of, t, u, -gamma * factor[:, j])
        slope = ahead - behind
        along = along + slope * factor[:, j]
        length = length + slope * slope
    return along / np.sqrt(np.where(length > 0.0, length, 1.0))


def _at(filter_: JointFilter, joint: Joint, of: Rates, t: Floats, u: Floats, step: Floats) -> Floats:
    """Give the output a step away from the mean."""
    points = joint.mean[: filter_.layout.moving] + step
    x, p = filter_.physical(points, joint.volume)
    value: Floats = of(np, t, x, u, p)
    return np.broadcast_to(value, joint.volume.shape)
