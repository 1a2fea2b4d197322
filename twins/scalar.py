"""Low-rate twins written one at a time, and the one block that holds many of them.

    start(key) -> State      step(state, fact) -> Step      write(state) -> bytes      read(bytes) -> State

A scalar twin says what it has to say as `Said`; the block gives it its id, and an alert the identity of its raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from schemas.effects import Effect, Kind, Lane
from schemas.errors import InputError, InvalidFieldError, SnapshotError
from schemas.events import Event
from schemas.instants import format_instant
from twins.block import Block, Effects, LoadPast, Past, Wanted
from twins.frame import Fact, Frame, Refused
from twins.rejecting import refused_of, reject_data

MAGIC = b"TWSC"
SNAPSHOT_VERSION = 1
MOST_TWINS = 100_000  # of one partition; a source that makes up a key a record must not fill the memory

State = TypeVar("State")


@dataclass(slots=True)
class Said:
    """Something a twin says of one record. `rule` is an alert's: what it raises stands until it is cleared."""

    kind: Kind
    data: dict[str, Any]
    lane: Lane = "qualified"
    event_time: int = 0  # [us]; 0: the record's own
    rule: str = ""


@dataclass(slots=True)
class Step(Generic[State]):
    """What a fact came to: the new state, in whose place the old one must not be used any more, and what is said.

    `refused` is why the fact does not count; then the state is the old one.
    """

    state: State
    said: Sequence[Said] = ()
    refused: InputError | None = None


class Twin(Protocol[State]):
    """One kind of low-rate twin, with its configuration fixed. Methods change nothing but the state they are given."""

    kind: str
    name: str

    def start(self, key: str) -> State: ...

    def step(self, state: State, fact: Fact) -> Step[State]:
        """Fold one fact, which may be a `time.passed` that is said to the whole partition."""
        ...

    def write(self, state: State) -> bytes: ...

    def read(self, body: bytes) -> State:
        """Take a state from its bytes.

        Raises
        ------
        SnapshotError
            If they are none.
        """
        ...

    def belief(self, state: State) -> bytes:
        """Give what the order of arrival must not change."""
        ...

    def on_wall_clock(self, state: State) -> bool: ...

    def hears(self, state: State, event: Event) -> bool:
        """Tell whether a `time.passed` said to the whole partition is for this twin."""
        ...


class _Kept(Struct, frozen=True):
    """One twin in a snapshot. `standing` are its alerts: by rule, the effect id that each was raised with."""

    key: str
    body: bytes
    standing: dict[str, str]


class _Snapshot(Struct, frozen=True):
    version: int
    model: str
    twins: list[_Kept]


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)
_KIND_ORDER: dict[Kind, int] = {
    "reject": 0, "estimate": 1, "forecast": 2, "alert": 3, "request": 4, "correction": 5, "consequence": 6,
}  # fmt: skip


@dataclass(slots=True)
class _One(Generic[State]):
    state: State
    standing: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None  # as last written; None since it changed


