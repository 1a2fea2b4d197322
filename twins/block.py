"""The contract of a block: many twins of one model, folded frame by frame, purely.

    Block.empty(model) -> Block      apply(frame, past) -> Effects      snapshot() -> bytes      restore(model, bytes)

State and effects depend on records alone, never on where a frame ends. A block reads no clock, draws no
unseeded number, does no input or output. What it must remember beyond its snapshot it hands out as `Memory`
rows, and gets back, for late facts only, as `Past`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from schemas.effects import Effect
from twins.frame import Frame


@dataclass(frozen=True, slots=True)
class Wanted:
    """The past that one twin needs for this frame.

    All memory rows from the newest mark at or before `since` on, and the hashes of stored facts whose
    event times are in `times` (to find duplicates older than the twin remembers). Marks of records below `marks_from`
    (an offset) were made with another configuration and do not count. With `whole`, no mark is looked for, and the
    rows are those from `since` to before `until`.
    """

    key: str
    since: int
    times: tuple[int, ...]
    marks_from: int = 0
    whole: bool = False
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """One row that a twin wants kept: `kind` "mark" (state before `event_time`) or "input" (what was folded in
    the minute that starts at `event_time`). The newest `offset` for one (key, kind, event_time) counts.

    A mark's `body` None withdraws it: it was made from a past that has changed.
    """

    key: str
    kind: str
    event_time: int
    offset: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class TwinPast:
    """What is kept of one twin: its newest mark (or None), the inputs since, ascending, and known hashes."""

    mark: Memory | None
    inputs: Sequence[Memory]
    seen: frozenset[int]


Past = Mapping[str, TwinPast]
NO_PAST: Past = {}


@dataclass(slots=True)
class Effects:
    """What folding one frame gave. Lists are in the order of (offset, n).

    `accepted` (len(frame.facts),) tells which facts counted; the others (duplicates, too late ones) have a
    reject. `late` holds offsets of facts beyond the horizon, which also go to the `.late` topic.
    """

    accepted: NDArray[np.bool_]
    estimates: list[Effect] = field(default_factory=list)
    forecasts: list[Effect] = field(default_factory=list)
    alerts: list[Effect] = field(default_factory=list)
    requests: list[Effect] = field(default_factory=list)
    corrections: list[Effect] = field(default_factory=list)
    consequences: list[Effect] = field(default_factory=list)
    rejects: list[Effect] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    late: list[int] = field(default_factory=list)

    def all(self) -> list[Effect]:
        """Give every effect, sorted by (offset, n)."""
        every = [
            *self.rejects,
            *self.estimates,
            *self.forecasts,
            *self.alerts,
            *self.requests,
            *self.corrections,
            *self.consequences,
        ]
        every.sort(key=_place)
        return every


def _place(effect: Effect) -> tuple[int, int]:
    _, offset, n = effect.id.rsplit("/", 2)
    return int(offset), int(n)


class Block(Protocol):
    """Many twins of one kind in one partition."""

    kind: str

    def wanted(self, frame: Frame) -> Sequence[Wanted]:
        """Say which twins need their past for this frame. Changes nothing."""
        ...

    def apply(self, frame: Frame, past: Past) -> Effects:
        """Fold the frame: change the state, give the effects, among them a reject for all of `frame.refused`."""
        ...

    def snapshot(self) -> bytes:
        """Give the whole state as bytes; equal states give equal bytes, however they were reached."""
        ...

    def restore(self, body: bytes) -> None:
        """Take the state of a snapshot of the same kind and version.

        Raises
        ------
        SnapshotError
            If the bytes are not that.
        """
        ...

    def keys(self) -> Sequence[str]:
        """Give the keys of all twins, in the order they began."""
        ...

    def on_wall_clock(self) -> bool:
        """Tell whether any twin here wants to hear from the partition's owner that time passed."""
        ...


LoadPast = Callable[[Sequence[Wanted]], Past]


@runtime_checkable
class Adopts(Protocol):
    """A block that can take over the twins of one with another configuration, in the middle of their runs."""

    def adopt(self, old: Block, frame: Frame, load: LoadPast) -> Effects:
        """Take over all twins of `old`, which is left as it was; give what is said of it and what is to be kept.

        Beliefs become what they would be had this configuration been there since each run began, from what the twins
        kept; the newest values, and which facts counted, stay. What was said stays said: alerts whose rule is the same
        go on under their identity, others are cleared, and a new rule begins unraised.

        Parameters
        ----------
        old : Block
            Of the same kind and program.
        frame : Frame
            Of one fact, the change: ids and times of what is said are its own.
        load : callable
            Gives the past of some twins, as it was before that fact; asked for a few twins at a time.

        Raises
        ------
        SnapshotError
            If what the twins kept does not reach back far enough.
        """
        ...


@runtime_checkable
class Configured(Protocol):
    """A model that can say its whole configuration, as JSON that makes the same model again."""

    def document(self) -> dict[str, Any]: ...


@runtime_checkable
class KeepsAdvice(Protocol):
    """A block whose snapshots also hold what its advisory lane has learned, which is not verified bit for bit."""

    def qualified(self, body: bytes) -> bytes:
        """Give a snapshot of such a block without it."""
        ...


@runtime_checkable
class Consequent(Protocol):
    """A model whose twins tell each other what follows for them (`Effects.consequences`)."""

    consequent: Literal[True]


class Sharing(Protocol):
    """Lets blocks that are folded at the same time do together what they compute alike, to the same bits."""

    def share(self, key: Hashable, item: Any, work: Callable[[Sequence[Any]], None]) -> None:
        """Do `work` on this item alone, or on more of the same key at once; return when it is done for this one.

        `work` may be called again with fewer items after it raised; then none of them may have been changed.
        """
        ...


@runtime_checkable
class Shares(Protocol):
    """A block that can do so."""

    def share(self, sharing: Sharing) -> None:
        """Share from now on."""
        ...


class Model(Protocol):
    """What makes blocks: one per twin kind, with its configuration fixed."""

    kind: str
    name: str  # name@version+hash of model, parameters and limits; stands in every effect

    def empty(self) -> Block: ...


__all__ = [
    "NO_PAST",
    "Adopts",
    "Block",
    "Configured",
    "Consequent",
    "Effects",
    "KeepsAdvice",
    "LoadPast",
    "Memory",
    "Model",
    "Past",
    "Self",
    "Shares",
    "Sharing",
    "TwinPast",
    "Wanted",
]
