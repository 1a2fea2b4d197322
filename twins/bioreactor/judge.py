"""Special facts, one by one: is it new, in time, usable, and what does it add to its minute."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.bioreactor import (
    AssayResulted,
    AssaySuperseded,
    BatchStarted,
    EstimateAdopted,
    MediumExchanged,
    ProbeCalibrated,
    ProbeChanged,
    SampleDrawn,
)
from schemas.errors import InputError, InvalidFieldError, UnitError
from schemas.events import Event
from schemas.instants import HOUR, MINUTE
from schemas.partitions import TimePassed
from schemas.topics import TOPICS
from twins.bioreactor import filter as ekf
from twins.bioreactor.adopting import adopted
from twins.bioreactor.answers import Answer, Summary, check_answer
from twins.bioreactor.fold import initial_volume
from twins.bioreactor.inputs import NOTHING, START, assay_value, quantity_of, read_fact
from twins.bioreactor.intake import Intake
from twins.bioreactor.late import Refold
from twins.bioreactor.priors import check_priors
from twins.bioreactor.readings import Table
from twins.bioreactor.reconciling import STALE
from twins.bioreactor.rewind import Rewind
from twins.bioreactor.rows import (
    FEED,
    MOST_ITEMS,
    NANOLITRES,
    NO_ITEMS,
    SAMPLE,
    SAMPLED,
    Change,
    Contribution,
    reading_bucket,
)
from twins.bioreactor.segments import AT_ONCE, Single
from twins.bioreactor.speech import Speech
from twins.bioreactor.state import State
from twins.block import Effects
from twins.frame import GOOD

HORIZON = TOPICS["bioreactor.events"].horizon or 0


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of a re-simulation that a twin takes."""

    place: int
    slot: int
    answer: Answer
    summary: Summary


@dataclass(slots=True)
class Verdict:
    """What the special facts of one pass came to."""

    readings: list[int] = field(default_factory=list)  # places of plain readings after all
    singles: list[Single] = field(default_factory=list)
    refolds: list[Refold] = field(default_factory=list)
    passed: list[tuple[int, int]] = field(default_factory=list)  # (place, twin) of time that passed for one twin
    answers: list[Answered] = field(default_factory=list)


