"""What explains a shortfall against plan, as a sum that is exact: by site and cause, ranked.

A plan says when each site opens, how many subjects a day it then brings, and what share of its screenings fails. What
is missing today is taken apart in the order in which a subject comes to be: the site opens, stays open, screens,
decides, passes.

    plan - come  =  rate x (days planned - days since it opened)          opened late, or never
                  + rate x (days paused) + rate x (days closed)
                  + (1 - q) x (screenings the open days should have brought - screenings)      screened too few
                  + (1 - q) x (screenings - decisions)                                         in screening, or left it
                  + (1 - q) x decisions - come                                                 more screen failures

with rate what the plan expects a day of an open site, q its share of screen failures. Negative parts are gains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from schemas.errors import ShapeError
from twins.enrollment.study import CLOSED, Floats, Study

Cause = Literal[
    "not_opened", "opened_late", "paused", "closed", "screened_fewer", "in_screening", "failed_more", "other"
]
CAUSES: tuple[Cause, ...] = (
    "not_opened", "opened_late", "paused", "closed", "screened_fewer", "in_screening", "failed_more", "other"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What is planned of each site, columns of shape (s,): subjects a day while open, and share of screen failures."""

    rate: Floats
    failing: Floats


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Subjects missing against plan, negative where there are more.

    `parts` (s + 1, 8) is by site and cause (`CAUSES`); its last row is what the plan expects beyond the sum of its
    sites, which is 0 where the plan is their sum. `ranked` are the largest of them, by country and cause.
    """

    planned: float
    come: int
    parts: Floats
    ranked: tuple[Contribution, ...]

    @property
    def missing(self) -> float:
        """Planned less come."""
        return self.planned - self.come


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one country misses by one cause; `sites` are its sites, the largest part first. None: not of a country."""

    country: str | None
    cause: Cause
    subjects: float
    sites: tuple[str, ...]


def plan_of_curve(study: Study, planned: float, failing: float = 0.0) -> SitePlan:
    """Make a plan of sites of a plan of the study: alike sites, that together bring `planned` subjects by today.

    Examples
    --------
    >>> import numpy as np
    >>> from twins.enrollment.study import Sites, Spans, Study, Country, Subjects, PLANNED
    >>> none, zero = np.zeros(0), np.zeros(0, dtype=np.int64)
    >>> sites = Sites(("S1",), np.array([0]), np.array([PLANNED]), np.array([5.0]), np.array([np.nan]), np.array([9.0]))
    >>> nobody = Subjects(zero, zero, *[none] * 4, zero, *[none] * 7)
    >>> one = Study("ST-1", 25.0, "enrolled", (Country("DE"),), sites, Spans(zero, none, none), nobody, ())
    >>> plan_of_curve(one, 10.0).rate.tolist()
    [0.5]
    """
    days = _planned_days(study).sum()
    rate = planned / days if days > 0 else 0.0
    return SitePlan(np.full(len(study.sites), rate), np.full(len(study.sites), failing))


def explain_shortfall(study: Study, plan: SitePlan, planned: float | None = None) -> Shortfall:
    """Take apart what is missing today.

    Parameters
    ----------
    study : Study
        As of today.
    plan : SitePlan
        Of its sites; their planned activations are the study's.
    planned : float, optional
        Subjects planned by today; what it exceeds the sum of the sites by is told as `other`. Default: the sum.

    Raises
    ------
    ShapeError
        If the plan does not have one element a site.
    """
    sites = len(study.sites)
    if plan.rate.shape != (sites,) or plan.failing.shape != (sites,):
        raise ShapeError(
            f"expected a plan of {sites} sites, received rates of shape {plan.rate.shape} and failing of shape "
            f"{plan.failing.shape}, for study {study.key}; give one element a site, in the order of `Study.sites`"
        )
    parts = np.zeros((sites + 1, len(CAUSES)))
    parts[:-1, :4] = _of_days(study, plan.rate)
    parts[:-1, 4:7] = _of_funnel(study, plan)
    come = len(study.counted)
    of_sites = float((plan.rate * _planned_days(study)).sum())
    parts[-1, -1] = 0.0 if planned is None else planned - of_sites
    return Shortfall(of_sites if planned is None else planned, come, parts, _ranked(study, parts))


def _planned_days(study: Study) -> Floats:
    days: Floats = np.nan_to_num(np.maximum(study.as_of - study.sites.planned, 0.0))
    return days


def _open_days(study: Study) -> Floats:
    days = np.bincount(study.spans.site, study.spans.end - study.spans.start, minlength=len(study.sites))
    return days.astype(np.float64)


def _of_days(study: Study, rate: Floats) -> Floats:
    """Subjects lost by days on which a site was not open: never opened, late, paused, closed. Shape (s, 4)."""
    never = np.isnan(study.sites.opened)
    since = np.where(never, 0.0, np.maximum(study.as_of - study.sites.opened, 0.0))
    late = _planned_days(study) - since
    last = np.full(len(study.sites), -np.inf)
    np.maximum.at(last, study.spans.site, study.spans.end)
    last = np.maximum(last, np.nan_to_num(study.sites.opened, nan=study.as_of))
    closed = np.where((study.sites.status == CLOSED) & ~never, study.as_of - last, 0.0)
    paused = since - _open_days(study) - closed
    lost: Floats = rate[:, None] * np.stack((late * never, late * ~never, paused, closed), axis=1)
    return lost


def _of_funnel(study: Study, plan: SitePlan) -> Floats:
    """Subjects lost while open: too few screened, not decided yet, failed more. Shape (s, 3)."""
    subjects, sites = study.subjects, len(study.sites)
    come = ~np.isnan(study.counting_days)
    decided = come | ~np.isnan(subjects.failed)
    screened = decided | ~np.isnan(subjects.screened)
    number, decisions, screenings = (
        np.bincount(subjects.site[each], minlength=sites).astype(np.float64) for each in (come, decided, screened)
    )
    passing = 1.0 - plan.failing
    fewer = plan.rate * _open_days(study) - passing * screenings
    return np.stack((fewer, passing * (screenings - decisions), passing * decisions - number), axis=1)


def _ranked(study: Study, parts: Floats) -> tuple[Contribution, ...]:
    """Sum by country and cause; the largest losses first."""
    by_country = np.zeros((len(study.countries), len(CAUSES)))
    np.add.at(by_country, study.sites.country, parts[:-1])
    told = []
    for country, cause in zip(*np.nonzero(by_country), strict=True):
        here = np.flatnonzero((study.sites.country == country) & (parts[:-1, cause] != 0))
        sign = np.sign(by_country[country, cause])
        order = here[np.argsort(-sign * parts[here, cause], kind="stable")]
        names = tuple(study.sites.names[each] for each in order)
        subjects = float(by_country[country, cause])
        told.append(Contribution(study.countries[country].name, CAUSES[cause], subjects, names))
    if parts[-1, -1]:
        told.append(Contribution(None, "other", float(parts[-1, -1]), ()))
    return tuple(sorted(told, key=lambda one: -one.subjects))
