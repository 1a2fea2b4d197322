"""Probes of pH or carbon dioxide held against the laboratory: what each is off by, folded with the minutes.

    probe = truth + offset + noise        assay = truth + noise        offset: a random walk, 0 after a calibration

A sample keeps what each probe said when its `sample_drawn` came; an assay of it, whenever it comes, counts at the
sample's time. What is remembered of a unit is a column of floats beside its belief, so that marks, snapshots and
refolds after a late assay carry it as they carry the rest. Instants are floats, exact below 2^53 us (the year 2255).

Source
------
Kalman filter of a random walk in one dimension: Sarkka and Svensson 2023, Bayesian Filtering and Smoothing, ch. 6.
Gate: chi-square .999, one degree of freedom. Bicarbonate: `models/bicarbonate.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.bioreactor import TAG_DIMENSIONS
from schemas.errors import SettingsError
from schemas.instants import DAY, MINUTE, format_instant
from schemas.units import CANONICAL, UNITS
from twins.bioreactor.filter import GATE_LIMIT
from twins.bioreactor.forecast import NORMAL
from twins.bioreactor.models.bicarbonate import bicarbonate_ph
from twins.bioreactor.rows import OTHER_PROBE, SAMPLED, START, Assay, Change, Items
from twins.bioreactor.sections import Reconciled

Floats = NDArray[np.float64]
Data = dict[str, Any]  # Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes

# Rows of one probe: as of when [us]; offset and its variance; what the probe said at the newest sample, and when; the
# newest assay that was looked at, of when; refused in a row; when it was last reconciled. -1: never.
AS_OF, OFFSET, VARIANCE, SAID, SAID_AT, ASSAY, ASSAY_AT, REFUSED, RECONCILED = range(9)
ROWS = 9
# And, behind those of all probes, of the balance: newest bicarbonate [mmol/L], of when; the pH it calls for, that of
# the reconciled probe, the standard deviation of their difference, and of when it was last held against it.
BICARBONATE, BICARBONATE_AT, CALLED_FOR, FOUND, DIFFERENCE_SD, CHECKED = range(6)
BALANCE = 6
NEVER = -1.0
STALE = 10 * MINUTE  # assumed: between a sample and what stands for it, pH and pCO2 of a culture hardly move
REOPEN_AFTER = 2  # refused in a row: then it is the belief that is wrong, not the laboratory; assumed
BICARBONATE_SD = 0.05  # of an assay, relative; assumed
PK_SD = 0.1  # of pK' in a medium, as `models/bicarbonate.py` says
PH, CARBON_DIOXIDE, BICARBONATE_TAG = "ph", "pco2", "bicarbonate"
CONSISTENT = 3.3  # standard deviations, the gate's own
MMHG = "mm[Hg]"


class Reconciling:
    """The probes of a configuration that are reconciled: constants only.

    Raises
    ------
    SettingsError
        If a tag is there twice, or is in no unit of its own.
    """

    def __init__(self, given: Sequence[Reconciled]) -> None:
        self.places = {one.tag: k for k, one in enumerate(given)}
        if len(self.places) < len(given) or "biomass" in self.places:
            raise SettingsError("expected each tag once in reconciled, and not biomass, whose gain is estimated")
        self._given, self._scale = tuple(given), [_scale_of(one) for one in given]
        self.units = {one.tag: CANONICAL[UNITS[one.unit].dimension] for one in given}
        self._balance = len(given) * ROWS
        self.width = self._balance + BALANCE
        if {PH, CARBON_DIOXIDE} <= set(self.places):
            self.units[BICARBONATE_TAG] = "mmol/L"
        self.assayed = frozenset(self.units)
        self.beginning: Floats = np.full((self.width, 1), NEVER)
        for k in range(len(given)):
            self._reset(self.beginning[:, 0], k, NEVER)

    def take(self, r: Floats, j: int, items: Items, running: bool) -> None:
        """Take in what a minute of twin `j` holds, in place: what was done and sampled, assays, then the balance."""
        column = np.ascontiguousarray(r[:, j])
        for change in items.changes:
            self._change(column, change)
        looked_at = [one for one in items.assays if running and one.value is not None and one.tag in self.assayed]
        for one in looked_at:
            self._assay(column, one)
        if looked_at:
            self._check(column)
        r[:, j] = column

    def _change(self, r: Floats, change: Change) -> None:
        if change.order == START:
            r[:] = self.beginning[:, 0]
            for k in range(len(self._given)):
                self._reset(r, k, change.event_time)
        elif change.order == OTHER_PROBE and change.name in self.places:  # it was another configuration's, else
            self._reset(r, self.places[change.name], change.event_time)
        elif change.order == SAMPLED:
            for tag, value in change.parameters:
                if tag not in self.places:
                    continue
                at = self.places[tag] * ROWS
                r[at + SAID], r[at + SAID_AT] = value, change.event_time

    def _reset(self, r: Floats, k: int, time: float) -> None:
        """Forget what was learned of a probe."""
        at, sd = k * ROWS, self._given[k].offset_sd * self._scale[k]
        r[at : at + ROWS] = NEVER
        r[at + AS_OF], r[at + OFFSET], r[at + VARIANCE], r[at + REFUSED] = time, 0.0, sd * sd, 0.0

    def _grown(self, r: Floats, k: int, time: float) -> float:
        """Give the variance of a probe's offset at a time."""
        at, walk = k * ROWS, self._given[k].drift_sd_per_day * self._scale[k]
        days = max(time - r[at + AS_OF], 0.0) / DAY if r[at + AS_OF] >= 0.0 else 0.0
        return float(r[at + VARIANCE] + walk * walk * days)

    def _assay(self, r: Floats, one: Assay) -> None:
        assert one.value is not None
        if one.tag == BICARBONATE_TAG:
            b = self._balance
            r[b + BICARBONATE], r[b + BICARBONATE_AT] = one.value, one.event_time
            return
        k = self.places[one.tag]
        at, given, scale = k * ROWS, self._given[k], self._scale[k]
        r[at + ASSAY], r[at + ASSAY_AT] = one.value, one.event_time
        if not _near(r[at + SAID_AT], one.event_time):
            return
        variance = self._grown(r, k, one.event_time)
        noise = (given.assay_sd * scale) ** 2 + (given.probe_sd * scale) ** 2
        found = float(r[at + SAID] - one.value)
        away = found - float(r[at + OFFSET])
        if away * away > GATE_LIMIT * (variance + noise):
            r[at + REFUSED] += 1.0
            if r[at + REFUSED] < REOPEN_AFTER:
                return
            r[at + OFFSET], r[at + VARIANCE] = found, noise
        else:
            gain = variance / (variance + noise)
            r[at + OFFSET] += gain * away
            r[at + VARIANCE] = (1.0 - gain) ** 2 * variance + gain * gain * noise
        r[at + AS_OF], r[at + RECONCILED], r[at + REFUSED] = one.event_time, one.event_time, 0.0

    def _check(self, r: Floats) -> None:
        """Hold the pH that bicarbonate and carbon dioxide of one sample call for against that of the probe."""
        b = self._balance
        time = float(r[b + BICARBONATE_AT])
        if BICARBONATE_TAG not in self.assayed or time < 0.0 or not r[b + BICARBONATE] > 0.0:
            return
        rows = [self.places[tag] * ROWS for tag in (PH, CARBON_DIOXIDE)]
        if any(r[at + RECONCILED] < 0.0 or not _near(r[at + SAID_AT], time) for at in rows):
            return
        ph, pressure = (float(r[at + SAID] - r[at + OFFSET]) for at in rows)
        pressure /= UNITS[MMHG].scale
        if not pressure > 0.0:
            return
        ph_var, pressure_var = (
            self._grown(r, k, time) + (self._given[k].probe_sd * self._scale[k]) ** 2
            for k in (self.places[PH], self.places[CARBON_DIOXIDE])
        )
        relative = pressure_var / (pressure * UNITS[MMHG].scale) ** 2 + BICARBONATE_SD**2
        r[b + CALLED_FOR] = float(bicarbonate_ph(np, r[b + BICARBONATE], pressure))
        r[b + FOUND], r[b + CHECKED] = ph, time
        r[b + DIFFERENCE_SD] = np.sqrt(ph_var + relative / np.log(10.0) ** 2 + PK_SD**2)

    def data(self, r: Floats, time: int, newest: dict[str, Data]) -> Data:
        """Say what is believed of one unit's probes at a time; `newest` readings by tag, none in a revised estimate."""
        said: Data = {tag: self._probe(r, k, time, newest.get(tag)) for tag, k in self.places.items()}
        return {"probes": said, "bicarbonate": self._bicarbonate(r)}

    def _probe(self, r: Floats, k: int, time: int, reading: Data | None) -> Data:
        at, given, scale = k * ROWS, self._given[k], self._scale[k]
        offset, sd = float(r[at + OFFSET]) / scale, float(np.sqrt(self._grown(r, k, time))) / scale
        probe = None
        if reading is not None and reading["unit"] == self.units[given.tag] and reading["quality"] == "good":
            probe = reading["value"] / scale
        whole = float(np.hypot(sd, given.probe_sd))
        middle = None if probe is None else probe - offset
        return {
            "unit": given.unit,
            "probe": probe,
            "reconciled": None if middle is None else _belief(middle, whole, given.unit),
            "offset": _belief(offset, sd, given.unit),
            "assay": None if r[at + ASSAY_AT] < 0.0 else float(r[at + ASSAY]) / scale,
            "assay_time": _instant(r[at + ASSAY_AT]),
            "reconciled_at": _instant(r[at + RECONCILED]),
            "refused_run": int(r[at + REFUSED]),
        }

    def _bicarbonate(self, r: Floats) -> Data | None:
        b = self._balance
        if r[b + CHECKED] < 0.0:
            return None
        away, sd = float(r[b + FOUND] - r[b + CALLED_FOR]), float(r[b + DIFFERENCE_SD])
        return {
            "at": _instant(r[b + CHECKED]),
            "ph": float(r[b + FOUND]),
            "ph_expected": float(r[b + CALLED_FOR]),
            "difference_sd": sd,
            "consistent": abs(away) <= CONSISTENT * sd,
        }


def _near(one: float, other: float) -> bool:
    return bool(one >= 0.0) and abs(one - other) <= STALE


def _belief(mean: float, sd: float, unit: str) -> Data:
    return {"mean": mean, "sd": sd, "low": mean - NORMAL[-1] * sd, "high": mean + NORMAL[-1] * sd, "unit": unit}


def _instant(time: np.float64) -> str | None:
    return None if time < 0.0 else format_instant(int(time))


def _scale_of(given: Reconciled) -> float:
    """Give what a value in the section's unit is multiplied by to be in the tag's canonical one."""
    unit, dimensions = UNITS.get(given.unit), TAG_DIMENSIONS.get(given.tag)
    if unit is None or unit.shift != 0.0 or (dimensions is not None and unit.dimension not in dimensions):
        wanted = "a listed unit" if dimensions is None else f"a unit of {' or '.join(dimensions)}"
        raise SettingsError(f"expected {wanted} without a shift, received {given.unit!r}, in reconciled of {given.tag}")
    if given.tag == CARBON_DIOXIDE and unit.dimension != "pressure":
        raise SettingsError(f"expected a unit of pressure, received {given.unit!r}, in reconciled of {given.tag}")
    return unit.scale
