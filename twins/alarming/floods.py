"""Alarms counted by windows of time, and floods: when there were more than an operator can take in.

Two ways to lay ten minutes, both in use. `fixed`: one after the other from the period's start, each [t, t + 10 min);
a flood begins with the first window that holds enough, and ends where the first one begins that holds few. `sliding`:
the ten minutes up to each instant, (t - 10 min, t]; a flood begins with the alarm that makes them enough, and ends at
the instant when few are left. Fixed windows are what the published figures count; they can cut a burst in two, which
sliding ones cannot.

Source
------
ANSI/ISA-18.2-2016, clause 16: a flood begins when ten minutes hold more alarms than 10 (quoted as 10 or more as well,
hence a setting), and ends when they hold fewer than 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.instants import MINUTE

Ints = NDArray[np.int64]
Windows = Literal["fixed", "sliding"]

TEN_MINUTES = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Flood:
    """One flood of one operator.

    Parameters
    ----------
    start, end : int
        [us]; `end` is that of the period where the flood was not over by then.
    alarms : int
        Raised in the ten minutes that began it and until it ended.
    peak : int
        The most alarms that ten minutes of it held.
    over : bool
        Whether it ended within the period.
    """

    start: int
    end: int
    alarms: int
    peak: int
    over: bool


def count_fixed(raised: Ints, start: int, end: int, width: int) -> Ints:
    """Count alarms in windows [start, start + width), ... up to `end`; the last may be shorter.

    Parameters
    ----------
    raised : array of int64, shape (n,)
        Instants within [start, end), ascending [us].
    """
    windows = -(-(end - start) // width)
    return np.bincount((raised - start) // width, minlength=windows).astype(np.int64)


def count_between(raised: Ints, boundaries: Ints) -> Ints:
    """Count alarms between each boundary and the next, [b, b')."""
    return np.diff(np.searchsorted(raised, boundaries, side="left")).astype(np.int64)


def count_sliding(raised: Ints, width: int) -> Ints:
    """Count, for each alarm, those of the window (t - width, t] that it ends, itself among them."""
    held = np.searchsorted(raised, raised, side="right") - np.searchsorted(raised, raised - width, side="right")
    return held.astype(np.int64)


def find_floods(raised: Ints, start: int, end: int, windows: Windows, begins_at: int, ends_below: int) -> list[Flood]:
    """Find the floods of a period.

    Parameters
    ----------
    raised : array of int64, shape (n,)
        When one operator's alarms were raised, within [start, end), ascending [us].
    start, end : int
        The period [us].
    windows : {"fixed", "sliding"}
        How ten minutes are laid.
    begins_at, ends_below : int
        A flood begins with so many alarms in ten minutes, and ends with fewer than so many.

    Returns
    -------
    list of Flood
        One after the other.
    """
    if windows == "fixed":
        return _fixed(raised, start, end, begins_at, ends_below)
    return _sliding(raised, end, begins_at, ends_below)


def _fixed(raised: Ints, start: int, end: int, begins_at: int, ends_below: int) -> list[Flood]:
    counts = count_fixed(raised, start, end, TEN_MINUTES)
    floods: list[Flood] = []
    window = 0
    while (first := _next(counts >= begins_at, window)) < len(counts):
        window = _next(counts < ends_below, first)
        held = counts[first:window]
        over = window < len(counts)
        until = start + window * TEN_MINUTES if over else end
        floods.append(Flood(start + first * TEN_MINUTES, until, int(held.sum()), int(held.max()), over))
    return floods


def _sliding(raised: Ints, end: int, begins_at: int, ends_below: int) -> list[Flood]:
    counts = count_sliding(raised, TEN_MINUTES)
    leaves = raised + TEN_MINUTES  # when an alarm falls out of the window
    left = np.searchsorted(raised, leaves, side="right") - np.searchsorted(raised, raised, side="right")
    floods: list[Flood] = []
    alarm = 0
    while (first := _next(counts >= begins_at, alarm)) < len(raised):
        begun = int(raised[first])
        candidate = _next(left < ends_below, int(np.searchsorted(leaves, begun, side="right")))
        over = candidate < len(raised) and int(leaves[candidate]) < end
        until = int(leaves[candidate]) if over else end
        alarm = int(np.searchsorted(raised, until, side="right")) if over else len(raised)
        oldest = int(np.searchsorted(raised, begun - TEN_MINUTES, side="right"))
        held = int(np.searchsorted(raised, until, side="left")) - oldest
        floods.append(Flood(begun, until, held, int(counts[first : oldest + held].max()), over))
    return floods


def _next(holds: NDArray[np.bool_], place: int) -> int:
    """Give the first place from `place` on at which something holds, or the length."""
    found = np.flatnonzero(holds[place:])
    return place + int(found[0]) if len(found) else len(holds)
