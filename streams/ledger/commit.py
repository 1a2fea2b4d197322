"""One transaction per commit round: history, applied offsets, effects, memory, outputs, and now and then a checkpoint.

What a round holds was folded in memory already. Whatever lies below `applied` was committed by an earlier try
or an earlier life, and falls away here: the effects' ids would be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import msgspec
import psycopg

from schemas.errors import StaleEpochError
from schemas.instants import parse_instant
from streams.ledger import binary, changes, claims
from streams.ledger.folded import Folded, Fresh, Output, Said, known_days
from streams.ledger.numbers import Numbers
from streams.ledger.partitions import Partitions
from streams.ledger.present import Present


class Outputs(Protocol):
    """Where a round's messages go, inside its transaction: the embedded log, or the outbox of a publisher."""

    def write(self, connection: psycopg.Connection[Any], outputs: Sequence[Output]) -> None: ...


Step = Callable[[str], None]


def _no_step(_: str) -> None:
    return


class Committer:
    """Commits rounds on one connection. Not thread-safe: one thread owns it.

    `at_step` is called with the name of each step as it is reached; tests kill the process there.
    """

    STEPS = (
        "begin",
        "fenced",
        "readings",
        "facts",
        "effects",
        "memory",
        "present",
        "outputs",
        "checkpoint",
        "commit",
        "committed",
    )

    def __init__(self, outputs: Outputs, at_step: Step = _no_step) -> None:
        self._outputs = outputs
        self._step = at_step
        self._partitions = Partitions()
        self._numbers: dict[str, Numbers] = {}  # by twin kind
        self._present = Present()
        self._anchored: dict[tuple[str, int], int] = {}

    def forget(self) -> None:
        """Drop what was learnt inside a transaction that may not have become durable."""
        for numbers in self._numbers.values():
            numbers.forget()
        self._partitions.forget()
        self._anchored.clear()

    def commit(self, connection: psycopg.Connection[Any], folded: Sequence[Folded]) -> int:
        """Commit a round; give the number of history rows.

        Raises
        ------
        StaleEpochError
            If somebody else owns one of the partitions; nothing is written.
        """
        fresh = [Fresh(one) for one in folded]  # what takes time and no lock comes before the transaction
        try:
            self._partitions.ensure(connection, known_days(folded))
            with connection.transaction():
                rows = self._write(connection, folded, fresh)
                self._step("commit")
        except BaseException:
            self.forget()
            raise
        self._step("committed")
        return rows

    def _write(self, connection: psycopg.Connection[Any], folded: Sequence[Folded], whole: Sequence[Fresh]) -> int:
        self._step("begin")
        applied = self._fence(connection, folded)
        self._step("fenced")
        fresh = [one.above(applied[one.frame.topic, one.frame.partition]) for one in whole]
        said = [(one, frame) for frame in fresh for one in frame.said]
        self._learn(connection, fresh)
        rows = self._write_readings(connection, fresh)
        self._step("readings")
        rows += self._write_facts(connection, fresh)
        self._step("facts")
        rows += self._write_effects(connection, said)
        self._step("effects")
        rows += self._write_memory(connection, fresh)
        self._step("memory")
        self._present.write(connection, self._numbers, said)
        self._step("present")
        self._outputs.write(connection, [output for one in fresh for _, output in one.outputs])
        self._step("outputs")
        self._write_changes(connection, folded, applied)
        self._write_checkpoints(connection, folded)
        self._step("checkpoint")
        return rows

    def _fence(self, connection: psycopg.Connection[Any], folded: Sequence[Folded]) -> dict[tuple[str, int], int]:
        """Move each partition's applied offset on, if we still own it; give where it stood."""
        wanted: dict[tuple[str, int], tuple[int, int]] = {}
        for one in folded:
            place = one.frame.topic, one.frame.partition
            # frames folded before a new claim of our own are stale too: they were folded again since
            epoch = min(one.epoch, wanted[place][0]) if place in wanted else one.epoch
            wanted[place] = (epoch, one.next_offset)
        rows = [(*place, *of_place) for place, of_place in sorted(wanted.items())]
        found = connection.execute(
            "with wanted as (select * from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[])"
            "   as w (topic, partition, epoch, next)),"
            " old as (select a.topic, a.partition, a.next_offset, w.next from applied a join wanted w"
            "   using (topic, partition, epoch) order by a.topic, a.partition for update of a)"
            " update applied a set next_offset = greatest(a.next_offset, old.next) from old"
            " where a.topic = old.topic and a.partition = old.partition"
            " returning a.topic, a.partition, old.next_offset",
            [list(column) for column in zip(*rows, strict=True)],
        ).fetchall()
        before = {(topic, partition): offset for topic, partition, offset in found}
        for (topic, partition), (epoch, _) in wanted.items():
            if (topic, partition) not in before:
                raise StaleEpochError(f"expected to own {topic}/{partition} with epoch {epoch}; another owner took it")
        return before

    def _learn(self, connection: psycopg.Connection[Any], fresh: Sequence[Fresh]) -> None:
        """Have a number for every twin that is written about."""
        by_kind: dict[str, list[Fresh]] = {}
        for one in fresh:
            by_kind.setdefault(one.kind, []).append(one)
        for kind, frames in by_kind.items():
            if kind not in self._numbers:
                self._numbers[kind] = Numbers(kind)
            self._learn_kind(connection, self._numbers[kind], frames)

    @staticmethod
    def _learn_kind(connection: psycopg.Connection[Any], numbers: Numbers, fresh: Sequence[Fresh]) -> None:
        new: dict[str, int] = {}  # with its partition
        asked: set[str] = set()
        for one in fresh:
            keys = one.columns.keys
            for place in numbers.unknown(keys):
                if one.accepted[place] and keys[place]:
                    new.setdefault(keys[place], one.frame.partition)
            for memory in one.memory:
                new.setdefault(memory.key, one.frame.partition)
            for said in one.said:
                if said.effect.kind == "reject":
                    asked.add(said.effect.key)
                elif (
                    said.effect.key
                ):  # time that passed may make a twin speak of whom nothing was heard since the start
                    new.setdefault(said.effect.key, one.frame.partition)
        numbers.learn(connection, new)
        numbers.recall(connection, asked)

    def _write_readings(self, connection: psycopg.Connection[Any], fresh: Sequence[Fresh]) -> int:
        chunks: list[bytes] = []
        total = 0
        for one in fresh:
            columns, numbers = one.columns, self._numbers[one.kind]
            twins = numbers.of(columns.keys)
            for group in one.frame.readings:
                keep = one.accepted[group.rows]
                rows = group.rows[keep]
                if not len(rows):
                    continue
                set_no = numbers.channel_set(connection, group.channels.tags, group.channels.units)
                chunks.append(
                    binary.reading_rows(
                        known_at=columns.known_at[rows],
                        twin_no=twins[rows],
                        channel_set=set_no,
                        event_time=columns.event_time[rows],
                        record_time=columns.record_time[rows],
                        rec_offset=columns.offsets[rows],
                        event_hash=columns.hashes[rows],
                        values=group.values[keep],
                        quality=group.quality[keep],
                    )
                )
                total += len(rows)
        _copy(
            connection,
            "reading (known_at, twin_no, channel_set, event_time, record_time, rec_offset, event_hash, vals, quality)",
            chunks,
        )
        return total

    def _write_facts(self, connection: psycopg.Connection[Any], fresh: Sequence[Fresh]) -> int:
        rows = []
        for one in fresh:
            for i in one.other_rows():
                fact = one.frame.facts[i]
                event = fact.event
                rows.append(
                    binary.row(
                        binary.instant(fact.known_at),
                        binary.int4(self._numbers[one.kind].twin(event.subject)),
                        binary.instant(event.event_time),
                        binary.instant(event.record_time),
                        binary.int8(fact.offset),
                        binary.int8(fact.hash),
                        binary.text(event.type),
                        binary.text(event.source),
                        binary.text(event.id),
                        binary.jsonb(msgspec.json.encode(event.data)),
                    )
                )
        _copy(
            connection,
            "fact (known_at, twin_no, event_time, record_time, rec_offset, event_hash, type, source, id, data)",
            rows,
        )
        return len(rows)

    def _write_effects(self, connection: psycopg.Connection[Any], said: Sequence[tuple[Said, Fresh]]) -> int:
        rows = [
            binary.row(
                binary.instant(one.known_at),
                binary.int4(self._numbers[frame.kind].known(one.effect.key)),
                binary.text(one.effect.kind),
                binary.text(one.effect.lane),
                binary.text(frame.frame.topic),
                binary.int4(frame.frame.partition),
                binary.int8(one.offset),
                binary.int4(one.n),
                binary.instant(_parsed(one.effect.event_time)),
                binary.instant(_parsed(one.effect.record_time)),
                binary.raw(one.line),
            )
            for one, frame in said
        ]
        _copy(
            connection,
            "effect (known_at, twin_no, kind, lane, topic, partition, rec_offset, n, event_time, record_time, line)",
            rows,
        )
        return len(rows)

    def _write_memory(self, connection: psycopg.Connection[Any], fresh: Sequence[Fresh]) -> int:
        rows = [
            binary.row(
                binary.instant(one.known_of(memory.offset)),
                binary.int4(self._numbers[one.kind].twin(memory.key)),
                binary.text(memory.kind),
                binary.instant(memory.event_time),
                binary.int8(memory.offset),
                binary.NULL if memory.body is None else binary.raw(memory.body),
            )
            for one in fresh
            for memory in one.memory
        ]
        _copy(connection, "memory (known_at, twin_no, kind, event_time, rec_offset, body)", rows)
        return len(rows)

    def _write_changes(
        self, connection: psycopg.Connection[Any], folded: Sequence[Folded], applied: dict[tuple[str, int], int]
    ) -> None:
        """Note each change of configuration, once, and close what was before it with an anchor."""
        for one in folded:
            place = (one.frame.topic, one.frame.partition)
            if one.changed is not None and one.frame.first >= applied[place]:
                changes.note_made(connection, *place, one.frame.first, one.changed.data)
                claims.save_anchor(connection, *place, one.changed.before)
                self._anchored.pop(place, None)

    def _write_checkpoints(self, connection: psycopg.Connection[Any], folded: Sequence[Folded]) -> None:
        for one in folded:
            for skip in one.skips:
                connection.execute(
                    "insert into skipped (topic, partition, rec_offset, error) values (%s, %s, %s, %s)"
                    " on conflict do nothing",
                    (one.frame.topic, one.frame.partition, skip.offset, claims.storable(skip.error)),
                )
        newest = {(one.frame.topic, one.frame.partition): one.checkpoint for one in folded if one.checkpoint}
        for (topic, partition), checkpoint in newest.items():
            day = self._today(connection)
            anchor = self._anchored.get((topic, partition)) != day and not claims.anchored_today(
                connection, topic, partition, checkpoint.model
            )
            claims.save_checkpoint(connection, topic, partition, checkpoint, anchor=anchor)
            connection.execute(
                "update applied set checkpoint_offset = %s where topic = %s and partition = %s",
                (checkpoint.next_offset, topic, partition),
            )
            self._anchored[topic, partition] = day

    @staticmethod
    def _today(connection: psycopg.Connection[Any]) -> int:
        row = connection.execute("select extract(epoch from now())::bigint / 86400").fetchone()
        return int(row[0]) if row else 0


@lru_cache(maxsize=4096)  # what is said of one record is said at the same times
def _parsed(text: str) -> int:
    return parse_instant(text)


def _copy(connection: psycopg.Connection[Any], target: str, rows: Sequence[bytes]) -> None:
    if not rows:
        return
    with connection.cursor().copy(f"copy {target} from stdin (format binary)") as copy:
        copy.write(binary.SIGNATURE)
        copy.write(b"".join(rows))
        copy.write(binary.TRAILER)
