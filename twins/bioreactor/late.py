"""Late facts: go back to a mark of the past, fold every minute since, and come out where the order of arrival
would have led had it been the order of events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.instants import MINUTE
from twins.bioreactor import filter as ekf
from twins.bioreactor.fold import NOTHING_BESIDE, Beliefs, Beside, ParameterTable, fold_minutes, prior, side_by_side
from twins.bioreactor.rows import SAMPLE, Batch, Row, read_row
from twins.block import Memory, TwinPast

MARK_MINUTES = 10

_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(tuple[list[float], list[int], Batch])


@dataclass(slots=True)
class Record:
    """What is kept of one twin while a frame is folded: where a refold begins, and all minutes since."""

    base: Beliefs
    begins: int  # minute of the mark, -1 for the very beginning
    rows: dict[int, Row] = field(default_factory=dict)


@dataclass(slots=True)
class Refold:
    """One twin to be refolded up to minute `until` (exclusive): which facts changed, and on whose account."""

    slot: int
    place: int
    until: int
    changed: int  # first minute that is another now
    speak: bool  # say revised estimates at the marks
    marks: list[tuple[int, Beliefs]] = field(default_factory=list)


def write_mark(beliefs: Beliefs, j: int) -> bytes:
    """Write one twin's belief, with what its charts, process model and probes remember behind its floats."""
    floats = beliefs.f[:, j].tolist()
    for more in (beliefs.c, beliefs.m, beliefs.r):
        floats += [] if more is None else more[:, j].tolist()
    return _ENCODE.encode((floats, beliefs.i[:, j].tolist(), beliefs.batches[j]))


def read_mark(body: bytes, beside: Beside = NOTHING_BESIDE) -> Beliefs:
    """Read what `write_mark` wrote."""
    f, i, batch = _DECODE.decode(body)
    at = ekf.FLOATS
    more: list[NDArray[np.float64] | None] = []
    for one in (beside.charting, beside.process, beside.reconciling):
        width = 0 if one is None else one.width
        more.append(None if one is None else np.array(f[at : at + width]).reshape(width, 1))
        at += width
    floats, integers = np.array(f[: ekf.FLOATS]), np.array(i, dtype=np.int64)
    return Beliefs(floats.reshape(ekf.FLOATS, 1), integers.reshape(ekf.INTEGERS, 1), [batch], *more)


def open_record(past: TwinPast | None, table: ParameterTable, beside: Beside) -> Record:
    """Lay out what the runtime handed in for one twin."""
    if past is None:
        return Record(prior(table, beside), -1)
    rows = {
        one.event_time // MINUTE: read_row(one.event_time // MINUTE, one.body)
        for one in past.inputs
        if one.body is not None
    }
    if past.mark is None or past.mark.body is None:
        return Record(prior(table, beside), -1, rows)
    return Record(read_mark(past.mark.body, beside), past.mark.event_time // MINUTE, rows)


def grid(minute: int) -> int:
    """Give the last minute, at or before this one, at which a mark may stand."""
    return minute // MARK_MINUTES * MARK_MINUTES


def refold(records: Sequence[Record], jobs: Sequence[Refold], table: ParameterTable, beside: Beside) -> Beliefs:
    """Fold each job's minutes anew, all jobs side by side; fill in their marks.

    Marks stand where the live path sets them: before each minute with a sample, and on the ten-minute grid
    between one row and the next, so a refold replaces every mark that the change made untrue.
    """
    beliefs = side_by_side([one.base for one in records])
    paths = [
        [record.rows[minute] for minute in sorted(record.rows) if record.begins <= minute < job.until]
        for record, job in zip(records, jobs, strict=True)
    ]
    for turn in range(max(len(path) for path in paths)):
        these = [j for j, path in enumerate(paths) if turn < len(path)]
        rows = [paths[j][turn] for j in these]
        part = beliefs.copy_of(these)
        for place, (j, row) in enumerate(zip(these, rows, strict=True)):
            before = paths[j][turn - 1].minute if turn else records[j].begins
            if before >= 0:
                _mark(jobs[j], part, place, grid(row.minute), before)
            if row.bucket[SAMPLE]:
                _set_mark(jobs[j], part, place, row.minute)
        fold_minutes(
            part,
            table.gather([table.index_of(batch.parameters) for batch in part.batches]),
            np.array([row.minute for row in rows], dtype=np.int64),
            np.ascontiguousarray(np.array([row.bucket for row in rows], dtype=np.int64).T),
            [row.items for row in rows],
            table,
            beside,
        )
        beliefs.f[:, these] = part.f
        beliefs.i[:, these] = part.i
        if beliefs.c is not None and part.c is not None:
            beliefs.c[:, these] = part.c
        if beliefs.m is not None and part.m is not None:
            beliefs.m[:, these] = part.m
        if beliefs.r is not None and part.r is not None:
            beliefs.r[:, these] = part.r
        for place, j in enumerate(these):
            beliefs.batches[j] = part.batches[place]
    for j, (path, job) in enumerate(zip(paths, jobs, strict=True)):
        if path:
            _mark(job, beliefs, j, grid(job.until), path[-1].minute)
    return beliefs


def _mark(job: Refold, beliefs: Beliefs, j: int, at: int, after: int) -> None:
    """Set a mark at grid minute `at` if it lies beyond minute `after`, the last one folded."""
    if at > after:
        _set_mark(job, beliefs, j, at)


def _set_mark(job: Refold, beliefs: Beliefs, j: int, at: int) -> None:
    """Set a mark, if the change reaches it and it is not set yet.

    Where the refold began must not show in what it says: that depends on the other facts of the frame.
    """
    if at > job.changed and not (job.marks and job.marks[-1][0] == at):
        job.marks.append((at, beliefs.copy_of([j])))


def mark_memory(key: str, minute: int, offset: int, body: bytes) -> Memory:
    """Make the memory row of a mark."""
    return Memory(key, "mark", minute * MINUTE, offset, body)


def row_memory(key: str, minute: int, offset: int, body: bytes) -> Memory:
    """Make the memory row of a minute's inputs."""
    return Memory(key, "input", minute * MINUTE, offset, body)
