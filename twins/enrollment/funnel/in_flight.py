"""Who is in the funnel now, and what comes of them: the chance of each to reach the counting milestone, and when.

Given how long one has waited, the chance to pass the present step is that of Bayes; the chances of later steps
multiply it, and their delays are added. A subject beyond the limit of a step has no chance left but to have passed
without its being known yet. The count that comes of all is a sum of unequal chances that share a doubt about the rates.

Source
------
The sum of independent unequal chances is Poisson-binomial, of which two moments are kept (see `counts`). The doubt in a
rate is added by its slope (delta method).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.funnel.counts import chances, quantiles, room
from twins.enrollment.funnel.delays import seen_after
from twins.enrollment.funnel.posterior import Funnel, Step
from twins.enrollment.funnel.steps import WAITS
from twins.enrollment.study import Floats, Ints, Study

AHEAD_DAYS = 60


@dataclass(frozen=True, slots=True)
class InFlight:
    """Those in the funnel now, each of the first columns of shape (n,).

    `of` indexes the study's subjects, `step` the funnel's steps, `chance` is that of reaching the counting milestone in
    the end. `mean`, `variance` (h + 1,): of how many will have by the end of each day from now; the first is what may
    have already without its being known. `low`, `high` (h + 1,): bounds of the stated share. `total`,
    `total_variance`: of all in the end. `slope`: how the total moves with the study's chance at the last step but those
    before (subjects per unit of chance), and `doubt`, the variance of that chance.
    """

    of: Ints
    step: Ints
    chance: Floats
    mean: Floats
    variance: Floats
    low: Ints
    high: Ints
    total: float
    total_variance: float
    slope: float
    doubt: float


def in_flight(study: Study, found: Funnel, *, days: int = AHEAD_DAYS, share: float = 0.9) -> InFlight:
    """Say what comes of those in the funnel.

    Parameters
    ----------
    study : Study
    found : Funnel
        Of the same study.
    days : int
        How many days ahead are told.
    share : float
        Of the intervals.
    """
    steps = [place for place, step in enumerate(found.steps) if _before_milestone(study, step)]
    parts = [_none(days), *(_waiting(found, steps, place, days) for place in steps)]
    of, at, site = (np.concatenate([part[column] for part in parts]).astype(np.int64) for column in range(3))
    chance, by, slope, delay = (np.concatenate([part[column] for part in parts]) for column in range(3, 7))
    own, doubt = _doubt(found, at, site)
    each = np.concatenate([chance[:, None] * by, chance[:, None]], axis=1)  # the last column: in the end
    mean = each.sum(axis=0)
    moved = slope[:, None] * np.concatenate([by, np.ones((len(by), 1))], axis=1)
    variance = (each * (1.0 - each)).sum(axis=0) + moved.sum(axis=0) ** 2 * doubt
    if len(of):
        order = np.argsort(site, kind="stable")
        first = np.flatnonzero(np.diff(site[order], prepend=-1))
        variance += (np.add.reduceat((moved * np.sqrt(own)[:, None])[order], first, axis=0) ** 2).sum(axis=0)
    variance += (each * (delay / np.maximum(chance, 1e-12))[:, None]).sum(axis=0) ** 2
    part = mean / max(mean[-1], 1e-12)
    variance += mean[-1] ** 2 * part * (1.0 - part) / (1.0 + _told(found, steps))
    tail = 0.5 * (1.0 - share)
    most = min(len(of), room(mean, variance))
    low, high = quantiles(chances(mean[:-1], variance[:-1], most), (tail, 1.0 - tail))
    return InFlight(
        of, at, chance, mean[:-1], variance[:-1], low, high,
        float(mean[-1]), float(variance[-1]), float(moved[:, -1].sum()), doubt,
    )  # fmt: skip


def _before_milestone(study: Study, step: Step) -> bool:
    return step.entrants.begins != study.milestone and not (
        study.milestone == "enrolled" and step.entrants.begins == "randomised"
    )


def _none(days: int) -> tuple[Ints | Floats, ...]:
    """Give the columns of `_waiting` of nobody."""
    return (*np.zeros((3, 0), dtype=np.int64), np.zeros(0), np.zeros((0, days + 1)), np.zeros(0), np.zeros(0))


def _told(found: Funnel, steps: list[int]) -> float:
    """Give how many passes the delays rest on: of the step with the fewest."""
    return float(min((found.steps[place].passed.sum() for place in steps), default=0))


def _waiting(found: Funnel, steps: list[int], place: int, days: int) -> tuple[Ints | Floats, ...]:
    """Give of those who wait at a step: subject, step, site, chance, by when (n, days + 1), slope, doubt by delays."""
    step = found.steps[place]
    one = step.entrants
    waits = np.flatnonzero(one.outcome == WAITS)
    site, after = one.site[waits], one.after[waits]
    p = step.chance.sites.mean[site]
    pass_waits, fall_waits = step.unknown
    known = p * pass_waits + (1.0 - p) * fall_waits
    now = np.where(known > 1e-12, p * pass_waits / np.maximum(known, 1e-12), 0.0)
    later = np.ones(len(waits))
    for other in steps[steps.index(place) + 1 :]:
        later = later * found.steps[other].chance.sites.mean[site]
    ages, row = np.unique(after.astype(np.int64), return_inverse=True)
    by = _when(found, steps, place, ages, days)[row]
    slope = later * now * (1.0 - now) / np.maximum(p * (1.0 - p), 1e-9)
    unsure = _unsure(pass_waits, int(step.passed.sum())) + _unsure(fall_waits, int(step.fell.sum()))
    unsure = later * now * (1.0 - now) * np.sqrt(unsure)
    return one.of[waits], np.full(len(waits), place), site, now * later, by, slope, unsure


def _unsure(waits: Floats, seen: int) -> Floats:
    """Give the variance of the logarithm of a chance to wait so long that was learned from so many."""
    gone = np.maximum(1.0 - waits, 0.0)  # a rounding below 0 is none
    return np.asarray(gone / (np.maximum(waits, 0.02) * (seen + 1.0)))


def _when(found: Funnel, steps: list[int], place: int, ages: Ints, days: int) -> Floats:
    """Give by when one who will pass has, from each age on: now, and by the end of each day, (a, days + 1)."""
    passes = found.steps[place].delays.passes
    size = len(passes)
    seen = seen_after((ages + 0.5).astype(np.float64), size, found.reporting)
    unseen: Floats = passes * (1.0 - seen)
    total = np.maximum(unseen.sum(axis=1, keepdims=True), 1e-300)
    chance = _from_now(unseen / total, ages, days)  # what lies beyond the last day told does not come back
    for other in steps[steps.index(place) + 1 :]:
        delay = found.steps[other].delays.passes
        delay = delay / delay.sum()
        wide = np.zeros((len(ages), min(chance.shape[1] + len(delay) - 1, days + 1)))
        for lag in np.flatnonzero(delay[: wide.shape[1]] > 1e-6):
            told = min(chance.shape[1], wide.shape[1] - lag)
            wide[:, lag : lag + told] += delay[lag] * chance[:, :told]
        chance = wide
    by = chance.cumsum(axis=1)
    if by.shape[1] <= days:
        by = np.concatenate([by, np.repeat(by[:, -1:], days + 1 - by.shape[1], axis=1)], axis=1)
    return by


def _from_now(chance: Floats, ages: Ints, days: int) -> Floats:
    """Move chances by day of a step (a, k) to days from now: all days before in one, then up to `days`, (a, d + 1)."""
    size = chance.shape[1]
    past = chance.cumsum(axis=1)[np.arange(len(ages)), np.minimum(ages, size) - 1]
    day = np.arange(min(size, days)) + ages[:, None]
    moved = np.where(day < size, np.take_along_axis(chance, np.minimum(day, size - 1), axis=1), 0.0)
    return np.concatenate([np.where(ages > 0, past, 0.0)[:, None], moved], axis=1)


def _doubt(found: Funnel, at: Ints, site: Ints) -> tuple[Floats, float]:
    """Give the variance of each subject's chance that its site alone has, (n,), and that which all share."""
    if len(at) == 0:
        return np.zeros(0), 0.0
    shared = np.array([float(step.chance.study.variance[0]) for step in found.steps])
    sites = np.stack([step.chance.sites.variance for step in found.steps])
    return np.maximum(sites[at, site] - shared[at], 0.0), float(shared[at].mean())
