"""A topic log in memory, and a unit that talks on it: stands in for the worker in tests of API and pages."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas.effects import Effect, write_effect
from schemas.instants import format_instant
from schemas.placement import partition_of
from schemas.topics import OUTPUTS, TOPICS
from streams.api.ports import Row


@dataclass(frozen=True)
class Record:
    """One record, as any transport hands it over."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class MemoryLog:
    """Reader and writer of topics in memory. `fail` makes every call raise it, as a log that is away does."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
        self.fail: Exception | None = None
        self._news = asyncio.Event()

    async def append(self, topic: str, rows: Sequence[Row]) -> list[int]:
        self._check()
        offsets = []
        for key, value, headers, partition in rows:
            place = partition_of(key, TOPICS[topic].partitions) if partition is None else partition
            records = self.topics[topic][place]
            records.append(Record(len(records), time.time_ns() // 1_000_000, key, value, headers))
            offsets.append(len(records) - 1)
        self._news.set()
        return offsets

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> Sequence[Record]:
        self._check()
        return self.topics[topic][partition][offset : offset + limit]

    async def ends(self, topic: str) -> dict[int, int]:
        self._check()
        return {partition: len(self.topics[topic][partition]) for partition in range(TOPICS[topic].partitions)}

    async def wait(self, timeout: float) -> None:
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), timeout)
        except TimeoutError:
            return

    async def say(self, effect: Effect) -> int:
        """Append an effect to its output topic."""
        [offset] = await self.append(OUTPUTS[effect.kind], [(effect.key.encode(), write_effect(effect), [], None)])
        return offset

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail


def estimate_of(key: str, n: int, biomass: float, event_time: int, **more: Any) -> Effect:
    """Shape one estimate of a unit."""
    state = {
        "biomass": {"mean": biomass, "sd": 0.5, "low": biomass - 0.8, "high": biomass + 0.8, "unit": "g/L"},
        "growth_rate": {"mean": 0.1, "sd": 0.01, "low": 0.08, "high": 0.12, "unit": "/h"},
    }
    when = format_instant(event_time)
    reading = {"value": biomass * 1.02, "unit": "g/L", "quality": "good", "event_time": when}
    data = {
        "batch": "YF-LIVE",
        "phase": "fed-batch",
        "hours": 20.0 + n / 60,
        "state": state,
        "readings": {"biomass": reading},
        "filter": {"nis": 1.1, "innovation": 0.1, "innovation_sd": 0.1, "gate": "accepted", "consistent": True},
        "records": {"count": 1, "first": n, "last": n},
        "revised": False,
        **more,
    }
    place = partition_of(key.encode(), 8)
    effect = f"bioreactor.events/{place}/{100_000 + n}/0"
    return Effect(
        effect, "estimate", "qualified", "bioreactor", key, when, when, "growth@1+fill", msgspec.to_builtins(data)
    )


def alert_of(
    key: str, n: int, event_time: int, action: str = "raise", alert: str = "", priority: str = "critical"
) -> Effect:
    """Shape one alert message of a unit."""
    place = partition_of(key.encode(), 8)
    effect = f"bioreactor.events/{place}/{200_000 + n}/0"
    when = format_instant(event_time)
    data = {
        "action": action,
        "alert": alert or effect,
        "rule": "ph.low.measured",
        "tag": "ph",
        "priority": priority,
        "value": 4.6,
        "limit": 4.8,
        "unit": "[pH]",
        "probability": None,
        "expected_at": None,
        "batch": "YF-LIVE",
        "phase": "fed-batch",
        "message": f"pH 4.6 is below 4.8 ({n})",
    }
    return Effect(effect, "alert", "qualified", "bioreactor", key, when, when, "growth@1+fill", data)
