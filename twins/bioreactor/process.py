"""A process model in the block: what its joint filter remembers of each twin, folded with the minutes.

What is remembered is a column of floats beside the growth filter's belief, so that marks, snapshots and refolds after a
late fact carry it as they carry the rest. Rows: time, whether a run began, four of health per channel, then mean and
the lower triangle of the covariance. Instants are floats here, exact below 2^53 us (the year 2255).

Within a minute: feed at its beginning, the mean of the biomass signal at the mean of its times, assays at theirs; the
volume is that of the growth filter's books.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.instants import HOUR, MINUTE
from twins.bioreactor import adopting, priors
from twins.bioreactor.calibrated import Calibrated
from twins.bioreactor.estimation.exchange import add_bolus
from twins.bioreactor.estimation.joint import Joint, JointFilter
from twins.bioreactor.estimation.measurement import update
from twins.bioreactor.filter import GAP_LONGEST_HOURS, NIS_CONSISTENT, NIS_WEIGHT, REOPEN_AFTER
from twins.bioreactor.priors import Parameters
from twins.bioreactor.process_section import ProcessSection, design_name, design_of, name_of, scale_of, unit_of
from twins.bioreactor.rows import NANOLITRES, Assay

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TIME, BEGUN, FIRST_CHANNEL = 0, 1, 2
REJECTED, NIS_MEAN, INNOVATION, INNOVATION_SD = range(4)
HEALTH = 4  # rows a channel
NIS_MOST = 100.0  # one outlier counts as so much
CELLS = frozenset({"biomass", "viable_cells", "dead_cells"})  # states that a device that retains cells holds back


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand in a column."""

    channels: int
    size: int
    phased: bool = False

    @property
    def mean(self) -> int:
        """First row of the mean."""
        return FIRST_CHANNEL + HEALTH * self.channels

    @property
    def phase(self) -> int:
        """Row of the place of the phase that the run is in: the last one, where phases have values of their own."""
        return self.mean + self.size + self.size * (self.size + 1) // 2

    @property
    def width(self) -> int:
        """Rows in all."""
        return self.phase + self.phased


