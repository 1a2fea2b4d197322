"""The payload's temperature, by a Kalman filter from a noisy logger that lags behind it.

    dp = v dt + sqrt(walk) dW1      dv = sqrt(turn) dW2      ds = (p - s) / lag dt      y = s + noise

p is the payload, v its slope, s what the probe has come to, y what it reads. Sampling may be irregular: each step is
discretised exactly for its own length. A gap longer than `longest_gap_hours` is not bridged: the filter begins anew
with the next reading, and until then the payload is unknown. A reading too far from its forecast is left out with a
reason; the third in a row on the same side is believed, and the filter begins anew there.

Source
------
Exact discretisation: Van Loan 1978, IEEE TAC 23:395; here its integrals in closed form, or by Gauss-Legendre
quadrature (whose sums are positive semidefinite) where the closed form would cancel. Joseph's form of the update:
Bucy and Joseph 1968. Gate: Bar-Shalom, Li, Kirubarajan 2001, section 5.4.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR
from twins.supply.temperature.folding import TEMPERATURE

Floats = NDArray[np.float64]
OUTLIERS = 3  # readings in a row on one side that are believed against the forecast (assumed)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_PACK = np.triu_indices(3)


class Logger(msgspec.Struct, frozen=True):
    """What is known of a probe.

    Parameters
    ----------
    noise_kelvin : float
        Standard deviation of a reading, above 0 [K].
    lag_hours : float
        Time constant from payload to probe, 0 or more [h].
    """

    noise_kelvin: float
    lag_hours: float

    def __post_init__(self) -> None:
        if not 0 < self.noise_kelvin < math.inf:
            raise SettingsError(f"expected a logger's noise above 0 K, received {self.noise_kelvin}")
        if not 0 <= self.lag_hours < math.inf:
            raise SettingsError(f"expected a logger's lag of 0 h or more, received {self.lag_hours}")


class PayloadState(msgspec.Struct, frozen=True):
    """What is believed at the newest reading.

    Parameters
    ----------
    instant : int
        Of the newest temperature [us]; -1 where there was none.
    mean : tuple of float
        Payload [degC], slope [K/h], probe [degC].
    covariance : tuple of float
        Upper triangle by rows: pp, pv, ps, vv, vs, ss.
    side : int
        Readings left out in a row, with the sign of their side.
    left_out, gaps, restarts : int
        Readings gated, gaps not bridged, jumps believed, since the start.
    used : int
        The newest temperature that was not left out [us]; a gap counts from it.
    reason : str
        Why the newest reading was left out: `outlier`; empty where it was used.
    """

    instant: int = -1
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    covariance: tuple[float, float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    side: int = 0
    left_out: int = 0
    gaps: int = 0
    restarts: int = 0
    used: int = -1
    reason: str = ""


class Estimate(msgspec.Struct, frozen=True):
    """The payload at an instant.

    Parameters
    ----------
    status : str
        `known`, `unknown` (nothing read for longer than the bound) or `never` (no reading yet).
    celsius, sd_kelvin, slope_kelvin_per_hour : float
        Mean, standard deviation, slope; NaN where not known.
    """

    status: Literal["known", "unknown", "never"]
    celsius: float = math.nan
    sd_kelvin: float = math.nan
    slope_kelvin_per_hour: float = math.nan


class Payload(msgspec.Struct, frozen=True):
    """The law that folds a logger's readings.

    Parameters
    ----------
    logger : Logger
        The probe.
    walk : float
        Variance that the payload gains an hour, beside its slope [K^2/h]. Default assumed: 0.1 K in 20 minutes.
    turn : float
        Variance that the slope gains an hour [(K/h)^2/h]. Default assumed: a box that runs dry gets its slope of
        some K/h within an hour.
    longest_gap_hours : float
        No longer silence is bridged [h]. Default assumed.
    gate : float
        Standard deviations beyond which a reading is left out. Default assumed: one good reading in 1.7 million.
    """

    logger: Logger
    walk: float = 0.03
    turn: float = 4.0
    longest_gap_hours: float = 3.0
    gate: float = 5.0

    def __post_init__(self) -> None:
        for name in ("walk", "turn", "longest_gap_hours", "gate"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingsError(f"expected a payload's {name} above 0, received {getattr(self, name)}")

    def start(self) -> PayloadState:
        """Give the state that has seen nothing."""
        return PayloadState()

    def step(self, state: PayloadState, instant: int, kind: int, value: float) -> PayloadState:
        """Fold one row; kinds other than a temperature change nothing."""
        if kind != TEMPERATURE:
            return state
        if state.instant < 0:
            return self._begun(state, instant, value)
        if instant - state.used > self.longest_gap_hours * HOUR:
            return msgspec.structs.replace(self._begun(state, instant, value), gaps=state.gaps + 1)
        mean, covariance = self._ahead(state, instant)
        innovation = value - float(mean[2])
        spread = float(covariance[2, 2]) + self.logger.noise_kelvin**2
        if innovation**2 > self.gate**2 * spread:
            return self._gated(state, instant, value, mean, covariance, 1 if innovation > 0 else -1)
        gain = covariance[:, 2] / spread
        keep = np.eye(3)
        keep[:, 2] -= gain
        after = keep @ covariance @ keep.T + np.outer(gain, gain) * self.logger.noise_kelvin**2
        return msgspec.structs.replace(
            state, instant=instant, used=instant, mean=_three(mean + gain * innovation), covariance=_six(after), side=0,
            reason="",
        )  # fmt: skip

    def at(self, state: PayloadState, instant: int) -> Estimate:
        """Say the payload at an instant at or after the newest reading [us]; its uncertainty grows with silence."""
        if state.instant < 0:
            return Estimate("never")
        if instant - state.used > self.longest_gap_hours * HOUR:
            return Estimate("unknown")
        mean, covariance = self._ahead(state, max(instant, state.instant))
        return Estimate("known", float(mean[0]), math.sqrt(max(0.0, float(covariance[0, 0]))), float(mean[1]))

    def _ahead(self, state: PayloadState, instant: int) -> tuple[Floats, Floats]:
        move, noise = transition(instant - state.instant, self.logger.lag_hours, self.walk, self.turn)
        return move @ np.array(state.mean), move @ covariance_of(state) @ move.T + noise

    def _begun(self, state: PayloadState, instant: int, value: float) -> PayloadState:
        """Begin anew at a reading: the slope is unknown, and the payload is ahead of the probe by slope times lag."""
        noise = self.logger.noise_kelvin**2
        slope = self.turn * 1.0 + 4.0  # (K/h)^2, assumed: two hours' worth of turning and more
        lead = self.logger.lag_hours
        ahead = lead * slope
        return msgspec.structs.replace(
            state, instant=instant, used=instant, mean=(value, 0.0, value), side=0, reason="",
            covariance=(noise + lead * ahead + self.walk * lead, ahead, noise, slope, 0.0, noise),
        )  # fmt: skip

    def _gated(
        self, state: PayloadState, instant: int, value: float, mean: Floats, covariance: Floats, side: int
    ) -> PayloadState:
        row = state.side + side if state.side * side > 0 else side
        if abs(row) >= OUTLIERS:
            begun = self._begun(state, instant, value)
            return msgspec.structs.replace(begun, restarts=state.restarts + 1)
        return msgspec.structs.replace(
            state, instant=instant, mean=_three(mean), covariance=_six(covariance), side=row,
            left_out=state.left_out + 1, reason="outlier",
        )  # fmt: skip


class Filtered(msgspec.Struct, frozen=True):
    """A law of temperatures that folds what the filter believes, in place of what the probe read.

    A reading that is left out does not reach the law. What was said is not smoothed by later readings.

    Parameters
    ----------
    payload : Payload
        The filter.
    law : Law
        Such as `Excursions` or `Dose`.
    """

    payload: Payload
    law: msgspec.Struct

    def start(self) -> tuple[PayloadState, object]:
        """Give the states that have seen nothing."""
        return self.payload.start(), self.law.start()  # type: ignore[attr-defined]

    def step(
        self, state: tuple[PayloadState, object], instant: int, kind: int, value: float
    ) -> tuple[PayloadState, object]:
        """Filter one row, and hand on the payload's mean."""
        believed, inner = self.payload.step(state[0], instant, kind, value), state[1]
        if kind == TEMPERATURE and not believed.reason:
            inner = self.law.step(inner, instant, kind, believed.mean[0])  # type: ignore[attr-defined]
        return believed, inner


