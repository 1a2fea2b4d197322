"""A vessel at rest, as readings and demands: what tests disturb. No dynamics, so each thing can be seen by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from schemas.instants import MINUTE
from twins.faults import CHANNELS, RESIDUAL_SD, Detector, Outcome, State

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Change = Callable[[int, Floats, Floats], None]  # minute, readings and demands, changed in place

MINUTES = 400  # as many as a test may fold
LEVEL = {
    "temperature": 37.0, "jacket_temperature": 37.8, "ph": 7.08, "ph_second": 7.09, "dissolved_oxygen": 50.0,
    "weight": 5000.0, "offgas_oxygen": 19.8, "offgas_carbon_dioxide": 6.0, "capacitance": 4.0, "heater": 28.0,
    "base": 0.0, "carbon_dioxide": 10.0, "oxygen": 0.0, "air": 200.0, "feed": 1.0, "agitation": 150.0,
}  # fmt: skip
ROW = {name: row for row, name in enumerate(CHANNELS)}


@cache
def _white(seed: int, unit: int) -> Floats:
    return np.random.default_rng([seed, unit]).normal(size=(MINUTES, len(CHANNELS)))


def readings(seed: int, minute: int, n: int) -> tuple[Floats, Floats]:
    """Give readings (16, n) and demands (7, n) of a minute; a unit's noise does not depend on how many there are."""
    level = np.array([LEVEL[name] for name in CHANNELS])
    noise = np.array([0.8 * RESIDUAL_SD.get(name, 0.0) for name in CHANNELS])
    white = np.stack([_white(seed, unit)[minute] for unit in range(n)], axis=1)
    values = level[:, None] + noise[:, None] * white
    values[ROW["capacitance"]] = LEVEL["capacitance"] * np.exp(noise[ROW["capacitance"]] * white[ROW["capacitance"]])
    values[ROW["weight"]] += (1.0 - 0.8) * minute / 60.0  # feed less evaporation
    demands = np.repeat(level[9:, None], n, axis=1)
    return values, demands


def fold(
    detector: Detector, state: State, first: int, last: int, change: Change | None = None, seed: int = 5
) -> tuple[State, list[Outcome]]:
    """Fold the minutes [first, last)."""
    outcomes = []
    n = len(state.minutes)
    for minute in range(first, last):
        values, demands = readings(seed, minute, n)
        if change is not None:
            change(minute, values, demands)
        state, outcome = detector.step(state, np.full(n, minute * MINUTE), values, demands)
        outcomes.append(outcome)
    return state, outcomes