class Judge:
    """Decides on the special facts of a frame; late ones go into their minute at once."""

    def __init__(
        self, state: State, intake: Intake, tables: list[Table], rewind: Rewind, speech: Speech, effects: Effects
    ) -> None:
        self.state = state
        self.intake = intake
        self.columns = intake.columns
        self.tables = tables
        self.rewind = rewind
        self.speech = speech
        self.effects = effects
        self._told: dict[tuple[int, int], set[int]] = {}  # (twin, hash) of repeated ids: event times accepted here

    def judge(self, place: int, verdict: Verdict) -> None:
        """Decide on one fact, and put what it comes to into the verdict."""
        state, columns = self.state, self.columns
        slot, time = int(self.intake.slots[place]), int(columns.times[place])
        if self._known(place, slot, time):
            self.refuse(place, "duplicate", "an event id that is new", "nothing to do: it counted before")
            return
        heard = int(state.heard[slot])
        opened, minute = heard // MINUTE, time // MINUTE
        reading = bool(columns.readings[place])
        event = None if reading else columns.frame.facts[place].event
        if event is not None and type(event.data) is TimePassed:
            verdict.passed.append((place, slot))
            verdict.singles.append(Single(place, slot, opened, -1, 0, NOTHING))
        elif columns.answers[place] and event is not None:
            if not self._judge_answer(place, slot, event, verdict):
                return
        elif heard >= 0 and time < heard - HORIZON:
            hours = HORIZON // HOUR
            self.refuse(place, "late", f"a fact at most {hours} h older than its twin's newest", "see the .late topic")
            self.effects.late.append(int(columns.offsets[place]))
            return
        elif event is not None:
            if not self._judge_fact(place, slot, event, opened, verdict):
                return
        elif minute >= opened:
            verdict.readings.append(place)
        else:
            self._late_reading(place, slot, minute)
            verdict.singles.append(Single(place, slot, opened, -1, 0, NOTHING))
        if columns.repeated[place]:
            self._told.setdefault((slot, int(columns.hashes[place])), set()).add(time)

    def _judge_answer(self, place: int, slot: int, event: Event, verdict: Verdict) -> bool:
        """Decide on an answer of a re-simulation, which moves no belief and is never late; say whether it counts."""
        state, frame = self.state, self.columns.frame
        batch = state.current[slot]
        try:
            answer, summary = check_answer(
                event, state.answers.of(slot, batch), bool(state.running[slot]) and int(state.heard[slot]) >= 0,
                frame.topic, frame.partition, int(self.columns.offsets[place]),
            )  # fmt: skip
        except InputError as error:
            self.speech.reject(place, error)
            self.effects.accepted[place] = False
            return False
        state.answers.take(slot, batch, answer)
        verdict.answers.append(Answered(place, slot, answer, summary))
        verdict.singles.append(Single(place, slot, int(state.heard[slot]) // MINUTE, -1, 0, NOTHING))
        return True

    def _judge_fact(self, place: int, slot: int, event: Event, opened: int, verdict: Verdict) -> bool:
        """Decide on a fact that is neither reading nor time; say whether it counts."""
        time = int(event.event_time)
        minute = time // MINUTE
        try:
            add = self._add_of(event, slot, minute)
        except InputError as error:
            self.speech.reject(place, error)
            self.effects.accepted[place] = False
            return False
        if minute < opened and add is NOTHING and isinstance(event.data, ProbeCalibrated | ProbeChanged):
            verdict.singles.append(
                Single(place, slot, opened, -1, AT_ONCE, NOTHING)
            )  # of a tag that nothing is folded of
        elif minute < opened:
            self.rewind.change_row(place, slot, minute, add)
            verdict.refolds.append(Refold(slot, place, opened, min(minute, int(self.state.dirty[slot])), True))
            verdict.singles.append(Single(place, slot, opened, -1, AT_ONCE, NOTHING))
        else:
            verdict.singles.append(Single(place, slot, minute, time, AT_ONCE, add))
        return True

    def _known(self, place: int, slot: int, time: int) -> bool:
        """Say whether a fact counted before: in the ring, or among stored or just folded facts of its time."""
        state = self.state
        number = int(self.columns.hashes[place])
        if (state.ring[slot] == number).any():
            return True
        if time > state.ring_floor[slot]:
            return False
        return self.rewind.seen(slot, number) or time in self._told.get((slot, number), ())

    def refuse(self, place: int, reason: str, expected: str, advice: str) -> None:
        """Say that a fact does not count."""
        columns = self.columns
        error = InvalidFieldError(
            expected=expected,
            received=columns.frame.facts[place].event.id,
            where=columns.subjects[place] or "a record without a key",
            advice=advice,
        )
        error.reason = reason
        self.speech.reject(place, error)
        self.effects.accepted[place] = False

    def _add_of(self, event: Event, slot: int, minute: int) -> Contribution:
        """Read a fact and hold it against what is known of its twin."""
        state = self.state
        if isinstance(event.data, EstimateAdopted):
            add = Contribution(change=self._adopted(event, slot))
        else:
            add = read_fact(event, state.assayed, () if state.reconciling is None else state.reconciling.places)
        if state.reconciling is not None and isinstance(event.data, SampleDrawn):
            add = Contribution(add.bucket, change=self._sampled(event, slot))
        if add.bucket[SAMPLE]:
            held = self._volume(slot)
            if add.bucket[SAMPLE] >= held:
                raise InvalidFieldError(
                    expected=f"a sample smaller than the vessel's {max(held, 0) / NANOLITRES:g} L",
                    received=f"{add.bucket[SAMPLE] / NANOLITRES:g} L",
                    where=f"{event.subject}, event {event.id}",
                    advice="check the unit of the sample, or give the batch its volume",
                )
        if isinstance(event.data, BatchStarted):
            check_priors(state.process, event.data.parameters, f"{event.subject}, event {event.id}")
        if isinstance(event.data, MediumExchanged) and add.change is not None:
            self._check_exchange(event, event.data, add.change.volume, slot)
        if isinstance(event.data, AssayResulted | AssaySuperseded) and event.data.tag in state.assayed:
            self._check_assay_unit(event, event.data, slot)
        if add.change is not None or add.assay is not None:
            opened = int(state.heard[slot]) // MINUTE
            row = state.items.get(slot, NO_ITEMS) if minute >= opened else self.rewind.row(slot, minute).items
            if len(row) >= MOST_ITEMS and minute <= opened:
                raise InvalidFieldError(
                    expected=f"at most {MOST_ITEMS} batches, phases, other changes and assays in a minute",
                    received="more",
                    where=event.id,
                )
        if isinstance(event.data, EstimateAdopted):
            state.answers.put_down(slot, state.current[slot])
        return add

    def _adopted(self, event: Event, slot: int) -> Change:
        """Hold an adoption against the answer that the twin's run holds."""
        state = self.state
        held = state.answers.held(slot, state.current[slot]) if state.running[slot] else None
        return adopted(event, state.process, held)

    def _sampled(self, event: Event, slot: int) -> Change:
        """Note what reconciled probes said last, where that is near enough to the sample in time."""
        state, said = self.state, []
        assert state.reconciling is not None
        for tag in state.reconciling.places:
            column = state.column_of.get((tag, state.reconciling.units[tag]))
            if column is None or state.quality[slot, column] != GOOD:
                continue
            time = int(state.value_time[slot, column])
            if time >= 0 and abs(time - event.event_time) <= STALE:
                said.append((tag, float(state.value[slot, column])))
        return Change(event.event_time, SAMPLED, event.id, name=event.data.sample, parameters=tuple(said))

    def _volume(self, slot: int) -> int:
        """Give what the vessel holds now, with the open minute [nL]."""
        state = self.state
        held = int(state.i[slot, ekf.VOLUME])
        for change in state.items.get(slot, NO_ITEMS).changes:
            if change.order == START:
                held = change.volume if change.volume > 0 else initial_volume(state.table, change.parameters)
        return held + int(state.bucket[slot, FEED] - state.bucket[slot, SAMPLE])

    def _check_assay_unit(self, event: Event, data: AssayResulted | AssaySuperseded, slot: int) -> None:
        state = self.state
        unit = assay_value(data, event.id)[1]
        if data.tag != "biomass":
            wanted = self._unit_of(data.tag)
            if unit != wanted:
                raise UnitError(
                    expected=f"an assay of {data.tag} in {wanted}, as the process model or its probe counts",
                    received=data.unit,
                    where=f"{event.subject}, event {event.id}",
                    advice="convert it by the molar mass in the mapping, or take a model in the other unit",
                )
            return
        if state.biomass[slot] < 0:
            state.biomass[slot] = state.column("biomass", unit)
        known = state.columns[int(state.biomass[slot])][1]
        if unit != known:
            raise UnitError(
                expected=f"a biomass assay in {known}, the unit of this twin's signal",
                received=data.unit,
                where=f"{event.subject}, event {event.id}",
                advice="convert one of the two, so that they can be compared",
            )

    def _unit_of(self, tag: str) -> str:
        """Give the unit in which assays of a tag count, for a channel of the process model or a reconciled probe."""
        process, reconciling = self.state.process, self.state.reconciling
        if process is not None and tag in process.units:
            return process.units[tag]
        assert reconciling is not None  # nothing else lets a tag count
        return reconciling.units[tag]

    def _check_exchange(self, event: Event, data: MediumExchanged, volume: int, slot: int) -> None:
        """Hold an exchange of medium against what the vessel holds and what the process model counts."""
        where = f"{event.subject}, event {event.id}"
        held = self._volume(slot)
        if volume >= held:
            raise InvalidFieldError(
                expected=f"less exchanged than the vessel's {max(held, 0) / NANOLITRES:g} L",
                received=f"{volume / NANOLITRES:g} L",
                where=where,
                advice="tell an exchange of several volumes in steps",
            )
        process = self.state.process
        for name, quantity in data.composition.items() if process is not None else ():
            assert process is not None
            unit = process.dissolved.get(name)
            if unit is None:
                raise InvalidFieldError(
                    expected=f"what {process.model.name} counts as dissolved ({', '.join(process.dissolved)})",
                    received=name,
                    where=f"composition of {where}",
                )
            if quantity_of(quantity, where)[1] != unit:
                raise UnitError(
                    expected=f"{name} in {unit}, as the process model counts",
                    received=quantity.unit,
                    where=f"composition of {where}",
                )

    def _late_reading(self, place: int, slot: int, minute: int) -> None:
        """Put a late reading into its minute; the refold waits for the twin's next closing or estimate."""
        value = None
        for table in self.tables:
            row = int(table.row_of[place])
            for j, column in enumerate(table.columns.tolist() if row >= 0 else ()):
                if self.state.columns[column][0] == "biomass" and table.quality[row, j] == GOOD:
                    if self.state.biomass[slot] < 0:
                        self.state.biomass[slot] = column
                    if column == self.state.biomass[slot]:
                        value = float(table.values[row, j])
                    else:
                        self.refuse_unit(place, self.state.columns[column][1])
        if value is not None:
            self.rewind.change_row(
                place, slot, minute, Contribution(reading_bucket(value, int(self.columns.times[place])))
            )
            self.state.dirty[slot] = min(int(self.state.dirty[slot]), minute)

    def refuse_unit(self, place: int, unit: str) -> None:
        """Say that a biomass signal is of another unit than the twin's."""
        slot = int(self.intake.slots[place])
        self.speech.reject(
            place,
            UnitError(
                expected=f"biomass in {self.state.columns[int(self.state.biomass[slot])][1]}, as this batch began",
                received=unit,
                where=f"{self.state.keys[slot]}, tag biomass",
                advice="the channel is shown and not used; send another probe's signal under another tag",
            ),
        )
