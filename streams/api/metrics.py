"""What the API counts about itself, for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.api.job_gauges import JobGauges

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ApiMetrics:
    """The API's counters, in a registry that the caller owns."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.jobs = JobGauges(registry)
        self.seconds = Histogram(
            "twinstream_api_request_seconds", "Time to answer.", ("route", "status"), buckets=BUCKETS, registry=registry
        )
        self.ingested = Counter(
            "twinstream_api_events_total", "Events that came by HTTP.", ("outcome",), registry=registry
        )
        self.listeners = Gauge("twinstream_api_stream_clients", "Open streams.", registry=registry)
        self.streamed = Counter(
            "twinstream_api_streamed_total", "Messages sent on streams.", ("kind",), registry=registry
        )
        self.dropped = Counter(
            "twinstream_api_stream_dropped_total",
            "Estimates and forecasts left out for slow listeners; never alerts.",
            registry=registry,
        )


class Timing:
    """ASGI middleware: times every answer by its route. Streams are left out; they last as long as a page is open."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            if route not in ("/api/v1/stream", "/api/v1/jobs/stream"):
                self._metrics.seconds.labels(route, str(status)).observe(time.perf_counter() - began)
