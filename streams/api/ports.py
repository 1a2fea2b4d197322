"""What the API wants of a topic log, whichever it is: append facts, read outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twins.frame import RawRecord

Row = tuple[bytes | None, bytes, Sequence[tuple[str, bytes]], int | None]  # key, value, headers, partition or by key


class LogWriter(Protocol):
    """Appends to topics, durably."""

    async def append(self, topic: str, rows: Sequence[Row]) -> Sequence[int]:
        """Append rows in their order, all or none; give their offsets once they are durable.

        A row without partition goes where its key belongs (`schemas/placement.py`).
        """
        ...


class LogReader(Protocol):
    """Reads topics from any offset. Called from one event loop, by many tasks at once."""

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> Sequence[RawRecord]:
        """Give up to `limit` records from the first kept one at or after `offset`; empty at the end."""
        ...

    async def ends(self, topic: str) -> dict[int, int]:
        """Give every partition's next offset."""
        ...

    async def wait(self, timeout: float) -> None:
        """Return when something may have been appended anywhere, or after `timeout` seconds."""
        ...
