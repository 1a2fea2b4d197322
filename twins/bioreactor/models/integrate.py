"""Moving a model in time: fixed steps for many units at once, and an accurate solution for one.

`rk4` is what filter, forecast and ensemble use: it works on arrays of any trailing shape, in coordinates, and keeps
every concentration above 0 at any step. `solve` is what `twinstream simulate` uses: adaptive, one unit at a time.

Source
------
Classical Runge-Kutta of fourth order (Kutta 1901). LSODA: Petzold 1983, SIAM J. Sci. Stat. Comput. 4:136, as in scipy.
Where we differ: for one step a softplus state that rises is stepped as itself, and one that falls as its coordinate.
Both are coordinates of the same equations, so the order stays 4; the first cannot be thrown off by a feed into next to
nothing, the second cannot fall below 0. One that begins to rise within its step gets no more than the largest rate of
the step, which a switch (the end of a lag) can cost an order once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from schemas.errors import SettingsError
from twins.bioreactor.models.coordinates import (
    LEAST,
    MOST,
    bounds,
    coordinate_of,
    slope_of,
    state_of,
    to_states,
)
from twins.bioreactor.models.model import Array, Namespace, ProcessModel, StateInfo, stack

Floats = NDArray[np.float64]

RELATIVE = 1e-8  # tolerance of `solve`, of each state
ABSOLUTE = 1e-3  # times the relative tolerance and the state's scale


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
    states = model.states
    x = to_states(xp, states, z)
    k1 = model.rates(xp, t, x, u, p)
    rising = [k1[i] >= 0.0 if state.coordinate == "softplus" else None for i, state in enumerate(states)]
    start = [z[i] if rising[i] is None else xp.where(rising[i], x[i], z[i]) for i in range(len(states))]
    half = 0.5 * hours

    def speed(x: Array, k: Array) -> list[Array]:
        return [_speed(xp, state, x[i], k[i], rising[i]) for i, state in enumerate(states)]

    def place(share: Array, v: list[Array], k: Array) -> Array:
        most = x + share * xp.maximum(k, 0.0)
        return stack(
            xp, *(_place(xp, state, start[i] + share * v[i], most[i], rising[i]) for i, state in enumerate(states))
        )

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
        _end(xp, state, start[i] + hours * (v1[i] + 2.0 * (v2[i] + v3[i]) + v4[i]) / 6.0, most[i], rising[i])
        for i, state in enumerate(states)
    ]
    return xp.where(hours > 0.0, stack(xp, *end), z)


def solve(
    model: ProcessModel,
    span: tuple[float, float],
    x: Floats,
    inputs: Callable[[float], Floats],
    p: Floats,
    at: Sequence[float] | Floats,
    rtol: float = RELATIVE,
) -> tuple[Floats, Floats]:
    """Integrate one unit accurately.

    Parameters
    ----------
    span : (float, float)
        From and to [h]; the inputs are smooth between.
    x : array, shape (states,)
        States at the beginning.
    inputs : callable
        Gives the inputs, shape (inputs,), at an hour.
    p : array, shape (parameters,)
        Parameters.
    at : sequence of float, or array
        Hours within the span at which the states are wanted, rising.
    rtol : float
        Relative tolerance of each state; the absolute one is 1e-3 of it times the state's scale.

    Returns
    -------
    array, shape (states, len(at)); array, shape (states,)
        States at those hours, and at the end; 0 or more where the coordinate is not linear.

    Raises
    ------
    SettingsError
        If it cannot be integrated: parameters or inputs beyond what the model is for.
    """
    floor = np.array([-np.inf if state.coordinate == "linear" else 0.0 for state in model.states])
    tolerance = rtol * ABSOLUTE * np.array([state.scale for state in model.states])

    def derivative(t: float, x: Floats) -> Floats:
        rates: Floats = model.rates(np, t, np.maximum(x, floor), inputs(t), p)
        return rates

    wanted = np.array([*at, span[1]])
    found = solve_ivp(derivative, span, x, method="LSODA", t_eval=np.unique(wanted), rtol=rtol, atol=tolerance)
    problem = "" if np.isfinite(found.y).all() else "values that are not finite"
    problem = problem if found.success else found.message
    if problem:
        raise SettingsError(
            f"expected {model.name} to be integrable from {span[0]:g} to {span[1]:g} h, received {problem}; "
            "check parameters, initial values and feeds against the model's range in docs/models.md"
        )
    states: Floats = np.maximum(found.y, floor[:, None])  # what is below 0 is within the absolute tolerance
    return states[:, : len(at)], states[:, -1]


def _place(xp: Namespace, state: StateInfo, w: Array, most: Array, rising: Array | None) -> Array:
    """Give a state from where it stands on the chart of this step, at most `most` where it falls."""
    if rising is None:
        return state_of(xp, state, w)
    itself = xp.minimum(xp.maximum(w, LEAST * state.scale), MOST * state.scale)
    return xp.where(rising, itself, xp.minimum(state_of(xp, state, w), xp.maximum(most, LEAST * state.scale)))


def _speed(xp: Namespace, state: StateInfo, x: Array, rate: Array, rising: Array | None) -> Array:
    through = rate / slope_of(xp, state, x)
    return through if rising is None else xp.where(rising, rate, through)


def _end(xp: Namespace, state: StateInfo, w: Array, most: Array, rising: Array | None) -> Array:
    """Give the coordinate from where the state ends on the chart of this step."""
    low, high = bounds(state)
    held = xp.minimum(xp.maximum(w, low), high)
    if rising is None:
        return held
    return xp.where(rising, coordinate_of(xp, state, w), xp.minimum(held, coordinate_of(xp, state, most)))
