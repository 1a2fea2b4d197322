"""What a connector hands over: entries (facts, or lines nobody can read), and the records made of them.

A connector reads *items*; an item is one line, row or message of the outside with its resumable position and
the entries that came of it. `encode` turns an entry into the records that are appended to a topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from schemas.errors import InvalidFieldError
from schemas.events import STRUCTURED, Event, family_of, pack_headers, read_headers, write_headers, write_value
from schemas.ids import check_id
from schemas.instants import SECOND, Instant
from schemas.topics import PARTITIONS, TOPICS

FAMILY = "bioreactor"  # where an entry goes that does not name its family itself (`time.passed`, a bad line)


@dataclass(frozen=True, slots=True)
class BadLine:
    """What could not be made a fact, kept as it came, so that the agent rejects it with its reason.

    `raw` is what is appended; reading it as a structured event fails. `subject` is the twin it was for,
    where that could be read; `event_time` [us] places it in a paced replay.
    """

    raw: bytes
    subject: str | None = None
    event_time: int | None = None
    family: str | None = None


Entry = Event | BadLine


class Item(NamedTuple):
    """One thing read. `position` names the place *after* it: `items(after=position)` goes on with the next."""

    position: str
    entries: tuple[Entry, ...]


class Outgoing(NamedTuple):
    """One record to append. `partition` is set where the key does not decide it; `event_time` [us] is for pacing."""

    family: str
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] | bytes  # bytes: one msgpack map, as the embedded log keeps them
    partition: int | None = None
    event_time: int | None = None

    @property
    def topic(self) -> str:
        """Name the input topic the record belongs on."""
        return f"{self.family}.events"


class Source(Protocol):
    """What can be read from its beginning, or from after any position it gave out.

    Not promised: that an item is given once only. After a crash the items since the last kept position come
    again, with the same event ids; twins drop them as duplicates.
    """

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Read on. Called once per run; never raises for a bad item, raises UsageError for a bad source."""
        ...


def encode(entry: Entry, family: str = FAMILY, partitions: int = PARTITIONS) -> list[Outgoing]:
    """Make the records of one entry: one, but for a key-less `time.passed`, which every partition must see.

    A fact travels in binary mode; a bad line as it came, as a structured event, keyed by its subject if it had
    one, so that it is rejected in the same place live and in a fold.
    """
    if isinstance(entry, BadLine):
        key = entry.subject.encode() if entry.subject else None
        headers = [("content-type", STRUCTURED.encode())]
        return [Outgoing(entry.family or family, key, entry.raw, headers, None if key else 0, entry.event_time)]
    named = family_of(entry.type)
    chosen = named if f"{named}.events" in TOPICS else family
    value, headers = write_value(entry), write_headers(entry)
    if entry.subject:
        return [Outgoing(chosen, entry.subject.encode(), value, headers, None, entry.event_time)]
    return [Outgoing(chosen, None, value, headers, partition, entry.event_time) for partition in range(partitions)]


def packed(record: Outgoing) -> Outgoing:
    """Give a record with its headers as the embedded log keeps them."""
    return record if isinstance(record.headers, bytes) else record._replace(headers=pack_headers(record.headers))


def encode_items(items: Iterable[Item], family: str = FAMILY, partitions: int = PARTITIONS) -> Iterator[Outgoing]:
    """Make the records of many items, in order. What names no family goes where the fact before it went."""
    for item in items:
        for entry in item.entries:
            family = family_said(entry, family)
            yield from encode(entry, family, partitions)


def family_said(entry: Entry, before: str = FAMILY) -> str:
    """Name the family that a source speaks of: the entry's own, else that of `before`.

    A `time.passed` names none: in a file of studies it is for studies.
    """
    if isinstance(entry, BadLine):
        return entry.family or before
    named = family_of(entry.type)
    return named if f"{named}.events" in TOPICS else before


def shift(entry: Entry, by: int) -> Entry:
    """Move an entry in time (`--as-if-now`) [us]. Its id tells the shift, so it is no duplicate of the recording."""
    if isinstance(entry, BadLine):
        when = None if entry.event_time is None else entry.event_time + by
        return BadLine(entry.raw, entry.subject, when, entry.family)
    return msgspec.structs.replace(
        entry,
        id=f"{entry.id}+{by // SECOND}"[:128],
        event_time=Instant(entry.event_time + by),
        record_time=Instant(entry.record_time + by),
    )


def as_line(record: Outgoing) -> bytes:
    """Spell a record as a structured event line, bad ones as they are. The data is spliced in, not read."""
    attributes = read_headers(record.headers)
    if not attributes.ce_type:
        return record.value
    document = {
        name.removeprefix("ce_"): value
        for name, value in msgspec.structs.asdict(attributes).items()
        if value and name not in ("content_type", "ce_schemaversion")
    }
    return msgspec.json.encode(document)[:-1] + b',"schemaversion":%b,"data":%b}' % (
        attributes.ce_schemaversion.encode(),
        record.value,
    )


def subject_or_none(text: object) -> str | None:
    """Give a subject back if it is one."""
    if not isinstance(text, str):
        return None
    try:
        return check_id(text, "subject")
    except InvalidFieldError:
        return None
