"""A patient's twin: chain of identity and custody, what threatens the cells, and when they will be given.

The journey is judged by `identity`, the time that is left by `expecting`; both are functions of the set of facts. What
is wrong is an alert at once: a stop is critical, what a late fact could still explain is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from schemas import supply as s
from schemas.errors import InputError, SnapshotError
from schemas.instants import DAY, HOUR, format_instant, parse_instant
from schemas.partitions import TimePassed
from twins.frame import Fact
from twins.scalar import Said, Step
from twins.supply import identity as i
from twins.supply.alerting import Raised, Wish, speak
from twins.supply.config import SupplyConfig
from twins.supply.expecting import (
    Expected,
    Expecting,
    LegTimes,
    booked,
    calendar_of,
    decisions,
    ended,
    gone_at,
    leg_hours,
    legs_ahead,
    note,
)
from twins.supply.journeys import facts_of
from twins.supply.kept import Kept

MOST_CUSTODY = 40  # lines of the newest custody that an estimate shows; all stay in the ledger as facts
_KEPT = (
    s.TherapyOrdered, s.Milestone, s.Tested, s.SlotBooked, s.Treated, s.Exposed, s.BoxAtRisk, s.Dispositioned,
    s.StopDecided,
)  # fmt: skip


Outcome = tuple[float | None, bool | None]  # days from vein to vein, whether out of specification; None: not known


Lines = dict[int, tuple[i.Entry, msgspec.Raw]]  # of custody as they are said, by the entry's id()


class Talk(Struct):
    """What was said last, and what stands. Times in us; -1 for never."""

    estimate: int = -1
    forecast: int = -1
    raised: Raised = {}
    step: str = ""  # that the network was told of
    moved: int = -1  # and the time that was said of it
    left: bool = False  # and whether it was told that the patient left
    outcome: Outcome = (None, None)  # and with what outcome


@dataclass(slots=True)
class PatientState:
    """One patient: the facts of identity and custody, the others, and what was said of them."""

    key: str
    journey: i.Journey
    kept: Kept = field(default_factory=Kept)
    legs: LegTimes = field(default_factory=dict)
    talk: Talk = field(default_factory=Talk)
    lines: Lines = field(default_factory=dict)


class _Snapshot(Struct, frozen=True, array_like=True):
    journey: bytes
    kept: bytes
    legs: LegTimes
    talk: Talk


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_LINE = msgspec.json.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


class PatientTwin:
    """Patients. See `twins/supply/twin.py`."""

    types = (
        s.EpcisEvent, s.TherapyOrdered, s.IdentityRead, s.HandedOver, s.LabelsCounted, s.Dispositioned, s.Tested,
        s.SlotBooked, s.Treated, s.Milestone, s.Exposed, s.BoxAtRisk, s.LegsLearned,
        s.StopDecided, s.ShipperPacked, s.UnitOpened,
        s.UnitClosed, s.FactWithdrawn,
    )  # fmt: skip

    def __init__(self, config: SupplyConfig) -> None:
        self.config = config
        section = config.patients
        self._settings = i.Settings(
            lateness=round(section.lateness_hours * HOUR),
            workflows={name: i.read_workflow({"name": name, **one}) for name, one in section.workflows.items()},
        )
        self._expecting = Expecting(section)

    def start(self, key: str) -> PatientState:
        """Begin a patient of whom nothing is known."""
        return PatientState(key, i.Journey(coi_of(key), self._settings))

    def step(self, state: PatientState, fact: Fact) -> Step[PatientState]:
        """Fold one fact."""
        data = fact.event.data
        refused = state.kept.why_not(fact) or self._why_not(data)
        if refused is not None:
            return Step(state, (), refused)
        if isinstance(data, TimePassed):
            state.journey.pass_time(fact.event.event_time)
        else:
            for one in facts_of(fact.event, state.journey.coi):
                refused = state.journey.take(one)
                if refused is not None:
                    return Step(state, (), refused)
            if not isinstance(data, s.StopDecided):  # a decision moves no clock
                state.journey.pass_time(max(fact.event.event_time, fact.event.record_time))
        row = state.kept.take(fact, keep=isinstance(data, _KEPT))
        if isinstance(data, s.LegsLearned) and row is not None:
            note(state.legs, row)
        return Step(state, self._speak(state, isinstance(data, TimePassed), fact))

    def _why_not(self, data: Any) -> InputError | None:  # Any: one of the structs
        """Say what the types do not."""
        try:
            for name in ("slot", "latest", "at", "expected", "first", "after"):
                text = getattr(data, name, None)
                if isinstance(text, str):
                    parse_instant(text, name)
            for leg in getattr(data, "legs", ()):
                if isinstance(leg, s.PlannedLeg):
                    calendar_of(leg.departs)
        except InputError as error:
            return error
        return None

    def _speak(self, state: PatientState, told: bool, fact: Fact) -> list[Said]:
        """Say what is due: at each fact, and where silence changes something."""
        talk, clock = state.talk, state.journey.clock
        silent = round(self.config.patients.silent_hours * HOUR)
        due = not told or talk.forecast < 0 or clock - talk.forecast >= silent
        reading = state.journey.read()
        expected = self._expecting.expect(state.kept, state.legs, reading, clock) if due else None
        if told and not due and reading.wake is not None and clock <= reading.wake:
            return []
        wishes = self._wishes(state, reading, expected, due)
        said = [*speak(wishes, talk.raised, clock), *_moved(state, reading, self.config.patients.collection)]
        if due:
            talk.estimate = talk.forecast = clock
            said.append(Said("estimate", _estimate(state, reading), event_time=clock))
            if expected is not None:
                said.append(Said("forecast", expected.said(), event_time=clock))
        elif said:
            said.append(Said("estimate", _estimate(state, reading), event_time=clock))
        return said

    def _wishes(
        self, state: PatientState, reading: i.JourneyReading, expected: Expected | None, due: bool
    ) -> list[Wish]:  # fmt: skip
        """Say what calls for an alert now."""
        found = [
            Wish(
                f"{'gap' if one.provisional else 'stop'}.{one.key}", one.code,
                "high" if one.provisional else "critical", _words(one),
                expected_at=None if one.deadline is None or not one.provisional else format_instant(one.deadline),
            )
            for one in reading.violations
        ]  # fmt: skip
        found += map(_exposed, _exposures(state.kept))
        found += _after_the_end(state.kept, reading)
        found += _boxes(state.kept)
        stands = [rule for rule in state.talk.raised if rule.startswith("slot.")]
        if expected is not None:
            found += expected.wishes(bool(stands), self.config.patients)
        elif not due:  # what is expected was not asked; where nothing is expected any more, it is over
            found += [Wish(rule, rule.partition(".")[2], state.talk.raised[rule].priority, "") for rule in stands]
        return found

    def write(self, state: PatientState) -> bytes:
        """Give a patient as bytes."""
        return _ENCODE.encode(_Snapshot(state.journey.write(), state.kept.write(), state.legs, state.talk))

    def read(self, key: str, body: bytes) -> PatientState:
        """Take a patient from its bytes."""
        try:
            read = _DECODE.decode(body)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"expected a patient, received {error}; restore an older checkpoint") from None
        journey = i.Journey.restore(read.journey, self._settings)
        return PatientState(key, journey, Kept.read(read.kept), read.legs, read.talk)

    def belief(self, state: PatientState) -> bytes:
        """Give what the facts make of the patient."""
        return state.journey.write() + state.kept.write() + _ENCODE.encode([state.legs, state.journey.read()])

    def on_wall_clock(self, state: PatientState) -> bool:
        """Tell whether silence is judged by the wall's clock."""
        ordered = state.kept.newest(s.TherapyOrdered)
        return ordered is None or ordered.data.clock == "wall"


