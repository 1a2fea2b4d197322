"""The survival curve that the data show without any law, to hold a fitted one against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.enrollment.study import Floats


@dataclass(frozen=True, slots=True)
class Curve:
    """S(t) after each day with an event; `error` is the standard error of ln S (Greenwood). Columns of shape (k,)."""

    days: Floats
    survival: Floats
    error: Floats

    @property
    def median(self) -> float:
        """The first day at which half or fewer are left [d]; inf if that is not reached."""
        return self._first(self.survival)

    def median_between(self, z: float = 1.959964) -> tuple[float, float]:
        """Give the interval of the median, 95 % unless told, by the interval of ln S (Brookmeyer and Crowley 1982)."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            lower, upper = (np.minimum(self.survival * np.exp(sign * z * self.error), 1.0) for sign in (-1, 1))
        return self._first(lower), self._first(upper)

    def _first(self, height: Floats) -> float:
        under = np.flatnonzero(height <= 0.5 + 1e-12)
        return float(self.days[under[0]]) if len(under) else float(np.inf)


def kaplan_meier(days: Floats, events: Floats | NDArray[np.bool_]) -> Curve:
    """Estimate the survival curve by the product limit.

    Parameters
    ----------
    days, events : array, shape (n,)
        Time under observation [d]; 1 where it ended in an event, else 0.

    Source
    ------
    Kaplan and Meier 1958, JASA 53:457.
    """
    at = np.unique(days[events > 0])
    risk = len(days) - np.searchsorted(np.sort(days), at, side="left")
    died = np.searchsorted(np.sort(days[events > 0]), at, side="right")
    died = np.diff(died, prepend=0)
    with np.errstate(divide="ignore"):
        error = np.sqrt(np.cumsum(died / (risk * (risk - died).astype(np.float64))))
    return Curve(at, np.cumprod(1.0 - died / risk).astype(np.float64), error.astype(np.float64))
