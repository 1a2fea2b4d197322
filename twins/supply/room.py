"""A cleanroom's twin: its air, pressures, people, the suite's state, and whom a plate that is read late exposed.

The model is `cleanroom`, whose record is a set of facts. What grew on a plate is told to the twin of every patient
whose unit was there, at once, and to the rooms that its air or material reaches, whose twins do the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from msgspec import Struct

from schemas import supply as s
from schemas.errors import InputError, InvalidFieldError, SettingsError, SnapshotError
from schemas.events import Event
from schemas.fields import FactName
from schemas.ids import event_hash
from schemas.instants import DAY, HOUR, MINUTE, SECOND, format_instant, parse_instant
from schemas.partitions import TimePassed
from twins.frame import Fact
from twins.rejecting import duplicate_of
from twins.scalar import Said, Step
from twins.supply import cleanroom as c
from twins.supply.alerting import Raised, Wish, speak
from twins.supply.cleanroom import facts as f
from twins.supply.config import SupplyConfig
from twins.supply.kept import Kept, too_many

SETTLE_DAYS = 14  # within which facts may come in any order; then counts and badges settle into sums
MOST_WAITING = 10_000  # facts that came before anybody described the room
SHOWN = 50  # of the newest plates and violations
BROKEN_HOURS = 24.0  # that an alert of a broken rule stands, unless it put two patients at risk: then until decided
_OWN = (s.RoomDescribed, s.RoomReached, s.StopDecided)


class Talk(Struct):
    """What was said last, and what stands. Times in us; -1 for never.

    `told` has by plate and whom it was told to what was said, and since when the plate's window ran.
    """

    estimate: int = -1
    word: str = ""
    raised: Raised = {}
    spoke: int = -1  # the newest time that another twin was told of
    told: dict[str, tuple[str, int]] = {}


class Note(Struct, frozen=True, array_like=True):
    """Whose unit it is, or what grew on a plate, as a fact of that time [us] said."""

    at: int
    of: Literal["unit", "plate"]
    name: str
    text: str


@dataclass(slots=True)
class RoomState:
    """One room: its description and what reached it from others, its record, and what was said."""

    key: str
    kept: Kept = field(default_factory=Kept)
    talk: Talk = field(default_factory=Talk)
    record: c.RoomRecord | None = None
    waiting: list[f.RoomFact] = field(default_factory=list)
    notes: dict[int, Note] = field(default_factory=dict)  # by the fact's number: what the record has no field for


class _Snapshot(Struct, frozen=True, array_like=True):
    kept: bytes
    talk: Talk
    record: bytes
    waiting: list[f.RoomFact]
    notes: list[tuple[int, Note]]


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


class RoomTwin:
    """Cleanrooms. See `twins/supply/twin.py`."""

    types = (
        s.RoomDescribed, s.RoomReached, s.ParticlesCounted, s.PressureRead, s.DoorMoved, s.Badged, s.PlateExposed,
        s.PlateRead, s.UnitOpened, s.UnitClosed, s.RoomStated, s.StopDecided, s.FactWithdrawn, s.EpcisEvent,
    )  # fmt: skip

    def __init__(self, config: SupplyConfig) -> None:
        self.config = config

    def start(self, key: str) -> RoomState:
        """Begin a room of which nothing is known."""
        return RoomState(key)

    def step(self, state: RoomState, fact: Fact) -> Step[RoomState]:
        """Fold one fact."""
        data = fact.event.data
        try:
            refused = self._take(state, fact, data)
        except SettingsError as error:
            refused = InvalidFieldError(
                expected="a room as docs/supply_cleanroom.md describes it", received=str(error)[:200], where="data",
                advice="correct the description",
            )  # fmt: skip
        except InputError as error:
            refused = error
        if refused is not None:
            return Step(state, (), refused)
        return Step(state, self._speak(state, isinstance(data, (s.PlateRead, *_OWN))))

    def _take(self, state: RoomState, fact: Fact, data: Any) -> InputError | None:  # Any: one of the structs
        """Take a fact in; say why not where it cannot be used."""
        kept = state.kept
        if (refused := kept.why_not(fact)) is not None:
            return refused
        if isinstance(data, (*_OWN, TimePassed, s.FactWithdrawn, s.EpcisEvent)):
            if isinstance(data, s.RoomReached):
                parse_instant(data.first, "first"), parse_instant(data.after, "after")
            if isinstance(data, s.RoomDescribed):
                c.check_config(_config_of(state.key, data))
            kept.take(fact, keep=isinstance(data, (*_OWN, TimePassed)))
            named = data.fact if isinstance(data, s.FactWithdrawn) else getattr(data, "supersedes", None)
            if named is not None:
                _withdraw(state, named)
            if isinstance(data, (s.RoomDescribed, s.FactWithdrawn)):
                _rebuild(state)
            return None
        if fact.hash in kept.dead:
            kept.note(fact.hash)  # it does not count, and what it replaces does not either
        elif (problem := self._refusal(state, fact, data)) is not None:
            return problem
        if data.supersedes is not None:
            _withdraw(state, data.supersedes)
        said = [one.at for one in _facts_of(fact.event)]  # a count lies in the middle of its time
        kept.clock = max(kept.clock, fact.event.event_time, fact.event.record_time, *said)
        return None

    def _refusal(self, state: RoomState, fact: Fact, data: Any) -> InputError | None:
        """Give a fact to the record, or keep it until there is one."""
        for one in _facts_of(fact.event):
            if state.record is None:
                if len(state.waiting) >= MOST_WAITING:
                    return too_many()
                f.check(one)
                if any((one.source, one.id) == (other.source, other.id) for other in state.waiting):
                    return duplicate_of(fact)
                state.waiting.append(one)
            else:
                taken = state.record.take(one)
                if taken in ("known", "conflict", "full") or (taken == "settled" and not isinstance(one, _STAY)):
                    return _not_taken(taken, fact)
        if isinstance(data, (s.UnitOpened, s.UnitClosed)):
            state.notes[fact.hash] = Note(fact.event.event_time, "unit", data.unit, data.patient)
        if isinstance(data, s.PlateRead) and data.organism:
            state.notes[fact.hash] = Note(fact.event.event_time, "plate", data.plate, data.organism)
        return None

    def _speak(self, state: RoomState, news: bool) -> list[Said]:
        """Say what is due: alerts at once, an estimate now and then."""
        record, talk, clock = state.record, state.talk, state.kept.clock
        if record is None:
            return speak((), talk.raised, clock)
        if (until := clock // DAY * DAY - SETTLE_DAYS * DAY) > record.settled_to:
            record.settle(until)
            _forget(state, until - round(c.KEEP_DAYS * DAY))
        reading = record.read(max(clock, record.settled_to))
        plates = [one for one in record.plates() if one.verdict.level != "within"]
        exposures = _exposures(state, record, plates)
        said = speak(_wishes(state, reading, plates, exposures), talk.raised, clock)
        said += _consequences(state, record, plates, exposures)
        every = self.config.rooms.estimate_minutes * MINUTE
        if said or news or talk.word != reading.word or talk.estimate < 0 or clock - talk.estimate >= every:
            talk.estimate, talk.word = clock, reading.word
            said.append(Said("estimate", _estimate(state, record, reading, exposures), event_time=clock))
        return said

    def write(self, state: RoomState) -> bytes:
        """Give a room as bytes."""
        record = b"" if state.record is None else state.record.snapshot()
        notes = sorted(state.notes.items(), key=_first)
        return _ENCODE.encode(_Snapshot(state.kept.write(), state.talk, record, state.waiting, notes))

    def read(self, key: str, body: bytes) -> RoomState:
        """Take a room from its bytes."""
        try:
            read = _DECODE.decode(body)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"expected a room, received {error}; restore an older checkpoint") from None
        state = RoomState(key, Kept.read(read.kept), read.talk, None, read.waiting, dict(read.notes))
        described = state.kept.newest(s.RoomDescribed)
        if described is not None and read.record:
            state.record = c.RoomRecord.restore(_config_of(key, described.data), read.record)
        return state

    def belief(self, state: RoomState) -> bytes:
        """Give what the facts make of the room."""
        waiting = sorted(map(f.bytes_of, state.waiting))
        record = b"" if state.record is None else state.record.snapshot()
        return _ENCODE.encode([state.kept.write(), record, waiting, sorted(state.notes.items(), key=_first)])

    def on_wall_clock(self, state: RoomState) -> bool:
        """Tell whether silence is judged by the wall's clock."""
        described = state.kept.newest(s.RoomDescribed)
        return described is None or described.data.clock == "wall"