def coi_of(key: str) -> str:
    """Give the chain-of-identity identifier of a key.

    Examples
    --------
    >>> coi_of("patient:COI-7")
    'COI-7'
    """
    return key.partition(":")[2]


def _moved(state: PatientState, reading: i.JourneyReading, collection: str) -> list[Said]:
    """Tell the network's twin where the patient is now, or with what outcome it left, if that is news."""
    talk, ordered = state.talk, state.kept.newest(s.TherapyOrdered)
    if ordered is None or not ordered.data.network:
        return []
    gone = gone_at(state.kept)
    left = gone is not None
    outcome = _outcome(state.kept, reading, collection) if left else (None, None)
    if outcome == talk.outcome and ((reading.step, left) == (talk.step, talk.left) or (left and talk.left)):
        return []
    seen = reading.last_scan or 0 if gone is None else gone
    news = seen > talk.moved
    at = seen if news else max(state.journey.clock, talk.moved + 1)  # of two words the network believes the later
    talk.step, talk.left, talk.moved, talk.outcome = reading.step, left, at, outcome
    leg = next((one for one in ordered.data.legs if one.step == reading.step), None)
    slot = booked(state.kept, ordered.data)
    told = s.Moved(
        patient=reading.coi, step=None if left else reading.step or None, kind=ordered.data.product,
        lane="" if leg is None else leg.lane, carrier="" if leg is None else leg.carrier,
        leg_hours=leg_hours(ordered.data.legs, reading, ordered.time) if leg is not None and news else None,
        ahead=tuple(s.LegName(one.step, one.lane, one.carrier) for one in legs_ahead(ordered.data.legs, reading)),
        priority=ordered.data.priority, slot=None if slot is None else format_instant(slot),
        vein_to_vein_days=outcome[0], out_of_specification=outcome[1],
    )  # fmt: skip
    data = {
        "subject": f"network:{ordered.data.network}", "type": "supply.moved", "data": msgspec.to_builtins(told),
    }  # fmt: skip
    return [Said("consequence", data, event_time=at)]


