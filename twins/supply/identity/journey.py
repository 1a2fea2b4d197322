"""The journey of one patient: the set of its facts, and the newest time any of them proves."""

from __future__ import annotations

from bisect import bisect
from typing import Any

import msgspec
from msgspec import Struct

from schemas.errors import InputError, InvalidFieldError, SnapshotError
from twins.supply.identity import facts as f
from twins.supply.identity.reading import JourneyReading, Memory, read_journey
from twins.supply.identity.sifting import Row
from twins.supply.identity.workflow import Settings

MOST_FACTS = 2_000  # of one patient: fifty times what a journey has (some 40), room for a device that stutters
VERSION = 1


class _Snapshot(Struct, frozen=True, array_like=True):
    version: int
    coi: str
    clock: int
    body: bytes  # of a `_Body`: it changes with facts alone, not as time passes


class _Body(Struct, frozen=True, array_like=True):
    texts: list[str]
    facts: list[list[Any]]  # Any: texts by number below 0, numbers, lists and maps of them


class _Written(Struct, frozen=True, array_like=True):
    """A body whose facts were encoded before."""

    texts: list[str]
    facts: list[msgspec.Raw]


class Journey:
    """All facts of one patient. Taking one is cheap; reading them is done when asked, and kept until they change.

    `clock` [us] is the newest time of any fact, happened or known, or said to have passed. A person's decision moves it
    not.
    """

    def __init__(self, coi: str, settings: Settings | None = None) -> None:
        self.coi = coi
        self.clock = 0
        self._settings = settings or Settings()
        self._rows: list[Row] = []
        self._known: set[int] = set()
        self._corrected = False
        self._reading: JourneyReading | None = None
        self._body: bytes | None = None
        self._texts: dict[str, int] = {}  # of the facts that are packed
        self._packed: list[msgspec.Raw] = []  # the first of the rows, as bytes
        self._memory = Memory()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def facts(self) -> list[f.Fact]:
        """All facts in order of time, those that count no longer among them."""
        return [fact for _, _, fact in self._rows]

    def why_not(self, fact: f.Fact) -> InputError | None:
        """Say why a fact cannot be used; None where it can."""
        return self._why_not(fact, f.number(fact))

    def _why_not(self, fact: f.Fact, number: int) -> InputError | None:
        if number in self._known:
            return _duplicate(fact)
        try:
            f.check_fact(fact)
        except InputError as error:
            return error
        return _too_many(self.coi) if len(self._rows) >= MOST_FACTS else None

    def take(self, fact: f.Fact) -> InputError | None:
        """Take in a fact; where it cannot be used, say why, and change nothing."""
        number = f.number(fact)
        error = self._why_not(fact, number)
        if error is None:
            self._put(fact, number)
        elif isinstance(error, _DuplicateError):
            self._hear_again(fact, number)
        return error

    def pass_time(self, instant: int) -> None:
        """Hear that time passed [us]."""
        self.clock = max(self.clock, instant)

    def read(self) -> JourneyReading:
        """Read the journey as of its clock."""
        reading = self._reading
        if reading is not None and (reading.wake is None or self.clock <= reading.wake):
            if reading.clock != self.clock:
                reading = self._reading = msgspec.structs.replace(reading, clock=self.clock)
            return reading
        self._reading = read_journey(
            self.coi, self._rows, self.clock, self._settings, self._corrected, self._memory
        )  # fmt: skip
        return self._reading

    def _put(self, fact: f.Fact, number: int) -> None:
        self._known.add(number)
        row = fact.at, number, fact
        place = bisect(self._rows, row)
        self._rows.insert(place, row)
        if place < len(self._packed):
            self._unpack()
        if place < self._memory.rows:
            self._memory.sifted = None
        self._corrected = self._corrected or bool(fact.voids or fact.corrects)
        self._reading = self._body = None
        self._hear(fact)

    def _hear(self, fact: f.Fact) -> None:
        if not isinstance(fact, f.Decided):
            self.clock = max(self.clock, fact.at, fact.known_at)

    def _hear_again(self, fact: f.Fact, number: int) -> None:
        """Of two facts of one name that differ keep one, the same in any order of arrival: the one known first."""
        place = next(place for place, row in enumerate(self._rows) if row[1] == number)
        kept = self._rows[place][2]
        if fact == kept:
            return
        try:
            f.check_fact(fact)
        except InputError:
            return
        self._hear(fact)
        if (fact.known_at, f.as_text(fact)) < (kept.known_at, f.as_text(kept)):
            del self._rows[place]
            self._unpack()
            self._memory.sifted = None
            self._put(fact, number)

    def write(self) -> bytes:
        """Give the journey as bytes: the same for the same facts and clock."""
        if self._body is None:
            rest = self._rows[len(self._packed) :]
            self._packed += [msgspec.Raw(_ENCODE.encode(_pack(fact, self._texts))) for _, _, fact in rest]
            self._body = _ENCODE.encode(_Written(list(self._texts), self._packed))
        return _ENCODE.encode(_Snapshot(VERSION, self.coi, self.clock, self._body))

    def _unpack(self) -> None:
        """Forget what was packed: texts are numbered in the order of the facts."""
        self._texts, self._packed = {}, []

    @classmethod
    def restore(cls, body: bytes, settings: Settings | None = None) -> Journey:
        """Take back what `write` gave.

        Raises
        ------
        SnapshotError
            If the bytes are not that.
        """
        try:
            read = _DECODE.decode(body)
            if read.version != VERSION:
                raise SnapshotError(f"expected a journey of version {VERSION}, received {read.version}")
            told = _DECODE_BODY.decode(read.body)
            facts = msgspec.convert([_unpack(row, told.texts) for row in told.facts], type=list[f.Fact])
        except (msgspec.MsgspecError, IndexError, TypeError) as error:
            raise SnapshotError(f"expected the journey of a patient, received {error}") from None
        journey = cls(read.coi, settings)
        journey._rows = sorted((fact.at, f.number(fact), fact) for fact in facts)
        journey._known = {number for _, number, _ in journey._rows}
        if len(journey._known) != len(facts):
            raise SnapshotError(f"expected facts of {len(facts)} names, received {len(journey._known)}")
        journey._corrected = any(fact.voids or fact.corrects for fact in facts)
        journey.clock, journey._body = read.clock, read.body
        return journey


