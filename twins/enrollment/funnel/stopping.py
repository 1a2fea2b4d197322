"""When to stop screening: late enough that the target is reached, so early that few are enrolled beyond it.

Who is in the funnel when screening stops still comes. More days of screening bring more, so the first day on which the
target is likely enough is also the one with the least expected excess. What comes in the end is counted from the known,
those in the funnel, those enrolled of whom nothing is known yet, and those who begin screening until the stop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.funnel.counts import at_least, chances, quantiles, room
from twins.enrollment.funnel.in_flight import InFlight
from twins.enrollment.funnel.nowcast import Nowcast
from twins.enrollment.funnel.posterior import Funnel
from twins.enrollment.study import OPEN, Floats, Ints, Study

RECENT = 56.0  # assumed: days from which the rate of screening is learned where none is given
MOST_DAYS = 365  # ahead that a stop is looked for


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who begins screening from now until the end of each day and reaches the milestone in the end, (m,) each.

    `mean` and `variance` are of the intensity: the count has the mean once more in its variance. `slope` is how the
    mean moves with the study's chance to pass screening.
    """

    mean: Floats
    variance: Floats
    slope: Floats


@dataclass(frozen=True, slots=True)
class Excess:
    """What comes in the end if screening stops then.

    `day` [d since the origin]; `reached`: chance to reach the target; `low`, `middle`, `high`: subjects in the end, of
    90 %; `over`: expected number beyond the target; `short`: expected number below it.
    """

    day: float
    reached: float
    low: int
    middle: int
    high: int
    over: float
    short: float


@dataclass(frozen=True, slots=True)
class Stop:
    """When to stop screening. `best` is None where no day within what was looked at is likely enough.

    `reached` (m + 1,): chance to reach the target if screening stops now, and at the end of each day.
    """

    now: Excess
    best: Excess | None
    reached: Floats


def arrivals(study: Study, found: Funnel, *, days: int = 120) -> Arrivals:
    """Learn who will begin screening from the last eight weeks, at the sites open now and their number of days.

    A site's days count alike: where rates drift or sites will open, give `arrivals_of` the draws of the rates instead.
    """
    begins = [place for place, step in enumerate(found.steps) if step.entrants.begins == "screened"]
    when = study.subjects.screened if begins else study.counting_days
    since = study.as_of - RECENT
    came = int(np.sum(when[~np.isnan(when)] >= since))
    spans = study.spans
    open_days = float(np.maximum(spans.end - np.maximum(spans.start, since), 0.0).sum())
    shape, now = came + 0.5, int(np.sum(study.sites.status == OPEN))
    rate = shape / max(open_days, 1.0) * now
    p, doubt, slope = 1.0, 0.0, 1.0
    if begins:
        first = found.steps[begins[0]].chance.study
        p, doubt = float(first.mean[0]), float(first.variance[0])
        for step in found.steps[begins[0] + 1 :]:
            if step.entrants.begins != study.milestone:
                slope *= float(step.chance.study.mean[0])
    t = np.arange(1, min(days, MOST_DAYS) + 1, dtype=np.float64)
    mean = t * rate * p * slope
    return Arrivals(mean, mean**2 / shape + (t * rate * slope) ** 2 * doubt, t * rate * slope if begins else 0.0 * t)


def arrivals_of(draws: Floats) -> Arrivals:
    """Take arrivals from joint draws.

    Parameters
    ----------
    draws : array, shape (d, m)
        Expected number, draw by draw, of those who begin screening by the end of each day and will reach the milestone.
    """
    return Arrivals(draws.mean(axis=0), draws.var(axis=0), np.zeros(draws.shape[1]))


