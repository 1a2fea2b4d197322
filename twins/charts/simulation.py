"""Run lengths of a chart by simulation: for rules that have no exact figure, and for residuals that are not white.

    z = phi z' + sqrt(1 - phi^2) e + shift'      with mean `shift` and variance 1 for every phi

Source
------
An AR(1) process started in its stationary distribution; that autocorrelation shortens the run lengths of charts made
for white residuals: Johnson and Bagshaw 1974, Technometrics 16:103.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import TypeVar

import numpy as np

from schemas.errors import SettingsError
from schemas.instants import MINUTE
from twins.charts.cusum import CusumState
from twins.charts.ewma import EwmaState
from twins.charts.points import Bools, Floats, Ints, Marks
from twins.charts.rules import RuleState

State = TypeVar("State", RuleState, EwmaState, CusumState)


def run_lengths(
    state: State,
    step: Callable[[State, Ints, Floats, Bools], tuple[State, Marks]],
    *,
    seed: int,
    autocorrelation: float = 0.0,
    shift: float = 0.0,
    longest: int = 1_000_000,
) -> Ints:
    """Count the points until each chart fires, one a minute, with the code that runs live.

    Parameters
    ----------
    state : RuleState, EwmaState or CusumState
        As many charts as run lengths are wanted, at their start.
    step : callable
        Takes state, instants, residuals and `there`; gives the new state and what fired.
    seed : int
        Of the pseudo-random numbers: the same seed gives the same run lengths.
    autocorrelation : float
        phi, between -1 and 1: that of one residual with the next. 0 is white.
    shift : float
        The mean of the residuals, in their standard deviations.
    longest : int
        Charts that never fired by then are given this many points.

    Returns
    -------
    array of int64, shape (n,)
        In the order in which the charts fired.

    Raises
    ------
    SettingsError
        If the autocorrelation is not between -1 and 1.
    """
    if not -1 < autocorrelation < 1:
        raise SettingsError(f"expected an autocorrelation between -1 and 1, received {autocorrelation}")
    rng = np.random.default_rng(seed)
    count = len(state.seen)
    noise = math.sqrt(1.0 - autocorrelation * autocorrelation)
    z = rng.normal(size=count)
    lengths: list[Ints] = []
    for point in range(1, longest + 1):
        left = len(z)
        if not left:
            break
        state, fired = step(state, np.full(left, point * MINUTE), z + shift, np.ones(left, np.bool_))
        going = fired == 0
        if not going.all():
            lengths.append(np.full(left - int(going.sum()), point))
            state = type(state)(*(getattr(state, field.name)[..., going] for field in fields(state)))
            z = z[going]
        z = autocorrelation * z + noise * rng.normal(size=len(z))
    return np.concatenate([*lengths, np.full(len(z), longest)]).astype(np.int64)
