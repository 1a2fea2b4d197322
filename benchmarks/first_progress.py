"""First progress of a job: from its request on the topic to progress that anyone can read, with engines loaded before.

Dispatcher, job ledger, worker and its engine process are the real ones; the engine itself computes next to nothing. One
job at a time, each of a twin of its own, so that nothing waits for anything else. Apart from that: how long a worker
takes from its start until its engines are loaded.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import stage
from schemas.effects import Effect, write_effect
from schemas.jobs import ResimulationRequest, SimulationSpec
from streams.jobs.devices import places
from streams.jobs.dispatcher import Dispatcher
from streams.jobs.engines import EngineEntry, engines
from streams.jobs.store import JobStore
from streams.jobs.worker import Worker
from streams.ledger.connect import connect
from streams.outputs import make_outputs
from streams.transports.access import open_writer
from twins.block import Memory
from twins.engine import Answer, Device, Needs, Overlap, Standing

KIND = "bioreactor"  # one that the dispatcher knows
AT = "2026-03-01T08:00:00Z"
_POLL_SECONDS = 0.001
_PATIENCE_SECONDS = 60.0


class _Run:
    done = 0.0

    def run(self, seconds: float) -> Standing:
        time.sleep(seconds)
        self.done += 1.0
        return Standing(self.done, 2.0)

    def checkpoint(self) -> bytes:
        return b""

    def restore(self, body: bytes) -> str:
        return "exact"

    def answer(self) -> Answer:
        return Answer({}, {})


class Waiting:
    """An engine that waits for two pieces."""

    kind = KIND
    needs: Needs = "cpu"
    overlap: Overlap = "finish"

    def versions(self) -> dict[str, str]:
        return {"waiting": "1"}

    def validate(self, spec: SimulationSpec) -> None:
        return

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> _Run:
        return _Run()


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="first_progress", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--scratch", type=Path, help="folder for the server's data")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("first_progress", "From a request on its topic to its first progress.", given(options))
    with stage("embedded", options.scratch) as where:
        report.add("start of a worker, this installation's engines", seconds=_cold(where.uri, engines()))
        entries = {KIND: EngineEntry(KIND, "benchmarks.first_progress:Waiting", "finish")}
        report.add("start of a worker, an engine without libraries", seconds=_cold(where.uri, entries))
        with _at_work(where.uri, entries):
            taken = np.array([_ask(where.uri, number) for number in range(options.jobs)]) * 1000
    p50, p95, p99 = np.percentile(taken, [50, 95, 99])
    report.add("request to progress", jobs=len(taken), p50_ms=p50, p95_ms=p95, p99_ms=p99, most_ms=taken.max())
    report.bars.append(Bar("p95 of first progress, warm and idle", 200.0, float(p95), "ms", most=True))
    report.write(options.out)
    return 0


def _worker(uri: str, entries: dict[str, EngineEntry]) -> Worker:
    return Worker("bench", places("cpu", 1), entries, lambda: JobStore(uri, make_outputs(None, uri)), lambda _: ())


@contextmanager
def _running(worker: Worker) -> Iterator[None]:
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        _until(lambda: worker.ready)
        yield
    finally:
        worker.request_stop()
        thread.join()


def _cold(uri: str, entries: dict[str, EngineEntry]) -> float:
    begun = time.perf_counter()
    with _running(_worker(uri, entries)):
        return time.perf_counter() - begun


@contextmanager
def _at_work(uri: str, entries: dict[str, EngineEntry]) -> Iterator[None]:
    stop = threading.Event()
    dispatching = threading.Thread(target=Dispatcher(uri=uri, broker=None).run, args=(stop,))
    dispatching.start()
    try:
        with _running(_worker(uri, entries)):
            yield
    finally:
        stop.set()
        dispatching.join()


def _ask(uri: str, number: int) -> float:
    """Append a request, and wait until its progress, then its answer, can be read; give the seconds to the first."""
    name, key = f"bioreactor.events/0/{number}/0", f"BR-{number}"
    spec = SimulationSpec(KIND, "growth", {}, number, 1, 1.0)
    data = msgspec.to_builtins(ResimulationRequest(spec, "measured", "what_if"))
    line = write_effect(Effect(name, "request", "advisory", "bioreactor", key, AT, AT, "growth", data))
    writer = open_writer(None, uri)
    with connect(uri, autocommit=True, name="bench") as connection:
        begun = time.perf_counter()
        writer.append("resim.requests", [(key.encode(), line, {})])

        def there(condition: str) -> bool:
            query = f"select from job where id = %s and ({condition})"
            return connection.execute(query.encode(), (name,)).fetchone() is not None

        _until(lambda: there("note <> '' or state = 'done'"))
        seconds = time.perf_counter() - begun
        _until(lambda: there("state = 'done'"))
    writer.close()
    return seconds


def _until(condition: Callable[[], bool]) -> None:
    end = time.perf_counter() + _PATIENCE_SECONDS
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError(f"waited {_PATIENCE_SECONDS:g} s in vain")
        time.sleep(_POLL_SECONDS)
