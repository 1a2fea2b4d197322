"""What a block learns beside its qualified lane: one learner for all its units, and what of each waits to be learned.

Looks are taken in one at a time, in the order of their records. Whatever fails in here ends the learning of this block,
with the reason in every message from then on; the qualified lane never notices. It begins anew with other settings, or
where another version of river comes to what this one remembers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import Struct

from schemas.errors import SnapshotError, printable
from schemas.instants import HOUR
from twins.learning.page_hinkley import FOUND, TIMES
from twins.learning.residual import FLEET_TEST, UNIT_TEST, ResidualLearner, Said, Window, clipped
from twins.learning.settings import LearningSection
from twins.learning.store import RIVER, read_learner, write_learner
from twins.learning.waiting import Waiting

_DIGEST = 32
NEVER = -1


class Off(Struct, frozen=True):
    """Why nothing is learned any more, since when [us], since which record, and how many looks were left out."""

    reason: str
    time: int
    offset: int
    left_out: int


class Anew(Struct, frozen=True):
    """How often what was remembered could not be read, so that learning began anew, and why the last time."""

    count: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One forecast of one unit, as the model made it.

    Parameters
    ----------
    unit : int
        The unit's row.
    started : int
        When its run began [us].
    time, offset : int
        The present [us], and the record that brought it.
    x : list of float
        Inputs of the learner.
    centre, spread : list of float
        Mean of ln cells at each lead, and the standard deviation of what will be believed then about it.
    now, rate : float
        ln cells as believed now, and how fast they grow [1/h].
    """

    unit: int
    started: int
    time: int
    offset: int
    x: list[float]
    centre: list[float]
    spread: list[float]
    now: float
    rate: float


@dataclass(frozen=True, slots=True)
class Drift:
    """A test of whether errors have moved: both sums, what they are held against, how often it was so, and now."""

    up: float
    down: float
    threshold: float
    found: bool
    times: int
    points: int


@dataclass(frozen=True, slots=True)
class Advice:
    """What is said of a look."""

    said: Said
    examples: list[int]
    held: list[float]
    unit: Drift
    fleet: Drift
    restarts: int
    window: Window | None


class _Stored(Struct, frozen=True):
    name: str
    learner: bytes
    off: Off | None
    anew: Anew
    drift: bytes
    waiting: list[bytes]


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(_Stored)


class Advisor:
    """All that one block has learned; changed by `take`."""

    def __init__(self, names: Sequence[str], section: LearningSection) -> None:
        self._names, self._section = tuple(names), section
        self.name = f"{section.name} of {', '.join(names)} by river {RIVER}"
        self._empty()
        self.anew = Anew()

    def _empty(self) -> None:
        self.learner = ResidualLearner(self._names, self._section)
        self.off: Off | None = None
        self._waiting = Waiting(len(self._names), self._section)
        self._drift = UNIT_TEST.begin(0)

    def take(self, look: Look) -> Advice | None:
        """Learn from what has come of earlier forecasts of the unit, then say what to make of this one.

        Returns
        -------
        Advice or None
            None once something has failed: `off` says what.
        """
        if self.off is not None:
            self.off = msgspec.structs.replace(self.off, left_out=self.off.left_out + 1)
            return None
        try:
            return self._take(look)
        except Exception as error:  # whatever river raises must not reach the qualified lane
            self.off = Off(printable(f"{type(error).__name__}: {error}")[:200], look.time, look.offset, 1)
            return None

    def _take(self, look: Look) -> Advice:
        unit, learner = look.unit, self.learner
        if not all(map(math.isfinite, (*look.x, *look.centre, *look.spread, look.now, look.rate))):
            raise ArithmeticError(f"expected finite numbers of a forecast, received {look}")
        self._make_room(unit + 1)
        if self._waiting.begin(unit, look.started):
            self._drift[unit] = UNIT_TEST.begin(1)[0]
        for due in self._waiting.take(unit, look.time):
            outcome = look.now - look.rate * (look.time - due.target) / HOUR
            off = (outcome - due.centre) / due.spread
            learner.learn(due.x, due.lead, off, due.expected, due.shift, look.time, look.offset)
            if due.lead == 0:
                UNIT_TEST.step(self._drift[unit : unit + 1], np.array([clipped(off)]))
        said = learner.say(look.x)
        if self._waiting.wants(unit, look.time):
            self._waiting.put(unit, look.time, look.x, (look.centre, look.spread, said.expected, said.shift))
            learner.meet(look.x, said.score)
        return Advice(
            said,
            [one.examples for one in learner.regressions],
            list(learner.held),
            _drift_of(self._drift[unit], UNIT_TEST.threshold),
            _drift_of(learner.fleet[0], FLEET_TEST.threshold),
            learner.restarts,
            learner.window,
        )

    def _make_room(self, units: int) -> None:
        self._waiting.make_room(units)
        if len(self._waiting.started) > len(self._drift):
            more = len(self._waiting.started) - len(self._drift)
            self._drift = np.concatenate([self._drift, UNIT_TEST.begin(more)])

    def write(self, units: int) -> bytes:
        """Write all that is remembered of so many units."""
        stored = _Stored(self.name, b"", self.off, self.anew, b"", [])
        if self.off is None:
            self._make_room(units)
            stored = _Stored(
                self.name,
                write_learner(self.learner, self._names, self._section),
                None,
                self.anew,
                self._drift[:units].tobytes(),
                [one.tobytes() for one in self._waiting.arrays(units)],
            )
        body = _ENCODE.encode(stored)
        return hashlib.sha256(body).digest() + body

    def read(self, stored: bytes, units: int) -> None:
        """Take what `write` wrote of so many units; nothing at all is a beginning.

        What cannot be trusted, or is of other settings, is left out and counted in `anew`: advice is no reason to stop.
        """
        if not stored:
            return
        try:
            self._read(stored, units)
        except SnapshotError as error:
            self._empty()
            self.anew = Anew(self.anew.count + 1, printable(str(error))[:300])

    def _read(self, stored: bytes, units: int) -> None:
        body = stored[_DIGEST:]
        if hashlib.sha256(body).digest() != stored[:_DIGEST]:
            raise SnapshotError("expected what was learned under its SHA-256, received changed bytes")
        try:
            found = _DECODE.decode(body)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"expected what was learned, received {error}") from None
        self.anew = found.anew
        if found.name != self.name:
            raise SnapshotError(f"expected what {self.name} has learned, received that of {found.name}"[:300])
        self.off = found.off
        if found.off is not None:
            return
        self.learner = read_learner(found.learner, self._names, self._section)
        self._make_room(units)
        if len(found.drift) != self._drift[:units].nbytes:
            raise SnapshotError(f"expected {self._drift[:units].nbytes} bytes of drift, received {len(found.drift)}")
        self._drift[:units] = np.frombuffer(found.drift).reshape(self._drift[:units].shape)
        self._waiting.put_arrays(found.waiting, units)


def _drift_of(row: np.ndarray[tuple[int], np.dtype[np.float64]], threshold: float) -> Drift:
    up, down = UNIT_TEST.sums(row[None, :])
    return Drift(
        float(up[0]), float(down[0]), threshold, bool(row[FOUND] > 0.0), int(row[TIMES]), int(row[0]),
    )  # fmt: skip
