"""When a patient's cells will be given: the legs that are left, each as a distribution, added up.

A leg ends when its step is scanned. What a leg takes comes from the network's twin (`supply.legs_learned`), else from
the plan. The leg that is under way is conditional on how long it has been: an hour of silence is evidence, and what is
left of it is never negative (`eta.Duration`). The sum is taken over `DRAWS` draws, stratified leg by leg and shuffled
in one of `ORDERS` ways that the patient's name picks, so that equal facts give equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import ndtri

from schemas import supply as s
from schemas.errors import InvalidFieldError
from schemas.instants import DAY, HOUR, format_instant, parse_instant
from twins.supply import identity as i
from twins.supply.alerting import Wish
from twins.supply.config import Patients
from twins.supply.eta import Calendar, Duration
from twins.supply.kept import Kept, Row

DRAWS = 256
ORDERS = 64
MOST_LAWS = 8192  # remembered; one is 4 kB
MOST_LEGS = 64  # as schemas/supply.py has it
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
PLAN_SIGMA = 0.35  # of the logarithm of a leg that nothing was learned of: 90 % within a factor of 1.8 (assumed)
GRID = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
GONE = ("infused", "cancelled", "died")  # after which nobody waits for the cells
STRATA = (np.arange(DRAWS) + 0.5) / DRAWS
MONDAY = 4 * DAY  # 5 January 1970, from which calendars count
LEAST_HOURS = 1e-3  # of a leg: some seconds
RELEASE = "release"  # the step of the default workflow that lets a lot go

Floats = NDArray[np.float64]


class LegTime(Struct, frozen=True, array_like=True):
    """The newest word on a leg: when it came [us], its fact's number, quantiles [h], of how many legs."""

    time: int
    hash: int
    levels: tuple[float, ...]
    hours: tuple[float, ...]
    legs: int


LegTimes = dict[str, LegTime]  # by step, lane and carrier, a line each


@dataclass(eq=False)
class Expected:
    """What is expected of one patient as of `clock` [us]. `legs` are those that are left, by the step that ends each.

    `hours` are their quantiles at `LEVELS` [h]; `parts` their draws [h], shape (legs, DRAWS), `whole` the draws' sums.
    """

    clock: int
    legs: tuple[str, ...]
    learned: tuple[int, ...]
    hours: tuple[tuple[float, ...], ...]
    parts: Floats
    whole: Floats
    overdue: float  # of the leg under way: the probability that it should have ended by now
    slot: int | None
    latest: int | None
    release: int | None  # how many of the legs lead to the release; None where it is past, or no leg names it
    point_of_no_return: bool

    @cached_property
    def ascending(self) -> Floats:
        """The draws' sums [h], in order, shape (DRAWS,)."""
        return np.sort(self.whole)

    def late(self, by: int) -> float:
        """Give the probability that the last leg ends after an instant [us]."""
        return float(DRAWS - self.ascending.searchsorted((by - self.clock) / HOUR, "right")) / DRAWS

    @cached_property
    def late_for_slot(self) -> float | None:
        """The probability that the slot is missed; None without one."""
        return None if self.slot is None else self.late(self.slot)

    def said(self) -> dict[str, Any]:
        """Give the data of the forecast."""
        return {
            "of": "patient",
            "quantiles": list(LEVELS),
            "infusion": [self._when(one) for one in _at(self.ascending, LEVELS)],
            "legs": [
                {"step": step, "learned_from": count, "hours": list(hours)}
                for step, count, hours in zip(self.legs, self.learned, self.hours, strict=True)
            ],
            "overdue": self.overdue,
            "slot": None if self.slot is None else format_instant(self.slot),
            "latest": None if self.latest is None else format_instant(self.latest),
            "p_late": self.late_for_slot,
            "p_too_late": None if self.latest is None else self.late(self.latest),
            "explains": self._explains,
            "released_with_95_percent_by": self._released(0.95),
            "lymphodepletion_begun": self.point_of_no_return,
        }

    def wishes(self, stands: bool, section: Patients) -> list[Wish]:
        """Call for an alert where the slot is at risk; one that stands goes on until the risk is clearly lower."""
        late = self.late_for_slot
        if self.slot is None or late is None or late < (section.risk_off if stands else section.risk_on):
            return []
        why = self._explains
        after = "" if why is None else f", most of it by the leg to {why}"
        grave = self.point_of_no_return or late >= 0.8
        words = (
            f"probability {late:.0%} that the cells are not there by the slot at {format_instant(self.slot)}{after}; "
            + ("lymphodepletion has begun: call the site now" if self.point_of_no_return
               else "move the slot, or make the leg faster; lymphodepletion is not to begin before the release is sure")
        )  # fmt: skip
        median = self._when(*_at(self.ascending, (0.5,)))
        return [Wish("slot.infusion", "infusion", "critical" if grave else "high", words, late, section.risk_on,
                     "{probability}", late, median)]  # fmt: skip

    def _when(self, hours: float) -> str:
        return format_instant(self.clock + round(hours * HOUR))

    @cached_property
    def _explains(self) -> str | None:
        """Name the leg that is longest beyond its mean where the slot is missed; None without a slot or a miss."""
        if self.slot is None or not self.legs:
            return None
        missed = self.whole > (self.slot - self.clock) / HOUR
        count = np.count_nonzero(missed)
        if not count:
            return None
        return self.legs[int((self.parts @ (missed / count - 1.0 / DRAWS)).argmax())]

    def _released(self, sure: float) -> str | None:
        if self.release is None:
            return None
        whole = self.release == len(self.legs)
        ascending = self.ascending if whole else np.sort(np.add.reduce(self.parts[: self.release]))
        return self._when(*_at(ascending, (sure,)))


