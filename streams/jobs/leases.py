"""What a worker does with the jobs it holds: takes and keeps them, leaves checkpoints. All by the database's clock."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from schemas.errors import LedgerError, printable
from schemas.jobs import PRIORITIES
from streams.jobs.content import read_spec
from streams.jobs.ports import (
    KEPT_CHECKPOINTS,
    MOST_CHECKPOINT_BYTES,
    Checkpoint,
    Claimed,
    Lease,
    Progress,
    Verdict,
)
from streams.jobs.rows import CHARGED, FENCE

MOST_NOTE_CHARACTERS = 200
MOST_RATES = 16
_CLAIM_TRIES = 3

Connection = psycopg.Connection[Any]


def claim(
    connection: Connection, worker: str, kinds: Sequence[str], device: str, most: int, seconds: float
) -> list[Claimed]:
    """Take the next jobs.

    Two claims may reach for two jobs of one slot at the same time; the index lets one have it, the other asks again.
    """
    for left in reversed(range(_CLAIM_TRIES)):
        try:
            return _claim(connection, worker, kinds, device, most, seconds)
        except psycopg.errors.UniqueViolation:
            most = 1  # one call may have reached for both itself
            if not left:
                return []
    return []


def _claim(
    connection: Connection, worker: str, kinds: Sequence[str], device: str, most: int, seconds: float
) -> list[Claimed]:
    rows = connection.cursor(binary=True).execute(
        "select no, id, attempt, twin_kind, twin_key, kind, priority, spec, content_hash, inputs, past_from, failures,"
        " seconds from job_claim(%s::text, %s::text[], %s::text, %s::int, %s::double precision)",
        (worker, list(dict.fromkeys(kinds)), device, most, seconds),
    )
    return [
        Claimed(
            Lease(row[0], row[1], row[2]), row[3], row[4], row[5], PRIORITIES[row[6]], read_spec(row[7]),
            bytes(row[8]).hex(), tuple(row[9]), *row[10:],
        )
        for row in rows.fetchall()
    ]  # fmt: skip


def renew(connection: Connection, worker: str, told: Sequence[Progress], seconds: float) -> dict[Lease, Verdict]:
    """Keep leases and progress, and charge what was spent; say of each what is wished."""
    rows = connection.execute(
        "with told as (select * from unnest(%(nos)s::bigint[], %(attempts)s::int[], %(shares)s::real[],"
        "   %(notes)s::text[], %(rates)s::text[], %(spent)s::double precision[])"
        "   as t (no, attempt, share, note, rates, spent)),"
        " ended as (update job j set lease_until = clock_timestamp() + make_interval(secs => %(seconds)s),"
        "   share = t.share, note = t.note, rates = t.rates::jsonb, seconds = j.seconds + t.spent,"
        "   progressed_at = case when t.share > j.share then clock_timestamp() else j.progressed_at end"
        "   from told t where j.no = t.no and j.attempt = t.attempt and j.worker = %(worker)s"
        "   and case when j.state = 'running' then j.lease_until end > clock_timestamp()"
        "   returning j.no, j.attempt, j.wish, j.tenant, j.kind, t.spent),"
        f" {CHARGED} select no, attempt, wish from ended",
        {
            "nos": [one.lease.no for one in told],
            "attempts": [one.lease.attempt for one in told],
            "shares": [min(max(one.share, 0.0), 1.0) for one in told],
            "notes": [printable(one.note)[:MOST_NOTE_CHARACTERS] for one in told],
            "rates": [_rates(one.rates) for one in told],
            "spent": [max(one.seconds, 0.0) for one in told],
            "seconds": seconds,
            "worker": worker,
        },
    ).fetchall()
    wishes: dict[str, Verdict] = {"": "go_on", "cancel": "cancel", "supersede": "supersede"}
    found = {(no, attempt): wishes[wish] for no, attempt, wish in rows}
    return {one.lease: found.get((one.lease.no, one.lease.attempt), "lost") for one in told}


def keep_checkpoint(
    connection: Connection, lease: Lease, seq: int, versions: dict[str, str], device: str, body: bytes
) -> bool:
    """Keep a checkpoint, in the caller's transaction, and drop all but the newest two.

    Raises
    ------
    LedgerError
        If it is larger than MOST_CHECKPOINT_BYTES.
    """
    if len(body) > MOST_CHECKPOINT_BYTES:
        raise LedgerError(
            f"expected a checkpoint of at most {MOST_CHECKPOINT_BYTES} bytes, received {len(body)}, for job {lease.id}"
        )
    kept = connection.cursor(binary=True).execute(
        f"with held as (update job j set lost = 0 where {FENCE} returning j.no),"
        " kept as (insert into job_checkpoint (job, attempt, seq, versions, device, sha256, body, at)"
        "   select no, %(attempt)s, %(seq)s, %(versions)s::text::jsonb, %(device)s, %(sha)b, %(body)b,"
        "   clock_timestamp() from held on conflict do nothing),"
        " dropped as (delete from job_checkpoint c using held where c.job = held.no and (c.attempt, c.seq) in"
        "   (select o.attempt, o.seq from job_checkpoint o where o.job = %(no)s"
        "    and (o.attempt, o.seq) <> (%(attempt)s, %(seq)s)"
        "    order by o.attempt desc, o.seq desc offset %(others)s)) select no from held",
        {
            "no": lease.no,
            "attempt": lease.attempt,
            "seq": seq,
            "versions": msgspec.json.encode(versions, order="sorted").decode(),
            "device": device,
            "sha": hashlib.sha256(body).digest(),
            "body": body,
            "others": KEPT_CHECKPOINTS - 1,
        },
    )
    return kept.fetchone() is not None


def checkpoints(connection: Connection, lease: Lease) -> list[Checkpoint]:
    """Give what attempts left, newest first; a torn one is left out, so that the one before it serves."""
    rows = connection.cursor(binary=True).execute(
        "select attempt, seq, versions, device, body, sha256 from job_checkpoint where job = %s"
        " order by attempt desc, seq desc",
        (lease.no,),
    )
    found = [
        (Checkpoint(attempt, seq, versions, device, bytes(body)), sha)
        for attempt, seq, versions, device, body, sha in rows
    ]
    return [one for one, sha in found if hashlib.sha256(one.body).digest() == sha]


def _rates(rates: dict[str, float]) -> str:
    """Write rates as JSON, the first MOST_RATES; what is not finite becomes null."""
    kept = {printable(name)[:64]: float(value) for name, value in list(rates.items())[:MOST_RATES]}
    return msgspec.json.encode(kept).decode()
