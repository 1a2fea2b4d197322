"""A worker's side of one engine process: starts it, speaks with it without waiting for it, looks at it, ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence

import msgspec

from streams.jobs.devices import Place, clean_environment
from streams.jobs.engines import EngineEntry
from streams.jobs.messages import Begin, Frames, FromEngine, ToEngine, frame, read_from_engine
from streams.jobs.work import Pace

_PIPE_BYTES = 1 << 20  # what Linux gives without asking for more rights; a checkpoint goes through in fewer turns
_MOST_READS = 128  # at once: one that never stops talking does not keep its neighbours waiting
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_REAP_SECONDS = 5.0


class EngineProcess:
    """One engine process, in a session of its own. For one thread, which must live as long as it."""

    def __init__(self, place: Place, entries: Sequence[EngineEntry], pace: Pace) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streams.jobs.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=clean_environment(os.environ, place.environment),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.reads, self.writes = self._process.stdout.fileno(), self._process.stdin.fileno()
        for end in (self.reads, self.writes):
            os.set_blocking(end, False)
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._frames = Frames()
        self._out: deque[memoryview] = deque()
        self.paused = False
        self.say(Begin(list(entries), place.device, pace.first_seconds, pace.piece_seconds, pace.checkpoint_seconds))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits to be written to it."""
        return bool(self._out)

    def say(self, message: ToEngine) -> None:
        """Send, now or as soon as it takes it. Raises ValueError if the message is too large."""
        self._out.append(memoryview(frame(message)))
        self.flush()

    def flush(self) -> None:
        """Write what it takes. One that is gone is noticed by reading."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._out:
                written = os.write(self.writes, self._out[0])
                if written == len(self._out[0]):
                    self._out.popleft()
                else:
                    self._out[0] = self._out[0][written:]

    def hear(self) -> list[FromEngine]:
        """Give what it said since the last call.

        Raises
        ------
        EOFError
            If it is gone.
        ValueError
            If it said something that is no message.
        """
        said: list[FromEngine] = []
        try:
            for _ in range(_MOST_READS):
                some = os.read(self.reads, _PIPE_BYTES)
                if not some:
                    if said:
                        return said  # the end is met again at the next call
                    raise EOFError(self.how_it_ended())
                said += [read_from_engine(body) for body in self._frames.feed(some)]
            return said
        except BlockingIOError:
            return said
        except msgspec.DecodeError as error:
            raise ValueError(f"expected a message of an engine, received {error}") from None

    def how_it_ended(self) -> str:
        """Say how it ended; one that closed its pipe and lives on is ended."""
        self.end()
        code = self._process.returncode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"the engine's process was ended by {signal.Signals(-code).name}"
        return f"the engine's process ended with {code}"

    def resident_bytes(self) -> int:
        """Give its resident memory, or 0 where the system does not say."""
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
                return int(statm.read().split()[1]) * _PAGE_BYTES
        except (OSError, ValueError, IndexError):
            return 0

    def pause(self) -> None:
        """Let it stand still."""
        self._signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)
        self.paused = False

    def end(self) -> None:
        """End it and what it started, now. May be called again."""
        try:
            self._process.wait(0.05)  # one that is on its way out says by itself why
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that hangs in a driver is left to the system
                self._process.wait(_REAP_SECONDS)

    def close(self) -> None:
        """End it and give its pipes back."""
        self._signal(signal.SIGKILL)
        self.end()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _signal(self, number: int) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
