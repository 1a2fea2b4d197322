"""Segments: neighbouring records of one twin and one minute, cut where an estimate or a forecast is due."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.instants import MINUTE
from twins.bioreactor.readings import running_max_before
from twins.bioreactor.rows import (
    BUCKET,
    EMPTY_BUCKET,
    GREATEST,
    LEAST,
    NONE_GREATEST,
    NONE_LEAST,
    TIMES,
    TOTAL,
    Contribution,
    N,
)
from twins.bioreactor.state import State

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ESTIMATE, FORECAST, AT_ONCE = 1, 2, 4  # what a segment's last record calls for


@dataclass(slots=True)
class Segments:
    """Segments of one pass, by twin and arrival; arrays of length s, `buckets` (7, s)."""

    slots: Ints
    minutes: Ints
    buckets: Ints
    sizes: Ints
    firsts: Ints  # place of the first record
    places: Ints  # and of the last, which speaks
    latest: Ints  # greatest event time, -1 where it does not count
    calls: Ints
    spots: Ints  # where the plain readings' segments stand among all
    adds: dict[int, Contribution] = field(default_factory=dict)  # what is not a number, by segment

    def turns(self) -> Ints:
        """Give each segment's number within its twin."""
        n = len(self.slots)
        heads = np.ones(n, dtype=np.bool_)
        heads[1:] = self.slots[1:] != self.slots[:-1]
        return np.arange(n) - np.maximum.accumulate(np.where(heads, np.arange(n), 0))


@dataclass(frozen=True, slots=True)
class Single:
    """One special fact that becomes a segment of its own."""

    place: int
    slot: int
    minute: int
    latest: int
    calls: int
    add: Contribution


def cut(state: State, slots: Ints, times: Ints, periods: tuple[int, int]) -> tuple[Ints, Ints, Ints]:
    """Cut plain readings, by twin and arrival, into segments.

    Returns
    -------
    number : array, shape (n,)
        The segment of each reading, from 0.
    starts : array, shape (s,)
        Where each segment begins.
    calls : array, shape (n,)
        What each reading calls for.
    """
    n = len(slots)
    heads = np.ones(n, dtype=np.bool_)
    heads[1:] = slots[1:] != slots[:-1]
    calls = np.zeros(n, dtype=np.int64)
    for name, period, call in (("estimated", periods[0], ESTIMATE), ("forecast", periods[1], FORECAST)):
        newest: Ints = getattr(state, name)
        slot_number = state.turns_of(name, slots, times, period)
        before = running_max_before(slot_number, heads, newest[slots])
        calls |= np.where(slot_number > before, call, 0)
        starts = np.nonzero(heads)[0]
        newest[slots[starts]] = np.maximum(newest[slots[starts]], np.maximum.reduceat(slot_number, starts))
    minutes = times // MINUTE
    breaks = heads
    breaks[1:] |= (minutes[1:] != minutes[:-1]) | (calls[:-1] > 0)
    return np.cumsum(breaks) - 1, np.nonzero(breaks)[0], calls


def gather(
    places: Ints, slots: Ints, times: Ints, starts: Ints, calls: Ints, good: Bools, fixed: Ints, singles: list[Single]
) -> Segments:
    """Sum plain readings up by segment and put the special facts' segments beside them, all by twin.

    `good` (n,) says which readings hold a biomass signal for the filter, `fixed` (n,) its value in fixed point.
    """
    n = len(slots)
    ends = np.append(starts[1:], n) - 1 if len(starts) else starts
    buckets = np.zeros((BUCKET, len(starts)), dtype=np.int64)
    if len(starts):
        buckets[N] = np.add.reduceat(good.astype(np.int64), starts)
        buckets[TOTAL] = np.add.reduceat(np.where(good, fixed, 0), starts)
        buckets[LEAST] = np.minimum.reduceat(np.where(good, fixed, NONE_LEAST), starts)
        buckets[GREATEST] = np.maximum.reduceat(np.where(good, fixed, NONE_GREATEST), starts)
        buckets[TIMES] = np.add.reduceat(np.where(good, times % MINUTE, 0), starts)
        latest = np.maximum.reduceat(times, starts)
    else:
        latest = starts
    plain = Segments(
        slots[starts],
        times[starts] // MINUTE,
        buckets,
        ends - starts + 1,
        places[starts],
        places[ends],
        latest,
        calls[ends],
        np.arange(len(starts)),
    )
    return _beside(plain, singles) if singles else plain


def _beside(plain: Segments, singles: list[Single]) -> Segments:
    """Merge; a twin has either plain segments or one special fact in a pass, so a stable sort by twin is enough."""
    one = np.ones(len(singles), dtype=np.int64)
    place = np.array([single.place for single in singles], dtype=np.int64)
    slots = np.concatenate([plain.slots, np.array([single.slot for single in singles], dtype=np.int64)])
    order = np.argsort(slots, kind="stable")
    extra = np.array([single.add.bucket for single in singles], dtype=np.int64).reshape(-1, BUCKET).T

    def both(a: Ints, b: Ints) -> Ints:
        return np.concatenate([a, b])[order]

    spot = np.empty(len(order), dtype=np.int64)
    spot[order] = np.arange(len(order))
    adds = {int(spot[len(plain.slots) + j]): single.add for j, single in enumerate(singles)}
    return Segments(
        slots[order],
        both(plain.minutes, np.array([single.minute for single in singles], dtype=np.int64)),
        np.ascontiguousarray(np.concatenate([plain.buckets, extra], axis=1)[:, order]),
        both(plain.sizes, one),
        both(plain.firsts, place),
        both(plain.places, place),
        both(plain.latest, np.array([single.latest for single in singles], dtype=np.int64)),
        both(plain.calls, np.array([single.calls for single in singles], dtype=np.int64)),
        spot[: len(plain.slots)],
        adds,
    )


__all__ = ["AT_ONCE", "EMPTY_BUCKET", "ESTIMATE", "FORECAST", "Segments", "Single", "cut", "gather"]
