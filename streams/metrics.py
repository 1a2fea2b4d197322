"""What the processes count, as Prometheus metrics. One registry per process; names and labels stand here alone."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_SPACE = "twinstream"


class Metrics:
    """All metrics of a worker."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.records_folded = self._counter("records_folded", "Records folded.", "topic")
        self.records_refused = self._counter("records_refused", "Records, or channels, set aside.", "topic", "reason")
        self.records_late = self._counter("records_late", "Facts beyond the horizon.", "topic")
        self.duplicates = self._counter("duplicates", "Duplicates set aside.", "topic")
        self.effects = self._counter("effects", "Effects by kind.", "kind")
        self.frames = self._counter("frames", "Frames folded.")
        self.fold_seconds = self._histogram("fold_seconds", "Time to fold one frame.")
        self.commit_seconds = self._histogram("commit_seconds", "Time of one commit round.")
        self.commit_rows = self._counter("commit_rows", "History rows written.")
        self.end_to_end_seconds = self._histogram(
            "end_to_end_seconds", "From append to commit, newest record of each frame."
        )
        self.consumer_lag = self._gauge("consumer_lag", "Records waiting in the log.", "topic", "partition")
        self.applied_offset = self._gauge("applied_offset", "Next offset not yet in the ledger.", "topic", "partition")
        self.checkpoint_bytes = self._gauge("checkpoint_bytes", "Size of the newest checkpoints, summed.")
        self.checkpoint_seconds = self._histogram("checkpoint_seconds", "Time to take one checkpoint.")
        self.twins = self._gauge("twins", "Twins this worker holds.", "kind")
        self.backpressure = self._gauge("backpressure", "1 while folding waits for the database.")
        self.database_up = self._gauge("database_up", "1 while the last exchange with the database worked.")
        self.worker_active = self._gauge("worker_active", "1 while this worker folds, 0 while it stands by.")
        self.resident_bytes = self._gauge("resident_bytes", "Resident memory of this process.")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_SPACE, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=_SPACE, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, namespace=_SPACE, registry=self.registry, buckets=_SECONDS)
