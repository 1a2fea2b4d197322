"""The audit trail: append-only, each row hashed over its own text and the hash before it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from streams.ledger.program import PROGRAM

_LOCK = 7_205_002  # advisory: one appender at a time keeps the chain whole
FIRST = bytes(32)


@dataclass(frozen=True, slots=True)
class AuditFault:
    """Where the chain breaks, and how."""

    seq: int
    problem: str


def append(
    connection: psycopg.Connection[Any],
    *,
    actor: str,
    role: str,
    action: str,
    object_: str,
    old: Any = None,  # any JSON value
    new: Any = None,  # any JSON value
    reason: str = "",
) -> int:
    """Write one row inside the caller's transaction; give its number."""
    connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
    last = connection.execute("select seq, hash from audit order by seq desc limit 1").fetchone()
    seq, previous = (last[0] + 1, bytes(last[1])) if last else (1, FIRST)
    at = datetime.now(UTC)
    digest = _hash(previous, seq, at, actor, role, action, object_, old, new, reason, PROGRAM)
    connection.execute(
        "insert into audit (seq, at, actor, role, action, object, old, new, reason, program, prev_hash, hash)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (seq, at, actor, role, action, object_, _json(old), _json(new), reason, PROGRAM, previous, digest),
    )
    return seq


def check(connection: psycopg.Connection[Any], head: bytes | None = None) -> AuditFault | None:
    """Walk the whole chain; give the first fault.

    Parameters
    ----------
    head : bytes or None
        The newest hash as it was noted elsewhere; without it rows missing at the end cannot be seen.
    """
    previous, expected = FIRST, 1
    seen_head = head is None or head == FIRST
    for row in connection.execute(
        "select seq, at, actor, role, action, object, old, new, reason, program, prev_hash, hash"
        " from audit order by seq"
    ):
        seq, digest = row[0], bytes(row[11])
        if seq != expected:
            return AuditFault(expected, f"expected row {expected}, found {seq}: rows are missing")
        if bytes(row[10]) != previous:
            return AuditFault(seq, "does not follow the row before it")
        if _hash(previous, *row[:10]) != digest:
            return AuditFault(seq, "was changed after it was written")
        previous, expected = digest, seq + 1
        seen_head = seen_head or digest == head
    return (
        None if seen_head else AuditFault(expected, "the noted head is not in the trail: rows at the end are missing")
    )


def _hash(previous: bytes, *fields: Any) -> bytes:
    plain = [field.astimezone(UTC).isoformat() if isinstance(field, datetime) else field for field in fields]
    return hashlib.sha256(previous + msgspec.json.encode(plain, order="sorted")).digest()


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