class Process:
    """The process model of a configuration: constants only. What it remembers is an array (width, n) of floats."""

    def __init__(self, section: ProcessSection) -> None:
        design = design_of(section)
        self.filter = JointFilter(design, section.lane)
        self.model = design.model
        self.name = f"{self.model.name}@{self.model.version}"
        self.tags = {channel.name: place for place, channel in enumerate(design.channels)}
        self.places = Places(len(design.channels), self.filter.layout.size, bool(section.phases))
        self._phases = {name: place for place, name in enumerate(section.phases, 1)}  # 0: any other phase
        usual = {one.name: one.value for one in self.model.parameters}
        self._values = np.array(
            [[values.get(name, usual[name]) for values in ({}, *section.phases.values())] for name in design.phased]
        )
        self.width = self.places.width
        self._lower = np.tril_indices(self.places.size)
        self._initial = np.array([section.initial.get(one.name, one.initial) for one in self.filter.states])[:, None]
        fed = {one.name.removeprefix("feed_"): one.default for one in self.model.inputs if one.name.startswith("feed_")}
        self._feed = np.array([section.feed.get(one.name, fed.get(one.name, 0.0)) for one in self.filter.states])
        self._inputs = np.array([0.0 if one.name.startswith("feed_") else one.default for one in self.model.inputs])[
            :, None
        ]
        self._scales = [scale_of(self.filter.states[row]) for row in self.filter.layout.measured]
        signal = next((one for one in section.channels if name_of(one) == "biomass"), None)
        states = {one.name: one for one in self.filter.states}
        self.biomass_unit = None if signal is None else unit_of(states[signal.state])
        self.dissolved = {
            one.name: unit_of(one)
            for one in self.filter.states
            if one.role == "concentration" and one.name not in CELLS
        }
        self.units = {
            name: unit_of(self.filter.states[self.filter.layout.measured[k]]) for name, k in self.tags.items()
        }
        self.beginning: Floats = np.zeros((self.width, 1))
        given = section.calibration
        self.calibrated = None if given is None else Calibrated(self.filter, given, design_name(section))

    def consistent(self, m: Floats, place: int) -> Bools:
        """Say which twins' channel at `place` agrees with the model: nothing refused, no surprise on average."""
        at = FIRST_CHANNEL + HEALTH * place
        well: Bools = (m[at + REJECTED] == 0.0) & (m[at + NIS_MEAN] <= NIS_CONSISTENT)
        return well

    def begin(
        self, m: Floats, j: int, time: int, litres: float, phase: str | None = None, parameters: Parameters = ()
    ) -> None:  # fmt: skip
        """Let twin `j` begin a run in a phase of its recipe, with its batch's own priors, in place."""
        m[:, j] = 0.0
        if self._phases:
            m[self.places.phase, j] = self._phases.get(phase or "", 0)
        m[TIME, j], m[BEGUN, j] = time, 1.0
        for channel in range(self.places.channels):
            m[FIRST_CHANNEL + HEALTH * channel + NIS_MEAN, j] = 1.0
        self.write(m, np.array([j]), self.filter.start(self._initial, np.array([litres])))
        priors.begin(self, m, j, parameters)

    def enter(self, m: Floats, j: int, time: int, litres: float, phase: str | None) -> None:
        """Let twin `j` enter a phase of its recipe, in place: from `time` on the model has that phase's values."""
        place = self._phases.get(phase or "", 0)
        if not self._phases or m[self.places.phase, j] == place or not m[BEGUN, j] > 0.0:
            return
        part = np.ascontiguousarray(m[:, j : j + 1])
        self.move(part, np.array([time]), np.array([litres]), np.ones(1, dtype=np.bool_))
        part[self.places.phase] = place
        m[:, j] = part[:, 0]

    def phase_values(self, joint: Joint) -> dict[str, float]:
        """Name the parameters that phases change, with their values in one unit's phase."""
        return (
            {}
            if joint.values is None
            else dict(zip(self.filter.design.phased, joint.values[:, 0].tolist(), strict=True))
        )

    def forget(self, joint: Joint, gain_sd: float) -> None:
        """Forget what was learned of the biomass probe, in place, for all twins of `joint`. See `forget_gain`."""
        place = self.tags.get("biomass")
        if place is None:
            return
        channel, lay = self.filter.design.channels[place], self.filter.layout
        gain = channel.gain_sd if gain_sd < 0.0 else gain_sd
        for row, sd in ((lay.gains[place], gain), (lay.colours[place], channel.colour_sd)):
            if row >= 0:
                joint.mean[row] = joint.covariance[row] = joint.covariance[:, row] = 0.0
                joint.covariance[row, row] = sd * sd

    def forget_gain(self, m: Floats, j: int, time: int, litres: float, gain_sd: float) -> None:
        """Forget what was learned of twin `j`'s biomass probe, in place; `gain_sd` below 0: as known when a run begins.

        Gain and colour are again as at the beginning, and independent of all else; the states keep what they have.
        """
        place = self.tags.get("biomass")
        if place is None or not m[BEGUN, j] > 0.0:
            return
        part, one = np.ascontiguousarray(m[:, j : j + 1]), np.array([0])
        joint = self._carried(part, one, np.array([time]), np.array([litres]))
        self.forget(joint, gain_sd)
        self.write(part, one, joint)
        at = FIRST_CHANNEL + HEALTH * place
        part[at + REJECTED], part[at + NIS_MEAN] = 0.0, 1.0
        m[:, j] = part[:, 0]

    def adopt(self, m: Floats, j: int, time: int, litres: float, parameters: Parameters) -> None:
        """Let twin `j` believe what a person took over from a re-simulation, from `time` on, in place."""
        if not m[BEGUN, j] > 0.0:
            return
        part = np.ascontiguousarray(m[:, j : j + 1])
        self.move(part, np.array([time]), np.array([litres]), np.ones(1, dtype=np.bool_))
        adopting.take(self, part, 0, litres, parameters)
        m[:, j] = part[:, 0]

    def exchange(
        self, m: Floats, j: int, time: int, litres: float, taken: float, holds: Mapping[str, float], retained: bool
    ) -> None:  # fmt: skip
        """Exchange `taken` of the `litres` in twin `j`'s vessel for fresh medium, in place.

        `holds` is what the medium holds, in canonical units; other states as when a run begins, and no cells.
        """
        if not m[BEGUN, j] > 0.0 or not taken > 0.0:
            return
        part, one = np.ascontiguousarray(m[:, j : j + 1]), np.array([0])
        joint = self._carried(part, one, np.array([time]), np.array([litres]))
        joint.volume = joint.volume - taken
        add_bolus(joint, self.filter, np.array([taken]), self.medium(holds), self.cells if retained else [])
        self.write(part, one, joint)
        m[:, j] = part[:, 0]

    def medium(self, holds: Mapping[str, float]) -> Floats:
        """Give what a fresh medium holds, shape (s, 1), in the model's units: what it names, no cells, else what a run
        begins with."""
        brings = self._initial.copy()
        for row, state in enumerate(self.filter.states):
            if state.name in CELLS:
                brings[row] = 0.0
            elif state.name in holds:
                brings[row] = holds[state.name] / scale_of(state)
        return brings

    @property
    def cells(self) -> list[int]:
        """The rows of states that an exchange of medium can hold back."""
        return [row for row, state in enumerate(self.filter.states) if state.name in CELLS]

    @property
    def initial(self) -> Floats:
        """What a run begins with of each state, shape (s, 1), in the model's units."""
        return self._initial

    @property
    def composition(self) -> Floats:
        """What a feed holds of each state, shape (s,), in the model's units."""
        return self._feed

    def inputs(self, n: int) -> Floats:
        """Give the model's inputs while nothing is fed, shape (inputs, n): feed comes as a bolus a minute."""
        return np.repeat(self._inputs, n, axis=1)

    def planned_inputs(self, litres_per_hour: Floats) -> Floats:
        """Give the model's inputs while these rates, shape (n,), of the section's feed are fed; shape (inputs, n)."""
        u = self.inputs(len(litres_per_hour))
        fed = {f"feed_{one.name}": row for row, one in enumerate(self.filter.states)}
        for row, one in enumerate(self.model.inputs):
            if one.name == "feed_rate":
                u[row] = litres_per_hour
            elif one.name in fed:
                u[row] = self._feed[fed[one.name]]
        return u

    def read(self, m: Floats, which: Ints, litres: Floats) -> Joint:
        """Give the beliefs of some twins."""
        at, size = self.places.mean, self.places.size
        covariance = np.zeros((size, size, len(which)))
        rows, columns = self._lower
        triangle = m[at + size : self.places.phase, which]
        covariance[rows, columns] = triangle
        covariance[columns, rows] = triangle
        values = None
        if self._phases:
            values = np.ascontiguousarray(self._values[:, m[self.places.phase, which].astype(np.int64)])
        return Joint(np.ascontiguousarray(m[at : at + size, which]), covariance, np.array(litres[which]), values)

    def move(self, m: Floats, times: Ints, litres: Floats, where: Bools) -> None:
        """Carry some twins' beliefs to later times, in place; an earlier time changes nothing."""
        which = np.nonzero(where & (m[BEGUN] > 0.0) & (times > m[TIME]))[0]
        if len(which):
            self.write(m, which, self._carried(m, which, times, litres))

    def _carried(self, m: Floats, which: Ints, times: Ints, litres: Floats) -> Joint:
        """Give the beliefs of some twins at later times, which become theirs."""
        joint = self.read(m, which, litres)
        hours = np.clip((times[which] - m[TIME, which]) / HOUR, 0.0, GAP_LONGEST_HOURS)
        self.filter.predict(joint, np.zeros(len(which)), hours, self.inputs(len(which)))
        m[TIME, which] = np.maximum(m[TIME, which], times[which])
        return joint

    def feed(self, m: Floats, minutes: Ints, litres: Floats, added: Ints) -> None:
        """Mix a minute's feed in at its beginning, in place; `litres` before it, `added` in nL, shape (n,)."""
        which = np.nonzero((added > 0) & (m[BEGUN] > 0.0))[0]
        if not len(which):
            return
        joint = self._carried(m, which, minutes * MINUTE, litres)
        holds = np.repeat(self._feed[:, None], len(which), axis=1)
        add_bolus(joint, self.filter, added[which] / NANOLITRES, holds)
        self.write(m, which, joint)

    def signal(self, m: Floats, times: Ints, litres: Floats, y: Floats, count: Floats, there: Bools) -> None:
        """Take in the means of the biomass signal, in place; y in the canonical unit."""
        if "biomass" in self.tags:
            self._take(m, self.tags["biomass"], times, litres, y, count, there)

    def assays(self, m: Floats, litres: Floats, given: Mapping[int, Assay]) -> None:
        """Take in one assay each of some twins, in place, where a channel takes its tag and it was not withdrawn."""
        values, times, places = np.zeros(m.shape[1]), np.zeros(m.shape[1], dtype=np.int64), np.full(m.shape[1], -1)
        for j, one in given.items():
            if one.value is not None:
                values[j], times[j] = one.value, one.event_time
                places[j] = self.tags.get("biomass assay" if one.tag == "biomass" else one.tag, -1)
        for place in sorted(set(places.tolist()) - {-1}):
            self._take(m, place, times, litres, values, np.ones(m.shape[1]), places == place)

    def _take(self, m: Floats, place: int, times: Ints, litres: Floats, y: Floats, count: Floats, there: Bools) -> None:
        which = np.nonzero(there & (m[BEGUN] > 0.0))[0]
        if not len(which):
            return
        joint = self._carried(m, which, times, litres)
        at = FIRST_CHANNEL + HEALTH * place
        reopen = m[at + REJECTED, which] + 1 >= REOPEN_AFTER
        yes = np.ones(len(which), dtype=np.bool_)
        judged = update(joint, self.filter, place, y[which] / self._scales[place], yes, count[which], reopen)
        self.write(m, which, joint)
        nis = np.minimum(np.square(judged.innovation) / judged.variance, NIS_MOST)
        m[at + REJECTED, which] = np.where(judged.accepted, 0.0, m[at + REJECTED, which] + 1.0)
        m[at + NIS_MEAN, which] += NIS_WEIGHT * (nis - m[at + NIS_MEAN, which])
        m[at + INNOVATION, which] = judged.innovation * self._scales[place]
        m[at + INNOVATION_SD, which] = np.sqrt(judged.variance) * self._scales[place]

    def write(self, m: Floats, which: Ints, joint: Joint) -> None:
        """Write some twins' beliefs, in place."""
        at, size = self.places.mean, self.places.size
        m[at : at + size, which] = joint.mean
        m[at + size : self.places.phase, which] = joint.covariance[self._lower]


def assays_of(process: Process) -> frozenset[str]:
    """Name the tags whose assays count: biomass always, for the growth filter."""
    return frozenset({"biomass"}) | (process.tags.keys() - {"biomass assay"})
