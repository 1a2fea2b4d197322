"""The steps of a study's funnel: who came to each, who passed it and when, who fell out, who still waits.

A step leads from one milestone that the study records to the next. Passing is to reach any later milestone, so that a
milestone left out by a site costs nothing. Falling out is to fail, to withdraw or to be lost before that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.study import Floats, Ints, Study

PATH = ("prescreened", "consented", "screened", "enrolled", "randomised")
LONGEST = 90.0  # assumed: days after which nobody is waited for at a step that has no limit of its own


@dataclass(frozen=True, slots=True)
class Entrants:
    """Those who came to a step, each column of shape (n,).

    `of` indexes the study's subjects. `after` is how long the step took until it was passed or they fell out, or how
    long they have waited [d]; `outcome` is PASSED, FELL or WAITS. `limit` is the longest a pass may take [d].
    """

    begins: str
    ends: str
    of: Ints
    site: Ints
    after: Floats
    outcome: Ints
    limit: float

    @property
    def name(self) -> str:
        """Name the step."""
        return f"{self.begins} to {self.ends}"


PASSED, FELL, WAITS = range(3)


def entrants(study: Study) -> tuple[Entrants, ...]:
    """Give the steps up to the last milestone that the study records, in the order of the path."""
    s = study.subjects
    used = [name for name in PATH if name == study.milestone or bool(np.any(~np.isnan(getattr(s, name))))]
    fell = np.fmin(np.fmin(s.failed, s.withdrawn), s.lost)
    steps = []
    for place, begins in enumerate(used[:-1]):
        later = np.fmin.reduce([getattr(s, name) for name in used[place + 1 :]])
        entered: Floats = getattr(s, begins)
        of = np.flatnonzero(~np.isnan(entered))
        passed, out, entered = later[of], fell[of], entered[of]
        outcome = np.where(~np.isnan(passed), PASSED, np.where(~np.isnan(out), FELL, WAITS))
        ended = np.where(outcome == PASSED, passed, np.where(outcome == FELL, out, study.as_of))
        after = np.maximum(ended - entered, 0.0)
        limit = study.screening_days if begins == "screened" else LONGEST
        steps.append(Entrants(begins, used[place + 1], of, s.site[of], after, outcome, limit))
    return tuple(steps)
