"""One place of a worker: its engine process, the job that runs there, and what is done when either goes wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import structlog

from streams.jobs.answer import finished
from streams.jobs.clerk import Clerk, Ended, Granted, Wanted
from streams.jobs.devices import Place
from streams.jobs.engines import EngineEntry
from streams.jobs.messages import (
    Answered,
    Do,
    Failed,
    FromEngine,
    Kept,
    Ready,
    Stop,
    Stopped,
    Told,
    Warming,
)
from streams.jobs.metrics import JobMetrics
from streams.jobs.ports import LEASE_SECONDS, Checkpoint, Claimed, Lease
from streams.jobs.process import EngineProcess
from streams.jobs.work import Pace

_BACKOFF_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
_MOST_BLAMED = 2
_SWOLLEN_SHARE = 0.5  # an engine process that holds so much of a job's bound once it is done is replaced (assumed)
log = structlog.get_logger("twinstream.jobs")

# Why a job is stopped: somebody wished it away, its lease is lost, or this worker goes.
Stopping = Literal["wished", "lost", "drain"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker allows, in seconds. Memory and silence are each engine's own."""

    lease_seconds: float = LEASE_SECONDS
    renew_seconds: float = 1.0  # progress is live, and a wish is heard in time; a lease would need a tenth of it
    stop_seconds: float = 1.5  # from a wish until an engine that does not stop is ended
    job_seconds: float = 86_400.0  # of one job, over all its attempts (assumed)
    start_seconds: float = 120.0  # to load all engines (assumed; JAX takes some two)
    cool_seconds: float = 60.0  # that a lost device is left alone (assumed)
    drain_seconds: float = 8.0


@dataclass(slots=True)
class _Job:
    """What runs here. Times are of our own monotonic clock."""

    claimed: Claimed
    began: float
    moved: float  # when it was last further than before
    done: float = -1.0
    note: str = ""
    seq: int = 0
    stopping: Stopping | None = None
    stop_until: float = 0.0  # ended if it has not stopped by then

    @property
    def lease(self) -> Lease:
        return self.claimed.lease


@dataclass(slots=True)
class Shared:
    """What all places of a worker have in common. `broken`: engines that end a process by being loaded."""

    entries: Mapping[str, EngineEntry]
    clerk: Clerk
    metrics: JobMetrics
    limits: Limits
    pace: Pace
    broken: dict[str, str] = field(default_factory=dict)
    blamed: dict[str, int] = field(default_factory=dict)  # how often in a row