def _outcome(kept: Kept, reading: i.JourneyReading, collection: str) -> Outcome:
    """Say how long it took from vein to vein [days], and whether the lot was out of specification."""
    given = next((row.time for row in kept.of(s.Treated) if row.data.what == "infused"), None)
    collected = [one.at for one in reading.custody if one.step == collection and (given is None or one.at <= given)]
    days = (given - max(collected)) / DAY if given is not None and collected else None
    tests = {row.data.test: row.data.result for row in kept.of(s.Tested)}
    said = [row.data.disposition for row in kept.of(s.Dispositioned)]
    if not tests and "released" not in said and "oos_approved" not in said:
        return days, None
    return days, "failed" in tests.values() or "oos_approved" in said


def _words(one: i.Violation) -> str:
    waits = ""
    if one.provisional and one.deadline is not None:
        waits = f"; a fact that comes by {format_instant(one.deadline)} may still explain it"
    return f"expected {one.expected}, received {one.received}{waits}; {one.advice}"[:1000]


def _exposures(kept: Kept) -> list[s.Exposed]:
    """Give the newest word of each room on each plate, where it says that units were there and nobody decided since."""
    newest = {_exposure(row.data): row for row in kept.of(s.Exposed)}
    decided = decisions(kept)
    return [
        row.data
        for rule, row in newest.items()
        if row.data.units and (rule not in decided or decided[rule].time < row.time)
    ]


def _exposure(data: s.Exposed) -> str:
    return f"exposed.{data.room}.{data.plate}"


def _exposed(data: s.Exposed) -> Wish:
    rule = _exposure(data)
    return Wish(
        rule, data.room, "high",
        f"units {', '.join(data.units)} were in {data.room} from {data.first} to {data.after}, where plate "
        f"{data.plate} grew {data.cfu:g} CFU{' of ' + data.organism if data.organism else ''}; hold them "
        f"until quality decides on stop {rule}",
        data.cfu, data.limit, "CFU",
    )  # fmt: skip


