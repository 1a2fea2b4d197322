"""An engine process: `python -m streams.jobs.child`. Started before there is work, with its engines loaded.

It is handed a specification and says progress, checkpoints and an answer. It holds no connection and no credential, and
ends with the worker that started it. What an engine prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import queue
import resource
import signal
import sys
import threading
import traceback

import msgspec

from schemas.errors import DeviceLostError, SettingsError, TwinstreamError, UsageError, printable
from schemas.jobs import SimulationSpec
from streams.jobs.engines import EngineEntry, load_engine
from streams.jobs.messages import (
    Answered,
    Begin,
    Do,
    Failed,
    Frames,
    FromEngine,
    Kept,
    Ready,
    Stop,
    Stopped,
    Told,
    Warming,
    frame,
    read_to_engine,
)
from streams.jobs.ports import Lease
from streams.jobs.work import Pace, Task, Wish, carry_out, write_answer
from twins.engine import Engine, Standing

MOST_ERROR_CHARACTERS = 2000
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_NICE = 5  # below what folds facts on the same machine
_READ_BYTES = 1 << 20


class Line:
    """The pipe to the worker: messages go out as they are said; those that come in are read by a thread."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._jobs: queue.SimpleQueue[Begin | Do] = queue.SimpleQueue()
        self._stop: Stop | None = None
        threading.Thread(target=self._read, name="worker-line", daemon=True).start()

    def next(self) -> Begin | Do:
        """Wait for what is to be done."""
        return self._jobs.get()

    def wish(self, lease: Lease) -> Wish:
        """Say what is wished of a job."""
        stop = self._stop
        if stop is None or stop.lease != lease:
            return "go_on"
        return "stop_and_keep" if stop.keep else "stop"

    def say(self, message: FromEngine) -> None:
        """Send."""
        rest = memoryview(frame(message))
        while rest:
            rest = rest[os.write(self._writes, rest) :]

    def _read(self) -> None:
        frames = Frames()
        with contextlib.suppress(OSError, ValueError, msgspec.DecodeError):
            while some := os.read(self._reads, _READ_BYTES):
                for body in frames.feed(some):
                    message = read_to_engine(body)
                    if isinstance(message, Stop):
                        self._stop = message
                    else:
                        self._jobs.put(message)
        os._exit(0)  # the worker is gone, or no longer speaks our language


class _Teller:
    """Tells the worker of one job."""

    def __init__(self, line: Line, lease: Lease) -> None:
        self._line, self._lease = line, lease

    def told(self, standing: Standing) -> None:
        rates = {name: float(value) for name, value in standing.rates.items() if math.isfinite(value)}
        note = printable(standing.note)[:MOST_ERROR_CHARACTERS]
        self._line.say(Told(self._lease, float(standing.done), float(standing.total), note, rates))

    def kept(self, versions: dict[str, str], body: bytes) -> None:
        self._line.say(Kept(self._lease, versions, body))

    def wish(self) -> Wish:
        return self._line.wish(self._lease)


def main() -> None:
    """Serve jobs until the worker is gone."""
    line = _take_line()
    _settle_in()
    begin = line.next()
    if not isinstance(begin, Begin):
        sys.exit("expected a worker on standard input; start `twinstream job-worker` instead")
    pace = Pace(begin.first_seconds, begin.piece_seconds, begin.checkpoint_seconds)
    engines = _warm(line, begin.engines)
    while True:
        job = line.next()
        if isinstance(job, Do):
            _do(line, job, engines.get(job.kind), begin, pace)


def _take_line() -> Line:
    """Keep standard input and output for the worker; whatever else reads or prints gets nothing, or standard error."""
    reads, writes = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return Line(reads, writes)


def _settle_in() -> None:
    """End with the worker, be the first to go where memory runs out, leave the processor to what folds facts."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write("1000")
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _warm(line: Line, entries: list[EngineEntry]) -> dict[str, Engine]:
    """Load engines, each named before it is: one that ends the process is then known."""
    engines: dict[str, Engine] = {}
    missing: dict[str, str] = {}
    for entry in entries:
        line.say(Warming(entry.kind))
        try:
            engines[entry.kind] = load_engine(entry)
        except Exception as error:  # whatever a library raises while it is loaded
            missing[entry.kind] = _words(error)
    line.say(Ready(list(engines), missing))
    return engines


def _do(line: Line, job: Do, engine: Engine | None, begin: Begin, pace: Pace) -> None:
    try:
        if engine is None:
            raise SettingsError(f"expected a kind that this worker serves, received {job.kind!r}")
        task = Task(_specification(job.spec), begin.device, job.past, job.checkpoints)
        found = carry_out(engine, task, _Teller(line, job.lease), pace)
        if found is None:
            line.say(Stopped(job.lease))
            return
        summary, document = write_answer(job.kind, found.answer)
        answer = found.answer
        line.say(
            Answered(
                job.lease,
                summary,
                document,
                answer.reproducibility,
                answer.bucket,
                found.versions,
                list(found.resumed),
            )
        )
    except DeviceLostError as error:
        line.say(Failed(job.lease, _words(error), again=True, device_lost=True))
    except UsageError as error:
        line.say(Failed(job.lease, _words(error), again=False))
    except MemoryError as error:
        line.say(Failed(job.lease, f"the engine ran out of memory: {_words(error)}; ask for less at once", again=True))
    except Exception as error:  # an engine's libraries raise what they like; the attempt is lost, not the process
        traceback.print_exc()
        line.say(Failed(job.lease, _words(error), again=True))


def _specification(spec: bytes) -> SimulationSpec:
    try:
        return msgspec.json.decode(spec, type=SimulationSpec)
    except msgspec.DecodeError as error:
        raise SettingsError(f"expected a specification, received {error}") from None


def _words(error: BaseException) -> str:
    text = str(error) if isinstance(error, TwinstreamError) else f"{type(error).__name__}: {error}"
    return printable(text)[:MOST_ERROR_CHARACTERS]


if __name__ == "__main__":
    main()
