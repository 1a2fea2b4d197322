"""What the model's forecasts have been wrong by, learned across units: one learner for all units of a block.

An example is a forecast whose outcome has come: its inputs, and by how many standard deviations the outcome lay off its
centre. The outcome is what the twin believes then, the standard deviation that of how far a belief moves until then. Of
each lead a regression learns what to expect of the next. What it expects is applied once it has shown, on outcomes that
it had not seen when it spoke, that it makes the error smaller; until then the forecast stays the model's. Around it
stands an interval whose width is tracked (`twins.forecasting.conformal`).

Examples are taken in one at a time, in the order they are given: the numbers depend on that order and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.errors import SnapshotError
from twins.forecasting.conformal import Tracker, TrackerState
from twins.learning.models import Forest, ForestState, Regression, RegressionState, Scaler, ScalerState
from twins.learning.page_hinkley import FOUND, WIDTH, PageHinkley
from twins.learning.settings import LearningSection

Floats = NDArray[np.float64]

# All assumed, and looked at on the seeds of `scripts/bench learning` from 100 on, which are not those of its table.
MOST_OFF = 8.0  # standard deviations of the forecast: an outcome that is further off counts as so far
MOST_SHIFT = 4.0  # and no more is ever expected
WEIGHT = 0.01  # of the newest error in the two running means: about the last hundred examples
LEAST_EXAMPLES = 100  # before anything is applied
LEAST_GAIN = 0.97  # the corrected error over the model's, below which a correction is applied
TRACKING = 0.01  # step of the interval's width
UNIT_TEST = PageHinkley(delta=0.25, threshold=6.0, least=8)  # on one unit's examples
FLEET_TEST = PageHinkley(delta=0.25, threshold=60.0, least=200)  # on those of all units


class Window(Struct, frozen=True):
    """What was learned from: event times of the outcomes [us], offsets of the records that brought them."""

    first_time: int
    last_time: int
    first_offset: int
    last_offset: int


class LearnerState(Struct, frozen=True):
    """All that a learner remembers, as numbers with names. Of lists with a place a lead: in the order of the leads."""

    scaler: ScalerState
    regressions: list[RegressionState]
    forest: ForestState
    error: list[float]  # running mean of |off|, of the model's forecast
    corrected: list[float]  # and of what the regression made of it
    quantile: list[float]
    told: list[int]
    held: list[float]  # running mean of how often the interval held
    odd_limit: float
    odd_told: int
    fleet: list[float | None]  # row of the test on all units; None: not finite
    restarts: int  # of the regressions, after the fleet's errors drifted
    window: Window | None


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one forecast, all but the last two in the model's standard deviations.

    Parameters
    ----------
    expected : list of float
        What each lead's regression expects the outcome to be off by.
    shift : list of float
        What is applied of it: all or 0.
    half : list of float
        Half the width of the interval that holds the stated share of outcomes.
    score, limit : float
        How odd the case is, and what a stated share stays within.
    """

    expected: list[float]
    shift: list[float]
    half: list[float]
    score: float
    limit: float


