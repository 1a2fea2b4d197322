"""A worker's ears: wait for news of the job ledger, and queue again what nobody holds any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from streams.jobs.ledger_thread import LedgerThread
from streams.jobs.ports import JobLedger
from streams.ledger.connect import away

_WAIT_SECONDS = 1.0
_AWAY_SECONDS = 0.5


class Ears:
    """Calls `look` when there may be a job, at the latest each second. In a thread of its own."""

    def __init__(
        self, open_ledger: Callable[[], JobLedger], look: Callable[[], None], *, reap_seconds: float = 5.0
    ) -> None:
        self._look, self._reap_seconds = look, reap_seconds
        self._stopped = threading.Event()
        self._thread = LedgerThread("job-ears", open_ledger, self._serve, look)

    @property
    def error(self) -> BaseException | None:
        """What ended it before its time."""
        return self._thread.error

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End."""
        self._stopped.set()
        self._thread.join(timeout)

    def _serve(self, ledger: JobLedger) -> None:
        reaped = 0.0
        while not self._stopped.is_set():
            try:
                if time.monotonic() >= reaped + self._reap_seconds:
                    ledger.reap()
                    reaped = time.monotonic()
                ledger.wait(_WAIT_SECONDS)
            except Exception as error:
                if not away(error):
                    raise
                self._stopped.wait(_AWAY_SECONDS)
            self._look()
