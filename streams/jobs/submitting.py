"""Takes requests into the job ledger, many in one transaction: each becomes a row, joins one, or is answered at once.

Whoever takes in holds one lock, and the slots that it touches are locked: nobody else decides on them meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from schemas.errors import InvalidFieldError
from streams.jobs.answers import Job, messages, repeated, unanswered
from streams.jobs.checking import Checked, check
from streams.jobs.facts import note_facts
from streams.jobs.ports import Asked, Taken
from streams.jobs.queue_bounds import QueueBounds
from streams.jobs.rows import RETURNED
from streams.jobs.slots import Slot, SlotJob, SlotJobs
from streams.ledger.folded import Output

_LOCK = 7_205_005  # advisory: who takes in

Connection = psycopg.Connection[Any]


@dataclass(slots=True)
class Submission:
    """What became of requests, what is to be sent in the same transaction, whether somebody should be woken."""

    taken: list[Taken] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    news: bool = False


@dataclass(slots=True)
class _Batch:
    """What one batch of requests meets, and what it makes of it."""

    slots: dict[Slot, SlotJobs]
    known: set[str]
    answers: dict[bytes, tuple[str, bytes]]  # content hash: the job that was answered, its answer
    fresh: list[Checked] = field(default_factory=list)
    cached: list[Checked] = field(default_factory=list)


def submit(connection: Connection, asked: Sequence[Asked], bounds: QueueBounds) -> Submission:
    """Take requests in, within the caller's transaction; their order is that of the log.

    The caller writes the outputs, once, and commits. A request that cannot be read as one is refused alone.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
    checked = [_checked(one) for one in asked]
    fine = [one for one in checked if isinstance(one, Checked)]
    note_facts(connection, fine)
    batch = _meet(connection, fine)
    bounds.look(connection, {one.asked.request.tenant for one in fine})
    said = Submission(taken=[one if isinstance(one, Taken) else _place(batch, one, bounds) for one in checked])
    before = [job for slot in batch.slots.values() for job in (*slot.ended, *slot.jobs) if job.no and job.changed]
    said.outputs += _write_changed(connection, before)
    said.outputs += _write_new(connection, batch.fresh)
    said.outputs += _write_cached(connection, batch)
    said.news = bool(before) or any(one.job.state == "queued" for one in batch.fresh)
    return said


def _checked(asked: Asked) -> Checked | Taken:
    try:
        return check(asked)
    except InvalidFieldError as error:
        return Taken(asked.id, "refused", "", str(error))


def _place(batch: _Batch, one: Checked, bounds: QueueBounds) -> Taken:
    """Decide on one request."""
    job = one.job
    if job.id in batch.known:
        return Taken(job.id, "duplicate", job.id)
    slot = batch.slots.setdefault(job.slot, SlotJobs())
    answer = batch.answers.get(job.content_hash)
    if answer is not None and not any(other.content_hash == job.content_hash for other in slot.jobs):
        batch.known.add(job.id)
        batch.cached.append(one)
        return Taken(job.id, "cached", answer[0])
    replaces = any(not other.begun and not other.wish for other in slot.jobs)
    why = "" if replaces else bounds.refuses(one.asked.request.tenant)
    if why:
        return Taken(job.id, "refused", "", why)
    taken = slot.place(job, one.asked.overlap)
    if taken.job == job.id:
        batch.known.add(job.id)
        batch.fresh.append(one)
        bounds.count(one.asked.request.tenant, 0 if replaces else 1)
    return taken


def _meet(connection: Connection, fine: Sequence[Checked]) -> _Batch:
    """Read what is there already, and lock the slots."""
    slots: dict[Slot, SlotJobs] = {}
    for job in _locked(connection, {one.job.slot for one in fine}):
        slots.setdefault(job.slot, SlotJobs()).jobs.append(job)
    ids = connection.execute("select id from job where id = any(%s)", ([one.job.id for one in fine],)).fetchall()
    hashes = list({one.job.content_hash for one in fine})
    answers = connection.execute(
        "select distinct on (content_hash) content_hash, id, result from job"
        " where state = 'done' and answered_by is null and result is not null and content_hash = any(%s)"
        " order by content_hash, no desc",
        (hashes,),
    ).fetchall()
    return _Batch(slots, {row[0] for row in ids}, {bytes(row[0]): (row[1], bytes(row[2])) for row in answers})


