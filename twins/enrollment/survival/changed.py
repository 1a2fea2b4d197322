"""The default belief: a Weibull law, or a hazard that changed once at a time nobody told, weighed by their evidence.

A Weibull fitted to short follow-up says too surely what comes after it. Trials whose hazard falls once patients are
past the first months are common (eventPred's own example is one), and a law with one change tells them apart as soon
as data allow.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twins.enrollment.study import Floats
from twins.enrollment.survival.beliefs import (
    GRID,
    PIECE_EVENTS,
    SHAPE_SD,
    Beliefs,
    Prior,
    draw_each,
    known_beforehand,
    middle_of,
)
from twins.enrollment.survival.fitting import pieces
from twins.enrollment.survival.laws import Law, Piecewise, law
from twins.enrollment.survival.noise import strata

CHANGES: Final = (
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
)  # candidates, of the longest follow-up; assumed: no more is told apart
CHANGED: Final = 0.2  # probability a priori that the hazard changed; assumed, with the coverage of both kinds in sight


def learn_default(
    days: Floats, events: Floats | NDArray[np.bool_], draws: int, seed: int, purpose: int, prior: Prior | None = None
) -> Beliefs:
    """Learn the time to an event without being told its law; parameters as in `learn`."""
    prior, events = known_beforehand(days, prior), events.astype(np.float64)
    longest = float(days.max()) if len(days) else 0.0
    cuts = [(0.0, round(share * longest, 6)) for share in CHANGES] if longest > 0 and events.any() else []
    laws: list[Law] = [law("weibull"), *(Piecewise(two) for two in cuts)]
    level = (events.sum() + prior.events) / (days.sum() + prior.days)
    height = np.array(
        [_weibull(days, events, prior, level), *(_pieces(Piecewise(two), days, events, level) for two in cuts)]
    )
    height[1:] += np.log(CHANGED / (1.0 - CHANGED) / max(len(cuts), 1))
    mass = np.cumsum(np.exp(height - height.max()))
    place = np.minimum(np.searchsorted(mass / mass[-1], strata(seed, purpose, 1000, draws)), len(laws) - 1)
    where = tuple(np.flatnonzero(place == k) for k in range(len(laws)))
    return draw_each(laws, where, days, events, prior, seed, purpose)


def _pieces(which: Piecewise, days: Floats, events: Floats, level: float) -> float:
    """Give the log evidence of rates that are each Gamma(1, 1 / level)."""
    counts, exposure = pieces(which.cuts, which.ends, days, events)
    after = special.gammaln(PIECE_EVENTS + counts) - (PIECE_EVENTS + counts) * np.log(PIECE_EVENTS / level + exposure)
    before = special.gammaln(PIECE_EVENTS) - PIECE_EVENTS * np.log(PIECE_EVENTS / level)
    return float((after - before).sum())


def _weibull(days: Floats, events: Floats, prior: Prior, level: float) -> float:
    """Give the log evidence of a Weibull whose rate at the middle time is Gamma(1, 1 / level) were it constant."""
    middle = middle_of(days, events, prior)
    ratio, died = np.log(days / middle), float(events.sum())
    log_shape = np.linspace(-4.0, 4.0, GRID) * SHAPE_SD
    known = PIECE_EVENTS / (level * middle)
    spent = np.log(np.exp(np.exp(log_shape)[:, None] * ratio).sum(axis=1) + known)
    height = died * log_shape + (np.exp(log_shape) - 1.0) * float((ratio * events).sum())
    height += -(died + PIECE_EVENTS) * spent - 0.5 * (log_shape / SHAPE_SD) ** 2
    step = (log_shape[1] - log_shape[0]) / (SHAPE_SD * np.sqrt(2.0 * np.pi))
    whole = special.logsumexp(height) + np.log(step) + special.gammaln(died + PIECE_EVENTS)
    return float(whole + PIECE_EVENTS * np.log(known) - special.gammaln(PIECE_EVENTS) - died * np.log(middle))
