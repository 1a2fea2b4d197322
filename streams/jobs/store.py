"""The job ledger over PostgreSQL: the door to what stands beside this file, and the session that it goes through.

Statements that readers must be woken for are followed by a notification on a session of its own, outside the
transaction: a notification would make each of them wait for the one lock that orders all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from streams.jobs import finishing, leases
from streams.jobs.answers import Job
from streams.jobs.ports import LEASE_SECONDS, Asked, Checkpoint, Claimed, Finished, Lease, Progress, Taken, Verdict
from streams.jobs.queue_bounds import QueueBounds
from streams.jobs.submitting import Submission, submit
from streams.ledger.connect import away, connect
from streams.ledger.folded import Output
from streams.outputs import RoundOutputs
from twins.engine import DeviceKind

CHANNEL = "twinstream_jobs"  # of NOTIFY, without a payload
_TELL = f"begin; set local synchronous_commit = off; select pg_notify('{CHANNEL}', ''); commit"
# After executemany, which pipelines, PostgreSQL 18.4 was seen not to end a transaction for its silence, so that who
# froze there held up all who take in; after one more statement it does (tests/faults/test_jobs_triggers.py).
_AWAKE = "select 1"

Connection = psycopg.Connection[Any]
Step = Callable[[str], None]


def no_step(_: str) -> None:
    """Go on."""


class JobStore:
    """The `JobLedger` of `streams/jobs/ports.py`. For one thread.

    Parameters
    ----------
    uri : str
        postgresql:// address of the ledger.
    outputs : RoundOutputs
        Where answers go, inside the transaction that ends a job (`streams.outputs.make_outputs`).
    at_step : callable
        Called with the name of each of STEPS as it is reached; tests kill the process there.
    """

    STEPS = ("submit_written", "submitted", "claimed", "checkpoint_kept", "finish_written", "finished", "told")

    def __init__(
        self,
        uri: str,
        outputs: RoundOutputs,
        name: str = "twinstream-jobs",
        at_step: Step = no_step,
        bounds: QueueBounds | None = None,
    ) -> None:
        self._uri = uri
        self._outputs = outputs
        self._name = name
        self._step = at_step
        self._bounds = bounds or QueueBounds()
        self._main: Connection | None = None
        self._side: Connection | None = None  # tells and listens, outside all transactions
        self._listening = False
        self._pause = threading.Event()  # never set: a wait that ends by its limit alone

    def submit(self, asked: Sequence[Asked]) -> list[Taken]:
        """See JobLedger."""
        return [] if not asked else self.take_in(lambda connection: submit(connection, asked, self._bounds)).taken

    def take_in(self, work: Callable[[Connection], Submission]) -> Submission:
        """Run the caller's own part of taking in, and what it says, in one transaction: the dispatcher's offset."""
        try:
            with self._transaction() as connection:
                said = work(connection)
                self._outputs.write(connection, said.outputs)
                connection.execute(_AWAKE)
                self._step("submit_written")
        except BaseException:
            self._bounds.forget()
            raise
        self._step("submitted")
        self._after(said.outputs, tell=said.news)
        return said

    def claim(
        self, worker: str, kinds: Sequence[str], device: DeviceKind, most: int, seconds: float = LEASE_SECONDS
    ) -> list[Claimed]:
        """See JobLedger."""
        if most <= 0 or not kinds:
            return []
        claimed = leases.claim(self._connection(), worker, kinds, device, most, seconds)
        self._step("claimed")
        return claimed

    def renew(self, worker: str, told: Sequence[Progress], seconds: float = LEASE_SECONDS) -> dict[Lease, Verdict]:
        """See JobLedger."""
        return leases.renew(self._connection(), worker, told, seconds) if told else {}

    def keep_checkpoint(self, lease: Lease, seq: int, versions: dict[str, str], device: str, body: bytes) -> bool:
        """See JobLedger."""
        kept = leases.keep_checkpoint(self._connection(), lease, seq, versions, device, body)
        self._step("checkpoint_kept")
        return kept

    def checkpoints(self, lease: Lease) -> list[Checkpoint]:
        """See JobLedger."""
        return leases.checkpoints(self._connection(), lease)

    def finish(self, done: Finished) -> bool:
        """See JobLedger. False too where somebody has cancelled it meanwhile: then it is ended as such."""
        with self._transaction() as connection:
            finished, outputs = finishing.finish(connection, done)
            self._outputs.write(connection, outputs)
            self._step("finish_written")
        self._step("finished")
        self._after(outputs, tell=False)
        return finished

    def fail(self, lease: Lease, error: str, *, again: bool, seconds: float = 0.0) -> bool:
        """See JobLedger."""
        return bool(self._end(lambda one: finishing.fail(one, lease, error, again=again, seconds=seconds)))

    def give_back(self, lease: Lease, *, seconds: float = 0.0) -> bool:
        """See JobLedger."""
        return bool(self._end(lambda one: finishing.give_back(one, lease, seconds=seconds)))

    def cancel(self, job: str, by: str, reason: str) -> bool:
        """See JobLedger."""
        with self._transaction() as connection:
            done, outputs = finishing.cancel(connection, job, by, reason)
            self._outputs.write(connection, outputs)
        self._after(outputs, tell=done)
        return done

    def reap(self) -> int:
        """See JobLedger. To be called every few seconds, by anyone: several do no harm."""
        lost = len(self._end(finishing.run_out))
        with self._transaction() as connection:
            ready = finishing.wake_delayed(connection) + finishing.age(connection)
        if ready:
            self._after((), tell=True)
        return lost

    def wait(self, timeout: float) -> None:
        """See JobLedger. The first call returns at once: nobody listened before."""
        try:
            side = self._side_connection()
            if not self._listening:
                side.execute(f"listen {CHANNEL}")
                self._listening = True
                return
            for _ in side.notifies(timeout=timeout, stop_after=1):
                pass
        except psycopg.Error as error:
            if not away(error):
                raise
            self._pause.wait(timeout)

    def close(self) -> None:
        """See JobLedger."""
        self._outputs.close()
        for one in (self._main, self._side):
            if one is not None:
                one.close()
        self._main = self._side = None

    def _end(self, work: Callable[[Connection], list[Job]]) -> list[Job]:
        """Run what ends attempts, with the answers of jobs that thereby ended, in one transaction."""
        with self._transaction() as connection:
            jobs = work(connection)
            outputs = finishing.settle(connection, jobs)
            self._outputs.write(connection, outputs)
        self._after(outputs, tell=bool(jobs))
        return jobs

    def _after(self, outputs: Sequence[Output], *, tell: bool) -> None:
        """Wake who reads topics, and who waits for jobs; both poll too, so an error here costs a moment."""
        if outputs:
            self._outputs.after_commit()
        if tell:
            try:
                self._side_connection().execute(_TELL, prepare=False)
            except psycopg.Error as error:
                if not away(error):
                    raise
        self._step("told")

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        connection = self._connection()
        with connection.transaction():
            yield connection

    def _connection(self) -> Connection:
        if self._main is None or self._main.closed or self._main.broken:
            self._main = _open(self._uri, self._name)
        return self._main

    def _side_connection(self) -> Connection:
        if self._side is None or self._side.closed or self._side.broken:
            self._side, self._listening = None, False
            self._side = _open(self._uri, f"{self._name}-news")
        return self._side


def _open(uri: str, name: str) -> Connection:
    """Open a session whose commits are durable when they return."""
    connection = connect(uri, autocommit=True, name=name)
    connection.prepare_threshold = 1
    connection.execute("set synchronous_commit = on")
    return connection
