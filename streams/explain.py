"""How one effect came to be: its record is folded again by the code that runs live, and what is said is compared.

From the ledger: the partition is refolded from the newest checkpoint before the record, as `verify` does it, and the
effect is compared with the one that was written, bit for bit. From a file: everything is folded twice, in frames that
end elsewhere. Where an effect rests on a re-simulation, that can be repeated too (`streams/jobs/repeat.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg

from schemas.effects import order_of, write_effect
from schemas.errors import InputError, LedgerError, UsageError
from schemas.events import read_record, write_structured
from streams.engine.partition import PartitionFold
from streams.fold import place_lines
from streams.ledger.audits import anchored_standings
from streams.ledger.claims import Claim
from streams.ledger.explained import newest_beginning, program_at, read_written
from streams.ledger.program import program
from streams.verify import ReadLog, refolding
from twins.block import Model, Past, Wanted
from twins.frame import RawRecord
from twins.past import MemoryPast

FRAME_RECORDS = 1777  # as `verify`: any gives the same
_AROUND = 60  # bytes shown on each side of a difference
Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class Place:
    """Where an effect is: the record that it came of, and its number among those of that record."""

    topic: str
    partition: int
    offset: int
    n: int

    @property
    def kind(self) -> str:
        """The twin's kind."""
        return self.topic.removesuffix(".events")


@dataclass(slots=True)
class Explanation:
    """An effect, its record, and whether it came out again. `difference` is in words; empty if identical.

    `event` is the record as one CloudEvents object, or its bytes as text where nobody can read it. `folded_from` is the
    offset at which folding began, `beginning` what stood there; `records` were folded.
    """

    place: Place
    effect: Json
    event: Any  # JSON
    compared_with: str
    beginning: str
    folded_from: int
    records: int
    known_at: str | None = None
    program_then: dict[str, str] = field(default_factory=dict)
    difference: str = ""
    notes: list[str] = field(default_factory=list)
    job: Json | None = None

    def document(self) -> Json:
        """Give all of it as JSON."""
        at = self.place
        return {
            "id": f"{at.topic}/{at.partition}/{at.offset}/{at.n}",
            "identical": not self.difference,
            "difference": self.difference or None,
            "compared_with": self.compared_with,
            "record": {"topic": at.topic, "partition": at.partition, "offset": at.offset, "event": self.event},
            "known_at": self.known_at,
            "effect": self.effect,
            "model": self.effect["model"],
            "folded": {"beginning": self.beginning, "from_offset": self.folded_from, "records": self.records},
            "program": {"then": self.program_then or None, "now": program()},
            "job": self.job,
            "notes": self.notes,
        }


def place_of(effect_id: str) -> Place:
    """Read an effect's id.

    Raises
    ------
    UsageError
        If it is none of a twin's.

    Examples
    --------
    >>> place_of("bioreactor.events/3/17/0").offset
    17
    """
    try:
        place = Place(*order_of(effect_id))
    except ValueError:
        place = Place("", 0, 0, 0)
    if not place.topic.endswith(".events") or min(place.partition, place.offset, place.n) < 0:
        raise UsageError(
            f"expected an effect's id, topic/partition/offset/n, received {effect_id!r:.140};"
            " every effect carries its own"
        )
    return place


def explain(
    connection: psycopg.Connection[Any], model: Model, place: Place, read_log: ReadLog, first_kept: int
) -> Explanation:
    """Fold an effect's record again, and compare with what the ledger has.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit, as for `verify`.
    model : Model
        At hand; where the twins were computed with another, the ledger's configuration of it is used.
    first_kept : int
        The oldest offset of the partition that the log still holds.

    Raises
    ------
    LedgerError
        If the ledger has no such effect, or the log no longer all that is needed to fold it again.
    """
    topic, partition = place.topic, place.partition
    written = read_written(connection, topic, partition, place.offset, place.n)
    standing = next((one for one in anchored_standings(connection, topic) if one.partition == partition), None)
    if written is None or standing is None:
        raise LedgerError(
            f"expected an effect that the ledger has, received {_name(place)}; `twinstream export` lists them"
        )
    effect = msgspec.json.decode(written.line)
    begun = newest_beginning(connection, topic, partition, first_kept, place.offset)
    if begun is None and first_kept > 0:
        raise LedgerError(
            f"expected records from a checkpoint before offset {place.offset} on, the log of {topic}/{partition} begins"
            f" at {first_kept}; keep it for longer (TWINSTREAM_RETENTION_DAYS)"
        )
    kept = MemoryPast()
    checkpoint = None if begun is None else begun.checkpoint
    fold = refolding(connection, model, standing, checkpoint, kept, effect["model"] if checkpoint is None else None)
    start = fold.next_offset

    def read() -> Iterable[Sequence[RawRecord]]:
        while fold.next_offset <= place.offset:
            count = min(FRAME_RECORDS, place.offset + 1 - fold.next_offset)
            found = read_log(topic, partition, fold.next_offset, count)
            yield [record for record in found if record.offset <= place.offset]

    found = _found(fold, kept, read(), place)
    about = Explanation(
        place=place,
        effect=effect,
        event=found.event,
        compared_with="the ledger",
        beginning="the log's beginning" if begun is None else f"{begun.kind} checkpoint",
        folded_from=start,
        records=found.records,
        known_at=written.known_at,
        program_then=program_at(connection, topic, partition, place.offset),
        difference=_difference(written.line, found.line),
    )
    about.notes += [
        f"computed with {name} {then!r}, here it is {now!r}: last bits may differ"
        for name, now in program().items()
        if (then := about.program_then.get(name, now)) != now
    ]
    return about


