"""An accurate solution of one unit, adaptive: what `twinstream simulate` uses.

It stands apart from `integrate.py` because scipy's solvers take half a second to load, and a worker needs none.

Source
------
LSODA: Petzold 1983, SIAM J. Sci. Stat. Comput. 4:136, as in scipy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from schemas.errors import SettingsError
from twins.bioreactor.models.model import ProcessModel

Floats = NDArray[np.float64]

RELATIVE = 1e-8  # tolerance of each state
ABSOLUTE = 1e-3  # times the relative tolerance and the state's scale


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