def _at(ascending: Floats, levels: tuple[float, ...]) -> list[float]:
    """Give quantiles of draws that stand in order: the draw in whose stratum each level lies."""
    found: list[float] = ascending[_strata(levels, len(ascending))].tolist()
    return found


@lru_cache(maxsize=64)
def _strata(levels: tuple[float, ...], size: int) -> NDArray[np.intp]:
    return np.array([min(int(level * size), size - 1) for level in levels], dtype=np.intp)


def decisions(kept: Kept) -> dict[str, Row]:
    """Give the newest decision of a person on each stop."""
    return {row.data.stop: row for row in kept.of(s.StopDecided)}


def ended(kept: Kept) -> Row | None:
    """Give the first decision that ended the journey and was not taken back by a later one on the same stop."""
    return min(
        (row for row in decisions(kept).values() if row.data.decision == "end"), default=None, key=lambda row: row[:3]
    )


def gone_at(kept: Kept) -> int | None:
    """Say since when [us] nobody waits for the cells: given, called off, or the journey was ended."""
    times = [row.time for row in kept.of(s.Treated) if row.data.what in GONE]
    end = ended(kept)
    return min((*times, *([] if end is None else [end.time])), default=None)


class Expecting:
    """Makes expectations. One for all patients of a block."""

    def __init__(self, section: Patients) -> None:
        self._section = section
        self._laws: dict[tuple[int, str], Law] = {}  # by the fact that told of a leg, and the leg's name

    def expect(self, kept: Kept, learned: LegTimes, reading: i.JourneyReading, clock: int) -> Expected | None:
        """Say what is expected of a patient; None where no leg is planned, the cells were given, or nobody waits."""
        ordered = kept.newest(s.TherapyOrdered)
        if ordered is None or gone_at(kept) is not None or not ordered.data.legs:
            return None
        legs, since = _left(ordered.data.legs, reading, ordered.time)
        if not legs:
            return None
        laws, counts = zip(*(self._law(leg, learned, kept.dead) for leg in legs), strict=True)
        calendars = [calendar_of(leg.departs) for leg in legs]
        departed = _departs(calendars[0], since)
        elapsed = max(clock - departed, 0) / HOUR
        wait = max(departed - clock, 0) / HOUR
        overdue = laws[0].duration.below_one(elapsed)
        rest = laws[0].duration.remaining(STRATA, elapsed, overdue)
        if wait:
            rest = rest + wait
        parts = _draws(reading.coi, (rest, *(law.sorted for law in laws[1:])), calendars, _hours(clock))
        hours = [law.hours for law in laws]
        for place, calendar in enumerate(calendars):
            if place == 0 or calendar is not None:
                hours[place] = _rounded(rest if place == 0 else np.sort(parts[place]))
        slot = booked(kept, ordered.data)
        latest = ordered.data.latest
        steps = tuple(leg.step for leg in legs)
        return Expected(
            clock, steps, counts, tuple(hours), parts, np.add.reduce(parts), overdue, slot,
            None if latest is None else parse_instant(latest),
            steps.index(RELEASE) + 1 if RELEASE in steps else None,
            any(row.data.what == "lymphodepletion_started" for row in kept.of(s.Treated)),
        )  # fmt: skip

    def _law(self, leg: s.PlannedLeg, learned: LegTimes, dead: Set[int]) -> tuple[Law, int]:
        """Give a leg's law, and of how many legs it was learned. Where the newest word was withdrawn the plan holds
        until the next."""
        name = f"{leg.step}\n{leg.lane}\n{leg.carrier}"
        found = learned.get(name)
        if found is None or found.hash in dead:
            return _planned_law(leg.days), 0
        law = self._laws.get((found.hash, name))
        if law is None:
            if len(self._laws) >= MOST_LAWS:
                self._laws.clear()
            law = self._laws[found.hash, name] = _learned_law(found.hours, found.levels)
        return law, found.legs


def _left(legs: tuple[s.PlannedLeg, ...], reading: i.JourneyReading, ordered: int) -> tuple[list[s.PlannedLeg], int]:
    """Give the legs whose step was not scanned yet, and since when the first of them is under way [us]."""
    steps = _reached(reading)
    done = [place for place, leg in enumerate(legs) if leg.step in steps]
    first = done[-1] + 1 if done else 0
    since = steps[legs[done[-1]].step] if done else ordered
    return list(legs[first:]), since


