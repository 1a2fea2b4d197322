"""The register of one study: the set of its facts. What they say follows from the set, never from the order."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from schemas import enrollment as e
from schemas.errors import InputError, InvalidFieldError, SnapshotError, UnknownTypeError
from schemas.ids import event_hash
from schemas.jobs import ResimulationResult
from schemas.partitions import TimePassed
from twins.enrollment.plan import Plan, Said, check_amendment, check_plan, make_plan
from twins.enrollment.steps import StepFacts
from twins.frame import Fact
from twins.rejecting import duplicate_of

MOST_FACTS = 2_000_000  # of one study: a trial of 20,000 subjects with 50 visits each makes half as many

_ABOUT_STUDY = (
    e.StudyPlanned, e.ProtocolAmended, e.CapSet, e.SiteInitiated, e.SiteActivated, e.SitePaused, e.SiteResumed,
    e.SiteClosed,
)  # fmt: skip
_ABOUT_ADVICE = (ResimulationResult, e.CorrectionDecided)
_STRUCTS = {struct.__name__: struct for struct in (*_ABOUT_STUDY, e.CostBooked)}


class _Row(Struct, frozen=True, array_like=True):
    """A fact that is no subject's step, in a snapshot."""

    time: int
    recorded: int
    hash: int
    kind: str
    data: msgspec.Raw


class _Snapshot(Struct, frozen=True, array_like=True):
    clock: int
    rows: list[_Row]
    steps: tuple[int, list[list[str]], bytes]
    dead: list[int]
    other: list[int]  # hashes of facts that are kept nowhere else


class Register:
    """All facts of one study, and the newest time any of them proves to have come. Times in us.

    `study` are the facts about plan and sites, `costs` those about money.
    """

    def __init__(self) -> None:
        self.clock = 0
        self.study: list[Said] = []
        self.costs: list[Said] = []
        self.steps = StepFacts()
        self.dead: set[int] = set()  # names of facts that do not count: superseded or withdrawn, here already or not
        self._known: set[int] = set()
        self._other: set[int] = set()
        self._plan: Plan | None = None
        self._plan_is_of = (-1, -1)

    def __len__(self) -> int:
        return len(self._known)

    def why_not(self, fact: Fact) -> InputError | None:
        """Say why a fact cannot be used; None where it can."""
        if isinstance(fact.event.data, TimePassed):
            return None
        if fact.hash in self._known:
            return duplicate_of(fact)
        try:
            self._check(fact.event.type, fact.event.data)
        except InputError as error:
            return error
        return _too_many() if len(self._known) >= MOST_FACTS else None

    def take(self, fact: Fact) -> None:
        """Take in a fact that can be used."""
        event = fact.event
        if isinstance(event.data, TimePassed):
            self.clock = max(self.clock, event.event_time)
            return
        self._known.add(fact.hash)
        if not isinstance(event.data, _ABOUT_ADVICE):  # an answer comes when the pool has it, whatever the study's time
            self.clock = max(self.clock, event.record_time, event.event_time)
        self._put(fact)

    def _check(self, kind: str, data: Any) -> None:
        if not kind.startswith("enrollment."):
            raise UnknownTypeError(
                expected="an event of a study (enrollment.*)", received=kind, where="type",
                advice="produce it to the topic of its own family",
            )  # fmt: skip
        if isinstance(data, e.StudyPlanned):
            check_plan(data)
        elif isinstance(data, e.ProtocolAmended):
            check_amendment(data)

    def _put(self, fact: Fact) -> None:
        data, number = fact.event.data, fact.hash
        if isinstance(data, e.Fact) and data.supersedes is not None:
            self.dead.add(event_hash(data.supersedes.source, data.supersedes.id))
        said = Said(fact.event.event_time, fact.event.record_time, number, data)
        if isinstance(data, e.SubjectStep):
            self.steps.add(number, said.time, said.recorded, data)
        elif isinstance(data, _ABOUT_STUDY):
            self.study.append(said)
        elif isinstance(data, e.CostBooked):
            self.costs.append(said)
        else:
            self._other.add(number)
            if isinstance(data, e.FactWithdrawn):
                self.dead.add(event_hash(data.fact.source, data.fact.id))

    def counts(self, said: Said) -> bool:
        """Tell whether a fact was neither superseded nor withdrawn."""
        return said.hash not in self.dead

    def plan(self) -> Plan | None:
        """Give the study's plan; None while no plan came. Made anew only when one of its facts changed."""
        now = (len(self.study), len(self.dead))
        if now != self._plan_is_of:
            self._plan = make_plan(said for said in self.study if self.counts(said))
            self._plan_is_of = now
        return self._plan

    def hash(self) -> str:
        """Name the set of facts and the clock: SHA-256, in hexadecimal, the same in any order of arrival."""
        known = np.sort(np.fromiter(self._known, dtype="<i8", count=len(self._known)))
        return hashlib.sha256(known.tobytes() + self.clock.to_bytes(8, "big")).hexdigest()

    def write(self) -> bytes:
        """Give all facts as bytes."""
        said = [*self.study, *self.costs]
        rows = [
            _Row(one.time, one.recorded, one.hash, type(one.data).__name__, msgspec.Raw(_ENCODE.encode(one.data)))
            for one in said
        ]
        return _ENCODE.encode(
            _Snapshot(self.clock, rows, self.steps.write(), sorted(self.dead), sorted(self._other))
        )  # fmt: skip

    @classmethod
    def read(cls, body: bytes) -> Register:
        """Take back what `write` gave.

        Raises
        ------
        SnapshotError
            If the bytes are not that.
        """
        register = cls()
        try:
            read = _DECODE.decode(body)
            for row in read.rows:
                data = msgspec.msgpack.decode(row.data, type=_STRUCTS[row.kind])
                said = Said(row.time, row.recorded, row.hash, data)
                place = register.costs if isinstance(data, e.CostBooked) else register.study
                place.append(said)
        except (msgspec.MsgspecError, KeyError) as error:
            raise SnapshotError(f"expected the register of a study, received {error}") from None
        register.clock = read.clock
        register.steps = StepFacts.read(*read.steps)
        register.dead, register._other = set(read.dead), set(read.other)
        register._known = {*register._other, *register.steps.rows()["hash"].tolist()}
        register._known.update(said.hash for said in (*register.study, *register.costs))
        return register


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


def _too_many() -> InputError:
    return InvalidFieldError(
        expected=f"at most {MOST_FACTS} facts of one study", received="one more", where="subject",
        advice="split the study, or leave visits out",
    )  # fmt: skip
