"""A duration as a distribution on a logarithmic grid, and what remains of it when some time has passed in silence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schemas.errors import UsageError

Floats = NDArray[np.float64]
LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
TAIL = 2.0  # Pareto index beyond the grid, assumed: a mean exists, a variance does not, so silence makes waits longer
OVERDUE = 0.99  # assumed: a leg is called overdue when 99 of 100 like it would have ended
LEAST = 1e-9  # of survival: below it the Pareto tail carries on from the elapsed time itself


@dataclass(frozen=True, slots=True)
class Duration:
    """Distribution function `cdf` (n,), rising, at `log_hours` (n,), rising; Pareto of index `TAIL` above."""

    log_hours: Floats
    cdf: Floats

    def below(self, hours: ArrayLike) -> Floats:
        """Give the probability that the leg takes at most so long [h]."""
        with np.errstate(divide="ignore"):
            x = np.log(np.maximum(np.asarray(hours, dtype=np.float64), 0.0))
        beyond = (1.0 - self.cdf[-1]) * np.exp(-TAIL * np.maximum(x - self.log_hours[-1], 0.0))
        return np.where(x > self.log_hours[-1], 1.0 - beyond, np.interp(x, self.log_hours, self.cdf, left=0.0))

    def below_one(self, hours: float) -> float:
        """Give `below` of one duration, sooner."""
        first, last = self.log_hours[0], self.log_hours[-1]
        if hours <= 0.0 or (x := math.log(hours)) < first:
            return 0.0
        if x > last:
            return 1.0 - (1.0 - float(self.cdf[-1])) * math.exp(-TAIL * (x - float(last)))
        return float(np.interp(x, self.log_hours, self.cdf))

    def quantile(self, levels: ArrayLike) -> Floats:
        """Give durations [h] at levels in 0 to 1 (1 excluded)."""
        p = np.asarray(levels, dtype=np.float64)
        x = np.asarray(np.interp(p, self.cdf, self.log_hours))
        last = self.cdf[-1]
        if last < 1.0:
            high = p > last
            if high.any():
                beyond = np.log((1.0 - last) / np.maximum(1.0 - p[high], 1e-12)) / TAIL
                x[high] = self.log_hours[-1] + beyond
        return np.exp(x)

    def remaining(self, levels: ArrayLike, elapsed_hours: float, passed: float | None = None) -> Floats:
        """Give quantiles [h] of what remains given that `elapsed_hours` passed without an end: from S(e + t) / S(e).

        `passed` is `below(elapsed_hours)`, where that is known.
        """
        p = np.asarray(levels, dtype=np.float64)
        if elapsed_hours <= 0.0:
            return self.quantile(p)
        if passed is None:
            passed = self.below_one(elapsed_hours)
        if 1.0 - passed < LEAST:
            return elapsed_hours * ((1.0 - p) ** (-1.0 / TAIL) - 1.0)
        return np.maximum(self.quantile(passed + (1.0 - passed) * p) - elapsed_hours, 0.0)


@dataclass(frozen=True, slots=True)
class Remaining:
    """Hours that remain at `LEVELS`, the share of like legs that would have ended by now, and whether it is overdue."""

    hours: tuple[float, ...]
    ended: float
    overdue: bool


def remaining(duration: Duration, elapsed_hours: float) -> Remaining:
    """Say what remains of a leg that started so long ago [h] and has not ended.

    Raises
    ------
    UsageError
        If the elapsed time is below 0 or not finite.

    Source
    ------
    Conditional survival, S(e + t) / S(e); beyond all seen a Pareto tail, whose remaining time grows with e.
    """
    if not (np.isfinite(elapsed_hours) and elapsed_hours >= 0.0):
        raise UsageError(f"expected elapsed hours of 0 or more, received {elapsed_hours}; check the leg's first scan")
    ended = float(duration.below(elapsed_hours)) if elapsed_hours > 0.0 else 0.0
    hours = duration.remaining(LEVELS, elapsed_hours)
    return Remaining(tuple(float(each) for each in hours), ended, ended >= OVERDUE)
