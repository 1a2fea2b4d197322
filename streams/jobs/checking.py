"""Checks a request before the ledger takes it in: bounds, names, times; and makes of it what is written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas.errors import InvalidFieldError, printable
from schemas.ids import check_id
from schemas.instants import moment_of, parse_instant
from schemas.jobs import PRIORITIES
from streams.jobs.content import canonical_spec, content_hash, facts_of
from streams.jobs.ports import Asked
from streams.jobs.slots import MOST_REASON_CHARACTERS, SlotJob

MOST_SPEC_BYTES = 1 << 20  # as a record of the log
MOST_TENANT_CHARACTERS = 64


@dataclass(slots=True)
class Checked:
    """A request that can be taken in: its slot's view, and the rest of its row."""

    asked: Asked
    job: SlotJob
    spec: bytes
    facts: tuple[str, ...]
    past_from: datetime | None


def check(asked: Asked) -> Checked:
    """Check one request.

    Raises
    ------
    InvalidFieldError
        With what was expected, what came, and where.
    """
    request = asked.request
    check_id(asked.id, "id")
    for text, where in ((asked.twin_kind, "twin"), (asked.twin_key, "key"), (request.spec.kind, "spec.kind")):
        check_id(text, where)
    _check_tenant(request.tenant)
    body = canonical_spec(request.spec)
    if len(body) > MOST_SPEC_BYTES:
        raise InvalidFieldError(
            expected=f"a specification of at most {MOST_SPEC_BYTES} bytes", received=f"{len(body)}", where="spec"
        )
    deadline = None if request.deadline is None else moment_of(parse_instant(request.deadline, "deadline"))
    past_from = None if request.past_from is None else moment_of(parse_instant(request.past_from, "past_from"))
    facts = facts_of(asked.id)
    # what is handed the past of nobody knows when is never the same as another
    known = facts or (asked.id,)
    digest = content_hash(request, asked.twin_kind, asked.twin_key, known, body)
    priority = PRIORITIES.index(request.priority)
    reason = printable(request.reason).strip()[:MOST_REASON_CHARACTERS] or "no reason given"
    slot = asked.twin_kind, asked.twin_key, request.spec.kind
    job = SlotJob(asked.id, slot, digest, [reason], priority, priority, deadline)
    return Checked(asked, job, body, facts, past_from)


def _check_tenant(tenant: str) -> None:
    check_id(tenant, "tenant")
    if len(tenant) > MOST_TENANT_CHARACTERS or tenant == "*":
        raise InvalidFieldError(
            expected=f"a tenant of at most {MOST_TENANT_CHARACTERS} characters, not *",
            received=repr(tenant)[:80],
            where="tenant",
        )
