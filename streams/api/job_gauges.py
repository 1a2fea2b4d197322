"""The pool as Prometheus sees it: what the job ledger holds, read when asked."""

from __future__ import annotations

from typing import Any

import psycopg
from prometheus_client import CollectorRegistry, Gauge
from psycopg_pool import PoolTimeout

from streams.api.glance import Glance

_SPACE = "twinstream_jobs"


class JobGauges:
    """Gauges of the one job ledger; every API process shows the same, so take the greatest, not the sum."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, namespace=_SPACE, registry=registry)

        self._queued = gauge("queued", "Jobs that wait.", "priority", "kind", "tenant")
        self._oldest = gauge("oldest_seconds", "Age of the job that has waited longest.", "priority", "kind", "tenant")
        self._running = gauge("running", "Jobs that run.", "device")
        self._expired = gauge("leases_expired", "Jobs that run by their row, and whom nobody holds any more.")
        self._ended = gauge("ended_day", "Jobs that ended within 24 h.", "kind", "outcome")
        self._cached = gauge("cached_day", "Of those, answered by another's answer.", "kind")
        self._seconds = gauge("device_seconds_day", "Device seconds within 24 h.", "tenant", "kind")
        self._left = gauge("budget_left_seconds", "Device seconds that a budget still allows.", "tenant", "kind")
        self._known = gauge("known", "1 while the job ledger could be read for these figures.")

    async def refresh(self, glance: Glance) -> None:
        """Show the job ledger as it is. While it is away all but `known` are absent."""
        try:
            found: dict[str, Any] | None = await glance.read()
        except (psycopg.Error, PoolTimeout):
            found = None
        self._clear()
        self._known.set(found is not None)
        if found is not None:
            self._show(found)

    def _clear(self) -> None:
        for one in (self._queued, self._oldest, self._running, self._ended, self._cached, self._seconds, self._left):
            one.clear()

    def _show(self, found: dict[str, Any]) -> None:
        for row in found["queue"]:
            if row["state"] == "queued":
                labels = row["priority"], row["kind"], row["tenant"]
                self._queued.labels(*labels).set(row["count"])
                self._oldest.labels(*labels).set(row["oldest_seconds"])
        for row in found["devices"]:
            self._running.labels(row["device"] or "unknown").set(row["running"])
        cached: dict[str, int] = {}
        for row in found["day"]:
            self._ended.labels(row["kind"], row["outcome"]).set(row["count"])
            cached[row["kind"]] = cached.get(row["kind"], 0) + row["cached"]
        for kind, count in cached.items():
            self._cached.labels(kind).set(count)
        for row in found["spent"]:
            self._seconds.labels(row["tenant"], row["kind"]).set(row["seconds"])
        for row in found["budgets"]:
            self._left.labels(row["tenant"], row["kind"]).set(row["left_seconds"])
        self._expired.set(found["expired"])
