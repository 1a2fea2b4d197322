"""Moving a model in time by fixed steps, many units at once: what filter, forecast and ensemble use.

`rk4` works on arrays of any trailing shape, in coordinates, and keeps every concentration above 0 at any step. One unit
is solved accurately by `solve.py`.

Source
------
Classical Runge-Kutta of fourth order (Kutta 1901).
Where we differ: for one step a softplus state that rises is stepped as itself, and one that falls as its coordinate.
Both are coordinates of the same equations, so the order stays 4; the first cannot be thrown off by a feed into next to
nothing, the second cannot fall below 0. One that begins to rise within its step gets no more than the largest rate of
the step, which a switch (the end of a lag) can cost an order once.
"""

from __future__ import annotations

from twins.bioreactor.models.coordinates import (
    LEAST,
    MOST,
    Chart,
    bounds,
    charts,
    coordinate_of,
    join,
    slope_of,
    state_of,
    to_states,
)
from twins.bioreactor.models.model import Array, Namespace, ProcessModel


def rk4(xp: Namespace, model: ProcessModel, t: Array, hours: Array, z: Array, u: Array, p: Array) -> Array:
    """Carry coordinates one step forward.

    Parameters
    ----------
    xp : namespace
        The array functions.
    t : float or array
        Hours since the start.
    hours : float or array
        Length of the step, 0 or more; 0 leaves a unit bit for bit as it is. At most `model.step_hours` for accuracy.
    z : array, shape (states, ...)
        Coordinates (`coordinates.to_coordinates`).
    u, p : array, shape (inputs, ...) and (parameters, ...)
        Inputs, held over the step, and parameters.

    Returns
    -------
    array, shape (states, ...)
        Coordinates after the step, finite at any length of step.

    Notes
    -----
    Explicit: stable while the fastest rate constant times the step stays under 2.78. A longer step gives wrong but
    finite and non-negative states.
    """
    of = charts(model.states, len(z.shape) - 1)
    x = to_states(xp, model.states, z)
    k1 = model.rates(xp, t, x, u, p)
    rising = [k1[one.place] >= 0.0 if one.coordinate == "softplus" else None for one in of]
    start = [
        z[one.place] if up is None else xp.where(up, x[one.place], z[one.place])
        for one, up in zip(of, rising, strict=True)
    ]
    half = 0.5 * hours

    def speed(x: Array, k: Array) -> list[Array]:
        return [_speed(xp, one, x[one.place], k[one.place], up) for one, up in zip(of, rising, strict=True)]

    def place(share: Array, v: list[Array], k: Array) -> Array:
        most = x + share * xp.maximum(k, 0.0)
        steps = zip(of, start, v, rising, strict=True)
        return join(xp, [_place(xp, one, s + share * w, most[one.place], up) for one, s, w, up in steps])

    v1 = speed(x, k1)
    x2 = place(half, v1, k1)
    k2 = model.rates(xp, t + half, x2, u, p)
    v2 = speed(x2, k2)
    x3 = place(half, v2, k2)
    k3 = model.rates(xp, t + half, x3, u, p)
    v3 = speed(x3, k3)
    x4 = place(hours, v3, k3)
    k4 = model.rates(xp, t + hours, x4, u, p)
    v4 = speed(x4, k4)
    most = x + hours * xp.maximum(xp.maximum(xp.maximum(k1, k2), xp.maximum(k3, k4)), 0.0)
    end = [
        _end(xp, one, s + hours * (w1 + 2.0 * (w2 + w3) + w4) / 6.0, most[one.place], up)
        for one, s, w1, w2, w3, w4, up in zip(of, start, v1, v2, v3, v4, rising, strict=True)
    ]
    return xp.where(hours > 0.0, join(xp, end), z)


def _place(xp: Namespace, state: Chart, w: Array, most: Array, rising: Array | None) -> Array:
    """Give a state from where it stands on the chart of this step, at most `most` where it falls."""
    if rising is None:
        return state_of(xp, state, w)
    itself = xp.minimum(xp.maximum(w, LEAST * state.scale), MOST * state.scale)
    return xp.where(rising, itself, xp.minimum(state_of(xp, state, w), xp.maximum(most, LEAST * state.scale)))


def _speed(xp: Namespace, state: Chart, x: Array, rate: Array, rising: Array | None) -> Array:
    through = rate / slope_of(xp, state, x)
    return through if rising is None else xp.where(rising, rate, through)


def _end(xp: Namespace, state: Chart, w: Array, most: Array, rising: Array | None) -> Array:
    """Give the coordinate from where the state ends on the chart of this step."""
    low, high = bounds(state)
    held = xp.minimum(xp.maximum(w, low), high)
    if rising is None:
        return held
    return xp.where(rising, coordinate_of(xp, state, w), xp.minimum(held, coordinate_of(xp, state, most)))