_STAY = (f.PlateExposed, f.PlateRead, f.UnitOpened, f.UnitClosed, f.Cleaned, f.Moved)  # taken after their time settled


def _config_of(key: str, data: s.RoomDescribed) -> c.RoomConfig:
    """Make a room's configuration of its description.

    Raises
    ------
    SettingsError
        If the rules are none.
    """
    document = {
        **data.rules, "room": key.partition(":")[2], "grade": data.grade, "volume_m3": data.volume_m3,
        "air_changes_per_hour": data.air_changes_per_hour, "effectiveness": data.effectiveness,
    }  # fmt: skip
    try:
        return msgspec.convert(document, c.RoomConfig)
    except msgspec.ValidationError as error:
        raise SettingsError(f"expected rules of a room, received {error}") from None


def _rebuild(state: RoomState) -> None:
    """Make the record anew: its description is the newest."""
    described = state.kept.newest(s.RoomDescribed)
    if described is None:
        if state.record is not None:  # the only description was withdrawn
            state.waiting, state.record = state.record.facts(), None
        return
    config = _config_of(state.key, described.data)
    if state.record is None:
        state.record = c.RoomRecord(config)
        for one in state.waiting:
            state.record.take(one)
        state.waiting = []
    else:
        state.record = c.RoomRecord.restore(config, state.record.snapshot())


