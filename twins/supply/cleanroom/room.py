"""What is believed of a room's air between and after counts: a gamma-Poisson filter over concentration and source.

The concentration C follows the well-mixed room (`airflow`); its source is (people * dispersion + rest) * theta, where
theta, one for people and one for the empty room, wanders about 1 (Ornstein-Uhlenbeck). Given its speed and spread
both are linear, so their first two moments move exactly over any time. A count in a volume v is Poisson(C v): the
gamma of C's moments is updated exactly, theta by regression. How fast and how far theta wanders is unknown: a bank of
a few answers, weighed by their likelihoods.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from scipy.special import gammainc, gammaincc

from twins.supply.cleanroom.airflow import GARMENTS
from twins.supply.cleanroom.limits import Size

HOURS = (0.1, 1.0, 300.0)  # how long theta keeps its value: assumed, from a gesture to the garments of a month
SPREADS = (0.1, 0.35, 0.8)  # of theta about 1: assumed; Whyte et al. saw factors of 2 and more between people
PERSONS = (0.05, 0.6)  # spread between people: assumed, as above
LASTING = 0.01  # 1/h: slower than this theta is a trait of the room's garments, not of who is in
FORGET_PER_HOUR = 0.01  # of the bank's weights: assumed, so that an answer given up can come back
MEMBERS = tuple((1.0 / hours, spread, persons) for persons in PERSONS for spread in SPREADS for hours in HOURS)
LEAST_WEIGHT = 1e-12  # of an answer, so that none is ever out of reach: assumed
_LEAST = 1e-6  # 1/m3


class Air(Struct, frozen=True):
    """A room's air as constants, for one size: rate n e [1/h], air per hour times e [m3/h], sources [1/h]."""

    rate_per_hour: float
    air_m3_per_hour: float
    person_per_hour: float
    rest_per_hour: float
    supply_per_m3: float = 0.0


class Belief(Struct, frozen=True, array_like=True):
    """Moments of (C, theta) per member of the bank, and their weights; `hours` since the state's origin."""

    hours: float
    people: int
    weight: tuple[float, ...]
    c: tuple[float, ...]  # 1/m3
    theta: tuple[float, ...]
    cc: tuple[float, ...]
    ct: tuple[float, ...]
    tt: tuple[float, ...]
    aside: tuple[float, ...]  # theta not in use: of the people while the room is empty, of the empty room else
    aside_tt: tuple[float, ...]


def air_of(
    size: Size, volume_m3: float, air_changes_per_hour: float, effectiveness: float = 1.0, garment: str = "cleanroom",
    rest_per_m3: float = 0.0, supply_per_m3: float = 0.0,
) -> Air:  # fmt: skip
    """Lay out a room's air for one size; `rest_per_m3` is what the empty room comes to above the supply."""
    worn = GARMENTS[garment]
    person = worn.half_um_per_minute if size == "half_um" else worn.five_um_per_minute
    rate = air_changes_per_hour * effectiveness
    return Air(rate, rate * volume_m3, person * 60, rest_per_m3 * rate * volume_m3, supply_per_m3)


def start(air: Air, hours: float, people: int = 0) -> Belief:
    """Begin with a wide belief about where the room settles."""
    n = len(MEMBERS)
    c = max(air.supply_per_m3 + _lift(air, people), 1.0)
    spreads = tuple(spread**2 for _, spread, _ in MEMBERS)
    return Belief(
        hours,
        people,
        (1 / n,) * n,
        (c,) * n,
        (1.0,) * n,
        (4 * c * c,) * n,
        tuple(c * s for s in spreads),
        spreads,
        (1.0,) * n,
        spreads,
    )


