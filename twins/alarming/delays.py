"""An alarm with deadband, on-delay and off-delay over event time, for many alarm points at once.

An alarm point is one rule of one unit. A point that is clear raises when its value was beyond the limit at every
sample for as long as the on-delay; one that is raised clears when its value was back, by the deadband, at every
sample for as long as the off-delay. With no delays that is the plain rule: raised at the first sample beyond, cleared
at the first sample back. In doubt the alarm stays: silence never clears, and a silence longer than the bridge makes
the off-delay begin anew, but it does not hold up an on-delay.

Source
------
Deadband and delays as in ANSI/ISA-18.2-2016, clause 10, and EEMUA 191 ed. 3. What silence means is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ShapeError
from twins.alarming.limits import AlarmRule

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Turns = NDArray[np.int8]

# Rows of the state.
RAISED, SINCE, SEEN = range(3)
ROWS = 3
NEVER = -1


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What does not change of n alarm points: limits and delays, each of shape (n,).

    Parameters
    ----------
    limit, clear : arrays
        Beyond `limit` raises; at `clear`, or further back, clears. In the tag's unit.
    high : array of bool
        Whether beyond means above.
    on_delay, off_delay, bridge : arrays of int64
        In microseconds.
    """

    limit: Floats
    clear: Floats
    high: Bools
    on_delay: Ints
    off_delay: Ints
    bridge: Ints

    @classmethod
    def of(cls, rules: Sequence[AlarmRule]) -> Points:
        """Lay out one alarm point a rule."""
        return cls(
            np.array([rule.limit for rule in rules], np.float64),
            np.array([rule.clear for rule in rules], np.float64),
            np.array([rule.high for rule in rules], np.bool_),
            np.array([rule.on_delay for rule in rules], np.int64),
            np.array([rule.off_delay for rule in rules], np.int64),
            np.array([rule.bridge for rule in rules], np.int64),
        )

    def take(self, places: Ints) -> Points:
        """Give some of the points, or some more than once."""
        return Points(
            self.limit[places], self.clear[places], self.high[places],
            self.on_delay[places], self.off_delay[places], self.bridge[places],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turn:
    """One alarm point that changed at sample `place`."""

    place: int
    point: int
    raised: bool


def start(count: int) -> Ints:
    """Give the state of so many alarm points that are clear and have seen nothing, shape (3, n)."""
    state = np.full((ROWS, count), NEVER, np.int64)
    state[RAISED] = 0
    return state


def step(points: Points, state: Ints, instants: Ints, values: Floats, there: Bools) -> tuple[Ints, Turns]:
    """Fold at most one sample into each alarm point.

    Parameters
    ----------
    points : Points
        n of them.
    state : array of int64, shape (3, n)
        Raised or not, since when the condition to turn holds, the newest sample [us]. It is left as it was.
    instants : array of int64, shape (n,)
        When each sample happened [us]. One older than the newest of its point is not used.
    values : array, shape (n,)
        In the unit of the limits; one that is no number is missing.
    there : array of bool, shape (n,)
        Which points have a sample.

    Returns
    -------
    (array of int64, array of int8)
        The new state, shape (3, n), and what turned, shape (n,): 1 raised, -1 cleared, 0 neither.

    Raises
    ------
    ShapeError
        If the arrays do not have one element a point.
    """
    for array in (state[0], instants, values, there):
        if array.shape != points.limit.shape:
            raise ShapeError(f"expected arrays of shape {points.limit.shape}, one element a point, got {array.shape}")
    raised, seen = state[RAISED] > 0, state[SEEN]
    take = there & ~np.isnan(values) & (instants >= seen)
    turning = np.where(
        raised,
        np.where(points.high, values <= points.clear, values >= points.clear),
        np.where(points.high, values > points.limit, values < points.limit),
    )
    unknown = raised & (seen != NEVER) & (instants - seen > points.bridge)
    since = np.where(unknown | (state[SINCE] == NEVER), instants, state[SINCE])
    turns = take & turning & (instants - since >= np.where(raised, points.off_delay, points.on_delay))
    after = np.array([
        raised ^ turns,
        np.where(take, np.where(turning & ~turns, since, NEVER), state[SINCE]),
        np.where(take, instants, seen),
    ])  # fmt: skip
    return after, np.where(turns, np.where(raised, -1, 1), 0).astype(np.int8)


def pass_time(points: Points, state: Ints, now: int | Ints) -> tuple[Ints, Turns]:
    """Raise what was beyond its limit at the newest sample and whose on-delay has passed by `now` without another.

    So a sensor that falls silent while beyond its limit raises its alarm. Nothing clears this way. A sample from
    before `now` that comes later does not turn a point that was raised here. `now` is one instant, or one a point [us].

    Returns
    -------
    (array of int64, array of int8)
        As of `step`.
    """
    turns = (state[RAISED] == 0) & (state[SINCE] != NEVER) & (now - state[SINCE] >= points.on_delay)
    after = np.array([
        (state[RAISED] > 0) | turns,
        np.where(turns, NEVER, state[SINCE]),
        np.where(turns, np.maximum(state[SEEN], now), state[SEEN]),
    ])  # fmt: skip
    return after, turns.astype(np.int8)


def walk(points: Points, state: Ints, places: Ints, instants: Ints, values: Floats) -> tuple[Ints, list[Turn]]:
    """Fold any number of samples, in the order they came; where a sequence is cut into calls changes nothing.

    Parameters
    ----------
    points, state
        As of `step`.
    places : array of int64, shape (m,)
        The alarm point of each sample.
    instants, values : arrays, shape (m,)
        As of `step`.

    Returns
    -------
    (array of int64, list of Turn)
        The new state, and the turns in the order of their samples.
    """
    state = state.copy()
    found: list[Turn] = []
    order = np.argsort(places, kind="stable")
    ranked = places[order]
    rank = np.empty(len(places), np.int64)  # how many samples of the same point came before
    rank[order] = np.arange(len(places)) - np.searchsorted(ranked, ranked)
    by_rank = np.argsort(rank, kind="stable")
    for chosen in np.split(by_rank, np.nonzero(np.diff(rank[by_rank]))[0] + 1):
        at = places[chosen]
        here = np.ones(len(at), np.bool_)
        state[:, at], turns = step(points.take(at), state[:, at], instants[chosen], values[chosen], here)
        found += [Turn(int(chosen[j]), int(at[j]), bool(turns[j] > 0)) for j in np.nonzero(turns)[0].tolist()]
    return state, sorted(found, key=lambda turn: turn.place)
