"""What the twin expects: the present belief carried on without new measurements, in closed form.

Nothing is drawn at random: ln biomass and growth rate stay Gaussian under the filter's own equations, so every
quantile is a formula. A forecast counts on `planned_feed_rate` of feed (0 by default) and on no further sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from schemas.instants import HOUR
from twins.bioreactor import filter as ekf
from twins.bioreactor.fold import Beliefs
from twins.bioreactor.parameters import assumed_growth as p
from twins.bioreactor.rows import NANOLITRES
from twins.bioreactor.rules import Rule

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
NORMAL = (-1.6448536269514722, -0.6744897501960817, 0.0, 0.6744897501960817, 1.6448536269514722)
POINTS = 24
SHORTEST_HOURS, LONGEST_HOURS = 1.0, 1440.0
EXPONENT_LARGEST = 60.0

Floats = NDArray[np.float64]
Number = TypeVar("Number", np.float64, np.int64)


@dataclass(frozen=True, slots=True)
class Fan:
    """Forecasts of n twins: time (points + 1, n) [us], the first the present; means and standard deviations
    (points + 1, n) of ln biomass and growth rate; volume (points + 1, n) [L]."""

    at: NDArray[np.int64]
    lnx: Floats
    lnx_sd: Floats
    rate: Floats
    rate_sd: Floats
    volume: Floats


def forecast(now: Beliefs, times: NDArray[np.int64], k: Floats, horizon_hours: float) -> Fan:
    """Carry n beliefs, already predicted to `times`, on to their planned end, or for `horizon_hours` without one.

    A run past its planned end is carried on for `SHORTEST_HOURS`.
    """
    ends = np.array([batch.planned_end or 0 for batch in now.batches], dtype=np.int64)
    planned = (ends - times) / HOUR
    hours = np.where(ends > 0, np.clip(planned, SHORTEST_HOURS, LONGEST_HOURS), horizon_hours)
    twins, many = len(times), POINTS + 1
    # All points of all twins side by side: the state after `ahead` hours follows from the present in one step.
    ahead = (hours[:, None] * (np.arange(many) / POINTS)).ravel()
    f = np.repeat(now.f, many, axis=1)
    k = np.repeat(k, many, axis=1)
    ekf.predict(f, ahead, k)
    volume = np.repeat(now.i[ekf.VOLUME] / NANOLITRES, many)
    fed = volume + k[p.FEED_RATE] * ahead
    f[ekf.LNX] = np.maximum(f[ekf.LNX] - np.log(fed / volume), -ekf.LN_LARGEST)
    at = np.repeat(times, many) + np.rint(ahead * HOUR).astype(np.int64)

    def by_point(values: NDArray[Number]) -> NDArray[Number]:
        return np.ascontiguousarray(values.reshape(twins, many).T)

    return Fan(
        by_point(at),
        by_point(f[ekf.LNX]),
        by_point(np.sqrt(np.maximum(f[ekf.P00], 0.0))),
        by_point(f[ekf.RATE]),
        by_point(np.sqrt(np.maximum(f[ekf.P11], 0.0))),
        by_point(fed),
    )


def quantiles(fan: Fan) -> dict[str, Floats]:
    """Give each quantity's quantiles, shape (points, n, 5)."""
    z = np.array(NORMAL)
    biomass = np.exp(np.minimum(fan.lnx[1:, :, None] + fan.lnx_sd[1:, :, None] * z, EXPONENT_LARGEST))
    rate = fan.rate[1:, :, None] + fan.rate_sd[1:, :, None] * z
    volume = np.repeat(fan.volume[1:, :, None], len(NORMAL), axis=2)
    return {"biomass": biomass, "growth_rate": rate, "volume": volume}


def crossing(fan: Fan, rule: Rule) -> tuple[Floats, NDArray[np.int64]]:
    """Give the probability (n,) that a limit is crossed before the horizon ends, and when the median does.

    Returns
    -------
    probability : array, shape (n,)
        The greatest probability, over the fan's points, of being beyond the limit there: a lower bound of that
        of ever being beyond it.
    expected : array of int64, shape (n,)
        When the median crosses, interpolated between two points [us]; -1 where it never does.
    """
    sign = 1.0 if rule.high else -1.0
    if rule.tag == "biomass":
        ahead, sd = sign * (fan.lnx - np.log(rule.limit)), fan.lnx_sd
    elif rule.tag == "growth_rate":
        ahead, sd = sign * (fan.rate - rule.limit), fan.rate_sd
    else:
        ahead, sd = sign * (fan.volume - rule.limit), np.zeros_like(fan.volume)
    certain = sd < 1e-12
    each = np.where(certain, ahead > 0, ndtr(ahead / np.where(certain, 1.0, sd)))
    return each.max(axis=0), first_beyond(fan.at, ahead)


def first_beyond(at: NDArray[np.int64], ahead: Floats) -> NDArray[np.int64]:
    """Say when a quantity is first above 0, interpolated between two points [us]; -1 where it never is.

    Parameters
    ----------
    at : array of int64, shape (points, n)
        Instants, rising [us].
    ahead : array, shape (points, n)
        The quantity there.
    """
    beyond = ahead > 0
    place = np.argmax(beyond, axis=0)
    twins = np.arange(ahead.shape[1])
    after, before = ahead[place, twins], ahead[np.maximum(place - 1, 0), twins]
    share = np.where(place > 0, -before / np.where(after > before, after - before, 1.0), 0.0)
    start = at[np.maximum(place - 1, 0), twins]
    when = start + np.rint((at[place, twins] - start) * share).astype(np.int64)
    return np.where(beyond.any(axis=0), when, -1)