class ResidualLearner:
    """What is learned of the forecasts of one block.

    Parameters
    ----------
    names : sequence of str
        The inputs, in order.
    section : LearningSection
        The settings.
    state : LearnerState, optional
        What another learner of the same names and settings remembered: this one goes on where that one was.
    """

    def __init__(self, names: Sequence[str], section: LearningSection, state: LearnerState | None = None) -> None:
        self._section, self._names = section, tuple(names)
        leads = len(section.leads_hours)
        self._tracker = Tracker(section.coverage, TRACKING, smallest=0.02, largest=40.0)
        self._oddness = Tracker(section.odd, 0.1, start=0.5, smallest=0.01, largest=1.0)
        if state is None:
            self.scaler = Scaler(names)
            self.regressions = [Regression(names) for _ in range(leads)]
            self.forest = Forest(names, section.seed)
            self.error, self.corrected, self.held = [0.0] * leads, [0.0] * leads, [section.coverage] * leads
            self._tracked, self._odd = self._tracker.begin(leads), self._oddness.begin(1)
            self.fleet, self.restarts = FLEET_TEST.begin(1), 0
            self.window: Window | None = None
            return
        _check(state, leads)
        self.scaler = Scaler(names, state.scaler)
        self.regressions = [Regression(names, one) for one in state.regressions]
        self.forest = Forest(names, section.seed, state.forest)
        self.error, self.corrected, self.held = list(state.error), list(state.corrected), list(state.held)
        self._tracked = TrackerState(np.array(state.quantile), np.array(state.told, dtype=np.int64))
        self._odd = TrackerState(np.array([state.odd_limit]), np.array([state.odd_told]))
        self.fleet = np.array([[math.inf if one is None else one for one in state.fleet]])
        self.restarts, self.window = state.restarts, state.window

    def state(self) -> LearnerState:
        """Give all that is remembered."""
        return LearnerState(
            self.scaler.state(),
            [one.state() for one in self.regressions],
            self.forest.state(),
            list(self.error),
            list(self.corrected),
            self._tracked.quantile.tolist(),
            self._tracked.told.tolist(),
            list(self.held),
            float(self._odd.quantile[0]),
            int(self._odd.told[0]),
            [one if math.isfinite(one) else None for one in self.fleet[0].tolist()],
            self.restarts,
            self.window,
        )

    def applies(self, lead: int) -> bool:
        """Say whether what is expected at a lead is applied: it has made the error of late smaller."""
        enough = self.regressions[lead].examples >= LEAST_EXAMPLES
        return enough and self.corrected[lead] < LEAST_GAIN * self.error[lead]

    def say(self, x: Sequence[float]) -> Said:
        """Say what to expect of a forecast with these inputs. Changes nothing."""
        scaled = self.scaler.scaled(x)
        expected = [min(max(one.expect(scaled), -MOST_SHIFT), MOST_SHIFT) for one in self.regressions]
        shift = [value if self.applies(lead) else 0.0 for lead, value in enumerate(expected)]
        half = self._tracked.quantile.tolist()
        said = Said(expected, shift, half, self.forest.score(scaled), float(self._odd.quantile[0]))
        if not all(map(math.isfinite, (*expected, *half, said.score, said.limit))):
            raise ArithmeticError(f"expected finite numbers of a learner, received {said}"[:300])
        return said

    def meet(self, x: Sequence[float], score: float) -> None:
        """Take in the inputs of a forecast that is to be learned from, and how odd they were said to be."""
        missed = np.array([1.0 if score > self._odd.quantile[0] else 0.0])
        if score > 0.0:  # else the forest has seen no window yet
            self._odd = self._oddness.step(self._odd, missed, np.ones(1, dtype=np.bool_))
        self.scaler.learn(x)
        self.forest.learn(self.scaler.scaled(x))

    def learn(
        self, x: Sequence[float], lead: int, off: float, expected: float, shift: float, time: int, offset: int
    ) -> None:
        """Take in one outcome.

        Parameters
        ----------
        x : sequence of float
            Inputs of the forecast.
        lead : int
            Which of the leads.
        off : float
            Outcome less the model's centre, in the model's standard deviations.
        expected, shift : float
            What `say` said of it then.
        time, offset : int
            When the outcome came [us], and with which record.

        Notes
        -----
        An outcome is held against the present width, not that of the time when the forecast was made: with many units
        and long leads, a width that waited for its own outcomes would swing.
        """
        off = clipped(off)
        left = off - shift
        first = self.regressions[lead].examples == 0
        for means, error in ((self.error, abs(off)), (self.corrected, abs(off - expected))):
            means[lead] = error if first else means[lead] + WEIGHT * (error - means[lead])
        there = np.arange(len(self.regressions)) == lead
        missed = (abs(left) > self._tracked.quantile).astype(np.float64)
        self.held[lead] += WEIGHT * (1.0 - float(missed[lead]) - self.held[lead])
        self._tracked = self._tracker.step(self._tracked, missed, there)
        self.regressions[lead].learn(self.scaler.scaled(x), off)
        old = self.window or Window(time, time, offset, offset)
        self.window = Window(min(old.first_time, time), max(old.last_time, time), old.first_offset, offset)
        if lead == 0:
            self._watch(off)

    def _watch(self, off: float) -> None:
        """Look whether the model's errors of all units have moved; then what was learned of the old ones goes."""
        FLEET_TEST.step(self.fleet, np.array([off]))
        if self.fleet[0, FOUND]:
            self.regressions = [Regression(self._names) for _ in self.regressions]
            self.restarts += 1


def clipped(off: float) -> float:
    """Hold an error within what counts.

    Raises
    ------
    ArithmeticError
        If it is not finite.
    """
    if not math.isfinite(off):
        raise ArithmeticError(f"expected a finite error of a forecast, received {off}")
    return min(max(off, -MOST_OFF), MOST_OFF)


def _check(state: LearnerState, leads: int) -> None:
    """Check that what is remembered has a place a lead."""
    lists = (state.regressions, state.error, state.corrected, state.quantile, state.told, state.held)
    if any(len(one) != leads for one in lists) or len(state.fleet) != WIDTH:
        raise SnapshotError(f"expected what was learned of {leads} leads, received another number; begin anew")
