"""What a process model expects at the planned end of a run: states, outputs, volume, and when a nutrient is used up.

It counts on the planned feed (`planned_feed_rate`, of what `process.feed` says) and on nothing else being done. Where
nothing is planned to be fed it is read off the points of the forecast; else the belief is carried once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.instants import HOUR, SECOND, format_instant
from twins.bioreactor.calibrated import COVERAGE, Widening, word
from twins.bioreactor.estimation.joint import Joint
from twins.bioreactor.estimation.outlook import forecast_step
from twins.bioreactor.estimation.outputs import output_quantiles
from twins.bioreactor.forecast import LONGEST_HOURS, NORMAL, POINTS, QUANTILES
from twins.bioreactor.process import Process
from twins.bioreactor.process_limits import LimitsAhead
from twins.bioreactor.process_section import scale_of, unit_of
from twins.bioreactor.rules import PROCESS, Rule, numbered

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Data = dict[str, Any]  # Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What is planned for n runs: `ends` (n,) [us], 0 where none is; the feed (n,) [L/h]; when each run's hours
    begin, None where that is not known."""

    ends: Ints
    litres_per_hour: Floats
    zeros: Sequence[int | None]

    def part(self, which: Ints) -> RunPlan:
        """Give that of some units."""
        return RunPlan(self.ends[which], self.litres_per_hour[which], [self.zeros[j] for j in which.tolist()])


def walk(process: Process, joint: Joint, begin: Floats, at: Ints, u: Floats) -> Iterator[Floats]:
    """Carry beliefs in place to one instant after the other, and give the hours ahead (n,) at each.

    Parameters
    ----------
    begin : array, shape (n,)
        The present [us].
    at : array of int64, shape (points, n)
        Instants [us].
    u : array, shape (inputs, n)
        Inputs, held.
    """
    longest, now = forecast_step(process.model), begin
    for instants in at:
        hours = np.maximum((instants - now) / HOUR, 0.0)
        process.filter.predict(joint, np.zeros(len(now)), hours, u, longest)
        now = np.maximum(now, instants)
        yield (now - begin) / HOUR


