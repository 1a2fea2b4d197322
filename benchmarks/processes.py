"""Processes that a benchmark starts, ends by their own ids, and whose CPU time it counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

STOP_SECONDS = 20.0


def module(name: str, *arguments: str) -> list[str]:
    """Give the command that runs a module of ours."""
    return [sys.executable, "-m", name, *arguments]


class Child:
    """A process of ours. A context manager that ends it.

    Parameters
    ----------
    command : sequence of str
        What to run.
    environment : mapping
        Added to our own.
    log : Path
        Where its stderr, and its stdout unless `talk`, go.
    talk : bool
        Keep pipes to its stdin and stdout.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        log: Path,
        talk: bool = False,
    ) -> None:
        self._log = log
        self._name = " ".join(command[1:3])
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talk else out,
                stderr=out,
                text=True,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def say(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Wait for a line of its stdout; it is an error if there comes none."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ChildProcessError(f"{self._name} ended: {self.told()}")
        return line.rstrip("\n")

    def alive(self) -> None:
        """Raise if it has ended."""
        if self.process.poll() is not None:
            raise ChildProcessError(f"{self._name} ended with {self.process.returncode}: {self.told()}")

    def told(self) -> str:
        """Give the end of its log."""
        return self._log.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """Kill it, as a crash would, and wait for its end."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it, gently first; give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return self.process.wait()


class CpuMeter:
    """CPU seconds that process trees used since `begin`, and how busy the whole machine was."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = dict(roots)
        self._begun: dict[str, float] = {}
        self._machine = 0.0

    def begin(self) -> None:
        """Count from now on."""
        self._begun = {name: tree_seconds(pid) for name, pid in self._roots.items()}
        self._machine = _busy_seconds()

    def used(self) -> dict[str, float]:
        """Give CPU seconds by root since `begin`; `other` is what the rest of the machine used."""
        used = {name: tree_seconds(pid) - self._begun[name] for name, pid in self._roots.items()}
        used["other"] = max(0.0, _busy_seconds() - self._machine - sum(used.values()))
        return used


def tree_seconds(pid: int) -> float:
    """CPU seconds of a process, of its children that live, and of those it has buried."""
    try:
        root = psutil.Process(pid)
        times = root.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in root.children(recursive=True):
            times = child.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    except psutil.NoSuchProcess:
        return 0.0
    return float(total)


def process_seconds(pid: int) -> float:
    """CPU seconds of one process alone, 0 where it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)
