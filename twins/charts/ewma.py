"""The exponentially weighted moving average chart on standardised residuals, for many charts at once.

    w = lambda z + (1 - lambda) w,      w0 = 0,      limits  +- L sqrt(lambda / (2 - lambda) (1 - (1 - lambda)^(2 t)))

Element by element: a chart does not depend on its neighbours. The chart is not restarted by a signal: it fires at
each point at which the average is beyond a limit, until it is back.

Source
------
Roberts 1959, Technometrics 1:239; the variance at the t-th point and the names lambda and L as in Lucas and
Saccucci 1990, Technometrics 32:1. NIST/SEMATECH e-Handbook, 6.3.2.4, uses the limits of large t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.errors import SettingsError
from twins.charts.points import (
    HIGH,
    LOW,
    NEVER,
    Bools,
    Floats,
    Ints,
    Marks,
    begins,
    check_longest_gap,
    check_shapes,
    chosen,
)
from twins.charts.run_length import WEIGHT_SMALLEST, ewma_limit


@dataclass(frozen=True, slots=True)
class EwmaChart:
    """How a chart is set; the same for all charts of a state.

    Parameters
    ----------
    weight : float
        lambda, of the newest point: 0.01 to 1. Small sees small shifts; 1 is Shewhart's chart.
    limit : float
        L, in standard deviations of the average. `ewma_for` finds it for a wanted rate of false alarms.
    longest_gap : int
        A chart silent for longer than this starts anew with the next point [us].
    growing : bool
        Whether the limits are those of the t-th point, narrow at first; otherwise those of large t from the start.
    """

    weight: float
    limit: float
    longest_gap: int
    growing: bool = False

    def __post_init__(self) -> None:
        if not WEIGHT_SMALLEST <= self.weight <= 1:
            raise SettingsError(f"expected an EWMA weight of {WEIGHT_SMALLEST} to 1, received {self.weight}")
        if not 0 < self.limit < np.inf:
            raise SettingsError(f"expected an EWMA limit above 0, received {self.limit}")
        check_longest_gap(self.longest_gap)


def ewma_for(weight: float, points_between_false_alarms: float, longest_gap: int, growing: bool = False) -> EwmaChart:
    """Set a chart by its rate of false alarms: the mean number of points before the first, on white residuals.

    Examples
    --------
    >>> round(ewma_for(0.2, 500, 3_600_000_000).limit, 3)
    2.962
    """
    return EwmaChart(weight, ewma_limit(weight, points_between_false_alarms, growing), longest_gap, growing)


@dataclass(frozen=True, slots=True, eq=False)
class EwmaState:
    """What n charts remember.

    Parameters
    ----------
    average : array, shape (n,)
        w, in standard deviations of a residual.
    faded : array, shape (n,)
        (1 - lambda)^(2 t): 1 before the first point.
    seen : array of int64, shape (n,)
        The newest point's instant [us], `NEVER` where there was none.
    """

    average: Floats
    faded: Floats
    seen: Ints


def start(count: int) -> EwmaState:
    """Give the state of so many charts that have seen nothing."""
    return EwmaState(np.zeros(count), np.ones(count), np.full(count, NEVER, np.int64))


def step(
    chart: EwmaChart, state: EwmaState, instants: Ints, residuals: Floats, there: Bools
) -> tuple[EwmaState, Marks]:
    """Fold at most one point into each chart, and say where the average is beyond a limit.

    Parameters
    ----------
    chart : EwmaChart
        The setting.
    state : EwmaState
        Of n charts; it is left as it was.
    instants : array of int64, shape (n,)
        When each point happened [us].
    residuals : array, shape (n,)
        Standardised residuals: mean 0 and standard deviation 1 while all is well. One that is not finite is missing.
    there : array of bool, shape (n,)
        Which charts have a point. A chart without one stays as it was.

    Returns
    -------
    (EwmaState, array of uint16, shape (n,))
        The new state, and `HIGH` or `LOW` where the average is beyond that limit; 0 where there was no point.

    Raises
    ------
    ShapeError
        If the arrays do not have one element a chart.
    """
    check_shapes(state.seen, instants, residuals, there)
    take = there & np.isfinite(residuals)
    fresh = begins(state.seen, instants, chart.longest_gap)
    keep = 1.0 - chart.weight
    average = chart.weight * np.where(take, residuals, 0.0) + keep * np.where(fresh, 0.0, state.average)
    faded = keep * keep * np.where(fresh, 1.0, state.faded)
    limit = _limit(chart, faded)
    fired = np.where(average > limit, HIGH, np.where(average < -limit, LOW, 0)).astype(np.uint16)
    after = EwmaState(average, faded, np.maximum(instants, state.seen))
    return chosen(take, after, state), np.where(take, fired, np.uint16(0))


def limits(chart: EwmaChart, state: EwmaState) -> Floats:
    """Give the upper limit of each chart at its newest point, shape (n,); the lower one is its negative."""
    return _limit(chart, state.faded)


def restart(state: EwmaState, which: Bools) -> EwmaState:
    """Make charts forget their points, as after a correction of the process."""
    return chosen(which, start(len(state.seen)), state)


def _limit(chart: EwmaChart, faded: Floats) -> Floats:
    share = 1.0 - faded if chart.growing else np.ones_like(faded)
    return chart.limit * np.sqrt(chart.weight / (2.0 - chart.weight) * share)
