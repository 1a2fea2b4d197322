"""Excursions by product limits, as an exact running state: single and cumulative time out of range, peak, when.

Between two readings the temperature is taken as a straight line, and crossings of a limit lie where the line does,
rounded to the microsecond (`line`); or each reading holds until the next (`step`). A silence longer than the bound is
not bridged: what happened in it is unknown, its time is counted apart, and an excursion before it ends at its last
reading, marked as cut. All times are whole microseconds, so sums are exact.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from schemas.errors import SettingsError
from schemas.instants import HOUR
from twins.supply.temperature.folding import TEMPERATURE

KEPT = 256  # excursions remembered of each limit; all are counted


class Limit(msgspec.Struct, frozen=True):
    """A range that a product must stay in, and for how long it may leave it.

    Parameters
    ----------
    name : str
        As it is reported.
    above, below : float or None
        Out of range is strictly above the one or strictly below the other [degC]; at least one is given.
    single_hours : float
        A single excursion longer than this is a breach [h]; 0: any.
    total_hours : float
        More time out of range in all is a breach [h].
    """

    name: str
    above: float | None = None
    below: float | None = None
    single_hours: float = 0.0
    total_hours: float = math.inf

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise SettingsError(f"expected a limit above or below, received neither, in limit {self.name}")
        for side in (self.above, self.below):
            if side is not None and not math.isfinite(side):
                raise SettingsError(f"expected a finite limit, received {side}, in limit {self.name}")
        if self.above is not None and self.below is not None and self.below > self.above:
            raise SettingsError(f"expected below <= above, received {self.below} > {self.above}, in limit {self.name}")
        if not (self.single_hours >= 0 and self.total_hours >= 0):
            raise SettingsError(f"expected times of 0 h or more, in limit {self.name}; leave out what has no limit")


class Excursion(msgspec.Struct, frozen=True):
    """Time out of range without a break.

    Parameters
    ----------
    begin, end : int
        First and last instant known to be out [us].
    peak_celsius : float
        The reading or crossing farthest from the range [degC].
    ended : str
        `returned`, `open` (still out at the newest reading) or `cut` (a silence followed).
    """

    begin: int
    end: int
    peak_celsius: float
    ended: Literal["returned", "open", "cut"]


class LimitState(msgspec.Struct, frozen=True):
    """One limit so far.

    Parameters
    ----------
    past : tuple of Excursion
        The newest `KEPT` that are over.
    count : int
        All, the current one with them.
    now : Excursion or None
        The one that is open.
    total : int
        Time out of range in all [us].
    longest : int
        The longest single excursion [us].
    single_breach, total_breach : int
        When the one or the other time was exceeded first [us]; -1 where it was not.
    """

    past: tuple[Excursion, ...] = ()
    count: int = 0
    now: Excursion | None = None
    total: int = 0
    longest: int = 0
    single_breach: int = -1
    total_breach: int = -1


class ExcursionState(msgspec.Struct, frozen=True):
    """All limits so far.

    Parameters
    ----------
    last : int
        Newest reading [us]; -1 where there was none.
    celsius, highest, lowest : float
        What it read, and the extremes of all [degC].
    limits : tuple of LimitState
        In the order of the law's limits.
    covered, unknown : int
        Time bridged and time within silences [us].
    """

    last: int = -1
    celsius: float = math.nan
    highest: float = math.nan
    lowest: float = math.nan
    limits: tuple[LimitState, ...] = ()
    covered: int = 0
    unknown: int = 0


class Excursions(msgspec.Struct, frozen=True):
    """The law of excursions.

    Parameters
    ----------
    limits : tuple of Limit
        Of one product; any number.
    longest_gap_hours : float
        No longer silence is bridged [h].
    between : str
        `line` or `step`.
    """

    limits: tuple[Limit, ...]
    longest_gap_hours: float = 3.0
    between: Literal["line", "step"] = "line"

    def __post_init__(self) -> None:
        if not 0 < self.longest_gap_hours < math.inf:
            raise SettingsError(f"expected a longest gap above 0 h, received {self.longest_gap_hours}")

    def start(self) -> ExcursionState:
        """Give the state of no reading."""
        return ExcursionState(limits=tuple(LimitState() for _ in self.limits))

    def step(self, state: ExcursionState, instant: int, kind: int, value: float) -> ExcursionState:
        """Add the time from the newest reading to this one, which is not older."""
        if kind != TEMPERATURE:
            return state
        elapsed = instant - state.last
        first = state.last < 0
        silent = not first and elapsed > self.longest_gap_hours * HOUR
        limits = []
        for limit, one in zip(self.limits, state.limits, strict=True):
            if silent:
                one = _over(one, "cut")
            elif not first:
                one = self._bridged(limit, one, state, instant, value)
            limits.append(_opened(limit, one, instant, value) if _out(limit, value) else _over(one, "returned"))
        bridged = 0 if first or silent else elapsed
        return ExcursionState(
            instant, value, value if first else max(value, state.highest), value if first else min(value, state.lowest),
            tuple(limits), state.covered + bridged, state.unknown + (elapsed if silent else 0),
        )  # fmt: skip

    def _bridged(self, limit: Limit, one: LimitState, state: ExcursionState, instant: int, value: float) -> LimitState:
        if self.between == "step":
            return _stretched(limit, one, state.last, instant, state.celsius) if _out(limit, state.celsius) else one
        for low, high, peak in _spans(limit, state.last, state.celsius, instant, value):
            if one.now is not None and low > one.now.end:
                one = _over(one, "returned")
            one = _stretched(limit, one, low, high, peak)
        return one


def _out(limit: Limit, celsius: float) -> bool:
    return (limit.above is not None and celsius > limit.above) or (limit.below is not None and celsius < limit.below)


def _spans(limit: Limit, begin: int, first: float, end: int, second: float) -> list[tuple[int, int, float]]:
    """Give where a straight line is out of range: at most one stretch by each side, in order of time."""
    spans = []
    for edge, sign in ((limit.above, 1.0), (limit.below, -1.0)):
        if edge is None:
            continue
        a, b = sign * (first - edge), sign * (second - edge)
        if a <= 0 and b <= 0:
            continue
        low, high = begin, end
        if a <= 0 or b <= 0:
            cross = begin + round((end - begin) * (a / (a - b)))
            low, high = (begin, cross) if a > 0 else (cross, end)
        spans.append((low, high, first if a > b else second))
    return sorted(spans)


def _opened(limit: Limit, one: LimitState, instant: int, celsius: float) -> LimitState:
    if one.now is not None:
        return one
    at_once = limit.single_hours == 0 and one.single_breach < 0
    return msgspec.structs.replace(
        one, count=one.count + 1, now=Excursion(instant, instant, celsius, "open"),
        single_breach=instant if at_once else one.single_breach,
    )  # fmt: skip


def _stretched(limit: Limit, one: LimitState, low: int, high: int, peak: float) -> LimitState:
    """Extend the open excursion, or begin one, by a stretch out of range."""
    one = _opened(limit, one, low, peak)
    now = one.now
    assert now is not None
    worst = max((now.peak_celsius, peak), key=lambda celsius: _distance(limit, celsius))
    begin, total = now.begin, one.total + high - low
    single, whole = limit.single_hours * HOUR, limit.total_hours * HOUR
    return msgspec.structs.replace(
        one, now=Excursion(begin, high, worst, "open"), total=total, longest=max(one.longest, high - begin),
        single_breach=begin + math.ceil(single) if one.single_breach < 0 and high - begin > single
        else one.single_breach,
        total_breach=low + math.ceil(whole - one.total) if one.total_breach < 0 and total > whole
        else one.total_breach,
    )  # fmt: skip


def _distance(limit: Limit, celsius: float) -> float:
    over = celsius - limit.above if limit.above is not None else -math.inf
    under = limit.below - celsius if limit.below is not None else -math.inf
    return max(over, under)


def _over(one: LimitState, ended: Literal["returned", "cut"]) -> LimitState:
    if one.now is None:
        return one
    done = msgspec.structs.replace(one.now, ended=ended)
    return msgspec.structs.replace(one, past=(*one.past, done)[-KEPT:], now=None)
