"""Worker processes under the test's hand: launched by plan, watched, killed, frozen, woken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from tests.faults.plan import Plan

_TICK_SECONDS = 0.02


def until(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for a condition; give the seconds it took, or fail."""
    began = monotonic()
    pause = threading.Event()
    while not condition():
        waited = monotonic() - began
        assert waited < seconds, f"expected {what} within {seconds:g} s; it did not happen"
        pause.wait(_TICK_SECONDS)
    return monotonic() - began


class Life:
    """One worker process."""

    def __init__(self, plan: Plan, log: Path, progress: Path) -> None:
        self.plan = plan
        self.log = log
        self.pid = 0
        self.code: int | None = None
        self.stopped = False
        self.stopped_at = 0.0
        self.began = monotonic()
        self.ended = 0.0
        self._progress = progress

    @property
    def alive(self) -> bool:
        return self.code is None

    @property
    def step(self) -> str:
        """The last step it reached; empty before the first."""
        return self._progress.read_bytes().strip(b"\x00 ").decode()

    def signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def wait(self, seconds: float, what: str = "the worker to end") -> int:
        """Wait until it ended; give its exit code, negative for a signal."""
        try:
            until(lambda: not self.alive, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; it was at {self.step!r} and said:\n{self.said()}") from None
        assert self.code is not None
        return self.code

    def said(self) -> str:
        """The end of its log, for a failure's message."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


class Forge:
    """Makes workers by forking a process that has the product loaded. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._orders: dict[int, Life] = {}
        self._lives: dict[int, Life] = {}
        self._change = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.faults.launch_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            cwd=Path(__file__).resolve().parents[2],
        )
        self._thread = threading.Thread(target=self._listen, name="forge", daemon=True)
        self._thread.start()

    def __enter__(self) -> Forge:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for life in list(self._lives.values()):
            life.kill()
        self._process.stdin.close()
        self._process.wait(30)
        self._thread.join(5)
        self._process.stdout.close()

    def launch(self, plan: Plan, environment: dict[str, str]) -> Life:
        """Start a life, and return once its process is there."""
        with self._change:
            number = len(self._orders)
            progress = self._folder / f"progress-{number}"
            progress.write_bytes(bytes(64))
            life = self._orders[number] = Life(plan, self._folder / f"worker-{number}.log", progress)
            order = {
                "order": number,
                "plan": asdict(plan),
                "environment": environment,
                "log": str(life.log),
                "progress": str(progress),
            }
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            assert self._change.wait_for(lambda: life.pid, 60), "expected a worker within 60 s"
        life.began = monotonic()
        return life

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._hear(json.loads(line))

    def _hear(self, word: dict[str, Any]) -> None:
        with self._change:
            if "order" in word:
                life = self._orders[word["order"]]
                life.pid = word["pid"]
                self._lives[life.pid] = life
            elif "code" in word:
                life = self._lives.pop(word["pid"])
                life.ended = monotonic()
                life.code = word["code"]
            else:
                life = self._lives[word["pid"]]
                life.stopped, life.stopped_at = True, monotonic()
            self._change.notify_all()
