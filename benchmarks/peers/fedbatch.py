"""An extended Kalman filter of a fed-batch with 8 states and 7 channels: the work that is compared, in both forms.

`rates` is one piece of arithmetic for floats and for arrays. Both filters integrate it by Runge-Kutta, take its
Jacobian by forward differences, and update with the seven measurements: `Scalar` a twin at a time by filterpy, as
people write it; `step_all` all twins of a pass in one call. `check` holds them together.

States: biomass, substrate [g/L], oxygen [%], temperature [Cel], pH, agitation [1/min], airflow [L/min], pressure
[bar]; all but substrate are measured. The numbers are assumed: nobody's process, of plausible size, and slow enough
for steps of a minute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

TAGS = ("biomass", "dissolved_oxygen", "temperature", "ph", "agitation", "airflow", "pressure")
STATES = 8
MEASURED = (0, 2, 3, 4, 5, 6, 7)
START = (1.0, 5.0, 80.0, 30.0, 5.5, 400.0, 1.2, 0.5)
DOUBT = (0.5, 4.0, 100.0, 1.0, 0.1, 1e4, 0.1, 0.01)  # variances of the prior
DRIFT = (1e-4, 1e-3, 1.0, 1e-3, 1e-4, 10.0, 1e-3, 1e-5)  # variances per hour
NOISE = (0.01, 0.64, 2.5e-3, 1e-4, 4.0, 1e-4, 9e-6)  # variances of the measurements
NUDGE = (1e-4, 1e-4, 1e-2, 1e-3, 1e-4, 1e-2, 1e-4, 1e-5)  # steps of the differences


def rates(x: Any, s: Any, o: Any, t: Any, h: Any, n: Any, f: Any, r: Any) -> tuple[Any, ...]:
    """Give what changes per hour; floats or arrays of one shape."""
    s, o = s * (s > 0), o * (o > 0)  # a filter's substrate may go below nothing; what grows on it may not
    growth = 0.3 * s / (s + 0.2) * o / (o + 20.0)
    uptake = growth * x
    transfer = 0.1 * n * f / (f + 0.5)
    return (
        uptake - 0.01 * x,
        0.8 - 2.0 * uptake,
        transfer * (100.0 - o) - 90.0 * uptake,
        -2.0 * (t - 30.0) + 0.4 * uptake,
        -1.0 * (h - 5.5) - 0.05 * uptake,
        0.5 * (300.0 + 4.0 * (80.0 - o) - n) * 0.1,
        -0.2 * (f - 1.0),
        -0.5 * (r - 0.5) + 0.01 * f,
    )


def advance(x: tuple[Any, ...], hours: float) -> tuple[Any, ...]:
    """Integrate over a time by the classical Runge-Kutta method."""
    half, sixth = hours / 2, hours / 6
    k1 = rates(*x)
    k2 = rates(*[a + half * b for a, b in zip(x, k1, strict=True)])
    k3 = rates(*[a + half * b for a, b in zip(x, k2, strict=True)])
    k4 = rates(*[a + hours * b for a, b in zip(x, k3, strict=True)])
    return tuple(a + sixth * (b + 2 * c + 2 * d + e) for a, b, c, d, e in zip(x, k1, k2, k3, k4, strict=True))


class Scalar:
    """One filter object that serves all twins, one at a time."""

    def __init__(self) -> None:
        from filterpy.kalman import ExtendedKalmanFilter  # only the peers' environment and our tests have it

        self._kf = ExtendedKalmanFilter(dim_x=STATES, dim_z=len(MEASURED))
        self._kf.R = np.diag(NOISE)
        self._q = np.diag(DRIFT)
        self._h = np.eye(STATES)[list(MEASURED)]

    def begin(self, z: list[float]) -> tuple[list[float], list[float]]:
        """Start a twin from its first measurements; give state (8) and covariance (64, row by row)."""
        x = list(START)
        for place, value in zip(MEASURED, z, strict=True):
            x[place] = value
        return x, np.diag(DOUBT).ravel().tolist()

    def step(self, x: list[float], p: list[float], hours: float, z: list[float]) -> tuple[list[float], list[float]]:
        """Predict over `hours` and update."""
        kf = self._kf
        before = tuple(x)
        now = advance(before, hours)
        jacobian = np.empty((STATES, STATES))
        for j, nudge in enumerate(NUDGE):
            moved = advance((*before[:j], before[j] + nudge, *before[j + 1 :]), hours)
            jacobian[:, j] = [(a - b) / nudge for a, b in zip(moved, now, strict=True)]
        kf.x = np.array(now).reshape(STATES, 1)
        kf.P = jacobian @ np.array(p).reshape(STATES, STATES) @ jacobian.T + self._q * hours
        kf.update(np.array(z).reshape(-1, 1), lambda _: self._h, lambda state: self._h @ state)
        return kf.x.ravel().tolist(), kf.P.ravel().tolist()


def begin_all(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start n twins from their first measurements (7, n); give states (8, n) and covariances (8, 8, n)."""
    x = np.repeat(np.array(START)[:, None], z.shape[1], axis=1)
    x[list(MEASURED)] = z
    return x, np.repeat(np.diag(DOUBT)[:, :, None], z.shape[1], axis=2)


def step_all(x: np.ndarray, p: np.ndarray, hours: float, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predict n twins over `hours` and update: states (8, n), covariances (8, 8, n), measurements (7, n)."""
    n = x.shape[1]
    nudges = np.zeros((STATES, STATES + 1, 1))
    nudges[range(STATES), range(1, STATES + 1), 0] = NUDGE
    moved = np.stack(advance(tuple(x[:, None, :] + nudges), hours))  # (8, 9, n): the present, then each nudged
    x = moved[:, 0].copy()
    jacobian = (moved[:, 1:] - moved[:, :1]) / np.array(NUDGE)[None, :, None]
    p = np.einsum("ikn,kjn->ijn", jacobian, p)
    p = np.einsum("ikn,jkn->ijn", p, jacobian)
    p[range(STATES), range(STATES)] += (np.array(DRIFT) * hours)[:, None]
    for place, value, noise in zip(MEASURED, z, NOISE, strict=True):
        # the noises are independent, so seven updates by one number are the update by seven
        row = p[place].reshape(STATES, n).copy()
        gain = row / (row[place] + noise)
        x += gain * (value - x[place])
        p -= gain[:, None] * row[None]
    return x, p


def check(twins: int = 5, steps: int = 200) -> None:
    """Compare both forms on some random measurements, a minute apart.

    Raises
    ------
    AssertionError
        If they differ by more than what the order of the sums explains.
    """
    rng = np.random.default_rng(1)
    scalar = Scalar()
    base = np.array([START[place] for place in MEASURED])[:, None]
    z = base * (1 + 0.01 * rng.normal(size=(len(MEASURED), twins)))
    x, p = begin_all(z)
    singles = [scalar.begin(z[:, j].tolist()) for j in range(twins)]
    for _ in range(steps):
        z = base * (1 + 0.01 * rng.normal(size=(len(MEASURED), twins)))
        x, p = step_all(x, p, 1 / 60, z)
        singles = [scalar.step(*singles[j], 1 / 60, z[:, j].tolist()) for j in range(twins)]
    for j, (one, covariance) in enumerate(singles):
        np.testing.assert_allclose(x[:, j], one, rtol=1e-6)
        np.testing.assert_allclose(p[:, :, j].ravel(), covariance, rtol=1e-4, atol=1e-7)
