"""How long a step takes, for those who pass it and those who fall out: estimated with those who still wait in it.

Days are counted whole. Who waits may pass, may fall out, may never be heard of again, and may have done the first two
already without its being known yet. The estimate is the nonparametric one of competing ends under such censoring, found
by Turnbull's self-consistent iteration; without a delay of reporting it is Aalen's and Johansen's.

Source
------
Turnbull 1976, J. R. Statist. Soc. B 38:290, eq. 2.4; Aalen and Johansen 1978, Scand. J. Statist. 5:141. Where we
differ: a prior of `PRIOR` subjects, spread evenly, keeps a step with few subjects from certainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.funnel.reporting import Reporting
from twins.enrollment.funnel.steps import FELL, PASSED, WAITS, Entrants
from twins.enrollment.study import Floats

PRIOR = 1.0  # assumed: subjects' worth of ignorance, half of whom pass
ROUNDS = 60  # of the iteration, at most
CLOSE = 1e-5  # change of any chance below which it ends


@dataclass(frozen=True, slots=True)
class Delays:
    """Chances of the ends of a step, which sum to 1.

    `passes` and `falls` (k,): of passing, or falling out, on that day of the step. `never`: of neither, by the limit.
    `ends`: subjects whose end was seen.
    """

    passes: Floats
    falls: Floats
    never: float
    ends: int

    @property
    def share(self) -> float:
        """Chance to pass."""
        return float(self.passes.sum())

    def days(self, *levels: float) -> Floats:
        """Give the days within which such shares of those who pass have, shape (levels,)."""
        by = np.concatenate([[0.0], np.cumsum(self.passes)]) / max(self.share, 1e-12)
        return np.asarray(np.interp(levels, by, np.arange(len(by))))

    def waiting(self, ages: Floats, reporting: Reporting) -> tuple[Floats, Floats]:
        """Give how likely one who passes, and one who does not, is not yet known to at these ages [d], each (n,)."""
        unseen = 1.0 - seen_after(ages, len(self.passes), reporting)
        rest = max(1.0 - self.share, 1e-12)
        return unseen @ (self.passes / max(self.share, 1e-12)), (unseen @ self.falls + self.never) / rest


def delays_of(step: Entrants, reporting: Reporting) -> Delays:
    """Estimate the delays of a step from all who came to it."""
    days = int(np.ceil(step.limit)) + 1
    place = np.minimum(step.after.astype(np.int64), days - 1)
    known = np.bincount(place[step.outcome == PASSED], minlength=days).astype(np.float64)
    fallen = np.bincount(place[step.outcome == FELL], minlength=days).astype(np.float64)
    most = days + reporting.longest + 1
    age = np.minimum(step.after[step.outcome == WAITS].astype(np.int64), most)
    waits = np.bincount(age, minlength=most + 1).astype(np.float64)
    ages = np.flatnonzero(waits)
    prior = np.full(2 * days + 1, PRIOR / (2 * days + 1))
    told = np.concatenate([known, fallen, [0.0]]) + prior
    if len(ages) == 0:
        return _delays(told / told.sum(), days, int(known.sum() + fallen.sum()))
    unseen = 1.0 - seen_after((ages + 0.5).astype(np.float64), days, reporting)
    unseen = np.concatenate([unseen, unseen, np.ones((len(ages), 1))], axis=1)
    chance = _settle(told, unseen, waits[ages])
    return _delays(chance, days, int(known.sum() + fallen.sum()))


def seen_after(ages: Floats, days: int, reporting: Reporting) -> Floats:
    """Give the chance that an end on each day of a step is known at these ages, shape (n, days)."""
    return reporting.seen(ages[:, None] - np.arange(days))


def _settle(told: Floats, unseen: Floats, waits: Floats) -> Floats:
    total = told.sum() + waits.sum()
    chance = told + unseen.T @ (waits / unseen.sum(axis=1))
    chance /= chance.sum()
    for _ in range(ROUNDS):
        after = (told + chance * ((waits / (unseen @ chance)) @ unseen)) / total
        done = np.max(np.abs(after - chance)) < CLOSE
        chance = after
        if done:
            break
    return np.asarray(chance)


def _delays(chance: Floats, days: int, ends: int) -> Delays:
    return Delays(chance[:days], chance[days : 2 * days], float(chance[-1]), ends)
