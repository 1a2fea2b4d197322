"""Expected events in closed form, for rates of accrual, event and drop-out that are constant between cuts.

Rates of zero are allowed anywhere: a hold of accrual, a time in which no event can happen, no drop-out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twins.enrollment.study import Floats

SERIES: Final = 1e-3  # below this product of rate and time, a series: its error is below 1e-15 of the value
HALVINGS: Final = 200  # bound on the halvings that find a day


@dataclass(frozen=True, slots=True)
class Accrual:
    """Subjects a day: `rates` (m,) between `edges` (m + 1,) [d], none outside."""

    edges: Floats
    rates: Floats

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.rates) + 1 or (np.diff(self.edges) < 0).any() or (self.rates < 0).any():
            raise ValueError(
                f"expected m rates of 0 or more between m + 1 ascending edges, received {self.rates.tolist()} between "
                f"{self.edges.tolist()}; check the accrual"
            )


@dataclass(frozen=True, slots=True)
class Hazards:
    """Rates of event and drop-out (j,) [1/d] from `cuts` (j,) of follow-up on, the first 0; the last for ever."""

    cuts: Floats
    event: Floats
    dropout: Floats

    def __post_init__(self) -> None:
        if (
            not len(self.cuts) == len(self.event) == len(self.dropout)
            or self.cuts[0] != 0
            or (np.diff(self.cuts) <= 0).any()
        ):
            raise ValueError(
                f"expected as many rates as cuts, which ascend from 0, received cuts {self.cuts.tolist()}; check them"
            )

    def happened(self, days: Floats) -> Floats:
        """Give the share F(u) whose event was seen within so many days of follow-up, shape of `days`."""
        return self._both(days)[0]

    def remaining(self, days: Floats) -> Floats:
        """Give the share who are still at risk after so many days."""
        log = np.zeros_like(days)
        for start, end, event, dropout in self._pieces():
            log -= (event + dropout) * np.clip(days - start, 0.0, end - start)
        return np.exp(log)

    def summed(self, days: Floats) -> Floats:
        """Give the integral of F from 0 to so many days [d]: what accrual at one a day brings."""
        return self._both(days)[1]

    def _pieces(self) -> list[tuple[float, float, float, float]]:
        ends = [*self.cuts[1:].tolist(), np.inf]
        return list(zip(self.cuts.tolist(), ends, self.event.tolist(), self.dropout.tolist(), strict=True))

    def _both(self, days: Floats) -> tuple[Floats, Floats]:
        share, area = np.zeros_like(days), np.zeros_like(days)
        left, done = 1.0, 0.0  # at risk and happened at the beginning of the piece
        for start, end, event, dropout in self._pieces():
            span, rate = np.clip(days - start, 0.0, end - start), event + dropout
            inside = span > 0
            share = np.where(inside, done + left * event * _first(rate, span), share)
            area += done * span + left * event * _second(rate, span)
            if np.isfinite(end):
                whole = np.array([end - start])
                done += left * event * float(_first(rate, whole)[0])
                left *= float(np.exp(-rate * whole[0]))
        return share, area


def expected_events(dates: Floats, accrual: Accrual, hazards: Hazards) -> Floats:
    """Give the expected events up to each date, of all who enter by the accrual.

    Parameters
    ----------
    dates : array, shape (t,)
        [d]
    accrual, hazards : Accrual, Hazards
        A rate or hazard of 0 is allowed in any piece.

    Returns
    -------
    array, shape (t,)

    Source
    ------
    Lachin and Foulkes 1986, Biometrics 42:507, for uniform accrual: the integral of r(s) F(t - s), piece by piece.
    With accrual by a Poisson process the number of events is Poisson with this mean.

    Examples
    --------
    >>> import numpy as np
    >>> one = Hazards(np.array([0.0]), np.array([0.01]), np.array([0.0]))
    >>> hold = Accrual(np.array([0.0, 100.0, 200.0, 300.0]), np.array([1.0, 0.0, 1.0]))
    >>> expected_events(np.array([100.0, 200.0, 300.0]), hold, one).round(3).tolist()
    [36.788, 76.746, 128.233]
    """
    return (
        hazards.summed(_since(dates, accrual.edges[:-1])) - hazards.summed(_since(dates, accrual.edges[1:]))
    ) @ accrual.rates


def expected_of_ongoing(dates: Floats, as_of: float, ages: Floats, hazards: Hazards) -> Floats:
    """Give the expected further events up to each date of subjects who are at risk at `as_of`, at ages (n,) [d].

    Each goes on by conditional survival: (F(u + t) - F(u)) / S(u), S being what is left of event and drop-out.
    """
    later = hazards.happened(ages + _since(dates, np.array([as_of])))
    return np.asarray(((later - hazards.happened(ages)) / hazards.remaining(ages)).sum(axis=1))


def day_of_events(count: float, accrual: Accrual, hazards: Hazards) -> float:
    """Give the day on which so many events are expected [d]; inf if the accrual never brings so many."""
    low, high = float(accrual.edges[0]), float(accrual.edges[-1]) + 1.0

    def at(day: float) -> float:
        return float(expected_events(np.array([day]), accrual, hazards)[0])

    for _ in range(HALVINGS):
        if at(high) >= count:
            break
        low, high = high, accrual.edges[0] + 2.0 * (high - accrual.edges[0])
        if high > 1e9:
            return np.inf
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if at(middle) < count else (low, middle)
    return high


def number_law(share: Floats, mean_to_come: float, most: int) -> Floats:
    """Give P(k further events), k = 0 to `most`: of subjects at risk each with its share, and a Poisson to come.

    Parameters
    ----------
    share : array, shape (n,)
        Probability that the event of a subject at risk is seen by the date.
    mean_to_come : float
        Expected events by the date of subjects still to enter by a Poisson process.
    most : int
        Largest number that is wanted.

    Returns
    -------
    array, shape (most + 1,)
        Exact for given hazards: a Poisson-binomial convolved with a Poisson. P(d-th event by the date) is its tail.
    """
    law = np.zeros(most + 1)
    law[0] = 1.0
    for p in share:
        law[1:], law[0] = law[1:] * (1.0 - p) + law[:-1] * p, law[0] * (1.0 - p)
    k = np.arange(most + 1)
    if mean_to_come <= 0.0:
        return law
    log = k * np.log(mean_to_come) - mean_to_come - np.concatenate([[0.0], np.cumsum(np.log(k[1:]))])
    return np.convolve(law, np.exp(log))[: most + 1]


def _since(dates: Floats, start: Floats) -> Floats:
    return np.maximum(dates[:, None] - start, 0.0)


def _first(rate: float, span: Floats) -> Floats:
    """Integrate exp(-rate v) over the span."""
    x = rate * span
    return np.where(
        x > SERIES, -np.expm1(-x) / (rate or 1.0), span * (1.0 - x / 2.0 + x * x / 6.0 - x**3 / 24.0 + x**4 / 120.0)
    )


def _second(rate: float, span: Floats) -> Floats:
    """Integrate the integral of exp(-rate v): (x - 1 + exp(-x)) / rate^2."""
    x = rate * span
    small = span * span * (0.5 - x / 6.0 + x * x / 24.0 - x**3 / 120.0 + x**4 / 720.0)
    return np.where(x > SERIES, (span + np.expm1(-x) / (rate or 1.0)) / (rate or 1.0), small)
