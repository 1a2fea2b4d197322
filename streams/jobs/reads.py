"""Read the job ledger for people: a page of jobs, one job with all that is kept of it, its whole answer."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from schemas.errors import LedgerError
from schemas.jobs import PRIORITIES, JobState, Priority
from streams.jobs.ports import MOST_DOCUMENT_BYTES
from streams.ledger.reads import Connection, read_cursor, text_of, write_cursor

Order = Literal["newest", "next"]
LARGEST_PAGE = 500

# Infinite times are left out: the driver cannot hold them.
_COLUMNS = """
    no, id, twin_kind, twin_key, kind, tenant, asked_by, reasons, priority, rank,
    nullif(deadline, 'infinity') as deadline, deadline::text as deadline_text, encode(content_hash, 'hex') as hash,
    event_time, state, attempt, failures, nullif(not_before, '-infinity') as not_before, worker, device, lease_until,
    wish, share, note, rates, seconds, superseded_by, answered_by, error, asked_at, started_at, progressed_at,
    finished_at, document is not null as has_document
"""
_TIMES = (
    "deadline", "event_time", "not_before", "lease_until", "asked_at", "started_at", "progressed_at", "finished_at",
)  # fmt: skip
_PLAIN = (
    "id", "twin_kind", "twin_key", "kind", "tenant", "asked_by", "reasons", "state", "attempt", "failures", "worker",
    "device", "wish", "share", "note", "rates", "seconds", "superseded_by", "answered_by", "error", "has_document",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs, in which order: the newest first, or those that are to run next."""

    states: tuple[JobState, ...] = ()
    twin_kind: str | None = None
    twin_key: str | None = None
    kind: str | None = None
    tenant: str | None = None
    priority: Priority | None = None
    order: Order = "newest"
    limit: int = 100
    cursor: str | None = None


async def list_jobs(connection: Connection, query: JobQuery) -> dict[str, Any]:
    """Give one page of jobs, and the cursor of the next."""
    wheres, parameters = _filters(query)
    after, more = _after(query)
    order = "no desc" if query.order == "newest" else "rank, deadline, no"
    where = " and ".join([*wheres, *after]) or "true"
    rows = await connection.execute(
        f"select {_COLUMNS} from job where {where} order by {order} limit %(limit)s",
        {**parameters, **more, "limit": query.limit + 1},
    )
    found = await rows.fetchall()
    full, found = len(found) > query.limit, found[: query.limit]
    return {"items": [shown(row) for row in found], "next": _place(query.order, found[-1]) if full else None}


async def read_job(connection: Connection, job: str) -> dict[str, Any] | None:
    """Give one job with its specification, answer, attempts and checkpoints; None where there is no such job.

    What attempts left is told by their checkpoints; those of a job that has ended may be gone.
    """
    rows = await connection.execute(
        f"select {_COLUMNS}, spec, inputs, past_from, result, octet_length(document) as document_bytes"
        " from job where id = %s",
        (job,),
    )
    row = await rows.fetchone()
    if row is None:
        return None
    kept = await connection.execute(
        "select attempt, seq, versions, device, encode(sha256, 'hex') as sha256, octet_length(body) as bytes, at"
        " from job_checkpoint where job = %s order by attempt desc, seq desc limit 20",
        (row["no"],),
    )
    return {
        **shown(row),
        "spec": msgspec.json.decode(bytes(row["spec"])),
        "inputs": row["inputs"],
        "past_from": text_of(row["past_from"]),
        "document_bytes": row["document_bytes"],
        "result": None if row["result"] is None else msgspec.json.decode(bytes(row["result"])),
        "checkpoints": [{**one, "at": text_of(one["at"])} for one in await kept.fetchall()],
    }


async def read_document(connection: Connection, job: str) -> bytes | None:
    """Give a job's whole answer as JSON; None where there is no such job, or it has none.

    Raises
    ------
    LedgerError
        If what is kept cannot be unzipped.
    """
    rows = await connection.execute("select document from job where id = %s", (job,))
    row = await rows.fetchone()
    if row is None or row["document"] is None:
        return None
    unzip = zlib.decompressobj()
    try:
        body = unzip.decompress(bytes(row["document"]), MOST_DOCUMENT_BYTES)
    except zlib.error as error:
        raise LedgerError(f"expected a zipped document, received {error}, of job {job}; ask the job again") from None
    if not unzip.eof:
        raise LedgerError(f"expected at most {MOST_DOCUMENT_BYTES} bytes, received more, of job {job}")
    return body


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row of `job` as the API shows it."""
    return {
        **{name: row[name] for name in _PLAIN},
        **{name: text_of(row[name]) for name in _TIMES},
        "content_hash": row["hash"],
        "priority": PRIORITIES[row["priority"]],
        "rank": row["rank"],
        "cached": row["answered_by"] is not None,
    }


def _filters(query: JobQuery) -> tuple[list[str], dict[str, Any]]:
    equal = {
        name: getattr(query, name)
        for name in ("twin_kind", "twin_key", "kind", "tenant")
        if getattr(query, name) is not None
    }
    wheres = [f"{name} = %({name})s" for name in equal]
    if query.priority is not None:
        wheres.append("priority = %(priority)s")
        equal["priority"] = PRIORITIES.index(query.priority)
    states = query.states or (("running", "queued") if query.order == "next" else ())
    if states:
        wheres.append("state = any(%(states)s)")
        equal["states"] = list(states)
    return wheres, equal


def _after(query: JobQuery) -> tuple[list[str], dict[str, Any]]:
    if not query.cursor:
        return [], {}
    if query.order == "newest":
        [no] = read_cursor(query.cursor, int)
        return ["no < %(no)s"], {"no": no}
    rank, deadline, no = read_cursor(query.cursor, int, str, int)
    return (
        ["(rank, deadline, no) > (%(rank)s, %(deadline)s::text::timestamptz, %(no)s)"],
        {"rank": rank, "deadline": deadline, "no": no},
    )


def _place(order: Order, row: dict[str, Any]) -> str:
    return write_cursor(row["no"]) if order == "newest" else write_cursor(row["rank"], row["deadline_text"], row["no"])
