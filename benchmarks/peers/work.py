"""The work that every peer does with a reading: decode it, fold it into its twin's filter, check its limit.

One step of the extended Kalman filter of `twins/bioreactor/filter.py` (ln biomass, growth rate, ln gain) a record,
by filterpy, or by plain floats with `floats`. What depends only on the time between two readings is kept.
Only the peers' own packages are used.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import lru_cache
from math import exp, expm1, log
from typing import Any

import msgspec
import numpy as np
from filterpy.kalman import ExtendedKalmanFilter

THETA, MEAN, RATE_SD, RATE_NOISE, BIOMASS_NOISE = 0.02, 0.05, 0.2, 0.02, 0.005
GAIN_SD, GAIN_NOISE, RELATIVE, ABSOLUTE, GATE = 0.02, 0.001, 0.02, 0.01, 10.8276
LIMIT = 10.0  # of dissolved oxygen [%]
ESTIMATE_MINUTES = 60

State = list[Any]  # minute, x (3), P (9, row by row), minutes since the last estimate, alarm
_WANTED = ("biomass", "dissolved_oxygen")


class Channel(msgspec.Struct):
    """One channel of a reading."""

    tag: str
    value: float
    unit: str
    quality: str = "good"


class Reading(msgspec.Struct):
    """A reading."""

    channels: list[Channel]


_DECODE = msgspec.json.Decoder(Reading).decode


@lru_cache(maxsize=64)
def bridge(hours: float) -> tuple[float, float, float, float, float]:
    """Give a, e and the noise q00, q01, q11 of a step of so many hours."""
    z = THETA * hours
    a, e = -expm1(-z) / THETA, exp(-z)
    noise = RATE_NOISE**2
    psi = (z + 2 * expm1(-z) - 0.5 * expm1(-2 * z)) / z**3 if z > 0.05 else 1 / 3 - z / 4 + 7 * z * z / 60
    q00 = noise * hours**3 * psi + BIOMASS_NOISE**2 * hours
    return a, e, q00, noise * a * a / 2, noise * -expm1(-2 * z) / (2 * THETA)


@lru_cache(maxsize=64)
def matrices(hours: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give transition, offset and noise of a step of so many hours."""
    a, e, q00, q01, q11 = bridge(hours)
    transition = np.array([[1.0, a, 0.0], [0.0, e, 0.0], [0.0, 0.0, 1.0]])
    offset = np.array([[MEAN * hours - a * MEAN], [MEAN - e * MEAN], [0.0]])
    return transition, offset, np.array([[q00, q01, 0.0], [q01, q11, 0.0], [0.0, 0.0, GAIN_NOISE**2 * hours]])


def begin(minute: int, signal: float) -> State:
    """Start from a first signal."""
    noise, gain = RELATIVE**2 + (ABSOLUTE / signal) ** 2, GAIN_SD**2
    p = [noise + gain, 0.0, -gain, 0.0, RATE_SD**2, 0.0, -gain, 0.0, gain]
    return [minute, [log(signal), MEAN, 0.0], p, 0, False]


_KF: Any = ExtendedKalmanFilter(dim_x=3, dim_z=1)


def by_filterpy(x: list[float], p: list[float], hours: float, signal: float) -> tuple[list[float], list[float]]:
    """Predict and update with filterpy's own update."""
    transition, offset, noise = matrices(hours)
    _KF.x = transition @ np.array(x).reshape(3, 1) + offset
    _KF.P = transition @ np.array(p).reshape(3, 3) @ transition.T + noise
    h = exp(_KF.x[0, 0] + _KF.x[2, 0])
    r = (RELATIVE * h) ** 2 + ABSOLUTE**2
    row = np.array([[h, 0.0, h]])
    if (signal - h) ** 2 <= GATE * (float((row @ _KF.P @ row.T)[0, 0]) + r):
        _KF.R = np.array([[r]])
        _KF.update(np.array([[signal]]), lambda _: row, lambda _: np.array([[h]]))
    return _KF.x.ravel().tolist(), _KF.P.ravel().tolist()


