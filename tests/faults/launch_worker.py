"""A worker in a process of its own, to be killed, frozen and broken by plan. The product has no switch for any of it.

    python -m tests.faults.launch_worker

It imports the product once and then forks a worker for each order: one JSON object a line on standard input
(`environment`, `plan`, `log`, `progress`), one a line on standard output (`pid`; later `pid` with `code` or `stopped`).
Its workers die with it.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import mmap
import os
import select
import signal
import sys
from typing import Any

from streams import app, models, publisher
from streams.appending import AsyncWriter
from streams.engine import engine
from streams.ledger import binary, claims, commit, outbox
from streams.log import membership
from streams.settings import Settings
from streams.transports.coalescing import CoalescingConsumer
from tests.faults.breakage import poison_commits, poisoned
from tests.faults.defects import plant, put
from tests.faults.plan import COPY_STEP, KILL, RAISE, STOP, Plan
from tests.support.counting import CountingModel

_PDEATHSIG = 1
_PROGRESS_BYTES = 64


class Progress:
    """The last step that was reached, in a file that outlives the process."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), _PROGRESS_BYTES)

    def write(self, step: str) -> None:
        self._map[:] = step.encode().ljust(_PROGRESS_BYTES)


class Steps:
    """Told of every step; does at one of them what the plan says."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan = plan
        self._progress = progress
        self._hits = 0

    def __call__(self, step: str) -> None:
        self._progress.write(step)
        if step != self._plan.at:
            return
        self._hits += 1
        if self._hits != self._plan.hit:
            return
        if self._plan.act == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._plan.act == STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self._plan.act == RAISE:
            raise RuntimeError(f"planted at {step}")


def run(plan: Plan, progress: Progress) -> int:
    """Live one life; give its exit code."""
    steps = Steps(plan, progress)
    _add_steps(steps)
    load = models.load_model

    def load_model(kind: str, config: Any) -> Any:  # the model's own types
        model: Any = CountingModel(kind=kind) if plan.model == "counting" else load(kind, config)
        return poisoned(model, plan.poison) if plan.poison else model

    put(app, "load_model", load_model)
    if plan.poison_commit:
        poison_commits(plan.poison_commit)
    if plan.raise_in:
        _plant_error(plan, progress)
    if not plan.watched:
        plant("no_watch")
    for defect in plan.defects:
        plant(defect)
    settings = Settings()
    assert settings.database is not None
    return app.run_worker(settings, settings.database.get_secret_value(), steps)


def _add_steps(steps: Steps) -> None:
    """Name places that the product does not name."""
    claim, delete, append = claims.claim, outbox.delete_outbox, AsyncWriter.append

    def claim_by_steps(*arguments: Any, **named: Any) -> Any:
        steps("claim")
        found = claim(*arguments, **named)
        steps("claimed")
        return found

    def copy_by_steps(connection: Any, target: str, rows: Any) -> None:
        if rows:
            with connection.cursor().copy(f"copy {target} from stdin (format binary)") as sink:
                sink.write(binary.SIGNATURE)
                steps(COPY_STEP)
                sink.write(b"".join(rows))
                sink.write(binary.TRAILER)

    def delete_by_steps(*arguments: Any) -> None:
        steps("published")
        delete(*arguments)

    async def append_by_steps(self: Any, topic: str, rows: Any) -> Any:
        if topic.startswith("twin."):
            steps("publish")
        return await append(self, topic, rows)

    put(claims, "claim", claim_by_steps)
    put(publisher, "delete_outbox", delete_by_steps)
    put(AsyncWriter, "append", append_by_steps)
    if steps._plan.at == COPY_STEP:
        put(commit, "_copy", copy_by_steps)


# Where an error may be planted: the class, and its method that then raises. All run in the background.
PLACES: dict[str, tuple[type[Any], str]] = {
    "agent": (engine.Engine, "fold"),
    "timer": (app.Worker, "_look"),
    "consumer": (CoalescingConsumer, "_still_wanted"),
    "claim": (engine.Engine, "claim"),
    "commit thread": (engine.Engine, "committed"),
    "membership": (membership.Membership, "_hold"),
    "publisher": (publisher.OutboxPublisher, "_round"),
}
RAISED = "raised"


def _plant_error(plan: Plan, progress: Progress) -> None:
    """Make a method raise; it says `raised` first."""
    owner, name = PLACES[plan.raise_in]
    method = getattr(owner, name)

    def check() -> None:
        if not plan.raise_when or os.path.exists(plan.raise_when):
            progress.write(RAISED)
            raise RuntimeError(f"planted in {plan.raise_in}")

    async def raise_soon(*arguments: Any, **named: Any) -> Any:
        check()
        return await method(*arguments, **named)

    def raise_(*arguments: Any, **named: Any) -> Any:
        check()
        return method(*arguments, **named)

    put(owner, name, raise_soon if inspect.iscoroutinefunction(method) else raise_)


def _live(order: dict[str, Any]) -> None:
    """Become the worker of an order. In the child."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    for name in [name for name in os.environ if name.startswith("TWINSTREAM_")]:
        del os.environ[name]
    os.environ.update(order["environment"])
    plan = order["plan"]
    plan["defects"] = tuple(plan["defects"])
    sys.argv = ["worker"]
    sys.exit(run(Plan(**plan), Progress(order["progress"])))


def _say(**words: Any) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def _reap() -> None:
    """Say of each worker that ended, or froze itself, that it did."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return
        if not pid:
            return
        if os.WIFSTOPPED(status):
            _say(pid=pid, stopped=True)
        else:
            _say(pid=pid, code=os.waitstatus_to_exitcode(status))


def serve() -> None:
    """Take orders until standard input ends."""
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap()
        if 0 not in ready:
            continue
        chunk = os.read(0, 1 << 16)
        if not chunk:
            return
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            order = json.loads(line)
            pid = os.fork()
            if not pid:
                os.close(woken)
                os.close(wake)
                _live(order)
            _say(order=order["order"], pid=pid)


if __name__ == "__main__":
    serve()