class Slot:
    """One place. For the worker's one thread."""

    def __init__(self, number: int, place: Place, shared: Shared) -> None:
        self.number, self.place = number, place
        self._shared, self._clerk, self._limits = shared, shared.clerk, shared.limits
        self.process: EngineProcess | None = None
        self._kinds: tuple[str, ...] | None = None  # what the process serves; None: it is not ready
        self._warming = ""
        self._started = self._due = 0.0
        self._failures = 0
        self._job: _Job | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs here."""
        return self._job is not None

    @property
    def ready(self) -> bool:
        """Whether the engine process has loaded its engines."""
        return self._kinds is not None

    @property
    def out(self) -> bool:
        """Whether its device is left alone for a while."""
        return self.process is None and self._due > time.monotonic()

    def give(self, granted: Granted) -> None:
        """Run a job here."""
        now, claimed = time.monotonic(), granted.claimed
        self._job = _Job(claimed, now, now)
        if self.process is None:
            self._start(now)
        assert self.process is not None
        try:
            spec = msgspec.json.encode(claimed.spec)
            self.process.say(Do(claimed.lease, claimed.kind, spec, list(granted.past), list(granted.checkpoints)))
        except (ValueError, OverflowError, TypeError, RecursionError) as error:
            self._end(Ended(error=f"the job cannot be handed to an engine: {error}", again=False), "failed")

    def stop(self, lease: Lease | None, why: Stopping) -> None:
        """Stop a job, whichever it is without `lease`: between two pieces, or by force where that takes too long."""
        job = self._job
        if job is None or lease not in (None, job.lease) or job.stopping or self.process is None:
            return
        drain = why == "drain"
        job.stopping = why
        job.stop_until = time.monotonic() + (self._limits.drain_seconds / 2 if drain else self._limits.stop_seconds)
        if self.process.paused:
            self.process.resume()
        self.process.say(Stop(job.lease, drain))

    def wants(self, spare: bool) -> Wanted | None:
        """Say what may come here; `spare`: no accelerator serves those who would prefer one."""
        if self._job is not None or self._kinds is None or self.process is None:
            return None
        cuda = self.place.device.kind != "cpu"
        wanted = []
        for kind in self._kinds:
            needs = self._shared.entries[kind].needs
            if (needs != "cpu") if cuda else (needs == "cpu" or (needs == "prefers_gpu" and spare)):
                wanted.append(kind)
        return Wanted(self.number, tuple(wanted), self.place.device.kind) if wanted else None

    def listen(self) -> None:
        """Hear what the engine process said."""
        if self.process is None:
            return
        try:
            for message in self.process.hear():
                self._hear(message)
        except EOFError as gone:
            self._replace(str(gone))
        except ValueError as error:
            self._replace(f"the engine's process said what is no message: {error}")

    def watch(self) -> None:
        """Start what is due; end what hangs, swells or takes too long; hold what may no longer be ours."""
        now = time.monotonic()
        if self.process is None:
            if now >= self._due:
                self._start(now)
            return
        if self._kinds is None and now - self._started > self._limits.start_seconds:
            self._replace(f"the engine's process was not ready after {self._limits.start_seconds:g} s")
        elif self._job is not None:
            self._watch_job(self._job, self.process, now)

    def close(self) -> None:
        """End the engine process."""
        if self.process is not None:
            self.process.close()
            self.process = None

    def _watch_job(self, job: _Job, process: EngineProcess, now: float) -> None:
        entry = self._shared.entries[job.claimed.kind]
        if job.stopping:
            if now > job.stop_until:
                self._stopped(job)
                self._replace("")
            return
        ours = self._clerk.ours(job.lease)
        if process.paused != (not ours):
            (process.resume if ours else process.pause)()
            job.moved = now
        elif not ours:
            return
        resident = process.resident_bytes()
        if resident > entry.memory_mb << 20:
            why = f"the engine took more memory than it may: {resident >> 20} of {entry.memory_mb} MiB"
            self._fail(f"{why}; ask for less at once", again=True)
        elif now - job.moved > entry.silent_seconds:
            self._fail(f"the engine made no progress for {entry.silent_seconds:g} s, and was ended", again=True)
        elif job.claimed.seconds + now - job.began > self._limits.job_seconds:
            self._fail(f"the job took longer than a job may: {self._limits.job_seconds:g} s; ask for less", again=False)

    def _hear(self, message: FromEngine) -> None:
        if isinstance(message, Warming):
            self._warming = message.kind
        elif isinstance(message, Ready):
            self._is_ready(message)
        elif self._job is not None and message.lease == self._job.lease:
            self._hear_of(self._job, message)

    def _is_ready(self, ready: Ready) -> None:
        self._kinds = tuple(kind for kind in ready.kinds if kind in self._shared.entries)
        self._warming, self._failures = "", 0
        for kind, why in ready.missing.items():
            if kind not in self._shared.broken:
                log.warning("jobs of this kind are left to other workers", kind=kind, why=why)
        self._shared.broken.update(ready.missing)
        self._shared.blamed.clear()
        log.info("engines are loaded", place=self.place.name, seconds=round(time.monotonic() - self._started, 2))

    def _hear_of(self, job: _Job, message: Told | Kept | Answered | Stopped | Failed) -> None:
        if isinstance(message, Told):
            self._told(job, message)
        elif isinstance(message, Kept):
            job.seq += 1
            versions, device = message.versions, self.place.name
            self._clerk.keep(job.lease, Checkpoint(job.lease.attempt, job.seq, versions, device, message.body))
        elif isinstance(message, Stopped) or job.stopping == "lost":
            self._stopped(job)
        elif isinstance(message, Answered):
            seconds = time.monotonic() - job.began
            self._end(Ended(finished(job.claimed, message, self.place.name, seconds)), "done")
        else:
            self._failed(message)
        if self._job is None:
            self._slim(job)

    def _told(self, job: _Job, told: Told) -> None:
        if (told.done, told.note) != (job.done, job.note):
            job.moved = time.monotonic()
        job.done, job.note = told.done, told.note
        share = min(1.0, max(0.0, told.done / told.total)) if told.total > 0 else 0.0
        self._clerk.tell(job.lease, share, told.note, told.rates)

    def _failed(self, failed: Failed) -> None:
        if failed.device_lost:
            self._end(Ended(error=failed.error, again=True), "failed")
            self._leave_alone(failed.error)
        else:
            self._end(Ended(error=failed.error, again=failed.again), "failed")

    def _fail(self, error: str, *, again: bool) -> None:
        """End the engine process and its job."""
        self._end(Ended(error=error, again=again), "failed")
        self._replace("")

    def _stopped(self, job: _Job) -> None:
        if job.stopping == "lost":
            self._clerk.drop(job.lease)
            self._count(job, "lost")
            self._job = None
        else:
            self._end(Ended(), "stopped")

    def _end(self, ended: Ended, how: str) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        if ended.error:
            log.warning("a job's attempt failed", job=job.lease.id, attempt=job.lease.attempt, why=ended.error[:300])
        self._count(job, how)
        self._clerk.end(job.lease, ended)

    def _count(self, job: _Job, how: str) -> None:
        kind = job.claimed.kind
        self._shared.metrics.ended.labels(kind, how).inc()
        self._shared.metrics.seconds.labels(kind, self.place.name).inc(time.monotonic() - job.began)

    def _slim(self, job: _Job) -> None:
        """Replace a process that a job left swollen."""
        entry = self._shared.entries[job.claimed.kind]
        if self.process is not None and self.process.resident_bytes() > (entry.memory_mb << 20) * _SWOLLEN_SHARE:
            self._replace("")

    def _replace(self, why: str) -> None:
        """End the engine process, and start another at once; later and later where none becomes ready."""
        if self._kinds is None:
            self._failures += 1
            self._blame(self._warming, why)
        if self._job is not None:
            self._end_with(self._job, why)
        self._shared.metrics.replaced.inc()
        self.close()
        self._kinds, self._warming = None, ""
        now = time.monotonic()
        self._due = now + _BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)]
        if now >= self._due:
            self._start(now)

    def _blame(self, kind: str, why: str) -> None:
        """The process went while it loaded an engine: once may be anybody's doing, twice is that engine's."""
        if not kind:
            return
        self._shared.blamed[kind] = self._shared.blamed.get(kind, 0) + 1
        if self._shared.blamed[kind] >= _MOST_BLAMED:
            self._shared.broken[kind] = why
            log.error("an engine cannot be loaded here", kind=kind, why=why)

    def _end_with(self, job: _Job, why: str) -> None:
        """The process went while a job ran in it: its doing, unless it was told to stop anyway."""
        if job.stopping:
            self._stopped(job)
        else:
            self._end(Ended(error=why, again=True), "failed")

    def _leave_alone(self, why: str) -> None:
        log.error("a device is lost; it is left alone for a while", place=self.place.name, why=why[:300])
        self._shared.metrics.replaced.inc()
        self.close()
        self._kinds, self._due = None, time.monotonic() + self._limits.cool_seconds

    def _start(self, now: float) -> None:
        entries = [entry for kind, entry in self._shared.entries.items() if kind not in self._shared.broken]
        self.process = EngineProcess(self.place, entries, self._shared.pace)
        self._kinds, self._started = None, now
