"""What a network has learned of its legs (`eta`), and whom it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from schemas import supply as s
from schemas.errors import SnapshotError, UsageError
from schemas.ids import event_hash
from schemas.instants import DAY, HOUR
from twins.scalar import Said
from twins.supply.eta import Leg, LegKey, Legs
from twins.supply.kept import Row

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
MOST_LANES = 200  # that an estimate names


class Key(NamedTuple):
    """Which leg."""

    step: str
    lane: str
    carrier: str


class _Snapshot(Struct, frozen=True, array_like=True):
    legs: bytes
    counts: list[tuple[Key, int]]


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


class Learned:
    """The legs of a network, and how many of each lane there were."""

    def __init__(self) -> None:
        self._legs = Legs()
        self._counts: dict[Key, int] = {}

    def learn(self, row: Row) -> None:
        """Take in a leg that ended, as a patient's move says it."""
        data: s.Moved = row.data
        if data.step is None or not data.leg_hours:
            return
        started = row.time - round(data.leg_hours * HOUR)
        key = LegKey(data.step, data.carrier, data.lane, weekday(started))
        if self._legs.add(Leg(f"{data.patient} {row.hash}", key, row.time / HOUR, data.leg_hours)):
            name = Key(data.step, data.lane, data.carrier)
            self._counts[name] = self._counts.get(name, 0) + 1

    def unlearn(self, row: Row) -> None:
        """Take back a leg that was said wrongly, as long as it is among the newest (`eta.legs.RECENT`)."""
        data: s.Moved = row.data
        if data.step is None or not data.leg_hours or not self._legs.remove(f"{data.patient} {row.hash}"):
            return
        name = Key(data.step, data.lane, data.carrier)
        self._counts[name] -= 1
        if not self._counts[name]:
            del self._counts[name]

    def quantiles(self, key: Key, instant: int) -> tuple[tuple[float, ...], int] | None:
        """Give the hours at `LEVELS` of a leg that begins at an instant [us], and of how many legs they were learned.

        None where nothing is known of the lane, nor of its step with the same carrier.
        """
        alike = [one for one in self._counts if (one.step, one.carrier) == (key.step, key.carrier)]
        if not alike:
            return None
        duration = self._legs.expect(LegKey(key.step, key.carrier, key.lane, weekday(instant)))
        hours = np.maximum.accumulate(np.maximum(duration.quantile(np.array(LEVELS)), 0.0))
        return tuple(float(one) for one in hours), self._counts.get(key, 0)

    def said(self, instant: int) -> list[dict[str, Any]]:
        """Give a line for each lane."""
        found = []
        for key, count in sorted(self._counts.items())[:MOST_LANES]:
            hours = self.quantiles(key, instant)
            if hours is not None:
                at = dict(zip(LEVELS, hours[0], strict=True))
                found.append({**key._asdict(), "legs": count, "hours": [at[0.05], at[0.5], at[0.95]]})
        return found

    def write(self) -> bytes:
        """Give what was learned as bytes."""
        return _ENCODE.encode(_Snapshot(self._legs.save(), sorted(self._counts.items())))

    @classmethod
    def read(cls, body: bytes) -> Learned:
        """Take it from its bytes."""
        learned = cls()
        try:
            read = _DECODE.decode(body)
            learned._legs = Legs.load(read.legs)
        except (msgspec.MsgspecError, UsageError) as error:
            raise SnapshotError(f"expected what a network learned of its legs, received {error}") from None
        learned._counts = {Key(*key): count for key, count in read.counts}
        return learned


def weekday(instant: int) -> int:
    """Give the weekday of an instant [us] in UTC, Monday being 0.

    Examples
    --------
    >>> weekday(0)  # 1970-01-01 was a Thursday
    3
    """
    return (instant // DAY + 3) % 7


def due_between(patients: Mapping[str, Row], last: int, clock: int, period: int) -> dict[str, Row]:
    """Give the patients whose turn to be told came since `last`, each once a period [us]: spread by their names.

    Examples
    --------
    >>> patients = {f"COI-{k}": None for k in range(1000)}
    >>> turns = [due_between(patients, hour, hour + 1, 24) for hour in range(24)]
    >>> sum(map(len, turns)), max(map(len, turns)) < 80
    (1000, True)
    """
    if last < 0:
        return {}
    found = {}
    for name, row in patients.items():
        turn = event_hash("tell", name) % period
        if (clock - turn) // period > (last - turn) // period:
            found[name] = row
    return found


def tell_patients(learned: Learned, patients: Mapping[str, Row], clock: int) -> list[Said]:
    """Tell every patient who is on the way what the legs ahead take, as far as anything was learned of them."""
    known: dict[Key, s.LegExpected | None] = {}
    said = []
    for name, row in sorted(patients.items()):
        if row.data.step is None:
            continue
        legs = []
        for one in row.data.ahead:
            key = Key(one.step, one.lane, one.carrier)
            if key not in known:
                hours = learned.quantiles(key, clock)
                known[key] = None if hours is None else s.LegExpected(*key, hours[0], hours[1])
            if (leg := known[key]) is not None:
                legs.append(leg)
        if legs:
            told = msgspec.to_builtins(s.LegsLearned(LEVELS, tuple(legs)))
            data = {"subject": f"patient:{name}", "type": "supply.legs_learned", "data": told}
            said.append(Said("consequence", data, event_time=clock))
    return said
