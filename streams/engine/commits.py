"""The commit thread: takes all that was folded since the last round, commits it as one, again and again.

While the database is away it waits and tries again; what was folded stays, nothing more is taken in than
`pending_records`, and fetching pauses by itself. A COMMIT may be durable though its reply was lost, so every
try starts by reading `applied` inside its own transaction and leaves out what lies below.

A round that fails for another reason is committed again frame by frame, so that it is known which frame it was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog

from schemas.errors import StaleEpochError
from streams.ledger.commit import Committer
from streams.ledger.connect import away, connect
from streams.ledger.folded import Folded
from streams.metrics import Metrics

_RETRY_SECONDS = 0.25
log = structlog.get_logger("twinstream.commits")


class CommitThread:
    """Commits what is submitted, in order.

    Parameters
    ----------
    uri : str
        The ledger's database.
    committer : Committer
        Writes one round.
    name : str
        The worker's; its successor ends all sessions of that name.
    pending_records : int
        Most records that may wait; `submit` blocks beyond it.
    on_committed : callable
        Called after each round with its frames, on the commit thread.
    on_failure : callable
        Called once with the error that ended the thread, and the frame whose commit raised it (None if it was no
        frame's); it ends the process.
    """

    def __init__(
        self,
        uri: str,
        committer: Committer,
        metrics: Metrics,
        name: str,
        pending_records: int,
        on_committed: Callable[[list[Folded]], None],
        on_failure: Callable[[BaseException, Folded | None], None],
    ) -> None:
        self._uri = uri
        self._committer = committer
        self._metrics = metrics
        self._name = name
        self._limit = pending_records
        self._on_committed = on_committed
        self._on_failure = on_failure
        self._pending: list[Folded] = []
        self._waiting = 0
        self.database_up = True
        self._busy = False
        self._guilty: Folded | None = None
        self._interrupted = False
        self._stopping = False
        self._change = threading.Condition()
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="commits", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def submit(self, folded: Folded) -> None:
        """Hand over one folded frame; block while too many wait."""
        size = max(1, len(folded.frame.facts) + len(folded.frame.refused))
        with self._change:
            if self._waiting + size > self._limit and self._waiting:
                self._metrics.backpressure.set(1)
                self._change.wait_for(
                    lambda: self._interrupted or not self._waiting or self._waiting + size <= self._limit
                )
                self._metrics.backpressure.set(0)
            self._pending.append(folded)
            self._waiting += size
            self._change.notify_all()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was submitted is committed; tell whether it is."""
        with self._change:
            self._change.wait_for(lambda: (not self._pending and not self._busy) or self._stopping, timeout)
            return not self._pending and not self._busy

    @property
    def ended(self) -> bool:
        """Whether it commits nothing any more."""
        return self._stopping

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread, and of what it does where it failed."""
        self._thread.join(timeout)

    def interrupt(self) -> None:
        """Let nobody wait in `submit` any more: the process is about to stop."""
        with self._change:
            self._interrupted = True
            self._change.notify_all()

    def stop(self, timeout: float) -> None:
        """Commit what waits, if that works in time, and end."""
        until = time.monotonic() + timeout
        self.flush(timeout)
        with self._change:
            self._stopping = True
            self._change.notify_all()
        self._thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        try:
            while (round_ := self._take()) is not None:
                self._commit(round_)
                with self._change:
                    self._waiting -= sum(max(1, len(one.frame.facts) + len(one.frame.refused)) for one in round_)
                    self._busy = False
                    self._change.notify_all()
        except BaseException as error:
            with self._change:
                self._stopping = True
                self._change.notify_all()
            self._on_failure(error, self._guilty)
        finally:
            self._disconnect()

    def _take(self) -> list[Folded] | None:
        with self._change:
            self._change.wait_for(lambda: self._pending or self._stopping)
            if not self._pending or self._stopping:
                return None
            round_, self._pending = self._pending, []
            self._busy = True
            return round_

    def _commit(self, round_: list[Folded]) -> None:
        """Commit a round. If that fails, commit frame by frame up to the one that fails again, and fail anyway."""
        try:
            self._commit_as_one(round_)
        except StaleEpochError:
            raise
        except Exception as error:
            log.error("a round cannot be committed; now frame by frame", error=f"{type(error).__name__}: {error}")
            for self._guilty in round_:
                self._commit_as_one([self._guilty])
            self._guilty = None  # each alone could be committed: it was nobody's fault
            raise

    def _commit_as_one(self, round_: list[Folded]) -> None:
        """Commit in one transaction, again and again while the database is away."""
        while True:
            started = time.monotonic()
            try:
                rows = self._committer.commit(self._connected(), round_)
                break
            except psycopg.Error as error:
                if not away(error):
                    self._disconnect()
                    raise
                self.database_up = False
                self._metrics.database_up.set(0)
                log.warning("database away; folded frames wait", error=str(error).strip()[:200], frames=len(round_))
                self._disconnect()
                with self._change:
                    if self._stopping:
                        return
                    self._change.wait_for(lambda: self._stopping, _RETRY_SECONDS)
        self.database_up = True
        self._metrics.database_up.set(1)
        self._metrics.commit_seconds.observe(time.monotonic() - started)
        self._metrics.commit_rows.inc(rows)
        self._on_committed(round_)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._uri, name=self._name)
            self._committer.forget()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
