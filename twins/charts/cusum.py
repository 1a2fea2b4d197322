"""The two-sided cumulative sum chart on standardised residuals, for many charts at once.

    C+ = max(0, C+ + z - k)      C- = max(0, C- - z - k)      fires where one exceeds h

Element by element: a chart does not depend on its neighbours. After a signal both sums begin at zero again with the
next point, so signals on white residuals are ARL0 points apart on average; a shift that stays fires again and again,
about every ARL points, which an off-delay makes one alarm.

Source
------
Page 1954, Biometrika 41:100; k and h as in Hawkins and Olwell 1998, Cumulative Sum Charts, ch. 2. When
the shift began is estimated by the last point at which the sum was zero (ibid.).
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
from twins.charts.run_length import cusum_limit


@dataclass(frozen=True, slots=True)
class CusumChart:
    """How a chart is set; the same for all charts of a state.

    Parameters
    ----------
    reference : float
        k, above 0: half the shift to be found soonest, in standard deviations.
    decision : float
        h, in standard deviations. `cusum_for` finds it for a wanted rate of false alarms.
    longest_gap : int
        A chart silent for longer than this starts anew with the next point [us].
    """

    reference: float
    decision: float
    longest_gap: int

    def __post_init__(self) -> None:
        if not 0 < self.reference < np.inf:
            raise SettingsError(f"expected a CUSUM reference value above 0, received {self.reference}")
        if not 0 < self.decision < np.inf:
            raise SettingsError(f"expected a CUSUM decision interval above 0, received {self.decision}")
        check_longest_gap(self.longest_gap)


def cusum_for(reference: float, points_between_false_alarms: float, longest_gap: int) -> CusumChart:
    """Set a chart by its rate of false alarms: the mean number of points between them, on white residuals.

    Examples
    --------
    >>> round(cusum_for(0.5, 500, 3_600_000_000).decision, 3)
    5.071
    """
    return CusumChart(reference, cusum_limit(reference, points_between_false_alarms), longest_gap)


@dataclass(frozen=True, slots=True, eq=False)
class CusumState:
    """What n charts remember.

    Parameters
    ----------
    high, low : arrays, shape (n,)
        C+ and C-, in standard deviations. A sum beyond h is the one that fired; the next point begins at zero.
    high_since, low_since : arrays of int64, shape (n,)
        The first point since the sum was last zero [us]; `NEVER` where it is zero. At a signal: where the shift began.
    seen : array of int64, shape (n,)
        The newest point's instant [us], `NEVER` where there was none.
    """

    high: Floats
    low: Floats
    high_since: Ints
    low_since: Ints
    seen: Ints


def start(count: int) -> CusumState:
    """Give the state of so many charts that have seen nothing."""
    never = np.full(count, NEVER, np.int64)
    return CusumState(np.zeros(count), np.zeros(count), never, never, never)


def step(
    chart: CusumChart, state: CusumState, instants: Ints, residuals: Floats, there: Bools
) -> tuple[CusumState, Marks]:
    """Fold at most one point into each chart, and say where a sum exceeds the decision interval.

    Parameters
    ----------
    chart : CusumChart
        The setting.
    state : CusumState
        Of n charts; it is left as it was.
    instants : array of int64, shape (n,)
        When each point happened [us].
    residuals : array, shape (n,)
        Standardised residuals: mean 0 and standard deviation 1 while all is well. One that is not finite is missing.
    there : array of bool, shape (n,)
        Which charts have a point. A chart without one stays as it was.

    Returns
    -------
    (CusumState, array of uint16, shape (n,))
        The new state, and `HIGH`, `LOW` or both where a sum exceeds h; 0 where there was no point.

    Raises
    ------
    ShapeError
        If the arrays do not have one element a chart.
    """
    check_shapes(state.seen, instants, residuals, there)
    take = there & np.isfinite(residuals)
    signalled = (state.high > chart.decision) | (state.low > chart.decision)
    fresh = begins(state.seen, instants, chart.longest_gap) | signalled
    z = np.where(take, residuals, 0.0)
    before_high, before_low = np.where(fresh, 0.0, state.high), np.where(fresh, 0.0, state.low)
    high = np.maximum(0.0, before_high + z - chart.reference)
    low = np.maximum(0.0, before_low - z - chart.reference)
    fired = np.where(high > chart.decision, HIGH, 0) | np.where(low > chart.decision, LOW, 0)
    after = CusumState(
        high,
        low,
        _since(before_high, high, state.high_since, instants),
        _since(before_low, low, state.low_since, instants),
        np.maximum(instants, state.seen),
    )
    return chosen(take, after, state), np.where(take, fired, 0).astype(np.uint16)


def restart(state: CusumState, which: Bools) -> CusumState:
    """Make charts forget their points, as after a correction of the process."""
    return chosen(which, start(len(state.seen)), state)


def _since(before: Floats, after: Floats, since: Ints, instants: Ints) -> Ints:
    return np.where(after > 0, np.where(before > 0, since, instants), NEVER)
