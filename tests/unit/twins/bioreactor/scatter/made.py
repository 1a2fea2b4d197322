"""Plates made up for the tests: fed wells whose scatter is a straight line in the share of feed, with noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.instants import HOUR
from twins.bioreactor.scatter import Cycle, Planned, PlateForecast, PlateSettings, PlateState, live

Floats = NDArray[np.float64]
CYCLE = HOUR // 10


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """m cycles of n wells: scatter and volume (m, n), feed so far (more, n) beyond the last cycle, samples (m, n)."""

    scatter: Floats
    volume: Floats
    fed: Floats
    drawn: Floats
    yields: Floats

    @property
    def size(self) -> tuple[int, int]:
        m, n = self.scatter.shape
        return m, n


def made(*, cycles: int, wells: int, seed: int, noise: float = 0.01, sample_at: int = -1, shift: float = 0.0) -> Made:
    """Make a plate; a sampling of 300 in cycle `sample_at` shifts the readings after it by a share."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    ahead = 61
    fed = np.repeat((1.4 / 0.1 * np.expm1(0.1 * 0.1 * np.arange(cycles + ahead)))[:, None], wells, axis=1)
    start = 3.0 * np.exp(0.1 * rng.normal(size=wells))
    yields = 40.0 * np.exp(0.2 * rng.normal(size=wells))
    volume, drawn = np.empty((cycles, wells)), np.zeros((cycles, wells))
    scatter = np.empty((cycles, wells))
    now, share = np.full(wells, 800.0), np.zeros(wells)
    gain = np.ones(wells)
    for cycle in range(cycles):
        added = fed[cycle] - fed[cycle - 1] if cycle else np.zeros(wells)
        share = share + (1 - share) * added / (now + added)
        now = now + added
        volume[cycle] = now
        scatter[cycle] = (start + yields * share) * gain * (1 + noise * rng.normal(size=wells))
        if cycle == sample_at:
            drawn[cycle] = 300.0
            now, gain = now - 300.0, gain * (1 + shift)
    return Made(scatter, volume, fed, drawn, yields)


def cycle_of(plate: Made, place: int) -> Cycle:
    """Give one cycle as the twin gets it."""
    n = plate.size[1]
    before = plate.fed[place - 1] if place else plate.fed[0]
    hour = plate.fed[place + 10] - plate.fed[place]
    return Cycle(
        instants=np.full(n, (place + 1) * CYCLE),
        scatter=plate.scatter[place],
        volume=plate.volume[place],
        added=plate.fed[place] - before,
        drawn=plate.drawn[place],
        share_rate=hour / (plate.volume[place] + hour),
        there=np.ones(n, np.bool_),
    )


def planned_at(plate: Made, place: int, settings: PlateSettings) -> Planned:
    """Give the feed plan from a cycle on."""
    grid = np.arange(len(plate.fed)) * 0.1

    def to(hours: list[float]) -> Floats:
        return np.array([np.interp(grid[place] + h, grid, plate.fed[:, 0]) - plate.fed[place] for h in hours])

    return Planned(to([lead / HOUR for lead in settings.bands.leads]), to(list(settings.growth_hours)))


def run(plate: Made, settings: PlateSettings) -> tuple[PlateState, list[PlateForecast]]:
    """Run a whole plate."""
    m, n = plate.size
    state, found = live.start(settings, n), []
    for place in range(m):
        state, said = live.step(
            settings, state, (place + 1) * CYCLE, cycle_of(plate, place), planned_at(plate, place, settings)
        )
        found.append(said)
    return state, found


def chosen(plate: Made, which: list[int]) -> Made:
    """Give some wells of a plate, in this order."""
    return Made(
        plate.scatter[:, which], plate.volume[:, which], plate.fed[:, which], plate.drawn[:, which], plate.yields[which]
    )
