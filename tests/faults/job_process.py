"""A dispatcher or a job worker in a process of its own, to be killed and frozen. The product has no switch for it.

`tests/faults/job_pool.py` forks it from a process that has loaded the product once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from streams.jobs.devices import Place
from streams.jobs.dispatcher import Dispatcher
from streams.jobs.engines import EngineEntry
from streams.jobs.past import read_past
from streams.jobs.ports import Finished
from streams.jobs.slot import Limits
from streams.jobs.store import JobStore
from streams.jobs.work import Pace
from streams.jobs.worker import Worker
from streams.outputs import make_outputs
from twins.engine import Device

DISPATCHER_STEPS = ("submit_written", "submitted", "told")
# "finish" is this file's: the engine has answered, nothing was said to the ledger.
WORKER_STEPS = ("claimed", "checkpoint_kept", "finish", "finish_written", "finished", "told")
WATCHED = "counting.watched"
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(frozen=True)
class Plan:
    """One life: what it is, and at which hit of which step it is killed or stops itself (`act`). No step: never.

    `broker`: Kafka, where answers go to the outbox; None: the embedded log. `clock_hours`: by how much the
    wall's clock of this process steps at SIGUSR1.
    """

    role: str
    uri: str
    name: str
    at: str = ""
    hit: int = 1
    act: str = "kill"
    places: int = 2
    engine: str = "CountingEngine"
    lease_seconds: float = 1.0
    broker: str | None = None
    clock_hours: float = 0.0


class Steps:
    """Told of every step; sends its own process a signal at one."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._hits = plan, 0

    def __call__(self, step: str) -> None:
        if step != self._plan.at or threading.current_thread().name == "job-ears":
            return
        self._hits += 1
        if self._hits == self._plan.hit:
            signal.pthread_kill(threading.get_ident(), SIGNALS[self._plan.act])  # takes effect here, not a moment later


class SteppedStore(JobStore):
    """Names the moment before an answer is committed too."""

    def finish(self, done: Finished) -> bool:
        self._step("finish")
        return super().finish(done)


def entries(engine: str = "CountingEngine") -> dict[str, EngineEntry]:
    """The engines of these tests; one is ended soon where it makes no progress, the other where it swells."""
    module = "tests.support.counting_engine"
    counting = EngineEntry("counting", f"{module}:{engine}", "supersede", memory_mb=200)
    watched = EngineEntry(WATCHED, f"{module}:WatchedEngine", "finish", silent_seconds=1.0)
    return {one.kind: one for one in (counting, watched)}


def job_worker(plan: Plan, steps: Callable[[str], None]) -> int:
    """Run a worker with a short lease."""
    uri = plan.uri
    worker = Worker(
        plan.name,
        [Place(Device())] * plan.places,
        entries(plan.engine),
        lambda: SteppedStore(uri, make_outputs(plan.broker, uri), plan.name, steps),
        lambda claimed: read_past(uri, claimed),
        limits=Limits(lease_seconds=plan.lease_seconds, renew_seconds=0.1),
        pace=Pace(0.005, 0.01, 0.04),
        reap_seconds=0.2,
    )
    signal.signal(signal.SIGTERM, lambda *_: worker.request_stop())
    return worker.run()


def dispatcher(plan: Plan, steps: Callable[[str], None]) -> int:
    """Run a dispatcher that knows the engines of these tests."""
    made = Dispatcher(plan.broker, plan.uri, plan.name, steps)
    made._engines = entries()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    made.run(stop)
    return 0


def step_clock(hours: float) -> None:
    """Let what Python calls the wall's clock be off by so much from now on; the monotonic one goes on, as on a host."""
    now, now_ns = time.time, time.time_ns
    for name, stepped in (
        ("time", lambda: now() + hours * 3600),
        ("time_ns", lambda: now_ns() + round(hours * 3600e9)),
    ):
        setattr(time, name, stepped)
    print("the clock has stepped", flush=True)


def live(plan: Plan, log: str) -> None:
    """Live one life, in a process that was forked for it; what it prints goes to a file."""
    with open(log, "wb") as file:
        for end in (1, 2):
            os.dup2(file.fileno(), end)
    signal.signal(signal.SIGUSR1, lambda *_: step_clock(plan.clock_hours))
    sys.exit({"worker": job_worker, "dispatcher": dispatcher}[plan.role](plan, Steps(plan)))
