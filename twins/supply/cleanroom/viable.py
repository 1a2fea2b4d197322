"""Plates read days late: which window each re-opens, who was exposed in it, and how growth trends by room.

All times are instants in us. Intervals are half open: from their first instant to before their last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from scipy.special import betainc, gammaincc, gammaincinv

from schemas.instants import DAY
from twins.supply.cleanroom.config import Adjoining, RoomConfig
from twins.supply.cleanroom.facts import PlateExposed
from twins.supply.cleanroom.limits import Verdict, judge_plate

SURFACE = ("contact", "glove")  # what such a plate shows came at an unknown time since the last cleaning
HALF_LIFE_DAYS = 30.0  # of what recent plates say: assumed, a month of monitoring
PRIOR_PLATES = 10.0  # that the prior rate weighs: assumed
RECURRING = 0.95  # probability that a room's rate is more than twice the others': assumed


class Presence(Struct, frozen=True, array_like=True):
    """A patient's unit that was in a room, open or closed; `until` None: it is still there."""

    room: str
    unit: str
    patient: str
    since: int
    until: int | None = None
    opened: bool = True


class Window(Struct, frozen=True, array_like=True):
    """When a room may have been contaminated, without tails; `plate` is what shows it."""

    room: str
    plate: str
    since: int
    until: int


class Exposure(Struct, frozen=True, array_like=True):
    """A unit that was there while a room may have been contaminated, and when."""

    unit: str
    patient: str
    room: str
    since: int
    until: int
    opened: bool
    plate: str


class PlateResult(Struct, frozen=True):
    """A plate that was read, beside its limit, and the window that it re-opens if it is above its alert level."""

    exposed: PlateExposed
    cfu: int
    read_at: int
    verdict: Verdict
    window: Window


class GrowthRate(Struct, frozen=True):
    """What plates say of a room: colonies per plate with a 90 % interval, and the probability that it rises."""

    room: str
    per_plate: float
    low: float
    high: float
    rises: float  # probability that the recent rate is above the one before
    recurring: float  # probability that it is more than twice the other rooms'
    days_with_growth: int


def result(
    config: RoomConfig,
    exposed: PlateExposed,
    cfu: int,
    read_at: int,
    cleaned_before: int | None = None,
    cleaned_after: int | None = None,
) -> PlateResult:
    """Judge a plate and lay out its window.

    Of air and settle plates the window is the time they stood open. What a contact or glove plate shows may have been
    there since the last cleaning that ended before it, and until the first that ended after it; where there is none,
    a day is taken.
    """
    verdict = judge_plate(config.grade, exposed.kind, cfu, exposed.air_m3, config.levels)
    since, until = exposed.from_at, max(exposed.to_at, exposed.from_at + 1)
    if exposed.kind in SURFACE:
        since = cleaned_before if cleaned_before is not None else since - DAY
        until = max(until, cleaned_after if cleaned_after is not None else until + DAY)
    window = Window(config.room, exposed.plate, since, until)
    return PlateResult(exposed, cfu, read_at, verdict, window)


def exposed_units(
    presences: Iterable[Presence], window: Window, tail_us: int, adjoining: Sequence[Adjoining] = ()
) -> list[Exposure]:
    """Give exactly the units that were in the room, or in one that its air or material reaches, in the window.

    Parameters
    ----------
    presences : iterable of Presence
        Units in this room and in others; those in rooms that are not reached are passed over.
    window : Window
        When the room may have been contaminated.
    tail_us : int
        How long after it the room's own air recovers [us].
    adjoining : sequence of Adjoining
        Rooms one step away, each with its own tail.

    Returns
    -------
    list of Exposure
        By time; one per presence that shares an instant with the window. Presences of no length count as one instant.
    """
    tails = {each.room: round(each.tail_minutes * 60_000_000) for each in adjoining}
    tails[window.room] = tail_us
    found = []
    for presence in presences:
        if presence.room not in tails:
            continue
        end = max(window.until, window.since + 1) + tails[presence.room]
        until = end if presence.until is None else max(presence.until, presence.since + 1)
        since, until = max(presence.since, window.since), min(until, end)
        if since < until:
            found.append(
                Exposure(presence.unit, presence.patient, presence.room, since, until, presence.opened, window.plate)
            )
    return sorted(found, key=lambda each: (each.since, each.room, each.unit, each.until, each.opened))


def growth(
    plates: Mapping[str, Sequence[tuple[float, int]]], now_days: float, prior_per_plate: float = 0.1
) -> list[GrowthRate]:
    """Weigh the plates of one kind and grade, room by room; rooms whose growth stands out come first.

    Parameters
    ----------
    plates : mapping of room to sequence of (days, colonies)
        When each plate was exposed, in days since any origin, and what grew on it.
    now_days : float
        The time to speak of; later plates are passed over.
    prior_per_plate : float
        The rate before any plate; it weighs 10 plates.

    Notes
    -----
    Colonies are Poisson given a rate, and the rate is gamma: shape a + sum, rate b + plates. Recent plates are those
    of the last half-life (30 d), `rises` compares them with the ones before: for two gammas with shapes p, q and rates
    r, s, P(x > y) is the regularised incomplete beta I(q, p) at s / (r + s). The others' rate is pooled without the
    room itself.
    """
    rows = []
    for room, seen in sorted(plates.items()):
        kept = [(days, cfu) for days, cfu in seen if days <= now_days]
        others = [cfu for other, rest in plates.items() if other != room for days, cfu in rest if days <= now_days]
        recent = [cfu for days, cfu in kept if days > now_days - HALF_LIFE_DAYS]
        before = [cfu for days, cfu in kept if days <= now_days - HALF_LIFE_DAYS]
        shape, rate = _posterior([cfu for _, cfu in kept], prior_per_plate)
        other_shape, other_rate = _posterior(others, prior_per_plate)
        rows.append(
            GrowthRate(
                room, shape / rate, float(gammaincinv(shape, 0.05)) / rate, float(gammaincinv(shape, 0.95)) / rate,
                _above(*_posterior(recent, prior_per_plate), *_posterior(before, prior_per_plate)),
                _above(shape, rate, other_shape, other_rate / 2),
                len({int(np.floor(days)) for days, cfu in kept if cfu > 0}),
            )
        )  # fmt: skip
    return sorted(rows, key=lambda row: (-row.recurring, row.room))


def recurring(rows: Iterable[GrowthRate]) -> list[str]:
    """Name the rooms whose growth came on two days or more and is surely more than twice the others'."""
    return [row.room for row in rows if row.recurring >= RECURRING and row.days_with_growth >= 2]


def chance_above(per_plate_shape: float, per_plate_rate: float, limit: float, plates: float = 1.0) -> float:
    """Give the probability that a rate, gamma of shape and rate, is above a limit per so many plates."""
    return float(gammaincc(per_plate_shape, per_plate_rate * limit / plates))


def _posterior(cfu: Sequence[int], prior: float) -> tuple[float, float]:
    return prior * PRIOR_PLATES + sum(cfu), PRIOR_PLATES + len(cfu)


def _above(p: float, r: float, q: float, s: float) -> float:
    """Give P(x > y) for x gamma of (p, r) and y gamma of (q, s)."""
    return float(betainc(q, p, s / (r + s)))