def _after_the_end(kept: Kept, reading: i.JourneyReading) -> list[Wish]:
    """Say that cells of a journey that a person ended move on, or were given."""
    end = ended(kept)
    if end is None:
        return []
    given = next((row for row in kept.of(s.Treated) if row.data.what == "infused" and row.time > end.time), None)
    seen = given.time if given is not None else reading.last_scan
    if seen is None or seen <= end.time:
        return []
    what = "the cells were infused" if given is not None else f"the cells were scanned at {reading.step or 'no step'}"
    return [
        Wish(
            "ended", reading.step, "critical",
            f"{what} at {format_instant(seen)}, after {end.data.by} ended the journey at {format_instant(end.time)} "
            f"({end.data.reason}); stop them, and tell quality"[:1000],
        )
    ]  # fmt: skip


def _boxes(kept: Kept) -> list[Wish]:
    """Say which boxes are at risk, by the newest word of each."""
    newest: dict[str, s.BoxAtRisk] = {row.data.shipper: row.data for row in kept.of(s.BoxAtRisk)}
    return [
        Wish(
            f"box.{name}",
            name,
            "critical" if one.warned else "medium",
            one.reason,
            one.p_warm,
            None,
            "{probability}",
            one.p_warm,
        )
        for name, one in sorted(newest.items())
        if one.standing
    ]


def _estimate(state: PatientState, reading: i.JourneyReading) -> dict[str, Any]:
    kept, lines = state.kept, state.lines
    ordered = kept.newest(s.TherapyOrdered)
    tests = {row.data.test: row.data for row in kept.of(s.Tested)}
    treated = list(kept.of(s.Treated))
    return {
        "of": "patient",
        "product": None if ordered is None else ordered.data.product,
        "site": None if ordered is None else ordered.data.site,
        "network": None if ordered is None else ordered.data.network or None,
        "priority": None if ordered is None else ordered.data.priority,
        "workflow": reading.workflow,
        "step": reading.step,
        "place": reading.place,
        "holder": reading.holder,
        "handing_over": reading.handing_over,
        "lot": reading.lot,
        "last_scan": _time(reading.last_scan),
        "stopped": reading.stopped,
        "violations": [
            {
                "code": one.code, "key": one.key, "since": format_instant(one.since), "provisional": one.provisional,
                "deadline": _time(one.deadline), "expected": one.expected, "received": one.received,
                "advice": one.advice, "facts": [list(name) for name in one.facts],
            }
            for one in reading.violations
        ],
        "decided": [{"code": one.code, "key": one.key, "by": one.decided_by, "reason": one.reason}
                    for one in reading.decided],
        "custody": [(lines.get(id(one)) or _line(lines, one))[1] for one in reading.custody[-MOST_CUSTODY:]],
        "custody_lines": len(reading.custody),
        "ended": _ended(kept),
        "unjudged": list(reading.unjudged),
        "tests": {name: one.result for name, one in tests.items()},
        "treated": {row.data.what: format_instant(row.time) for row in treated},
        "exposures": len(_exposures(kept)),
        "facts": len(kept),
    }  # fmt: skip


def _line(lines: Lines, one: i.Entry) -> tuple[i.Entry, msgspec.Raw]:
    """Say one line of custody, as JSON. A reading gives what did not change as the same object again."""
    said = {
        "at": format_instant(one.at), "step": one.step, "place": one.place, "releaser": one.releaser,
        "receiver": one.receiver, "units": one.units, "fact": one.fact,
    }  # fmt: skip
    lines[id(one)] = one, msgspec.Raw(_LINE.encode(said))
    return lines[id(one)]


def _ended(kept: Kept) -> dict[str, str] | None:
    end = ended(kept)
    if end is None:
        return None
    return {"at": format_instant(end.time), "stop": end.data.stop, "by": end.data.by, "reason": end.data.reason}


def _time(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)