def explain_file(model: Model, lines: Iterable[bytes], place: Place, stored: bytes | None = None) -> Explanation:
    """Fold a file of events up to an effect's record, twice in other frames, and compare.

    Parameters
    ----------
    stored : bytes, optional
        The effect's line as it was written before; compared too.

    Raises
    ------
    UsageError
        If no record of the file has that effect.
    """
    records = place_lines(model.kind, lines).get(place.partition, [])
    upto = [record for record in records if record.offset <= place.offset]
    whole, cut = (_folded_here(model, place, upto, frame_records) for frame_records in (FRAME_RECORDS, 61))
    if whole.line is None:
        raise UsageError(f"expected an effect that this file's events have, received {_name(place)}")
    other = cut.line if stored is None else stored
    return Explanation(
        place=place,
        effect=msgspec.json.decode(whole.line),
        event=whole.event,
        compared_with="a fold in other frames" if stored is None else "the file of effects",
        beginning="the file's beginning",
        folded_from=0,
        records=whole.records,
        difference=_difference(other or b"", whole.line),
    )


@dataclass(slots=True)
class _Found:
    line: bytes | None = None
    event: Any = None  # JSON
    records: int = 0


def _folded_here(model: Model, place: Place, records: Sequence[RawRecord], frame_records: int) -> _Found:
    kept = MemoryPast()

    def load(wanted: Sequence[Wanted], before: int) -> Past:
        return kept.load(wanted, before)

    fold = PartitionFold(model, place.topic, place.partition, load)
    fold.resume(Claim(place.topic, place.partition, 0, 0, None, frozenset(), 0))
    frames = (records[start : start + frame_records] for start in range(0, len(records), frame_records))
    return _found(fold, kept, frames, place)


def _found(fold: PartitionFold, kept: MemoryPast, frames: Iterable[Sequence[RawRecord]], place: Place) -> _Found:
    """Fold frames up to a record, and keep what it said."""
    found, wanted = _Found(), _name(place)
    for records in frames:
        if not records:
            break
        for folded in fold.fold_frame(records):
            kept.keep(folded.frame, folded.effects)
            if folded.frame.first <= place.offset <= folded.frame.last:
                said = (effect for effect in folded.effects.all() if effect.id == wanted)
                found.line = next((write_effect(effect) for effect in said), None)
        found.records += len(records)
        if records[-1].offset == place.offset:
            found.event = _event(records[-1])
    return found


def _event(record: RawRecord) -> Any:  # JSON
    try:
        return msgspec.json.decode(write_structured(read_record(record.key, record.value, record.headers)))
    except InputError:
        return (record.value or b"").decode("utf-8", "replace")


def _difference(written: bytes, refolded: bytes | None) -> str:
    if refolded is None:
        return "folded again, the record has no such effect"
    if written == refolded:
        return ""
    shorter = min(len(written), len(refolded))
    at = next((i for i, (a, b) in enumerate(zip(written, refolded, strict=False)) if a != b), shorter)
    around = slice(max(0, at - _AROUND), at + _AROUND)
    before, again = (line[around].decode("utf-8", "replace") for line in (written, refolded))
    return f"folded again, it differs from byte {at} on: written ...{before}..., folded again ...{again}..."


def _name(place: Place) -> str:
    return f"{place.topic}/{place.partition}/{place.offset}/{place.n}"
