"""Who speaks in a frame: estimates, forecasts, alerts and rejects, gathered until their ids can be given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schemas.effects import Kind
from schemas.errors import InputError
from schemas.instants import MINUTE
from twins.bioreactor import emit
from twins.bioreactor import filter as ekf
from twins.bioreactor.adopting import unfit
from twins.bioreactor.answer_emit import advisory_data
from twins.bioreactor.answers import Answer, Summary, Trajectory
from twins.bioreactor.config import BioreactorConfig
from twins.bioreactor.emit import Data, Pending
from twins.bioreactor.fold import Beliefs, fold_minutes, move, side_by_side
from twins.bioreactor.forecast import NORMAL, Fan, crossing, forecast
from twins.bioreactor.intake import Columns
from twins.bioreactor.late import Refold
from twins.bioreactor.limits import Turn
from twins.bioreactor.parameters import assumed_growth as p
from twins.bioreactor.process_emit import process_forecast
from twins.bioreactor.process_limits import MEDIAN, LimitsAhead
from twins.bioreactor.rows import NANOLITRES
from twins.bioreactor.rules import Rule
from twins.bioreactor.segments import AT_ONCE, ESTIMATE, FORECAST
from twins.bioreactor.state import State
from twins.frame import Refused
from twins.rejecting import reject_data

if TYPE_CHECKING:
    from twins.bioreactor.learning import Seen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Speech:
    """Gathers what one frame says. `pending` is in no order; `emit.assemble` brings it into one."""

    def __init__(self, state: State, config: BioreactorConfig, columns: Columns) -> None:
        self.state = state
        self.columns = columns
        self.horizon_hours = config.horizon_hours
        self.predicted = [rule for rule in state.rules if rule.kind == "predicted"]
        self.charted = [rule for rule in state.rules if rule.kind == "chart"]
        self.pending: list[Pending] = []
        self.seen: list[Seen] = []

    def _say(self, kind: Kind, place: int, slot: int, seq: int, when: int, data: Data, rule: int = -1) -> None:
        offset, known = int(self.columns.offsets[place]), int(self.columns.record_times[place])
        self.pending.append(Pending(offset, kind, seq, self.state.keys[slot], when, known, data, slot, rule))

    # -- estimates and forecasts ------------------------------------------------------------------------------------

    def speak(self, slots: Ints, places: Ints, times: Ints, calls: Ints) -> None:
        """Fold the open minutes provisionally, predict to `times`, and say what is due."""
        now, k = self._present(slots, times)
        begun = now.i[ekf.INITIALISED] > 0
        at_once = calls >= AT_ONCE
        self._estimate(np.nonzero(at_once | (begun & ((calls & ESTIMATE) > 0)))[0], slots, places, times, now)
        looking = np.nonzero(~at_once & begun & ((calls & FORECAST) > 0))[0]
        if len(looking):
            fan = forecast(
                now.copy_of(looking), times[looking], np.ascontiguousarray(k[:, looking]), self.horizon_hours
            )
            self._forecast(looking, slots, places, times, now, fan)

    def _present(self, slots: Ints, times: Ints) -> tuple[Beliefs, Floats]:
        """Give what is believed with the open minutes, predicted to `times`, and the parameters, shape (16, n)."""
        state = self.state
        now = state.beliefs(slots)
        k = state.table.gather(state.parameters[slots])
        buckets, items = state.open_row(slots)
        fold_minutes(now, k, state.open_minute(slots), buckets, items, state.table, state.provisional)
        move(now.f, now.i, k, times)
        self._move_process(now, times)
        now.i[ekf.TIME] = np.maximum(now.i[ekf.TIME], times)
        return now, k

    def answered(self, place: int, slot: int, answer: Answer, summary: Summary) -> None:
        """Say what an answer of a re-simulation changes, on the advisory lane; nothing of the qualified lane moves."""
        state, times = self.state, self.state.heard[[slot]]
        now, k = self._present(np.array([slot]), times)
        at = forecast(now, times, k, self.horizon_hours).at[1:]
        before = None
        if state.process is not None and now.m is not None:
            litres = now.i[ekf.VOLUME] / NANOLITRES
            before = process_forecast(
                state.process, now.m, litres, at, np.array(NORMAL), None, emit.plan_of(state, now)
            )[0]  # fmt: skip
        self._advise(place, slot, int(self.columns.times[place]), now, at, answer, before, summary.trajectory)

    def _advise(
        self, place: int, slot: int, time: int, now: Beliefs, at: Ints, answer: Answer, before: Data | None,
        given: Trajectory | None = None,
    ) -> None:  # fmt: skip
        frame = self.columns.frame
        inputs = f"{frame.topic}/{frame.partition}/{answer.known}"
        self._say("forecast", place, slot, 0, time, advisory_data(self.state, now, at, answer, inputs, before, given))
        self.pending[-1].lane = "advisory"

    def _move_process(self, now: Beliefs, times: Ints) -> None:
        """Carry what the process model believes of running twins to `times`."""
        if self.state.process is not None and now.m is not None:
            self.state.process.move(now.m, times, now.i[ekf.VOLUME] / NANOLITRES, now.i[ekf.RUNNING] > 0)

    def _estimate(self, q: Ints, slots: Ints, places: Ints, times: Ints, now: Beliefs) -> None:
        if not len(q):
            return
        state = self.state
        some, when = slots[q].tolist(), times[q].tolist()
        counts = zip(
            state.count[slots[q]].tolist(), state.first[slots[q]].tolist(), state.last[slots[q]].tolist(), strict=True
        )
        beliefs = now.copy_of(q)
        said = emit.estimate_data(state, some, beliefs, when, list(counts), revised=False)
        if state.scoring is not None:
            self._score(q, slots, places, times, beliefs, said)
        if state.faulting is not None:
            for data, sensors in zip(said, state.faulting.sensors(state, some), strict=True):
                data["sensors"] = sensors
        for slot, place, time, data in zip(some, places[q].tolist(), when, said, strict=True):
            self._say("estimate", place, slot, 1 << 40, time, data)
        self._ask(slots[q], places[q], times[q], beliefs)
        state.count[slots[q]] = 0
        state.first[slots[q]] = state.last[slots[q]] = -1

    def _ask(self, slots: Ints, places: Ints, times: Ints, now: Beliefs) -> None:
        """Ask for the re-simulations that what is estimated now, and what has just come, call for."""
        state, frame = self.state, self.columns.frame
        if state.triggering is None:
            return
        readings = self.columns.readings[places].tolist()
        events = [
            None if reading else frame.facts[j].event for j, reading in zip(places.tolist(), readings, strict=True)
        ]
        charted = np.zeros(len(slots), dtype=np.bool_)
        for rule in self.charted:
            charted |= state.alert[slots, rule.index] > 0
        rows = state.trigger[slots]

        def feed_of(j: int) -> float:
            return state.table.value(now.batches[j].parameters, p.FEED_RATE)

        calls = state.triggering.look(rows, now, times, events, charted, feed_of)
        state.trigger[slots] = rows
        for call in calls:
            place, slot, time = int(places[call.place]), int(slots[call.place]), int(times[call.place])
            record = f"{frame.topic}/{frame.partition}/{int(self.columns.offsets[place])}"
            request = state.triggering.request(now, call, time, feed_of(call.place), record)
            state.answers.ask(slot, now.batches[call.place], int(self.columns.offsets[place]))
            self._say("request", place, slot, 0, time, request)
            self.pending[-1].lane = "advisory"

    def _score(self, q: Ints, slots: Ints, places: Ints, times: Ints, now: Beliefs, said: list[Data]) -> None:
        """Put the distance from good runs into the estimates of running twins, and say the alerts on it."""
        assert self.state.scoring is not None
        for data in said:
            data["golden"] = None
        run = np.nonzero(now.i[ekf.RUNNING] > 0)[0]
        if not len(run):
            return
        at = q[run]
        found, turns = self.state.scoring.score(
            self.state, slots[at], times[at], [now.batches[j] for j in run.tolist()]
        )
        for j, scored in zip(run.tolist(), found, strict=True):
            said[j]["golden"] = scored
        for one in turns:
            place, slot = int(places[at[one.place]]), int(slots[at[one.place]])
            self._alert(place, slot, one.rule, one.raised, one.value, one.message, limit=one.limit)

    def _forecast(self, q: Ints, slots: Ints, places: Ints, times: Ints, now: Beliefs, fan: Fan) -> None:
        some, where, when = slots[q].tolist(), places[q].tolist(), times[q].tolist()
        process = self.state.process
        limits = None if process is None else LimitsAhead(process, self.predicted, fan.at)
        for slot, place, time, data in zip(
            some, where, when, emit.forecast_data(self.state, some, now.copy_of(q), fan, limits), strict=True
        ):
            self._say("forecast", place, slot, 0, time, data)
        if self.state.answers.runs:
            self._go_on(q, some, where, when, now, fan)
        if self.state.learning is not None:
            k = self.state.table.gather(self.state.parameters[slots[q]])
            offsets = self.columns.offsets[places[q]]
            units = [emit.biomass_unit(self.state, slot) for slot in some]
            self.seen += self.state.learning.see(slots[q], places[q], offsets, times[q], units, now.copy_of(q), k)
        for rule in self.predicted:
            if limits is not None and rule in limits.rules:
                told = limits.told(rule)
                probability, expected = told.probability, told.instants[MEDIAN]
            else:
                probability, expected = crossing(fan, rule)
            raised = self.state.alert[slots[q], rule.index] > 0
            turning = np.where(raised, probability <= rule.clear, probability >= rule.raise_at)
            for j in np.nonzero(turning)[0].tolist():
                self._predicted(rule, where[j], some[j], not raised[j], float(probability[j]), int(expected[j]))

    def _go_on(
        self, q: Ints, slots: list[int], places: list[int], times: list[int], now: Beliefs, fan: Fan
    ) -> None:  # fmt: skip
        """Say of units that hold an answer what is expected with its parameters, beside their own forecasts."""
        own = [one.data for one in self.pending[-len(slots) :]]
        for j, (slot, place, time) in enumerate(zip(slots, places, times, strict=True)):
            part = now.copy_of(q[j : j + 1])
            answer = self.state.answers.held(slot, part.batches[0]) if self.state.running[slot] else None
            if answer is not None and unfit(self.state.process, answer) is None:
                self._advise(place, slot, time, part, fan.at[1:, j : j + 1], answer, own[j].get("process"))

    def learn(self) -> None:
        """Let what was forecast in this frame be learned from, record by record, and say what comes of it."""
        learning = self.state.learning
        if learning is None:
            return
        for seen in sorted(self.seen, key=lambda one: one.look.offset):
            self._say("forecast", seen.place, seen.look.unit, 0, seen.look.time, learning.say(seen))
            self.pending[-1].lane = "advisory"

    def revise(self, job: Refold) -> None:
        """Say what is believed now of the past, at the marks after the minute that changed."""
        marks = [(minute, mark) for minute, mark in job.marks if minute > job.changed and mark.i[ekf.INITIALISED, 0]]
        if not marks:
            return
        state = self.state
        now = side_by_side([mark for _, mark in marks])
        times = np.array([minute * MINUTE for minute, _ in marks], dtype=np.int64)
        move(now.f, now.i, state.table.gather([state.table.index_of(one.parameters) for one in now.batches]), times)
        self._move_process(now, times)
        offset = int(self.columns.offsets[job.place])
        slots, nothing = [job.slot] * len(marks), [[0, offset, offset]] * len(marks)
        for seq, data in enumerate(emit.estimate_data(state, slots, now, times.tolist(), nothing, revised=True)):
            self._say("estimate", job.place, job.slot, seq, int(times[seq]), data)

    # -- alerts -----------------------------------------------------------------------------------------------------

    def measured(self, turn: Turn) -> None:
        """Say that a measured value crossed its limit, or is back."""
        message = emit.measured_message(turn.rule, turn.raised, turn.value)
        self._alert(turn.place, turn.slot, turn.rule, turn.raised, turn.value, message)

    def _predicted(self, rule: Rule, place: int, slot: int, raised: bool, probability: float, expected: int) -> None:
        self.state.alert[slot, rule.index] = raised
        message = emit.predicted_message(rule, raised, probability, rule.unit or emit.biomass_unit(self.state, slot))
        self._alert(place, slot, rule, raised, None, message, probability, expected)

    def charts(self, slots: Ints, minutes: Ints, places: Ints) -> None:
        """Say which charts of running twins turned with the minutes that were just closed."""
        state = self.state
        there = state.running[slots]
        slots, minutes, places = slots[there], minutes[there], places[there]
        if state.charting is None or not len(slots):
            return
        remembered = np.ascontiguousarray(state.chart[slots].T)
        for number, rule in enumerate(self.charted):
            raised = state.alert[slots, rule.index] > 0
            for j, sight in state.charting.turns(number, remembered, minutes, raised):
                slot = int(slots[j])
                state.alert[slot, rule.index] = sight.raised
                value = sight.value if sight.raised else None
                self._alert(int(places[j]), slot, rule, sight.raised, value, sight.message, limit=sight.limit)

    def fault(self, place: int, slot: int, rule: Rule, raised: bool, message: str, what: Data | None) -> None:
        """Say that a probe, an actuator or the culture is at fault, or is not any more; `what` as `FaultNamed`."""
        self.state.alert[slot, rule.index] = raised
        self._alert(place, slot, rule, raised, None, message)
        if what is not None:
            self.pending[-1].data["fault"] = what

    def turn_on(self, place: int, slot: int, rule: Rule, value: float, message: str) -> None:
        """Raise an alert."""
        self.state.alert[slot, rule.index] = 1
        self._alert(place, slot, rule, True, value, message)

    def turn_off(self, place: int, slot: int, rule: Rule, message: str) -> None:
        """Clear an alert."""
        self.state.alert[slot, rule.index] = 0
        self._alert(place, slot, rule, False, None, message)

    def release(self, place: int, slot: int, rule: Rule, cause: Rule, seq: int) -> None:
        """Say that a suppressed alert has outlived what it followed from."""
        message = f"{rule.name} still stands, and {cause.name} that it was taken to follow from does not"
        self._alert(place, slot, rule, True, None, message)
        self.pending[-1].seq, self.pending[-1].cause = seq, cause.index

    def clear_all(self, place: int, slot: int, message: str) -> None:
        """Clear every alert of a twin: what they were about is over."""
        for rule in self.state.rules:
            if self.state.alert[slot, rule.index]:
                self.turn_off(place, slot, rule, message)
        self.state.forget_delays(slot)

    def end_limits(self, place: int, slot: int, phase: str | None) -> None:
        """Clear the limits that held in the twin's last `phase` and do not in its present one; let their delays begin
        anew, and those before raising that a hold broke."""
        state = self.state
        waiting = [one for one in state.delayed if one.on_delay] if state.on_hold[slot] else []
        for rule in {one.index: one for one in (*state.phased, *waiting)}.values():
            if rule.phases and state.ended(rule, np.array([slot]))[0]:
                if state.alert[slot, rule.index]:
                    self.turn_off(place, slot, rule, f"phase {phase} ended")
                state.forget_delay(slot, rule)
            elif rule in waiting and not state.alert[slot, rule.index]:
                state.forget_delay(slot, rule)

    def _alert(
        self, place: int, slot: int, rule: Rule, raised: bool, value: float | None, message: str,
        probability: float | None = None, expected: int = -1, limit: float | None = None,
    ) -> None:  # fmt: skip
        data = emit.alert_data(self.state, slot, rule, raised, value, message, probability, expected, limit)
        self._say("alert", place, slot, rule.index, int(self.columns.times[place]), data, rule.index)

    # -- rejects ----------------------------------------------------------------------------------------------------

    def reject(self, place: int, error: InputError) -> None:
        """Say that a fact, or one channel of it, is not used."""
        fact = self.columns.frame.facts[place]
        event = fact.event
        self.refused(
            Refused(
                fact.offset, fact.known_at, event.subject, event.event_time, event.record_time,
                error.reason, error.expected, error.received, error.where, error.advice,
            )
        )  # fmt: skip

    def refused(self, refused: Refused) -> None:
        """Say that a record, or one channel of it, is not used."""
        frame = self.columns.frame
        self.pending.append(
            Pending(
                refused.offset, "reject", 0, refused.key, refused.event_time, refused.record_time,
                reject_data(refused, frame.topic, frame.partition),
            )
        )  # fmt: skip
