"""A thread with a job ledger of its own: opened there, closed at its end, and what ended it kept for who watches."""

from __future__ import annotations

import threading
from collections.abc import Callable

from streams.jobs.ports import JobLedger


class LedgerThread:
    """Serves with a ledger that is opened in the thread that uses it.

    Parameters
    ----------
    open_ledger : callable
        Makes the ledger.
    serve : callable
        Called once with it; the thread ends when it returns.
    failed : callable
        Called where either raises; `error` is then what.
    """

    def __init__(
        self,
        name: str,
        open_ledger: Callable[[], JobLedger],
        serve: Callable[[JobLedger], None],
        failed: Callable[[], None],
    ) -> None:
        self._open, self._serve, self._failed = open_ledger, serve, failed
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for its end, for so long at most [s]."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            ledger = self._open()
            try:
                self._serve(ledger)
            finally:
                ledger.close()
        except BaseException as error:
            self.error = error
            self._failed()
