"""When a twin asks for a re-simulation, and what it asks: the section `triggers`, looked at with each live estimate.

Five things call for one: a channel of the process model that stays inconsistent, an assay that surprises, a control
chart that stands, a phase that becomes another, the schedule. Each is armed anew only when what it saw is over; a unit
asks once in `cooldown_hours` and `most_a_day` times in a day of UTC. In between, an inconsistency, a chart that still
stands or a period of the schedule asks when it may again; a surprise or a new phase is a moment, which passes.

Only facts that arrive call for anything: an assay by its own record, however late it comes, and never the refold that
it causes. What is remembered of a unit is a row of whole numbers, which a new run begins anew but for the budget.

Where `value` is configured it has the last word (`worth`): what is not worth its price is not asked, and what lasts is
weighed again with the next estimate.

A request holds all that a worker needs. Parameters are the medians that are believed now, `covariance` what is not
known of their logarithms together, `spread` the same of each for itself; states begin at their means. What is not known
of the states is left out: draws are narrower than the forecast where the states are uncertain. A re-estimate is asked
for with the same, the channels and the priors, and with the run's facts from its start on.

Source
------
The limits of consistency are those of the estimates (`Process.consistent`).
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.bioreactor import AssayResulted, AssaySuperseded, PhaseChanged
from schemas.errors import SettingsError
from schemas.events import Event
from schemas.instants import DAY, HOUR, MINUTE, format_instant
from schemas.jobs import ResimulationRequest, SimulationSpec, hash_of
from twins.bioreactor import filter as ekf
from twins.bioreactor.draws import MOST_VARIANCE
from twins.bioreactor.estimation.joint import Joint
from twins.bioreactor.estimation.outputs import state_moments
from twins.bioreactor.fold import Beliefs
from twins.bioreactor.priors import PREFIX, SPREAD
from twins.bioreactor.process import (
    BEGUN,
    FIRST_CHANNEL,
    HEALTH,
    INNOVATION,
    INNOVATION_SD,
    Process,
)
from twins.bioreactor.process_section import ProcessSection
from twins.bioreactor.rows import NANOLITRES, Batch
from twins.bioreactor.sections import Triggers
from twins.bioreactor.simulation_inputs import MAX_COVARIANCE
from twins.bioreactor.worth import Worthing

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# A row: when it last asked [us], on which day, how often that day; then what a new run begins anew: when the run
# started [us], its phase (crc-32), whether a chart was asked about; then five of each channel; then, where a schedule
# is configured, the number of its newest period. -1: never, none, no.
LAST, ON_DAY, COUNT, STARTED, PHASE, CHART, FIRST = range(7)
SINCE, WELL, ASKED, ASSAYED, SURPRISED = range(5)  # inconsistent and consistent since [us]; newest assay's time [us]
WIDTH = 5
NONE = -1
YES = 1

SHORTEST_HOURS, LONGEST_HOURS = 1.0, 1440.0
MOST_SPREAD = 2.0  # what a specification takes
FEWEST_DRAWS, MOST_DRAWS = 64, 4096  # what a re-estimate takes
SEED_BYTES = 6  # of a hash: whole numbers that JSON's readers hold exactly

FeedOf = Callable[[int], float]
Data = dict[str, Any]  # Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes


@dataclass(slots=True)
class Call:
    """One twin that asks, `place` among those looked at, and why."""

    place: int
    reasons: list[str] = field(default_factory=list)


class Triggering:
    """The triggers of a configuration: constants only. What they remember is an array (n, width) of whole numbers.

    Raises
    ------
    SettingsError
        If nothing could ask, or a chart should where there is none.
    """

    def __init__(
        self, section: Triggers, process_section: ProcessSection, process: Process, charts: bool, horizon_hours: float
    ) -> None:
        moments = (section.inconsistent, section.surprise, section.schedule_hours)
        if moments == (None, None, None) and not (section.drift or section.phase):
            raise SettingsError(
                "expected one of inconsistent, surprise, drift, phase, schedule_hours, received none, in triggers"
            )
        if section.asks == "reestimate" and not FEWEST_DRAWS <= section.draws <= MOST_DRAWS:
            raise SettingsError(
                f"expected {FEWEST_DRAWS} to {MOST_DRAWS} draws of a re-estimate, received {section.draws}, in triggers"
            )
        if section.drift and not charts:
            raise SettingsError("expected charts with the trigger drift, received none; see docs/bioreactor.md")
        self._section, self._process, self._horizon = section, process, horizon_hours
        self._configured = dict(process_section.parameters)
        self._asked_of = process_section
        self._worth = None if section.value is None else Worthing(section.value, process, section.draws)
        last = FIRST + WIDTH * len(process.tags)
        self._period = NONE if section.schedule_hours is None else last
        self.width = last + (section.schedule_hours is not None)
        self._lasting = [CHART, *(FIRST + WIDTH * place + ASKED for place in process.tags.values())]
        self._lasting += [] if self._period == NONE else [self._period]

    def look(
        self, rows: Ints, now: Beliefs, times: Ints, events: Sequence[Event | None], charted: Bools,
        feed_of: FeedOf,
    ) -> list[Call]:  # fmt: skip
        """Say which of n twins ask now; what is remembered of them is changed.

        Parameters
        ----------
        rows : array of int64, shape (n, width)
            What is remembered, changed in place.
        now : Beliefs
            What is believed, carried to `times`.
        times : array of int64, shape (n,)
            The present [us].
        events : sequence of Event or None
            What has just come of each: None for readings.
        charted : array of bool, shape (n,)
            Whether the alert of a chart stands.
        feed_of : callable
            Gives the planned feed of one of them [L/h].
        """
        assert now.m is not None
        run = np.nonzero((now.i[ekf.RUNNING] > 0) & (now.m[BEGUN] > 0.0))[0]
        started = np.array([_started(batch) for batch in now.batches], dtype=np.int64)
        fresh = run[rows[run, STARTED] != started[run]]
        rows[fresh, STARTED:] = NONE
        rows[fresh, STARTED] = started[fresh]
        calls: dict[int, list[str]] = {}
        before = None if self._worth is None else rows.copy()
        # What lasts is held against the leave to ask, so that it asks when it may; what is a moment is noted at once.
        may = self._may(rows, times)
        for j in run.tolist():
            if events[j] is not None:
                calls[j] = self._moments(rows[j], now, j, events[j])
        self._consistency(rows, now, run, times, may, calls)
        if self._section.drift:
            rows[run[~charted[run]], CHART] = NONE
            for j in run[charted[run] & (rows[run, CHART] == NONE) & may[run]].tolist():
                rows[j, CHART] = YES
                calls.setdefault(j, []).append("a control chart of the biomass signal raised its alert")
        if self._period != NONE:
            self._schedule(rows, run, times, may, calls)
        found = [Call(j, reasons) for j, reasons in sorted(calls.items()) if reasons and may[j]]
        if before is not None:
            found = [one for one in found if self._weigh(one, rows, before, now, times, feed_of)]
        for call in found:
            today = int(times[call.place]) // DAY
            row = rows[call.place]
            row[COUNT] = row[COUNT] + 1 if row[ON_DAY] == today else 1
            row[ON_DAY], row[LAST] = today, times[call.place]
        return found

    def _schedule(self, rows: Ints, run: Ints, times: Ints, may: Bools, calls: dict[int, list[str]]) -> None:
        """Ask once in each period of a run but its first; one that may not ask now asks when it may."""
        hours = self._section.schedule_hours or LONGEST_HOURS
        began = np.maximum(rows[run, STARTED], 0)
        number = np.maximum(times[run] - began, 0) // round(hours * HOUR)
        fresh = rows[run, self._period] == NONE
        rows[run[fresh], self._period] = number[fresh]
        for j, turn in zip(run.tolist(), number.tolist(), strict=True):
            if turn > rows[j, self._period] and may[j]:
                rows[j, self._period] = turn
                calls.setdefault(j, []).append(f"{hours:g} h have passed, as scheduled")

    def _weigh(self, call: Call, rows: Ints, before: Ints, now: Beliefs, times: Ints, feed_of: FeedOf) -> bool:
        """Let the value of what would be known have the last word; what lasts is then not taken as asked."""
        assert self._worth is not None
        assert now.m is not None
        j = call.place
        joint = self._process.read(now.m, np.array([j]), now.i[ekf.VOLUME] / NANOLITRES)
        hours = self._hours(now.batches[j], int(times[j]))
        verdict = self._worth.weigh(now.m[:, j], joint, hours, feed_of(j))
        call.reasons.append(verdict.said)
        if not verdict.worth:
            rows[j, self._lasting] = before[j, self._lasting]
        return verdict.worth

    def _may(self, rows: Ints, times: Ints) -> Bools:
        """Say who may ask: cooled down, and within the day's budget."""
        cooled = (rows[:, LAST] == NONE) | (times - rows[:, LAST] >= round(self._section.cooldown_hours * HOUR))
        spent = (rows[:, ON_DAY] == times // DAY) & (rows[:, COUNT] >= self._section.most_a_day)
        may: Bools = cooled & ~spent
        return may

    def _consistency(
        self, rows: Ints, now: Beliefs, run: Ints, times: Ints, may: Bools, calls: dict[int, list[str]]
    ) -> None:
        """Follow how long each channel is inconsistent, and consistent again."""
        limits = self._section.inconsistent
        if limits is None or now.m is None:
            return
        at_times = times[run]
        for name, place in self._process.tags.items():
            first = FIRST + WIDTH * place
            well = self._process.consistent(now.m, place)[run]
            since, fine = rows[run, first + SINCE], rows[run, first + WELL]
            since = np.where(well, NONE, np.where(since == NONE, at_times, since))
            fine = np.where(well, np.where(fine == NONE, at_times, fine), NONE)
            rows[run, first + SINCE], rows[run, first + WELL] = since, fine
            over = (fine != NONE) & (at_times - fine >= round(limits.clear_minutes * MINUTE))
            rows[run[over], first + ASKED] = NONE
            due = (since != NONE) & (at_times - since >= round(limits.minutes * MINUTE))
            for j in run[due & (rows[run, first + ASKED] == NONE) & may[run]].tolist():
                rows[j, first + ASKED] = YES
                calls.setdefault(j, []).append(
                    f"{name} has not been consistent with the model for {limits.minutes:g} min"
                )

    def _moments(self, row: Ints, now: Beliefs, j: int, event: Event | None) -> list[str]:
        """Look at one fact: a phase, or an assay that is the newest of its channel."""
        data = None if event is None else event.data
        if isinstance(data, PhaseChanged):
            return self._phase(row, now.batches[j])
        if isinstance(data, AssayResulted | AssaySuperseded) and event is not None:
            return self._assay(row, now, j, data.tag, int(event.event_time))
        return []

    def _phase(self, row: Ints, batch: Batch) -> list[str]:
        """A run's first phase is none that changed."""
        if batch.phase is None:
            return []
        number, before = zlib.crc32(batch.phase.encode("utf-8", "surrogatepass")), int(row[PHASE])
        row[PHASE] = number
        changed = self._section.phase and before not in (NONE, number)
        return [f"the phase became {batch.phase}"] if changed else []

    def _assay(self, row: Ints, now: Beliefs, j: int, tag: str, time: int) -> list[str]:
        limits = self._section.surprise
        place = self._process.tags.get("biomass assay" if tag == "biomass" else tag, NONE)
        if limits is None or place == NONE or now.m is None:
            return []
        first, at = FIRST + WIDTH * place, FIRST_CHANNEL + HEALTH * place
        sd = float(now.m[at + INNOVATION_SD, j])
        if time < max(int(row[first + ASSAYED]), int(row[STARTED])) or not sd > 0.0:
            return []  # of an earlier run, or what is remembered of the channel is of a later sample
        row[first + ASSAYED] = time
        z = abs(float(now.m[at + INNOVATION, j])) / sd
        armed = row[first + SURPRISED] == NONE
        if z > limits.z:
            row[first + SURPRISED] = YES
        elif z <= limits.clear_z:
            row[first + SURPRISED] = NONE
        said = f"an assay of {tag} is {z:.1f} standard deviations from what was expected"
        return [said] if armed and z > limits.z else []

    def request(self, now: Beliefs, call: Call, time: int, feed_rate: float, record: str) -> Data:
        """Lay out the request of one twin.

        Parameters
        ----------
        now : Beliefs
            What is believed of the twins that were looked at.
        time : int
            The present [us].
        feed_rate : float
            Planned feed from now on [L/h].
        record : str
            Names the record that calls for it: topic, partition, offset. The seed follows from it.
        """
        assert now.m is not None
        j, process = call.place, self._process
        joint = process.read(now.m, np.array([j]), now.i[ekf.VOLUME] / NANOLITRES)
        means, _ = state_moments(process.filter, joint)
        initial = {state.name: float(mean[0]) for state, mean in zip(process.filter.states, means, strict=True)}
        initial["volume"] = float(joint.volume[0])
        batch = now.batches[j]
        hours = self._hours(batch, time)
        medians, spread, covariance = self._parameters(joint)
        inputs: Data = {"initial": initial, "feeds": [], "spread": spread, "method": "rk4"}
        if covariance is not None:
            inputs["covariance"] = covariance
        if feed_rate > 0.0:
            fed = {one.name.removeprefix("feed_") for one in process.model.inputs}
            holds = zip(process.filter.states, process.composition.tolist(), strict=True)
            composition = {state.name: amount for state, amount in holds if state.name in fed}
            feed = {"from_hour": 0.0, "to_hour": hours, "rate_litres_per_hour": feed_rate, "composition": composition}
            inputs["feeds"].append(feed)
        seed = int.from_bytes(hashlib.sha256(record.encode()).digest()[:SEED_BYTES], "big")
        # of a run without a name, or that began nobody knows when, there is no past to ask about
        again = self._section.asks == "reestimate" and None not in (batch.batch, batch.started)
        if again:
            inputs |= self._past_of(batch, time, joint)
        spec = SimulationSpec(
            "bioreactor.reestimate" if again else "bioreactor", process.name,
            self._configured | process.phase_values(joint) | medians, seed, self._section.draws, hours, inputs,
        )  # fmt: skip
        request = ResimulationRequest(
            spec, "; ".join(call.reasons), self._section.priority, None, hash_of(spec),
            past_from=format_instant(batch.started or 0) if again else None,
        )  # fmt: skip
        said: Data = msgspec.to_builtins(request)
        return said

    def _hours(self, batch: Batch, time: int) -> float:
        """Give the hours that a run is simulated for."""
        end = batch.planned_end
        return self._horizon if end is None else min(max((end - time) / HOUR, SHORTEST_HOURS), LONGEST_HOURS)

    def _past_of(self, batch: Batch, time: int, joint: Joint) -> Data:
        """Give what a re-estimate is asked with beside: the process model as it is configured, and the priors."""
        section = self._asked_of
        said: Data = msgspec.to_builtins(
            {
                "batch": batch.batch,
                "at": format_instant(time),
                "channels": section.channels,
                "prior": self._priors(joint, batch),
                "wander": section.wander,
                "begin": section.initial,
                "initial_sd": section.initial_sd,
                "feed": section.feed,
                "drift": section.drift,
                "phases": section.phases,
            }
        )
        return said

    def _priors(self, joint: Joint, batch: Batch) -> dict[str, list[float]]:
        """Give median and standard deviation of the logarithm of each estimated parameter before any data.

        The batch's own where it told them; one that wanders alone has the deviation that it wanders by.
        """
        process, told = self._process, dict(batch.parameters)
        design = process.filter.design
        sds = {one.parameter: one.sd for one in design.wander} | {one.parameter: one.sd for one in design.unsure}
        places = {one.name: place for place, one in enumerate(process.model.parameters)}
        return {
            name: [
                float(told.get(f"{PREFIX}{name}", process.filter.value(joint, places[name]).reshape(-1)[0])),
                float(told.get(f"{PREFIX}{name}{SPREAD}", sd)),
            ]
            for name, sd in sorted(sds.items())
        }

    def _parameters(self, joint: Joint) -> tuple[Data, Data, Data | None]:
        """Give medians, relative standard deviations and covariance of what is not known, as a simulation takes them.

        The covariance is None where there is nothing, or more than a simulation takes.
        """
        layout, model = self._process.filter.layout, self._process.model
        rows: dict[int, list[int]] = {}
        for row, place in (*layout.unsure, *layout.wander):
            rows.setdefault(place, []).append(row)
        ordered = sorted(rows.items())
        matrix = [[0.0] * len(ordered) for _ in ordered]
        for i, (_, some) in enumerate(ordered):
            for j, (_, others) in enumerate(ordered[: i + 1]):
                for row in some:
                    for other in others:
                        matrix[i][j] += float(joint.covariance[row, other, 0])
                matrix[j][i] = matrix[i][j]
        medians, spread = {}, {}
        for i, (place, some) in enumerate(ordered):
            one = model.parameters[place]
            centre = math.log(self._process.filter.value(joint, place).item())
            for row in some:
                centre += float(joint.mean[row, 0])
            matrix[i][i] = max(matrix[i][i], 0.0)
            medians[one.name] = min(max(math.exp(centre), one.low), one.high)
            spread[one.name] = min(math.sqrt(math.expm1(matrix[i][i])), MOST_SPREAD)
        fits = 0 < len(matrix) <= MAX_COVARIANCE and max(matrix[i][i] for i in range(len(matrix))) <= MOST_VARIANCE
        return medians, spread, {"parameters": list(medians), "matrix": matrix} if fits else None


def _started(batch: Batch) -> int:
    return NONE if batch.started is None else batch.started
