"""The record of one room: the set of its facts. What it says follows from the set, never from the order of arrival.

Facts are named by source and id; one that comes twice changes nothing; of two that differ under one name the greater
bytes count, and the name is among `conflicts`. A withdrawn name counts for nothing, here already or not. `settle` folds
all steps before an instant into one state and forgets counts, pressures, doors, badges and holds before it; what comes
later about that time is answered with `settled` and changes no sum and no state. Units, moves, cleanings and plates
stay for `KEEP_DAYS` and are taken even then: whom a plate exposed is asked of the facts themselves.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from schemas.errors import SettingsError, SnapshotError
from schemas.instants import DAY
from twins.supply.cleanroom import facts as f
from twins.supply.cleanroom import reading
from twins.supply.cleanroom.config import RoomConfig, check_config
from twins.supply.cleanroom.viable import Exposure, PlateResult, Presence, exposed_units, result

MOST_FACTS = 1_000_000  # of one room: a count and a pressure each minute for a year, twice
KEEP_DAYS = 120.0  # that units, cleanings and plates stay after they settled: assumed; plates are read within 2 weeks
MARK_EVERY = 256  # steps between states that are remembered, so that a reading folds few

Taken = Literal["new", "known", "conflict", "withdrawn", "settled", "full"]
Name = tuple[str, str]
T = TypeVar("T")
_KEPT = (f.PlateExposed, f.PlateRead, f.UnitOpened, f.UnitClosed, f.Cleaned, f.Moved)


class _Snapshot(Struct, frozen=True, array_like=True):
    settled_to: int
    opening: reading.State | None
    facts: list[f.RoomFact]
    dead: list[Name]
    conflicts: list[Name]


class RoomRecord:
    """All facts of one room: `take` adds one, `withdraw` takes one back, `read` says what they come to."""

    def __init__(self, config: RoomConfig) -> None:
        check_config(config)
        self.config = config
        self.settled_to = -1  # us; nothing before it is open to change
        self.conflicts: set[Name] = set()
        self._opening: reading.State | None = None
        self._facts: dict[Name, f.RoomFact] = {}
        self._dead: set[Name] = set()
        self._steps: list[reading.Step] = []
        self._marks: list[tuple[int, reading.State]] = []  # number of steps folded, and the state after them
        self._plates: tuple[PlateResult, ...] | None = None

    def facts(self) -> list[f.RoomFact]:
        """Give the facts that count and are not folded into sums yet."""
        return [self._facts[name] for name in sorted(self._facts)]

    def drop(self, source: str, id: str) -> bool:
        """Take a fact back that is here; false where it is not. Who calls remembers its name (`withdraw` does)."""
        fact = self._facts.get((source, id))
        if fact is not None:
            self._remove(fact)
            self.conflicts.discard((source, id))
        return fact is not None

    def take(self, fact: f.RoomFact) -> Taken:
        """Add a fact; say whether it is new, known already, at odds with one of its name, or too late to count.

        Raises
        ------
        InvalidFieldError
            If it cannot be true.
        """
        f.check(fact)
        name = fact.source, fact.id
        if name in self._dead:
            return "withdrawn"
        old = self._facts.get(name)
        if old is not None:
            if old == fact:
                return "known"
            if self._is_settled(old) or self._is_settled(fact):
                return "settled"
            self.conflicts.add(name)
            if f.bytes_of(fact) <= f.bytes_of(old):
                return "conflict"
            self._remove(old)
            self._add(fact)
            return "conflict"
        if self._is_settled(fact) and not isinstance(fact, _KEPT):
            return "settled"
        if len(self._facts) >= MOST_FACTS:
            return "full"
        self._add(fact)
        return "settled" if self._is_settled(fact) else "new"

    def withdraw(self, source: str, id: str) -> Taken:
        """Take a fact back by its name, also before it came; a correction is a withdrawal and a fact of another id."""
        name = source, id
        fact = self._facts.get(name)
        if fact is not None:
            self._remove(fact)
        elif len(self._dead) >= MOST_FACTS:
            return "full"
        self._dead.add(name)
        self.conflicts.discard(name)
        return "withdrawn"

    def read(self, at: int) -> reading.RoomReading:
        """Say what the facts of the time up to and including `at` come to.

        Raises
        ------
        SettingsError
            If `at` lies before what has settled.
        """
        return reading.read(self.state(at), self.config)

    def state(self, at: int) -> reading.State:
        """Give the state at an instant, for forecasts."""
        if at < self.settled_to:
            raise SettingsError(
                f"expected an instant from {self.settled_to} on, received {at}, for {self.config.room}; "
                "what lies before has settled into sums"
            )
        end = bisect.bisect_right(self._steps, (at, 99), key=lambda step: (step[0], step[1]))
        return reading.pass_to(self._fold(end), self.config, at)

    def plates(self) -> tuple[PlateResult, ...]:
        """Give every plate that was exposed and read, beside its limit and with its window, by time of exposure."""
        if self._plates is None:
            shown = sorted(self._of(f.PlateExposed), key=_order)
            reads: dict[str, f.PlateRead] = {each.plate: each for each in sorted(self._of(f.PlateRead), key=_order)}
            cleaned = sorted(each.at for each in self._of(f.Cleaned))
            self._plates = tuple(
                result(self.config, each, read.cfu, read.at, *_around(cleaned, each))
                for each in sorted({each.plate: each for each in shown}.values(), key=lambda e: (e.from_at, e.plate))
                if (read := reads.get(each.plate)) is not None
            )
        return self._plates

    def presences(self) -> list[Presence]:
        """Give when each patient's unit was open in the room, or in it closed; by time."""
        found: list[Presence] = []
        patients = {each.unit: each.patient for each in sorted(self._of(f.UnitOpened), key=_order)}
        open_: dict[str, f.UnitOpened] = {}
        here: dict[str, int] = {}
        for step in self._steps_kept():
            fact = step.fact
            if isinstance(fact, f.UnitOpened):
                if fact.unit in open_:  # opened again without a close: it was open all along
                    was = open_[fact.unit]
                    found.append(self._presence(was.unit, was.patient, was.at, fact.at, True))
                open_[fact.unit] = fact
            elif isinstance(fact, f.UnitClosed) and fact.unit in open_:
                was = open_.pop(fact.unit)
                found.append(self._presence(was.unit, was.patient, was.at, fact.at, True))
            elif isinstance(fact, f.Moved) and fact.unit:
                if fact.entered:
                    here.setdefault(fact.item, fact.at)
                elif fact.item in here:
                    found.append(
                        self._presence(fact.item, patients.get(fact.item, ""), here.pop(fact.item), fact.at, False)
                    )
        found += [self._presence(each.unit, each.patient, each.at, None, True) for each in open_.values()]
        found += [self._presence(unit, patients.get(unit, ""), since, None, False) for unit, since in here.items()]
        return sorted(found, key=lambda each: (each.since, each.unit, each.opened))

    def exposed(self, plate: str, others: Iterable[Presence] = ()) -> list[Exposure]:
        """Give the units that a plate's window exposed, here and, of `others`, in rooms that this one reaches."""
        found = next((each for each in self.plates() if each.exposed.plate == plate), None)
        if found is None:
            return []
        presences = [*self.presences(), *(each for each in others if each.room != self.config.room)]
        return exposed_units(presences, found.window, self.config.recovery_us(), self.config.adjoining)

    def settle(self, before: int) -> None:
        """Fold all steps before an instant into one state, and forget what it holds in sums.

        Readings from `before` on stay what they were, bit for bit.
        """
        if before <= self.settled_to:
            return
        end = bisect.bisect_left(self._steps, (before,))
        if end:
            self._opening = self._fold(end)
        self.settled_to = before
        gone, oldest = self._steps[:end], before - round(KEEP_DAYS * DAY)
        del self._steps[:end]
        self._marks = []
        for step in gone:
            if not isinstance(step.fact, _KEPT):
                self._facts.pop((step.source, step.id), None)
        self._forget(oldest)

    def snapshot(self) -> bytes:
        """Give the record as bytes: equal for equal sets that settled alike."""
        rows = [self._facts[name] for name in sorted(self._facts)]
        return msgspec.msgpack.encode(
            _Snapshot(self.settled_to, self._opening, rows, sorted(self._dead), sorted(self.conflicts))
        )

    @classmethod
    def restore(cls, config: RoomConfig, data: bytes) -> RoomRecord:
        """Take a record up again.

        Raises
        ------
        SnapshotError
            If the bytes are no snapshot of a room.
        """
        try:
            kept = msgspec.msgpack.decode(data, type=_Snapshot)
        except msgspec.DecodeError as error:
            raise SnapshotError(f"expected a snapshot of room {config.room}, received {error}") from None
        record = cls(config)
        record.settled_to, record._opening = kept.settled_to, kept.opening
        record._dead, record.conflicts = set(kept.dead), set(kept.conflicts)
        for fact in kept.facts:
            record._facts[fact.source, fact.id] = fact
            record._steps += record._steps_open(fact)
        record._steps.sort(key=_place)
        return record

    def _add(self, fact: f.RoomFact) -> None:
        self._facts[fact.source, fact.id] = fact
        for step in self._steps_open(fact):
            place = bisect.bisect_left(self._steps, _place(step), key=_place)
            self._steps.insert(place, step)
            self._unmark(place)
        self._changed(fact)

    def _remove(self, fact: f.RoomFact) -> None:
        del self._facts[fact.source, fact.id]
        for step in self._steps_open(fact):
            place = bisect.bisect_left(self._steps, _place(step), key=_place)
            del self._steps[place]
            self._unmark(place)
        self._changed(fact)

    def _changed(self, fact: f.RoomFact) -> None:
        """Forget what a fact about plates changes: results, and states since a read that may hold the room."""
        if isinstance(fact, f.PlateExposed | f.PlateRead | f.Cleaned):
            self._plates = None
        if isinstance(fact, f.PlateExposed | f.PlateRead):
            reads = [each.at for each in self._of(f.PlateRead) if each.plate == fact.plate]
            if reads:
                self._unmark(bisect.bisect_left(self._steps, (min(reads),)))

    def _unmark(self, place: int) -> None:
        while self._marks and self._marks[-1][0] > place:
            self._marks.pop()

    def _fold(self, end: int) -> reading.State:
        spot = bisect.bisect_right(self._marks, end, key=lambda mark: mark[0])
        first, state = self._marks[spot - 1] if spot else (0, self._opening)
        if state is None:
            state = reading.begin(self.config, self._steps[0].at if self._steps else 0)
        over = {each.exposed.plate for each in self.plates() if each.verdict.level == "action"}
        while first < end:
            last = min(end, first - first % MARK_EVERY + MARK_EVERY)
            state = reading.fold(state, self.config, self._steps[first:last], over)
            self._mark(last, state)
            first = last
        return state

    def _mark(self, steps: int, state: reading.State) -> None:
        """Remember a state after each `MARK_EVERY` steps, and the newest."""
        if self._marks and self._marks[-1][0] >= steps:
            return
        if self._marks and self._marks[-1][0] % MARK_EVERY:
            self._marks.pop()
        self._marks.append((steps, state))

    def _forget(self, oldest: int) -> None:
        """Let go of plates, closed units and cleanings that are too old to matter."""
        open_ = {each.unit for each in self.presences() if each.until is None}
        for name, fact in list(self._facts.items()):
            unit = getattr(fact, "item", None) or getattr(fact, "unit", None)
            if isinstance(fact, _KEPT) and fact.at < oldest and unit not in open_:
                del self._facts[name]
        self._plates = None

    def _steps_open(self, fact: f.RoomFact) -> list[reading.Step]:
        return [step for step in reading.steps_of(fact) if step.at >= self.settled_to]

    def _is_settled(self, fact: f.RoomFact) -> bool:
        return any(step.at < self.settled_to for step in reading.steps_of(fact))

    def _steps_kept(self) -> list[reading.Step]:
        kinds = f.UnitOpened | f.UnitClosed | f.Moved
        return sorted(
            (step for fact in self._facts.values() if isinstance(fact, kinds) for step in reading.steps_of(fact)),
            key=_place,
        )

    def _of(self, kind: type[T]) -> list[T]:
        return [fact for fact in self._facts.values() if isinstance(fact, kind)]

    def _presence(self, unit: str, patient: str, since: int, until: int | None, opened: bool) -> Presence:
        return Presence(self.config.room, unit, patient, since, until, opened)


def _place(step: reading.Step) -> tuple[int, int, str, str]:
    return step[:4]


def _order(fact: f.RoomFact) -> tuple[int, str, str]:
    return fact.at, fact.source, fact.id


def _around(cleaned: list[int], plate: f.PlateExposed) -> tuple[int | None, int | None]:
    """Give when the last cleaning before a plate ended, and the first after it."""
    before, after = bisect.bisect_right(cleaned, plate.from_at), bisect.bisect_left(cleaned, plate.to_at)
    return cleaned[before - 1] if before else None, cleaned[after] if after < len(cleaned) else None
