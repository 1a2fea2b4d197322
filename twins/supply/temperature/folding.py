"""Fold a logger's rows in the order in which they happened, whatever the order in which they came.

What is believed is a function of the set of rows: a law steps over them by event time, and a late row folds again what
follows it. Rows are kept up to a bound; the oldest then settle into a base state. A row at or before the settled
instant is refused as `too_late`, never folded out of order. A download of thousands of rows and live telemetry of the
same rows end in the same state, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import ShapeError

TEMPERATURE, FILL, TILT = 0, 1, 2  # kinds of rows: degree Celsius; share of a full box; 1 on its side, 0 upright
KINDS = {TEMPERATURE: "temperature", FILL: "fill", TILT: "tilt"}
ROWS = 4096  # kept: 14 days at five minutes (assumed)
REACH = 64  # a row late by up to half of it folds few rows again

_COLDEST, _HOTTEST = -273.15, 200.0  # nothing that a probe of ours could mean lies outside [degC] (assumed)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
S = TypeVar("S")


class Law(Protocol[S]):
    """What a fold needs: where it starts, and one step. Both pure."""

    def start(self) -> S: ...

    def step(self, state: S, instant: int, kind: int, value: float) -> S: ...


class Refused(msgspec.Struct, frozen=True):
    """A row that was not folded.

    Parameters
    ----------
    instant : int
        When it happened [us].
    kind : int
        `TEMPERATURE`, `FILL` or `TILT`.
    value : float
        As it came.
    reason : str
        `not_finite`, `out_of_range`, `unknown_kind` or `too_late`.
    """

    instant: int
    kind: int
    value: float
    reason: str


class Folded(msgspec.Struct, Generic[S], frozen=True):
    """A bounded record of rows, and the law's state before, within and after them.

    Parameters
    ----------
    instants, kinds, values : bytes
        The rows by event time, kind and value: little-endian int64 [us], uint8, float64. No row stands twice.
    settled : int
        Rows at or before it are in `base` for good [us]; -1 where none is.
    base, anchor, tip : S
        State before the rows, after the first `anchored` of them, after all.
    """

    instants: bytes
    kinds: bytes
    values: bytes
    settled: int
    base: S
    anchor: S
    anchored: int
    tip: S

    def rows(self) -> tuple[Ints, NDArray[np.uint8], Floats]:
        """Give instants [us], kinds and values, read-only, each of shape (n,)."""
        return (
            np.frombuffer(self.instants, "<i8"),
            np.frombuffer(self.kinds, np.uint8),
            np.frombuffer(self.values, "<f8"),
        )


def start(law: Law[S]) -> Folded[S]:
    """Give the state that has seen nothing."""
    nothing = law.start()
    return Folded(b"", b"", b"", -1, nothing, nothing, 0, nothing)


def fold(
    law: Law[S],
    folded: Folded[S],
    instants: Sequence[int],
    kinds: Sequence[int],
    values: Sequence[float],
    limit: int = ROWS,
) -> tuple[Folded[S], tuple[Refused, ...]]:
    """Fold rows in any order; a row that is known already changes nothing.

    Parameters
    ----------
    law : Law
        The same for all calls on one state.
    folded : Folded
        It is left as it was.
    instants : sequence of int, shape (n,)
        When each happened [us].
    kinds : sequence of int, shape (n,)
        What each is.
    values : sequence of float, shape (n,)
        In the unit of its kind.
    limit : int
        Rows kept after the call; the oldest beyond it settle.

    Returns
    -------
    (Folded, tuple of Refused)
        The state of all rows, and those that were not folded, each with its reason.

    Raises
    ------
    ShapeError
        If the three differ in length.
    """
    if not len(instants) == len(kinds) == len(values):
        raise ShapeError(
            f"expected as many instants, kinds and values, received {len(instants)}, {len(kinds)}, {len(values)}"
        )
    taken, refused = _sifted(folded, instants, kinds, values)
    if not taken:
        return folded, refused
    return _settled(law, _merged(law, folded, taken), limit), refused


Row = tuple[int, int, float]


def _sifted(
    folded: Folded[Any],  # Any: whatever the law's state is
    instants: Sequence[int],
    kinds: Sequence[int],
    values: Sequence[float],
) -> tuple[list[Row], tuple[Refused, ...]]:
    taken: list[Row] = []
    refused: list[Refused] = []
    for instant, kind, value in zip(instants, kinds, values, strict=True):
        row = (int(instant), int(kind), float(value) + 0.0)  # -0.0 becomes 0.0: one value, one row
        reason = _reason(row, folded.settled)
        if reason:
            refused.append(Refused(*row, reason))
        else:
            taken.append(row)
    return sorted(set(taken)), tuple(refused)


def _reason(row: Row, settled: int) -> str:
    instant, kind, value = row
    if kind not in KINDS:
        return "unknown_kind"
    if not math.isfinite(value):
        return "not_finite"
    low, high = (_COLDEST, _HOTTEST) if kind == TEMPERATURE else (-0.5, 1.5) if kind == FILL else (0.0, 1.0)
    if not low <= value <= high:
        return "out_of_range"
    return "too_late" if instant <= settled else ""


def _merged(law: Law[S], folded: Folded[S], taken: list[Row]) -> Folded[S]:
    """Put rows in their places and fold what follows the first of them."""
    times, kinds, values = folded.rows()
    count = len(times)
    first = int(np.searchsorted(times, taken[0][0], "left"))
    after = list(zip(times[first:].tolist(), kinds[first:].tolist(), values[first:].tolist(), strict=True))
    tail = sorted({*after, *taken}) if after else taken
    if first == count:
        begin, state = folded.anchored, folded.tip
        fresh = tail
    elif first >= folded.anchored:
        begin, state = folded.anchored, folded.anchor
        fresh = _between(times, kinds, values, folded.anchored, first) + tail
    else:
        begin, state = 0, folded.base
        fresh = _between(times, kinds, values, 0, first) + tail
    new = Folded(
        folded.instants[: 8 * first] + np.array([row[0] for row in tail], "<i8").tobytes(),
        folded.kinds[:first] + bytes(row[1] for row in tail),
        folded.values[: 8 * first] + np.array([row[2] for row in tail], "<f8").tobytes(),
        folded.settled, folded.base, folded.anchor if begin else folded.base, begin, folded.tip,
    )  # fmt: skip
    for row in fresh:
        state = law.step(state, *row)
    return _anchored(law, msgspec.structs.replace(new, tip=state))


def _between(times: Ints, kinds: NDArray[np.uint8], values: Floats, low: int, high: int) -> list[Row]:
    return list(zip(times[low:high].tolist(), kinds[low:high].tolist(), values[low:high].tolist(), strict=True))


def _anchored(law: Law[S], folded: Folded[S]) -> Folded[S]:
    """Move the anchor on where it lies more than `REACH` rows behind."""
    times, kinds, values = folded.rows()
    if len(times) - folded.anchored <= REACH:
        return folded
    until = len(times) - REACH // 2
    state = folded.anchor
    for row in _between(times, kinds, values, folded.anchored, until):
        state = law.step(state, *row)
    return msgspec.structs.replace(folded, anchor=state, anchored=until)


def _settled(law: Law[S], folded: Folded[S], limit: int) -> Folded[S]:
    times, kinds, values = folded.rows()
    gone = len(times) - limit
    if gone <= 0:
        return folded
    base = folded.base
    for row in _between(times, kinds, values, 0, gone):
        base = law.step(base, *row)
    return Folded(
        folded.instants[8 * gone :], folded.kinds[gone:], folded.values[8 * gone :], int(times[gone - 1]), base,
        folded.anchor if folded.anchored > gone else base, max(0, folded.anchored - gone), folded.tip,
    )  # fmt: skip


class Together(msgspec.Struct, frozen=True):
    """Several laws over one record.

    Parameters
    ----------
    laws : tuple of Law
        Their states stand in this order.
    """

    laws: tuple[Any, ...]  # Any: laws of several states

    def start(self) -> tuple[Any, ...]:
        """Give the states that have seen nothing."""
        return tuple(law.start() for law in self.laws)

    def step(self, state: tuple[Any, ...], instant: int, kind: int, value: float) -> tuple[Any, ...]:
        """Step each law."""
        return tuple(law.step(one, instant, kind, value) for law, one in zip(self.laws, state, strict=True))
