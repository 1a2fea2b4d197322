"""Simulated bioreactors: any number, at any rate, seeded, with faults by choice and the truth on record.

Everything is a pure function of (configuration, step): step k can be made alone, twice, or in another process and
is the same to the byte. Seven probes a unit, one reading a step; batches, feeds, samples and late assays beside.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import msgspec
import numpy as np

from connectors.bioreactor_faults import Disturbances, RecordFaults, generator
from connectors.bioreactor_schedule import Schedule
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_truth import Floats, Ints, Truth, Truths
from connectors.bioreactor_writer import ReadingWriter
from connectors.outgoing import Outgoing, encode, packed
from schemas.events import Event
from schemas.instants import HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant
from schemas.partitions import TimePassed

PROBES: tuple[tuple[str, str], ...] = (
    ("biomass", "g/L"),
    ("dissolved_oxygen", "%"),
    ("temperature", "Cel"),
    ("ph", "[pH]"),
    ("agitation", "{rev}/min"),
    ("airflow", "L/min"),
    ("pressure", "bar"),
)
_NOISE = np.array([0.0, 0.8, 0.05, 0.01, 2.0, 0.01, 0.003])  # standard deviations; that of biomass is relative
_AGES, _NOISES = 2, 3  # streams of the generator


class Simulator:
    """A fleet of simulated bioreactors.

    Parameters
    ----------
    simulation : Simulation
    fixed : bool
        Say the same values in every reading (only id and time move): the cheapest load there is.
    packed : bool
        Give headers as the embedded log keeps them (one msgpack map) instead of Kafka's pairs.
    """

    def __init__(self, simulation: Simulation, *, fixed: bool = False, packed: bool = False) -> None:
        s = self.simulation = simulation
        self.origin = int(parse_instant(s.origin, "origin"))
        self.keys = [f"{s.prefix}{i:05d}" for i in range(s.units)]
        # the origin is part of the name: a fleet begun anew tells new facts, not duplicates of the former ones
        self.source = f"simulator/{s.seed}@{format_instant(self.origin)}"
        self.sources = [f"{self.source}/{key}" for key in self.keys]
        self.truths = Truths(s.process, s.units, s.seed)
        self._unit = np.arange(s.units, dtype=np.int64)
        self._stagger = self._unit * s.step_us // s.units if s.stagger else np.zeros_like(self._unit)
        self._age = (generator(s.seed, _AGES, 0).random(s.units) * s.age_hours * HOUR).astype(np.int64)
        self._schedule = Schedule(s, self.truths, self.keys, self.sources, self.origin, self._stagger, self._age)
        self._disturbances = Disturbances(s.faults, s.units, len(PROBES), s.seed)
        self._window_steps = max(1, round(s.faults.window_minutes * MINUTE / s.step_us))
        self._writer = ReadingWriter(self.keys, self.sources, PROBES, packed)
        self._packed = packed
        self._fixed = self._writer.values(self.values(0)) if fixed else None
        self._newest: tuple[int, Floats] = (-1, np.empty((0, 0)))  # a memo: what `values` gave last

    def records(self, step: int, first: int = 0, last: int | None = None) -> list[Outgoing]:
        """Make the records of units `first` to `last` (excluded) at one step.

        By unit, in order of time: what happened since the step before (batch, samples, assays, feed), then the
        reading. Records that are late come at the end, `late_steps` after their own step.
        """
        last = self.simulation.units if last is None else last
        around = self._schedule.around(step, first, last)
        readings = self._readings(step, first, last)
        passed = self._time_passed(step) if first == 0 else []
        if not self._disturbances.any_record and not self._disturbances.any_long:
            return passed + self._woven(readings, around, first)
        faults = self._record_faults(step)
        out = passed
        for i, reading in enumerate(readings, first):
            for event in around.get(i, ()):
                out += self._encoded(event)
            if not faults.late[i]:
                out += _disturbed(i, reading, faults)
        then = step - self.simulation.faults.late_steps
        if then >= 0 and self._disturbances.any_record:
            out += self._late(then, step, first, last)
        return out

    def stream(self, first_step: int = 0, last_step: int | None = None) -> Iterator[Outgoing]:
        """Give the records of one step after the other, for ever or to the end of `last_step`; nothing is paced."""
        step = first_step
        while last_step is None or step <= last_step:
            yield from self.records(step)
            step += 1

    def values(self, step: int) -> Floats:
        """Give what the probes say at a step, shape (units, probes), noise and probe faults included."""
        clean = self._signals(step)
        noise = generator(self.simulation.seed, _NOISES, step).standard_normal(clean.shape)
        values = clean + noise * _NOISE
        values[:, 0] = clean[:, 0] * (1.0 + self.simulation.biomass_noise * noise[:, 0])
        if self._disturbances.any_long:
            window = step // self._window_steps
            onset = window * self._window_steps
            stuck, slope, _ = self._disturbances.window(window)
            values *= 1.0 + slope * (step - onset) * self.simulation.step_us / HOUR
            if stuck.any():
                values[stuck] = self._signals(onset)[stuck]
        if self.simulation.faults.spike:
            values *= self._disturbances.spikes(step)
        return np.asarray(values)

    def truth(self, step: int) -> Truth:
        """Give the true state of every unit at its reading of a step."""
        return self.truths.at(self._unit, self._hours(step))

    def truth_at(self, units: Ints, event_times: Ints) -> Truth:
        """Give the true state of some units (n,) at some event times (n,) [us]."""
        clock = event_times - self.origin - self._stagger[units] + self._age[units]
        return self.truths.at(units, clock % self.simulation.run_us / HOUR)

    def truth_lines(self, step: int) -> Iterator[bytes]:
        """Write the truth of a step as JSON lines: one per unit, then one per fault that struck.

        `{"kind":"truth","unit","event_time","biomass" g/L,"growth_rate" /h,"sensor_gain","volume" L,"biomass_mass" g}`
        and `{"kind":"fault","fault","unit","event_time","tag"}` (`tag` where it was one probe's).
        """
        true = self.truth(step)
        for i, key in enumerate(self.keys):
            document = {
                "kind": "truth",
                "unit": key,
                "event_time": format_instant(self._time(step, i)),
                "biomass": float(true.biomass[i]),
                "growth_rate": float(true.growth_rate[i]),
                "sensor_gain": float(true.sensor_gain[i]),
                "volume": float(true.volume[i]),
                "biomass_mass": float(true.biomass_mass[i]),
            }
            yield msgspec.json.encode(document)
        for fault, i, tag in self._struck(step):
            document = {"kind": "fault", "fault": fault, "unit": self.keys[i]}
            document |= {"event_time": format_instant(self._time(step, i)), **({"tag": tag} if tag else {})}
            yield msgspec.json.encode(document)

    def steps_in(self, hours: float) -> int:
        """Count the whole steps in so many hours of event time."""
        return int(hours * HOUR // self.simulation.step_us)

    def due(self, elapsed_us: int) -> tuple[int, int]:
        """Tell how far an event clock has come: the step it is in, and how many units of it have had their turn."""
        step = max(0, elapsed_us) // self.simulation.step_us
        turn = np.searchsorted(self._stagger, elapsed_us - step * self.simulation.step_us, side="right")
        return int(step), int(turn)

    def _readings(self, step: int, first: int, last: int) -> list[Outgoing]:
        if self._fixed is not None:
            bodies = self._fixed[first:last]
        else:
            if self._newest[0] != step:
                self._newest = (step, self.values(step))
            bodies = self._writer.values(self._newest[1], first, last)
        return self._writer.records(step, first, self._times(step)[first:last], bodies)

    def _time_passed(self, step: int) -> list[Outgoing]:
        """Say that time passed, to every partition, in the first step of each so many seconds."""
        every = round(self.simulation.time_passed_seconds * SECOND)
        if not every or self.simulation.clock != "source" or step == 0:
            return []
        now = step * self.simulation.step_us
        if now // every == (now - self.simulation.step_us) // every:
            return []
        when = Instant(self.origin + now // every * every)
        name = f"time-{now // every}"
        event = Event(name, self.source, "time.passed", "", when, when, TimePassed())
        return self._encoded(event)

    def _woven(self, readings: list[Outgoing], around: dict[int, list[Event]], first: int) -> list[Outgoing]:
        """Put each unit's other events before its reading."""
        if not around:
            return readings
        out: list[Outgoing] = []
        done = 0
        for i in sorted(around):
            out += readings[done : i - first]
            done = i - first
            for event in around[i]:
                out += self._encoded(event)
        return out + readings[done:]

    def _late(self, then: int, step: int, first: int, last: int) -> list[Outgoing]:
        faults = self._record_faults(then)
        chosen = self._unit[first:last][faults.late[first:last]]
        if not chosen.size:
            return []
        bodies = self._writer.values(self.values(then)) if self._fixed is None else self._fixed
        times = self._times(then)
        out: list[Outgoing] = []
        for i in chosen.tolist():
            one = self._writer.records(then, i, times[i : i + 1], bodies[i : i + 1], self._time(step, i))
            out += _disturbed(i, one[0], faults)
        return out

    def _record_faults(self, step: int) -> RecordFaults:
        faults = self._disturbances.records(step)
        if not self.simulation.faults.offline:
            return faults
        offline = self._disturbances.window(step // self._window_steps)[2]
        return RecordFaults(faults.lost | offline, *(mask & ~offline for mask in faults.others()))

    def _struck(self, step: int) -> Iterator[tuple[str, int, str]]:
        faults = self._record_faults(step)
        for name in ("lost", "duplicate", "late", "wrong_unit", "malformed"):
            for i in np.flatnonzero(getattr(faults, name)).tolist():
                yield name, i, ""
        stuck, slope, _ = self._disturbances.window(step // self._window_steps)
        for name, struck in (
            ("stuck", stuck),
            ("drift", slope != 0.0),
            ("spike", self._disturbances.spikes(step) != 1.0),
        ):
            for i, probe in np.argwhere(struck).tolist():
                yield name, i, PROBES[probe][0]

    def _signals(self, step: int) -> Floats:
        """Give what faultless probes would say. Oxygen demand follows growth; stirrer and air follow the demand.

        The courses are assumed: smooth, monotone in the demand, within a vessel's usual bounds.
        """
        true = self.truth(step)
        demand = true.growth_rate * true.biomass  # g/L/h
        signals = np.empty((self.simulation.units, len(PROBES)))
        signals[:, 0] = true.sensor_gain * true.biomass
        signals[:, 1] = 100.0 - 55.0 * demand / (1.0 + demand)
        signals[:, 2] = 30.0
        signals[:, 3] = 5.5
        signals[:, 4] = 300.0 + 700.0 * demand / (2.0 + demand)
        signals[:, 5] = 1.0 + demand / (2.0 + demand)
        signals[:, 6] = 0.5
        return signals

    def _hours(self, step: int) -> Floats:
        clock = step * self.simulation.step_us + self._age
        return np.asarray(clock % self.simulation.run_us / HOUR)

    def _times(self, step: int) -> Ints:
        return self.origin + step * self.simulation.step_us + self._stagger

    def _time(self, step: int, unit: int) -> int:
        return self.origin + step * self.simulation.step_us + int(self._stagger[unit])

    def _encoded(self, event: Event) -> list[Outgoing]:
        made = encode(event)
        return [packed(one) for one in made] if self._packed else made


def _disturbed(unit: int, reading: Outgoing, faults: RecordFaults) -> list[Outgoing]:
    """Give the record as its faults leave it: none, one, or twice the same."""
    if faults.lost[unit]:
        return []
    value = reading.value
    if faults.wrong_unit[unit]:
        value = value.replace(b'"g/L"', b'"kPa"', 1)
    if faults.malformed[unit]:
        value = value[: len(value) // 2]
    struck = reading if value is reading.value else reading._replace(value=value)
    return [struck, struck] if faults.duplicate[unit] else [struck]


async def live(
    simulator: Simulator,
    *,
    monotonic: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    speed: float = 1.0,
    tick_seconds: float = 0.1,
    last_step: int | None = None,
) -> AsyncIterator[list[Outgoing]]:
    """Give records when they are due, for ever or to the end of `last_step`.

    Event time runs `speed` times as fast as `monotonic` [s]. A reader that falls behind gets what is overdue at
    once, in order, nothing dropped; memory is bounded by one step. For wall-clock twins start the simulation's
    `origin` now (`clock: wall`, speed 1).
    """
    begun = monotonic()
    step = done = 0
    units = simulator.simulation.units
    while last_step is None or step <= last_step:
        due_step, due_units = simulator.due(int((monotonic() - begun) * speed * SECOND))
        until = units if due_step > step else due_units
        if done < until:
            records = simulator.records(step, done, until)
            done = until
            if records:
                yield records
        elif due_step <= step:
            await sleep(tick_seconds)
        if done >= units and due_step > step:
            step, done = step + 1, 0