def _first(pair: tuple[int, Note]) -> int:
    return pair[0]


def _withdraw(state: RoomState, named: FactName) -> None:
    """Let a fact not count, here already or not; what it said twice neither."""
    number = event_hash(named.source, named.id)
    names = [(named.source, named.id), (named.source, f"{named.id}#left")]
    here = any((one.source, one.id) in names for one in state.waiting)
    for name in names:
        here |= state.record is not None and state.record.drop(*name)
    state.waiting = [one for one in state.waiting if (one.source, one.id) not in names]
    state.notes.pop(number, None)
    state.kept.note(number, dead=True)
    if here:
        state.kept.note(number)


def _forget(state: RoomState, oldest: int) -> None:
    """Forget what was noted of a time that the record holds no units and plates of any more."""
    state.notes = {number: one for number, one in state.notes.items() if one.at >= oldest}
    state.talk.told = {name: one for name, one in state.talk.told.items() if one[1] >= oldest}
    state.kept.settle([row.hash for row in state.kept.of(s.RoomReached, s.StopDecided) if row.time < oldest])


def _facts_of(event: Event) -> list[f.RoomFact]:
    """Give the record's facts that an event says."""
    data = event.data
    said: dict[str, Any] = {"at": event.event_time, "source": event.source, "id": event.id}
    if isinstance(data, s.ParticlesCounted):
        middle = event.event_time + round(data.seconds * SECOND / 2)
        return [f.Particles(**{**said, "at": middle}, sample_m3=data.litres / 1000, count_half_um=data.count_05um,
                            count_five_um=data.count_5um)]  # fmt: skip
    if isinstance(data, s.PressureRead):
        return [f.Pressure(**said, against=data.against, difference_pa=data.pascal)]
    if isinstance(data, s.DoorMoved):
        return [f.Door(**said, door=data.door, opened=data.open)]
    if isinstance(data, s.Badged):
        return [f.Badge(**said, person=data.person, entered=data.entered)]
    if isinstance(data, s.PlateExposed):
        until = parse_instant(data.until, "until")
        return [f.PlateExposed(**said, plate=data.plate, kind=data.kind, site=data.point, from_at=event.event_time,
                               to_at=until, air_m3=(data.litres or 0.0) / 1000)]  # fmt: skip
    if isinstance(data, s.PlateRead):
        return [f.PlateRead(**said, plate=data.plate, cfu=data.cfu)]
    if isinstance(data, s.UnitOpened):
        if data.open:
            return [f.UnitOpened(**said, unit=data.unit, patient=data.patient)]
        return [f.Moved(**said, item=data.unit, entered=True, unit=True)]
    if isinstance(data, s.UnitClosed):
        gone = [f.Moved(**{**said, "id": f"{event.id}#left"}, item=data.unit, entered=False, unit=True)]
        return [f.UnitClosed(**said, unit=data.unit), *(gone if data.left else [])]
    return _stated(data, said) if isinstance(data, s.RoomStated) else []


