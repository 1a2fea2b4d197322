"""Look at the job ledger once for all who follow it, and tell each which jobs moved."""

from __future__ import annotations

import asyncio
import time

import structlog

from schemas.jobs import ENDED, JobProgress
from streams.jobs.reads_progress import Looked, look
from streams.ledger.reads import LedgerReads

LOOK_SECONDS = 0.25
RETRY_SECONDS = 2.0
MOST_PRESENT = 2000  # jobs that are remembered; of more the oldest that wait are let go
MOST_WAITING = 1000  # jobs that one slow listener is told of later; beyond, it is told all anew

_log = structlog.get_logger(__name__)


class Following:
    """What waits for one listener: of each job the newest word."""

    def __init__(self) -> None:
        self.waiting: dict[str, JobProgress] = {}
        self.anew = True
        self.closed = False
        self._wake = asyncio.Event()

    def offer(self, progress: JobProgress) -> None:
        """Take a job's progress in, in place of what waited of it."""
        self.waiting[progress.job] = progress
        if len(self.waiting) > MOST_WAITING:
            self.waiting.clear()
            self.anew = True
        self._wake.set()

    def close(self) -> None:
        """End the listener's stream."""
        self.closed = True
        self._wake.set()

    def wake(self) -> None:
        """Let the listener look, though no job moved."""
        self._wake.set()

    def take(self) -> list[JobProgress]:
        """Give what waits, and forget it."""
        taken = list(self.waiting.values())
        self.waiting.clear()
        return taken

    async def wait(self, timeout: float) -> bool:
        """Return when there is something to do, or after a while; tell which."""
        try:
            await asyncio.wait_for(self._wake.wait(), timeout)
        except TimeoutError:
            return False
        self._wake.clear()
        return True


class JobWatch:
    """Follows the job ledger for all listeners of this process; while nobody listens it does not look."""

    def __init__(self, reads: LedgerReads) -> None:
        self._reads = reads
        self._listeners: set[Following] = set()
        self._task: asyncio.Task[None] | None = None
        self._present: dict[int, JobProgress] = {}  # of what has not ended
        self._newest: int | None = None
        self._since: str | None = None
        self._ended: frozenset[int] = frozenset()
        self._looked = asyncio.Event()
        self.trouble = ""

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def join(self) -> Following:
        """Add a listener; it begins with the present."""
        listener = Following()
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="job watch")
        return listener

    def leave(self, listener: Following) -> None:
        """Remove a listener."""
        self._listeners.discard(listener)

    def present(self) -> list[JobProgress]:
        """Give the jobs under way, and the newest of those that wait."""
        return list(self._present.values())

    @property
    def looked(self) -> bool:
        """Whether the present is known."""
        return self._looked.is_set()

    def close(self) -> None:
        """End every stream."""
        for listener in self._listeners:
            listener.close()

    async def stop(self) -> None:
        """End every stream and stop looking."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        self._present.clear()
        self._ended = frozenset()
        self._newest = self._since = None
        self._looked.clear()
        while self._listeners:
            began = time.monotonic()
            try:
                self._take(await self._look())
                self._tell_trouble("")
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the ledger may be away for any reason its client has; told, and tried again
                self._tell_trouble(f"the job ledger does not answer ({type(error).__name__})")
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - began)))

    async def _look(self) -> Looked:
        running = [no for no, one in self._present.items() if one.state == "running"]
        async with self._reads.connection() as connection:
            return await look(connection, self._newest, self._since, running)

    def _take(self, found: Looked) -> None:
        """Tell what is different from the look before; the first look is the present, and told as such."""
        first, self._newest, self._since = self._newest is None, found.newest, found.at
        told = self._ended
        self._ended = frozenset(no for no, one in found.jobs.items() if one.state in ENDED)
        for no, progress in found.jobs.items():
            before = self._present.get(no)
            if no in self._ended:
                self._present.pop(no, None)
            else:
                self._present[no] = progress
            if not first and progress != before and no not in told:
                for listener in self._listeners:
                    listener.offer(progress)
        self._forget()
        if first:
            self._looked.set()
            for listener in self._listeners:
                listener.wake()

    def _forget(self) -> None:
        """Keep few of those that wait; one that begins to run is seen again."""
        spare = len(self._present) - MOST_PRESENT
        for no in [no for no, one in sorted(self._present.items()) if one.state == "queued"][: max(0, spare)]:
            del self._present[no]

    def _tell_trouble(self, text: str) -> None:
        if text == self.trouble:
            return
        if text:
            _log.warning("job ledger away", trouble=text)
        self.trouble = text
        for listener in self._listeners:
            listener.wake()
