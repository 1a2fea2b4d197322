"""Records that break the program: one event id makes the fold, or the commit, raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from streams.ledger import commit
from twins.block import Block, Effects, Model, Past, Wanted
from twins.frame import Frame


class _PoisonedBlock:
    """A block that raises, half-way through, at one event."""

    kind = "bioreactor"

    def __init__(self, block: Block, poison: str) -> None:
        self._block = block
        self._poison = poison

    def wanted(self, frame: Frame) -> Sequence[Wanted]:
        return self._block.wanted(frame)

    def apply(self, frame: Frame, past: Past) -> Effects:
        effects = self._block.apply(frame, past)  # the state has changed already: whoever goes on must undo it
        for fact in frame.facts:
            if fact.event.id.startswith(self._poison):
                raise ZeroDivisionError(f"poison: {fact.event.id}")
        return effects

    def snapshot(self) -> bytes:
        return self._block.snapshot()

    def restore(self, body: bytes) -> None:
        self._block.restore(body)

    def keys(self) -> Sequence[str]:
        return self._block.keys()

    def on_wall_clock(self) -> bool:
        return self._block.on_wall_clock()


class _PoisonedModel:
    def __init__(self, model: Model, poison: str) -> None:
        self.kind, self.name = model.kind, model.name
        self._model = model
        self._poison = poison

    def empty(self) -> _PoisonedBlock:
        return _PoisonedBlock(self._model.empty(), self._poison)


def poisoned(model: Model, poison: str) -> Model:
    """Give a model whose blocks raise at events whose id begins with `poison`."""
    return _PoisonedModel(model, poison)


def poison_commits(poison: str) -> None:
    """Make the commit of such events raise what PostgreSQL says of a value it cannot take. For good, here."""
    write = commit.Committer._write_facts

    def write_facts(self: commit.Committer, connection: psycopg.Connection[Any], fresh: Any) -> int:
        rows = write(self, connection, fresh)
        for one in fresh:
            for i, fact in enumerate(one.frame.facts):
                if one.accepted[i] and fact.event.id.startswith(poison):
                    raise psycopg.DataError(f"poison: {fact.event.id}")
        return rows

    commit.Committer._write_facts = write_facts  # type: ignore[method-assign]
