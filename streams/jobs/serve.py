"""The job worker of this installation, put together: places, engines, the job ledger, the dispatcher, the publisher."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from uuid import uuid4

import structlog

from schemas.errors import SettingsError
from streams import logs
from streams.jobs.devices import places
from streams.jobs.dispatcher import Dispatcher
from streams.jobs.engines import EngineEntry, engines
from streams.jobs.past import read_past
from streams.jobs.store import JobStore
from streams.jobs.worker import BROKEN, Worker
from streams.outputs import make_outputs
from streams.prepare import prepare
from streams.publisher import OutboxPublisher
from streams.settings import Settings
from streams.worker_health import HealthServer

log = structlog.get_logger("twinstream.jobs")


def run_job_worker(
    settings: Settings,
    uri: str,
    devices: str,
    slots: int | None,
    kinds: Sequence[str],
    until_idle: float | None = None,
) -> int:
    """Run a job worker until it is told to stop, or had nothing to do for `until_idle` seconds; give the exit code.

    Raises
    ------
    SettingsError
        If a device or a kind is named that is not there.
    """
    logs.configure(settings.log_level, as_json=settings.log_json)
    entries = chosen_engines(kinds)
    found = places(devices, slots)
    prepare(uri, settings.broker)
    name = f"{socket.gethostname()[:32]}-{os.getpid()}-{uuid4().hex[:6]}"
    worker = Worker(
        name,
        found,
        entries,
        lambda: JobStore(uri, make_outputs(settings.broker, uri)),
        lambda claimed: read_past(uri, claimed),
        idle_seconds=until_idle,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: worker.request_stop())
    health = HealthServer(
        settings.metrics_host, settings.metrics_port, worker.metrics.registry, lambda: "" if worker.ready else "loading"
    )
    health.start()
    beside = _Beside(worker.request_stop)
    beside.start("dispatcher", lambda: Dispatcher(uri=uri, broker=settings.broker).run(stop))
    if settings.broker is not None:
        publisher = OutboxPublisher(uri, settings.broker, lambda: not stop.is_set())
        beside.start("publisher", lambda: asyncio.run(publisher.run()))
    log.info("job worker", name=name, places=[place.name for place in found], kinds=sorted(entries))
    code = worker.run()
    stop.set()
    health.stop()
    return BROKEN if beside.failed else code


def chosen_engines(kinds: Sequence[str]) -> dict[str, EngineEntry]:
    """Give the engines of some kinds; of all where none is named.

    Raises
    ------
    SettingsError
        If a kind is not known.
    """
    known = engines()
    for kind in kinds:
        if kind not in known:
            raise SettingsError(f"expected a kind among {', '.join(sorted(known))}, received {kind!r}")
    return {kind: entry for kind, entry in known.items() if not kinds or kind in kinds}


class _Beside:
    """Runs what works beside the jobs, each in a thread; an error of any ends the worker, to be started again."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self.failed = False

    def start(self, name: str, work: Callable[[], object]) -> None:
        threading.Thread(target=self._guarded, args=(name, work), name=name, daemon=True).start()

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            log.error("the worker ends", thread=name, error=f"{type(error).__name__}: {error}"[:500])
            self.failed = True
            self._end()
