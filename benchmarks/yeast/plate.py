"""The published yeast plate as arrays, read by the project's own mapping, and plain forecasts to compare with.

Nothing here knows a forecaster.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectors.file import open_file
from schemas.bioreactor import FeedAdded, Reading, SampleDrawn
from schemas.events import Event
from schemas.instants import HOUR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOLT_ALPHA, HOLT_BETA = 0.2, 0.1
CYCLE_HOURS = 0.1
TOLERANCE_HOURS = 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """m cycles of n wells; NaN where a well was not read. Volumes in uL.

    Parameters
    ----------
    wells : list of str
    instants : array of int64, shape (m,)
        Of the cycles [us].
    scatter : array, shape (m, n)
    volume : array, shape (m, n)
        At the reading, before a sample of that cycle.
    fed : array, shape (m, n)
        Accumulated feed.
    drawn : array, shape (m, n)
        Sample of that cycle, 0 for none.
    """

    wells: list[str]
    instants: Ints
    scatter: Floats
    volume: Floats
    fed: Floats
    drawn: Floats

    @property
    def hours(self) -> Floats:
        """Hours since the plate's first cycle, shape (m,)."""
        return np.asarray((self.instants - self.instants[0]) / HOUR, dtype=np.float64)

    @property
    def begun(self) -> Ints:
        """Cycle of each well's first reading, shape (n,)."""
        return np.asarray(np.argmax(np.isfinite(self.scatter), axis=0), dtype=np.int64)

    def only(self, which: NDArray[np.bool_]) -> Plate:
        """Give a plate of some wells alone."""
        names = [name for name, take in zip(self.wells, which.tolist(), strict=True) if take]
        return Plate(
            names, self.instants, self.scatter[:, which], self.volume[:, which], self.fed[:, which],
            self.drawn[:, which],
        )  # fmt: skip


