"""The worker: a Faust app whose agents fold frames. Everything is built here and handed down.

Faust brings membership, assignment, timers and supervision; what must not be lost, doubled or slow is ours:
the coalescing consumer (`streams/transports`), the engine (`streams/engine`) and the ledger.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn
from uuid import uuid4

import faust
import psycopg
import structlog
from faust.tables.manager import TableManager
from faust.types import TP

from schemas.errors import LogError, SnapshotError
from schemas.topics import PARTITIONS, TOPICS, input_topic
from streams import logs
from streams.appending import Row, async_writer
from streams.engine.engine import EXIT_BROKEN, EXIT_STALE, EXIT_USAGE, Engine, FoldError
from streams.engine.engines import Engines
from streams.engine.turns import Turns
from streams.engine.watch import GarbageWatch, LeaseWatch, StopWatch, resident_bytes, where_threads_are
from streams.ledger.commit import Step
from streams.maintenance import EVERY_SECONDS, maintain
from streams.metrics import Metrics
from streams.models import families, load_model
from streams.outputs import make_outputs
from streams.prepare import prepare
from streams.publisher import OutboxPublisher
from streams.settings import Settings
from streams.time_passed import time_passed
from streams.transports import CoalescingHooks, attach, transport_url
from streams.transports.coalescing import Gathered
from streams.worker_health import HealthServer
from twins.changing import change_row

TIME_PASSED_SECONDS = 60.0
_WATCH_SECONDS = 1.0
# A thread that has its answer from the database waits at most this long for one that folds. With Python's own 5 ms, for
# each of some twenty waits in a commit, a round takes three times as long; with 0.1 ms the fold loses a quarter of
# its time.
_SWITCH_SECONDS = 0.001
# Objects made, less those gone, before the collector looks for cycles among them. Frames in work are some hundred
# thousand objects that come and go without cycles; to look through them each time took an eighth of the worker's CPU.
_GARBAGE_OBJECTS = 500_000
_FETCH_BYTES = 4 << 20  # of one partition at a time: some thousand records, so that what waits comes as whole frames
_STOP_SECONDS = 6.0  # for the last commits
_PARTS_SECONDS = 4.0  # for Faust's parts before them
log = structlog.get_logger("twinstream.worker")


def _no_step(_: str) -> None:
    return


class _App(faust.App):
    """A Faust app that says at once when any part of it crashed: Faust's own way out may take for ever."""

    on_failure: Callable[[BaseException], None]

    def _crash(self, reason: BaseException) -> None:
        super()._crash(reason)
        self.on_failure(reason)


