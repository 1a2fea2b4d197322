"""What is to be expected of a study: subjects by days, with quantiles, and when each target is reached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.rates.counts import chance, layers, mixed, quantiles
from twins.enrollment.rates.expecting import expect
from twins.enrollment.rates.learning import Posterior
from twins.enrollment.study import MONTH, Floats, Study

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
LAYER = 4  # draws put together where the study's mixture is computed
RECENT = 60.0  # days whose subjects tell where those not known yet belong
HALVINGS = 12  # of a step: to minutes


@dataclass(frozen=True, slots=True)
class Reaching:
    """When a target of subjects is reached: `days` at `LEVELS`, inf where that lies beyond the horizon.

    `on_time`: the probability to reach it by its day. `ever`: by the horizon.
    """

    name: str
    days: Floats
    on_time: float
    ever: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """Subjects in all by each of `days`, at `levels`, and the targets.

    `study` (f, 5), `countries` (c, f, 5), `sites` (s, f, 5), (0, f, 5) where they were not asked for; `mean` (f,). Days
    are of the study, as in `Study`.
    """

    days: Floats
    levels: Floats
    mean: Floats
    study: Floats
    countries: Floats
    sites: Floats
    reaching: tuple[Reaching, ...]


@dataclass(frozen=True, slots=True)
class Unreported:
    """Subjects who have come and are not known yet: how many are expected, and the variance of their number."""

    mean: float = 0.0
    variance: float = 0.0


NOBODY = Unreported()


def outlook(
    posterior: Posterior, study: Study, days: Floats, unreported: Unreported = NOBODY, *, sites: bool = True
) -> Outlook:  # fmt: skip
    """Say what is to be expected by days, and when targets of subjects are reached.

    Parameters
    ----------
    posterior : Posterior
        What was learned of this very study.
    days : array, shape (f,)
        Ascending days of the study, later than its `as_of`.
    unreported : Unreported
        They belong to sites and countries as those of the last `RECENT` days do.
    sites : bool
        Whether each site is asked about too.
    """
    days = np.asarray(days, dtype=np.float64)
    if not len(days) or days[0] <= study.as_of or np.any(np.diff(days) <= 0.0):
        raise ValueError(
            f"expected ascending days after {study.as_of:g}, received {days.tolist()}, for study {study.key}; "
            "ask for days to come"
        )
    edges = steps_to(study.as_of, days, posterior.settings.horizon)
    expected = expect(posterior, study, edges)
    place = np.searchsorted(edges, days) - 1
    mean = expected.mean.sum(axis=0) + unreported.mean  # (d, f)
    variance = expected.variance.sum(axis=0) + unreported.variance
    overall = mean[:, place].mean(axis=0)
    mean, variance = layers(mean, variance, LAYER)
    so_far = float(posterior.brought.sum())
    country = np.bincount(study.sites.country, weights=posterior.brought, minlength=len(study.countries))
    caps = np.array([one.cap for one in study.countries])
    site_share = _recently(study)
    share = np.bincount(study.sites.country, weights=site_share, minlength=len(study.countries))[:, None]
    by_country = quantiles(
        expected.free_mean[:, place] + share * unreported.mean,
        expected.free_variance[:, place] + share * unreported.variance,
        LEVELS,
    )
    by_country = np.minimum(by_country, np.maximum(caps - country, 0.0)[:, None, None]) + country[:, None, None]
    room = np.maximum(study.sites.cap - posterior.brought, 0.0)
    asked = slice(None if sites else 0)
    by_site = quantiles(
        expected.site_mean[asked, place] + site_share[asked, None] * unreported.mean,
        expected.site_variance[asked, place] + site_share[asked, None] * unreported.variance,
        LEVELS,
    )
    by_site = np.minimum(by_site, room[asked, None, None]) + posterior.brought[asked, None, None]
    most = min(float(np.maximum(caps - country, 0.0).sum()), float(room.sum()))
    whole = so_far + np.minimum(mixed(mean[:, place], variance[:, place], LEVELS), most)
    return Outlook(
        days, LEVELS, so_far + overall, np.maximum.accumulate(whole, axis=0), by_country, by_site,
        _reaching(study, edges, mean, variance, so_far),
    )  # fmt: skip


def _recently(study: Study) -> Floats:
    """Give each site's share of the subjects of the last days, shape (s,); of all where there were none of late."""
    days = study.counting_days
    for since in (study.as_of - RECENT, -np.inf):
        which = study.subjects.site[days >= since]
        if len(which):
            return np.bincount(which, minlength=len(study.sites)) / len(which)
    return np.full(len(study.sites), 1.0 / max(len(study.sites), 1))


