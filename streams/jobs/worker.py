"""A job worker: engine processes that wait for jobs, and the one thread that watches over them.

The clerk speaks with the job ledger (`streams/jobs/clerk.py`), each place with its engine process
(`streams/jobs/slot.py`); here is what brings them together, and how a worker goes.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from schemas.errors import SettingsError
from streams.jobs.clerk import Clerk, Granted, LoadPast
from streams.jobs.devices import Place
from streams.jobs.ears import Ears
from streams.jobs.engines import EngineEntry
from streams.jobs.metrics import JobMetrics
from streams.jobs.ports import JobLedger
from streams.jobs.slot import Limits, Shared, Slot
from streams.jobs.work import Pace

_BUSY_SECONDS = 0.1  # between two looks at engine processes that have something to do: the grain of every limit
_IDLE_SECONDS = 1.0
_CLOSE_SECONDS = 1.0
BROKEN = 1
log = structlog.get_logger("twinstream.jobs")


class Worker:
    """Runs jobs until it is told to stop.

    Parameters
    ----------
    name : str
        Unique among all workers.
    places : sequence of Place
        Where engine processes run, one each.
    entries : mapping
        The engines by kind.
    open_ledger : callable
        Makes a `JobLedger`; called once in each of two threads.
    load_past : callable
        Gives what the ledger keeps of a twin, as a job asked for it.
    idle_seconds : float, optional
        `run` ends by itself once the job ledger has had nothing for this worker for so long [s]; None: never.
    """

    def __init__(
        self,
        name: str,
        places: Sequence[Place],
        entries: Mapping[str, EngineEntry],
        open_ledger: Callable[[], JobLedger],
        load_past: LoadPast,
        *,
        limits: Limits | None = None,
        pace: Pace | None = None,
        metrics: JobMetrics | None = None,
        reap_seconds: float = 5.0,
        idle_seconds: float | None = None,
    ) -> None:
        if not entries:
            raise SettingsError("expected at least one kind to serve, received none; see --kinds")
        limits = limits or Limits()
        self.metrics = metrics or JobMetrics()
        self._limits, self._idle_seconds = limits, idle_seconds
        self._heard, self._wakes = os.pipe()
        for end in (self._heard, self._wakes):
            os.set_blocking(end, False)
        self._clerk = Clerk(
            name,
            open_ledger,
            load_past,
            self.wake,
            lease_seconds=limits.lease_seconds,
            renew_seconds=limits.renew_seconds,
        )
        self._ears = Ears(open_ledger, self._clerk.look, reap_seconds=reap_seconds)
        shared = Shared(entries, self._clerk, self.metrics, limits, pace or Pace())
        self.slots = [Slot(number, place, shared) for number, place in enumerate(places)]
        self.metrics.places.set(len(self.slots))
        self._stop = False

    def wake(self) -> None:
        """Look at once. May be called from any thread, and from a signal's handler."""
        try:
            os.write(self._wakes, b"\0")
        except (BlockingIOError, OSError):
            return  # it is awake already, or gone

    def request_stop(self) -> None:
        """Ask `run` to give back what it has, and return."""
        self._stop = True
        self.wake()

    @property
    def ready(self) -> bool:
        """Whether every place has its engines loaded, or is out of use for a while."""
        return all(slot.ready or slot.out for slot in self.slots)

    def run(self) -> int:
        """Run jobs until told to stop, or idle for as long as was asked for; give the exit code.

        Engine processes live as long as the thread that calls.
        """
        self._clerk.start()
        self._ears.start()
        try:
            while not self._stop and self._well() and not self._idle_long():
                self._turn()
            return self._leave()
        finally:
            for slot in self.slots:
                slot.close()
            os.close(self._heard)
            os.close(self._wakes)

    def _well(self) -> bool:
        for error in (self._clerk.error, self._ears.error):
            if error is not None:
                log.error("the worker ends", error=f"{type(error).__name__}: {error}"[:500])
                return False
        return True

    def _idle_long(self) -> bool:
        """Whether nothing came for so long that this worker is to end. A ledger that is away said nothing of that."""
        if self._idle_seconds is None or self._clerk.nothing_for() < self._idle_seconds:
            return False
        log.info("nothing to do; the worker ends", idle_seconds=self._idle_seconds)
        return True

    def _turn(self) -> None:
        """Wait for something to happen, and do what is to be done."""
        for slot in self.slots:
            slot.watch()
        self._listen()
        for one in self._clerk.news():
            if isinstance(one, Granted):
                self.slots[one.place].give(one)
            else:
                for slot in self.slots:
                    slot.stop(one.lease, "lost" if one.verdict == "lost" else "wished")
        spare = not any(slot.ready and slot.place.device.kind != "cpu" for slot in self.slots)
        for slot in self.slots:
            self._clerk.want(None if self._stop else slot.wants(spare), slot.number)
        self.metrics.busy.set(sum(slot.busy for slot in self.slots))

    def _listen(self) -> None:
        speaking = {slot.process.reads: slot for slot in self.slots if slot.process is not None}
        waiting = {
            slot.process.writes: slot for slot in self.slots if slot.process is not None and slot.process.wants_to_write
        }
        quiet = not any(slot.busy or not slot.ready for slot in self.slots)
        patience = _IDLE_SECONDS if quiet else _BUSY_SECONDS
        reads, writes, _ = select.select([self._heard, *speaking], list(waiting), [], patience)
        for end in writes:
            process = waiting[end].process
            if process is not None:
                process.flush()
        for end in reads:
            if end in speaking:
                speaking[end].listen()
            else:
                os.read(self._heard, 4096)

    def _leave(self) -> int:
        """Give every job back with its checkpoint, and commit what there is, in bounded time."""
        well = self._well()
        until = time.monotonic() + self._limits.drain_seconds
        self._clerk.stop_claiming()
        while well and time.monotonic() < until and not (self._clerk.idle() and not any(s.busy for s in self.slots)):
            for slot in self.slots:
                slot.stop(None, "drain")
            self._turn()
        self._ears.stop(0.0)
        self._clerk.close(_CLOSE_SECONDS)
        return 0 if well else BROKEN
