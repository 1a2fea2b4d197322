"""Wake-up: a thread that listens, on a session of its own, and tells whoever waits that a topic has new records."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from streams.log.session import AWAY, CHANNEL, connect

POLL_SECONDS = 0.05  # a lost notification costs at most this
RETRY_SECONDS = 0.5


class Waiter:
    """Waits for news of topics.

    Take `count` before reading; if nothing was there, `wait(count)` returns at once when news came in between.
    Where the database is away it is a clock that ticks each `POLL_SECONDS`.

    Parameters
    ----------
    topics : set of str, or None
        The topics to be woken for; None for all.
    wake : callable, or None
        Called from the listening thread at each piece of news; it must be quick.
    """

    def __init__(
        self,
        database: str,
        topics: set[str] | None = None,
        wake: Callable[[], None] | None = None,
        name: str = "twinstream-waiter",
    ) -> None:
        self.count = 0
        self._database = database
        self._topics = topics
        self._wake = wake
        self._name = name
        self._news = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-waiter", daemon=True)

    def start(self) -> Waiter:
        self._thread.start()
        return self

    def follow(self, topics: set[str] | None) -> None:
        """Be woken for other topics from now on."""
        self._topics = topics

    def wait(self, seen: int, timeout: float) -> bool:
        """Wait until there was news since `seen`, or a poll is due, or `timeout` passed; say whether there was news."""
        with self._news:
            return self._news.wait_for(lambda: self.count != seen or self._closing.is_set(), min(timeout, POLL_SECONDS))

    def close(self) -> None:
        self._closing.set()
        with self._news:
            self._news.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except AWAY:
                self._closing.wait(RETRY_SECONDS)

    def _listen(self) -> None:
        with connect(self._database, self._name) as conn:
            conn.execute(f"listen {CHANNEL}")
            while not self._closing.is_set():
                until = monotonic() + 0.25
                for news in conn.notifies(timeout=0.25):
                    if self._topics is None or news.payload in self._topics:
                        self._tell()
                    if self._closing.is_set() or monotonic() > until:
                        break

    def _tell(self) -> None:
        with self._news:
            self.count += 1
            self._news.notify_all()
        if self._wake is not None:
            self._wake()
