"""Fold a file of events through the very code that runs live: no broker, no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import msgspec

from connectors.jsonl import outgoing
from schemas.effects import Effect, write_effect
from schemas.errors import UsageError
from schemas.events import Headers, read_headers, write_headers, write_value
from schemas.placement import partition_of
from schemas.topics import Topic, input_topic
from streams.consequences import told_of
from streams.engine.partition import PartitionFold
from streams.ledger.claims import Claim
from twins.block import Consequent, Model, Past, Wanted
from twins.past import MemoryPast

FRAME_RECORDS = 4000


class FileRecord(NamedTuple):
    """One record as a frame wants it. A file has no append time; effects do not depend on it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class _Place(msgspec.Struct):
    """Where an exported line says it lay."""

    partition: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class FoldCount:
    """What a fold went through."""

    records: int
    effects: int
    rejects: int


def place_lines(kind: str, lines: Iterable[bytes]) -> dict[int, list[FileRecord]]:
    """Give every line its partition and offset: its own where it carries them, else in file order.

    Raises
    ------
    UsageError
        If some lines of a partition carry an offset and others do not, or offsets do not ascend.
    """
    topic = input_topic(kind)
    placed: dict[int, list[FileRecord]] = {}
    for number, line in enumerate(lines, 1):
        own = _own_place(line)
        for record in outgoing([line], family=kind, partitions=topic.partitions):
            partition = own.partition if own.partition is not None else record.partition
            if partition is None:
                partition = partition_of(record.key, topic.partitions)
            rows = placed.setdefault(partition, [])
            last = rows[-1].offset if rows else -1
            offset = own.offset if own.offset is not None else last + 1
            if offset <= last:
                raise UsageError(
                    f"expected an offset above {last} in partition {partition}, received {offset}, in line {number};"
                    " export the topic in order, or leave out `offset` everywhere"
                )
            rows.append(FileRecord(offset, 0, record.key, record.value, record.headers))
    return placed


def fold_records(
    model: Model, topic: str, partition: int, records: Sequence[FileRecord], frame_records: int = FRAME_RECORDS
) -> Iterator[bytes]:
    """Fold one partition's records; give the canonical lines of its effects in order of (offset, n)."""
    for effect in _Folding(model, topic, partition).fold(records, frame_records):
        yield write_effect(effect)


def fold_lines(model: Model, lines: Iterable[bytes], frame_records: int = FRAME_RECORDS) -> Iterator[bytes]:
    """Fold event lines of one twin kind; give all effects sorted by (topic, partition, offset, n).

    What follows for other twins of the file is folded too, after what the file holds, unless the file tells of it
    already, as the export of a live run does.
    """
    topic = input_topic(model.kind)
    placed = place_lines(model.kind, lines)
    if isinstance(model, Consequent):
        yield from _fold_with_consequences(model, topic, placed, frame_records)
        return
    for partition in sorted(placed):
        yield from fold_records(model, topic.name, partition, placed[partition], frame_records)


class _Folding:
    """One partition that is folded as records come."""

    def __init__(self, model: Model, topic: str, partition: int) -> None:
        self._kept = MemoryPast()
        self._fold = PartitionFold(model, topic, partition, self._load)
        self._fold.resume(Claim(topic, partition, 0, 0, None, frozenset(), 0))

    def _load(self, wanted: Sequence[Wanted], before: int) -> Past:
        return self._kept.load(wanted, before)

    def fold(self, records: Sequence[FileRecord], frame_records: int) -> Iterator[Effect]:
        for start in range(0, len(records), frame_records):
            folded = self._fold.fold(records[start : start + frame_records])
            if folded is not None:
                self._kept.keep(folded.frame, folded.effects)
                yield from folded.effects.all()


def _fold_with_consequences(
    model: Model, topic: Topic, placed: dict[int, list[FileRecord]], frame_records: int
) -> Iterator[bytes]:
    """Fold in rounds: what a round says to other twins is what the next one folds. Effects wait in files for their
    turn, since a partition may speak again."""
    told = {(record.key, _name(record)) for rows in placed.values() for record in rows}
    foldings: dict[int, _Folding] = {}
    ends: dict[int, int] = {}
    with ExitStack() as files:
        said: dict[int, IO[bytes]] = {}
        while placed:
            following: dict[int, list[FileRecord]] = {}
            for partition, records in sorted(placed.items()):
                if partition not in foldings:
                    foldings[partition] = _Folding(model, topic.name, partition)
                    said[partition] = files.enter_context(TemporaryFile())
                ends[partition] = records[-1].offset
                for effect in foldings[partition].fold(records, frame_records):
                    said[partition].write(write_effect(effect) + b"\n")
                    if effect.kind == "consequence":
                        _tell(effect, topic, told, following)
            placed = {one: _numbered(rows, ends.get(one, -1) + 1) for one, rows in following.items()}
        for partition in sorted(said):
            said[partition].seek(0)
            yield from (line.rstrip(b"\n") for line in said[partition])


def _tell(
    effect: Effect, topic: Topic, told: set[tuple[bytes | None, bytes]], following: dict[int, list[FileRecord]]
) -> None:  # fmt: skip
    """Put an effect's event among those to be folded next, unless it was told already."""
    event = told_of(effect)
    record = FileRecord(-1, 0, event.subject.encode(), write_value(event), write_headers(event))
    name = record.key, _name(record)
    if name not in told:
        told.add(name)
        following.setdefault(partition_of(record.key, topic.partitions), []).append(record)


def _name(record: FileRecord) -> bytes:
    """Give an event's source and id, as its headers say them."""
    headers = read_headers(record.headers)
    return f"{headers.ce_source}\n{headers.ce_id}".encode()


def _numbered(records: Sequence[FileRecord], first: int) -> list[FileRecord]:
    return [record._replace(offset=first + place) for place, record in enumerate(records)]


def _own_place(line: bytes) -> _Place:
    if b'"offset"' not in line and b'"partition"' not in line:
        return _Place()
    try:
        return msgspec.json.decode(line, type=_Place)
    except msgspec.MsgspecError:
        return _Place()