def steps_to(as_of: float, days: Floats, horizon: float) -> Floats:
    """Give edges of steps from `as_of` to the horizon: all days, and between them steps that grow with their age."""
    last = max(horizon, float(days[-1]) - as_of)
    grid = MONTH * np.concatenate([np.arange(1.0, 24.0), np.arange(24.0, 60.0, 6.0), np.arange(60.0, 120.0, 15.0)])
    grid = as_of + np.append(grid[grid < 0.9 * last], last)
    step = np.diff(grid, prepend=as_of)
    near = np.abs(grid[:, None] - days).min(axis=1)
    return np.unique(np.concatenate([[as_of], days, grid[near > 0.55 * step]]))


def _reaching(study: Study, edges: Floats, mean: Floats, variance: Floats, so_far: float) -> tuple[Reaching, ...]:
    wanted = [one for one in study.targets if one.of == "subjects"]
    if not wanted:
        return ()
    counted = study.counted
    left = np.array([one.count - so_far for one in wanted])
    due = np.array([one.day for one in wanted])
    mean, variance = (np.column_stack([np.zeros(len(part)), part]) for part in (mean, variance))
    end = edges[-1]
    probability = _reached(edges, mean, variance, np.clip(due, edges[0], end)[:, None], left[:, None])[:, 0]
    ever = _reached(edges, mean, variance, np.full((len(left), 1), end), left[:, None])[:, 0]
    low, high = _bracket(edges, mean, variance, left[:, None])
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        there = _reached(edges, mean, variance, middle, left[:, None]) >= LEVELS
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    out = []
    for place, one in enumerate(wanted):
        if left[place] <= 0:  # it has been
            day = float(counted[one.count - 1]) if one.count > 0 else edges[0]
            out.append(Reaching(one.name, np.full(len(LEVELS), day), float(day <= one.day), 1.0))
            continue
        days = np.where(ever[place] >= LEVELS, high[place], np.inf)
        on_time = float(probability[place]) if one.day > study.as_of else 0.0
        out.append(Reaching(one.name, days, on_time, float(ever[place])))
    return tuple(out)


def _bracket(edges: Floats, mean: Floats, variance: Floats, left: Floats) -> tuple[Floats, Floats]:
    """Find the edges between which each level is reached, each (n, levels); the last step where none is."""
    at = _reached(edges, mean, variance, np.broadcast_to(edges, (len(left), len(edges))), left)
    before = (at[:, :, None] < LEVELS).sum(axis=1)
    place = np.clip(before - 1, 0, len(edges) - 2)
    return edges[place], edges[place + 1]


def _reached(edges: Floats, mean: Floats, variance: Floats, days: Floats, left: Floats) -> Floats:
    """Give P(T <= day) = P(N(day) >= left): the duality. `days` (n, l), `left` (n, 1)."""
    place = np.clip(np.searchsorted(edges, days, side="right") - 1, 0, len(edges) - 2)
    share = (days - edges[place]) / (edges[place + 1] - edges[place])
    at = mean[:, place] * (1.0 - share) + mean[:, place + 1] * share
    wide = variance[:, place] * (1.0 - share) + variance[:, place + 1] * share
    return np.asarray(1.0 - chance(left - 1.0, at, wide).mean(axis=0), dtype=np.float64)


def by_then(posterior: Posterior, study: Study, day: float, counts: Floats) -> Floats:
    """Give the probability that there are at most `counts` (n,) subjects by a day of the study."""
    edges = steps_to(study.as_of, np.array([day]), day - study.as_of)
    expected = expect(posterior, study, edges)
    mean, variance = layers(expected.mean.sum(axis=0), expected.variance.sum(axis=0), LAYER)
    left = np.asarray(counts, dtype=np.float64) - float(posterior.brought.sum())
    return np.asarray(chance(left, mean[:, -1:], variance[:, -1:]).mean(axis=0), dtype=np.float64)
