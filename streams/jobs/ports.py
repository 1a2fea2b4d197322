"""What dispatcher and workers say to the job ledger, and what it answers; in terms of the ledger's own time.

`streams/jobs/store.py` is the one implementation, over PostgreSQL. Every method is one transaction of its own unless it
says otherwise, may raise psycopg's errors while the database is away (`streams.ledger.connect.away`), and may then be
called again: each is idempotent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from schemas.jobs import Priority, ResimulationRequest, SimulationSpec
from twins.engine import DeviceKind, Overlap

LEASE_SECONDS = 30.0
HEARTBEAT_SECONDS = 10.0
MOST_FAILURES = 3  # of one job; then it goes to the dead letters
MOST_CHECKPOINT_BYTES = 64 << 20
# Of an answer, whole, as JSON: what an engine may say, what the ledger takes and what is unzipped for a reader. It
# travels as one frame of the pipe and one value of a row, in memory at each (assumed: far above our largest answers).
MOST_DOCUMENT_BYTES = 64 << 20
KEPT_CHECKPOINTS = 2

Outcome = Literal["queued", "duplicate", "cached", "extended", "superseded_older", "refused"]
Verdict = Literal["go_on", "cancel", "supersede", "lost"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it comes to the ledger. `id` is the job's; `place` names its record."""

    id: str
    twin_kind: str
    twin_key: str
    asked_by: str
    event_time: datetime
    request: ResimulationRequest
    overlap: Overlap
    place: str  # topic/partition/offset; empty for what a person asked


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one request, and why where it was refused."""

    id: str
    outcome: Outcome
    job: str  # the job that answers it: another's id for duplicates, extensions and cached answers
    why: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a job: worthless once another attempt began, or its time is over by the database's clock."""

    no: int
    id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job to run."""

    lease: Lease
    twin_kind: str
    twin_key: str
    kind: str
    priority: Priority
    spec: SimulationSpec
    content_hash: str
    inputs: tuple[str, ...]
    past_from: datetime | None
    failures: int
    seconds: float  # spent by attempts before


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What an attempt left, whole by its hash."""

    attempt: int
    seq: int
    versions: dict[str, str]
    device: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """What a worker tells with a heartbeat. `seconds` were spent since the last one that was kept."""

    lease: Lease
    share: float
    note: str = ""
    rates: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """An answer to commit: `result` as it is sent (JSON of ResimulationResult), `document` whole (JSON)."""

    lease: Lease
    result: bytes
    document: bytes
    seconds: float
    device: str


class JobLedger(Protocol):
    """The job ledger. For one thread."""

    def submit(self, asked: Sequence[Asked]) -> list[Taken]:
        """Take requests in: as a row, into the row of another, or as the repetition of an answer that is there."""
        ...

    def claim(
        self, worker: str, kinds: Sequence[str], device: DeviceKind, most: int, seconds: float = LEASE_SECONDS
    ) -> list[Claimed]:
        """Take the next jobs: by rank, fair between tenants, earliest deadline first, within budgets.

        They are noted to run on `device` until their answers say better.
        """
        ...

    def renew(self, worker: str, told: Sequence[Progress], seconds: float = LEASE_SECONDS) -> dict[Lease, Verdict]:
        """Keep leases and progress; say of each what is wished."""
        ...

    def keep_checkpoint(self, lease: Lease, seq: int, versions: dict[str, str], device: str, body: bytes) -> bool:
        """Keep a checkpoint, and with it the two newest; False where the lease is lost."""
        ...

    def checkpoints(self, lease: Lease) -> list[Checkpoint]:
        """Give what earlier attempts left, newest first, without those whose hash is wrong."""
        ...

    def finish(self, done: Finished) -> bool:
        """Commit an answer, once: the job, `resim.results`, the twin's own event. False where the lease is lost."""
        ...

    def fail(self, lease: Lease, error: str, *, again: bool, seconds: float = 0.0) -> bool:
        """Give a job back after an error: queued again after a wait, or to the dead letters; False if lost."""
        ...

    def give_back(self, lease: Lease, *, seconds: float = 0.0) -> bool:
        """Give a job back without blame, at once for anyone: drain, preemption. Also ends what was cancelled."""
        ...

    def cancel(self, job: str, by: str, reason: str) -> bool:
        """End a queued job, or tell who runs it to stop; audited. False where it has ended."""
        ...

    def reap(self) -> int:
        """Queue again what nobody holds any more, age what waits; give how many leases had run out."""
        ...

    def wait(self, timeout: float) -> None:
        """Return when there may be news, at the latest after `timeout` seconds; a lost call only costs that."""
        ...

    def close(self) -> None: ...
