"""A job ledger in memory, with leases and fencing, for tests of workers. It can be away, and take leases away."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from schemas.jobs import SimulationSpec
from streams.jobs.ports import (
    LEASE_SECONDS,
    MOST_FAILURES,
    Asked,
    Checkpoint,
    Claimed,
    Finished,
    Lease,
    Progress,
    Taken,
    Verdict,
)
from twins.engine import DeviceKind


@dataclass
class Row:
    """One job."""

    spec: SimulationSpec
    no: int
    state: str = "queued"
    attempt: int = 0
    failures: int = 0
    wish: Verdict = "go_on"
    lease_until: float = 0.0
    seconds: float = 0.0
    share: list[float] = field(default_factory=list)
    told_at: float = 0.0
    claimed_at: float = 0.0
    errors: list[str] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    kept: list[Checkpoint] = field(default_factory=list)
    returned: int = 0
    devices: list[str] = field(default_factory=list)


class MemoryLedger:
    """A ledger that all who are given it share. Each call is whole, as a transaction is."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.away = False
        self.refuse_answers = False
        self.past_from: datetime | None = None
        self._changed = threading.Condition()

    def ask(self, job: str, spec: SimulationSpec) -> Row:
        """Queue a job."""
        with self._changed:
            row = self.rows[job] = Row(spec, len(self.rows) + 1)
            self._changed.notify_all()
        return row

    def take_away(self, job: str) -> None:
        """Let the lease run out, and queue the job again: what `reap` does for a worker that is silent."""
        with self._changed:
            row = self.rows[job]
            row.state, row.lease_until = "queued", 0.0
            row.attempt += 1  # as if another had begun

    def submit(self, asked: Sequence[Asked]) -> list[Taken]:
        raise NotImplementedError

    def claim(
        self, worker: str, kinds: Sequence[str], device: DeviceKind, most: int, seconds: float = LEASE_SECONDS
    ) -> list[Claimed]:
        with self._changed:
            self._here()
            claimed: list[Claimed] = []
            for job, row in self.rows.items():
                if row.state == "queued" and row.spec.kind in kinds and len(claimed) < most:
                    row.state, row.attempt = "running", row.attempt + 1
                    row.lease_until, row.claimed_at = time.monotonic() + seconds, time.monotonic()
                    row.devices.append(device)
                    claimed.append(self._claimed(job, row))
            return claimed

    def renew(self, worker: str, told: Sequence[Progress], seconds: float = LEASE_SECONDS) -> dict[Lease, Verdict]:
        with self._changed:
            self._here()
            verdicts: dict[Lease, Verdict] = {}
            for one in told:
                row = self._row(one.lease)
                if row is None:
                    verdicts[one.lease] = "lost"
                    continue
                row.told_at = row.told_at or time.monotonic()
                row.lease_until = time.monotonic() + seconds
                row.share.append(one.share)
                row.seconds += one.seconds
                verdicts[one.lease] = row.wish
            return verdicts

    def keep_checkpoint(self, lease: Lease, seq: int, versions: dict[str, str], device: str, body: bytes) -> bool:
        with self._changed:
            self._here()
            if (row := self._row(lease)) is None:
                return False
            row.kept = [*row.kept, Checkpoint(lease.attempt, seq, versions, device, body)][-2:]
            return True

    def checkpoints(self, lease: Lease) -> list[Checkpoint]:
        with self._changed:
            self._here()
            return self.rows[lease.id].kept[::-1]

    def finish(self, done: Finished) -> bool:
        with self._changed:
            self._here()
            if self.refuse_answers:
                raise psycopg.DataError("a text cannot hold this")
            if (row := self._row(done.lease)) is None:
                return False
            row.finished.append(done)
            self._ended(row, "done", done.seconds)
            return True

    def fail(self, lease: Lease, error: str, *, again: bool, seconds: float = 0.0) -> bool:
        with self._changed:
            self._here()
            if (row := self._row(lease)) is None:
                return False
            row.errors.append(error)
            row.failures += 1
            self._ended(row, "queued" if again and row.failures < MOST_FAILURES else "failed", seconds)
            return True

    def give_back(self, lease: Lease, *, seconds: float = 0.0) -> bool:
        with self._changed:
            self._here()
            if (row := self._row(lease)) is None:
                return False
            row.returned += 1
            self._ended(row, "cancelled" if row.wish == "cancel" else "queued", seconds)
            return True

    def cancel(self, job: str, by: str, reason: str) -> bool:
        with self._changed:
            self.rows[job].wish = "cancel"
        return True

    def reap(self) -> int:
        with self._changed:
            self._here()
            gone = [row for row in self.rows.values() if row.state == "running" and row.lease_until < time.monotonic()]
            for row in gone:
                row.state = "queued"
            return len(gone)

    def wait(self, timeout: float) -> None:
        with self._changed:
            self._here()
            self._changed.wait(min(timeout, 0.1))

    def close(self) -> None:
        return

    def _here(self) -> None:
        if self.away:
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    def _row(self, lease: Lease) -> Row | None:
        row = self.rows[lease.id]
        ours = row.state == "running" and row.attempt == lease.attempt and time.monotonic() < row.lease_until
        return row if ours else None

    def _ended(self, row: Row, state: str, seconds: float) -> None:
        row.state = state
        row.seconds += seconds
        self._changed.notify_all()

    def _claimed(self, job: str, row: Row) -> Claimed:
        lease = Lease(row.no, job, row.attempt)
        return Claimed(
            lease,
            "bioreactor",
            "BR-1",
            row.spec.kind,
            "what_if",
            row.spec,
            "a1b2",
            ("bioreactor.events/3/41",),
            self.past_from,
            row.failures,
            row.seconds,
        )


__all__ = ["MemoryLedger", "Row"]