def predict(belief: Belief, air: Air, hours: float) -> Belief:
    """Move a belief on to `hours`, exactly under the model, with the people it has."""
    elapsed = hours - belief.hours
    if elapsed <= 0:
        return belief
    lift = _lift(air, belief.people)
    moved = [
        _move(air, lift, elapsed, member, state)
        for member, state in zip(MEMBERS, zip(*_columns(belief), strict=True), strict=True)
    ]
    columns = list(zip(*moved, strict=True))
    forget = -math.expm1(-FORGET_PER_HOUR * elapsed)
    weight = tuple((1 - forget) * w + forget / len(MEMBERS) for w in belief.weight)
    return Belief(hours, belief.people, weight, *columns)


def _move(
    air: Air, lift: float, elapsed: float, member: tuple[float, float, float], state: tuple[float, ...]
) -> tuple[float, ...]:
    """Bridge one member: y' = a y + f x, x' = r x about (Css, 1), with the exact covariance of the wandering source."""
    kappa, spread, _ = member
    rate = air.rate_per_hour
    if abs(kappa - rate) < 1e-4 * rate:
        kappa = rate * (1 + 1e-4)
    a, r = math.exp(-rate * elapsed), math.exp(-kappa * elapsed)
    g = rate * lift / (rate - kappa)
    f = g * (r - a)
    slow, cross, fast = (-math.expm1(-k * elapsed) / k for k in (2 * kappa, kappa + rate, 2 * rate))
    noise = 2 * kappa * spread**2
    c, theta, cc, ct, tt, aside, aside_tt = state
    y, x = c - air.supply_per_m3 - lift, theta - 1.0
    c = max(air.supply_per_m3 + lift + a * y + f * x, _LEAST)
    cc = a * a * cc + 2 * a * f * ct + f * f * tt + max(0.0, noise * g * g * (slow - 2 * cross + fast))
    ct = r * (a * ct + f * tt) + noise * g * (slow - cross)
    tt = r * r * tt + noise * slow
    aside, aside_tt = 1.0 + r * (aside - 1.0), r * r * aside_tt + noise * slow
    return c, 1.0 + r * x, max(cc, (1e-4 * c) ** 2), ct, tt, aside, aside_tt


def count(belief: Belief, seen: int, sample_m3: float) -> Belief:
    """Learn from a count in a sampled volume [m3] at the belief's time."""
    rows, logs = [], []
    for c, theta, cc, ct, tt in zip(belief.c, belief.theta, belief.cc, belief.ct, belief.tt, strict=True):
        shape, rate = c * c / cc, c / cc
        logs.append(
            math.lgamma(shape + seen) - math.lgamma(shape)
            + shape * math.log(rate / (rate + sample_m3)) + seen * math.log(sample_m3 / (rate + sample_m3))
        )  # fmt: skip
        new_c = (shape + seen) / (rate + sample_m3)
        new_cc = new_c / (rate + sample_m3)
        gain = ct / cc
        new_tt = max(tt + gain * gain * (new_cc - cc), 1e-6)
        rows.append((max(new_c, _LEAST), theta + gain * (new_c - c), new_cc, gain * new_cc, new_tt))
    top = max(logs)
    raw = [max(w * math.exp(log - top), LEAST_WEIGHT) for w, log in zip(belief.weight, logs, strict=True)]
    total = math.fsum(raw)
    c_, theta_, cc_, ct_, tt_ = zip(*rows, strict=True)
    weight = tuple(w / total for w in raw)
    return Belief(belief.hours, belief.people, weight, c_, theta_, cc_, ct_, tt_, belief.aside, belief.aside_tt)


