"""What the facts say of each step of the funnel: how many pass, how long it takes, why some fail, who drops out later.

A subject who still waits is evidence too: the longer than those who pass, the less likely. Of the likelihood of each,
`_informed` takes what it says of the chance to pass, as parts of a subject passed and fallen out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from twins.enrollment.funnel.delays import Delays, delays_of
from twins.enrollment.funnel.pooling import Betas, Pooled, pool
from twins.enrollment.funnel.reporting import Reporting, learn_reporting
from twins.enrollment.funnel.steps import FELL, PASSED, WAITS, Entrants, entrants
from twins.enrollment.study import MONTH, Floats, Ints, Study

JEFFREYS = 0.5  # added to each count: Jeffreys' prior of a share, and of the shape of a rate


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `passed`, `fell`, `waits` are counts of subjects by site (s,), `chance` that of passing it.

    `unknown`: how likely one who passes, and one who does not, is not yet known to, of each who waits, each (w,).
    """

    entrants: Entrants
    passed: Ints
    fell: Ints
    waits: Ints
    chance: Pooled
    delays: Delays
    unknown: tuple[Floats, Floats]

    @property
    def name(self) -> str:
        """Name the step."""
        return self.entrants.name


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What became of those who reached the counting milestone.

    `rate`, `low`, `high`: those who drop out (withdraw or are lost), per subject and month, with bounds of 90 %;
    NaN before anyone was followed.
    """

    completed: int
    withdrawn: int
    lost: int
    ongoing: int
    months: float  # that subjects were followed, together
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Funnel:
    """The funnel of a study: its steps in order, screen failures by reason (r,), the share of each among all failures.

    A failure without a reason counts among all, and for none. `reporting` is what delays were corrected by.
    """

    steps: tuple[Step, ...]
    failures: Ints
    of_failures: Betas
    follow_up: FollowUp
    reporting: Reporting


def funnel(study: Study, reporting: Reporting | None = None) -> Funnel:
    """Learn the funnel of a study.

    Parameters
    ----------
    study : Study
    reporting : Reporting, optional
        How long it takes until ends of steps are known; learned from the counting milestone without.
    """
    reporting = learn_reporting(study) if reporting is None else reporting
    s = study.subjects
    failed = s.reason[~np.isnan(s.failed)]
    failures = np.bincount(failed[failed >= 0], minlength=len(study.reasons))
    of = failures.astype(np.float64)
    of_failures = Betas(of + JEFFREYS, len(failed) - of + JEFFREYS)
    steps = tuple(_step(study, one, reporting) for one in entrants(study))
    return Funnel(steps, failures, of_failures, _follow_up(study), reporting)


def _step(study: Study, one: Entrants, reporting: Reporting) -> Step:
    sites = len(study.sites)
    passed, fell, waits = (np.bincount(one.site[one.outcome == end], minlength=sites) for end in (PASSED, FELL, WAITS))
    delays = delays_of(one, reporting)
    unknown = delays.waiting(one.after[one.outcome == WAITS], reporting)
    more, less = _informed(one, delays, unknown, sites)
    known = np.maximum(passed + more, 0.0), np.maximum(fell + less, 0.0)
    chance = pool(*known, study.sites.country, len(study.countries))
    return Step(one, passed, fell, waits, chance, delays, unknown)


def _informed(
    one: Entrants, delays: Delays, unknown: tuple[Floats, Floats], sites: int
) -> tuple[Floats, Floats]:  # fmt: skip
    """Give what those who wait say of the chance to pass, as subjects passed and fallen out, each (s,).

    Slope and curvature of ln(p r + 1 - p) in logit p, r how much likelier one who passes waits so long, are matched to
    those of a ln p + b ln(1 - p).
    """
    waits = one.outcome == WAITS
    p = min(max(delays.share, 1e-6), 1.0 - 1e-6)
    pass_waits, fall_waits = unknown
    after = p * pass_waits / np.maximum(p * pass_waits + (1.0 - p) * fall_waits, 1e-12)
    both = np.clip(1.0 - after * (1.0 - after) / (p * (1.0 - p)), 0.0, 1.0)
    more = after - p + both * p
    site = one.site[waits]
    return (
        np.bincount(site, more, minlength=sites).astype(np.float64),
        np.bincount(site, both - more, minlength=sites).astype(np.float64),
    )


def _follow_up(study: Study) -> FollowUp:
    s = study.subjects
    began: Floats = study.counting_days
    ends = np.stack([s.completed, s.withdrawn, s.lost])[:, ~np.isnan(began)]
    began = began[~np.isnan(began)]
    first = np.fmin.reduce(ends, axis=0)
    how = [int((ends[place] == first).sum()) for place in range(3)]
    months = float(np.maximum(np.where(np.isnan(first), study.as_of, first) - began, 0.0).sum()) / MONTH
    dropped = how[1] + how[2]
    exposure = months if months > 0.0 else np.nan
    low, high = (float(gammaincinv(dropped + JEFFREYS, level)) / exposure for level in (0.05, 0.95))
    ongoing = int(np.isnan(first).sum())
    return FollowUp(how[0], how[1], how[2], ongoing, months, (dropped + JEFFREYS) / exposure, low, high)
