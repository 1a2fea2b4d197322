"""Make a calibration: simulated runs of a configuration's own design, followed as the block would follow them.

Each run draws what the design does not know: parameters, wanders, initial values, gains, colours, drift and noise. At
one hour of each run and lead, drawn at random, the forecast is held against what became of the run; so a new run at an
hour of its own is exchangeable with them. Runs and forecasts are both fed as planned.

Source
------
Split conformal: `estimation/outlook.py`. The laws the runs follow are those that `estimation/design.py` states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR, MINUTE
from twins.bioreactor.calibrated import COVERAGE, CalibrationSet, Made
from twins.bioreactor.estimation.joint import SMALL, Joint, own_step
from twins.bioreactor.estimation.measurement import ln_gain
from twins.bioreactor.estimation.outlook import Known, calibrate, carry, forecast_step
from twins.bioreactor.models.coordinates import slope_of, state_of, to_coordinates
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.models.volume import add_bolus
from twins.bioreactor.process import Process
from twins.bioreactor.process_section import ProcessSection, design_name, scale_of
from twins.bioreactor.rows import NANOLITRES, Assay

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIRST_LEAD = 6.0  # hours; shorter ones take what counts here. Each next is twice as long.
FIRST_HOUR = 12  # of a run at which a forecast is judged; assumed: before it little was measured
MOST_STEPS = 10_000_000  # of one run's filter: some five minutes of a core
SHORTEST_HOURS = FIRST_HOUR + 2 * FIRST_LEAD


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs that were followed: `truth` (states, hours + 1, n) in the model's units, the volume left out; what was
    believed at the drawn `origins` (leads, n) [h] of each of `leads` [h], and what was expected of them then."""

    leads: tuple[float, ...]
    origins: Ints
    truth: Floats
    now: tuple[Joint, ...]
    later: tuple[Joint, ...]


def leads_of(hours: float) -> tuple[float, ...]:
    """Give the leads that runs of so many hours are judged at.

    Examples
    --------
    >>> leads_of(144)
    (6.0, 12.0, 24.0, 48.0, 96.0, 132.0)
    """
    longest, found = float(hours - FIRST_HOUR), [FIRST_LEAD]
    while 2.0 * found[-1] < longest:
        found.append(2.0 * found[-1])
    return (*found, longest)


def make_calibration(
    section: ProcessSection, made: Made, states: Sequence[str], progress: Callable[[int], None] = lambda hour: None
) -> CalibrationSet:
    """Make the calibration of some states.

    Parameters
    ----------
    section : ProcessSection
        The design; a calibration in it is not looked at.
    made : Made
        How.
    states : sequence of str
        Of the model.
    progress : callable
        Is told each hour of the runs that was followed.

    Raises
    ------
    SettingsError
        If a state is none of the model, or there are too few runs, or too many steps.
    """
    section = msgspec.structs.replace(section, calibration=None)
    process = Process(section)
    check(process, made, states)
    runs, name = follow(process, made, progress), design_name(section)
    rows = {one.name: row for row, one in enumerate(process.filter.states)}
    units = np.arange(made.runs)
    return CalibrationSet(
        name,
        made,
        tuple(
            calibrate(
                process.filter,
                name,
                state,
                [
                    Known(lead, now, later, runs.truth[rows[state], origins + int(lead), units])
                    for lead, origins, now, later in zip(runs.leads, runs.origins, runs.now, runs.later, strict=True)
                ],
                COVERAGE,
            )
            for state in states
        ),
    )


def check(process: Process, made: Made, states: Sequence[str]) -> None:
    """Check what is asked for.

    Raises
    ------
    SettingsError
        With what was expected and what came.
    """
    known = [one.name for one in process.filter.states]
    if not states or not set(states) <= set(known):
        raise SettingsError(f"expected states of {process.model.name} ({', '.join(known)}), received {list(states)}")
    if made.hours != int(made.hours) or made.hours < SHORTEST_HOURS or 60 % made.signal_minutes:
        raise SettingsError(
            f"expected whole hours, {SHORTEST_HOURS:g} or more, and minutes that divide 60, received {made.hours:g} h "
            f"and {made.signal_minutes} min"
        )
    step = own_step(process.model)
    steps = made.hours * 60 / made.signal_minutes * np.ceil(made.signal_minutes / 60 / step)
    steps = made.runs * (steps + sum(leads_of(made.hours)) / forecast_step(process.model))
    if steps > MOST_STEPS:
        raise SettingsError(
            f"expected at most {MOST_STEPS} steps of the filter, received {steps:.3g} (runs, their hours and leads, by "
            f"steps of {step:.2g} h); take fewer runs or shorter ones"
        )


