"""How any engine's job is carried out, in a process of the pool and in the foreground alike.

Validate, prepare, go on from the newest checkpoint that can be used, run in pieces, answer. Between pieces it is asked
what is wished, and checkpoints are handed out in time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

from schemas.errors import SettingsError, SnapshotError
from schemas.jobs import MOST_SUMMARY_BYTES, SimulationSpec
from streams.jobs.ports import MOST_CHECKPOINT_BYTES, MOST_DOCUMENT_BYTES, Checkpoint
from twins.block import Memory
from twins.engine import Answer, Device, Engine, Run, Standing

Wish = Literal["go_on", "stop", "stop_and_keep"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long pieces of work are, and how far apart checkpoints [s].

    The first piece is short, so that progress is seen at once; each is at most twice as long as the one before.
    """

    first_seconds: float = 0.05
    piece_seconds: float = 0.5
    checkpoint_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Task:
    """One job, as an engine is handed it. `checkpoints` are newest first."""

    spec: SimulationSpec
    device: Device
    past: Sequence[Memory] = ()
    checkpoints: Sequence[Checkpoint] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, what made it, and the checkpoints it went on from."""

    answer: Answer
    versions: dict[str, str]
    resumed: tuple[str, ...]


class Listener(Protocol):
    """Who is told of a job while it runs."""

    def told(self, standing: Standing) -> None:
        """Take note of progress."""
        ...

    def kept(self, versions: dict[str, str], body: bytes) -> None:
        """Take a checkpoint."""
        ...

    def wish(self) -> Wish:
        """Say what is wished. Asked after every piece."""
        ...


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    """A checkpoint as it is kept: the engine's bytes, and the checkpoints that came before."""

    resumed: tuple[str, ...]
    body: bytes


_ENVELOPE = msgspec.msgpack.Decoder(_Envelope)


def carry_out(
    engine: Engine, task: Task, listener: Listener, pace: Pace, clock: Callable[[], float] = time.monotonic
) -> Found | None:
    """Carry a job out; None where it was stopped.

    Raises
    ------
    SettingsError
        If specification or past cannot be used, or the engine breaks a bound. Whatever else the engine raises comes
        as it is.
    """
    engine.validate(task.spec)
    listener.told(Standing(0.0, 0.0, "preparing"))  # which may take a while, where something is compiled
    versions = engine.versions()
    run = engine.prepare(task.spec, task.past, task.device)
    resumed = _resume(run, versions, task.checkpoints)
    listener.told(Standing(0.0, 0.0, "prepared"))
    kept_at, piece = clock(), pace.first_seconds
    while True:
        if (wish := listener.wish()) != "go_on":
            if wish == "stop_and_keep":
                listener.kept(versions, _checkpoint(run, resumed))
            return None
        standing = run.run(piece)
        listener.told(standing)
        if standing.done >= standing.total:
            return Found(run.answer(), versions, resumed)
        piece = min(2 * piece, pace.piece_seconds)
        if clock() - kept_at + 2 * piece > pace.checkpoint_seconds:  # a piece may take twice its time
            listener.kept(versions, _checkpoint(run, resumed))
            kept_at = clock()


def _resume(run: Run, versions: dict[str, str], checkpoints: Sequence[Checkpoint]) -> tuple[str, ...]:
    """Go on from the newest that can be used; what cannot, of other versions or torn, costs only the work again."""
    for one in checkpoints:
        if one.versions != versions:
            continue
        try:
            envelope = _ENVELOPE.decode(one.body)
            how = run.restore(envelope.body)
        except (SnapshotError, msgspec.DecodeError):
            continue
        return (*envelope.resumed, f"{one.attempt}/{one.seq} {how}")
    return ()


def _checkpoint(run: Run, resumed: tuple[str, ...]) -> bytes:
    body = msgspec.msgpack.encode(_Envelope(resumed, run.checkpoint()))
    if len(body) > MOST_CHECKPOINT_BYTES:
        raise SettingsError(
            f"expected a checkpoint of at most {MOST_CHECKPOINT_BYTES} bytes, received {len(body)}; ask for less"
        )
    return body


def write_answer(kind: str, answer: Answer) -> tuple[bytes, bytes]:
    """Give summary and document as canonical JSON.

    Raises
    ------
    SettingsError
        If one is larger than it may be, holds a number that is not finite, or is no JSON.
    """
    summary = _json(kind, "summary", answer.summary, MOST_SUMMARY_BYTES)
    return summary, _json(kind, "document", answer.document, MOST_DOCUMENT_BYTES)


def _json(kind: str, what: str, value: dict[str, Any], most: int) -> bytes:  # Any: JSON, checked here
    try:
        text = json.dumps(
            msgspec.to_builtins(value), allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":")
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"expected a {what} that is JSON with finite numbers, received {error}, of engine {kind}"
        ) from None
    if len(text) > most:
        raise SettingsError(
            f"expected a {what} of at most {most} bytes of JSON, received {len(text)}, of engine {kind}; ask for less"
        )
    return text


__all__ = ["Found", "Listener", "Pace", "Task", "Wish", "carry_out", "write_answer"]
