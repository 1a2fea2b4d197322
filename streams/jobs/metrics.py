"""What a job worker counts, as Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

_SPACE = "twinstream"


class JobMetrics:
    """All metrics of a job worker."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.ended = self._counter("jobs_ended", "Attempts that ended here, by how.", "kind", "how")
        self.seconds = self._counter("job_device_seconds", "Seconds that attempts held a device.", "kind", "device")
        self.replaced = self._counter("job_engines_replaced", "Engine processes that were replaced.")
        self.busy = Gauge("job_places_busy", "Places that run a job.", namespace=_SPACE, registry=self.registry)
        self.places = Gauge("job_places", "Places of this worker.", namespace=_SPACE, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_SPACE, registry=self.registry)