def covariance_of(state: PayloadState) -> Floats:
    """Unpack the covariance, shape (3, 3)."""
    full = np.zeros((3, 3))
    full[_PACK] = state.covariance
    return full + np.triu(full, 1).T


@lru_cache(maxsize=256)
def transition(elapsed: int, lag_hours: float, walk: float, turn: float) -> tuple[Floats, Floats]:
    """Discretise a step exactly.

    Parameters
    ----------
    elapsed : int
        Its length, 0 or more [us].
    lag_hours, walk, turn : float
        As in `Logger` and `Payload`.

    Returns
    -------
    (array, array), shapes (3, 3)
        What moves (p, v, s), and the covariance of what is added. Read-only.
    """
    t, lag = elapsed / HOUR, lag_hours
    away = -math.expm1(-t / lag) if lag > 0 else float(t > 0)
    caught = t - lag * away
    move = np.array([[1.0, t, 0.0], [0.0, 1.0, 0.0], [away, caught, 1.0 - away]])
    short = lag > 0 and t <= 2.0 * lag
    noise = _by_quadrature(t, lag, walk, turn) if short else _by_formula(t, lag, away, walk, turn)
    move.flags.writeable = noise.flags.writeable = False
    return move, noise


def _by_quadrature(t: float, lag: float, walk: float, turn: float) -> Floats:
    u, weights = 0.5 * t * (_NODES + 1.0), 0.5 * t * _WEIGHTS
    away = -np.expm1(-u / lag)
    step = np.stack([np.ones_like(u), np.zeros_like(u), away])
    slope = np.stack([u, np.ones_like(u), u - lag * away])
    noise: Floats = walk * (step * weights) @ step.T + turn * (slope * weights) @ slope.T
    return 0.5 * (noise + noise.T)