def people(belief: Belief, now: int) -> Belief:
    """Let people come or go: who comes sheds as people do, who goes takes along an unknown share."""
    was = belief.people
    if now == was:
        return belief
    if not (was and now):  # theta of the empty room and that of people change places
        none = (0.0,) * len(MEMBERS)
        news = tuple((persons**2 / now if now else 0.0) for _, _, persons in MEMBERS)
        tt = tuple(old + new for old, new in zip(belief.aside_tt, news, strict=True))
        return Belief(
            belief.hours, now, belief.weight, belief.c, belief.aside, belief.cc, none, tt, belief.theta, belief.tt
        )
    keep, share = 1.0, 1 / now - 1 / was  # of theta that stays, of the variance between people that comes in
    if now > was:
        keep = was / now
        share = (1 - keep) / now
    # Members whose theta lasts say that newcomers wear what the others wear: there theta is the room's.
    keeps = tuple(1.0 if kappa < LASTING else keep for kappa, _, _ in MEMBERS)
    return Belief(
        belief.hours, now, belief.weight, belief.c,
        tuple(1 - k + k * theta for k, theta in zip(keeps, belief.theta, strict=True)), belief.cc,
        tuple(k * ct for k, ct in zip(keeps, belief.ct, strict=True)),
        tuple(
            k * k * tt + share * persons**2
            for k, tt, (_, _, persons) in zip(keeps, belief.tt, MEMBERS, strict=True)
        ),
        belief.aside, belief.aside_tt,
    )  # fmt: skip


def mean_per_m3(belief: Belief) -> float:
    """Give the expected concentration [1/m3]."""
    return math.fsum(w * c for w, c in zip(belief.weight, belief.c, strict=True))


def source_factor(belief: Belief) -> float:
    """Give what people here shed beside what they are said to shed: theta."""
    factors = belief.theta if belief.people else belief.aside
    return math.fsum(w * t for w, t in zip(belief.weight, factors, strict=True))


def above(belief: Belief, limit: float) -> float:
    """Give the probability that the concentration is above a limit [1/m3]."""
    c, cc = np.array(belief.c), np.array(belief.cc)
    return float(np.dot(belief.weight, gammaincc(c * c / cc, limit * c / cc)))


def interval(belief: Belief, coverage: float = 0.9) -> tuple[float, float]:
    """Give the central interval of the concentration [1/m3]."""
    return quantile(belief, (1 - coverage) / 2), quantile(belief, (1 + coverage) / 2)


def quantile(belief: Belief, p: float) -> float:
    """Give a quantile of the bank's mixture of gammas [1/m3], to a part in 1e7, by halving."""
    c, cc, weight = np.array(belief.c), np.array(belief.cc), np.array(belief.weight)
    shape, rate = c * c / cc, c / cc
    low, high = 0.0, float(np.max(c + 12 * np.sqrt(cc)))
    while np.dot(weight, gammainc(shape, rate * high)) < p:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if np.dot(weight, gammainc(shape, rate * middle)) < p:
            low = middle
        else:
            high = middle
        if high - low <= 1e-7 * high:
            break
    return high


def hours_until_above(belief: Belief, air: Air, limit: float, probability: float = 0.5, most: float = 24.0) -> float:
    """Give when the concentration is above a limit with a probability, if everybody stays [h]; infinity if not in time.

    Looked for at 2 % of the room's time constant first, then at steps that grow by a tenth: a passing above between
    two looks is not seen.
    """
    ahead, step = 0.0, 0.02 / air.rate_per_hour
    while ahead <= most:
        if above(predict(belief, air, belief.hours + ahead), limit) >= probability:
            return ahead
        ahead, step = ahead + step, step * 1.1
    return math.inf


def hours_until_below(belief: Belief, air: Air, limit: float, probability: float = 0.95, most: float = 24.0) -> float:
    """Give when the concentration is at or below a limit with a probability, if everybody stays [h]."""
    ahead, step = 0.0, 0.02 / air.rate_per_hour
    while ahead <= most:
        if above(predict(belief, air, belief.hours + ahead), limit) <= 1 - probability:
            return ahead
        ahead, step = ahead + step, step * 1.1
    return math.inf


def _columns(belief: Belief) -> tuple[tuple[float, ...], ...]:
    return belief.c, belief.theta, belief.cc, belief.ct, belief.tt, belief.aside, belief.aside_tt


def _lift(air: Air, people: int) -> float:
    return (people * air.person_per_hour + air.rest_per_hour) / air.air_m3_per_hour
