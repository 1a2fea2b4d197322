"""The growth filter, for many twins at once: an extended Kalman filter written element by element.

State: ln biomass concentration L, specific growth rate mu [1/h], ln sensor gain g.

    dL  = mu dt + s_L dW        dmu = -theta (mu - m) dt + s_mu dW        dg = s_g dW
    signal = exp(L + g) + offset + noise          assay = exp(L) + noise

Every function works on arrays of shape (n,), one element a twin, with no sum or product across twins, so that
a twin's numbers do not depend on its neighbours. The covariance is kept as its upper triangle: it is symmetric
because there is no second half.

Source
------
Prediction: exact discretisation of the Ornstein-Uhlenbeck process and its integral (Gillespie 1996,
Phys. Rev. E 54:2084, eqs 2.14-2.18). Update: Joseph form (Bucy and Joseph 1968, ch. 16). Gate: chi-square .999,
one degree of freedom. Where we differ: a re-opened gate sets L from the signal instead of inflating its variance,
the limit of infinite inflation in log space, because a linearised step overshoots by orders of magnitude there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.parameters import assumed_growth as p

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Rows of the float state, shape (13, n): state, covariance, health of the filter.
LNX, RATE, GAIN, P00, P01, P02, P11, P12, P22, NIS, INNOVATION, INNOVATION_SD, NIS_MEAN = range(13)
FLOATS = 13
# Rows of the integer state, shape (6, n).
TIME, VOLUME, REJECTED, INITIALISED, RUNNING, GATE = range(6)
INTEGERS = 6
GATE_NONE, GATE_ACCEPTED, GATE_REJECTED, GATE_REOPENED = range(4)
GATES = ("none", "accepted", "rejected", "reopened")

GATE_LIMIT = 10.8276  # chi-square .999, 1 degree of freedom
REOPEN_AFTER = 5  # rejections in a row
LN_LARGEST = 30.0  # |L| and |g| stay within: exp(60) is finite
RATE_LARGEST = 10.0  # 1/h; nothing known grows faster
GAP_LONGEST_HOURS = 720.0  # a longer silence adds no more doubt
NIS_WEIGHT = 0.04  # running mean over about 49 buckets
NIS_CONSISTENT = 1.40  # its one-sided 97.5 % point: above it the filter is overconfident
MEASURABLE = 2.0  # a first signal must exceed this many absolute standard deviations

_SERIES = (1 / 3, -1 / 4, 7 / 60, -1 / 24, 31 / 2520, -1 / 320, 127 / 181440, -17 / 120960)


def predict(f: Floats, hours: Floats, k: Floats) -> None:
    """Carry the state forward in time, in place.

    Parameters
    ----------
    f : array, shape (13, n)
        The float state.
    hours : array, shape (n,)
        Time to bridge, 0 or more [h]; 0 changes nothing.
    k : array, shape (16, n)
        Parameters, in the order of `GROWTH`.
    """
    moving = hours > 0
    theta, mean = k[p.RATE_REVERSION], k[p.RATE_MEAN]
    z = theta * hours
    a = hours * _phi(z)
    e = np.exp(-z)
    away = f[RATE] - mean
    noise = k[p.RATE_NOISE] * k[p.RATE_NOISE]
    q00 = noise * hours * hours * hours * _psi(z) + k[p.BIOMASS_NOISE] * k[p.BIOMASS_NOISE] * hours
    q01 = noise * a * a * 0.5
    q11 = noise * hours * _phi(z + z)
    b01 = f[P01] + a * f[P11]
    later = {
        LNX: np.clip(f[LNX] + mean * hours + a * away, -LN_LARGEST, LN_LARGEST),
        RATE: np.clip(mean + e * away, -RATE_LARGEST, RATE_LARGEST),
        P00: f[P00] + a * (f[P01] + b01) + q00,
        P01: e * b01 + q01,
        P02: f[P02] + a * f[P12],
        P11: e * e * f[P11] + q11,
        P12: e * f[P12],
        P22: f[P22] + k[p.GAIN_NOISE] * k[p.GAIN_NOISE] * hours,
    }
    for row, value in later.items():
        f[row] = np.where(moving, value, f[row])


def start(f: Floats, i: NDArray[np.int64], j: int, k: Floats, volume: int) -> None:
    """Set twin `j` to the prior of a run that begins: nothing known of its biomass yet."""
    f[:, j] = 0.0
    f[RATE, j] = k[p.RATE_MEAN, j]
    f[GAIN, j] = np.log(k[p.GAIN_MEAN, j : j + 1])[0]
    f[P11, j] = k[p.RATE_SD, j] * k[p.RATE_SD, j]
    f[P22, j] = k[p.GAIN_SD, j] * k[p.GAIN_SD, j]
    f[NIS_MEAN, j] = 1.0
    i[:, j] = 0
    i[VOLUME, j] = volume
    i[RUNNING, j] = 1


def forget_gain(f: Floats, i: NDArray[np.int64], k: Floats, gain_sd: float) -> None:
    """Forget what was learned of the sensor, in place: it was calibrated, or it is another.

    Its gain is again that of the prior and independent of all else, and innovations of the old sensor count no more.
    The covariance stays positive semidefinite: a row and a column of zeros beside a variance.

    Parameters
    ----------
    f, i : arrays, shape (13, n) and (6, n)
        The state, already predicted to the time of the change.
    k : array, shape (16, n)
        Parameters.
    gain_sd : float
        Relative standard deviation of the gain from now on; below 0: that of the prior.
    """
    sd = k[p.GAIN_SD] if gain_sd < 0 else np.full_like(k[p.GAIN_SD], gain_sd)
    f[GAIN] = np.log(k[p.GAIN_MEAN])
    f[P02] = f[P12] = 0.0
    f[P22] = sd * sd
    f[NIS_MEAN] = 1.0
    i[REJECTED] = 0


def observe(f: Floats, i: NDArray[np.int64], y: Floats, n: Floats, k: Floats, there: Bools, assay: bool) -> Bools:
    """Take in one measurement a twin, in place; twins where `there` is false stay as they are.

    Parameters
    ----------
    f, i : arrays, shape (13, n) and (6, n)
        The state, already predicted to the time of the measurement.
    y : array, shape (n,)
        The measurement: mean signal of a minute, or an assay.
    n : array, shape (n,)
        How many readings the mean holds, 1 or more.
    k : array, shape (16, n)
        Parameters.
    there : array of bool, shape (n,)
        Which twins have a measurement.
    assay : bool
        Whether it is one of biomass itself, free of the sensor's gain and offset.

    Returns
    -------
    array of bool, shape (n,)
        Which measurements the gate judged: those of twins whose biomass was known before.
    """
    if assay:
        relative, absolute, value, gain = k[p.ASSAY_RELATIVE], k[p.ASSAY_ABSOLUTE], y, np.zeros_like(y)
        share = np.ones_like(y)
    else:
        relative, absolute, value = k[p.SIGNAL_RELATIVE], k[p.SIGNAL_ABSOLUTE], y - k[p.SIGNAL_OFFSET]
        gain = f[GAIN].copy()
        share = np.minimum(n, k[p.READINGS_EFFECTIVE])
    weight = 0.0 if assay else 1.0
    known = i[INITIALISED] > 0
    measurable = value > MEASURABLE * absolute

    h = np.exp(f[LNX] + gain)
    error = value - h
    r = relative * h * (relative * h) / share + absolute * absolute
    a0 = h * (f[P00] + weight * f[P02])
    a1 = h * (f[P01] + weight * f[P12])
    a2 = h * (f[P02] + weight * f[P22])
    s = h * a0 + weight * h * a2 + r
    nis = error * error / s
    accepted = there & known & (nis <= GATE_LIMIT)
    refused = there & known & ~accepted
    reopened = refused & (i[REJECTED] + 1 >= REOPEN_AFTER) & measurable
    began = there & ~known & measurable

    _joseph(f, a0 / s, a1 / s, a2 / s, h, weight * h, r, error, accepted)
    anew = began | reopened
    if anew.any():
        _set_from(f, value, gain, relative, absolute, share, weight, measurable, anew)
    judged: Bools = accepted | refused
    f[NIS] = np.where(judged, nis, f[NIS])
    f[INNOVATION] = np.where(judged, error, f[INNOVATION])
    f[INNOVATION_SD] = np.where(judged, np.sqrt(s), f[INNOVATION_SD])
    f[NIS_MEAN] = np.where(judged, f[NIS_MEAN] + NIS_WEIGHT * (np.minimum(nis, 100.0) - f[NIS_MEAN]), f[NIS_MEAN])
    i[INITIALISED] |= began
    i[REJECTED] = np.where(refused & ~reopened, i[REJECTED] + 1, np.where(accepted | reopened, 0, i[REJECTED]))
    gate = np.where(refused, GATE_REJECTED, np.where(accepted, GATE_ACCEPTED, i[GATE]))
    i[GATE] = np.where(reopened, GATE_REOPENED, gate)
    return judged


def _joseph(
    f: Floats, k0: Floats, k1: Floats, k2: Floats, h0: Floats, h2: Floats, r: Floats, error: Floats, take: Bools
) -> None:
    """Update mean and covariance with gain (k0, k1, k2), observation row (h0, 0, h2) and noise r."""
    p00, p01, p02, p11, p12, p22 = (f[row] for row in range(P00, P22 + 1))
    a00, a02 = 1.0 - k0 * h0, -k0 * h2
    a10, a12 = -k1 * h0, -k1 * h2
    a20, a22 = -k2 * h0, 1.0 - k2 * h2
    b00, b01, b02 = a00 * p00 + a02 * p02, a00 * p01 + a02 * p12, a00 * p02 + a02 * p22
    b10, b11 = a10 * p00 + p01 + a12 * p02, a10 * p01 + p11 + a12 * p12
    b12 = a10 * p02 + p12 + a12 * p22
    b20, b22 = a20 * p00 + a22 * p02, a20 * p02 + a22 * p22
    new = (
        f[LNX] + k0 * error,
        f[RATE] + k1 * error,
        f[GAIN] + k2 * error,
        b00 * a00 + b02 * a02 + r * k0 * k0,
        b00 * a10 + b01 + b02 * a12 + r * k0 * k1,
        b00 * a20 + b02 * a22 + r * k0 * k2,
        b10 * a10 + b11 + b12 * a12 + r * k1 * k1,
        b10 * a20 + b12 * a22 + r * k1 * k2,
        b20 * a20 + b22 * a22 + r * k2 * k2,
    )
    bounds = (LN_LARGEST, RATE_LARGEST, LN_LARGEST)
    for row, value in enumerate(new):
        bounded = np.clip(value, -bounds[row], bounds[row]) if row < P00 else value
        f[row] = np.where(take, bounded, f[row])


def _set_from(
    f: Floats, value: Floats, gain: Floats, relative: Floats, absolute: Floats, share: Floats, weight: float,
    measurable: Bools, take: Bools,
) -> None:  # fmt: skip
    """Set ln biomass from one measurement alone, with the covariance that follows from it."""
    safe = np.where(measurable, value, 1.0)
    variance = relative * relative / share + (absolute / safe) * (absolute / safe)
    f[LNX] = np.where(take, np.clip(np.log(safe) - gain, -LN_LARGEST, LN_LARGEST), f[LNX])
    # The sensor's gain is shared by the signal: L = ln signal - g, so their errors are opposite.
    f[P00] = np.where(take, variance + weight * f[P22], f[P00])
    f[P01] = np.where(take, -weight * f[P12], f[P01])
    f[P02] = np.where(take, -weight * f[P22], f[P02])


def _phi(z: Floats) -> Floats:
    """(1 - exp(-z)) / z, which is 1 at 0."""
    safe = np.where(z > 1e-12, z, 1.0)
    return np.where(z > 1e-12, -np.expm1(-safe) / safe, 1.0)


def _psi(z: Floats) -> Floats:
    """(z - 2 (1 - exp(-z)) + (1 - exp(-2 z)) / 2) / z^3, which is 1/3 at 0; a series where that cancels."""
    series = np.full_like(z, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        series = series * z + coefficient
    safe = np.where(z > 0.05, z, 1.0)
    exact = (safe + 2.0 * np.expm1(-safe) - 0.5 * np.expm1(-2.0 * safe)) / (safe * safe * safe)
    return np.where(z > 0.05, exact, series)