class EndsOfRuns:
    """Looks at the points of a forecast, and says what is expected at the planned ends of its runs.

    Parameters
    ----------
    process : Process
        The process model.
    joint : Joint
        What is believed of n units now.
    begin : array, shape (n,)
        The present [us].
    at : array of int64, shape (points, n)
        The forecast's instants, the present left out [us].
    plan : RunPlan
        Of the n units.
    """

    def __init__(self, process: Process, joint: Joint, begin: Floats, at: Ints, plan: RunPlan) -> None:
        hours = (plan.ends - begin) / HOUR
        there = (hours > 0.0) & (hours <= LONGEST_HOURS)
        along = there & ~(plan.litres_per_hour > 0.0) & (at[-1] == plan.ends)
        self._n, self._process, self._plan = len(begin), process, plan
        self._which, self._apart = np.nonzero(along)[0], np.nonzero(there & ~along)[0]
        present = begin.astype(np.int64)
        points = np.concatenate([present[None, self._which], at[:, self._which]])
        self._sight = _Sight(process, joint.part(self._which), points, process.inputs(len(self._which)))
        self._start, self._begin = joint.part(self._apart), begin[self._apart]
        ahead = (plan.ends[self._apart] - present[self._apart]) * (np.arange(POINTS + 1)[:, None] / POINTS)
        self._at = present[None, self._apart] + np.rint(ahead).astype(np.int64)

    def look(self, joint: Joint, hours: Floats) -> None:
        """Look at the beliefs of the n units at the next point of the forecast, so many hours ahead (n,)."""
        if len(self._which):
            self._sight.look(joint.part(self._which), hours[self._which])

    def data(self) -> list[Data | None]:
        """Say it of each unit; None where no end is planned, or it is past or farther than a forecast reaches."""
        said: list[Data | None] = [None] * self._n
        for j, unit in enumerate(self._which.tolist()):
            said[unit] = self._say(self._sight, j, unit)
        if len(self._apart):
            u = self._process.planned_inputs(self._plan.litres_per_hour[self._apart])
            sight = _Sight(self._process, self._start, self._at, u)
            for hours in walk(self._process, self._start, self._begin, self._at[1:], u):
                sight.look(self._start, hours)
            for j, unit in enumerate(self._apart.tolist()):
                said[unit] = self._say(sight, j, unit)
        return said

    def _say(self, sight: _Sight, j: int, unit: int) -> Data:
        end, zero = int(self._plan.ends[unit]), self._plan.zeros[unit]
        return {
            "at": format_instant((end + SECOND // 2) // SECOND * SECOND),
            "hours": None if zero is None else (end - zero) / HOUR,
            "feed_litres_per_hour": float(self._plan.litres_per_hour[unit]),
            **sight.data(j),
        }


class _Sight:
    """What is seen along one path of n units: nutrients point by point, all else where it ends."""

    def __init__(self, process: Process, joint: Joint, at: Ints, u: Floats) -> None:
        self._process, self._u = process, u
        self._limits = LimitsAhead(process, _used_up(process), at)
        self._widening = Widening(process.filter, joint, process.calibrated)
        self._which = np.arange(len(joint.volume))
        self._rows: Floats | None = None
        self.look(joint, np.zeros(len(joint.volume)))

    def look(self, joint: Joint, hours: Floats) -> None:
        self._limits.look(self._which, joint, self._u, self._widening.at(hours))
        self._last = joint.copy()
        self._hours = hours

    def data(self, j: int) -> Data:
        if self._rows is None:
            self._rows = self._end()
        filter_, outputs = self._process.filter, self._process.model.outputs
        names = [*(one.name for one in filter_.states), *(one.name for one in outputs)]
        units = [*(unit_of(one) for one in filter_.states), *(one.unit for one in outputs)]
        whole = calibrated_names(self._process, self._widening, j)
        return {
            "volume": float(self._last.volume[j]),
            "quantiles": list(QUANTILES),
            "values": dict(zip(names, self._rows[:, :, j].tolist(), strict=True)),
            "units": dict(zip(names, units, strict=True)),
            "used_up": {name.removesuffix(".low"): one for name, one in self._limits.data(j, whole).items()},
            **verdicts(self._process, self._widening, j),
        }

    def _end(self) -> Floats:
        """Give the quantiles of states and outputs where the path ends, shape (states + outputs, q, n)."""
        process, normal = self._process, np.array(NORMAL)
        found = process.filter.quantiles(self._last, normal, self._widening.at(self._hours))
        rows = [found[:, row] * scale_of(state) for row, state in enumerate(process.filter.states)]
        for output in process.model.outputs:
            t = np.zeros(len(self._hours))
            rows.append(output_quantiles(process.filter, self._last, output, t, self._u, normal))
        return np.stack(rows)


def calibrated_names(process: Process, widening: Widening, j: int) -> frozenset[str]:
    """Name the states of unit `j` whose whole forecast is calibrated."""
    return frozenset(state.name for row, state in enumerate(process.filter.states) if widening.whole(row)[j])


def verdicts(process: Process, widening: Widening, j: int) -> Data:
    """Say how far the forecast of unit `j` counts: of the model, and of each state that a calibration knows."""
    said: Data = {"verdict": word(int(widening.trust[j]))}
    if process.calibrated is not None:
        said["calibrated"] = {
            one.state: {
                "coverage": COVERAGE,
                "hours": one.leads[-1].lead_hours,
                "whole": bool(widening.whole(row)[j]),
                "verdict": word(int(widening.verdict(row)[j])),
            }
            for row, one in process.calibrated.rows.items()
        }
    return said


def _used_up(process: Process) -> list[Rule]:
    """Lay out a limit on each state that the feed holds: the small amount that the model states of it."""
    rules = [
        Rule(
            0, f"{PROCESS}{one.name}.low.predicted", "predicted", f"{PROCESS}{one.name}", unit_of(one), False,
            one.scale * scale_of(one), 0.0, 1.0, "low",
        )
        for row, one in enumerate(process.filter.states)
        if process.composition[row] > 0.0 and one.role == "concentration"
    ]  # fmt: skip
    return list(numbered(rules))
