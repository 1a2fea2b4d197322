"""The learner of leg durations: its state is a function of the set of completed legs in the order they ended.

Legs within the last `RECENT` are kept as facts; a late or corrected one folds them anew from the tables before them.
They are folded when somebody asks, or when so many came after them that hardly one will come before them: networks hear
their legs a little out of order.
"""

from __future__ import annotations

import bisect
import hashlib

import msgspec
import numpy as np

from schemas.errors import UsageError
from twins.supply.eta import tables as learned
from twins.supply.eta.duration import Duration
from twins.supply.eta.leg import Leg, LegKey
from twins.supply.eta.moves import SHARES

RECENT = 1000  # legs kept as facts, assumed: what a network of 10,000 journeys ends in a few hours; 2 RECENT at most
STEPS = 2  # older legs folded at each new one, so that those that a late one unfolded catch up

SETTLED = 65_536  # older legs whose ids are remembered, assumed: four weeks of 10,000 journeys, 0.5 MB saved


class _Saved(msgspec.Struct):
    base: learned.Tables
    base_end: tuple[float, str] | None
    recent: list[Leg]
    settled: list[bytes]


class Legs:
    """Learn durations leg by leg; ask for the next one's with `expect`.

    Examples
    --------
    >>> legs = Legs()
    >>> key = LegKey("transport", "north", "Oslo-Leiden")
    >>> for place in range(50):
    ...     _ = legs.add(Leg(str(place), key, float(place), 20.0 + place % 5))
    >>> bool(19.0 < legs.expect(key).quantile(0.5) < 25.0)
    True
    """

    def __init__(self) -> None:
        self._base = learned.empty()  # before the recent legs
        self._base_end: tuple[float, str] | None = None
        self._recent: list[Leg] = []
        self._order: list[tuple[float, str]] = []
        self._ids: dict[str, Leg] = {}
        self._settled: dict[bytes, None] = {}  # ids of legs before the recent ones, in that order
        self._tables = learned.empty()  # after the first `_folded` of the recent legs
        self._folded = 0
        self._middle: learned.Tables | None = None  # after the first RECENT of them, where so many are folded

    def add(self, leg: Leg) -> bool:
        """Take a completed leg, or a correction of one that repeats its id; False if it is too late to be learned.

        Notes
        -----
        Too late is what ended before the settled legs did, and what repeats the id of one of the last `SETTLED` of
        them, whenever it ended, so that none of these counts twice.
        """
        old = self._ids.get(leg.id)
        if old == leg:
            return True
        if self._base_end is not None and (leg.completed_hours, leg.id) <= self._base_end:
            return False
        if old is not None:
            self.remove(leg.id)
        elif self._settled and _digest(leg.id) in self._settled:
            return False
        order = (leg.completed_hours, leg.id)
        place = bisect.bisect(self._order, order)
        self._changed(place)
        self._order.insert(place, order)
        self._recent.insert(place, leg)
        self._ids[leg.id] = leg
        self._fold(min(self._folded + STEPS, len(self._recent) - RECENT))
        if len(self._recent) >= 2 * RECENT:
            self._settle()
        return True

    def remove(self, leg_id: str) -> bool:
        """Take back a leg that a correction voids; False if it is not among the recent."""
        old = self._ids.pop(leg_id, None)
        if old is None:
            return False
        place = bisect.bisect_left(self._order, (old.completed_hours, old.id))
        self._changed(place)
        del self._order[place], self._recent[place]
        return True

    def expect(self, key: LegKey) -> Duration:
        """Give the distribution of a leg's duration as of now."""
        self._fold(len(self._recent))
        return learned.expect(self._tables, key)

    def save(self) -> bytes:
        """Give the state as bytes, exact to the last bit."""
        return msgspec.msgpack.encode(
            _Saved(self._base, self._base_end, self._recent, list(self._settled)), enc_hook=_pack
        )

    @classmethod
    def load(cls, saved: bytes) -> Legs:
        """Rebuild from `save`.

        Raises
        ------
        UsageError
            If these are not bytes of `save`.
        """
        try:
            state = msgspec.msgpack.decode(saved, type=_Saved, dec_hook=_unpack)
        except msgspec.MsgspecError as error:
            raise UsageError(f"expected bytes of Legs.save, received others ({error}); fold the legs anew") from error
        legs = cls()
        legs._base, legs._base_end, legs._recent = state.base, state.base_end, state.recent
        legs._tables = learned.copied(state.base)
        legs._settled = dict.fromkeys(state.settled)
        legs._order = [(leg.completed_hours, leg.id) for leg in state.recent]
        legs._ids = {leg.id: leg for leg in state.recent}
        return legs

    def _changed(self, place: int) -> None:
        """Forget what was folded of the recent legs, where one at a place among them comes or goes."""
        if place < self._folded:
            self._tables, self._folded, self._middle = learned.copied(self._base), 0, None

    def _fold(self, until: int) -> None:
        """Fold the recent legs up to a place."""
        for leg in self._recent[self._folded : max(until, 0)]:
            learned.fold(self._tables, leg.key, leg.duration_hours)
            self._folded += 1
            if self._folded == RECENT:
                self._middle = learned.copied(self._tables)

    def _settle(self) -> None:
        """Let the older half of the recent legs go: what they taught was kept when the younger half began."""
        self._fold(RECENT)
        assert self._middle is not None
        self._base, self._middle = self._middle, None
        self._folded -= RECENT
        if self._folded == RECENT:
            self._middle = learned.copied(self._tables)
        for leg in self._recent[:RECENT]:
            del self._ids[leg.id]
            self._settled[_digest(leg.id)] = None
        self._base_end = self._order[RECENT - 1]
        del self._recent[:RECENT], self._order[:RECENT]
        while len(self._settled) > SETTLED:
            del self._settled[next(iter(self._settled))]


def _digest(leg_id: str) -> bytes:
    return hashlib.blake2b(leg_id.encode(), digest_size=8).digest()


_WIDE, _NARROW = b"d", b"f"  # what an array's bytes begin with: of float64, a row for each share; of float32


def _pack(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        tag = _WIDE if value.dtype == np.float64 else _NARROW
        return tag + value.astype(value.dtype.newbyteorder("<")).tobytes()
    raise NotImplementedError


def _unpack(_: object, value: object) -> object:
    if not isinstance(value, bytes) or value[:1] not in (_WIDE, _NARROW):
        raise TypeError(f"expected an array as bytes, received {type(value).__name__}")
    wide = value[:1] == _WIDE
    return np.frombuffer(value[1:], "<f8").reshape(len(SHARES), -1) if wide else np.frombuffer(value[1:], "<f4")
