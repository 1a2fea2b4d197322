"""The hold time left in a dry shipper, as a distribution, from fill, tilt and temperature.

    df = -(r + e * on its side) dt        f: share of a full box, r: static rate, e: what a tip adds, both an hour

The state (f, r, e) is linear, so a Kalman filter holds it, discretised exactly for irregular signals. A fill far from
its forecast is left out. A cumulative sum of their residuals sees what the rates do not explain: then the rate
is opened, as vacuum loss asks; less so where the tilt signal is lost, for then a tip is as likely. f may fall below 0:
it then tells how long ago the liquid went.

Source
------
Kalman 1960 with Joseph's update; gate as in `payload`. P(warm on arrival) = P(transit left > hold left), both random.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.instants import HOUR
from twins.supply.temperature.folding import FILL, TEMPERATURE, TILT
from twins.supply.temperature.hold_left import HoldLeft
from twins.supply.temperature.payload import Payload, PayloadState
from twins.supply.temperature.shipper import Box, Shipper

Floats = NDArray[np.float64]

_DRIFT = 0.05  # what the rate drifts in a day, over its mean (assumed)
_GATE = 3.5  # standard deviations beyond which a fill is left out (assumed)
_SLACK = 0.5  # k of the cumulative sum, in standard deviations
_SUM_2H, _SUM_LEAST, _SUM_MOST = 4.3, 4.0, 8.0  # its h for fills 2 h apart, and its bounds: some 300 h between false
# openings at any spacing, as the run length grows by about e with each 1 of h (Hawkins and Olwell 1998, ch. 2)
_MOST = 3.0  # what one fill may add to it, before the slack: one far fill never fires, two or three do (assumed)
_OPEN, _OPEN_FAR = 3.0, 6.0  # deviation of a rate opened by small steps or by far fills, over the static (assumed)
_TIP_SPREAD = 1.5  # deviation of what a tip adds an hour, over its mean: it may lose its all in an hour (assumed)
_PASSING = 0.7  # probability that a loss no tilt signal explains was a tip, which passes, and no leak (assumed)
_RIGHTED = 0.5  # a box on its side is taken to be set right within so many hours [h] (assumed)
_LEAST_RATE = 0.3  # no box loses less than this share of its static rate (assumed)
_EMPTY = 2.0  # a fill below so many of its errors says "empty", and no more
_PACK = np.triu_indices(3)
_WARM_KELVIN, _WARM_SDS = 4.0, 4.0  # a payload so far above cold, in kelvin and in errors, has no liquid (assumed)


class HoldState(msgspec.Struct, frozen=True):
    """What is believed of a box at its newest signal.

    Parameters
    ----------
    instant : int
        Newest signal [us]; -1 before any.
    mean : tuple of float
        Fill, static rate [1/h], what a tip adds [1/h].
    covariance : tuple of float
        Upper triangle by rows.
    tipped : bool
        On its side by the newest tilt.
    tilt_seen, fill_seen : int
        Newest signal of each kind [us]; -1 where none.
    tipped_hours : float
        Time on its side so far [h].
    low, high : float
        Cumulative sums of fills below and above their forecasts, in standard deviations.
    opened : int
        When an unexplained loss was first seen; one within twice `tip_hours` is the same [us]; -1 before any.
    left_out, openings : int
        Fills gated; times the rate was opened.
    payload : PayloadState
        Of the logger.
    """

    instant: int
    mean: tuple[float, float, float]
    covariance: tuple[float, float, float, float, float, float]
    tipped: bool = False
    tilt_seen: int = -1
    fill_seen: int = -1
    tipped_hours: float = 0.0
    low: float = 0.0
    high: float = 0.0
    opened: int = -1
    left_out: int = 0
    openings: int = 0
    payload: PayloadState = PayloadState()

    @property
    def rate_sd(self) -> float:
        """Standard deviation of the static rate [1/h]."""
        return math.sqrt(max(0.0, self.covariance[3]))


class Hold(msgspec.Struct, frozen=True):
    """The law that folds a box's signals.

    Parameters
    ----------
    shipper : Shipper
        The model.
    box : Box
        What is known of this one.
    payload : Payload
        Of its logger.
    fill : float
        At the start, as the filling station said, as a share of full.
    fill_sd : float
        Its standard deviation. Default assumed.
    """

    shipper: Shipper
    box: Box
    payload: Payload
    fill: float = 1.0
    fill_sd: float = 0.05

    def start(self) -> HoldState:
        """Give the state before any signal."""
        e = self._tip_rate()
        return HoldState(
            -1,
            (self.fill, self.box.rate, e),
            (self.fill_sd**2, 0.0, 0.0, self.box.rate_sd**2, 0.0, (_TIP_SPREAD * e) ** 2),
        )

    def step(self, state: HoldState, instant: int, kind: int, value: float) -> HoldState:
        """Fold one row of any kind."""
        now = self._moved(state, instant)
        if kind == TEMPERATURE:
            return msgspec.structs.replace(now, payload=self.payload.step(state.payload, instant, kind, value))
        if kind == TILT:
            return msgspec.structs.replace(self._turned(now, value >= 0.5), tilt_seen=instant)
        return self._filled(now, value) if kind == FILL else state

    def left(self, state: HoldState, instant: int) -> HoldLeft:
        """Say the hold time left at an instant at or after the newest signal [us]."""
        now = self._moved(state, max(instant, state.instant))
        box = self.shipper
        lost = self._tilt_lost(state, instant)
        estimate = self.payload.at(state.payload, instant)
        over = estimate.celsius - box.cold_celsius
        source: Literal["fill", "warming", "prior"] = "prior" if state.fill_seen < 0 else "fill"
        grace, sd = box.grace_hours, box.grace_hours * box.warming_spread
        if estimate.status == "known" and over > max(_WARM_KELVIN, _WARM_SDS * estimate.sd_kelvin):
            source = "warming"
            grace = box.hours_to_limit(estimate.celsius)
            slope = box.warming_hours / max(box.ambient_celsius - estimate.celsius, 1.0)
            sd = math.hypot(slope * estimate.sd_kelvin, grace * box.warming_spread)
        least = _LEAST_RATE * self.box.rate
        recent = state.opened >= 0 and instant - state.opened <= box.tip_hours * HOUR
        return HoldLeft(
            source, now.mean, now.covariance, self._tip_left(now), grace, sd, self._drift(), least, lost,
            _PASSING if lost and recent else 0.0, (self.box.rate, self.box.rate_sd),
        )  # fmt: skip

    def _tip_left(self, state: HoldState) -> float:
        """Give how much longer a tip adds its loss: until the box is set right, or has lost what a tip may cost."""
        if not state.tipped:
            return 0.0
        e = max(state.mean[2], 1e-6)
        return max(0.0, min(_RIGHTED, self.shipper.tip_hours - state.tipped_hours, self.shipper.tip_loss / e))

    def _tip_rate(self) -> float:
        return self.shipper.tip_loss / self.shipper.tip_hours

    def _drift(self) -> float:
        return (_DRIFT * self.box.rate) ** 2 / 24.0

    def _moved(self, state: HoldState, instant: int) -> HoldState:
        if state.instant < 0:
            return msgspec.structs.replace(state, instant=instant)
        t = (instant - state.instant) / HOUR
        if t <= 0:
            return state
        tip = t if state.tipped else 0.0
        move = np.array([[1.0, -t, -tip], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        drift = self._drift()
        noise = np.zeros((3, 3))
        noise[:2, :2] = drift * np.array([[t**3 / 3, -t * t / 2], [-t * t / 2, t]])
        covariance = move @ _full(state.covariance) @ move.T + noise
        mean = move @ np.array(state.mean)
        return msgspec.structs.replace(
            state, instant=instant, mean=_three(mean), covariance=_six(covariance),
            tipped_hours=state.tipped_hours + tip,
        )  # fmt: skip

    def _turned(self, state: HoldState, tipped: bool) -> HoldState:
        """Note that a box fell or was righted: each fall has its own loss."""
        if tipped == state.tipped:
            return state
        mean, covariance = list(state.mean), _full(state.covariance)
        mean[2] = self._tip_rate()
        covariance[2, :] = covariance[:, 2] = 0.0
        covariance[2, 2] = (_TIP_SPREAD * mean[2]) ** 2
        hours = 0.0 if tipped else state.tipped_hours
        return msgspec.structs.replace(
            state, tipped=tipped, tipped_hours=hours, mean=_three(np.array(mean)), covariance=_six(covariance)
        )

    def _filled(self, state: HoldState, value: float) -> HoldState:
        error = math.hypot(self.shipper.fill_error, self.shipper.relative_error * max(value, state.mean[0], 0.0))
        error = max(error, 0.002)  # no signal of a box resolves less (assumed)
        seen = msgspec.structs.replace(state, fill_seen=state.instant)
        if value < _EMPTY * error and state.mean[0] < value:
            return seen
        z = (value - seen.mean[0]) / math.sqrt(seen.covariance[0] + error**2)
        step = max(-_MOST, min(_MOST, z))
        low, high = max(0.0, seen.low - step - _SLACK), max(0.0, seen.high + step - _SLACK)
        if max(low, high) >= _sum_limit(state):
            seen = self._opened(seen, value - seen.mean[0], error, abs(z) > _GATE)
            low = high = 0.0
        elif abs(z) > _GATE:
            return msgspec.structs.replace(seen, low=low, high=high, left_out=seen.left_out + 1)
        return msgspec.structs.replace(self._updated(seen, value, error), low=low, high=high)

    def _updated(self, state: HoldState, value: float, error: float) -> HoldState:
        mean, covariance = np.array(state.mean), _full(state.covariance)
        gain = covariance[:, 0] / (covariance[0, 0] + error**2)
        keep = np.eye(3)
        keep[:, 0] -= gain
        mean = mean + gain * (value - mean[0])
        mean[1] = max(mean[1], _LEAST_RATE * self.box.rate)
        mean[2] = max(mean[2], 0.0)
        covariance = keep @ covariance @ keep.T + np.outer(gain, gain) * error**2
        return msgspec.structs.replace(state, mean=_three(mean), covariance=_six(covariance))

    def _opened(self, state: HoldState, innovation: float, error: float, far: bool) -> HoldState:
        """Doubt the fill and what empties it: the fills say that the rates believed do not explain it."""
        covariance = _full(state.covariance)
        covariance[0, :] = covariance[:, 0] = 0.0
        covariance[0, 0] = (innovation**2 if far else 0.0) + error**2
        told = state.tipped and not self._tilt_lost(state, state.instant)
        if not told:
            leak = far and not self._tilt_lost(state, state.instant)
            covariance[1, :] = covariance[:, 1] = 0.0
            covariance[1, 1] = max(covariance[1, 1], ((_OPEN_FAR if leak else _OPEN) * self.box.rate) ** 2)
        again = state.opened >= 0 and state.instant - state.opened <= 2 * self.shipper.tip_hours * HOUR
        return msgspec.structs.replace(
            state, covariance=_six(covariance), openings=state.openings + int(not told),
            opened=state.opened if again or innovation > 0 else state.instant,
        )  # fmt: skip

    def _tilt_lost(self, state: HoldState, instant: int) -> bool:
        return state.tilt_seen < 0 or instant - state.tilt_seen > self.shipper.tilt_gap_hours * HOUR


def _sum_limit(state: HoldState) -> float:
    """Give h for the time since the fill before: the same rate of false openings by the hour."""
    hours = (state.instant - state.fill_seen) / HOUR if state.fill_seen >= 0 else 2.0
    return min(_SUM_MOST, max(_SUM_LEAST, _SUM_2H + math.log(2.0 / max(hours, 1e-3))))


def _full(six: tuple[float, ...]) -> Floats:
    full = np.zeros((3, 3))
    full[_PACK] = six
    return full + np.triu(full, 1).T


def _three(mean: Floats) -> tuple[float, float, float]:
    a, b, c = mean.tolist()
    return a, b, c


def _six(covariance: Floats) -> tuple[float, float, float, float, float, float]:
    a, b, c, d, e, f = (0.5 * (covariance + covariance.T))[_PACK].tolist()
    return a, b, c, d, e, f