class _NoTables(TableManager):
    """Faust's table manager without the second that it waits for tables: this app has none, and starts the sooner."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class Worker:
    """One worker process: the Faust app, the engine, and what ends them."""

    def __init__(self, settings: Settings, uri: str, at_step: Step = _no_step) -> None:
        self.settings = settings
        self.uri = uri
        self.metrics = Metrics()
        kinds = families(settings.families)
        models = {input_topic(kind).name: load_model(kind, settings.config_of(kind)) for kind in kinds}
        self.name = f"{socket.gethostname()[:32]}-{os.getpid()}-{uuid4().hex[:6]}"  # a container's pid is always 1
        outputs = make_outputs(settings.broker, uri)
        self.engines = Engines(
            uri=uri,
            models=models,
            outputs=outputs,
            metrics=self.metrics,
            owner=self.name,
            checkpoint_seconds=settings.checkpoint_seconds,
            pending_records=settings.pending_records,
            frame_records=settings.frame_records,
            end_process=self.end,
            after_commit=outputs.after_commit,
            leaving=self._leaving,
            at_step=at_step,
        )
        self._fold_thread = ThreadPoolExecutor(1, thread_name_prefix="fold")
        self._owned: set[TP] = set()
        self._watch = LeaseWatch(settings.lease_seconds, lambda: self.end(EXIT_STALE))
        self._garbage = GarbageWatch(time.monotonic())
        # Faust waits without a bound for what is away: a broker that does not answer, a round of the outbox under way.
        self._way_out = StopWatch(_PARTS_SECONDS, self._leaving, self._stopped_late)
        self._health = HealthServer(settings.metrics_host, settings.metrics_port, self.metrics.registry, self.ready)
        self._publisher = OutboxPublisher(uri, settings.broker, lambda: bool(self._owned)) if settings.broker else None
        self.app = self._make_app()

    def end(self, code: int) -> NoReturn:
        """End the process now. Nothing is tidied: state and offsets are whole in the ledger."""
        log.error("ending", code=code)
        os._exit(code)

    def failed(self, error: BaseException) -> None:
        """End the process because of an error that nobody caught, without waiting for it. From any thread."""
        threading.Thread(target=self.engines.failed, args=(error,), name="failed", daemon=True).start()

    def _leaving(self) -> bool:
        return bool(self.app.should_stop)

    def _stopped_late(self) -> None:
        where = where_threads_are()
        log.warning("stopped before all parts had ended; the rest is folded again at the next start", threads=where)
        self.end(0)

    def _lost(self, reason: str) -> None:
        log.error("replaced", reason=reason)
        self.end(EXIT_STALE)

    def ready(self) -> str:
        """Say why this worker is not ready, or nothing."""
        if not self._owned:
            return "standing by: no partition is assigned"
        for topic, engine in self.engines.of.items():
            if engine.lag_moved() > self.settings.stall_seconds and self._lag(topic, engine):
                return "records wait and nothing is applied"
        return ""

    def _make_app(self) -> faust.App:
        settings = self.settings
        hooks = CoalescingHooks(
            claims=self._claim,
            revoked=self._revoke,
            lost=self._lost,
            worker=self.name,
            database=self.uri,
            frame_records=settings.frame_records,
            lease_seconds=settings.lease_seconds,
        )
        static: dict[str, Any] = {"consumer_group_instance_id": settings.instance} if settings.instance else {}
        app = _App(
            settings.group,
            broker=transport_url(settings.broker, self.uri),
            TableManager=_NoTables,
            store="memory://",
            datadir=str(settings.data_dir / "faust"),
            web_enabled=False,
            autodiscover=False,
            topic_partitions=PARTITIONS,
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=settings.lease_seconds,
            broker_heartbeat_interval=settings.lease_seconds / 4,
            broker_commit_interval=1.0,
            broker_max_poll_records=settings.frame_records,
            consumer_max_fetch_size=_FETCH_BYTES,
            stream_buffer_maxsize=16,
            stream_wait_empty=False,
            **static,
        )
        app.on_failure = self.failed
        attach(app, hooks)
        for name, engine in self.engines.of.items():
            topic = app.topic(name, key_serializer="raw", value_serializer="raw")
            app.agent(topic, name=TOPICS[name].family, concurrency=1)(self._agent_of(engine))
        app.task(self._start)
        for seconds, work in (
            (_WATCH_SECONDS, self._look),
            (_WATCH_SECONDS, self._tell_change),
            (TIME_PASSED_SECONDS, self._tell_time),
            (EVERY_SECONDS, self._maintain),
        ):
            app.timer(seconds)(self._guarded(work))
        return app

    def _agent_of(self, engine: Engine) -> Callable[[Any], Awaitable[None]]:
        """Make the agent of one family."""

        async def agent(stream: Any) -> None:
            await self._agent(engine, stream)

        return agent

    async def _agent(self, engine: Engine, stream: Any) -> None:  # Any: faust.Stream has no types
        """Fold each frame. Any error ends the process: Faust would go on silently."""
        turns = Turns(TOPICS[engine.topic].horizon is None, alone=len(self.engines.of) == 1)
        waiting = Gathered(self.settings.frame_records)
        try:
            async for event in stream.events():
                partition, frame = event.message.partition, event.message.value
                if not waiting.take(partition, frame):
                    await self._fold(engine, waiting, turns)
                    waiting.take(partition, frame)
                if stream.channel.queue.empty():
                    await self._fold(engine, waiting, turns)
        except asyncio.CancelledError:
            raise
        except FoldError as error:
            await asyncio.to_thread(engine.failed, error.partition, error.__cause__ or error)
        except BaseException as error:
            await asyncio.to_thread(engine.failed, None, error)

    async def _fold(self, engine: Engine, waiting: Gathered, turns: Turns) -> None:
        """Fold what has gathered, of all partitions, and go back where records are missing.

        A family whose twins take long for a record folds a part at a time: others come between on the one thread.
        """
        loop = asyncio.get_running_loop()
        back: dict[int, int] = {}
        for frames in turns.of(waiting.give()):
            rest = {partition: one for partition, one in frames.items() if partition not in back}
            back |= await loop.run_in_executor(self._fold_thread, turns.timed, engine.fold_all, rest)
        for partition, offset in back.items():
            await self.app.consumer.seek(TP(engine.topic, partition), offset)

    async def _claim(self, assigned: set[TP]) -> dict[TP, int]:
        loop = asyncio.get_running_loop()
        offsets: dict[TP, int] = {}
        try:
            for topic, engine in self.engines.of.items():
                partitions = {tp.partition for tp in assigned if tp.topic == topic}
                claimed = await loop.run_in_executor(self._fold_thread, engine.claim, partitions)
                offsets |= {TP(topic, partition): offset for partition, offset in claimed.items()}
        except SnapshotError as error:
            log.error("the checkpoint cannot be used; starting again would not help", error=str(error))
            self.end(EXIT_USAGE)
        self._owned = {TP(tp.topic, tp.partition) for tp in assigned if tp.topic in self.engines.of}
        self.metrics.worker_active.set(1 if self._owned else 0)
        return offsets

    async def _revoke(self, revoked: set[TP]) -> None:
        self._owned = self._owned - revoked
        self.metrics.worker_active.set(1 if self._owned else 0)
        loop = asyncio.get_running_loop()
        for topic, engine in self.engines.of.items():
            partitions = {tp.partition for tp in revoked if tp.topic == topic}
            await loop.run_in_executor(self._fold_thread, engine.revoke, partitions)

    async def _start(self) -> None:
        self._watch.start()
        if self._publisher is not None:
            self.app.add_future(self._guarded(self._publisher.run)())

    def _guarded(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Make background work end the process when it raises. What is away is no error: it is tried again."""

        async def guarded() -> None:
            try:
                await work()
            except asyncio.CancelledError:
                raise
            except (psycopg.OperationalError, psycopg.InterfaceError, LogError) as error:
                log.warning("background work waits", error=str(error).strip()[:200])
            except BaseException as error:
                await asyncio.to_thread(self.engines.failed, error)

        return guarded

    async def _look(self) -> None:
        """Count what waits; end a worker that no longer moves, or has grown too large."""
        self._garbage.look(time.monotonic())
        resident = resident_bytes()
        self.metrics.resident_bytes.set(resident)
        if resident > self.settings.memory_limit_mb << 20:
            log.error("memory limit reached", resident_mb=resident >> 20, limit_mb=self.settings.memory_limit_mb)
            self.end(EXIT_BROKEN)
        for topic, engine in self.engines.of.items():
            waiting = self._lag(topic, engine)
            if not waiting:
                engine.nothing_waits()
            elif self.engines.database_up and engine.lag_moved() > self.settings.stall_seconds:
                log.error("stalled: records wait and nothing is applied", topic=topic, waiting=waiting)
                self.end(EXIT_BROKEN)

    def _lag(self, topic: str, engine: Engine) -> int:
        waiting = 0
        for tp in self._of(topic):
            end = self.app.consumer.highwater(tp) or 0
            lag = max(0, end - engine.applied.get(tp.partition, 0))
            self.metrics.consumer_lag.labels(topic, tp.partition).set(lag)
            waiting += lag
        return waiting

    def _of(self, topic: str) -> list[TP]:
        return [tp for tp in self._owned if tp.topic == topic]

    async def _tell_time(self) -> None:
        """Write `time.passed` to each partition owned: silence is evidence, and a replay must see it too."""
        if not self._owned:
            return
        loop = asyncio.get_running_loop()
        for topic, engine in self.engines.of.items():
            listening = await loop.run_in_executor(self._fold_thread, engine.on_wall_clock)
            if listening:
                await self._append(topic, time_passed(listening, time.time_ns() // 1000))

    async def _tell_change(self) -> None:
        """Write the record of each approved change that is due. One too many is refused by the fold."""
        for topic, engine in self.engines.of.items():
            every = dict(engine.configurations.due)
            due = {partition: data for partition, data in every.items() if TP(topic, partition) in self._owned}
            if not due:
                continue
            now = time.time_ns() // 1000
            rows = [(None, *change_row(data, partition, now), partition) for partition, data in sorted(due.items())]
            await self._append(topic, rows)
            for partition in due:
                engine.configurations.due.pop(partition, None)

    async def _append(self, topic: str, rows: Sequence[Row]) -> None:
        async with async_writer(self.settings.broker, self.uri) as writer:
            await writer.append(topic, rows)

    async def _maintain(self) -> None:
        """Keep house, where this worker is the one at work."""
        if self._owned:
            await asyncio.to_thread(maintain, self.settings, self.uri)

    def stop(self) -> None:
        """Commit, take last checkpoints, end the threads. Where that takes too long, end the process without it."""
        self._watch.stop()
        self._way_out.stop()
        StopWatch(_STOP_SECONDS, lambda: True, self._stopped_late).start()  # until the interpreter itself is out
        self.engines.interrupt()
        self._fold_thread.submit(self.engines.stop, _STOP_SECONDS - 1.0).result()
        self._fold_thread.shutdown()
        self._health.stop()


def run_worker(settings: Settings, uri: str, at_step: Step = _no_step) -> int:
    """Run a worker until it is told to stop; give the exit code."""
    logs.configure(settings.log_level, as_json=settings.log_json)
    prepare(uri, settings.broker)
    # Faust builds parts of itself before its worker makes a loop; from Python 3.12 on asking for one is an error.
    asyncio.set_event_loop(asyncio.new_event_loop())
    worker = Worker(settings, uri, at_step)
    threading.excepthook = lambda raised: worker.failed(raised.exc_value or RuntimeError("a thread ended"))
    settle_in()
    worker.engines.start()
    worker._health.start()
    (settings.data_dir / "faust").mkdir(parents=True, exist_ok=True)
    shell = faust.Worker(
        worker.app, loglevel="WARNING", redirect_stdouts=False, quiet=True, loop=asyncio.get_event_loop()
    )
    shell.spinner = None  # it would write escape codes to the terminal
    worker._way_out.start()  # before Faust: told to stop while it starts, it may wait for what will not come
    try:
        shell.execute_from_commandline()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else EXIT_BROKEN
        if code:
            worker.end(code)  # a thread may wait for what is away; nobody may wait for it
    worker.stop()
    return 0


def settle_in() -> None:
    """Set this process up for threads that wait for the database while one folds, and for many short-lived objects."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what lives now lives for good
    gc.set_threshold(_GARBAGE_OBJECTS, 10, 10)


__all__ = ["Worker", "run_worker", "settle_in"]
