"""Moving a stiff model in time, many units at once: linearly implicit steps, as many as each unit needs.

A culture that uses its substrate up within seconds holds it at a balance that an explicit step must follow; an implicit
one need not. `rosenbrock` is one step with a measure of its error, on any array namespace. `carry` covers a given time
in steps of that time divided by powers of two, chosen for each unit by that measure. Which units stand beside it
changes no bit of a unit: all is done element by element, and steps are chosen by comparisons alone.

Source
------
RODAS3: Sandu et al. 1997, Atmos. Environ. 31:3459, table 2: order 3 with an embedded 2, four stages, three evaluations
of the rates, stiffly accurate and L-stable, gamma 1/2; written as there, the stages multiplied by h gamma.
Where we differ: derivatives are differences of the rates. As in `integrate.rk4`, for one step a softplus state that
rises is stepped as itself, and one that falls as its coordinate, in which running out is no stiff event.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.models.coordinates import (
    LEAST,
    MOST,
    bounds,
    coordinate_of,
    slope_of,
    state_of,
    to_states,
)
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.models.model import Array, Namespace, ProcessModel, StateInfo, stack

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GAMMA = 0.5
C43 = -8.0 / 3.0
NUDGE = 1e-7  # of a state's size: its difference for a derivative, about the root of what rounding leaves
TOLERANCE = 2e-5  # of a state's size: error of one step
SMALLEST = 0.01  # of a state's scale: its least size
TRACE = -20.0  # a coordinate below is 2e-9 of the scale or less: whether it is half as much again is all the same
OF_TRACES = 1e-3
GROWN = 10.0  # a state's size within a step at most, so that one thrown off cannot excuse its own error
DEEPEST = 12  # halvings of the time to cover at most; a step as short is taken by `rk4` where it is still not good
DOUBLED = 1.0 / 16.0  # an error below stays good in a step twice as long: 2^3, and as much again to spare


def rosenbrock(
    xp: Namespace, model: ProcessModel, t: Array, hours: Array, z: Array, u: Array, p: Array
) -> tuple[Array, Array]:
    """Carry coordinates one step forward.

    Parameters
    ----------
    t : float or array
        Hours since the start.
    hours : float or array
        Length of the step, 0 or more.
    z : array, shape (states, ...)
        Coordinates (`coordinates.to_coordinates`).
    u, p : array, shape (inputs, ...) and (parameters, ...)
        Inputs, held over the step, and parameters.

    Returns
    -------
    array, shape (states, ...); array, shape (...)
        Coordinates after the step, and its error over what is allowed: good at 1 or less. No number is not good.
    """
    states, middle = model.states, t + 0.5 * hours
    x = to_states(xp, states, z)
    k = model.rates(xp, middle, x, u, p)
    rising = [k[i] >= 0.0 if state.coordinate == "softplus" else None for i, state in enumerate(states)]
    w = [z[i] if rising[i] is None else xp.where(rising[i], x[i], z[i]) for i in range(len(states))]

    def speed(w: list[Array]) -> list[Array]:
        x = stack(xp, *(_place(xp, state, w[i], rising[i]) for i, state in enumerate(states)))
        k = model.rates(xp, middle, x, u, p)
        return [_speed(xp, state, x[i], k[i], rising[i]) for i, state in enumerate(states)]

    v = [_speed(xp, state, x[i], k[i], rising[i]) for i, state in enumerate(states)]
    reach = GAMMA * hours
    matrix = _matrix(xp, states, speed, w, v, rising, reach)
    factor(matrix)
    k1 = solved(matrix, [reach * a for a in v])
    k2 = solved(matrix, [reach * a + 2.0 * b for a, b in zip(v, k1, strict=True)])
    v = speed([a + 2.0 * b for a, b in zip(w, k1, strict=True)])
    k3 = solved(matrix, [reach * a + 0.5 * (b - c) for a, b, c in zip(v, k1, k2, strict=True)])
    w4 = [a + 2.0 * b + c for a, b, c in zip(w, k1, k3, strict=True)]
    v = speed(w4)
    k4 = solved(
        matrix,
        [reach * a + 0.5 * (b - c) + 0.5 * C43 * d for a, b, c, d in zip(v, k1, k2, k3, strict=True)],
    )
    end = [a + b for a, b in zip(w4, k4, strict=True)]
    error = 0.0 * x[0]
    for i, state in enumerate(states):
        before, after = (_size(xp, state, one, rising[i]) for one in (w[i], end[i]))
        share = k4[i] / (TOLERANCE * xp.minimum(after, GROWN * before))
        if state.coordinate == "softplus":
            share = xp.where(z[i] < TRACE, OF_TRACES * share, share)
        error = xp.maximum(error, xp.maximum(share, -share))
    moved = stack(xp, *(_end(xp, state, end[i], rising[i]) for i, state in enumerate(states)))
    return xp.where(hours > 0.0, moved, z), error


def carry(model: ProcessModel, t: Array, hours: Array, z: Floats, u: Array, p: Array, apart: bool = True) -> Floats:
    """Carry coordinates over a time of any length, in steps chosen by their error.

    Parameters
    ----------
    t, hours : float or array, shape (n,)
        Hours since the start, and time to cover, 0 or more [h]; 0 leaves a unit bit for bit as it is.
    z : array, shape (states, ..., n)
        Coordinates.
    u, p : array, or sequence of arrays
        Rows of inputs and of parameters, each a number or broadcasting to the trailing axes of `z`.
    apart : bool
        Whether all of one unit, such as its sigma points, choose steps for themselves. They must not where their
        differences are derivatives: the same steps make them differences of one smooth map.

    Returns
    -------
    array, shape (states, ..., n)
        Coordinates after that time, finite.
    """
    shape = z.shape[1:]
    if apart:
        z = z.reshape(len(z), -1)
        t, hours = (_flat(one, shape) for one in (t, hours))
        u, p = ([_flat(row, shape) for row in rows] for rows in (u, p))
    n = z.shape[-1]
    time, span = (np.broadcast_to(np.asarray(one, dtype=np.float64), (n,)) for one in (t, hours))
    found = np.array(z, order="C")
    whole = 1 << DEEPEST
    done, level = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    active = np.nonzero(span > 0.0)[0]
    with np.errstate(all="ignore"):  # a step too long may overflow; it is not taken
        while len(active):
            ticks = whole >> level[active]
            step = span[active] * (ticks / whole)
            at = time[active] + span[active] * (done[active] / whole)
            now = np.take(found, active, axis=-1)
            some = [_rows(one, n, active) for one in (u, p)]
            moved, error = rosenbrock(np, model, at, step, now, *some)
            worst = error.reshape(-1, len(active)).max(axis=0)
            good = worst <= 1.0
            forced = np.nonzero(~good & (level[active] == DEEPEST))[0]
            if len(forced):
                moved[..., forced] = rk4(
                    np, model, at[forced], step[forced], np.take(now, forced, axis=-1),
                    *(_rows(one, len(active), forced) for one in some),
                )  # fmt: skip
                good[forced] = True
            found[..., active[good]] = moved[..., good]
            done[active] += np.where(good, ticks, 0)
            deeper = 1 + (worst > 8.0) + ~(worst <= 512.0)
            level[active] = np.where(good, level[active], np.minimum(level[active] + deeper, DEEPEST))
            longer = good & (worst <= DOUBLED) & (done[active] % (2 * ticks) == 0) & (level[active] > 0)
            level[active] -= longer
            active = active[done[active] < whole]
    return found.reshape(len(found), *shape)


def factor(matrix: list[list[Array]]) -> None:
    """Factor small matrices, one a unit, in place: rows of arrays; L below the diagonal, 1 on it, U in its place.

    Source
    ------
    Golub and Van Loan 2013, Matrix Computations, algorithm 3.2.1, no rows exchanged: the diagonal wins in a step that
    is short enough, and one that is not shows in its error.

    Examples
    --------
    >>> matrix = [[2.0, 1.0], [4.0, 5.0]]
    >>> factor(matrix)
    >>> matrix
    [[2.0, 1.0], [2.0, 3.0]]
    >>> solved(matrix, [4.0, 14.0])
    [1.0, 2.0]
    """
    for k, pivots in enumerate(matrix):
        for row in matrix[k + 1 :]:
            row[k] = row[k] / pivots[k]
            for j in range(k + 1, len(matrix)):
                row[j] = row[j] - row[k] * pivots[j]


def solved(matrix: list[list[Array]], right: list[Array]) -> list[Array]:
    """Give the solution of what `factor` has factored."""
    found = list(right)
    for i, row in enumerate(matrix):
        for j in range(i):
            found[i] = found[i] - row[j] * found[j]
    for i in range(len(matrix) - 1, -1, -1):
        for j in range(i + 1, len(matrix)):
            found[i] = found[i] - matrix[i][j] * found[j]
        found[i] = found[i] / matrix[i][i]
    return found


def _matrix(
    xp: Namespace,
    states: tuple[StateInfo, ...],
    speed: Callable[[list[Array]], list[Array]],
    w: list[Array],
    v: list[Array],
    rising: list[Array | None],
    reach: Array,
) -> list[list[Array]]:
    """Give 1 - h gamma J, J the derivatives of the speeds, as rows of arrays."""
    rows: list[list[Array]] = [[] for _ in states]
    for j, state in enumerate(states):
        nudge = NUDGE * _size(xp, state, w[j], rising[j])
        moved = speed([one + nudge if i == j else one for i, one in enumerate(w)])
        for i, row in enumerate(rows):
            slope = (moved[i] - v[i]) / nudge
            row.append(1.0 - reach * slope if i == j else -reach * slope)
    return rows


def _size(xp: Namespace, state: StateInfo, w: Array, rising: Array | None) -> Array:
    """Give what a state's errors are held against, where it stands on the chart of this step."""
    if state.coordinate == "log":
        return xp.ones_like(w)
    if rising is None:
        return xp.maximum(xp.maximum(w, -w), state.scale)
    return xp.where(rising, xp.maximum(w, SMALLEST * state.scale), xp.maximum(w, 1.0 - w))


