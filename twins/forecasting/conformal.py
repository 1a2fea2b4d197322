"""Conformal intervals: a calibrated quantile of past scores, and one that is tracked online while things drift.

A score says how badly a forecast missed, in units of its own stated spread: |truth - centre| / spread. The interval
centre +- q spread then holds the truth as often as a score is q or less, whatever the forecast's model is worth.

- `split_quantile` takes q from a calibration set. It needs scores that are exchangeable with those to come.
- `Tracker` moves q with each score that becomes known. It needs nothing of the kind: where a share of 10 % may miss,
  q grows when more do and shrinks when fewer do.

Source
------
Split: Vovk, Gammerman and Shafer 2005; the finite-sample rank as in Lei et al. 2018, J. Am. Stat. Assoc. 113:1094.
Online: Gibbs and Candes 2021, Adaptive conformal inference under distribution shift, in the form that tracks the
quantile itself: Angelopoulos, Candes and Tibshirani 2023, Conformal PID control for time series prediction (quantile
tracking); here on the logarithm of the score, so that the step is a ratio and no unit of the score matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError, ShapeError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def split_quantile(scores: Floats, coverage: float) -> Floats:
    """Give the score that a new one stays within with at least this probability.

    Parameters
    ----------
    scores : array, shape (m, ...)
        Scores of m calibration cases. NaN is a case that is missing, per element of the other axes.
    coverage : float
        Share of new scores to be held, above 0 and below 1.

    Returns
    -------
    array, shape (...)
        The ceil((m + 1) coverage)-th smallest score; infinite where there are too few to say.

    Raises
    ------
    SettingsError
        If the coverage is not between 0 and 1.

    Notes
    -----
    Valid for: scores of calibration and of use that are exchangeable. The coverage is then at least `coverage`, and
    at most 1/(m + 1) more where no two scores are equal. Not valid for: drift; use `Tracker`.

    Examples
    --------
    >>> float(split_quantile(np.arange(1.0, 20.0), 0.9))  # 19 scores: the 18th
    18.0
    >>> float(split_quantile(np.arange(1.0, 9.0), 0.9))  # 8 cannot promise 90 %
    inf
    """
    _check_coverage(coverage)
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=0)  # NaN last
    count = np.count_nonzero(~np.isnan(ordered), axis=0)
    # 1e-9 takes back what rounding adds to a product that is whole, such as 20 times 0.9
    rank = np.ceil((count + 1) * coverage - 1e-9).astype(np.int64)
    enough = (rank <= count) & (count > 0)
    place = np.where(enough, rank - 1, 0)
    if not len(ordered):
        return np.full(ordered.shape[1:], np.inf)
    found = np.take_along_axis(ordered, place[None], axis=0)[0]
    return np.asarray(np.where(enough, found, np.inf), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Tracker:
    """How a quantile is tracked; the same for all of a state.

    Parameters
    ----------
    coverage : float
        Share of truths to be held, above 0 and below 1.
    rate : float
        Step of ln q at a miss, times `coverage`; at a hit it is times 1 - `coverage`, downwards. Above 0.
    start : float
        q before any score is known: 1.645 trusts a forecast that says its Gaussian standard deviation.
    smallest, largest : float
        Bounds of q, in units of the forecast's own spread.

    Notes
    -----
    Over T scores the share of misses differs from 1 - coverage by at most ln(largest / smallest) / (rate T), whatever
    the scores are, as long as q does not meet its bounds. A larger rate follows sooner and wavers more.
    """

    coverage: float = 0.9
    rate: float = 0.02
    start: float = 1.6448536269514722
    smallest: float = 0.1
    largest: float = 20.0

    def __post_init__(self) -> None:
        _check_coverage(self.coverage)
        if not 0.0 < self.rate < 10.0:
            raise SettingsError(f"expected a rate above 0 and below 10, received {self.rate}")
        if not 0.0 < self.smallest <= self.start <= self.largest < np.inf:
            raise SettingsError(
                f"expected 0 < smallest <= start <= largest, received {self.smallest}, {self.start}, {self.largest}"
            )

    def begin(self, *shape: int) -> TrackerState:
        """Give the state of so many quantiles that have seen no score."""
        return TrackerState(np.full(shape, self.start), np.zeros(shape, np.int64))

    def step(self, state: TrackerState, missed: Floats, there: Bools) -> TrackerState:
        """Take in what became known.

        Parameters
        ----------
        state : TrackerState
            Of any shape, (..., n); it is left as it was.
        missed : array, same shape
            1 where the newly known score is above q, 0 where not; a share between them where a group's scores are
            pooled. `state.missed_by(scores)` gives it for single scores.
        there : array of bool, same shape
            Where something became known.

        Raises
        ------
        ShapeError
            If the shapes differ.
        """
        if missed.shape != state.quantile.shape or there.shape != state.quantile.shape:
            raise ShapeError(f"expected shapes {state.quantile.shape}, received {missed.shape} and {there.shape}")
        take = there & np.isfinite(missed)
        step = self.rate * (np.where(take, missed, 0.0) - (1.0 - self.coverage))
        moved = np.clip(state.quantile * np.exp(step), self.smallest, self.largest)
        return TrackerState(np.where(take, moved, state.quantile), state.told + take)


@dataclass(frozen=True, slots=True, eq=False)
class TrackerState:
    """What tracked quantiles remember.

    Parameters
    ----------
    quantile : array, shape (..., n)
        q, in units of the forecast's own spread.
    told : array of int64, shape (..., n)
        How often something became known.
    """

    quantile: Floats
    told: NDArray[np.int64]

    def missed_by(self, scores: Floats) -> Floats:
        """Say which scores q does not hold: 1 or 0; NaN where the score is not known."""
        return np.where(np.isnan(scores), np.nan, (scores > self.quantile).astype(np.float64))


def _check_coverage(coverage: float) -> None:
    if not 0.0 < coverage < 1.0:
        raise SettingsError(f"expected a coverage above 0 and below 1, received {coverage}")