def _locked(connection: Connection, slots: Iterable[Slot]) -> list[SlotJob]:
    """Lock what waits or runs in some slots, oldest first."""
    kinds, keys, engines = ([slot[i] for slot in sorted(slots)] for i in range(3))
    rows = connection.execute(
        "select j.id, j.twin_kind, j.twin_key, j.kind, j.content_hash, j.reasons, j.priority, j.rank,"
        " case when j.deadline < 'infinity' then j.deadline end, j.asked_at, j.no, j.state, j.attempt, j.share, j.wish,"
        " j.superseded_by"
        " from unnest(%s::text[], %s::text[], %s::text[]) as w (twin_kind, twin_key, kind)"
        " join job j using (twin_kind, twin_key, kind)"
        " where j.state in ('queued', 'running') order by j.no for update of j",
        (kinds, keys, engines),
    ).fetchall()
    return [SlotJob(row[0], (row[1], row[2], row[3]), bytes(row[4]), *row[5:]) for row in rows]


def _write_changed(connection: Connection, jobs: Sequence[SlotJob]) -> list[Output]:
    """Write what joined others, was told to stop, or was replaced; give the answers of those that ended."""
    ended: list[Job] = []
    for job in jobs:
        row = connection.execute(
            "update job j set reasons = %s, priority = %s, rank = least(j.rank, %s),"
            " deadline = coalesce(%s, 'infinity'::timestamptz), wish = %s, state = %s, superseded_by = %s,"
            " finished_at = case when %s = 'superseded' then clock_timestamp() end"
            f" where j.no = %s and j.state in ('queued', 'running') returning {RETURNED}",
            (
                *(job.reasons, job.priority, job.rank, job.deadline, job.wish, job.state, job.superseded_by),
                *(job.state, job.no),
            ),
        ).fetchone()
        if row is not None and job.state == "superseded":
            ended.append(Job(*row))
    if ended:
        connection.execute("delete from job_checkpoint where job = any(%s)", ([job.no for job in ended],))
    return _answer_superseded(connection, ended)


def _answer_superseded(connection: Connection, jobs: Sequence[Job]) -> list[Output]:
    results = [unanswered(job, "cancelled", "superseded by a newer question") for job in jobs]
    if results:
        connection.cursor().executemany(
            "update job set result = %b where no = %s",
            [(result, job.no) for job, result in zip(jobs, results, strict=True)],
        )
    return [out for job, result in zip(jobs, results, strict=True) for out in messages(job, result, to_twin=False)]


_INSERT = (
    "insert into job as j (id, twin_kind, twin_key, kind, tenant, asked_by, reasons, priority, rank, deadline, spec,"
    " content_hash, inputs, past_from, event_time, place, asked_at, state, superseded_by, answered_by, result, share,"
    " finished_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, coalesce(%s, 'infinity'::timestamptz), %s, %s, %s, %s,"
    " %s, %s, coalesce(%s, clock_timestamp()), %s, %s, %s, %s, %s,"
    " case when %s <> 'queued' then clock_timestamp() end) returning " + RETURNED
)


def _write_new(connection: Connection, fresh: Sequence[Checked]) -> list[Output]:
    """Write new jobs; give the answers of those that were replaced within their own batch."""
    rows = _insert(connection, [_values(one) for one in fresh])
    return _answer_superseded(connection, [job for job in rows if job.state == "superseded"])


def _write_cached(connection: Connection, batch: _Batch) -> list[Output]:
    """Write what is answered at once, and give the answers."""
    values, results = [], []
    for one in batch.cached:
        source, result = batch.answers[one.job.content_hash]
        results.append(repeated(result, one.job.id, source, one.facts))
        one.job.state = "done"
        values.append(_values(one, source, results[-1], 1.0))
    rows = _insert(connection, values)
    return [out for job, result in zip(rows, results, strict=True) for out in messages(job, result, to_twin=True)]


def _values(
    one: Checked, source: str | None = None, result: bytes | None = None, share: float = 0.0
) -> tuple[Any, ...]:
    asked, job = one.asked, one.job
    return (
        *(job.id, *job.slot, asked.request.tenant, asked.asked_by[:256], job.reasons, job.priority, job.rank),
        *(job.deadline, one.spec, job.content_hash, list(one.facts), one.past_from, asked.event_time, asked.place),
        *(job.asked_at, job.state, job.superseded_by, source, result, share, job.state),
    )


def _insert(connection: Connection, values: Sequence[tuple[Any, ...]]) -> list[Job]:
    if not values:
        return []
    cursor = connection.cursor(binary=True)
    cursor.executemany(_INSERT, values, returning=True)
    found = []
    while True:
        found += [Job(*row) for row in cursor.fetchall()]
        if not cursor.nextset():
            return found
