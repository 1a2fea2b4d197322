"""What the facts say of a study as of an instant, by column: the one thing that every model of enrollment reads.

A study is a function of the set of its facts and of `as_of`, never of the order in which they came. Times are days
since `origin` (midnight UTC of the first planned day), NaN where something has not happened; nothing lies after `as_of`
but plans. Rates are subjects a day; a month is `MONTH` days.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

MONTH = 365.25 / 12  # mean month of the Julian year [d]
NORMAL_95 = 1.6448536269514722  # 95 % quantile of the normal distribution

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Milestone = Literal["enrolled", "randomised"]

PLANNED, INITIATED, OPEN, PAUSED, CLOSED = range(5)  # of a site


@dataclass(frozen=True, slots=True)
class Sites:
    """The sites of a study, each column of shape (s,), sorted by name."""

    names: tuple[str, ...]
    country: Ints  # index into `Study.countries`
    status: Ints  # PLANNED to CLOSED, as of `as_of`
    planned: Floats  # planned activation [d]; NaN where none is planned
    opened: Floats  # first activation [d]; NaN while there was none
    cap: Floats  # subjects it may bring; inf where it is not capped

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Spans:
    """When sites were open, each column of shape (k,): `start` to before `end` [d].

    A site that is still open has a span that ends at `as_of`. Spans of one site do not overlap.
    """

    site: Ints
    start: Floats
    end: Floats


@dataclass(frozen=True, slots=True)
class Subjects:
    """The subjects of a study, each column of shape (n,), sorted by (first day, pseudonym).

    Each is the day at which a step was taken [d], NaN where it was not; `reason` indexes `Study.reasons`, -1 for none;
    `stratum` indexes `Study.strata`, -1 for none. `reported` is how long after it happened the counting milestone was
    known [d], NaN where it has not happened. No arm stands here, in no form.
    """

    site: Ints
    stratum: Ints
    prescreened: Floats
    consented: Floats
    screened: Floats
    failed: Floats
    reason: Ints
    enrolled: Floats
    randomised: Floats
    withdrawn: Floats
    completed: Floats
    lost: Floats
    event: Floats
    reported: Floats

    def __len__(self) -> int:
        return len(self.site)


@dataclass(frozen=True, slots=True)
class Country:
    """One country: the most subjects it may bring (inf), its holidays as (first day, day after the last) [d]."""

    name: str
    cap: float = np.inf
    holidays: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """So many subjects, or events, by a day [d]. `last` is the study's own; others are interim looks."""

    name: str
    count: int
    day: float
    of: Literal["subjects", "events"] = "subjects"


@dataclass(frozen=True, slots=True)
class Study:
    """What the facts say of one study, as of a day.

    `milestone` is the step that counts towards the target. `targets` are in order of their day.
    """

    key: str
    as_of: float
    milestone: Milestone
    countries: tuple[Country, ...]
    sites: Sites
    spans: Spans
    subjects: Subjects
    targets: tuple[Target, ...]
    reasons: tuple[str, ...] = ()  # of screen failures
    strata: tuple[str, ...] = ()
    strata_caps: Floats = field(default_factory=lambda: np.zeros(0))
    screening_days: float = 28.0  # the longest a subject may be in screening

    @property
    def counting_days(self) -> Floats:
        """Day at which each subject reached the counting milestone [d], shape (n,); NaN where it has not."""
        days: Floats = getattr(self.subjects, self.milestone)
        return days

    @property
    def counted(self) -> Floats:
        """Days at which the counting milestone was reached, ascending, of those who reached it [d]."""
        days = self.counting_days
        return np.sort(days[~np.isnan(days)])

    def brought_by_site(self) -> Ints:
        """Count the subjects of each site who reached the counting milestone, shape (s,)."""
        reached = ~np.isnan(self.counting_days)
        return np.bincount(self.subjects.site[reached], minlength=len(self.sites)).astype(np.int64)

    def brought_by_country(self) -> Ints:
        """Count the subjects of each country who reached the counting milestone, shape (c,)."""
        found = np.bincount(self.sites.country, self.brought_by_site(), len(self.countries))
        return found.astype(np.int64)


def by_bin(study: Study, edges: Floats) -> tuple[Floats, Floats]:
    """Count, site by site, what came and how long each was open between edges.

    Parameters
    ----------
    edges : array, shape (b + 1,)
        Ascending [d].

    Returns
    -------
    counts : array, shape (s, b)
        Subjects who reached the counting milestone in the bin.
    open_days : array, shape (s, b)
        Days the site was open in the bin.

    Examples
    --------
    >>> import numpy as np
    >>> site, nan = np.array([0, 0]), np.full(2, np.nan)
    >>> none = np.full(2, -1)
    >>> subjects = Subjects(site, none, nan, nan, nan, nan, none, np.array([3.0, 12.0]), nan, nan, nan, nan, nan, nan)
    >>> sites = Sites(("S1",), np.array([0]), np.array([OPEN]), np.array([0.0]), np.array([2.0]), np.array([np.inf]))
    >>> spans = Spans(np.array([0]), np.array([2.0]), np.array([14.0]))
    >>> one = Study("ST-1", 14.0, "enrolled", (Country("DE"),), sites, spans, subjects, ())
    >>> [part.tolist() for part in by_bin(one, np.array([0.0, 7.0, 14.0]))]
    [[[1.0, 1.0]], [[5.0, 7.0]]]
    """
    sites, bins = len(study.sites), len(edges) - 1
    days = study.counting_days
    place = np.searchsorted(edges, days, side="right") - 1
    inside = (place >= 0) & (place < bins) & ~np.isnan(days)
    flat = np.bincount(study.subjects.site[inside] * bins + place[inside], minlength=sites * bins)
    counts = flat.reshape(sites, bins).astype(np.float64)
    start = np.clip(study.spans.start[:, None], edges[:-1], edges[1:])
    end = np.clip(study.spans.end[:, None], edges[:-1], edges[1:])
    open_days = np.zeros((sites, bins))
    np.add.at(open_days, study.spans.site, np.maximum(end - start, 0.0))
    return counts, open_days
