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
from twins.bioreactor.models.coordinates import to_states
from twins.bioreactor.models.model import Output

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
    middle, spread = joint.mean[: len(filter_.states)], filter_.sd(joint)
    return _moments([to_states(np, filter_.states, middle + node * spread) for node in NODES])


class OutputView:
    """A belief, ready to be looked at through its model's outputs: what they share is worked out once.

    Parameters
    ----------
    t : array, shape (n,)
        Hours since the start.
    u : array, shape (inputs, n)
        Inputs.
    """

    def __init__(self, filter_: JointFilter, joint: Joint, t: Floats, u: Floats) -> None:
        m = filter_.layout.moving
        self._filter, self._joint, self._t, self._u = filter_, joint, t, u
        self._factor = cholesky(np.ascontiguousarray(joint.covariance[:m, :m]))

    def along(self, output: Output) -> Floats:
        """Give the step of one standard deviation along which an output rises most, shape (m, n)."""
        gamma, factor = SPREADS[self._filter.lane], self._factor
        steps = gamma * factor
        rises = self._at(output, np.concatenate([steps, -steps], axis=1))
        slopes = rises[: len(factor)] - rises[len(factor) :]
        along, length = np.zeros_like(factor[:, 0]), np.zeros_like(self._joint.mean[0])
        for j, slope in enumerate(slopes):
            along = along + slope * factor[:, j]
            length = length + slope * slope
        return along / np.sqrt(np.where(length > 0.0, length, 1.0))

    def moments(self, output: Output, along: Floats) -> tuple[Floats, Floats]:
        """Give mean and standard deviation of an output, each of shape (n,)."""
        return _moments(list(self._at(output, _NODES[:, None] * along[:, None])))

    def quantiles(self, output: Output, along: Floats, normal_quantiles: Floats) -> Floats:
        """Give quantiles of an output, shape (q, n), at quantiles of the standard normal distribution, rising."""
        return np.sort(self._at(output, normal_quantiles[:, None] * along[:, None]), axis=0)

    def _at(self, output: Output, steps: Floats) -> Floats:
        """Give the output at k steps away from the mean, shape (m, k, n); its shape is (k, n)."""
        joint = self._joint
        points = joint.mean[: len(self._factor), None] + steps
        x, p = self._filter.physical(points, joint.volume, joint.values)
        value: Floats = output.of(np, self._t, x, self._u[:, None], p)
        return np.broadcast_to(value, points.shape[1:])


def output_moments(filter_: JointFilter, joint: Joint, output: Output, t: Floats, u: Floats) -> tuple[Floats, Floats]:
    """Give mean and standard deviation of one output, as `OutputView` does."""
    view = OutputView(filter_, joint, t, u)
    return view.moments(output, view.along(output))


def output_quantiles(
    filter_: JointFilter, joint: Joint, output: Output, t: Floats, u: Floats, normal_quantiles: Floats
) -> Floats:
    """Give quantiles of one output, as `OutputView` does."""
    view = OutputView(filter_, joint, t, u)
    return view.quantiles(output, view.along(output), normal_quantiles)


def _moments(values: list[Floats]) -> tuple[Floats, Floats]:
    mean = np.zeros_like(values[0])
    for weight, value in zip(WEIGHTS, values, strict=True):
        mean = mean + weight * value
    square = np.zeros_like(mean)
    for weight, value in zip(WEIGHTS, values, strict=True):
        square = square + weight * np.square(value - mean)
    return mean, np.sqrt(square)
