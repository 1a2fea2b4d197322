"""One partition's twins: where they stand, and how a frame of raw records becomes a `Folded`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import msgspec

from schemas.effects import Effect, RejectData
from schemas.errors import SnapshotError, printable
from schemas.ids import effect_id
from schemas.instants import Instant, format_instant
from schemas.partitions import ConfigurationChanged
from streams.ledger.claims import Checkpoint, Claim
from streams.ledger.connect import blames_record
from streams.ledger.folded import Changed, Folded, Skip
from twins.block import Adopts, Block, Effects, Model, Past, Shares, Sharing, Wanted
from twins.changing import changed_of, read_change
from twins.frame import UNKNOWN_TIME, Frame, FrameReader, RawRecord, Refused, known_at_of

MOST_SKIPS = 16  # of one frame
LoadPast = Callable[[Sequence[Wanted], int], Past]
ModelAfter = Callable[[int, int, ConfigurationChanged], Model | None]  # partition, offset, what a record says

TROUBLED_EXITS = 2  # after so many, records are folded with care
_MARK_RECORDS = 64  # folded with care, at most so many are folded again after one that raised


class PartitionFold:
    """The block of one partition and the next offset to fold.

    Parameters
    ----------
    model : Model
        Makes the block.
    topic, partition
        Whose records these are.
    load_past : callable
        Gives twins their kept past, as it was before an offset.
    model_after : callable
        Gives the model that a record changes to, None where the record may not change it.
    sharing : Sharing, optional
        Lets blocks that are folded at the same time do together what they compute alike.
    """

    def __init__(
        self,
        model: Model,
        topic: str,
        partition: int,
        load_past: LoadPast,
        model_after: ModelAfter = lambda *_: None,
        sharing: Sharing | None = None,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.next_offset = 0
        self.epoch = 0
        self._model = model
        self._load_past = load_past
        self._model_after = model_after
        self._sharing = sharing
        self._reader = FrameReader(topic, partition)
        self.block = self._empty(model)
        self._skipped: frozenset[int] = frozenset()
        self._careful_from = 0
        self._careful_until = 0

    def resume(self, claim: Claim, careful_records: int = 0) -> int:
        """Take the state of a claim's checkpoint; give the offset to fold from.

        After two exits near `applied`, the next `careful_records` from there on are folded one by one.
        """
        self.block = self._empty(self._model)
        self.next_offset = 0
        if claim.checkpoint is not None:
            self.block.restore(claim.checkpoint.body)
            self.next_offset = claim.checkpoint.next_offset
        self.epoch = claim.epoch
        self._skipped = claim.skipped
        self._careful_from = self._careful_until = 0
        if claim.troubles >= TROUBLED_EXITS:
            self._careful_from, self._careful_until = claim.applied, claim.applied + careful_records
        return self.next_offset

    def fold(self, records: Sequence[RawRecord]) -> Folded | None:
        """Fold records that follow on, as one; give None where all of them were folded before.

        A change of configuration counts only alone, as `fold_frame` hands it on.
        """
        fresh = self._fresh(records)
        return self._fold(fresh) if fresh else None

    def fold_frame(self, records: Sequence[RawRecord]) -> Iterator[Folded]:
        """Fold records that follow on: as one, or one by one where a process ended twice near here."""
        rest = self._fresh(records)
        while rest:
            at = rest[0].offset
            edge = next((edge for edge in (self._careful_from, self._careful_until) if at < edge), None)
            part = rest if edge is None else [record for record in rest if record.offset < edge]
            part = self._up_to_change(part)
            rest = rest[len(part) :]
            if self._careful_from <= at < self._careful_until:
                yield from self._fold_carefully(part)
            else:
                yield self._fold(part)

    @property
    def model(self) -> Model:
        """What the twins are computed with now."""
        return self._model

    def checkpoint(self) -> Checkpoint:
        """The state as it stands."""
        return Checkpoint(self.next_offset, self._model.name, self.block.snapshot())

    def _empty(self, model: Model) -> Block:
        block = model.empty()
        if self._sharing is not None and isinstance(block, Shares):
            block.share(self._sharing)
        return block

    def _fresh(self, records: Sequence[RawRecord]) -> Sequence[RawRecord]:
        if records[0].offset >= self.next_offset:
            return records
        return [record for record in records if record.offset >= self.next_offset]

    def _up_to_change(self, records: Sequence[RawRecord]) -> Sequence[RawRecord]:
        """Give the records before the first that tells of a change of configuration; that one alone if it is first."""
        for place, record in enumerate(records):
            if not record.key and read_change(self.topic, self.partition, record) is not None:
                return records[: max(1, place)]
        return records

    def _adopt(self, record: RawRecord) -> Folded | None:
        """Go on with another configuration, if the record says so and may; None where it is another record."""
        frame = None if record.key else read_change(self.topic, self.partition, record)
        if frame is None or record.offset in self._skipped or changed_of(frame).before != self._model.name:
            return None
        model = self._model_after(self.partition, record.offset, changed_of(frame))
        if model is None:
            return None
        block, before = self._empty(model), self.checkpoint()
        if not isinstance(block, Adopts):
            raise SnapshotError(f"expected twins that can change their configuration, {model.kind} cannot")
        effects = block.adopt(self.block, frame, lambda wanted: self._load_past(wanted, record.offset))
        self.block, self._model, self.next_offset = block, model, record.offset + 1
        changed = Changed(changed_of(frame), before)
        return Folded(frame, effects, self.epoch, self.next_offset, {}, changed=changed)

    def _fold(self, records: Sequence[RawRecord], skips: Sequence[Skip] = ()) -> Folded:
        if len(records) == 1 and not skips and (adopted := self._adopt(records[0])) is not None:
            return adopted
        left_out = self._skipped | {skip.offset for skip in skips}
        kept = [record for record in records if record.offset not in left_out] if left_out else records
        if kept:
            frame = self._reader.read(kept)
            if len(kept) < len(records):
                frame = replace(frame, first=records[0].offset, last=records[-1].offset)
        else:
            frame = Frame(self.topic, self.partition, records[0].offset, records[-1].offset, [], [], [])
        wanted = self.block.wanted(frame)
        past = self._load_past(wanted, frame.first) if wanted else {}
        effects = self.block.apply(frame, past)
        if left_out:
            _add_skipped(effects, frame, self._model.name, [record for record in records if record.offset in left_out])
        self.next_offset = records[-1].offset + 1
        return Folded(frame, effects, self.epoch, self.next_offset, _originals(effects, records), None, list(skips))

    def _fold_carefully(self, records: Sequence[RawRecord]) -> Iterator[Folded]:
        """Fold one record at a time; one that raises is skipped, and the state is as if it had never been."""
        mark, start = self.block.snapshot(), self.next_offset
        since: list[RawRecord] = []
        for record in records:
            if len(since) == _MARK_RECORDS:
                mark, start, since = self.block.snapshot(), self.next_offset, []
            try:
                folded = self._fold([record])
                since.append(record)
            except Exception as error:
                if not blames_record(error):
                    raise
                self._rewind(mark, start)
                for earlier in since:
                    self._fold([earlier])
                folded = self._fold([record], [Skip(record.offset, f"{type(error).__name__}: {error}")])
                mark, start, since = self.block.snapshot(), self.next_offset, []
            if folded.changed is not None:  # a mark of the configuration before it is of no more use
                mark, start, since = self.block.snapshot(), self.next_offset, []
            folded.alone = record.offset
            yield folded

    def _rewind(self, body: bytes, next_offset: int) -> None:
        self.block = self._empty(self._model)
        self.block.restore(body)
        self.next_offset = next_offset


def _add_skipped(effects: Effects, frame: Frame, model: str, records: Sequence[RawRecord]) -> None:
    """Say of each record that is left out that it is, and make room for it among the refused (its append time)."""
    for record in records:
        known_at = known_at_of(record)
        key = printable(record.key.decode("utf-8", "replace")[:128]) if record.key else ""
        refused = Refused(
            record.offset,
            known_at,
            key,
            UNKNOWN_TIME,
            UNKNOWN_TIME,
            "program_error",
            "a record the program can fold",
            "one that made it raise twice",
            "program",
            "report it with the dead letter; the record is kept there",
        )
        frame.refused.append(refused)
        effects.rejects.append(reject_of(refused, frame.topic, frame.partition, model))


def reject_of(refused: Refused, topic: str, partition: int, model: str) -> Effect:
    """Make the reject effect of a record that the program itself set aside."""
    data = RejectData(
        refused.reason,
        refused.expected,
        refused.received,
        refused.where,
        refused.advice,
        topic,
        partition,
        refused.offset,
    )
    at = format_instant(Instant(refused.event_time))
    return Effect(
        effect_id(topic, partition, refused.offset, 0),
        "reject",
        "qualified",
        topic.partition(".")[0],
        refused.key,
        at,
        format_instant(Instant(refused.record_time)),
        model,
        msgspec.to_builtins(data),
    )


def _originals(effects: Effects, records: Sequence[RawRecord]) -> dict[int, tuple[bytes | None, bytes | None]]:
    if not effects.rejects:
        return {}
    wanted = {int(effect.id.rsplit("/", 2)[1]) for effect in effects.rejects}
    return {record.offset: (record.key, record.value) for record in records if record.offset in wanted}
