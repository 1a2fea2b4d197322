"""The pool at a glance, read once for all who ask at about the same time: over a long queue it costs a scan."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from streams.jobs.reads_summary import read_summary
from streams.ledger.reads import LedgerReads

FRESH_SECONDS = 1.0
MOST_SHARE = 0.2  # of the time may be spent on reading it


class Glance:
    """The summary of the job ledger, at most a second old, or five times as old as it took to read."""

    def __init__(self, reads: LedgerReads) -> None:
        self._reads = reads
        self._lock = asyncio.Lock()
        self._found: dict[str, Any] = {}  # Any: JSON
        self._until = 0.0

    # Any: JSON.
    async def read(self) -> dict[str, Any]:
        """Give the summary, as `read_summary` does.

        Raises
        ------
        psycopg.Error, psycopg_pool.PoolTimeout
            If the ledger does not answer.
        """
        async with self._lock:
            began = monotonic()
            if began >= self._until:
                async with self._reads.connection() as connection:
                    self._found = await read_summary(connection)
                ended = monotonic()
                self._until = ended + max(FRESH_SECONDS, (ended - began) / MOST_SHARE)
            return self._found