def by_floats(x: list[float], p: list[float], hours: float, signal: float) -> tuple[list[float], list[float]]:
    """The same in plain floats."""
    a, e, q00, q01, q11 = bridge(hours)
    away = x[1] - MEAN
    x0, x1, x2 = x[0] + MEAN * hours + a * away, MEAN + e * away, x[2]
    b01 = p[1] + a * p[4]
    p00, p01, p02 = p[0] + a * (p[1] + b01) + q00, e * b01 + q01, p[2] + a * p[5]
    p11, p12, p22 = e * e * p[4] + q11, e * p[5], p[8] + GAIN_NOISE**2 * hours
    h = exp(x0 + x2)
    r = (RELATIVE * h) ** 2 + ABSOLUTE**2
    c0, c1, c2 = h * (p00 + p02), h * (p01 + p12), h * (p02 + p22)
    s, error = h * (c0 + c2) + r, signal - h
    if error * error > GATE * s:
        return [x0, x1, x2], [p00, p01, p02, p01, p11, p12, p02, p12, p22]
    k0, k1, k2 = c0 / s, c1 / s, c2 / s
    n01, n02, n12 = p01 - k0 * c1, p02 - k0 * c2, p12 - k1 * c2
    return (
        [x0 + k0 * error, x1 + k1 * error, x2 + k2 * error],
        [p00 - k0 * c0, n01, n02, n01, p11 - k1 * c1, n12, n02, n12, p22 - k2 * c2],
    )


STEP = by_filterpy


def fold(state: State | None, value: bytes, minute: int) -> tuple[State, bytes | None]:
    """Fold one reading; give the new state and, now and then, an estimate to send."""
    signal = oxygen = 0.0
    for channel in _DECODE(value).channels:
        if channel.tag == "biomass":
            signal = channel.value
        elif channel.tag == "dissolved_oxygen":
            oxygen = channel.value
    if state is None:
        return begin(minute, max(signal, 1e-3)), None
    x, p = STEP(state[1], state[2], (minute - state[0]) / 60, signal)
    since = state[3] + 1
    said = None
    if since >= ESTIMATE_MINUTES or (oxygen < LIMIT) != state[4]:
        biomass = exp(x[0])
        said = json.dumps({"biomass": biomass, "sd": biomass * p[0] ** 0.5, "growth_rate": x[1]}).encode()
        since = 0
    return [minute, x, p, since, oxygen < LIMIT], said


def minute_of(headers: Any) -> int:
    """Read the minute of a reading from its headers: a list of pairs of name and bytes."""
    for name, value in headers:
        if name == "ce_time":
            text = value.decode() if isinstance(value, bytes) else value
            # only the day of the month and the clock: a benchmark does not last a month
            return (int(text[8:10]) * 24 + int(text[11:13])) * 60 + int(text[14:16])
    raise KeyError("ce_time")


class Meter:
    """Counts records from the first on; at the last it says the rate and ends the process."""

    def __init__(self, records: int) -> None:
        self._wanted = records
        self._counted = 0
        self._begun = self._cpu = 0.0

    def count(self) -> None:
        """Count one record."""
        if self._counted == 0:
            self._begun, self._cpu = time.perf_counter(), time.process_time()
        self._counted += 1
        if self._counted >= self._wanted:
            seconds, cpu = time.perf_counter() - self._begun, time.process_time() - self._cpu
            print(json.dumps({"rate": self._counted / seconds, "cpu_us": cpu / self._counted * 1e6}), flush=True)
            os._exit(0)


def arguments() -> tuple[str, str, Meter]:
    """Read the command line: host:port, topic, records, filterpy or floats."""
    global STEP
    server, topic, records, kind = sys.argv[1:5]
    STEP = by_floats if kind == "floats" else by_filterpy
    sys.argv = sys.argv[:1]
    return server, topic, Meter(int(records))
