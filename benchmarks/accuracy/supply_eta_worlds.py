"""Networks whose leg durations are known: lanes of unlike traffic, families and carriers, and a shift by 1.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from twins.supply.eta import LegKey

Floats = NDArray[np.float64]
POINTS = (np.arange(4001) + 0.5) / 4001
LEGS, SHIFT = 10_000, 1.5  # the shift comes half way
DRIFT = 3000  # legs that a gradual one takes
HOURS_A_LEG = 1.2  # 20 legs a day


@dataclass(frozen=True, slots=True)
class World:
    """Its name, lanes, family, spread of ln duration, share and hours of holds, weekday effect, shifted share."""

    name: str
    lanes: int
    family: str
    spread: float
    hold: float
    weekday: float
    shifted: float
    skew: float
    way: str = "lanes"  # what shifts: lanes by chance, all lanes of carrier `b`, or lanes by chance little by little


WORLDS = (
    World("few lanes, lognormal", 5, "lognormal", 0.30, 0.0, 0.0, 1.0, 0.0),
    World("gamma, weekdays", 20, "gamma", 0.35, 0.0, 0.10, 0.5, 0.5),
    World("customs holds", 40, "lognormal", 0.20, 0.06, 0.05, 0.5, 0.7),
    World("unequal lanes", 80, "lognormal", 0.45, 0.0, 0.05, 0.3, 1.2),
    World("mixed, holds", 120, "mixed", 0.30, 0.04, 0.08, 0.3, 0.8),
    World("200 lanes", 200, "mixed", 0.30, 0.03, 0.05, 1.0, 0.5),
    World("gradual drift", 60, "lognormal", 0.30, 0.0, 0.05, 0.7, 1.8, "drift"),
    World("a carrier slows", 60, "mixed", 0.30, 0.03, 0.05, 0.0, 0.8, "carrier"),
)


@dataclass(frozen=True, slots=True)
class Network:
    """A world drawn: keys, base samplers by lane, traffic, weekday factors, which lanes shift."""

    world: World
    keys: list[LegKey]
    quantiles: list[Floats]  # (4001,) hours at POINTS, of each lane before its weekday and shift
    traffic: Floats
    days: Floats
    shifts: NDArray[np.bool_]

    def key(self, lane: int, weekday: int) -> LegKey:
        """Give the key of a leg."""
        key = self.keys[lane]
        return LegKey(key.step, key.carrier, key.lane, weekday)

    def factor(self, lane: int, place: float) -> float:
        """Give by how much a lane is slower at a leg's place in the run."""
        since = place - LEGS / 2
        if not self.shifts[lane] or since < 0:
            return 1.0
        return float(SHIFT ** min(since / DRIFT, 1.0)) if self.world.way == "drift" else SHIFT

    def sample(self, lane: int, weekday: int, factor: float, rng: np.random.Generator) -> float:
        """Draw one duration [h]."""
        return float(self.quantiles[lane][rng.integers(4001)]) * float(self.days[weekday]) * factor


def make(world: World, rng: np.random.Generator) -> Network:
    """Draw a network of a world."""
    steps, carriers = ("transport_in", "make", "release", "transport_out"), ("a", "b", "c")
    base = dict(zip(steps, (28.0, 170.0, 150.0, 34.0), strict=True))
    speed = dict(zip(carriers, np.exp(0.2 * rng.standard_normal(3)), strict=True))
    keys, quantiles = [], []
    for lane in range(world.lanes):
        step, carrier = steps[lane % 4], carriers[int(rng.integers(3))]
        median = base[step] * speed[carrier] * np.exp(0.4 * rng.standard_normal())
        spread = world.spread * np.exp(0.2 * rng.standard_normal())
        family = world.family if world.family != "mixed" else ("lognormal", "gamma")[int(rng.integers(2))]
        if family == "gamma":
            shape = 1 / spread**2
            body = stats.gamma(shape, scale=median / shape)
        else:
            body = stats.lognorm(spread, scale=median)
        if world.hold and step.startswith("transport"):
            grid = np.exp(np.linspace(np.log(median) - 3, np.log(median * 4 + 60), 3000))
            below = (1 - world.hold) * body.cdf(grid) + world.hold * body.cdf(grid - 24.0)
            quantiles.append(np.interp(POINTS, below, grid))
        else:
            quantiles.append(body.ppf(POINTS))
        keys.append(LegKey(step, carrier, f"{lane}"))
    traffic = np.exp(world.skew * rng.standard_normal(world.lanes))
    days = np.exp(world.weekday * rng.standard_normal(7))
    shifts = rng.random(world.lanes) < world.shifted
    if world.way == "carrier":
        shifts = np.array([key.carrier == "b" for key in keys])
    return Network(world, keys, quantiles, traffic / traffic.sum(), days, shifts)
