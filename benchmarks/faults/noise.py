"""The noise of the simulated probes and the wander of the process: seeded, one draw a minute for every run."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.faults.vessel import CHANNELS, MEASURED, NOISE, SLOW_HOURS, Draws, Floats

T5_SCALE = math.sqrt(5.0 / 3.0)  # sd of Student's t with 5 degrees of freedom


class Noise:
    """Draw white and slow noise of every probe, and slow wander of the process.

    Parameters
    ----------
    rng : numpy.random.Generator
        Seeded.
    draws : Draws
        Of n runs: how much noise each of its probes has.
    student : bool
        Whether the white part has Student's t(5) tails; its sd is the same.
    """

    WANDER = 5  # rows: oxygen uptake, lactate, kLa, ambient temperature, growth

    def __init__(self, rng: np.random.Generator, draws: Draws, student: bool) -> None:
        n = draws.noise.shape[1]
        self._rng, self._student = rng, student
        sd = np.zeros(len(CHANNELS))
        for channel, value in NOISE.items():
            sd[channel] = value
        self._rows = np.array(MEASURED)
        self.sd = (sd[:, None] * draws.noise)[self._rows]
        # assumed: oxygen uptake, lactate and growth wander by 3, 5 and 5 % (12 h), kLa by 2 %, the room by 0.3 C (6 h).
        self._wander_sd = np.array([0.03, 0.05, 0.02, 0.3, 0.05])[:, None]
        hours = np.array([12.0, 12.0, 12.0, 6.0, 12.0])[:, None]
        self._keep = np.exp(-1.0 / (60.0 * hours))
        self._slow_keep = math.exp(-1.0 / (60.0 * SLOW_HOURS))
        self.slow = rng.normal(size=(len(MEASURED), n))
        self.wander = self._wander_sd * rng.normal(size=(self.WANDER, n))

    def step(self) -> tuple[Floats, Floats]:
        """Give the noise of each channel, shape (channels, n), and the wander, shape (5, n), of the next minute."""
        shape = self.slow.shape
        keep = self._slow_keep
        self.slow = keep * self.slow + math.sqrt(1.0 - keep * keep) * self._rng.normal(size=shape)
        self.wander = self._keep * self.wander + self._wander_sd * np.sqrt(1.0 - self._keep**2) * self._rng.normal(
            size=self.wander.shape
        )
        white = self._rng.standard_t(5, size=shape) / T5_SCALE if self._student else self._rng.normal(size=shape)
        noise = np.zeros((len(CHANNELS), shape[1]))
        noise[self._rows] = self.sd * (white + self.slow)
        return noise, self.wander
