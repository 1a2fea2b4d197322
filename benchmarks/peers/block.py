"""The same filter as a block of twinstream: all twins of a partition in one call. For the benchmark alone.

It takes records in order and nothing else: no late facts, no duplicates, no batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from benchmarks.peers.fedbatch import STATES, TAGS, begin_all, step_all
from schemas.effects import Effect
from schemas.ids import effect_id
from schemas.instants import HOUR, format_instant
from twins.block import Effects, Past, Wanted
from twins.frame import Frame

LIMIT = 10.0  # of dissolved oxygen [%]
ESTIMATE_EVERY = 60  # readings
_NAME = "fedbatch@1"
_NEVER = -1


class FedBatchBlock:
    """Twins as rows: `x` (8, n), `p` (8, 8, n), and per twin the time of its last reading and readings since."""

    kind = "bioreactor"

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        self._x = np.zeros((STATES, 0))
        self._p = np.zeros((STATES, STATES, 0))
        self._time = np.zeros(0, dtype=np.int64)
        self._since = np.zeros(0, dtype=np.int64)
        self._alarm = np.zeros(0, dtype=np.bool_)

    def wanted(self, frame: Frame) -> Sequence[Wanted]:
        """Nothing: no fact is late here."""
        return []

    def apply(self, frame: Frame, past: Past) -> Effects:
        """Fold the readings of a frame, each twin's in their order."""
        effects = Effects(np.ones(len(frame.facts), dtype=np.bool_))
        columns = frame.columns
        for group in frame.readings:
            place = [group.channels.tags.index(tag) for tag in TAGS]
            slots = self._slots(columns.keys, group.rows, group.values[:, place])
            order = np.argsort(slots, kind="stable")
            ordered = slots[order]
            heads = np.ones(len(order), dtype=np.bool_)
            heads[1:] = ordered[1:] != ordered[:-1]
            turn = np.arange(len(order)) - np.maximum.accumulate(np.where(heads, np.arange(len(order)), 0))
            for number in range(int(turn.max()) + 1):
                picked = order[turn == number]
                self._step(frame, effects, slots[picked], group.rows[picked], group.values[picked][:, place].T)
        return effects

    def _step(self, frame: Frame, effects: Effects, slots: Any, rows: Any, z: Any) -> None:
        """Step some twins by one reading each, those a like time apart together."""
        times = frame.columns.event_time[rows]
        elapsed = np.where(self._time[slots] == _NEVER, 0, times - self._time[slots])  # its first reading began a twin
        for apart in np.unique(elapsed):
            of = elapsed == apart
            some = slots[of]
            if apart > 0:
                self._x[:, some], self._p[:, :, some] = step_all(
                    self._x[:, some], self._p[:, :, some], float(apart) / HOUR, z[:, of]
                )
        self._time[slots] = times
        self._since[slots] += 1
        low = z[1] < LIMIT
        due = (self._since[slots] >= ESTIMATE_EVERY) | (low != self._alarm[slots])
        self._alarm[slots] = low
        for j in np.nonzero(due)[0].tolist():
            self._say(frame, effects, int(slots[j]), int(rows[j]))

    def _say(self, frame: Frame, effects: Effects, slot: int, row: int) -> None:
        columns = frame.columns
        self._since[slot] = 0
        data = {
            "state": self._x[:, slot].tolist(),
            "variance": self._p[range(STATES), range(STATES), slot].tolist(),
            "alarm": bool(self._alarm[slot]),
        }
        when, key = format_instant(int(columns.event_time[row])), columns.keys[row]
        name = effect_id(frame.topic, frame.partition, int(columns.offsets[row]), 0)
        effects.estimates.append(Effect(name, "estimate", "advisory", "bioreactor", key, when, when, _NAME, data))

    def _slots(self, keys: list[str], rows: Any, z: Any) -> Any:
        """Find each reading's twin; a new one begins with its first measurements."""
        slots = np.array([self._index.get(keys[row], -1) for row in rows.tolist()], dtype=np.int64)
        new = dict.fromkeys(keys[row] for row in rows[slots < 0].tolist())
        if new:
            self._begin(new, keys, rows, z)
            slots = np.array([self._index[keys[row]] for row in rows.tolist()], dtype=np.int64)
        return slots

    def _begin(self, new: dict[str, None], keys: list[str], rows: Any, z: Any) -> None:
        firsts: dict[str, int] = {}
        for j, row in enumerate(rows.tolist()):
            firsts.setdefault(keys[row], j)
        for key in new:
            self._index[key] = len(self._index)
        x, p = begin_all(z[[firsts[key] for key in new]].T)
        self._x, self._p = np.concatenate([self._x, x], axis=1), np.concatenate([self._p, p], axis=2)
        count = len(new)
        self._time = np.concatenate([self._time, np.full(count, _NEVER)])
        self._since = np.concatenate([self._since, np.full(count, -1)])
        self._alarm = np.concatenate([self._alarm, np.zeros(count, dtype=np.bool_)])

    def snapshot(self) -> bytes:
        """Give the whole state."""
        arrays = (self._x, self._p, self._time, self._since, self._alarm)
        return msgspec.msgpack.encode((list(self._index), [array.tobytes() for array in arrays]))

    def restore(self, body: bytes) -> None:
        """Take a snapshot's state."""
        keys, (x, p, time, since, alarm) = msgspec.msgpack.decode(body)
        self._index = {key: slot for slot, key in enumerate(keys)}
        self._x = np.frombuffer(x).reshape(STATES, -1).copy()
        self._p = np.frombuffer(p).reshape(STATES, STATES, -1).copy()
        self._time, self._since = (np.frombuffer(one, dtype=np.int64).copy() for one in (time, since))
        self._alarm = np.frombuffer(alarm, dtype=np.bool_).copy()

    def keys(self) -> Sequence[str]:
        """Give all twins' keys."""
        return list(self._index)


class FedBatchModel:
    """Makes such blocks."""

    kind = "bioreactor"
    name = _NAME

    def empty(self) -> FedBatchBlock:
        """Give a block without twins."""
        return FedBatchBlock()
