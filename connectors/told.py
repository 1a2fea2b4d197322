"""What a source has told already: so that an export read again tells only what is new, changed or gone.

Exports and resources say how things stand, not what happened. Each thing they say has a *slot* (a subject's
randomisation, a site's activation). Told anew it gives nothing; said otherwise, a fact that supersedes the former;
said no more, a fact that withdraws it. The memory can be kept in a file between two readings.

Ids are made of the slot and what is said, so that even without the memory the same statement is the same fact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from schemas.enrollment import FactName, FactWithdrawn
from schemas.errors import InvalidFieldError, UsageError
from schemas.events import EVENTS, Event
from schemas.ids import LONGEST
from schemas.instants import Instant

MOST_SLOTS = 2_000_000  # of one memory; some 200 MB


class Statement(Struct, frozen=True):
    """What a source says now of one slot of a scope. `data` is one of the event structs of `type`; times are [us].

    With `undated` the same words at another time are no change: a plan read again is not planned anew.
    """

    slot: str
    type: str
    event_time: Instant
    record_time: Instant
    data: Any
    undated: bool = False


class Said(Struct, frozen=True):
    """What was told of a slot: its newest fact's id, how often it changed, the digest of what it said, and when."""

    id: str
    revision: int
    digest: str
    event_time: int


def statement(
    slot: str, kind: str, event_time: Instant, record_time: Instant, data: dict[str, Any], where: str
) -> Statement:
    """Check what is said against its event type.

    Raises
    ------
    InvalidFieldError
        Naming `where` it stood.
    """
    try:
        checked = msgspec.convert({name: value for name, value in data.items() if value is not None}, EVENTS[kind])
    except msgspec.ValidationError as error:
        raise InvalidFieldError(
            expected=f"what {kind} takes", received=str(error), where=where, advice="correct the source or its mapping"
        ) from None
    return Statement(slot, kind, event_time, record_time, checked)


class Told:
    """The memory of one source: scopes (a subject, a site), each with its slots."""

    def __init__(self, scopes: dict[str, dict[str, Said]] | None = None) -> None:
        self.scopes: dict[str, dict[str, Said]] = scopes or {}
        self._slots = sum(map(len, self.scopes.values()))

    def copy(self) -> Told:
        """Give another memory of the same; what is told to one is not known to the other."""
        return Told({scope: dict(slots) for scope, slots in self.scopes.items()})

    def tell(self, source: str, study: str, scope: str, said: Iterable[Statement]) -> list[Event]:
        """Give the facts by which `said` goes beyond what was told of the scope. Slots not named are left alone."""
        slots = self.scopes.setdefault(f"{source}|{study}|{scope}", {})
        facts = []
        for one in said:
            former, digest = slots.get(one.slot), _digest(one)
            if former is not None and former.digest == digest:
                continue
            revision = 0 if former is None else former.revision + 1
            fact_id = name_fact(scope, one.slot, digest, revision)
            data = one.data
            if former is not None and former.digest:
                because = "told anew by the source"
                data = msgspec.structs.replace(data, supersedes=FactName(source, former.id), because=because)
            self._keep(slots, one.slot, Said(fact_id, revision, digest, one.event_time))
            facts.append(Event(fact_id, source, one.type, study, one.event_time, one.record_time, data))
        return facts

    def gone(
        self, source: str, study: str, scope: str, slots: Iterable[str], record_time: Instant, reason: str
    ) -> list[Event]:
        """Withdraw what was told of these slots; of those that were never told, or are withdrawn already, nothing."""
        known = self.scopes.get(f"{source}|{study}|{scope}", {})
        facts = []
        for slot in slots:
            former = known.get(slot)
            if former is None or not former.digest:
                continue
            revision = former.revision + 1
            known[slot] = Said(former.id, revision, "", former.event_time)
            fact_id = name_fact(scope, slot, "gone", revision)
            data = FactWithdrawn(FactName(source, former.id), reason)
            when = Instant(min(former.event_time, record_time))
            facts.append(Event(fact_id, source, "enrollment.fact_withdrawn", study, when, record_time, data))
        return facts

    def slots(self, source: str, study: str, scope: str) -> list[str]:
        """Name the slots of a scope that still stand."""
        return [slot for slot, said in self.scopes.get(f"{source}|{study}|{scope}", {}).items() if said.digest]

    def _keep(self, slots: dict[str, Said], slot: str, said: Said) -> None:
        self._slots += slot not in slots
        if self._slots > MOST_SLOTS:
            raise UsageError(f"expected at most {MOST_SLOTS} facts of one source, received more; split the source")
        slots[slot] = said


def read_told(path: Path | None) -> Told:
    """Read a memory; an empty one where there is no file yet.

    Raises
    ------
    UsageError
        If the file is something else.
    """
    if path is None or not path.exists():
        return Told()
    try:
        return Told(msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Said]]))
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"expected a memory of what was told, received {error}, for {path}; check --told") from None


def write_told(told: Told, path: Path) -> None:
    """Keep a memory: written beside and then put in place, so that a crash leaves the former one."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(msgspec.json.encode(told.scopes))
    beside.replace(path)


def name_fact(scope: str, slot: str, digest: str, revision: int) -> str:
    """Name a fact by what it says; too long a name is cut and told apart by a digest of the whole."""
    name = f"{scope}/{slot}/{digest[:12]}" + (f".{revision}" if revision else "")
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 33]}~{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"


def _digest(one: Statement) -> str:
    text = msgspec.json.encode([one.type, None if one.undated else one.event_time, one.data])
    return hashlib.blake2b(text, digest_size=12).hexdigest()
