"""Intervals of a plate's forecasts that hold what they state: adaptive conformal, on the errors known so far.

    interval = centre +- q turmoil spread

- `spread` is the filter's own standard deviation, of each vessel and lead.
- `turmoil` is the root mean square of the plate's newest known errors at the shortest lead, over their spread: it tells
  within hours that the run has become calmer or wilder than the filter thinks, for every lead. It narrows a lead only
  once errors of that lead are known: until then the plate has not shown that the one tells of the other.
- `q` is tracked per lead, so that what is left comes right too.

The vessels of a plate are read together here, and only what they have shown up to now: the error of a forecast six
hours ahead counts six hours later. Windows with a sampling count like all others.

Source
------
`twins.forecasting.conformal`. Scores over an estimate of difficulty: Papadopoulos, Gammerman and Vovk 2008, Normalized
nonconformity measures; Lei et al. 2018, section 5.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR
from twins.bioreactor.scatter.forecast import Outlook
from twins.forecasting.conformal import Tracker, TrackerState
from twins.forecasting.waiting import Waiting

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bands:
    """How intervals are kept right.

    Parameters
    ----------
    leads : tuple of int
        How far ahead the forecasts look, the shortest first [us].
    tracker : Tracker
        Of q; its coverage is that of the intervals.
    memory_hours : float
        Of the turmoil [h]. Assumed 2: errors of one hour overlap for an hour, so less would be one error.
    clip : float
        An error counts as so many spreads at most in the turmoil, so that one broken vessel does not speak for a
        plate. Assumed 4, as the filter's gate.
    tolerance : int
        How far from the instant forecast a reading may lie [us]. Assumed 0.06 h: half of a cycle of 0.1 h and a bit.
    slots : int
        Origins kept; more than the longest lead holds cycles, or its errors are never known.
    """

    leads: tuple[int, ...] = (HOUR, 3 * HOUR, 6 * HOUR)
    tracker: Tracker = field(default_factory=Tracker)
    memory_hours: float = 2.0
    clip: float = 4.0
    tolerance: int = HOUR * 6 // 100
    slots: int = 80

    def __post_init__(self) -> None:
        if not self.leads or list(self.leads) != sorted(set(self.leads)) or self.leads[0] <= 0:
            raise SettingsError(f"expected leads above 0 us, rising, received {self.leads}")
        if not (self.memory_hours > 0.0 and self.clip > 0.0 and self.tolerance >= 0 and self.slots > 0):
            raise SettingsError("expected memory, clip and slots above 0 and a tolerance of 0 us or more")

    def begin(self, count: int) -> BandState:
        """Give the state of a plate of so many vessels that has shown nothing."""
        leads = len(self.leads)
        return BandState(Waiting.empty(leads, self.slots, count), self.tracker.begin(leads), np.ones(1), np.full(1, -1))

    def learn(self, state: BandState, instant: int, ln_scatter: Floats) -> BandState:
        """Take in the errors of the forecasts that spoke of this instant.

        Parameters
        ----------
        instant : int
            Of the cycle [us].
        ln_scatter : array, shape (n,)
            ln of the readings; NaN for a vessel without one.
        """
        due, waiting = state.waiting.take(instant, np.array(self.leads), self.tolerance)
        errors = np.abs(ln_scatter - due.centre) / due.spread
        known = np.isfinite(errors)
        scores = np.where(known, errors, np.nan) / due.factor
        there = np.array([bool(row.any()) for row in known])
        missed = np.array(
            [
                float(np.count_nonzero(row > q)) / max(int(np.count_nonzero(here)), 1)
                for row, q, here in zip(scores, state.tracked.quantile.tolist(), known, strict=True)
            ]
        )
        tracked = self.tracker.step(state.tracked, missed, there)
        turmoil, told = float(state.turmoil[0]), int(state.told[0])
        if there[0]:
            squares = [min(e * e, self.clip**2) for e in errors[0][known[0]].tolist()]
            # The first error weighs as a cycle a hundredth of the memory long: it is not yet news of the plate.
            hours = self.memory_hours / 100.0 if told < 0 else (instant - told) / HOUR
            turmoil -= math.expm1(-hours / self.memory_hours) * (math.fsum(squares) / len(squares) - turmoil)
            told = instant
        return BandState(waiting, tracked, np.array([turmoil]), np.array([told]))

    def say(self, state: BandState, instant: int, seen: Outlook) -> tuple[BandState, Floats, Floats]:
        """Give the lower and upper bounds of ln scatter, shape (leads, n), and remember what was said."""
        turmoil = math.sqrt(float(state.turmoil[0]))
        factor = np.where(state.tracked.told > 0, turmoil, max(turmoil, 1.0))[:, None]
        half = state.tracked.quantile[:, None] * factor * seen.spread
        waiting = state.waiting.put(instant, seen.centre, seen.spread, np.broadcast_to(factor, half.shape))
        return replace(state, waiting=waiting), seen.centre - half, seen.centre + half


@dataclass(frozen=True, slots=True, eq=False)
class BandState:
    """What a plate's intervals remember.

    Parameters
    ----------
    waiting : Waiting
        Forecasts whose truth is not known yet.
    tracked : TrackerState
        q of each lead, shape (leads,).
    turmoil : array, shape (1,)
        Mean square of the newest known errors at the shortest lead, in spreads.
    told : array of int64, shape (1,)
        When that was last told anything [us]; -1 before.
    """

    waiting: Waiting
    tracked: TrackerState
    turmoil: Floats
    told: NDArray[np.int64]
