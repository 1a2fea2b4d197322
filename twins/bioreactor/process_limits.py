"""Limits on what a process model expects: how likely a state or an output is to be beyond one, and when.

A limit names `process.<state>` or `process.<output>`. What is said of it is read off the very points of the forecast,
the present first, as the belief is carried from one to the next; nothing is carried twice.

Source
------
A state's coordinate is normal in the filter (`estimation/joint.py`). The probability of an output is that of the normal
deviate at which its quantile function, laid through `GRID`, meets the limit.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from schemas.instants import SECOND, format_instant
from twins.bioreactor.estimation.joint import Joint
from twins.bioreactor.estimation.outputs import output_quantiles
from twins.bioreactor.forecast import NORMAL, first_beyond
from twins.bioreactor.models.coordinates import coordinate_of
from twins.bioreactor.process import Process
from twins.bioreactor.process_section import scale_of
from twins.bioreactor.rules import PROCESS, Rule

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = (0.05, 0.5, 0.95)  # at which instants the probability of being beyond a limit reaches these
DEVIATES = (NORMAL[-1], 0.0, NORMAL[0])  # of the side towards the limit
# Normal deviates at which an output's quantile function is looked at; beyond the last ones it goes on straight.
GRID: tuple[float, ...] = (-3.0, NORMAL[0], -0.7, 0.0, 0.7, NORMAL[-1], 3.0)
MEDIAN = 1  # of LEVELS
CERTAIN = 1e-12

Data = dict[str, Any]  # Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes


@dataclass(frozen=True, slots=True)
class Told:
    """What a forecast says of one limit: probability (n,), and instants (3, n) at which `LEVELS` are reached [us].

    A probability is NaN where no run began, an instant -1 where it is beyond the horizon.
    """

    probability: Floats
    instants: Ints


class LimitsAhead:
    """Looks at the points of one forecast as they are made.

    Parameters
    ----------
    process : Process
        The process model.
    rules : sequence of Rule
        Predicted rules; those that are not on the process model are left out.
    at : array of int64, shape (points + 1, n)
        The forecast's instants, the present first [us].
    """

    def __init__(self, process: Process, rules: Sequence[Rule], at: Ints) -> None:
        self.rules = [rule for rule in rules if rule.tag.startswith(PROCESS)]
        self._process, self._at = process, at
        self._rows = {state.name: row for row, state in enumerate(process.filter.states)}
        self._outputs = {one.name: one for one in process.model.outputs}
        self._seen: list[list[tuple[Floats, Floats]]] = [[] for _ in self.rules]
        self._which = np.zeros(0, dtype=np.int64)
        self._told: dict[int, Told] = {}

    def look(self, which: Ints, joint: Joint, u: Floats, wider: Floats | None = None) -> None:
        """Look at the beliefs of the twins `which` at the next point; the first is the present.

        `wider`, shape (states, n), is what each state's standard deviation is multiplied by.
        """
        self._which = which
        self._told.clear()
        for place, rule in enumerate(self.rules):
            name = rule.tag.removeprefix(PROCESS)
            found = self._state(rule, joint, name, wider) if name in self._rows else self._output(rule, joint, name, u)
            self._seen[place].append(found)

    def told(self, rule: Rule) -> Told:
        """Say what became of one rule."""
        if rule.index not in self._told:
            self._told[rule.index] = self._tell(rule)
        return self._told[rule.index]

    def _tell(self, rule: Rule) -> Told:
        seen, n = self._seen[self.rules.index(rule)], self._at.shape[1]
        told = Told(np.full(n, np.nan), np.full((len(LEVELS), n), -1, dtype=np.int64))
        if seen:
            told.probability[self._which] = np.stack([probability for probability, _ in seen]).max(axis=0)
            ahead, at = np.stack([ahead for _, ahead in seen]), self._at[:, self._which]
            for level in range(len(LEVELS)):
                told.instants[level, self._which] = first_beyond(at, ahead[:, level])
        return told

    def data(self, twin: int, calibrated: Container[str] = ()) -> Data:
        """Say all of one twin's limits, by the names of their rules without `process.` and `.predicted`; `calibrated`
        holds the states whose whole forecast is."""
        said: Data = {}
        for rule in self.rules:
            told = self.told(rule)
            said[rule.name.removeprefix(PROCESS).removesuffix(".predicted")] = {
                "limit": rule.limit,
                "unit": rule.unit,
                "probability": float(told.probability[twin]),
                "quantiles": list(LEVELS),
                "reached_at": [_instant(one) for one in told.instants[:, twin].tolist()],
                "calibrated": rule.tag.removeprefix(PROCESS) in calibrated,
            }
        return said

    def _state(self, rule: Rule, joint: Joint, name: str, wider: Floats | None) -> tuple[Floats, Floats]:
        """Give the probability of being beyond the limit, and how far beyond it each quantile is, shape (3, n)."""
        row = self._rows[name]
        state, sign = self._process.filter.states[row], 1.0 if rule.high else -1.0
        limit = coordinate_of(np, state, np.float64(rule.limit / scale_of(state)))
        ahead = sign * (joint.mean[row] - limit)
        sd = np.sqrt(np.maximum(joint.covariance[row, row], 0.0)) * (1.0 if wider is None else wider[row])
        certain = sd < CERTAIN
        probability = np.where(certain, ahead > 0.0, ndtr(ahead / np.where(certain, 1.0, sd)))
        return probability, np.stack([ahead + z * sd for z in DEVIATES])

    def _output(self, rule: Rule, joint: Joint, name: str, u: Floats) -> tuple[Floats, Floats]:
        output, side = self._outputs[name], 1.0 if rule.high else -1.0
        found = output_quantiles(self._process.filter, joint, output, np.zeros(len(joint.volume)), u, np.array(GRID))
        probability = ndtr(-side * _deviate(found, rule.limit))
        return probability, np.stack([side * (found[GRID.index(side * z)] - rule.limit) for z in DEVIATES])


def _deviate(quantiles: Floats, limit: float) -> Floats:
    """Give the normal deviate at which rising quantiles, shape (len(GRID), n), meet a limit; shape (n,)."""
    z = np.where(quantiles[0] > limit, -np.inf, np.inf)
    last = len(GRID) - 2
    for k in range(last + 1):
        low, high = quantiles[k], quantiles[k + 1]
        here = ((low <= limit) | (k == 0)) & ((limit < high) | (k == last)) & (high > low)
        share = (limit - low) / np.where(high > low, high - low, 1.0)
        z = np.where(here, GRID[k] + share * (GRID[k + 1] - GRID[k]), z)
    return z


def _instant(time: int) -> str | None:
    seconds = (time + SECOND // 2) // SECOND
    return None if time < 0 else format_instant(seconds * SECOND)