def stop_screening(
    study: Study, target: int, flight: InFlight, unknown: Nowcast, coming: Arrivals, *, sure: float = 0.9
) -> Stop:
    """Say when to stop screening.

    Parameters
    ----------
    target : int
        Subjects to be reached at the counting milestone.
    flight, unknown, coming : InFlight, Nowcast, Arrivals
        Of the same study and funnel.
    sure : float
        The chance with which the target is to be reached.
    """
    # Who may have enrolled already of those in the funnel is among the unknown, and counted once.
    more = max(unknown.total - float(flight.mean[0]), 0.0)
    spread = unknown.total_variance * more / max(unknown.total, 1e-12)
    mean = flight.total + more + np.concatenate([[0.0], coming.mean])
    slope = np.concatenate([[0.0], coming.slope])
    variance = np.concatenate([[0.0], coming.mean + coming.variance]) + 2.0 * slope * flight.slope * flight.doubt
    variance = variance + flight.total_variance + spread
    known = len(study.counted)
    reached = np.asarray(at_least(mean, variance, float(target - known)))
    likely = np.flatnonzero(reached >= sure)
    best = None
    if len(likely):
        place = int(likely[0])
        best = _excess(study.as_of + place, known, target, float(mean[place]), float(variance[place]))
    return Stop(_excess(study.as_of, known, target, float(mean[0]), float(variance[0])), best, reached)


def _excess(day: float, known: int, target: int, mean: float, variance: float) -> Excess:
    p = chances(mean, variance, room(mean, variance))
    low, middle, high = (int(one) + known for one in quantiles(p, (0.05, 0.5, 0.95)))
    beyond = known + np.arange(len(p)) - target
    reached = float(p[beyond >= 0].sum())
    over, short = (float(p @ np.maximum(sign * beyond, 0)) for sign in (1, -1))
    return Excess(day, reached, low, middle, high, over, short)


@dataclass(frozen=True, slots=True)
class Stratum:
    """One stratum: subjects known, expected of those in the funnel, its cap, and the chance that they exceed it.

    `free`: places left once those in the funnel have come, expected; `close`: whether to stop screening for it, as
    those in the funnel fill it with the stated chance.
    """

    name: str
    known: int
    coming: float
    cap: float
    exceeds: float
    free: float
    close: bool


def strata(study: Study, flight: InFlight, *, sure: float = 0.9) -> tuple[Stratum, ...]:
    """Hold what comes of those in the funnel against the caps of strata; whose stratum is not known counts for none."""
    happened = ~np.isnan(study.counting_days)
    found = []
    for place, name in enumerate(study.strata):
        cap = float(study.strata_caps[place]) if place < len(study.strata_caps) else np.inf
        known = int(np.sum(happened & (study.subjects.stratum == place)))
        p = flight.chance[study.subjects.stratum[flight.of] == place]
        mean = float(p.sum())
        # The doubt that all share falls on a stratum as on its part of the whole.
        variance = float((p * (1.0 - p)).sum()) + (mean / max(flight.total, 1e-12) * flight.slope) ** 2 * flight.doubt
        full = at_least(mean, variance, np.array([cap - known, cap - known + 1.0])) if np.isfinite(cap) else np.zeros(2)
        free = max(cap - known - mean, 0.0)
        found.append(Stratum(name, known, mean, cap, float(full[1]), free, bool(full[0] >= sure)))
    return tuple(found)


def screening_load(study: Study, found: Funnel, places: Floats) -> tuple[Ints, Floats]:
    """Give how many are in screening at each site, and how many a day it can take in at most in the long run.

    Parameters
    ----------
    places : array, shape (s,)
        How many a site can have in screening at once; inf where nothing limits it.

    Returns
    -------
    waits : array of int, shape (s,)
    most : array, shape (s,)
        Subjects a day: places over the mean stay (Little 1961, Oper. Res. 9:383).
    """
    steps = [step for step in found.steps if step.entrants.begins == "screened"]
    if not steps:
        return np.zeros(len(study.sites), dtype=np.int64), np.asarray(places, dtype=np.float64)
    delays = steps[0].delays
    day = np.arange(len(delays.passes)) + 0.5
    stay = float((delays.passes + delays.falls) @ np.minimum(day, study.screening_days))
    stay += delays.never * study.screening_days
    return steps[0].waits, np.asarray(places / stay)
