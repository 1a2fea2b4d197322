"""When sites that are not open will open: delays against plan, learned from those that opened and those that did not.

A site's start-up takes its plan's 206 days plus a delay; start-up is gamma, with a mean and a standard deviation that
are learned on a grid. A site that is due and not open has a delay longer than so far: it counts as that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from twins.enrollment.rates.settings import RateSettings
from twins.enrollment.study import INITIATED, OPEN, PAUSED, PLANNED, Floats, Ints, Study

STEPS = 6  # of the walk to the centre of the grid
SPREAD = np.array([-2.4, -1.2, 0.0, 1.2, 2.4])  # of the grid of means, in standard errors
FEW = 1e-3  # nodes of less weight are left out
LEAST = 1.0  # the shortest start-up, and a wait from now [d]


@dataclass(frozen=True, slots=True)
class Openings:
    """Nodes of a start-up's law: `mean`, `sd` [d] and `weight`, each (q,). `resume_days`: mean wait of a paused site.

    `status` (s,) and `begun` (s,): when the start-up of a site that has not opened is taken to have begun [d].
    """

    mean: Floats
    sd: Floats
    weight: Floats
    status: Ints
    begun: Floats
    resume_days: float


def learn_openings(study: Study, settings: RateSettings) -> Openings:
    """Learn how long start-ups take from the sites of a study."""
    sites, typical = study.sites, settings.start_up[0]
    due = ~np.isnan(sites.planned)
    opened = due & ~np.isnan(sites.opened)
    waits = due & np.isnan(sites.opened) & waiting(sites.status)
    lag = np.maximum((sites.opened - sites.planned)[opened], LEAST - typical)
    past = (study.as_of - sites.planned)[waits]
    past = past[past > -typical]
    sd, prior = (np.array(column) for column in zip(*settings.scatters, strict=True))
    if len(lag) + len(past):
        mean, weight = _grid(lag, past, sd, prior, settings)
        mean, sd = mean + typical, np.repeat(sd, len(SPREAD))
    else:  # nothing is planned: published start-ups
        mean, sd, weight = np.array([typical]), np.array([settings.start_up[1]]), np.ones(1)
    keep = weight >= FEW
    begun = np.where(due, sites.planned - typical, study.as_of)
    return Openings(
        np.maximum(mean[keep], 3.0 * LEAST), sd[keep], weight[keep] / weight[keep].sum(), sites.status, begun,
        _resume(study, settings),
    )  # fmt: skip


def going(openings: Openings, days: Floats, as_of: float) -> Floats:
    """Give the probability that each site recruits by days from now, of those open or paused, shape (s, f)."""
    out = np.zeros((len(openings.status), len(days)))
    out[openings.status == OPEN] = 1.0
    out[openings.status == PAUSED] = -np.expm1(-(days - as_of) / openings.resume_days)
    return out


def opened_by(openings: Openings, days: Floats, as_of: float) -> Floats:
    """Give the probability that sites which wait are open by days from now, for each node, shape (q, w, f)."""
    mean, sd = openings.mean[:, None, None], openings.sd[:, None, None]
    begun = openings.begun[waiting(openings.status)][:, None]
    late = started(days - begun, mean, sd)
    now = started(as_of - begun, mean, sd)
    left = 1.0 - now
    # So late that the law has no tail left: what remains is short against it, and takes a tenth of its spread.
    rest = np.where(left > 1e-9, (late - now) / np.maximum(left, 1e-9), -np.expm1(-10.0 * (days - as_of) / sd))
    return np.asarray(np.clip(rest, 0.0, 1.0), dtype=np.float64)


def waiting(status: Ints) -> NDArray[np.bool_]:
    """Say which sites are yet to open."""
    return np.isin(status, (PLANNED, INITIATED))


def started(days: Floats, mean: Floats, sd: Floats) -> Floats:
    """Give the gamma's distribution function of a start-up, by Wilson and Hilferty's cube root.

    Within 2e-3 of the gamma for shapes of 3 and more.
    """
    ninth = np.square(sd / mean) / 9.0
    return np.asarray(ndtr((np.cbrt(np.maximum(days, 0.0) / mean) - 1.0 + ninth) / np.sqrt(ninth)), dtype=np.float64)


def _grid(lag: Floats, past: Floats, sd: Floats, prior: Floats, settings: RateSettings) -> tuple[Floats, Floats]:
    """Give means and weights of nodes (n,): for each sd a few means about the mode of normal delays, some cut."""
    mean0, tau = settings.late
    scale = sd[:, None]
    weight0 = 1.0 / tau**2
    centre = (lag.sum() / sd**2 + mean0 * weight0) / (len(lag) / sd**2 + weight0)
    for _ in range(STEPS):
        hazard, z = _hazard((past - centre[:, None]) / scale)
        gradient = (lag.sum() - len(lag) * centre) / sd**2 + hazard.sum(axis=1) / sd + (mean0 - centre) * weight0
        curvature = len(lag) / sd**2 + (hazard * (hazard - z)).sum(axis=1) / sd**2 + weight0
        centre = centre + gradient / curvature
    mean = (centre[:, None] + SPREAD / np.sqrt(curvature)[:, None]).reshape(-1)
    many = np.repeat(sd, len(SPREAD))
    told = -0.5 * np.square((lag - mean[:, None]) / many[:, None]).sum(axis=1) - len(lag) * np.log(many)
    told = told + np.log(np.maximum(ndtr((mean[:, None] - past) / many[:, None]), 1e-300)).sum(axis=1)
    told = told - 0.5 * np.square((mean - mean0) / tau) + np.repeat(np.log(prior / np.sqrt(curvature)), len(SPREAD))
    weight = np.exp(told - told.max())
    return mean, weight / weight.sum()


def _hazard(z: Floats) -> tuple[Floats, Floats]:
    """Give the standard normal's hazard and the z it is taken at, held where it can be computed."""
    z = np.clip(z, -30.0, 30.0)
    return np.exp(-0.5 * z * z) / (np.sqrt(2.0 * np.pi) * np.maximum(ndtr(-z), 1e-300)), z


def _resume(study: Study, settings: RateSettings) -> float:
    """Learn the mean of a pause from those of all sites: days paused over pauses ended, with one of the prior."""
    order = np.lexsort((study.spans.start, study.spans.site))
    site, start, end = study.spans.site[order], study.spans.start[order], study.spans.end[order]
    same = site[1:] == site[:-1]
    gaps = (start[1:] - end[:-1])[same]
    paused = np.flatnonzero(study.sites.status == PAUSED)
    last = np.full(len(study.sites), study.as_of)
    last[site] = end  # the last span of each, for they are in order
    days = float(gaps.sum() + (study.as_of - last[paused]).sum())
    return (settings.pause_days + days) / (1.0 + len(gaps))
