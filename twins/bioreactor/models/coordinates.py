"""The coordinates in which filter and ensemble move: whatever they do there, no concentration becomes negative.

    log        x = exp(z)                     for what grows in proportion to itself
    softplus   x = scale log(1 + exp(z))      near 0 a logarithm, above `scale` nearly x / scale
    linear     x = z

Every state is held between e^-30 and 1e12 of its scale, so that coordinates stay finite: nothing at all becomes a trace
of 1e-13 of the scale. `linear` has no lower end but -1e12.

Source
------
Softplus as in Dugas et al. 2001, Adv. Neural Inf. Process. Syst. 13:472; its inverse by expm1 is exact at both ends.
The two bounds are assumed: far below what any assay sees, far above what any vessel holds.
"""

from __future__ import annotations

import math

from twins.bioreactor.models.model import Array, Namespace, ProcessModel, StateInfo, stack

LEAST = math.exp(-30.0)  # of the scale
MOST = 1e12  # of the scale


def to_states(xp: Namespace, states: tuple[StateInfo, ...], z: Array) -> Array:
    """Give states from coordinates.

    Parameters
    ----------
    xp : namespace
        The array functions.
    z : array, shape (states, ...)
        Coordinates, any finite or infinite value.

    Returns
    -------
    array, shape (states, ...)
        States in their units, finite; above 0 where the coordinate is not linear.

    Examples
    --------
    >>> import numpy as np
    >>> from twins.bioreactor.models.yeast import STATES
    >>> x = np.array([5.0, 0.0, 0.2, 1.0])
    >>> np.round(to_states(np, STATES, to_coordinates(np, STATES, x)), 12).tolist()
    [5.0, 0.0, 0.2, 1.0]
    """
    return xp.stack([state_of(xp, state, z[i]) for i, state in enumerate(states)])


def to_coordinates(xp: Namespace, states: tuple[StateInfo, ...], x: Array) -> Array:
    """Give coordinates from states; 0 and less become the lowest one.

    Parameters
    ----------
    x : array, shape (states, ...)
        States in their units.

    Returns
    -------
    array, shape (states, ...)
        Finite coordinates.
    """
    return xp.stack([coordinate_of(xp, state, x[i]) for i, state in enumerate(states)])


def coordinate_rates(xp: Namespace, model: ProcessModel, t: Array, z: Array, u: Array, p: Array) -> Array:
    """Give dz/dt = rate / (dx/dz), finite everywhere.

    Parameters
    ----------
    t, u, p :
        As for `ProcessModel.rates`.
    z : array, shape (states, ...)
        Coordinates.

    Notes
    -----
    What is consumed vanishes with a rate in proportion to itself, so its dz/dt stays bounded by the model's rate
    constants. What is fed into next to nothing has a dz/dt of up to 1e13 per unit of scale and hour: right, but no
    explicit step in z can follow it. `integrate.rk4` changes the chart there; use it to move in time.
    """
    x = to_states(xp, model.states, z)
    rates = model.rates(xp, t, x, u, p)
    return stack(xp, *(rates[i] / slope_of(xp, state, x[i]) for i, state in enumerate(model.states)))


def state_of(xp: Namespace, state: StateInfo, z: Array) -> Array:
    """Give one state from its coordinate."""
    low, high = bounds(state)
    z = xp.minimum(xp.maximum(z, low), high)
    if state.coordinate == "log":
        return xp.exp(z)
    return state.scale * xp.logaddexp(z, 0.0 * z) if state.coordinate == "softplus" else z


def coordinate_of(xp: Namespace, state: StateInfo, x: Array) -> Array:
    """Give one coordinate from its state."""
    most = MOST * state.scale
    if state.coordinate == "linear":
        return xp.minimum(xp.maximum(x, -most), most)
    x = xp.minimum(xp.maximum(x, LEAST * state.scale), most)
    if state.coordinate == "log":
        return xp.log(x)
    y = x / state.scale
    return y + xp.log(-xp.expm1(-y))


def slope_of(xp: Namespace, state: StateInfo, x: Array) -> Array:
    """Give dx/dz at a state: above 0."""
    if state.coordinate == "log":
        return x
    return -state.scale * xp.expm1(-x / state.scale) if state.coordinate == "softplus" else xp.ones_like(x)


def bounds(state: StateInfo) -> tuple[float, float]:
    """Give the lowest and the highest coordinate."""
    if state.coordinate == "log":
        return math.log(LEAST * state.scale), math.log(MOST * state.scale)
    return (-30.0, MOST) if state.coordinate == "softplus" else (-MOST * state.scale, MOST * state.scale)