def read_plate(path: Path) -> Plate:
    """Read the file by its mapping in `examples/`, event by event.

    Raises
    ------
    MappingError
        If no mapping fits the file.
    """
    scatter: dict[tuple[int, str], float] = {}
    volume: dict[tuple[int, str], float] = {}
    fed: dict[tuple[int, str], float] = {}
    drawn: dict[tuple[int, str], float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for item in open_file(path).items():
        for event in item.entries:
            if not isinstance(event, Event):
                continue
            place = (event.event_time, event.subject)
            if isinstance(event.data, FeedAdded):
                total[event.subject] += event.data.volume.value
            elif isinstance(event.data, SampleDrawn):
                drawn[place] += event.data.volume.value
            elif isinstance(event.data, Reading):
                told = {channel.tag: channel.value for channel in event.data.channels}
                scatter[place], volume[place] = told["biomass"], told["volume"]
                fed[place] = total[event.subject]
    instants, wells = sorted({at for at, _ in scatter}), sorted({well for _, well in scatter})
    shape = (len(instants), len(wells))
    row, column = {at: i for i, at in enumerate(instants)}, {well: j for j, well in enumerate(wells)}

    def grid(values: dict[tuple[int, str], float], fill: float) -> Floats:
        array = np.full(shape, fill)
        for (at, well), value in values.items():
            array[row[at], column[well]] = value
        return array

    return Plate(
        wells, np.array(instants), grid(scatter, np.nan), grid(volume, np.nan), grid(fed, np.nan), grid(drawn, 0.0)
    )


def odd_columns(plate: Plate) -> NDArray[np.bool_]:
    """Say which wells stand in an odd column, shape (n,): each has a replicate in the even column beside it."""
    return np.array([int(name[1:]) % 2 == 1 for name in plate.wells])


def target(plate: Plate, lead_hours: float) -> Ints:
    """Give the cycle that a forecast of each cycle speaks of, shape (m,); -1 where none is within `TOLERANCE_HOURS`."""
    hours = plate.hours
    distance = np.abs(hours[None, :] - hours[:, None] - lead_hours)
    nearest = np.argmin(distance, axis=1)
    close = distance[np.arange(len(hours)), nearest] <= TOLERANCE_HOURS + 1e-9
    return np.where(close, nearest, -1)


def sampled(plate: Plate, lead_hours: float) -> NDArray[np.bool_]:
    """Say which windows hold a sampling, shape (m, n), the cycles of origin and target included.

    The reading of a sampling's own cycle shows it already, and those of the next minutes still.
    """
    count = np.vstack([np.zeros(len(plate.wells)), np.cumsum(plate.drawn > 0, axis=0)])
    end = target(plate, lead_hours)
    first = np.arange(len(end))
    return np.asarray((end >= 0)[:, None] & (count[np.maximum(end, 0) + 1] - count[first] > 0), dtype=np.bool_)


def holt(plate: Plate, leads: tuple[float, ...], first_trend: bool = False) -> Floats:
    """Forecast ln scatter by Holt's double exponential smoothing per cycle, shape (leads, m, n).

    Parameters
    ----------
    first_trend : bool
        Whether the trend begins with the first difference, which is noise here; otherwise with 0, which is better.

    Source
    ------
    Holt 1957; level and trend as in Hyndman and Athanasopoulos, Forecasting: Principles and Practice, section 8.2.
    """
    said = np.full((len(leads), *plate.scatter.shape), np.nan)
    for well in range(len(plate.wells)):
        level, trend, seen = np.nan, 0.0, 0
        for cycle, reading in enumerate(plate.scatter[:, well].tolist()):
            if np.isnan(reading):
                continue
            y, seen = float(np.log(reading)), seen + 1
            if seen == 1:
                level = y
            elif seen == 2 and first_trend:
                level, trend = y, y - level
            else:
                before = level
                level = HOLT_ALPHA * y + (1 - HOLT_ALPHA) * (level + trend)
                trend = HOLT_BETA * (level - before) + (1 - HOLT_BETA) * trend
            for place, lead in enumerate(leads):
                said[place, cycle, well] = level + trend * lead / CYCLE_HOURS
    return said


def persistence(plate: Plate, leads: tuple[float, ...]) -> Floats:
    """Forecast that nothing changes, shape (leads, m, n)."""
    return np.broadcast_to(np.log(plate.scatter), (len(leads), *plate.scatter.shape)).copy()


def constant_yield(plate: Plate, leads: tuple[float, ...], growth: float = 0.1) -> Floats:
    """Forecast that scatter follows biomass, made from feed at one constant yield: no parameter, shape (leads, m, n).

    Biomass at the first reading is what a feed of `growth` [1/h] is made for: the yield of first feed rate / growth.
    From then on each uL fed makes as much, a sample takes its share, and a reading scales the curve.
    """
    amount = np.full(plate.scatter.shape, np.nan)
    rate = np.full(len(plate.wells), np.nan)
    for well in range(len(plate.wells)):
        read = np.flatnonzero(np.isfinite(plate.scatter[:, well]))
        hour = read[: round(1.0 / CYCLE_HOURS) + 1]
        rate[well] = np.ptp(plate.fed[hour, well]) / np.ptp(plate.hours[hour])
        held, before = rate[well] / growth, read[0]
        for cycle in read:
            held += plate.fed[cycle, well] - plate.fed[before, well]
            amount[cycle, well] = held
            held *= 1.0 - plate.drawn[cycle, well] / plate.volume[cycle, well]
            before = cycle
    said = np.full((len(leads), *plate.scatter.shape), np.nan)
    left = 1.0 - plate.drawn / plate.volume
    for place, lead in enumerate(leads):
        end = target(plate, lead)
        some = end >= 0
        more = plate.fed[end[some]] - plate.fed[some]
        volume, biomass = plate.volume[some] * left[some], amount[some] * left[some]
        grown = (biomass + more) / biomass * volume / (volume + more)
        said[place, some] = np.log(plate.scatter[some]) + np.log(grown)
    return said


def growth_shown(plate: Plate, hours: float) -> tuple[Floats, Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Give slope of ln scatter plus dilution over the next and the past hours, and which windows hold a sampling.

    Returns
    -------
    after, before : array, shape (m, n)
        [1/h]; NaN where the window is not whole.
    sampled_after, sampled_before : array of bool, shape (m, n)
    """
    at, ln = plate.hours, np.log(plate.scatter)
    after = np.full(plate.scatter.shape, np.nan)
    before = np.full(plate.scatter.shape, np.nan)
    drawn_after = np.zeros(plate.scatter.shape, np.bool_)
    drawn_before = np.zeros(plate.scatter.shape, np.bool_)
    end = target(plate, hours)
    for well in range(len(plate.wells)):
        read = np.isfinite(plate.scatter[:, well])
        for cycle in np.flatnonzero(read & (end >= 0)):
            last = int(end[cycle])
            rows = np.arange(cycle, last + 1)[read[cycle : last + 1]]
            if not read[last]:
                continue
            lever = at[rows] - at[rows].mean()
            slope = float(lever @ ln[rows, well] / (lever @ lever))
            more = np.diff(plate.fed[rows, well])
            thinner = float(np.sum(-np.log1p(-more / plate.volume[rows[1:], well])))
            rate = slope + thinner / float(at[last] - at[cycle])
            hold = bool(np.any(plate.drawn[rows, well] > 0))
            after[cycle, well], drawn_after[cycle, well] = rate, hold
            before[last, well], drawn_before[last, well] = rate, hold
    return after, before, drawn_after, drawn_before