def leg_hours(legs: tuple[s.PlannedLeg, ...], reading: i.JourneyReading, ordered: int) -> float | None:
    """Give how long the newest leg that ended took from its departure on [h]; None where the step before it was not
    scanned."""
    steps = _reached(reading)
    place = next((place for place, leg in enumerate(legs) if leg.step == reading.step), None)
    if place is None:
        return None
    before = ordered if place == 0 else steps.get(legs[place - 1].step)
    if before is None:
        return None
    reached, departed = steps[reading.step], _departs(calendar_of(legs[place].departs), before)
    return max(reached - (departed if departed < reached else before), 0) / HOUR


def _reached(reading: i.JourneyReading) -> dict[str, int]:
    """Give when each step was scanned first [us]."""
    steps: dict[str, int] = {}
    for entry in reading.custody:
        steps.setdefault(entry.step, entry.at)
    return steps


def note(learned: LegTimes, row: Row) -> None:
    """Keep the newest word on each leg."""
    for one in row.data.legs:
        name = f"{one.step}\n{one.lane}\n{one.carrier}"
        old = learned.get(name)
        if old is None or (old.time, old.hash) < (row.time, row.hash):
            learned[name] = LegTime(row.time, row.hash, row.data.levels, one.hours, one.legs)


def legs_ahead(legs: tuple[s.PlannedLeg, ...], reading: i.JourneyReading) -> list[s.PlannedLeg]:
    """Give the legs that are left."""
    return _left(legs, reading, 0)[0]


class Law(NamedTuple):
    """What a leg takes: its distribution, and its quantiles [h] at `STRATA`, in order, and at `LEVELS`."""

    duration: Duration
    sorted: Floats
    hours: tuple[float, ...]

    @classmethod
    def of(cls, duration: Duration) -> Law:
        """Give the law of a duration."""
        ascending = duration.quantile(STRATA)
        return cls(duration, ascending, _rounded(ascending))


def _rounded(ascending: Floats) -> tuple[float, ...]:
    return tuple(round(one, 2) for one in _at(ascending, LEVELS))


@lru_cache(maxsize=MOST_LAWS)  # patients who are told at once are told of equal legs
def _learned_law(hours: tuple[float, ...], levels: tuple[float, ...]) -> Law:
    return Law.of(Duration(np.log(np.maximum.accumulate(np.maximum(hours, LEAST_HOURS))), np.array(levels)))


@lru_cache(maxsize=1024)
def _planned_law(days: float) -> Law:
    levels = np.array(GRID)
    return Law.of(Duration(np.log(days * 24) + PLAN_SIGMA * ndtri(levels), levels))


@lru_cache(maxsize=1024)
def calendar_of(departs: s.Departures | None) -> Calendar | None:
    """Give a leg's calendar, counted from `MONDAY`; None where it may begin at any time.

    Raises
    ------
    InputError
        If its hours do not rise or a date is none.
    """
    if departs is None:
        return None
    if list(departs.hours) != sorted(set(departs.hours)):
        raise InvalidFieldError(
            expected="rising hours of a week", received=f"{departs.hours}"[:200], where="legs.departs.hours",
            advice="sort them, each once",
        )  # fmt: skip
    days = frozenset(
        (parse_instant(f"{day}T00:00:00Z", "legs.departs.closed") - MONDAY) // DAY for day in departs.closed
    )
    return Calendar(departs.hours, days)


def _hours(instant: int) -> float:
    return (instant - MONDAY) / HOUR


def _departs(calendar: Calendar | None, since: int) -> int:
    """Give when a leg departs whose step before was reached at an instant [us]."""
    if calendar is None:
        return since
    return MONDAY + round(float(calendar.after(np.array([_hours(since)]))[0]) * HOUR)


def _draws(coi: str, legs: Sequence[Floats], calendars: Sequence[Calendar | None], now: float) -> Floats:
    """Draw the legs that are left, each with its wait for a departure, shape (legs, DRAWS) [h].

    Parameters
    ----------
    legs : sequence of array
        What each takes, in order, shape (DRAWS,) [h]; of the first what is left, with its wait.
    now : float
        The clock, counted as the calendars are [h].
    """
    orders = _orders(int.from_bytes(hashlib.sha256(coi.encode()).digest()[:2], "big") % ORDERS)
    parts = np.empty((len(legs), DRAWS))
    for place, leg in enumerate(legs):
        parts[place] = leg[orders[place]]
        calendar = calendars[place]
        if place and calendar is not None:
            ready = now + np.add.reduce(parts[:place])
            parts[place] += calendar.after(ready) - ready
    return parts


@lru_cache(maxsize=ORDERS)  # 128 kB each
def _orders(which: int) -> NDArray[np.intp]:
    """Give the orders in which draws of legs meet, shape (MOST_LEGS, DRAWS)."""
    random = np.random.Generator(np.random.Philox(key=which))
    return np.array([random.permutation(DRAWS) for _ in range(MOST_LEGS)])


def booked(kept: Kept, ordered: s.TherapyOrdered) -> int | None:
    """Give the infusion slot: the newest booking, else the order's [us]."""
    booked = [row.data for row in kept.of(s.SlotBooked) if row.data.what == "infusion"]
    text = booked[-1].at if booked else ordered.slot
    return None if text is None else parse_instant(text)
