"""The one thread of a worker that speaks with the job ledger: claims, keeps leases, commits what came of jobs.

Those who watch the engine processes never wait for the database: they leave word here, and read what is new. While the
database is away everything is kept and tried again; each held lease says until when it is surely ours by our own clock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from schemas.errors import printable
from streams.jobs.ledger_thread import LedgerThread
from streams.jobs.ports import Checkpoint, Claimed, Finished, JobLedger, Lease, Progress, Verdict
from streams.ledger.connect import away
from twins.block import Memory
from twins.engine import DeviceKind

MOST_SECONDS_AWAY = 1.0
_FIRST_SECONDS_AWAY = 0.1
log = structlog.get_logger("twinstream.jobs")

LoadPast = Callable[[Claimed], Sequence[Memory]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place that is free, and what may come to it."""

    place: int
    kinds: tuple[str, ...]
    device: DeviceKind


@dataclass(frozen=True, slots=True)
class Granted:
    """A job for a place, with all that it needs."""

    place: int
    claimed: Claimed
    checkpoints: tuple[Checkpoint, ...]
    past: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class Wished:
    """What the ledger wants of a job that runs: `cancel`, `supersede` or `lost`."""

    lease: Lease
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended here: an answer, an error, or, with neither, given back."""

    answer: Finished | None = None
    error: str = ""
    again: bool = True


@dataclass(slots=True)
class _Held:
    """A lease in our hands. Times are of our own monotonic clock."""

    claimed: Claimed
    until: float
    charged: float  # device seconds up to then are in the ledger
    told: Progress
    first: bool = True  # nothing was told yet
    checkpoint: Checkpoint | None = None
    ended: Ended | None = None
    ended_at: float = 0.0


class Clerk:
    """Speaks with the job ledger, in a thread of its own. Every method may be called from another thread.

    Parameters
    ----------
    open_ledger : callable
        Makes the ledger, in the clerk's thread.
    load_past : callable
        Gives what the ledger keeps of a twin, as a job asked for it.
    wake : callable
        Called when there is something to read.
    """

    def __init__(
        self,
        worker: str,
        open_ledger: Callable[[], JobLedger],
        load_past: LoadPast,
        wake: Callable[[], None],
        *,
        lease_seconds: float,
        renew_seconds: float,
    ) -> None:
        self._worker, self._load_past, self._wake = worker, load_past, wake
        self._lease_seconds, self._renew_seconds = lease_seconds, renew_seconds
        self._changed = threading.Condition()
        self._held: dict[Lease, _Held] = {}
        self._wanted: dict[int, Wanted] = {}
        self._news: deque[Granted | Wished] = deque()
        self._look = True  # there may be something to claim
        self._nothing_since: float | None = None  # since when the ledger had nothing for us, and nothing is held
        self._claiming = True
        self._closing = False
        self._renewed = 0.0
        self._thread = LedgerThread("clerk", open_ledger, self._serve, wake)

    @property
    def error(self) -> BaseException | None:
        """What ended it before its time."""
        return self._thread.error

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def news(self) -> list[Granted | Wished]:
        """Give what is new."""
        with self._changed:
            news, self._news = list(self._news), deque()
        return news

    def want(self, wanted: Wanted | None, place: int) -> None:
        """Say that a place is free, or is not."""
        with self._changed:
            if wanted is None:
                self._wanted.pop(place, None)
            elif self._wanted.get(place) != wanted and not self._on_its_way(place):
                self._wanted[place] = wanted
                self._look = True
                self._changed.notify()

    def _on_its_way(self, place: int) -> bool:
        return any(isinstance(one, Granted) and one.place == place for one in self._news)

    def look(self) -> None:
        """There may be something to claim."""
        with self._changed:
            self._look = True
            self._changed.notify()

    def tell(self, lease: Lease, share: float, note: str, rates: dict[str, float]) -> None:
        """Progress of a job: the newest is written with the next renewal; the first one at once."""
        with self._changed:
            if (held := self._held.get(lease)) is None:
                return
            held.told = Progress(lease, share, note, rates)
            if held.first:
                held.first = False
                self._renewed = 0.0
                self._changed.notify()

    def keep(self, lease: Lease, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint; one that still waits is replaced."""
        with self._changed:
            if (held := self._held.get(lease)) is not None:
                held.checkpoint = checkpoint
                self._changed.notify()

    def end(self, lease: Lease, ended: Ended) -> None:
        """Commit what came of a job. It is tried until the ledger has answered."""
        with self._changed:
            if (held := self._held.get(lease)) is not None and held.ended is None:
                held.ended, held.ended_at = ended, time.monotonic()
                self._changed.notify()

    def drop(self, lease: Lease) -> None:
        """Forget a job whose lease is lost."""
        with self._changed:
            self._held.pop(lease, None)

    def ours(self, lease: Lease) -> bool:
        """Tell whether a lease is surely ours, by our own clock."""
        with self._changed:
            return (held := self._held.get(lease)) is not None and time.monotonic() < held.until

    def stop_claiming(self) -> None:
        """Take no more jobs."""
        with self._changed:
            self._claiming = False

    def idle(self) -> bool:
        """Tell whether nothing is held or waits to be committed."""
        with self._changed:
            return not self._held

    def nothing_for(self) -> float:
        """Give for how long [s] nothing is held, and every claim that the ledger answered came back empty."""
        with self._changed:
            return 0.0 if self._nothing_since is None else time.monotonic() - self._nothing_since

    def close(self, timeout: float) -> None:
        """End, once what waits is committed, or after `timeout` seconds."""
        with self._changed:
            self._claiming, self._closing = False, True
            self._changed.notify()
        self._thread.join(timeout)

    def _serve(self, ledger: JobLedger) -> None:
        pause = 0.0
        while True:
            with self._changed:
                if self._closing and not any(one.ended for one in self._held.values()):
                    return
                if not pause:
                    self._changed.wait_for(self._due, self._patience())
            if pause:
                time.sleep(pause)
            try:
                self._turn(ledger)
                pause = 0.0
            except Exception as error:
                if not away(error):
                    raise
                if not pause:
                    log.warning("the job ledger is away; jobs go on", error=str(error).strip()[:200])
                pause = min(MOST_SECONDS_AWAY, max(_FIRST_SECONDS_AWAY, 2 * pause))

    def _due(self) -> bool:
        running = any(held.ended is None for held in self._held.values())
        return (
            self._closing
            or (running and time.monotonic() >= self._renewed + self._renew_seconds)
            or any(held.ended or held.checkpoint for held in self._held.values())
            or (self._look and self._claiming and bool(self._wanted))
        )

    def _patience(self) -> float:
        return max(0.0, self._renewed + self._renew_seconds - time.monotonic()) if self._held else 60.0

    def _turn(self, ledger: JobLedger) -> None:
        self._renew(ledger)
        with self._changed:
            waiting = [held for held in self._held.values() if held.ended or held.checkpoint]
        for held in waiting:
            self._keep(ledger, held)
            self._commit(ledger, held)
        self._claim(ledger)

    def _renew(self, ledger: JobLedger) -> None:
        """Keep leases and write progress, at most once in `renew_seconds`, and hear what is wished."""
        asked = time.monotonic()
        with self._changed:
            if asked < self._renewed + self._renew_seconds:
                return
            self._renewed = asked
            running = [held for held in self._held.values() if held.ended is None]
            told = [replace(held.told, seconds=asked - held.charged) for held in running]
        if not told:
            return
        try:
            verdicts = ledger.renew(self._worker, told, self._lease_seconds)
        except Exception:
            self._renewed = 0.0
            raise
        with self._changed:
            for held in running:
                self._heard(held, verdicts.get(held.claimed.lease, "lost"), asked)
            wake = bool(self._news)
        if wake:
            self._wake()

    def _heard(self, held: _Held, verdict: Verdict, asked: float) -> None:
        if verdict != "lost":
            held.until, held.charged = asked + self._lease_seconds, asked
        if verdict != "go_on":
            self._news.append(Wished(held.claimed.lease, verdict))

    def _keep(self, ledger: JobLedger, held: _Held) -> None:
        """Write the newest checkpoint. Of a job that is answered, or failed for good, none is needed."""
        with self._changed:
            checkpoint, ended = held.checkpoint, held.ended
        if checkpoint is None:
            return
        lease = held.claimed.lease
        if ended is None or (ended.answer is None and ended.again):
            self._write(ledger, lease, checkpoint)
        with self._changed:
            if held.checkpoint is checkpoint:
                held.checkpoint = None

    def _write(self, ledger: JobLedger, lease: Lease, one: Checkpoint) -> None:
        try:
            kept = ledger.keep_checkpoint(lease, one.seq, one.versions, one.device, one.body)
        except Exception as error:
            if away(error):
                raise
            log.error("the ledger refused a checkpoint", job=lease.id, error=str(error).strip()[:300])
            return
        if not kept:
            with self._changed:
                self._news.append(Wished(lease, "lost"))
            self._wake()

    def _commit(self, ledger: JobLedger, held: _Held) -> None:
        ended = held.ended
        if ended is None:
            return
        lease, seconds = held.claimed.lease, max(0.0, held.ended_at - held.charged)
        try:
            if ended.answer is not None:
                kept = ledger.finish(replace(ended.answer, seconds=seconds))
            elif ended.error:
                kept = ledger.fail(lease, ended.error, again=ended.again, seconds=seconds)
            else:
                kept = ledger.give_back(lease, seconds=seconds)
        except Exception as error:
            if away(error):
                raise
            self._refused(held, ended, error)
            return
        if not kept:
            log.warning("the lease was lost; nothing is committed", job=lease.id, attempt=lease.attempt)
        self.drop(lease)

    def _refused(self, held: _Held, ended: Ended, error: Exception) -> None:
        """What the ledger cannot take is the answer's fault: the job fails. What it cannot take even so is let go."""
        text = printable(str(error).strip())[:500]
        log.error("the ledger refused what came of a job", job=held.claimed.lease.id, error=text)
        if ended.answer is None:
            self.drop(held.claimed.lease)
        else:
            held.ended = Ended(error=f"the ledger cannot keep the answer: {text}", again=False)

    def _claim(self, ledger: JobLedger) -> None:
        """Fill places that are free, those that want the same at once."""
        with self._changed:
            if not (self._look and self._claiming and self._wanted):
                return
            self._look = False
            groups: dict[tuple[tuple[str, ...], DeviceKind], list[int]] = {}
            for one in self._wanted.values():
                groups.setdefault((one.kinds, one.device), []).append(one.place)
        try:
            for (kinds, device), free in groups.items():
                asked = time.monotonic()
                for held in self._hold(
                    ledger.claim(self._worker, kinds, device, len(free), self._lease_seconds), asked
                ):
                    self._grant(ledger, held, free.pop(0))
        except Exception:
            with self._changed:
                self._look, self._nothing_since = True, None
            raise
        with self._changed:
            self._nothing_since = None if self._held else self._nothing_since or time.monotonic()

    def _hold(self, claimed: Sequence[Claimed], asked: float) -> list[_Held]:
        every = [_Held(one, asked + self._lease_seconds, asked, Progress(one.lease, 0.0)) for one in claimed]
        with self._changed:
            self._held.update({held.claimed.lease: held for held in every})
            if every:
                self._nothing_since = None
        return every

    def _grant(self, ledger: JobLedger, held: _Held, place: int) -> None:
        """Fetch what a job needs, and hand it to its place. What cannot be fetched fails, or is given back."""
        claimed = held.claimed
        try:
            checkpoints = tuple(ledger.checkpoints(claimed.lease)) if claimed.lease.attempt > 1 else ()
            past = tuple(self._load_past(claimed)) if claimed.past_from is not None else ()
        except Exception as error:
            given_back = Ended() if away(error) else Ended(error=printable(str(error))[:500], again=False)
            self.end(claimed.lease, given_back)
            return
        with self._changed:
            if not self._claiming or self._wanted.pop(place, None) is None:
                held.ended, held.ended_at = Ended(), time.monotonic()
                return
            self._news.append(Granted(place, claimed, checkpoints, past))
        self._wake()


__all__ = ["Clerk", "Ended", "Granted", "LoadPast", "Wanted", "Wished"]
