"""The hold time left as a distribution: P(limit by u), quantiles, P(warm on arrival); by normal integrals, no draws.

The box is dry where f - r u - e min(u, tip left) falls to 0; given the rate this is normal, and the rate is integrated
by nine nodes, kept above the least that a box can lose. The limit follows by the warm-up time, by three nodes.

Source
------
Gauss-Hermite quadrature: Golub and Welsch 1969, Math Comp 23:221. P(warm) = P(transit left > hold left), both random.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class HoldLeft(msgspec.Struct, frozen=True):
    """The time to the product's limit, as far as the signals tell.

    Parameters
    ----------
    source : str
        `fill`, `warming` (the payload is above cold: the liquid has gone) or `prior` (no fill signal came).
    mean, covariance
        Fill, rate and tip excess at the instant asked; of `warming`: unused.
    tip_left : float
        How much longer a tip that lasts may add its loss [h].
    grace, grace_sd : float
        From dry to the limit [h]; of `warming`: from now to the limit.
    drift : float
        Variance that the rate gains an hour [1/h^3].
    least_rate : float
        No rate is taken to be less [1/h].
    tilt_lost : bool
        The tilt signal has been silent for too long, or never came.
    passing : float
        Probability that the rate is a tip's and goes back to the static one.
    static : tuple of float
        That one and its standard deviation [1/h].
    """

    source: Literal["fill", "warming", "prior"]
    mean: tuple[float, float, float]
    covariance: tuple[float, float, float, float, float, float]
    tip_left: float
    grace: float
    grace_sd: float
    drift: float
    least_rate: float
    tilt_lost: bool
    passing: float = 0.0
    static: tuple[float, float] = (0.0, 0.0)

    def crossed_by(self, hours: Floats) -> Floats:
        """Give P(the limit is crossed within so many hours), same shape; never falls with time."""
        grid = np.asarray(hours, float)
        order = np.argsort(grid, axis=None)
        flat = grid.ravel()[order]
        chance = np.maximum.accumulate(self._chance(flat)) if len(flat) else flat
        result = np.empty_like(flat)
        result[order] = chance
        return result.reshape(grid.shape)

    def quantiles(self, shares: Floats) -> Floats:
        """Give quantiles of the hours to the limit; `inf` beyond 100 days, 0 where it is crossed already."""
        grid = np.concatenate([np.arange(0.0, 48.0, 0.1), np.arange(48.0, 2400.5, 0.5)])
        chance = self.crossed_by(grid)
        place = np.searchsorted(chance, shares, "left")
        return np.where(place < len(grid), grid[np.minimum(place, len(grid) - 1)], np.inf)

    def warm_on_arrival(self, transit_hours: Floats, weights: Floats | None = None) -> float:
        """Give P(transit left > hold left).

        Parameters
        ----------
        transit_hours : array, shape (n,)
            Draws of the transit time left, or its quantiles at evenly spaced probabilities [h].
        weights : array, shape (n,)
            Of each; equal where not given.
        """
        return float(np.average(self.crossed_by(transit_hours), weights=weights))

    def _chance(self, hours: Floats) -> Floats:
        if self.source == "warming":
            sd = max(self.grace_sd, 1e-6)
            warm: Floats = ndtr((hours - self.grace) / sd)
            return warm
        total = np.zeros_like(hours)
        for shift, weight in ((-math.sqrt(3.0), 1 / 6), (0.0, 2 / 3), (math.sqrt(3.0), 1 / 6)):  # Gauss-Hermite, 3
            total += weight * self._dry_by(hours - (self.grace + shift * self.grace_sd))
        if not self.passing:
            return total
        rate, sd = self.static
        still = (self.covariance[0], 0.0, self.covariance[2], sd * sd, 0.0, self.covariance[5])
        passed = msgspec.structs.replace(
            self, mean=(self.mean[0], rate, self.mean[2]), covariance=still, passing=0.0, least_rate=0.0
        )
        return (1.0 - self.passing) * total + self.passing * passed._chance(hours)

    def _dry_by(self, hours: Floats) -> Floats:
        """Give P(fill <= 0 so many hours from now); negative hours look back along the rate."""
        f, r, e = self.mean
        ff, fr, fe, rr, re, ee = self.covariance
        tip = np.clip(hours, 0.0, self.tip_left)
        ahead = self.drift * np.maximum(hours, 0.0) ** 3 / 3.0
        per = 1.0 / max(rr, 1e-18)  # fill and tip are normal given the rate
        spread = ff - fr * fr * per + tip**2 * (ee - re * re * per) - 2.0 * tip * (fe - fr * re * per) + ahead
        deviation = np.sqrt(np.maximum(spread, 1e-10))
        total = np.zeros_like(hours)
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            off = node * math.sqrt(rr)
            rate = max(r + off, self.least_rate)
            mean = f + fr * per * off - rate * hours - (e + re * per * off) * tip
            total += weight * ndtr(-mean / deviation)
        return total
