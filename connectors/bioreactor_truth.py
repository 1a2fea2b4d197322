"""What truly happens in a simulated fed-batch, in closed form: any unit, any time, no stepping.

Growth is exponential at `batch_growth`, bends into `feed_growth` when the feed starts, and the feed rises with it,
so the biomass mass that the feed can carry is there. Samples take mass and volume in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Process:
    """One kind of run. The numbers are assumed: a small aerobic yeast fed-batch, of plausible size, nobody's data.

    `*_spread` are standard deviations between units, of the logarithm.
    """

    run_hours: float = 36.0
    volume_l: float = 1.0
    biomass_g_per_l: float = 0.5
    batch_growth_per_h: float = 0.22
    feed_growth_per_h: float = 0.10
    feed_start_hours: float = 10.0
    bend_hours: float = 0.5  # how softly growth turns from the one rate to the other
    feed_g_per_l: float = 500.0
    yield_g_per_g: float = 0.5
    first_sample_hours: float = 2.0
    sample_every_hours: float = 4.0
    sample_l: float = 0.005
    biomass_spread: float = 0.10
    growth_spread: float = 0.05
    gain_spread: float = 0.10
    gain_drift_per_h: float = 0.0  # standard deviation between units of the slow change of ln gain

    def __post_init__(self) -> None:
        drawn = self.sample_l * len(self.sample_hours())
        if not (self.run_hours > 0 and self.volume_l > drawn >= 0 and self.bend_hours > 0):
            raise SettingsError(
                f"expected a run with time, and more volume than its samples take, received {self.run_hours} h, "
                f"{self.volume_l} L and {drawn} L of samples; change the process"
            )

    def sample_hours(self) -> list[float]:
        """Give the times of samples, in hours of the run."""
        if self.sample_every_hours <= 0:
            return []
        count = int((self.run_hours - self.first_sample_hours) / self.sample_every_hours)
        return [self.first_sample_hours + i * self.sample_every_hours for i in range(max(0, count + 1))]


@dataclass(frozen=True, slots=True)
class Truth:
    """The true state of some units, each (n,): g/L, 1/h, 1 (signal per g/L), L, g, and L fed since the start."""

    biomass: Floats
    growth_rate: Floats
    sensor_gain: Floats
    volume: Floats
    biomass_mass: Floats
    fed: Floats


class Truths:
    """The true states of many units: constants drawn once from the seed, then pure functions of time.

    Parameters
    ----------
    process : Process
    units : int
    seed : int
    """

    def __init__(self, process: Process, units: int, seed: int) -> None:
        self.process = process
        rng = np.random.Generator(np.random.Philox(key=[seed, 1]))
        draw = rng.standard_normal((units, 5))
        p = process
        self._start = p.biomass_g_per_l * p.volume_l * np.exp(p.biomass_spread * draw[:, 0])
        self._batch = p.batch_growth_per_h * np.exp(p.growth_spread * draw[:, 1])
        self._feed = p.feed_growth_per_h * np.exp(p.growth_spread * draw[:, 2])
        self._gain = p.gain_spread * draw[:, 3]
        self._drift = p.gain_drift_per_h * draw[:, 4]
        whole = np.arange(units)
        # g at the feed's start, had nobody sampled; it sets the feed's scale
        grown = self._start * np.exp(self._growth(whole, np.full(units, p.feed_start_hours)))
        self._flow = self._feed * grown / (p.yield_g_per_g * p.feed_g_per_l)  # L/h when the feed starts
        self.sample_hours = np.array(p.sample_hours())
        self._kept = self._sample_factors(whole)

    def at(self, units: Ints, hours: Floats) -> Truth:
        """Give the truth of `units` (n,) at `hours` (n,) of their runs [h]."""
        drawn = np.searchsorted(self.sample_hours, hours, side="right")
        fed = self._fed(units, hours)
        volume = self.process.volume_l + fed - drawn * self.process.sample_l
        mass = self._start[units] * np.exp(self._growth(units, hours) + self._kept[units, drawn])
        gain = np.exp(self._gain[units] + self._drift[units] * hours)
        return Truth(mass / volume, self._rate(units, hours), gain, volume, mass, fed)

    def _rate(self, units: Ints, hours: Floats) -> Floats:
        s = (hours - self.process.feed_start_hours) / self.process.bend_hours
        share = 0.5 * (1.0 + np.tanh(0.5 * s))  # logistic, without overflow
        return np.asarray(self._batch[units] + (self._feed[units] - self._batch[units]) * share)

    def _growth(self, units: Ints, hours: Floats) -> Floats:
        """Integrate the growth rate from 0 to `hours`: its logistic bend integrates to a softplus."""
        w, start = self.process.bend_hours, self.process.feed_start_hours
        bend = w * (np.logaddexp(0.0, (hours - start) / w) - np.logaddexp(0.0, -start / w))
        return np.asarray(self._batch[units] * hours + (self._feed[units] - self._batch[units]) * bend)

    def _fed(self, units: Ints, hours: Floats) -> Floats:
        since = np.maximum(hours - self.process.feed_start_hours, 0.0)
        return np.asarray(self._flow[units] * np.expm1(self._feed[units] * since) / self._feed[units])

    def _sample_factors(self, units: Ints) -> Floats:
        """Give ln of the mass share kept after 0, 1, ... samples, shape (units, samples + 1)."""
        kept = np.zeros((units.size, self.sample_hours.size + 1))
        for number, hours in enumerate(self.sample_hours):
            fed = self._fed(units, np.full(units.size, hours))
            before = self.process.volume_l + fed - number * self.process.sample_l
            kept[:, number + 1] = kept[:, number] + np.log1p(-self.process.sample_l / before)
        return kept
