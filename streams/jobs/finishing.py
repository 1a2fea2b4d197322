"""How a job ends, or goes back: answered, failed, given back, cancelled, its lease run out."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from schemas.errors import LedgerError, printable
from streams.jobs.answers import MOST_RESULT_BYTES, Job, dead_letter, messages, unanswered
from streams.jobs.ports import MOST_DOCUMENT_BYTES, MOST_FAILURES, Finished, Lease
from streams.jobs.rows import CHARGED, COLUMNS, FENCE, RETURNED
from streams.ledger import audit
from streams.ledger.folded import Output

MOST_ERROR_CHARACTERS = 2000
MOST_LOST = 10  # leases run out in a row without a checkpoint: such a job takes its worker with it
WAIT_SECONDS = 2.0  # after the first failure, twice as long after each further
AGE_SECONDS = 600.0  # of waiting for each rank that a job rises; assumed
_AT_ONCE = 500
_ZLIB_LEVEL = 1

Connection = psycopg.Connection[Any]

# Where a job goes that stops without an answer. What was wished comes before all else.
_WISHED = "when j.wish = 'cancel' then 'cancelled' when j.wish = 'supersede' then 'superseded'"
_LET_GO = "lease_until = null, wish = ''"


def finish(connection: Connection, done: Finished) -> tuple[bool, list[Output]]:
    """Commit an answer, in the caller's transaction; give what leaves with it.

    A job whose end somebody wished with `cancel` ends so, whatever it found: they were told that it is cancelled. One
    that is to be superseded has its answer: it came in time.

    Raises
    ------
    LedgerError
        If the answer is larger than its bound; the job is as it was.
    """
    _check_size(done)
    row = (
        connection.cursor(binary=True)
        .execute(
            "with ended as (update job j set"
            " state = case when j.wish = 'cancel' then 'cancelled' else 'done' end,"
            " share = case when j.wish = 'cancel' then j.share else 1 end,"
            " result = %(result)b, document = case when j.wish = 'cancel' then null else %(document)b end,"
            " superseded_by = null, seconds = j.seconds + %(seconds)s, device = %(device)s,"
            " error = case when j.wish = 'cancel' then j.error else '' end,"
            f" finished_at = clock_timestamp(), {_LET_GO} where {FENCE}"
            f" returning {RETURNED}, %(seconds)s::double precision as spent),"
            " dropped as (delete from job_checkpoint c using ended e where c.job = e.no),"
            f" {CHARGED} select {COLUMNS} from ended",
            {
                **_place(done.lease),
                "result": done.result,
                "document": zlib.compress(done.document, _ZLIB_LEVEL),
                "seconds": max(done.seconds, 0.0),
                "device": done.device,
            },
        )
        .fetchone()
    )
    if row is None:
        return False, []
    job = Job(*row)
    if job.state == "cancelled":
        return False, _answer_ended(connection, [job])
    return True, messages(job, done.result, to_twin=True)


def fail(connection: Connection, lease: Lease, error: str, *, again: bool, seconds: float) -> list[Job]:
    """Give a job back after an error; give it as it stands, none if the lease is lost."""
    return _stop(
        connection,
        f"when %(again)s and j.failures + 1 < {MOST_FAILURES} then 'queued' else 'failed'",
        "failures = j.failures + 1, error = %(error)s, not_before = clock_timestamp() +"
        f" make_interval(secs => {WAIT_SECONDS} * (1 << least(j.failures, 8))),",
        {**_place(lease), "again": again, "error": printable(error)[:MOST_ERROR_CHARACTERS], "seconds": seconds},
    )


def give_back(connection: Connection, lease: Lease, *, seconds: float) -> list[Job]:
    """Give a job back without blame; give it as it stands, none if the lease is lost."""
    return _stop(connection, "else 'queued'", "", {**_place(lease), "seconds": seconds})


def run_out(connection: Connection) -> list[Job]:
    """Take back what is held by a lease that ran out, so many at once; give the jobs as they stand."""
    rows = connection.cursor(binary=True).execute(
        "with gone as (select no from job where state = 'running' and lease_until <= clock_timestamp()"
        f"   order by no limit {_AT_ONCE} for update skip locked)"
        f" update job j set state = case {_WISHED} when j.lost + 1 >= {MOST_LOST} then 'failed' else 'queued' end,"
        f" error = case when j.lost + 1 >= {MOST_LOST} then"
        f"   'its lease ran out {MOST_LOST} times without a checkpoint: whoever ran it ended, or stood still'"
        "   else j.error end,"
        f" lost = j.lost + 1, not_before = '-infinity', {_LET_GO}"
        f" from gone where j.no = gone.no returning {RETURNED}"
    )
    return [Job(*row) for row in rows.fetchall()]


def settle(connection: Connection, jobs: Sequence[Job]) -> list[Output]:
    """Write the answers of those among some jobs that ended without one; give what leaves."""
    return _answer_ended(connection, [job for job in jobs if job.state != "queued"])


def cancel(connection: Connection, job: str, by: str, reason: str) -> tuple[bool, list[Output]]:
    """End a queued job, or tell who runs it to stop, in the caller's transaction; with a row in the audit trail."""
    row = connection.execute("select no, state, wish from job where id = %s for update", (job,)).fetchone()
    if row is None or row[1] not in ("queued", "running"):
        return False, []
    no, state, wish = row
    if wish == "cancel":
        return True, []
    outputs: list[Output] = []
    why = f"cancelled by {by}: {reason}"[:MOST_ERROR_CHARACTERS]
    if state == "running":
        connection.execute("update job set wish = 'cancel', error = %s where no = %s", (printable(why), no))
    else:
        ended = connection.cursor(binary=True).execute(
            f"update job j set state = 'cancelled', error = %s where j.no = %s returning {RETURNED}",
            (printable(why), no),
        )
        outputs = _answer_ended(connection, [Job(*row) for row in ended.fetchall()])
    audit.append(
        connection, actor=by, role="person", action="cancelled a re-simulation", object_=job, old=state,
        new="cancelled" if state == "queued" else "told to stop", reason=reason,
    )  # fmt: skip
    return True, outputs