def _place(xp: Namespace, state: StateInfo, w: Array, rising: Array | None) -> Array:
    """Give a state from where it stands on the chart of this step."""
    if rising is None:
        return state_of(xp, state, w)
    return xp.where(rising, xp.minimum(xp.maximum(w, LEAST * state.scale), MOST * state.scale), state_of(xp, state, w))


def _speed(xp: Namespace, state: StateInfo, x: Array, rate: Array, rising: Array | None) -> Array:
    through = rate / slope_of(xp, state, x)
    return through if rising is None else xp.where(rising, rate, through)


def _end(xp: Namespace, state: StateInfo, w: Array, rising: Array | None) -> Array:
    """Give the coordinate from where the state ends on the chart of this step."""
    held = _held(xp, state, w, rising)
    return held if rising is None else xp.where(rising, coordinate_of(xp, state, held), held)


def _held(xp: Namespace, state: StateInfo, w: Array, rising: Array | None) -> Array:
    """Hold what stands on the chart of this step between the ends that a state has."""
    low, high = bounds(state)
    held = xp.minimum(xp.maximum(w, low), high)
    if rising is None:
        return held
    return xp.where(rising, xp.minimum(xp.maximum(w, LEAST * state.scale), MOST * state.scale), held)


def _rows(of: Array, n: int, which: Ints) -> list[Array]:
    """Give rows with some units' columns; what is the same for all stays."""
    return [np.take(row, which, axis=-1) if np.ndim(row) and np.shape(row)[-1] == n and n > 1 else row for row in of]


def _flat(of: Array, shape: tuple[int, ...]) -> Array:
    """Give what broadcasts to a shape as one axis; a number stays."""
    return np.broadcast_to(of, shape).reshape(-1) if np.ndim(of) else of