def _by_formula(t: float, lag: float, away: float, walk: float, turn: float) -> Floats:
    rest = 1.0 - away
    one = lag * away  # integrals of e, u e and e^2, where e = exp(-u / lag)
    first = lag * lag * away - lag * t * rest
    two = 0.5 * lag * (1.0 - rest * rest)
    ps, ss = t - one, t - 2.0 * one + two
    step = np.array([[t, 0.0, ps], [0.0, 0.0, 0.0], [ps, 0.0, ss]])
    pp, pv = t**3 / 3.0, t * t / 2.0
    ps = pp - lag * pv + lag * first
    vs = pv - lag * t + lag * one
    ss = pp + lag * lag * (t + two - 2.0 * one) - lag * t * t + 2.0 * lag * first
    slope = np.array([[pp, pv, ps], [pv, t, vs], [ps, vs, ss]])
    noise: Floats = walk * step + turn * slope
    return noise


def _three(mean: Floats) -> tuple[float, float, float]:
    p, v, s = mean.tolist()
    return p, v, s


def _six(covariance: Floats) -> tuple[float, float, float, float, float, float]:
    even = 0.5 * (covariance + covariance.T)
    pp, pv, ps, vv, vs, ss = even[_PACK].tolist()
    return pp, pv, ps, vv, vs, ss
