"""Control charts on the biomass signal's innovations: one point a minute in which the gate judged the signal.

What a unit's charts remember is a column of floats beside its belief, so it is folded with the minutes, stands in
marks, and is refolded after a late fact: a chart is what it would be had every fact come in order. Alerts turn when a
minute closes; a refold alone turns none, the next closed minute does.

A point is innovation over its standard deviation, within the gate: one that the gate refused counts as one at its
limit, so a single spike, however high, fires no chart that looks for lasting shifts. Instants are floats here, exact
below 2^53 us (the year 2255).

Source
------
The charts are those of `twins.charts`. Bounding a point before it is summed: Lucas and Crosier 1982, Technometrics
24:199 (robust CUSUM); it makes false alarms rarer than ARL0 says, not more frequent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR, MINUTE, format_instant
from twins.bioreactor import filter as ekf
from twins.bioreactor.sections import Chart
from twins.charts import cusum, ewma
from twins.charts import rules as run_rules
from twins.charts.points import HIGH

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ARL0 = 43_200.0  # points: 30 days of one unit, a point a minute
LONGEST_GAP = HOUR  # assumed: after an hour without a point the chart begins anew
FARTHEST = float(np.sqrt(ekf.GATE_LIMIT))  # standard deviations
FIRED, SIGNALLED = 0, 1  # rows before each chart's own: what fired at its newest point, and when it last fired
NEVER = -1.0

State = Any  # Any: the state of one of three charts, whose fields are laid out by `_Panel`


@dataclass(frozen=True, slots=True)
class Sight:
    """One chart that changes its alert: `value` beyond `limit`, and what that means."""

    raised: bool
    value: float
    limit: float
    message: str


@dataclass(frozen=True, slots=True)
class _Panel:
    """One chart, and where its rows stand."""

    first: int
    beginning: State
    step: Callable[[State, Ints, Floats, Bools], tuple[State, NDArray[np.uint16]]]
    quiet: int  # us
    rules: int  # which rules count, as bits; -1: whatever fires
    limit: float
    config: Chart

    @property
    def rows(self) -> list[tuple[str, int, int, np.dtype[Any]]]:
        """Give name, first row, number of rows and type of each field."""
        found, at = [], self.first + 2
        for field in fields(self.beginning):
            array = getattr(self.beginning, field.name)
            count = len(array) if array.ndim == 2 else 0
            found.append((field.name, at, count, array.dtype))
            at += max(1, count)
        return found

    @property
    def end(self) -> int:
        _, at, count, _ = self.rows[-1]
        return at + max(1, count)

    def read(self, c: Floats) -> State:
        values = {name: (c[at : at + count] if count else c[at]).astype(dtype) for name, at, count, dtype in self.rows}
        return type(self.beginning)(**values)

    def write(self, c: Floats, state: State) -> None:
        for name, at, count, _ in self.rows:
            c[at : at + max(1, count)] = getattr(state, name)


class Charting:
    """The charts of a configuration: constants only. What they remember is an array (width, n) of floats."""

    def __init__(self, charts: Sequence[Chart]) -> None:
        self._panels: list[_Panel] = []
        for one in charts:
            first = self._panels[-1].end if self._panels else 0
            self._panels.append(_panel(one, first))
        self.width = self._panels[-1].end if self._panels else 0
        beginning = np.zeros((self.width, 1))
        for panel in self._panels:
            beginning[panel.first + SIGNALLED] = NEVER
            panel.write(beginning, panel.beginning)
        self.beginning: Floats = beginning

    def restart(self, c: Floats, j: int) -> None:
        """Let the charts of twin `j` begin, in place: a run begins."""
        c[:, j] = self.beginning[:, 0]

    def step(self, c: Floats, f: Floats, instants: Ints, judged: Bools) -> None:
        """Fold one minute of n twins, in place.

        Parameters
        ----------
        c : array, shape (width, n)
            What the charts remember.
        f : array, shape (13, n)
            The belief's floats, with this minute's innovations.
        instants : array of int64, shape (n,)
            The minute's mean time [us].
        judged : array of bool, shape (n,)
            Whether the gate judged the minute's signal.
        """
        z = f[ekf.INNOVATION] / np.where(judged, f[ekf.INNOVATION_SD], 1.0)
        z = np.clip(np.where(judged, z, 0.0), -FARTHEST, FARTHEST)
        for panel in self._panels:
            state, fired = panel.step(panel.read(c), instants, z, judged)
            fired = fired & np.uint16(panel.rules & 0xFFFF)
            panel.write(c, state)
            c[panel.first + FIRED] = np.where(judged, fired, c[panel.first + FIRED])
            c[panel.first + SIGNALLED] = np.where(fired > 0, instants, c[panel.first + SIGNALLED])

    def turns(self, number: int, c: Floats, minutes: Ints, raised: Bools) -> list[tuple[int, Sight]]:
        """Say whose alert of chart `number` turns, now that these minutes are closed: (twin, what is seen)."""
        panel = self._panels[number]
        state = panel.read(c)
        here = state.seen // MINUTE == minutes
        fired = here & (c[panel.first + FIRED] > 0)
        quiet = here & ~fired & (state.seen - c[panel.first + SIGNALLED] >= panel.quiet)
        turning = np.where(raised, quiet, fired)
        return [(j, _sight(panel, c[:, j : j + 1], not raised[j])) for j in np.nonzero(turning)[0].tolist()]


@lru_cache(maxsize=64)
def _cusum(reference: float, arl0: float) -> cusum.CusumChart:
    """Find a chart once: it takes seconds, and every block of a model asks for the same."""
    return cusum.cusum_for(reference, arl0, LONGEST_GAP)


@lru_cache(maxsize=64)
def _ewma(weight: float, arl0: float) -> ewma.EwmaChart:
    return ewma.ewma_for(weight, arl0, LONGEST_GAP)


def _panel(one: Chart, first: int) -> _Panel:
    quiet = round(one.quiet_minutes * MINUTE)
    arl0 = ARL0 if one.arl0 is None else one.arl0
    if (one.chart == "rules") != bool(one.rules):
        raise SettingsError(
            f"expected rules with the chart `rules` and only there, received {one.rules}, in {one.chart}"
        )
    if one.chart == "cusum":
        summed = _cusum(one.reference, arl0)
        return _Panel(
            first, cusum.start(1), lambda state, at, z, there: cusum.step(summed, state, at, z, there), quiet, -1,
            summed.decision, one,
        )  # fmt: skip
    if one.chart == "ewma":
        weighted = _ewma(one.weight, arl0)
        edge = weighted.limit * float(np.sqrt(weighted.weight / (2.0 - weighted.weight)))
        return _Panel(
            first, ewma.start(1), lambda state, at, z, there: ewma.step(weighted, state, at, z, there), quiet, -1,
            edge, one,
        )  # fmt: skip
    if one.arl0 is not None:
        raise SettingsError("expected no arl0 with run rules: which rules there are decides it; see twins.charts")
    names = [name for name, _ in run_rules.MEANINGS]
    unknown = [name for name in one.rules if name not in names]
    if unknown:
        raise SettingsError(f"expected rules among {', '.join(names)}, received {', '.join(unknown)}"[:400])
    wanted = sum(1 << names.index(name) for name in set(one.rules))
    return _Panel(
        first, run_rules.start(1), lambda state, at, z, there: run_rules.step(state, at, z, there, LONGEST_GAP),
        quiet, wanted, 3.0, one,
    )  # fmt: skip


MEANS = {
    True: "it grows faster than the model says, the probe reads high, or a feed was not told",
    False: "it grows slower than the model says, the probe reads low, or a dilution was not told",
}


def _sight(panel: _Panel, c: Floats, raised: bool) -> Sight:
    """Say in words what a chart of one twin shows, c of shape (width, 1)."""
    state, chart = panel.read(c), panel.config.chart
    if not raised:
        text = f"the biomass signal has been as expected for {panel.config.quiet_minutes:g} min ({chart})"
        return Sight(False, 0.0, panel.limit, text)
    fired = int(c[panel.first + FIRED, 0])
    if chart == "rules":
        shown = [text for bit, (_, text) in enumerate(run_rules.MEANINGS) if fired >> bit & 1]
        said = "; ".join(dict.fromkeys(shown))
        return Sight(
            True, float(state.previous[0]), panel.limit,
            f"the biomass signal left its usual scatter about what the twin expects: {said}; look at the probe",
        )  # fmt: skip
    above = bool(fired & HIGH)
    advice, side = f"{MEANS[above]}; compare with an assay", "above" if above else "below"
    if chart == "ewma":
        value = float(state.average[0])
        lasting = f"{abs(value):.2f} standard deviations {side} what the twin expects, on average"
        return Sight(True, value, panel.limit, f"the biomass signal is {lasting} (limit {panel.limit:.2f}): {advice}")
    value = float((state.high if above else state.low)[0])
    since = format_instant(int((state.high_since if above else state.low_since)[0]))
    return Sight(
        True, value, panel.limit,
        f"the biomass signal has been {side} what the twin expects since {since} "
        f"(CUSUM {value:.1f}, limit {panel.limit:.1f}): {advice}",
    )  # fmt: skip
