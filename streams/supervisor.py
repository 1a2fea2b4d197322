"""Several roles as one process group: starts them, restarts what ends with an error, stops all in order.

Each role is a process of its own session, so a Ctrl-C at the terminal reaches the supervisor alone, and it alone
decides the order in which they stop.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

STOP_SECONDS = 12.0
_BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_HEALTHY_SECONDS = 20.0
USAGE = 2
SUPERVISED = "TWINSTREAM_SUPERVISED"


def follow_supervisor() -> None:
    """In a role's process: stop when the supervisor is gone, however it went. Elsewhere this does nothing."""
    if os.environ.pop(SUPERVISED, None):
        threading.Thread(target=_until_gone, name="supervisor-watch", daemon=True).start()


def _until_gone() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            continue
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass(slots=True)
class Role:
    """One process to keep running. `once`: it ends by itself when its work is done."""

    name: str
    arguments: Sequence[str]
    once: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = 0.0
    due: float = 0.0
    done: bool = False


class Supervisor:
    """Keeps roles running until told to stop. Roles stop in the reverse of their order.

    Parameters
    ----------
    say : callable
        Told in one line what happened.
    """

    def __init__(self, roles: Sequence[Role], say: Callable[[str], None]) -> None:
        self.roles = list(roles)
        self._say = say
        self._stop = threading.Event()

    def request_stop(self) -> None:
        """Ask `run` to stop all and return."""
        self._stop.set()

    def start(self) -> None:
        """Start every role."""
        for role in self.roles:
            self._start(role)

    def add(self, role: Role) -> None:
        """Start one more role."""
        self.roles.append(role)
        self._start(role)

    def run(self) -> int:
        """Watch until asked to stop, or until a role ends because it was called wrongly; give the exit code."""
        code = 0
        try:
            while not self._stop.wait(0.1):
                for role in self.roles:
                    if (failed := self._watch(role)) is not None:
                        code = failed
                        self._stop.set()
                        break
        finally:
            self.stop()
        return code

    def stop(self) -> None:
        """Stop all roles, last first; kill what does not stop in time."""
        for role in reversed(self.roles):
            process = role.process
            if process is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._say(f"{role.name} did not stop in {STOP_SECONDS:.0f} s; killed")
                process.kill()
                process.wait()

    def _start(self, role: Role) -> None:
        role.started = time.monotonic()
        role.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *role.arguments],
            stdin=subprocess.PIPE,  # never written to: its end tells the role that we are gone
            start_new_session=True,
            env={**os.environ, **role.environment, SUPERVISED: "1"},
        )

    def _watch(self, role: Role) -> int | None:
        if role.done or role.process is None:
            return None
        if role.due:
            if time.monotonic() >= role.due:
                role.due = 0.0
                self._start(role)
            return None
        code = role.process.poll()
        if code is None:
            return None
        if code == 0 and role.once:
            role.done = True
            return None
        if code == USAGE:
            return USAGE
        lived = time.monotonic() - role.started
        role.failures = 0 if lived > _HEALTHY_SECONDS else role.failures + 1
        wait = _BACKOFF_SECONDS[min(role.failures, len(_BACKOFF_SECONDS)) - 1] if role.failures else 0.0
        self._say(f"{role.name} ended with {code}; starting it again" + (f" in {wait:g} s" if wait else ""))
        role.due = time.monotonic() + wait or time.monotonic()
        return None
