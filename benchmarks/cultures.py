"""Fed CHO cultures as a load: what a twin with a process model expects to be sent, in its units, at 1 Hz a unit.

Runs began two hours before the load, and a sample was drawn of each within the hour before it: its glucose assay comes
while the load goes on, `assays_within` seconds after its beginning at the latest, and so goes back about an hour.

Source
------
Growth and inoculum: `twins.bioreactor.parameters.xing2010` and the defaults of `cho_xing`; noises are assumed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connectors.bioreactor_simulator import PROBES
from connectors.bioreactor_writer import ReadingWriter
from connectors.outgoing import Outgoing, encode, packed
from schemas import bioreactor as b
from schemas.events import Event
from schemas.fields import Quantity
from schemas.instants import HOUR, MINUTE, SECOND, Instant

Floats = NDArray[np.float64]

RUN_HOURS = 2.0  # since each run began
SAMPLE_MINUTES = (20, 50)  # before the load, each unit's at its own time
LITRES, FEED_LITRES, FEED_SECONDS = 2.0, 2e-4, 300  # feed of 0.1 % of the volume an hour
CELLS, GROWTH, GLUCOSE = 0.2, 0.027, 25.0  # 1e6/mL, /h, mmol/L
PROBE_UNITS = tuple((tag, "10*6/mL" if tag == "biomass" else unit) for tag, unit in PROBES)
MIDDLE = np.array([CELLS, 40.0, 37.0, 7.0, 200.0, 2.0, 0.5])
NOISE = np.array([0.015, 0.8, 0.05, 0.01, 2.0, 0.01, 0.003])  # relative for the biomass signal
GAIN_SD, ASSAY_RELATIVE = 0.05, 0.04


class Cultures:
    """A fleet of cultures; like `Simulator` it gives the records of any part of any step.

    Parameters
    ----------
    units, seed : int
    origin : int
        Event time of step 0 [us].
    assays_within : int
        Within so many seconds each unit gets one glucose assay; 0 for none.
    packed : bool
        Headers as the embedded log keeps them.
    """

    def __init__(self, units: int, seed: int, origin: int, assays_within: int, packed: bool) -> None:
        self.keys = [f"BR-{i:05d}" for i in range(units)]
        source = f"cultures/{seed}@{origin}"
        self._sources = [f"{source}/{key}" for key in self.keys]
        self._origin, self._packed, self._within, self._seed = origin, packed, assays_within, seed
        self._stagger = np.arange(units, dtype=np.int64) * SECOND // units
        rng = np.random.default_rng([seed, 0])
        self._gain = np.exp(GAIN_SD * rng.standard_normal(units))
        self._growth = GROWTH * np.exp(0.1 * rng.standard_normal(units))
        low, high = SAMPLE_MINUTES
        self._drawn = origin - (low * MINUTE + (rng.random(units) * (high - low) * MINUTE)).astype(np.int64)
        self._assay = GLUCOSE * (1.0 + ASSAY_RELATIVE * rng.standard_normal(units))
        self._writer = ReadingWriter(self.keys, self._sources, PROBE_UNITS, packed)
        self._newest: tuple[int, Floats] = (-1, np.empty((0, 0)))

    def records(self, step: int, first: int = 0, last: int | None = None) -> list[Outgoing]:
        """Make the records of units `first` to `last` (excluded) at one step: what happened, then the reading."""
        last = len(self.keys) if last is None else last
        if self._newest[0] != step:
            self._newest = (step, self.values(step))
        times = self._origin + step * SECOND + self._stagger[first:last]
        readings = self._writer.records(step, first, times, self._writer.values(self._newest[1], first, last))
        out: list[Outgoing] = []
        for unit, reading in enumerate(readings, first):
            for event in self._around(step, unit):
                out += self._encoded(event)
            out.append(reading)
        return out

    def values(self, step: int) -> Floats:
        """Give what the probes say at a step, shape (units, probes)."""
        noise = np.random.default_rng([self._seed, 1, step]).standard_normal((len(self.keys), len(MIDDLE)))
        values: Floats = MIDDLE + NOISE * noise
        cells = CELLS * np.exp(self._growth * (RUN_HOURS + step / 3600.0))
        values[:, 0] = self._gain * cells * (1.0 + NOISE[0] * noise[:, 0])
        return values

    def _around(self, step: int, unit: int) -> list[Event]:
        now = self._origin + step * SECOND + int(self._stagger[unit])
        sample = f"{self.keys[unit]}-1"
        if step == 0:
            begun = self._origin - round(RUN_HOURS * HOUR)
            start = b.BatchStarted(f"{self.keys[unit]}-B", volume=Quantity(LITRES, "L"), clock="wall")
            drawn = b.SampleDrawn(Quantity(0.005, "L"), sample)
            return [
                self._event(unit, "start", "batch_started", start, begun, begun),
                self._event(unit, "sample", "sample_drawn", drawn, int(self._drawn[unit]), int(self._drawn[unit])),
            ]
        found = []
        if (step + unit) % FEED_SECONDS == 0:
            fed = b.FeedAdded(Quantity(FEED_LITRES, "L"))
            found.append(self._event(unit, f"{step}-feed", "feed_added", fed, now, now))
        if self._within and step == assay_step(unit, len(self.keys), self._within):
            told = b.AssayResulted(sample, "glucose", float(self._assay[unit]), "mmol/L", "analyser")
            found.append(self._event(unit, "assay", "assay_resulted", told, int(self._drawn[unit]), now))
        return found

    def _event(self, unit: int, name: str, kind: str, data: object, at: int, known: int) -> Event:
        return Event(
            name, self._sources[unit], f"bioreactor.{kind}", self.keys[unit], Instant(at), Instant(known), data
        )  # fmt: skip

    def _encoded(self, event: Event) -> list[Outgoing]:
        made = encode(event)
        return [packed(one) for one in made] if self._packed else made


def assay_step(unit: int, units: int, within: int) -> int:
    """Give the step at which a unit's assay comes: spread evenly over `within` seconds.

    Examples
    --------
    >>> [assay_step(unit, 4, 600) for unit in range(4)]
    [1, 151, 301, 451]
    """
    return 1 + unit * within // units