def wake_delayed(connection: Connection) -> int:
    """Make ready what waited after an error; give how many."""
    return connection.execute(
        "update job set not_before = '-infinity' where no in (select no from job where state = 'queued'"
        " and not_before > '-infinity' and not_before <= clock_timestamp()"
        f" order by not_before limit {_AT_ONCE} for update skip locked)"
    ).rowcount


def age(connection: Connection) -> int:
    """Raise the rank of what waited long, one rank for each AGE_SECONDS, never into patient safety; give how many."""
    return connection.execute(
        "update job set rank = rank - 1 where no in (select a.no"
        " from (values (2, 2), (3, 3), (3, 2)) v (priority, rank),"
        " lateral (select j.no from job j where j.state = 'queued' and j.rank > 1 and j.priority = v.priority"
        "   and j.rank = v.rank"
        "   and j.asked_at <= clock_timestamp() - make_interval(secs => %s * (v.priority - v.rank + 1))"
        f"   order by j.asked_at limit {_AT_ONCE} for update skip locked) a)",
        (AGE_SECONDS,),
    ).rowcount


def _stop(connection: Connection, where_to: str, also: str, values: Mapping[str, Any]) -> list[Job]:
    """End an attempt without an answer."""
    rows = connection.cursor(binary=True).execute(
        f"with ended as (update job j set state = case {_WISHED} {where_to} end, {also}"
        f" seconds = j.seconds + %(seconds)s, {_LET_GO} where {FENCE}"
        f" returning {RETURNED}, %(seconds)s::double precision as spent), {CHARGED} select {COLUMNS} from ended",
        {**values, "seconds": max(values["seconds"], 0.0)},
    )
    return [Job(*row) for row in rows.fetchall()]


def _answer_ended(connection: Connection, jobs: Sequence[Job]) -> list[Output]:
    """Write what is said of jobs that ended without an answer; a twin hears of failures alone."""
    found: list[Output] = []
    for job in jobs:
        failed = job.state == "failed"
        error = "superseded by a newer question" if job.state == "superseded" else job.error
        result = unanswered(job, "failed" if failed else "cancelled", error)
        connection.execute(
            "update job set result = %s, finished_at = clock_timestamp() where no = %s", (result, job.no)
        )
        if failed:
            found.append(dead_letter(job))
        else:
            connection.execute("delete from job_checkpoint where job = %s", (job.no,))
        found += messages(job, result, to_twin=failed)
    return found


def _place(lease: Lease) -> dict[str, Any]:
    return {"no": lease.no, "attempt": lease.attempt}


def _check_size(done: Finished) -> None:
    for body, most, name in (
        (done.result, MOST_RESULT_BYTES, "answer"),
        (done.document, MOST_DOCUMENT_BYTES, "document"),
    ):
        if len(body) > most:
            raise LedgerError(
                f"expected an {name} of at most {most} bytes, received {len(body)}, of job {done.lease.id}"
            )
