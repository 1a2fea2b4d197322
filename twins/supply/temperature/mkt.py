"""Mean kinetic temperature, where it applies; a refusal with its reason where it does not.

    T = (dH / R) / -ln( sum t_i exp(-dH / (R T_i)) / sum t_i )      T in kelvin, t_i durations

Weights are durations, never counts of readings. Between two readings exp(-dH / (R T)) is taken as the mean of theirs
(trapezoid), or the older one's (step); a window's end between two readings is given the straight line's temperature
(trapezoid) or the older reading's (step). Sums are of exponentials relative to the largest, so nothing overflows.

Source
------
USP <1079.2> (dH 83.144 kJ/mol, dH / R 10,000 K; windows of 30 days for controlled room temperature and 24 h for 2 to
8 degC). Log of a sum of exponentials: Blanchard, Higham, Higham 2021, IMA J Numer Anal 41:2311.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidFieldError, ShapeError
from schemas.instants import DAY, HOUR
from twins.supply.temperature.dose import ZERO_CELSIUS, Between

RATIO_KELVIN = 10_000.0  # dH / R, USP <1079.2>
Storage = Literal["room", "cold", "frozen", "cryogenic"]
WINDOWS = {"room": 30 * DAY, "cold": DAY}  # [us], USP <1079.2>
LIMITS_CELSIUS = {"room": 25.0, "cold": 8.0}  # MKT at most, USP <659>
_FROZEN_CELSIUS = -25.0  # a reading below it belongs to no product of 2 to 8 degC or room temperature (assumed)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Mkt(msgspec.Struct, frozen=True):
    """A mean kinetic temperature.

    Parameters
    ----------
    begin, end : int
        The window [us].
    celsius : float
        MKT [degC].
    limit : float
        The most that its kind of storage allows [degC].
    """

    begin: int
    end: int
    celsius: float
    limit: float

    @property
    def within(self) -> bool:
        """Whether it is at or below the limit of its kind of storage."""
        return self.celsius <= self.limit


class Refusal(msgspec.Struct, frozen=True):
    """No mean kinetic temperature, and why.

    Parameters
    ----------
    begin, end : int
        The window [us].
    reason : str
        `storage` (frozen or cryogenic), `too_cold`, `no_readings`, `gap`, `not_covered` or `not_finite`.
    detail : str
        In a sentence.
    """

    begin: int
    end: int
    reason: Literal["storage", "too_cold", "no_readings", "gap", "not_covered", "not_finite"]
    detail: str


def mean_kinetic(celsius: Sequence[float], hours: Sequence[float], ratio_kelvin: float = RATIO_KELVIN) -> float:
    """Compute the mean kinetic temperature of times spent at temperatures.

    Parameters
    ----------
    celsius : sequence of float, shape (n,)
        Temperatures, above absolute zero [degC].
    hours : sequence of float, shape (n,)
        Time at each, 0 or more, not all 0; any one unit of time.
    ratio_kelvin : float
        dH / R, above 0 [K].

    Returns
    -------
    float
        MKT [degC].

    Raises
    ------
    ShapeError
        If the two differ in length.
    InvalidFieldError
        If a value is out of its range.

    Examples
    --------
    >>> round(mean_kinetic([5.0, 15.0], [22.0, 2.0]), 4)
    6.4623
    """
    kelvin, weights = np.asarray(celsius, float) + ZERO_CELSIUS, np.asarray(hours, float)
    if kelvin.shape != weights.shape or kelvin.ndim != 1:
        raise ShapeError(f"expected one duration a temperature, received {weights.shape} for {kelvin.shape}")
    if not (np.isfinite(kelvin).all() and (kelvin > 0).all()):
        raise InvalidFieldError(expected="temperatures above -273.15 degC", received=str(celsius)[:80], where="celsius")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise InvalidFieldError(expected="durations of 0 or more, not all 0", received=str(hours)[:80], where="hours")
    if not 0 < ratio_kelvin < math.inf:
        raise InvalidFieldError(expected="dH / R above 0 K", received=str(ratio_kelvin), where="ratio_kelvin")
    used = weights > 0
    kelvin, weights = kelvin[used], weights[used] / weights.max()
    inverse = 1.0 / kelvin
    # 1 / T = 1 / T_hottest - log(mean of exponentials relative to the hottest's) / ratio
    least = float(inverse.min())
    share = math.fsum(weights * np.exp(-ratio_kelvin * (inverse - least))) / math.fsum(weights)
    return 1.0 / (least - math.log(share) / ratio_kelvin) - ZERO_CELSIUS


def mkt(
    instants: Sequence[int],
    celsius: Sequence[float],
    begin: int,
    end: int,
    storage: Storage,
    *,
    longest_gap_hours: float = 3.0,
    between: Between = "trapezoid",
    ratio_kelvin: float = RATIO_KELVIN,
) -> Mkt | Refusal:
    """Compute the mean kinetic temperature of a window of a record, or say why there is none.

    Parameters
    ----------
    instants, celsius : sequences, shape (n,)
        Readings by event time [us], [degC], such as `Folded.rows` gives them.
    begin, end : int
        The window [us]. Of any length: that of the rule is in `WINDOWS`.
    storage : str
        What the product asks for. `frozen` and `cryogenic` are refused: the formula's chemistry stops there; use
        `Excursions` for time above a limit.
    longest_gap_hours : float
        A window with a longer silence is refused [h].
    between : str
        `trapezoid` or `step`.
    ratio_kelvin : float
        dH / R [K].

    Returns
    -------
    Mkt or Refusal
    """
    times, values = _ordered(instants, celsius)
    return _window(times, values, begin, end, storage, longest_gap_hours * HOUR, between, ratio_kelvin)


def sliding(
    instants: Sequence[int],
    celsius: Sequence[float],
    storage: Storage,
    *,
    longest_gap_hours: float = 3.0,
    between: Between = "trapezoid",
    ratio_kelvin: float = RATIO_KELVIN,
) -> list[Mkt | Refusal]:
    """Compute it for the rule's window before each reading; a function of the readings, so late ones change it exactly.

    Parameters are those of `mkt`. The window is 30 days for `room` and 24 h for `cold`. Costs a sum over the window at
    each reading: 3,000 readings of 24 h at 5 minutes take under a second.
    """
    times, values = _ordered(instants, celsius)
    length, gap = WINDOWS.get(storage, DAY), longest_gap_hours * HOUR
    return [
        _window(times, values, int(end) - length, int(end), storage, gap, between, ratio_kelvin)
        for end in np.unique(times)
    ]


def _ordered(instants: Sequence[int], celsius: Sequence[float]) -> tuple[Ints, Floats]:
    times, values = np.asarray(instants, np.int64), np.asarray(celsius, float)
    if times.shape != values.shape or times.ndim != 1:
        raise ShapeError(f"expected one temperature an instant, received {values.shape} for {times.shape}")
    order = np.lexsort((values, times))
    return times[order], values[order]


def _window(
    times: Ints, values: Floats, begin: int, end: int, storage: str, gap: float, between: Between, ratio: float
) -> Mkt | Refusal:
    if storage not in WINDOWS:
        text = f"no mean kinetic temperature for {storage} storage; use peak and time above the product's limit"
        return Refusal(begin, end, "storage", text)
    low = max(0, int(np.searchsorted(times, begin, "right")) - 1)  # the newest at or before the window's begin
    high = int(np.searchsorted(times, end, "left" if between == "trapezoid" else "right"))
    at, read = times[low : high + 1], values[low : high + 1]
    if not len(at) or end <= begin:
        return Refusal(begin, end, "no_readings", "no reading in the window")
    if not np.isfinite(read).all() or read.min() <= -ZERO_CELSIUS:
        return Refusal(begin, end, "not_finite", "a reading is no temperature")
    if at[0] > begin or (at[-1] < end and (between == "trapezoid" or end - at[-1] > gap)):
        return Refusal(begin, end, "not_covered", "the readings do not reach from the window's begin to its end")
    if len(at) > 1 and float(np.diff(at).max()) > gap:
        return Refusal(begin, end, "gap", f"a silence of {np.diff(at).max() / HOUR:.2f} h is not bridged")
    if read.min() < _FROZEN_CELSIUS:
        return Refusal(begin, end, "too_cold", f"a reading of {read.min():.1f} degC is no {storage} storage")
    edges = np.unique(np.concatenate([[begin, end], at[(at > begin) & (at < end)]]))
    spans = np.diff(edges).astype(float)
    if between == "step":
        weights, shown = spans, read[np.searchsorted(at, edges[:-1], "right") - 1]
    else:  # each span is half its left end and half its right end; of readings at one instant, last before, first after
        left, right = _line(at, read, edges[:-1], last=True), _line(at, read, edges[1:], last=False)
        weights, shown = np.tile(spans / 2.0, 2), np.concatenate([left, right])
    celsius = mean_kinetic(shown.tolist(), weights.tolist(), ratio)
    return Mkt(begin, end, celsius, LIMITS_CELSIUS[storage])


def _line(at: Ints, read: Floats, edges: Ints, last: bool) -> Floats:
    """Give the temperature at each edge: a reading's own, or on the straight line between its neighbours."""
    right = np.clip(np.searchsorted(at, edges, "left"), 0, len(at) - 1)
    exact = at[right] == edges
    own = np.clip(np.searchsorted(at, edges, "right") - 1, 0, None) if last else right
    left = np.maximum(right - 1, 0)
    span = np.maximum(at[right] - at[left], 1)
    line = read[left] + (read[right] - read[left]) * ((edges - at[left]) / span)
    return np.where(exact, read[own], line)
