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
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twins.bioreactor.models.model import Array, Coordinate, Namespace, ProcessModel, StateInfo

LEAST = math.exp(-30.0)  # of the scale
MOST = 1e12  # of the scale


@dataclass(frozen=True, slots=True)
class Chart:
    """States that follow each other and share a coordinate, to be moved in one go: what a `StateInfo` says of one.

    `place` is where they stand; `scale`, `low` and `high` (of the coordinate) are columns of shape (k, 1, ...).
    """

    place: slice
    coordinate: Coordinate
    scale: Array
    low: Array
    high: Array


@lru_cache(maxsize=256)
def charts(states: tuple[StateInfo, ...], axes: int) -> tuple[Chart, ...]:
    """Give the charts of a model's states, for arrays with so many trailing axes."""
    found: list[Chart] = []
    first = 0
    for after in range(1, len(states) + 1):
        if after < len(states) and states[after].coordinate == states[first].coordinate:
            continue
        some = states[first:after]
        scale, low, high = (
            np.array(values, dtype=np.float64).reshape(-1, *[1] * axes)
            for values in (
                [one.scale for one in some],
                [bounds(one)[0] for one in some],
                [bounds(one)[1] for one in some],
            )
        )
        found.append(Chart(slice(first, after), some[0].coordinate, scale, low, high))
        first = after
    return tuple(found)


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
    return join(xp, [state_of(xp, chart, z[chart.place]) for chart in charts(states, len(z.shape) - 1)])


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
    return join(xp, [coordinate_of(xp, chart, x[chart.place]) for chart in charts(states, len(x.shape) - 1)])


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
    of = charts(model.states, len(x.shape) - 1)
    return join(xp, [rates[chart.place] / slope_of(xp, chart, x[chart.place]) for chart in of])


def join(xp: Namespace, parts: list[Array]) -> Array:
    """Put the parts of all charts together again."""
    return parts[0] if len(parts) == 1 else xp.concat(parts)


def state_of(xp: Namespace, state: StateInfo | Chart, z: Array) -> Array:
    """Give one state, or those of a chart, from the coordinate."""
    low, high = bounds(state)
    z = xp.minimum(xp.maximum(z, low), high)
    if state.coordinate == "log":
        return xp.exp(z)
    return state.scale * xp.logaddexp(z, 0.0 * z) if state.coordinate == "softplus" else z


def coordinate_of(xp: Namespace, state: StateInfo | Chart, x: Array) -> Array:
    """Give one coordinate, or those of a chart, from the state."""
    most = MOST * state.scale
    if state.coordinate == "linear":
        return xp.minimum(xp.maximum(x, -most), most)
    x = xp.minimum(xp.maximum(x, LEAST * state.scale), most)
    if state.coordinate == "log":
        return xp.log(x)
    y = x / state.scale
    return y + xp.log(-xp.expm1(-y))


def slope_of(xp: Namespace, state: StateInfo | Chart, x: Array) -> Array:
    """Give dx/dz at a state: above 0."""
    if state.coordinate == "log":
        return x
    return -state.scale * xp.expm1(-x / state.scale) if state.coordinate == "softplus" else xp.ones_like(x)


def bounds(state: StateInfo | Chart) -> tuple[Array, Array]:
    """Give the lowest and the highest coordinate."""
    if isinstance(state, Chart):
        return state.low, state.high
    if state.coordinate == "log":
        return math.log(LEAST * state.scale), math.log(MOST * state.scale)
    return (-30.0, MOST) if state.coordinate == "softplus" else (-MOST * state.scale, MOST * state.scale)