def _pack(fact: f.Fact, texts: dict[str, int]) -> list[Any]:
    row: list[Any] = msgspec.to_builtins(fact)
    while row and row[-1] in ("", (), [], {}):
        row.pop()  # as it would be read anyway
    put = texts.setdefault
    return [
        -1 - put(one, len(texts)) if type(one) is str else one if type(one) is int else _number(one, texts)
        for one in row
    ]


def _number(value: Any, texts: dict[str, int]) -> Any:
    """Put numbers below 0 for texts: a fact has no other number below 0."""
    put = texts.setdefault
    if type(value) is dict:
        return {
            -1 - put(key, len(texts)): -1 - put(one, len(texts)) if type(one) is str else one
            for key, one in sorted(value.items())
        }
    if isinstance(value, (list, tuple)):
        return [-1 - put(one, len(texts)) for one in value]
    return value


def _unpack(row: list[Any], texts: list[str]) -> list[Any]:
    return [(texts[-1 - one] if one < 0 else one) if type(one) is int else _unpack_many(one, texts) for one in row]


def _unpack_many(value: Any, texts: list[str]) -> Any:
    if type(value) is dict:
        return {texts[-1 - key]: texts[-1 - one] if one < 0 else one for key, one in value.items()}
    return [texts[-1 - one] for one in value]


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(_Snapshot)
_DECODE_BODY = msgspec.msgpack.Decoder(_Body)


class _DuplicateError(InputError):
    reason = "duplicate"


def _duplicate(fact: f.Fact) -> InputError:
    return _DuplicateError(
        expected="a fact not folded before", received=f"{fact.id} of {fact.source} again", where="id",
        advice="nothing to do: it counts once",
    )  # fmt: skip


def _too_many(coi: str) -> InputError:
    return InvalidFieldError(
        expected=f"at most {MOST_FACTS} facts of one patient", received="one more", where=f"patient:{coi}",
        advice="find the device that repeats itself under new names",
    )  # fmt: skip