def _stated(data: s.RoomStated, said: dict[str, Any]) -> list[f.RoomFact]:
    if data.what == "line_cleared":
        return [f.LineCleared(**said)]
    if data.what == "held":
        return [f.Held(**said, reason=data.reason or "held")]
    if data.what == "released":
        return [f.Released(**said, reason=data.reason)]
    began = said["at"] - round(data.minutes * MINUTE)
    return [f.Cleaned(**said, began_at=began)]


def _not_taken(taken: str, fact: Fact) -> InputError:
    if taken == "known":
        return duplicate_of(fact)
    words = {
        "conflict": "a fact that says what the one of its name said before",
        "settled": f"a fact of the last {SETTLE_DAYS} days",
        "full": "fewer facts of one room",
    }[taken]
    return InvalidFieldError(
        expected=words, received=f"{fact.event.source} {fact.event.id}"[:160], where="id",
        advice="correct a fact by one with an id of its own that supersedes it",
    )  # fmt: skip


def _exposures(state: RoomState, record: c.RoomRecord, plates: list[c.PlateResult]) -> dict[str, list[c.Exposure]]:
    """Give who was exposed, by plate: of this room's plates, and of those of rooms whose air or material comes here."""
    found = {one.exposed.plate: record.exposed(one.exposed.plate) for one in plates}
    for data in _reached(state):
        window = c.Window(data.room, data.plate, parse_instant(data.first), parse_instant(data.after))
        here = c.Adjoining(record.config.room)
        found.setdefault(data.plate, []).extend(c.exposed_units(record.presences(), window, 0, (here,)))
    return found


def _reached(state: RoomState) -> list[s.RoomReached]:
    """Give the newest word of each room on each of its plates, where it grew anything."""
    newest = {(row.data.room, row.data.plate): row.data for row in state.kept.of(s.RoomReached)}
    return [one for one in newest.values() if one.cfu > 0]


def _noted(state: RoomState, of: Literal["unit", "plate"]) -> dict[str, str]:
    """Give the newest note on each name."""
    notes = sorted((one.at, number, one) for number, one in state.notes.items() if one.of == of)
    return {one.name: one.text for _, _, one in notes}


