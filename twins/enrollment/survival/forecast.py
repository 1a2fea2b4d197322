"""When the events of an event-driven trial will have happened: of those at risk now, and of those still to come.

Arms do not stand in a study, so every hazard is pooled over them: what is said here is blinded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from twins.enrollment.study import Floats, Ints, Study, Target
from twins.enrollment.survival.arrivals import arrivals
from twins.enrollment.survival.bands import number_quantiles
from twins.enrollment.survival.beliefs import Beliefs, Prior, learn
from twins.enrollment.survival.changed import learn_default
from twins.enrollment.survival.closed import Accrual
from twins.enrollment.survival.laws import Law, law
from twins.enrollment.survival.noise import DROPOUT, DROPOUT_LAW, EVENT, EVENT_LAW, exponentials
from twins.enrollment.survival.observed import Observed, observed

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # of what is said of a distribution


@dataclass(frozen=True, slots=True)
class Settings:
    """How events are forecast.

    `laws` of the event: several are averaged, none leaves the law to the data (`learn_default`). `dropouts` of the
    drop-out: several are averaged, none is no drop-out.
    `follow_up`: how long each subject is followed at most [d]; inf until the event. `prior` and `dropout_prior` as for
    `learn`.
    """

    laws: tuple[Law, ...] = ()
    dropouts: tuple[Law, ...] = (law("exponential"),)
    follow_up: float = np.inf
    prior: Prior = field(default_factory=Prior)
    dropout_prior: Prior = field(default_factory=Prior)


@dataclass(frozen=True, slots=True)
class EventDraws:
    """Draws of the days of all events: `known` (k,) so far and `ahead` (draws, n), ascending [d], inf for never."""

    known: Floats
    ahead: Floats

    def counts(self, dates: Floats) -> Floats:
        """Count events up to each date.

        Parameters
        ----------
        dates : array, shape (t,)
            [d]

        Returns
        -------
        array, shape (draws, t)
        """
        so_far = np.searchsorted(self.known, dates, side="right")
        return np.stack([row.searchsorted(dates, side="right") for row in self.ahead]) + so_far.astype(np.float64)

    def day_of(self, count: int) -> Floats:
        """Give the day of the `count`-th event, shape (draws,) [d]; inf where there are never so many."""
        draws, possible = self.ahead.shape
        if count <= len(self.known):
            return np.full(draws, self.known[count - 1] if count > 0 else -np.inf)
        if count - len(self.known) > possible:
            return np.full(draws, np.inf)
        return self.ahead[:, count - len(self.known) - 1]


@dataclass(frozen=True, slots=True)
class Look:
    """When a target of events is reached: quantiles of its day at the levels asked [d], inf where that is never.

    `by_day`: P(reached by the target's day). `never`: P(it never is: too few subjects are at risk or still to come).
    """

    name: str
    count: int
    day: float
    quantiles: Floats
    by_day: float
    never: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """Events so far, subjects at risk, and by date the mean (t,) and quantiles (t, levels) of their number."""

    events: int
    at_risk: int
    dates: Floats
    mean: Floats
    quantiles: Floats
    looks: tuple[Look, ...]


def believe(seen: Observed, settings: Settings, draws: int, seed: int) -> tuple[Beliefs, Beliefs | None]:
    """Learn the laws of event and drop-out from what was observed."""
    if settings.laws:
        event = learn(settings.laws, seen.days, seen.event, draws, seed, EVENT_LAW, settings.prior)
    else:
        event = learn_default(seen.days, seen.event, draws, seed, EVENT_LAW, settings.prior)
    if not settings.dropouts:
        return event, None
    return event, learn(settings.dropouts, seen.days, seen.dropout, draws, seed, DROPOUT_LAW, settings.dropout_prior)


def simulate(
    seen: Observed, event: Beliefs, dropout: Beliefs | None, future: Floats | None, follow_up: float, seed: int
) -> EventDraws:
    """Draw the days of all events to come.

    Parameters
    ----------
    seen : Observed
        Whose subjects at risk go on by conditional survival.
    event, dropout : Beliefs
        Draws of the laws, as many of each.
    future : array, shape (draws, n), optional
        Days at which subjects are still to enter, ascending; inf for nobody.
    follow_up : float
        How long each subject is followed at most [d].
    seed : int
        Numbers are by (seed, subject in order of entry, draw): the same whatever else changes.

    Source
    ------
    Bagiella and Heitjan 2001, Statistics in Medicine 20:2055; Ying, Heitjan and Chen 2004, Clinical Trials 1:352.
    """
    draws = event.draws
    future = np.empty((draws, 0)) if future is None else future
    if future.ndim != 2 or len(future) != draws:
        raise ValueError(f"expected enrollment of shape ({draws}, n), received {future.shape}; draw as many as laws")
    if future.size and future.min() < seen.as_of:
        raise ValueError(
            f"expected enrollment from day {seen.as_of} on, received day {future.min()}; forecast from there"
        )
    future = future[:, np.isfinite(future).any(axis=0)]
    held, entered = np.flatnonzero(seen.at_risk), len(seen)
    coming = np.arange(entered, entered + future.shape[1])
    now = _days_left(event, dropout, seen.days[held], follow_up, seed, held)
    then = _days_left(event, dropout, np.zeros(len(coming)), follow_up, seed, coming)
    days = np.concatenate([seen.as_of + now, then + future.T]).T.copy()
    days.sort(axis=1)
    return EventDraws(seen.event_days, days)


def outlook(
    seen: Observed, drawn: EventDraws, dates: Floats, targets: Sequence[Target], levels: Sequence[float] = LEVELS
) -> Outlook:
    """Say of draws what people ask: events by date, and when each look that counts events is reached."""
    counts = drawn.counts(dates)
    fan = number_quantiles(counts, levels)
    looks = tuple(_look(drawn, target, levels) for target in targets if target.of == "events")
    return Outlook(len(drawn.known), int(seen.at_risk.sum()), dates, counts.mean(axis=0), fan, looks)


def forecast_events(
    study: Study, dates: Floats, future: Floats | Accrual | None = None, *, settings: Settings | None = None,
    draws: int = 512, seed: int,
) -> Outlook:  # fmt: skip
    """Forecast the events of a study.

    Parameters
    ----------
    study : Study
        As of its `as_of`.
    dates : array, shape (t,)
        At which the number of events is asked [d].
    future : array, shape (draws, n), or Accrual, optional
        Days at which subjects are still to enter, as a forecast of enrollment draws them, inf for nobody; or the rates
        of a Poisson process, of which what lies before `as_of` is left out.
    settings : Settings, optional
        Laws, follow-up and priors.
    draws, seed : int
        How many draws, as many as `future` has; key of the random numbers.

    Raises
    ------
    ValueError
        If there are neither follow-up nor a prior, or `future` has another number of draws.
    """
    settings, seen = settings or Settings(), observed(study)
    event, dropout = believe(seen, settings, draws, seed)
    if isinstance(future, Accrual):
        future = arrivals(*_rest(future, seen.as_of, draws), seed, skip=len(seen))
    drawn = simulate(seen, event, dropout, future, settings.follow_up, seed)
    return outlook(seen, drawn, dates, study.targets)


def _rest(accrual: Accrual, as_of: float, draws: int) -> tuple[Floats, Floats, int]:
    """Give edges, rates of each draw and the most who may come, of what an accrual still brings."""
    edges = np.maximum(accrual.edges, as_of)
    expected = float(np.diff(edges) @ accrual.rates)
    most = int(expected + 8.0 * np.sqrt(expected)) + 10  # more come once in 10^9 draws
    return edges, np.tile(accrual.rates, (draws, 1)), most


def _days_left(
    event: Beliefs, dropout: Beliefs | None, age: Floats, follow_up: float, seed: int, subjects: Ints
) -> Floats:
    """Draw the days until each subject's event, inf where drop-out or the end of follow-up comes first."""
    left = event.left(age, exponentials(seed, EVENT, subjects, event.draws))
    if dropout is not None:
        left[left > dropout.left(age, exponentials(seed, DROPOUT, subjects, event.draws))] = np.inf
    if np.isfinite(follow_up):
        left[left + age[:, None] > follow_up] = np.inf
    return left


def _look(drawn: EventDraws, target: Target, levels: Sequence[float]) -> Look:
    days = drawn.day_of(target.count)
    quantiles = np.quantile(days, levels, method="inverted_cdf")
    never = float(np.isinf(days).mean()) if target.count > 0 else 0.0
    return Look(target.name, target.count, target.day, quantiles, float((days <= target.day).mean()), never)
