"""Watches on a worker: was it frozen past its lease, how large has it grown, does its way out end, and its garbage.

A process that was stopped (SIGSTOP, a suspended machine) past its lease has been replaced. It may find its old
sockets alive, so it ends at once by its own monotonic clock; the ledger's epochs would refuse it anyway.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
from collections.abc import Callable

_TICK_SECONDS = 0.25
_COLLECT_SECONDS = 86_400.0


class LeaseWatch:
    """Ends the process when its own clock shows that it stood still for longer than its lease."""

    def __init__(self, lease_seconds: float, end_process: Callable[[], None]) -> None:
        self._lease = lease_seconds
        self._end_process = end_process
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stopped.wait(_TICK_SECONDS):
            now = time.monotonic()
            if now - last > self._lease:
                self._end_process()
            last = now


class GarbageWatch:
    """Keeps the collector of garbage away from twins: there are millions of objects in them, and no cycle.

    To go through them takes seconds, in which nobody is alerted. So what lives at a look is left out from then on; it
    is freed as ever when nobody refers to it. Cycles come from elsewhere, some hundred objects a minute (sessions,
    tasks, errors): they wait for one whole collection a day.
    """

    def __init__(self, now: float) -> None:
        self._last = now

    def look(self, now: float) -> None:
        """Leave out what lives now [s of a clock that only rises]; once a day look at all of it first."""
        if now - self._last >= _COLLECT_SECONDS:
            self._last = now
            gc.unfreeze()
            gc.collect()
        gc.freeze()


class StopWatch:
    """Ends the process when its way out takes longer than it may.

    Parameters
    ----------
    seconds : float
        What the way out may take, from the first look that finds it begun.
    leaving : callable
        Tells whether the way out has begun.
    end_process : callable
        Ends the process; from a thread of this watch.
    """

    def __init__(self, seconds: float, leaving: Callable[[], bool], end_process: Callable[[], None]) -> None:
        self._seconds = seconds
        self._leaving = leaving
        self._end_process = end_process
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stop-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End: the process is out."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._leaving():
            if self._stopped.wait(_TICK_SECONDS):
                return
        if not self._stopped.wait(self._seconds):
            self._end_process()


def where_threads_are(frames: int = 3) -> dict[str, str]:
    """Say by name where each thread of this process is now, innermost call first.

    Examples
    --------
    >>> where_threads_are(1)["MainThread"].partition(":")[0]
    'watch.py'
    """
    stacks = sys._current_frames()
    found = {one.name: stacks.get(one.ident or 0) for one in threading.enumerate()}
    return {
        name: " < ".join(
            f"{call.filename.rpartition('/')[2]}:{call.lineno} {call.name}"
            for call in reversed(traceback.extract_stack(stack)[-frames:])
        )
        for name, stack in found.items()
        if stack is not None
    }


def resident_bytes() -> int:
    """Resident memory of this process, or 0 where the system does not say.

    Examples
    --------
    >>> resident_bytes() >= 0
    True
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096
    except OSError:
        return 0
