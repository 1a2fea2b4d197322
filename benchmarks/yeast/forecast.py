"""The twin's forecasts of the yeast plate, cycle by cycle: it is given what was known by then, and the feed plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.yeast.plate import Plate
from schemas.instants import HOUR
from twins.bioreactor.scatter import Cycle, Planned, PlateSettings, live

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What was forecast at m cycles of n wells: scatter and its bounds (leads, m, n), growth rate (m, n) [1/h]."""

    scatter: Floats
    lower: Floats
    upper: Floats
    growth: Floats


def forecasts(plate: Plate, settings: PlateSettings) -> Said:
    """Run a plate through the twin."""
    m, n = plate.scatter.shape
    leads = len(settings.bands.leads)
    shape = (leads, m, n)
    said = Said(np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan), np.full((m, n), np.nan))
    state = live.start(settings, n)
    last_fed = plate.fed[plate.begun, np.arange(n)]
    for cycle in range(m):
        there = np.isfinite(plate.scatter[cycle])
        fed = np.where(there, plate.fed[cycle], last_fed)
        planned = Planned(
            _planned(plate, cycle, [lead / HOUR for lead in settings.bands.leads]),
            _planned(plate, cycle, list(settings.growth_hours)),
        )
        hour = _planned(plate, cycle, [1.0])[0]
        state, found = live.step(
            settings,
            state,
            int(plate.instants[cycle]),
            Cycle(
                instants=np.full(n, plate.instants[cycle]),
                scatter=plate.scatter[cycle],
                volume=plate.volume[cycle],
                added=fed - last_fed,
                drawn=plate.drawn[cycle],
                share_rate=hour / (plate.volume[cycle] + hour),
                there=there,
            ),
            planned,
        )
        last_fed = fed
        said.scatter[:, cycle], said.lower[:, cycle], said.upper[:, cycle] = found.scatter, found.lower, found.upper
        said.growth[cycle] = found.growth
    return said


def _planned(plate: Plate, cycle: int, hours: list[float]) -> Floats:
    """Give the feed planned from a cycle on, shape (hours, n): what the log says was fed, which is what was planned."""
    at = plate.hours[cycle] + np.array(hours)
    planned = np.full((len(hours), len(plate.wells)), np.nan)
    for well in range(len(plate.wells)):
        read = np.isfinite(plate.fed[:, well])
        if read[cycle]:
            book = np.interp(at, plate.hours[read], plate.fed[read, well], right=np.nan)
            # a target of half a cycle beyond the last reading is that reading
            book[np.isnan(book) & (at < plate.hours[read][-1] + 0.06)] = plate.fed[read, well][-1]
            planned[:, well] = book - plate.fed[cycle, well]
    return planned
