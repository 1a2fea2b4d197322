"""A block that only counts: the smallest thing that obeys the contract, for tests of what carries blocks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from schemas.effects import Effect
from schemas.errors import SnapshotError
from schemas.ids import effect_id
from schemas.instants import Instant, format_instant
from streams.engine.partition import reject_of
from twins.block import Effects, Past, Wanted
from twins.frame import Frame

EVERY = 5


class CountingBlock:
    """Counts each twin's facts and mixes their hashes; says an estimate at every fifth."""

    def __init__(self, poison: str = "", kind: str = "bioreactor") -> None:
        self.kind = kind
        self._state: dict[str, list[int]] = {}
        self._poison = poison

    def wanted(self, frame: Frame) -> Sequence[Wanted]:
        return []

    def apply(self, frame: Frame, past: Past) -> Effects:
        effects = Effects(np.ones(len(frame.facts), dtype=bool))
        for one in frame.refused:
            effects.rejects.append(reject_of(one, frame.topic, frame.partition, "counting@1"))
        for fact in frame.facts:
            if fact.event.id == self._poison:
                raise RuntimeError(f"poison: {fact.event.id}")
            count, mix = self._state.get(fact.event.subject, [0, 0])
            count, mix = count + 1, (mix * 1_000_003 + fact.hash) % (1 << 61)
            self._state[fact.event.subject] = [count, mix]
            if count % EVERY == 0:
                data = {"count": count, "mix": mix}
                effects.estimates.append(self._effect(frame, fact.offset, 0, "estimate", fact.event.subject, data))
        return effects

    def snapshot(self) -> bytes:
        return json.dumps(self._state).encode()

    def restore(self, body: bytes) -> None:
        try:
            self._state = json.loads(body)
        except ValueError as error:
            raise SnapshotError(str(error)) from None

    def on_wall_clock(self) -> bool:
        return False

    def keys(self) -> Sequence[str]:
        return list(self._state)

    def _effect(self, frame: Frame, offset: int, n: int, kind: str, key: str, data: Mapping[str, object]) -> Effect:
        at = next((fact.event.event_time for fact in frame.facts if fact.offset == offset), 0)
        when = format_instant(Instant(at))
        name = effect_id(frame.topic, frame.partition, offset, n)
        return Effect(name, kind, "qualified", self.kind, key, when, when, "counting@1", dict(data))  # type: ignore[arg-type]


class CountingModel:
    """Makes counting blocks; with a poisonous event id they raise at it."""

    name = "counting@1"

    def __init__(self, poison: str = "", kind: str = "bioreactor") -> None:
        self.kind = kind
        self._poison = poison

    def empty(self) -> CountingBlock:
        return CountingBlock(self._poison, self.kind)
