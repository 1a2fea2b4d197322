"""A patient's infusion date as a distribution: the legs that remain, their waits and calendars, drawn together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.errors import UsageError
from twins.supply.eta.duration import LEVELS, Duration
from twins.supply.eta.leg import LegKey

Floats = NDArray[np.float64]
DRAWS = 2000  # of a date: the 5 % level is then known to half a point
DAY, WEEK = 24.0, 168.0


@dataclass(frozen=True, slots=True)
class Calendar:
    """Hours of the week at which a leg may depart (flight cut-offs), counted from the origin's hour 0.

    None departs on `closed` days, numbered from the origin.
    """

    departures: tuple[float, ...]
    closed: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Refuse hours outside a week or out of order."""
        if not self.departures or list(self.departures) != sorted(set(self.departures)):
            raise UsageError(f"expected rising hours of a week, received {self.departures}; sort them")
        if not (self.departures[0] >= 0.0 and self.departures[-1] < WEEK):
            raise UsageError(
                f"expected hours from 0 up to {WEEK:.0f}, received {self.departures}; take the rest of {WEEK}"
            )

    def after(self, hours: Floats) -> Floats:
        """Give the first departure at or after each hour."""
        departs = self._weekly(hours)
        if not self.closed:
            return departs
        closed = np.array(sorted(self.closed))
        while (shut := np.isin(days := np.floor(departs / DAY), closed)).any():  # each round passes a closed day
            departs = np.where(shut, self._weekly((days + 1) * DAY), departs)
        return departs

    def _weekly(self, hours: Floats) -> Floats:
        weeks = np.floor(hours / WEEK)
        rising = np.append(self.departures, self.departures[0] + WEEK)
        departs: Floats = weeks * WEEK + rising[np.searchsorted(rising, hours - weeks * WEEK)]
        return departs


@dataclass(frozen=True, slots=True)
class Stage:
    """A leg to come: its key, a fixed wait [h] before it, and when it may depart."""

    key: LegKey
    wait_hours: float = 0.0
    calendar: Calendar | None = None


@dataclass(frozen=True, slots=True)
class Journey:
    """Stages that remain, the first under way since `started_hours` when `under_way`, and the slot booked [h]."""

    started_hours: float
    stages: tuple[Stage, ...]
    slot_hours: float | None = None
    under_way: bool = True


@dataclass(frozen=True, slots=True)
class InfusionDate:
    """Hours of the infusion at `LEVELS`, P(after the slot), the stage that explains most of it, and its share."""

    hours: tuple[float, ...]
    p_late: float | None
    explains: int | None
    share: float


class Expecting(Protocol):
    """What says a leg's duration: `Legs`, or anything alike."""

    def expect(self, key: LegKey) -> Duration:
        """Give the distribution of a leg's duration."""


def infusion_date(legs: Expecting, journey: Journey, now_hours: float, seed: int) -> InfusionDate:
    """Say when the last stage ends, as seen at `now_hours` (of the origin of the journey's own hours).

    Notes
    -----
    Legs are drawn independently of one another, each at evenly spaced levels in an order of its own.
    The stage that explains is the one with the largest mean excess over its median among late draws.

    Raises
    ------
    UsageError
        If no stage remains, or the first started after now.
    """
    if not journey.stages:
        raise UsageError("expected at least one stage that remains, received none; the patient has arrived")
    elapsed = now_hours - journey.started_hours if journey.under_way else 0.0
    if elapsed < 0.0:
        raise UsageError(
            f"expected a start by hour {now_hours}, received {journey.started_hours}; order the scans by event time"
        )
    rng = np.random.Generator(np.random.Philox(key=seed))
    even = (np.arange(DRAWS) + 0.5) / DRAWS
    at, spans = np.full(DRAWS, now_hours), []
    for place, stage in enumerate(journey.stages):
        levels, first = rng.permutation(even), place == 0 and journey.under_way
        duration = legs.expect(stage.key)
        before = at
        if not first:
            at = at + stage.wait_hours
            at = stage.calendar.after(at) if stage.calendar else at
        at = at + duration.remaining(levels, elapsed if first else 0.0)
        spans.append(at - before)
    hours = tuple(float(each) for each in np.quantile(at, LEVELS))
    if journey.slot_hours is None:
        return InfusionDate(hours, None, None, 0.0)
    late = at > journey.slot_hours
    if not late.any():
        return InfusionDate(hours, 0.0, None, 0.0)
    excess = np.array([max(float(span[late].mean() - np.median(span)), 0.0) for span in spans])
    worst = int(excess.argmax())
    return InfusionDate(hours, float(late.mean()), worst, float(excess[worst] / max(excess.sum(), 1e-12)))
