"""One reading of the pool's summary serves all who ask at about the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from streams.api import glance
from streams.api.glance import Glance


class Reads:
    """Lends nothing, and counts how often."""

    def __init__(self) -> None:
        self.lent = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        self.lent += 1
        yield None


async def summary(_: object) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"expired": 0}


def test_many_at_once_are_served_by_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads()
    monkeypatch.setattr(glance, "read_summary", summary)
    monkeypatch.setattr(glance, "FRESH_SECONDS", 60.0)

    async def ask() -> list[dict[str, Any]]:
        one = Glance(cast(Any, reads))
        return await asyncio.gather(*(one.read() for _ in range(20)))

    assert asyncio.run(ask()) == [{"expired": 0}] * 20
    assert reads.lent == 1


def test_what_is_old_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads()
    monkeypatch.setattr(glance, "read_summary", summary)
    now = [100.0]
    monkeypatch.setattr("streams.api.glance.monotonic", lambda: now[0])

    async def ask() -> None:
        one = Glance(cast(Any, reads))
        await one.read()
        now[0] += 0.5
        await one.read()
        assert reads.lent == 1
        now[0] += 1.0
        await one.read()

    asyncio.run(ask())
    assert reads.lent == 2