def _wishes(
    state: RoomState, reading: c.RoomReading, plates: list[c.PlateResult], exposures: dict[str, list[c.Exposure]]
) -> list[Wish]:
    """Say what calls for an alert now."""
    clock = state.kept.clock
    found = []
    if reading.level != "within":
        grave = reading.level == "action"
        found.append(
            Wish(
                "particles", "particles", "high" if grave else "medium",
                f"the newest particle count is above the {reading.level} level of the room's grade; probability "
                f"{reading.over_limit:.0%} that the air is above the limit; find the source, do not open a unit",
                reading.half_um_per_m3, None, "/m3", reading.over_limit,
            )
        )  # fmt: skip
    for against in reading.alarms:
        found.append(
            Wish(f"pressure.{against}", against, "high",
                 f"the pressure over {against} is too low for longer than allowed; shut doors, check the air supply")
        )  # fmt: skip
    decided = {row.data.stop: row.time for row in state.kept.of(s.StopDecided)}
    newest = {one.kind: one for one in reading.violations}
    for kind, one in sorted(newest.items()):
        rule, grave = f"broken.{kind}", "patient" in kind
        if decided.get(rule, -1) < one.at and (grave or clock - one.at <= BROKEN_HOURS * HOUR):
            found.append(
                Wish(
                    rule, kind, "critical" if grave else "high",
                    f"{kind.replace('_', ' ')}: {', '.join(one.subjects)} at {format_instant(one.at)}; {one.detail}"
                    + (f"; hold these units until quality decides on stop {rule}" if grave else ""),
                )
            )  # fmt: skip
    for plate in plates:
        open_still = decided.get(f"plate.{plate.exposed.plate}", -1) < plate.read_at
        if open_still and clock - plate.read_at <= SETTLE_DAYS * DAY:
            found.append(_plate_wish(plate, exposures))
    return found


def _plate_wish(plate: c.PlateResult, exposures: dict[str, list[c.Exposure]]) -> Wish:
    name, level = plate.exposed.plate, plate.verdict.level
    units = sorted({each.unit for each in exposures.get(name, [])})
    exposed = f"units exposed: {', '.join(units[:20])}{' and more' if len(units) > 20 else ''}"
    who = exposed if units else "no unit was in the room"
    return Wish(
        f"plate.{name}", name, "high" if level == "action" else "medium",
        f"plate {name} grew {plate.cfu} CFU, above the {level} level; {who}",
        float(plate.cfu), plate.verdict.action, "CFU",
    )  # fmt: skip


def _consequences(
    state: RoomState, record: c.RoomRecord, plates: list[c.PlateResult], exposures: dict[str, list[c.Exposure]]
) -> list[Said]:
    """Tell patients' twins, and those of rooms that this one reaches, what is news to them; also that it is over."""
    if not (exposures or state.talk.told):
        return []
    told, said = state.talk.told, []
    due = _due(state, record, plates, exposures)
    for name in sorted(told.keys() - due.keys()):
        plate, subject = name.split("\n")
        when = format_instant(told.pop(name)[1])
        over: dict[str, Any] = {
            "room": record.config.room,
            "plate": plate,
            "cfu": 0.0,
            "limit": 0.0,
            "first": when,
            "after": when,
        }
        said.append(_tell(state, subject, s.RoomReached(**over) if subject.startswith("room:")
                          else s.Exposed(**over, units=())))  # fmt: skip
    for name, (words, since, event) in sorted(due.items()):
        if told.get(name, ("", 0))[0] != words:
            said.append(_tell(state, name.split("\n")[1], event))
        told[name] = words, since
    return said


Due = dict[str, tuple[str, int, Struct]]  # by plate and subject: what makes it news, since when [us], the event


