"""Fold a file of events through the very code that runs live: no broker, no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from connectors.jsonl import outgoing
from schemas.effects import write_effect
from schemas.errors import UsageError
from schemas.events import Headers
from schemas.placement import partition_of
from schemas.topics import input_topic
from streams.engine.partition import PartitionFold
from streams.ledger.claims import Claim
from twins.block import Model, Past, Wanted
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
    kept = MemoryPast()

    def load(wanted: Sequence[Wanted], before: int) -> Past:
        return kept.load(wanted, before)

    fold = PartitionFold(model, topic, partition, load)
    fold.resume(Claim(topic, partition, 0, 0, None, frozenset(), 0))
    for start in range(0, len(records), frame_records):
        folded = fold.fold(records[start : start + frame_records])
        if folded is not None:
            kept.keep(folded.frame, folded.effects)
            for effect in folded.effects.all():
                yield write_effect(effect)


def fold_lines(model: Model, lines: Iterable[bytes], frame_records: int = FRAME_RECORDS) -> Iterator[bytes]:
    """Fold event lines of one twin kind; give all effects sorted by (topic, partition, offset, n)."""
    topic = input_topic(model.kind).name
    placed = place_lines(model.kind, lines)
    for partition in sorted(placed):
        yield from fold_records(model, topic, partition, placed[partition], frame_records)


def _own_place(line: bytes) -> _Place:
    if b'"offset"' not in line and b'"partition"' not in line:
        return _Place()
    try:
        return msgspec.json.decode(line, type=_Place)
    except msgspec.MsgspecError:
        return _Place()
