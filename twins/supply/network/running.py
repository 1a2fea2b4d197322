"""A question about a network as a job of the pool: pieces of work, checkpoints, the answer. Source: `Run` in
twins/engine.py.

A checkpoint is msgpack under a hash: what is kept of the replications that are done. Nothing in it follows from the
specification.
"""

from __future__ import annotations

import hashlib
import time

import msgspec
import numpy as np
from msgspec import Struct

from schemas.errors import SnapshotError
from schemas.jobs import SimulationSpec, hash_of
from twins.engine import Answer, Standing
from twins.supply.network.answers import make_answer
from twins.supply.network.batch import has_numba, run_batch
from twins.supply.network.kept import BOTTLENECKS, FIELDS, Kept, joined, keep
from twins.supply.network.questions import Question

MAGIC = b"TWSN"
_HASH = 32  # bytes
PERIODS = 4_096  # room for active periods to begin with; it grows
MOST_STEPS_PIECE = 200_000  # patients of a piece, some tenths of a second where it is compiled
PLAIN = 500  # times as slow where it is not (measured: 100 to 300)


class _Array(Struct, frozen=True, array_like=True):
    shape: tuple[int, ...]
    body: bytes


class _Saved(Struct, frozen=True):
    specification: str
    versions: dict[str, str]
    done: list[int]  # replications of each network
    kept: list[list[_Array]]  # of each network begun, by the order of `FIELDS`


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(_Saved)


class NetworkRun:
    """A job. For one thread."""

    def __init__(self, spec: SimulationSpec, question: Question, threads: int, versions: dict[str, str]) -> None:
        self._spec, self._question, self._threads, self._versions = spec, question, threads, versions
        self._begin()

    def _begin(self) -> None:
        self._kept: list[list[Kept]] = [[] for _ in self._question.networks]
        self._done = [0 for _ in self._question.networks]

    def run(self, seconds: float) -> Standing:
        """See `twins.engine.Run`."""
        end = time.monotonic() + seconds
        while sum(self._done) < self._total:
            self._piece()
            if time.monotonic() >= end:
                break
        place = min(sum(self._done) // self._question.draws, len(self._question.names) - 1)
        note = f"{self._question.names[place]}, replication {self._done[place]} of {self._question.draws}"
        return Standing(float(sum(self._done)), float(self._total), note)

    @property
    def _total(self) -> int:
        return self._question.draws * len(self._question.networks)

    def _piece(self) -> None:
        """Do some more replications of the first network that is not done."""
        draws = self._question.draws
        place = next(k for k, done in enumerate(self._done) if done < draws)
        network, first = self._question.networks[place], self._done[place]
        followed = place == 0 and first < BOTTLENECKS
        size = max(MOST_STEPS_PIECE // (1 if has_numba() else PLAIN) // max(network.most, 1), 1)
        last = min(first + min(size, 8 if followed else 256), draws, BOTTLENECKS if followed else draws)
        batch = run_batch(
            network, self._question.seed, range(first, last), threads=self._threads, periods=PERIODS if followed else 0
        )
        self._kept[place].append(keep(network, batch, place == 0))
        self._done[place] = last

    def checkpoint(self) -> bytes:
        """See `twins.engine.Run`."""
        rows = []
        for place, parts in enumerate(self._kept):
            if parts:
                self._kept[place] = [joined(parts)]
                arrays = [getattr(self._kept[place][0], name) for name in FIELDS]
                rows.append([_Array(one.shape, np.ascontiguousarray(one).tobytes()) for one in arrays])
        body = _ENCODE.encode(_Saved(hash_of(self._spec), self._versions, self._done, rows))
        return MAGIC + hashlib.sha256(body).digest() + body

    def restore(self, body: bytes) -> str:
        """See `twins.engine.Run`."""
        saved = _read(body)
        if (saved.specification, saved.versions) != (hash_of(self._spec), self._versions):
            raise SnapshotError("expected a checkpoint of this specification and these versions, received another")
        self._begin()
        self._done = list(saved.done)
        for place, row in enumerate(saved.kept):
            arrays = [np.frombuffer(one.body, dtype=np.float64).reshape(one.shape) for one in row]
            self._kept[place] = [Kept(*arrays)]
        return "exact"

    def answer(self) -> Answer:
        """See `twins.engine.Run`."""
        if sum(self._done) < self._total:
            raise RuntimeError("expected a run that has ended, received one under way; call run until done")
        return make_answer(self._question, [joined(parts) for parts in self._kept], self._versions)


def _read(body: bytes) -> _Saved:
    head = len(MAGIC) + _HASH
    if body[: len(MAGIC)] != MAGIC or hashlib.sha256(body[head:]).digest() != body[len(MAGIC) : head]:
        raise SnapshotError(f"expected a whole checkpoint of a network, received {len(body)} other bytes; take another")
    try:
        return _DECODE.decode(body[head:])
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"expected a checkpoint of this shape, received {error}; take another") from None
