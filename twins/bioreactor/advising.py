"""Advice on feeding in the live block: the section `advice` made ready, and what a forecast says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR, SECOND, format_instant
from twins.bioreactor.estimation.advice import VERDICTS, Floor, Pump, advise, check_advice
from twins.bioreactor.process import BEGUN, Process
from twins.bioreactor.process_section import scale_of, unit_of
from twins.bioreactor.rules import said_in
from twins.bioreactor.sections import FeedAdvice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Data = dict[str, Any]  # Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes

SHORTEST_HOURS = 1.0  # ahead, where the planned end is nearer or past


class Advising:
    """The advice of a configuration: constants only.

    Raises
    ------
    SettingsError
        If the section does not fit the process model.
    """

    def __init__(self, section: FeedAdvice, process: Process) -> None:
        rows = {state.name: row for row, state in enumerate(process.filter.states)}
        if section.state not in rows:
            raise SettingsError(
                f"expected a state of {process.model.name} ({', '.join(rows)}), received {section.state!r}, "
                "in advice.state"
            )
        row = rows[section.state]
        state = process.filter.states[row]
        self._process, self._section, self._unit = process, section, unit_of(state)
        self._said = said_in(section.floor, section.unit, self._unit, "advice.floor")
        self._floor = Floor(row, self._said / scale_of(state), section.probability)
        self._pump = Pump(
            section.most_litres_per_hour, section.most_litres, section.vessel_litres, process.composition
        )  # fmt: skip
        check_advice(process.filter, self._floor, self._pump)

    def say(self, m: Floats, litres: Floats, times: Ints, ends: Sequence[int | None]) -> list[Data | None]:
        """Say what keeps n twins above the floor; None of one whose run has not begun.

        Parameters
        ----------
        m : array, shape (width, n)
            What the process model remembers, already carried to `times`.
        litres : array, shape (n,)
            Liquid volume [L].
        times : array of int64, shape (n,)
            The present [us].
        ends : sequence of int or None
            Planned ends [us]: nothing is advised beyond them.
        """
        begun = np.nonzero(m[BEGUN] > 0.0)[0]
        said: list[Data | None] = [None] * m.shape[1]
        if not len(begun):
            return said
        most = self._section.horizon_hours
        end = np.array([ends[j] or 0 for j in begun.tolist()], dtype=np.int64)
        hours = np.where(end > 0, np.clip((end - times[begun]) / HOUR, SHORTEST_HOURS, most), most)
        joint = self._process.read(m, begun, litres)
        found = advise(self._process.filter, joint, self._process.inputs(len(begun)), hours, self._floor, self._pump)
        for j, twin in enumerate(begun.tolist()):
            now = int(times[twin])
            said[twin] = {
                "lane": "advisory",
                "state": self._section.state,
                "floor": self._said,
                "unit": self._unit,
                "probability": self._section.probability,
                "horizon_hours": float(hours[j]),
                "verdict": VERDICTS[int(found.verdict[j])],
                "rate_litres_per_hour": _number(found.rate_litres_per_hour[j]),
                "bolus_litres": _number(found.bolus_litres[j]),
                "latest_time": _instant(now, found.latest_hours[j]),
                "without": {"crosses_at": _instant(now, found.crosses_hours[j])},
            }
        return said


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _instant(now: int, hours: np.float64) -> str | None:
    if np.isnan(hours):
        return None
    return format_instant((now + round(float(hours) * HOUR)) // SECOND * SECOND)