def _due(
    state: RoomState, record: c.RoomRecord, plates: list[c.PlateResult], exposures: dict[str, list[c.Exposure]]
) -> Due:
    """Give all that others are to know now."""
    due: Due = {}
    own_plates = {one.exposed.plate: one for one in plates}
    reached = {one.plate: one for one in _reached(state)}
    patients, organisms = _noted(state, "unit"), _noted(state, "plate")
    for plate, found in exposures.items():
        own, other = own_plates.get(plate), reached.get(plate)
        cfu = float(own.cfu) if own is not None else other.cfu if other is not None else 0.0
        limit = (own.verdict.action or 0.0) if own is not None else other.limit if other is not None else 0.0
        what: dict[str, Any] = {"room": record.config.room, "plate": plate, "cfu": cfu, "limit": limit,
                "organism": organisms.get(plate, other.organism if other is not None else "")}  # fmt: skip
        by_patient: dict[str, list[c.Exposure]] = {}
        for one in found:
            by_patient.setdefault(one.patient or patients.get(one.unit, ""), []).append(one)
        for patient, each in by_patient.items():
            if patient:
                since, units = min(one.since for one in each), tuple(sorted({one.unit for one in each}))
                after = format_instant(max(one.until for one in each))
                event: Struct = s.Exposed(**what, units=units, first=format_instant(since), after=after)
                due[f"{plate}\npatient:{patient}"] = f"{cfu:g} {' '.join(units)}", since, event
        if own is None:
            continue
        for room in record.config.adjoining:
            after = format_instant(own.window.until + round(room.tail_minutes * MINUTE))
            event = s.RoomReached(**what, first=format_instant(own.window.since), after=after)
            due[f"{plate}\nroom:{room.room}"] = f"{cfu:g}", own.window.since, event
    return due


def _tell(state: RoomState, subject: str, told: Struct) -> Said:
    """Tell another twin; of two words the second is the later, so that it holds."""
    kind = "supply.room_reached" if isinstance(told, s.RoomReached) else "supply.exposed"
    at = state.talk.spoke = max(state.kept.clock, state.talk.spoke + 1)
    return Said("consequence", {"subject": subject, "type": kind, "data": msgspec.to_builtins(told)}, event_time=at)


def _estimate(
    state: RoomState, record: c.RoomRecord, reading: c.RoomReading, exposures: dict[str, list[c.Exposure]]
) -> dict[str, Any]:
    return {
        "of": "room",
        "grade": record.config.grade,
        "suite": reading.word,
        "holds": list(reading.holds),
        "people": len(reading.people),
        "open_units": [
            {"unit": one.unit, "patient": one.patient, "since": format_instant(one.since)}
            for one in reading.open_units
        ],
        "particles": {
            "half_um": _interval(reading.half_um_per_m3, reading.half_um_interval),
            "five_um": _interval(reading.five_um_per_m3, reading.five_um_interval),
            "level": reading.level,
            "p_over_limit": reading.over_limit,
        },
        "pressures": [{"against": name, "state": word, "pascal": pa} for name, word, pa in reading.pressures],
        "plates": [
            {
                "plate": one.exposed.plate, "kind": one.exposed.kind, "cfu": one.cfu, "level": one.verdict.level,
                "action": one.verdict.action, "from": format_instant(one.exposed.from_at),
                "to": format_instant(one.exposed.to_at), "read": format_instant(one.read_at),
                "exposed": sorted({each.unit for each in exposures.get(one.exposed.plate, [])}),
            }
            for one in record.plates()[-SHOWN:]
        ],
        "violations": [
            {"at": format_instant(one.at), "kind": one.kind, "subjects": list(one.subjects), "detail": one.detail}
            for one in reading.violations[-SHOWN:]
        ],
        "broken": dict(reading.broken),
        "occupied_hours": reading.occupied_hours,
        "person_hours": reading.person_hours,
        "idle_hours": dict(reading.idle_hours),
        "patient_minutes_above_alert": reading.patient_minutes_above_alert,
        "recoveries": reading.recoveries,
        "mean_recovery_minutes": reading.mean_recovery_minutes,
    }  # fmt: skip


def _interval(mean: float, low_high: tuple[float, float]) -> dict[str, float | str]:
    return {"mean": mean, "low": low_high[0], "high": low_high[1], "unit": "/m3"}
