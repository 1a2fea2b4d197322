"""Refold from the oldest kept anchor to what is applied, and compare with what the live run wrote, bit for bit.

Compared, per partition: the state at the newest checkpoint, and every effect of the qualified lane since the anchor.
Each stretch is folded with its own configuration, as the ledger keeps it, and each change between two is made again.
What the advisory lane has learned is no part of that; where it differs, a note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from schemas.effects import write_effect
from schemas.errors import SnapshotError
from schemas.partitions import ConfigurationChanged
from streams.changing import model_named
from streams.engine.partition import PartitionFold
from streams.ledger import changes, claims
from streams.ledger.audits import Standing, anchored_standings, program_of, qualified_lines
from streams.ledger.memory import load_past
from streams.ledger.program import program
from twins.block import KeepsAdvice, Model, Past, TwinPast, Wanted
from twins.frame import RawRecord
from twins.past import MemoryPast

ReadLog = Callable[[str, int, int, int], Sequence[RawRecord]]  # topic, partition, offset, limit -> records


@dataclass(slots=True)
class PartitionVerdict:
    """What verifying one partition found. `difference` is the first, in words; empty if identical."""

    topic: str
    partition: int
    from_offset: int
    to_offset: int
    records: int = 0
    effects: int = 0
    state_compared: bool = False
    difference: str = ""
    notes: list[str] = field(default_factory=list)


def verify(
    connection: psycopg.Connection[Any],
    model: Model,
    topic: str,
    read_log: ReadLog,
    first_kept: Callable[[str, int], int],
    frame_records: int,
    *,
    gapless: bool = True,
) -> Iterator[PartitionVerdict]:
    """Verify every partition of a topic.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit: a fold may take longer than the server lets a transaction stay open.
    read_log : callable
        Reads records of the topic.
    first_kept : callable
        The oldest offset that the log still holds.
    frame_records : int
        Frames of the refold; the result must not depend on it.
    gapless : bool
        Whether the log numbers its records without holes: the embedded one does, Kafka need not.
    """
    if not connection.autocommit:
        raise ValueError("expected a connection in autocommit, received one that would hold a transaction over folds")
    for standing in anchored_standings(connection, topic, gapless=gapless):
        yield _verify_partition(
            connection, model, standing, read_log, first_kept(topic, standing.partition), frame_records
        )


def _verify_partition(
    connection: psycopg.Connection[Any],
    model: Model,
    standing: Standing,
    read_log: ReadLog,
    first_kept: int,
    frame_records: int,
) -> PartitionVerdict:
    topic, partition = standing.topic, standing.partition
    start = 0 if first_kept == 0 else next((at for at in standing.anchors if at >= first_kept), -1)
    verdict = PartitionVerdict(topic, partition, max(start, 0), standing.applied)
    if start < 0 or start > standing.applied:
        verdict.difference = (
            f"the log begins at offset {first_kept} and no anchor lies at or after it: nothing can be refolded;"
            " keep the log for longer than a day"
        )
        return verdict
    kept = MemoryPast()
    try:
        live = (
            claims.load_checkpoint(connection, topic, partition, standing.checkpoint) if standing.checkpoint else None
        )
        checkpoint = claims.load_checkpoint(connection, topic, partition, start, "anchor") if start else None
        fold = refolding(connection, model, standing, checkpoint, kept, None if live is None else live.model)
    except SnapshotError as error:
        verdict.difference = str(error)
        return verdict
    _note_program(connection, standing, verdict)
    _refold(fold, kept, standing, live, connection, read_log, frame_records, verdict)
    return verdict


def refolding(
    connection: psycopg.Connection[Any],
    model: Model,
    standing: Standing,
    checkpoint: claims.Checkpoint | None,
    kept: MemoryPast,
    spoken: str | None,
) -> PartitionFold:
    """Make a partition ready to be folded again, from a checkpoint or from the log's beginning.

    Parameters
    ----------
    model : Model
        At hand; where the twins were computed with another, the ledger's configuration of it is used.
    kept : MemoryPast
        Takes what the twins keep from there on; whoever folds hands it each frame's effects.
    spoken : str or None
        The model's name at a beginning before which no change was made; None: the one at hand.

    Raises
    ------
    SnapshotError
        If the ledger does not keep a configuration that is needed.
    """
    topic, partition = standing.topic, standing.partition
    start = 0 if checkpoint is None else checkpoint.next_offset

    def load(wanted: Sequence[Wanted], before: int) -> Past:
        if not start:
            return kept.load(wanted, before)
        # what the twins kept before the anchor comes from the ledger; what came after it is refolded here
        older = load_past(connection, model.kind, wanted, start)
        for past in older.values():
            kept.seed([past.mark, *past.inputs] if past.mark is not None else past.inputs)
        newer = kept.load(wanted, before)
        return {key: TwinPast(past.mark, past.inputs, past.seen | older[key].seen) for key, past in newer.items()}

    def model_after(partition: int, offset: int, data: ConfigurationChanged) -> Model | None:
        approved = changes.is_approved(connection, topic, partition, offset, data)
        return _model_named(connection, model, data.after) if approved else None

    name = changes.first_model(connection, topic, partition) or spoken or model.name
    began = _model_named(connection, model, name if checkpoint is None else checkpoint.model)
    fold = PartitionFold(began, topic, partition, load, model_after)
    fold.resume(claims.Claim(topic, partition, 0, standing.applied, checkpoint, standing.skipped, 0))
    return fold


def _model_named(connection: psycopg.Connection[Any], model: Model, name: str) -> Model:
    """Give the model of a stretch: the one at hand, else by the configuration that the ledger keeps."""
    return model if model.name == name else model_named(connection, model.kind, name)


def _refold(
    fold: PartitionFold,
    kept: MemoryPast,
    standing: Standing,
    live: claims.Checkpoint | None,
    connection: psycopg.Connection[Any],
    read_log: ReadLog,
    frame_records: int,
    verdict: PartitionVerdict,
) -> None:
    """Fold on to `applied`, comparing on the way; stop at the first difference."""
    while fold.next_offset < standing.applied:
        if live is not None and fold.next_offset == live.next_offset:
            _compare_state(fold, live, verdict)
        limit = standing.applied
        if live is not None and fold.next_offset < live.next_offset:
            limit = live.next_offset
        start = fold.next_offset
        records = [
            record
            for record in read_log(standing.topic, standing.partition, start, min(frame_records, limit - start))
            if record.offset < limit
        ]
        if not records:
            if standing.gapless:
                verdict.difference = f"the log has no record at offset {start}, the ledger is at {standing.applied}"
                return
            fold.next_offset = limit  # Kafka: the rest of the range holds no records (transactions, compaction)
            continue
        refolded: list[bytes] = []
        for folded in fold.fold_frame(records):
            kept.keep(folded.frame, folded.effects)
            refolded += [write_effect(one) for one in folded.effects.all() if one.lane == "qualified"]
            if folded.changed is not None:
                data = folded.changed.data
                verdict.notes.append(f"change {data.change} at offset {folded.frame.first}: from there {data.after}")
        verdict.records += len(records)
        written = qualified_lines(connection, standing.topic, standing.partition, start, fold.next_offset)
        verdict.effects += len(written)
        if refolded != written:
            verdict.difference = _first_difference(refolded, written)
            return
        if verdict.difference:
            return
    if live is not None and fold.next_offset == live.next_offset and not verdict.state_compared:
        _compare_state(fold, live, verdict)


def _compare_state(fold: PartitionFold, live: claims.Checkpoint, verdict: PartitionVerdict) -> None:
    verdict.state_compared = True
    body, written = fold.block.snapshot(), live.body
    if body == written:
        return
    if isinstance(fold.block, KeepsAdvice):
        body, written = fold.block.qualified(body), fold.block.qualified(written)
        if body == written:
            verdict.notes.append(f"what the advisory lane has learned by offset {live.next_offset} differs")
            return
    at = next((i for i, (a, b) in enumerate(zip(body, written, strict=False)) if a != b), min(len(body), len(written)))
    verdict.difference = (
        f"the state at offset {live.next_offset} differs: {len(written)} bytes live, {len(body)} refolded,"
        f" first difference at byte {at}"
    )


def _first_difference(refolded: Sequence[bytes], written: Sequence[bytes]) -> str:
    for ours, theirs in zip(refolded, written, strict=False):
        if ours != theirs:
            return f"first different effect\n  live     {theirs.decode()}\n  refolded {ours.decode()}"
    if len(refolded) > len(written):
        return f"the live run lacks an effect\n  refolded {refolded[len(written)].decode()}"
    return f"the live run has an effect more\n  live     {written[len(refolded)].decode()}"


def _note_program(connection: psycopg.Connection[Any], standing: Standing, verdict: PartitionVerdict) -> None:
    then, now = program_of(connection, standing.topic, standing.partition), program()
    for name, value in then.items():
        if name in ("numpy", "machine", "simd") and now.get(name) != value:
            verdict.notes.append(
                f"the checkpoint was made with {name} {value!r}, here it is {now.get(name)!r}: last bits may differ"
            )
