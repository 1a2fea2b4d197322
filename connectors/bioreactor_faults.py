"""What goes wrong with simulated sensors and records, by choice, drawn from seed and time alone.

Long faults live in windows of time: in each window each probe may be stuck at the value it had when the window
began, drift away, or its unit be off line. Short ones strike single values (spikes) or records (lost, twice, late,
in a wrong unit, malformed). Nothing goes wrong unless asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_WINDOW, _RECORD, _VALUE = 11, 12, 13  # streams of the generator


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances of each fault: per record, per value, or per window and probe (or unit)."""

    lost: float = 0.0  # per record
    duplicate: float = 0.0  # per record
    late: float = 0.0  # per record; it comes `late_steps` steps after its time
    wrong_unit: float = 0.0  # per record: biomass in a unit nobody knows, or of another dimension
    malformed: float = 0.0  # per record: cut in the middle
    spike: float = 0.0  # per value
    stuck: float = 0.0  # per window and probe
    drift: float = 0.0  # per window and probe
    offline: float = 0.0  # per window and unit
    late_steps: int = 30
    spike_factor: float = 3.0  # a spike multiplies or divides by it
    drift_per_hour: float = 0.2  # share of the value
    window_minutes: float = 30.0
    superseded: float = 0.0  # per assay: first a wrong value, then the right one
    withdrawn: float = 0.0  # per assay: a wrong value, then none

    def __post_init__(self) -> None:
        sizes = ("late_steps", "spike_factor", "drift_per_hour", "window_minutes")
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in sizes:
                if not value > 0:
                    raise SettingsError(f"expected {one.name} above 0, received {value}")
            elif not 0.0 <= value <= 1.0:
                raise SettingsError(f"expected a chance between 0 and 1, received {value}, for {one.name}")
        if self.superseded + self.withdrawn > 1.0:
            raise SettingsError("expected superseded + withdrawn to be at most 1, received more")


@dataclass(frozen=True, slots=True)
class RecordFaults:
    """Which units' records of one step suffer what, each (units,)."""

    lost: Bools
    duplicate: Bools
    late: Bools
    wrong_unit: Bools
    malformed: Bools

    def others(self) -> tuple[Bools, Bools, Bools, Bools]:
        """Give all but `lost`, in order."""
        return self.duplicate, self.late, self.wrong_unit, self.malformed


class Disturbances:
    """The faults of `units` with `probes` each: pure functions of the step and the window."""

    def __init__(self, faults: Faults, units: int, probes: int, seed: int) -> None:
        self.faults = faults
        self._shape = (units, probes)
        self._seed = seed

    @property
    def any_long(self) -> bool:
        """Tell whether any fault lives in windows."""
        return max(self.faults.stuck, self.faults.drift, self.faults.offline) > 0

    @property
    def any_record(self) -> bool:
        """Tell whether any fault strikes whole records."""
        f = self.faults
        return max(f.lost, f.duplicate, f.late, f.wrong_unit, f.malformed) > 0

    def window(self, number: int) -> tuple[Bools, Floats, Bools]:
        """Draw a window: stuck probes (units, probes), drift [share/h] (units, probes), units off line (units,)."""
        f, draw = self.faults, self._generator(_WINDOW, number)
        chance = draw.random(self._shape)
        stuck = chance < f.stuck
        drifting = ~stuck & (draw.random(self._shape) < f.drift)
        slope = np.where(drifting, np.where(draw.random(self._shape) < 0.5, -1.0, 1.0) * f.drift_per_hour, 0.0)
        return stuck, slope, draw.random(self._shape[0]) < f.offline

    def spikes(self, step: int) -> Floats:
        """Draw the factor of each value of a step, (units, probes); 1 where nothing strikes."""
        f, draw = self.faults, self._generator(_VALUE, step)
        struck = draw.random(self._shape) < f.spike
        return np.where(struck, np.where(draw.random(self._shape) < 0.5, f.spike_factor, 1 / f.spike_factor), 1.0)

    def records(self, step: int) -> RecordFaults:
        """Draw what happens to each unit's record of a step. A lost one suffers nothing else."""
        f, draw = self.faults, self._generator(_RECORD, step)
        chance = draw.random((5, self._shape[0]))
        lost = chance[0] < f.lost
        late = ~lost & (chance[2] < f.late)
        return RecordFaults(
            lost,
            ~lost & (chance[1] < f.duplicate),
            late,
            ~lost & (chance[3] < f.wrong_unit),
            ~lost & (chance[4] < f.malformed),
        )

    def _generator(self, stream: int, number: int) -> np.random.Generator:
        return generator(self._seed, stream, number)


def generator(seed: int, stream: int, number: int) -> np.random.Generator:
    """Make the generator of one place in time: counter-based, so that any place can be drawn alone."""
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, 0, number]))