class ScalarBlock(Generic[State]):
    """All twins of one scalar kind in one partition. See `twins/block.py` for what each verb promises."""

    def __init__(self, twin: Twin[State]) -> None:
        self.kind = twin.kind
        self._twin = twin
        self._twins: dict[str, _One[State]] = {}

    def wanted(self, frame: Frame) -> Sequence[Wanted]:
        """A scalar twin keeps what it needs in its own state."""
        return ()

    def apply(self, frame: Frame, past: Past) -> Effects:
        """Fold the frame."""
        effects = Effects(np.ones(len(frame.facts), dtype=np.bool_))
        refused = {one.offset: one for one in frame.refused if not one.channel}
        pending = sorted(
            [(fact.offset, place) for place, fact in enumerate(frame.facts)] + [(at, -1) for at in refused]
        )
        speech = _Speech(frame, self._twin.name, self.kind, effects)
        for offset, place in pending:
            speech.begin(offset)
            if place < 0:
                speech.refuse(refused[offset])
            elif not self._fold(frame.facts[place], speech):
                effects.accepted[place] = False
        return effects

    def _fold(self, fact: Fact, speech: _Speech) -> bool:
        """Fold one fact into its twin, or into all that hear it; tell whether it counts."""
        key = fact.event.subject
        if not key:
            for name, one in self._twins.items():
                if self._twin.hears(one.state, fact.event):
                    self._step(name, one, fact, speech)
            return True
        known = self._twins.get(key)
        if known is None and len(self._twins) >= MOST_TWINS:
            speech.refuse(refused_of(fact, _too_many(key)))
            return False
        twin = _One(self._twin.start(key)) if known is None else known
        counts = self._step(key, twin, fact, speech)
        if counts:
            self._twins.setdefault(key, twin)
        return counts

    def _step(self, key: str, one: _One[State], fact: Fact, speech: _Speech) -> bool:
        step = self._twin.step(one.state, fact)
        if step.refused is not None:
            speech.refuse(refused_of(fact, step.refused))
            return False
        one.state, one.body = step.state, None
        for said in sorted(step.said, key=lambda said: _KIND_ORDER[said.kind]):
            speech.say(key, fact, said, one.standing)
        return True

    def snapshot(self) -> bytes:
        """Give the whole state as bytes. What did not change since the last time is not written anew."""
        kept = []
        for key, one in self._twins.items():
            if one.body is None:
                one.body = self._twin.write(one.state)
            kept.append(_Kept(key, one.body, one.standing))
        return MAGIC + _ENCODE.encode(_Snapshot(SNAPSHOT_VERSION, self._twin.name, kept))

    def restore(self, body: bytes) -> None:
        """Take the state of a snapshot of the same kind, model and version."""
        if body[:4] != MAGIC:
            raise SnapshotError(
                f"expected a snapshot of {self.kind}, received {body[:4]!r}; restore an older checkpoint"
            )
        try:
            read = _DECODE.decode(body[4:])
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"expected a readable snapshot of {self.kind}, received {error}") from None
        if read.version != SNAPSHOT_VERSION or read.model != self._twin.name:
            raise SnapshotError(
                f"expected a snapshot of version {SNAPSHOT_VERSION} and model {self._twin.name}, received version "
                f"{read.version} and model {read.model}; put the old configuration back, or fold the log from its start"
            )
        self._fill(read)

    def adopt(self, old: Block, frame: Frame, load: LoadPast) -> Effects:
        """Take over all twins of a block with another configuration. See `twins/block.py`.

        What a scalar twin holds are facts, and what it said of them: it believes at once what the new configuration
        makes of them, and says so when it speaks next, alerts too.
        """
        if not isinstance(old, ScalarBlock) or old.kind != self.kind:
            raise SnapshotError(f"expected a block of {self.kind}, received one of {old.kind}")
        self._fill(_DECODE.decode(old.snapshot()[len(MAGIC) :]))
        return Effects(np.ones(len(frame.facts), dtype=np.bool_))

    def _fill(self, read: _Snapshot) -> None:
        self._twins = {one.key: _One(self._twin.read(one.body), dict(one.standing), one.body) for one in read.twins}

    def keys(self) -> Sequence[str]:
        """Give the keys of all twins, in the order they began."""
        return tuple(self._twins)

    def on_wall_clock(self) -> bool:
        """Tell whether any twin here lives by the wall's clock."""
        return any(self._twin.on_wall_clock(one.state) for one in self._twins.values())

    def belief(self, key: str) -> bytes:
        """Give what arrival order must not change of one twin."""
        return self._twin.belief(self._twins[key].state)


class _Speech:
    """Gives the effects of each record of a frame their ids, in the order in which they are said."""

    def __init__(self, frame: Frame, model: str, kind: str, effects: Effects) -> None:
        self._place = ""
        self._topic, self._partition = frame.topic, frame.partition
        self._model, self._kind = model, kind
        self._n = 0
        self._times: dict[int, str] = {}  # that were written
        self._lists: dict[Kind, list[Effect]] = {
            "reject": effects.rejects,
            "estimate": effects.estimates,
            "forecast": effects.forecasts,
            "alert": effects.alerts,
            "request": effects.requests,
            "correction": effects.corrections,
            "consequence": effects.consequences,
        }

    def begin(self, offset: int) -> None:
        """Go on with the record at an offset."""
        self._place, self._n = f"{self._topic}/{self._partition}/{offset}", 0

    def say(self, key: str, fact: Fact, said: Said, standing: dict[str, str]) -> None:
        event_time = said.event_time or fact.event.event_time
        name = f"{self._place}/{self._n}"
        if said.kind == "alert":
            said.data["alert"] = self._identity(name, said, standing)
        self._add(said.kind, said.lane, key, event_time, fact.event.record_time, said.data)

    def _identity(self, name: str, said: Said, standing: dict[str, str]) -> str:
        if said.data["action"] == "clear":
            return standing.pop(said.rule)
        return standing.setdefault(said.rule, name)

    def refuse(self, refused: Refused) -> None:
        data = reject_data(refused, self._topic, self._partition)
        self._add("reject", "qualified", refused.key, refused.event_time, refused.record_time, data)

    def _add(
        self, kind: Kind, lane: Lane, key: str, event_time: int, record_time: int, data: dict[str, Any]
    ) -> None:  # fmt: skip
        name = f"{self._place}/{self._n}"
        self._n += 1
        times = self._time(event_time), self._time(record_time)
        self._lists[kind].append(Effect(name, kind, lane, self._kind, key, *times, self._model, data))

    def _time(self, instant: int) -> str:
        text = self._times.get(instant)
        if text is None:
            text = self._times[instant] = format_instant(instant)
        return text


def _too_many(key: str) -> InvalidFieldError:
    return InvalidFieldError(
        expected=f"at most {MOST_TWINS} twins in a partition",
        received=f"one more, {key!r}"[:120],
        where="subject",
        advice="does the source make up a key for every record?",
    )
