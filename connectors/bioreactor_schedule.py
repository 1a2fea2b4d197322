"""What happens beside the readings of simulated units: batches begin and end, feeds, samples, assays that come late.

`around(step)` gives what each unit has to tell since the step before, in order; pure, like everything here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from connectors.bioreactor_faults import generator
from connectors.bioreactor_simulation import CORRECTION_HOURS, Simulation
from connectors.bioreactor_truth import Ints, Truths
from schemas.bioreactor import (
    AssayResulted,
    AssaySuperseded,
    AssayWithdrawn,
    BatchEnded,
    BatchStarted,
    FeedAdded,
    SampleDrawn,
)
from schemas.events import Event
from schemas.fields import Quantity
from schemas.instants import HOUR, Instant, format_instant

_ASSAYS = 4  # stream of the generator
_WRONG = 1.6  # a laboratory's mistake: so many times the value
_LEAST_FEED_L = 1e-12


class Schedule:
    """The events of a fleet beside its readings.

    Parameters
    ----------
    simulation : Simulation
    truths : Truths
    keys, sources : list of str, one per unit
    origin : int
        Event time of step 0 [us].
    stagger, age : array, shape (units,)
        Each unit's place within a step, and how old its run is at step 0 [us].
    """

    def __init__(
        self,
        simulation: Simulation,
        truths: Truths,
        keys: list[str],
        sources: list[str],
        origin: int,
        stagger: Ints,
        age: Ints,
    ) -> None:
        self._s, self._truths, self._keys, self._sources = simulation, truths, keys, sources
        self._origin, self._stagger, self._age = origin, stagger, age
        self._run, self._step = simulation.run_us, simulation.step_us
        self._unit = np.arange(simulation.units, dtype=np.int64)
        self._samples = np.round(truths.sample_hours * HOUR).astype(np.int64)
        self._feed_steps = max(1, round(simulation.feed_every_seconds * 1e6 / simulation.step_us))
        shape = (simulation.units, self._samples.size)
        draw = generator(simulation.seed, _ASSAYS, 0)
        least, most = simulation.assay_delay_hours
        self._delay = ((least + (most - least) * draw.random(shape)) * HOUR).astype(np.int64)
        self._fate = draw.random(shape)
        self._error = np.exp(simulation.assay_noise * draw.standard_normal(shape))

    def around(self, step: int, first: int, last: int) -> dict[int, list[Event]]:
        """Give the events of units `first` to `last` (excluded) from after step - 1 to `step`, by unit."""
        told: dict[int, list[tuple[int, Event]]] = {}
        unit = self._unit[first:last]
        now = step * self._step + self._age[first:last]  # time of the run, counted on through its successors
        batch = now // self._run
        if step == 0:
            for i in unit.tolist():
                self._begin(told, i, int(now[i - first]), int(batch[i - first]), int(now[i - first]))
        else:
            before = now - self._step
            for i in unit[batch > before // self._run].tolist():
                self._turn(told, i, step, int(batch[i - first]))
            self._take_samples(told, unit, batch, before, now)
            self._tell_assays(told, unit, batch, before, now)
            former = batch > 0
            if former.any():  # what the run before this one left to tell
                former_of = (unit[former], batch[former] - 1, before[former], now[former])
                self._take_samples(told, *former_of)
                self._tell_assays(told, *former_of)
            self._feed(told, step, unit, now, batch)
        return {i: [event for _, event in sorted(events, key=lambda one: one[0])] for i, events in told.items()}

    def _begin(self, told: dict[int, list[tuple[int, Event]]], i: int, at: int, batch: int, clock: int) -> None:
        hours = np.array([(clock - batch * self._run) / HOUR])
        volume = float(self._truths.at(np.array([i]), hours).volume[0])
        end = format_instant(self._time(i, (batch + 1) * self._run))
        data = BatchStarted(
            batch=self._batch(i, batch),
            model=self._s.model,
            parameters=dict(self._s.parameters),
            volume=Quantity(volume, "L"),
            planned_end=end,
            recipe="simulated fed-batch",
            clock=self._s.clock,
        )
        self._tell(told, i, at, f"{batch}-start", "bioreactor.batch_started", data, order=1)

    def _turn(self, told: dict[int, list[tuple[int, Event]]], i: int, step: int, batch: int) -> None:
        """End a run and begin the next, at the very end of the run; what was fed since the last telling comes first."""
        turn = batch * self._run
        since = self._last_feed(step - 1, i) * self._step + int(self._age[i])
        self._tell_feed(told, i, turn, since, turn, f"{batch}-last-feed", batch - 1)
        ended = BatchEnded(batch=self._batch(i, batch - 1), reason="end of run")
        self._tell(told, i, turn, f"{batch}-end", "bioreactor.batch_ended", ended)
        self._begin(told, i, turn, batch, turn)

    def _feed(self, told: dict[int, list[tuple[int, Event]]], step: int, unit: Ints, now: Ints, batch: Ints) -> None:
        first = int(unit[0]) if unit.size else 0
        start_hours = self._truths.process.feed_start_hours
        feeding = (step + unit) % self._feed_steps == 0
        feeding &= (now - batch * self._run) > start_hours * HOUR
        for i in unit[feeding].tolist():
            clock, number = int(now[i - first]), int(batch[i - first])
            since = self._last_feed(step - 1, i) * self._step + int(self._age[i])
            self._tell_feed(told, i, clock, max(since, number * self._run), clock, f"{step}-feed", number)

    def _last_feed(self, step: int, i: int) -> int:
        """Give the newest step up to `step` at which unit i told its feed; step 0 told its volume."""
        return max(0, step - (step + i) % self._feed_steps)

    def _tell_feed(
        self, told: dict[int, list[tuple[int, Event]]], i: int, at: int, since: int, until: int, name: str, batch: int
    ) -> None:
        clock = (np.array([since, until]) - batch * self._run) / HOUR
        fed = self._truths.at(np.array([i, i]), clock).fed
        added = float(fed[1] - fed[0])
        if added > _LEAST_FEED_L:
            self._tell(told, i, at, name, "bioreactor.feed_added", FeedAdded(Quantity(added, "L")))

    def _take_samples(
        self, told: dict[int, list[tuple[int, Event]]], unit: Ints, batch: Ints, before: Ints, now: Ints
    ) -> None:
        drawn = batch[:, None] * self._run + self._samples  # (units, samples)
        for row, j in _struck(drawn, before, now).tolist():
            i, n = int(unit[row]), int(batch[row])
            data = SampleDrawn(Quantity(self._s.process.sample_l, "L"), self._sample(i, n, j))
            self._tell(told, i, int(drawn[row, j]), f"{n}-{j}-sample", "bioreactor.sample_drawn", data)

    def _tell_assays(
        self, told: dict[int, list[tuple[int, Event]]], unit: Ints, batch: Ints, before: Ints, now: Ints
    ) -> None:
        f = self._s.faults
        drawn = batch[:, None] * self._run + self._samples
        for late in (False, True):
            if late and not f.superseded + f.withdrawn:
                return
            due = drawn + self._delay[unit] + (round(CORRECTION_HOURS * HOUR) if late else 0)
            for row, j in _struck(due, before, now).tolist():
                i, n, when = int(unit[row]), int(batch[row]), int(drawn[row, j])
                # a sample from before the simulation began was never told, and no more is its assay
                real = when > self._age[i]
                if real and (not late or self._fate[i, j] < f.superseded + f.withdrawn):
                    self._tell_assay(told, i, n, j, when, int(due[row, j]), late)

    def _tell_assay(
        self, told: dict[int, list[tuple[int, Event]]], i: int, n: int, j: int, drawn: int, known: int, late: bool
    ) -> None:
        f, fate = self._s.faults, float(self._fate[i, j])
        # what was in the vessel when the sample was drawn: a concentration, which sampling leaves as it is
        true = float(self._truths.at(np.array([i]), np.array([(drawn - n * self._run) / HOUR])).biomass[0])
        value, sample = true * float(self._error[i, j]), self._sample(i, n, j)
        wrong = fate < f.superseded + f.withdrawn
        data: AssayResulted | AssaySuperseded | AssayWithdrawn
        if not late:
            data = AssayResulted(sample, "biomass", value * (_WRONG if wrong else 1.0), "g/L", "dry weight")
            kind, name = "bioreactor.assay_resulted", f"{n}-{j}-assay"
        elif fate < f.superseded:
            data = AssaySuperseded(sample, "biomass", value, "g/L", "dilution factor was wrong")
            kind, name = "bioreactor.assay_superseded", f"{n}-{j}-superseded"
        else:
            data = AssayWithdrawn(sample, "biomass", "sample was mislabelled")
            kind, name = "bioreactor.assay_withdrawn", f"{n}-{j}-withdrawn"
        self._tell(told, i, known, name, kind, data, event_at=drawn)

    def _tell(
        self,
        told: dict[int, list[tuple[int, Event]]],
        i: int,
        at: int,
        name: str,
        kind: str,
        data: Any,  # one of the event structs of `kind`
        *,
        event_at: int | None = None,
        order: int = 0,
    ) -> None:
        """Put down an event known `at` a time of the run that happened then, or at `event_at`."""
        record_time = Instant(self._time(i, at))
        event_time = record_time if event_at is None else Instant(self._time(i, event_at))
        event = Event(name, self._sources[i], kind, self._keys[i], event_time, record_time, data)
        told.setdefault(i, []).append((at * 2 + order, event))

    def _time(self, i: int, clock: int) -> int:
        """Turn a unit's time of run (counted on through its runs) into event time [us]."""
        return int(self._origin + self._stagger[i] - self._age[i] + clock)

    def _batch(self, i: int, n: int) -> str:
        return f"{self._keys[i]}-B{n + 1:03d}"

    def _sample(self, i: int, n: int, j: int) -> str:
        return f"{self._batch(i, n)}-S{j + 1:02d}"


def _struck(due: Ints, before: Ints, now: Ints) -> Ints:
    """Find what falls due after `before` and up to `now` (n,): rows and columns of `due` (n, m), in order."""
    return np.argwhere((due > before[:, None]) & (due <= now[:, None]))
