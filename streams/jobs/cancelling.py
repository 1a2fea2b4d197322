"""What a person's word does to the job ledger: each in one transaction with its row in the audit trail."""

from __future__ import annotations

from contextlib import closing

from streams.jobs.store import JobStore
from streams.ledger import audit
from streams.ledger.connect import connect
from streams.outputs import make_outputs


def cancel(broker: str | None, database: str, job: str, by: str, reason: str) -> bool:
    """End a queued job, or tell who runs it to stop; audited. False where it has ended, or is not there."""
    with closing(JobStore(database, make_outputs(broker, database), "twinstream-api")) as store:
        return store.cancel(job, by, reason)


def note_wish(database: str, job: str, by: str, reason: str, key: str) -> None:
    """Write into the audit trail that a person asked for a job of patient safety, with whose API key."""
    with connect(database, name="twinstream api") as connection:
        audit.append(
            connection, actor=by, role="person", action="asked for a re-simulation of patient safety", object_=job,
            new={"key": key}, reason=reason,
        )  # fmt: skip
