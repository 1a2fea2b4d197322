"""What is learned beside a block's qualified lane: the section `learning` made ready, and what is said of it.

With each forecast the learner sees how the model expects the cells to go on, and says, as a forecast of its own on the
advisory lane, what it makes of that (`twins.learning`). What it reads are copies: nothing of it goes back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR, format_instant
from twins.bioreactor import filter as ekf
from twins.bioreactor.estimation.outlook import forecast_step
from twins.bioreactor.fold import Beliefs
from twins.bioreactor.parameters import assumed_growth as p
from twins.bioreactor.process import (
    BEGUN,
    FIRST_CHANNEL,
    HEALTH,
    INNOVATION,
    INNOVATION_SD,
    NIS_MEAN,
    Process,
)
from twins.bioreactor.process_section import scale_of, unit_of
from twins.bioreactor.rows import NANOLITRES
from twins.learning.advisor import Advice, Advisor, Drift, Look
from twins.learning.settings import LearningSection, check_section
from twins.learning.store import RIVER

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Data = dict[str, Any]  # Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes

INPUTS = ("hours", "ln_cells", "growth_rate", "innovation", "nis_mean", "spread")
MOST_STATES = 6  # of the process model, beside the cells, in its order
LEAST_SPREAD = 0.005  # of ln cells; assumed: no belief of a probe is steadier than that
MOST_INNOVATION = 10.0  # standard deviations


@dataclass(frozen=True, slots=True)
class Seen:
    """A forecast that the learner is to look at, and whose it is."""

    place: int
    batch: str | None
    unit: str  # of the biomass signal
    doubt: float  # standard deviation of ln cells now
    look: Look


@dataclass(frozen=True, slots=True)
class Ahead:
    """What n twins expect: inputs of the learner (inputs, n), of which some are filled in later; mean and variance of
    ln cells at each lead (leads, n); and the variance now (n,)."""

    x: Floats
    centre: Floats
    variance: Floats
    present: Floats


class Learning:
    """What one block learns.

    Raises
    ------
    SettingsError
        If the section cannot be, or the process model's cells are not what the biomass probe measures.
    """

    def __init__(self, section: LearningSection, process: Process | None) -> None:
        check_section(section)
        self._section, self._process = section, process
        self._row, self._channel = -1, -1
        self._others: tuple[int, ...] = ()
        self._scale, self.quantity, names = 1.0, "biomass", list(INPUTS)
        self.unit = ""  # of the quantity; empty: that of the biomass signal
        if process is not None:
            self._channel = process.tags.get("biomass", -1)
            self._row = process.filter.layout.measured[self._channel] if self._channel >= 0 else -1
            states = process.filter.states
            if self._row < 0 or states[self._row].coordinate != "log":
                raise SettingsError(
                    "expected a process model whose cells the biomass probe measures with a section learning, received "
                    f"the channels {', '.join(process.tags)}, in process.channels; see docs/learning.md"
                )
            self._scale, self.unit = scale_of(states[self._row]), unit_of(states[self._row])
            self.quantity = f"process.{states[self._row].name}"
            self._others = tuple(row for row, one in enumerate(states) if row != self._row)[:MOST_STATES]
            names += [states[row].name for row in self._others]
        self.names = tuple(names)
        self.advisor = Advisor(self.names, section)

    # -- what is seen -------------------------------------------------------------------------------------------------

    def see(
        self, slots: Ints, places: Ints, offsets: Ints, times: Ints, units: Sequence[str], now: Beliefs, k: Floats
    ) -> list[Seen]:
        """Look at the forecasts of n twins whose beliefs were carried to `times`. Changes nothing.

        Parameters
        ----------
        slots, places, offsets : array of int64, shape (n,)
            The twins' rows; the records that call for the forecasts: their places in the frame and their offsets.
        units : sequence of str
            Of their biomass signals.
        k : array, shape (16, n)
            Parameters of the growth filter.
        """
        which = np.nonzero(now.i[ekf.RUNNING] > 0)[0]
        if self._process is not None and now.m is not None:
            which = which[now.m[BEGUN, which] > 0.0]
        if not len(which):
            return []
        if self._process is None or now.m is None:
            ahead = self._by_growth(now, which, k)
        else:
            ahead = self._by_process(self._process, now, now.m, which)
        x, centre = ahead.x, ahead.centre
        # A belief moves by what it learns until then: its variance now is what it does not learn.
        spread = np.sqrt(np.maximum(ahead.variance - ahead.present, LEAST_SPREAD * LEAST_SPREAD))
        doubt = np.sqrt(ahead.present).tolist()
        begun = [_zero(now, j) for j in which.tolist()]
        x[0] = [0.0 if zero is None else (time - zero) / HOUR for zero, time in zip(begun, times[which], strict=True)]
        x[2] = now.f[ekf.RATE, which]
        x[5] = np.log(spread[-1])
        return [
            Seen(
                int(places[twin]),
                now.batches[twin].batch,
                units[twin],
                doubt[j],
                Look(
                    int(slots[twin]), -1 if (run := now.batches[twin].started) is None else run, int(times[twin]),
                    int(offsets[twin]), x[:, j].tolist(), centre[:, j].tolist(), spread[:, j].tolist(),
                    float(x[1, j]), float(x[2, j]),
                ),
            )
            for j, twin in enumerate(which.tolist())
        ]  # fmt: skip

    def _by_growth(self, now: Beliefs, which: Ints, k: Floats) -> Ahead:
        """Look ahead by the growth filter, at its planned feed."""
        x = np.zeros((len(self.names), len(which)))
        x[1] = now.f[ekf.LNX, which]
        x[3] = _ratio(now.f[ekf.INNOVATION, which], now.f[ekf.INNOVATION_SD, which])
        x[4] = now.f[ekf.NIS_MEAN, which]
        litres = now.i[ekf.VOLUME, which] / NANOLITRES
        k = np.ascontiguousarray(k[:, which])
        centres, variances = [], []
        for hours in self._section.leads_hours:
            f = np.ascontiguousarray(now.f[:, which])
            ekf.predict(f, np.full(len(which), hours), k)
            fed = np.maximum(k[p.FEED_RATE] * hours / litres, 0.0)
            centres.append(f[ekf.LNX] - np.log1p(fed))
            variances.append(f[ekf.P00])
        return Ahead(x, np.array(centres), np.array(variances), np.maximum(now.f[ekf.P00, which], 0.0))

    def _by_process(self, process: Process, now: Beliefs, m: Floats, which: Ints) -> Ahead:
        """Look ahead by the process model, nothing being fed."""
        joint = process.read(m, which, now.i[ekf.VOLUME] / NANOLITRES)
        at = FIRST_CHANNEL + HEALTH * self._channel
        x = np.zeros((len(self.names), len(which)))
        x[1] = joint.mean[self._row]
        x[3] = _ratio(m[at + INNOVATION, which], m[at + INNOVATION_SD, which])
        x[4] = m[at + NIS_MEAN, which]
        for place, row in enumerate(self._others, len(INPUTS)):
            x[place] = joint.mean[row]
        u, longest = process.inputs(len(which)), forecast_step(process.model)
        centres, variances, gone = [], [], 0.0
        present = np.maximum(joint.covariance[self._row, self._row], 0.0)
        for hours in self._section.leads_hours:
            process.filter.predict(joint, np.zeros(len(which)), np.full(len(which), hours - gone), u, longest)
            gone = hours
            centres.append(joint.mean[self._row].copy())
            variances.append(joint.covariance[self._row, self._row].copy())
        return Ahead(x, np.array(centres), np.array(variances), present)

    # -- what is said -------------------------------------------------------------------------------------------------

    def say(self, seen: Seen) -> Data:
        """Let the learner take one forecast in, and give what it says: the data of a forecast."""
        advice, look, section = self.advisor.take(seen.look), seen.look, self._section
        side = 0.5 * (1.0 - section.coverage)
        data: Data = {
            "batch": seen.batch, "quantiles": [side, 0.5, 1.0 - side], "at": [], "values": {}, "units": {},
        }  # fmt: skip
        learning: Data = {
            "model": section.name,
            "library": f"river {RIVER}",
            "quantity": self.quantity,
            "begun_anew": self.advisor.anew.count,
            "begun_anew_reason": self.advisor.anew.reason or None,
        }
        data["learning"] = learning
        off = self.advisor.off
        if advice is None and off is not None:
            learning["off"] = {
                "reason": off.reason, "since": format_instant(off.time), "since_offset": off.offset,
                "left_out": off.left_out,
            }  # fmt: skip
            return data
        assert advice is not None
        said = advice.said
        data["at"] = [format_instant(look.time + round(hours * HOUR)) for hours in section.leads_hours]
        data["units"] = {self.quantity: self.unit or seen.unit}
        learning["leads"] = self._leads(look, advice)
        z = NormalDist().inv_cdf(1.0 - side)
        leads = range(len(section.leads_hours))
        data["values"] = {self.quantity: [self._three(seen, advice, lead, z) for lead in leads]}
        window = advice.window
        learning["window"] = None if window is None else {
            "from": format_instant(window.first_time), "to": format_instant(window.last_time),
            "first_offset": window.first_offset, "last_offset": window.last_offset,
        }  # fmt: skip
        learning["drift"] = {"unit": _drift(advice.unit), "fleet": _drift(advice.fleet), "restarts": advice.restarts}
        learning["anomaly"] = {"score": said.score, "limit": said.limit, "beyond": said.score > said.limit}
        return data

    def _three(self, seen: Seen, advice: Advice, lead: int, z: float) -> list[float]:
        """Give low, middle and high of the cells at a lead: what will be believed then, and by how much a belief is
        off, which no outcome tells of."""
        look, said = seen.look, advice.said
        middle = look.centre[lead] + said.shift[lead] * look.spread[lead]
        half = math.hypot(said.half[lead] * look.spread[lead], z * seen.doubt)
        return [self._value(middle + one) for one in (-half, 0.0, half)]

    def _leads(self, look: Look, advice: Advice) -> list[Data]:
        said = advice.said
        return [
            {
                "hours": hours,
                "model": self._value(look.centre[lead]),
                "expected_off": said.expected[lead],
                "applied": said.shift[lead] != 0.0,
                "low": self._value(look.centre[lead] + (said.shift[lead] - said.half[lead]) * look.spread[lead]),
                "high": self._value(look.centre[lead] + (said.shift[lead] + said.half[lead]) * look.spread[lead]),
                "held": advice.held[lead],
                "examples": advice.examples[lead],
            }
            for lead, hours in enumerate(self._section.leads_hours)
        ]

    def _value(self, ln: float) -> float:
        return math.exp(min(max(ln, -ekf.LN_LARGEST * 2.0), ekf.LN_LARGEST * 2.0)) * self._scale


def _drift(test: Drift) -> Data:
    return {
        "found": test.found, "up": test.up, "down": test.down, "threshold": test.threshold, "times": test.times,
        "points": test.points,
    }  # fmt: skip


def _ratio(value: Floats, sd: Floats) -> Floats:
    there = sd > 0.0
    return np.where(there, np.clip(value / np.where(there, sd, 1.0), -MOST_INNOVATION, MOST_INNOVATION), 0.0)


def _zero(now: Beliefs, j: int) -> int | None:
    """Give the instant from which a run's hours count."""
    batch = now.batches[j]
    return batch.started if batch.inoculated is None else batch.inoculated