def follow(process: Process, made: Made, progress: Callable[[int], None] = lambda hour: None) -> Runs:
    """Simulate runs, follow them, and forecast from the drawn hours."""
    rng = np.random.default_rng(made.seed)
    leads, hours, n = leads_of(made.hours), int(made.hours), made.runs
    origins = np.stack([rng.integers(FIRST_HOUR, hours - int(lead) + 1, n) for lead in leads])
    truth = Truth(process, made, rng)
    m = np.repeat(process.beginning, n, axis=1)
    for j in range(n):
        process.begin(m, j, 0, made.litres)
    rows = process.filter.layout.states
    told = np.empty((len(rows), hours + 1, n))
    told[:, 0] = truth.x[list(rows)]
    blank = process.read(m, np.arange(n), np.full(n, made.litres))
    now = tuple(blank.copy() for _ in leads)
    for hour in range(1, hours + 1):
        for minute in range(0, 60, made.signal_minutes):
            step(process, made, truth, m, (hour - 1) * 60 + minute)
        told[:, hour] = truth.x[list(rows)]
        for place in range(len(leads)):
            which = np.nonzero(origins[place] == hour)[0]
            if len(which):
                now[place].put(which, process.read(m, which, np.full(n, truth.litres)))
        progress(hour)
    u = process.planned_inputs(np.full(n, made.feed_litres_per_hour))
    later = tuple(carry(process.filter, one, np.zeros(n), lead, u) for lead, one in zip(leads, now, strict=True))
    return Runs(leads, origins, told, now, later)


def step(process: Process, made: Made, truth: Truth, m: Floats, minute: int) -> None:
    """Feed runs, carry them to the next reading, and take in what is measured there."""
    n, hours = made.runs, made.signal_minutes / 60
    added = made.feed_litres_per_hour * hours
    if added > 0.0:
        litres = np.full(n, truth.litres)
        process.feed(m, np.full(n, minute), litres, np.full(n, round(added * NANOLITRES)))
        truth.feed(added)
    truth.advance(hours)
    minute += made.signal_minutes
    times, litres, there = np.full(n, minute * MINUTE), np.full(n, truth.litres), np.ones(n, dtype=np.bool_)
    process.move(m, times, litres, there)
    if "biomass" in process.tags:
        process.signal(m, times, litres, truth.measure("biomass"), np.ones(n), there)
    if minute * MINUTE % (made.assay_hours * HOUR) == 0:
        for name in process.tags:
            if name != "biomass":
                tag = name.removesuffix(" assay")
                values = truth.measure(name).tolist()
                given = {j: Assay("", tag, minute * MINUTE, 0, "", value) for j, value in enumerate(values)}
                process.assays(m, litres, given)


class Truth:
    """Runs as the design says that they may be: what they are now, and what is measured of them."""

    def __init__(self, process: Process, made: Made, rng: np.random.Generator) -> None:
        self._process, self._rng, self._n = process, rng, made.runs
        filter_ = process.filter
        self.litres = made.litres
        prior = filter_.start(np.repeat(process.initial, made.runs, axis=1), np.full(made.runs, made.litres))
        wide = np.ones(filter_.layout.size)
        wide[[row for row, _ in filter_.layout.unsure]] = made.spread
        sd = np.sqrt(np.stack([prior.covariance[row, row] for row in range(filter_.layout.size)]))
        self._v = prior.mean + wide[:, None] * sd * rng.standard_normal(sd.shape)
        self._u = process.inputs(made.runs)
        self.x, _ = self._physical()

    def _physical(self) -> tuple[Floats, list[Floats]]:
        return self._process.filter.physical(self._v, np.full(self._n, self.litres))

    def advance(self, hours: float) -> None:
        """Carry the runs on, by steps of the model's own."""
        process, filter_ = self._process, self._process.filter
        model, lay, design = process.model, filter_.layout, filter_.design
        steps = int(np.ceil(hours / model.step_hours * (1.0 - 1e-9)))
        each = hours / steps
        for _ in range(steps):
            x, p = self._physical()
            z = rk4(np, model, 0.0, each, to_coordinates(np, model.states, x), self._u, p)
            for row, place in enumerate(lay.states):
                state = model.states[place]
                there = state_of(np, state, z[place])
                drift = design.drift * (np.abs(there) + SMALL * state.scale) * each**0.5
                slope = np.maximum(slope_of(np, state, there), SMALL * state.scale)
                self._v[row] = z[place] + drift / slope * self._rng.standard_normal(self._n)
            for row, sd, memory in lay.walks():
                keep = float(np.exp(-each / memory))
                fresh = sd * (1.0 - keep * keep) ** 0.5
                self._v[row] = keep * self._v[row] + fresh * self._rng.standard_normal(self._n)
        self.x, _ = self._physical()

    def feed(self, litres: float) -> None:
        """Mix something of the feed in."""
        process, lay = self._process, self._process.filter.layout
        holds = np.zeros((len(process.model.states), self._n))
        holds[list(lay.states)] = process.composition[:, None]
        x = add_bolus(np, process.model.states, self.x, np.full(self._n, litres), holds)
        self._v[: len(lay.states)] = to_coordinates(np, process.model.states, x)[list(lay.states)]
        self.litres += litres

    def measure(self, channel: str) -> Floats:
        """Read a channel, in the unit its values come in."""
        filter_ = self._process.filter
        place = self._process.tags[channel]
        row, of = filter_.layout.measured[place], filter_.design.channels[place]
        value = state_of(np, filter_.states[row], self._v[row])
        value = value * np.exp(ln_gain(filter_, self._v, place)[0])
        value = value * (1.0 + of.relative * self._rng.standard_normal(self._n))
        value = value + of.absolute * self._rng.standard_normal(self._n)
        return np.asarray(value * scale_of(filter_.states[row]), dtype=np.float64)
