"""From a live twin to a question of the pool, and from the pool's summary back to a correction for the feed.

The joint draws of the rates do not travel: a specification names their moments instead. What is lost is the shape of
their laws beyond mean, spread, common variation by country and study, and drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct

from schemas.errors import InvalidFieldError
from schemas.jobs import SimulationSpec
from twins.enrollment.ahead import Ahead
from twins.enrollment.course.actions import Plan
from twins.enrollment.course.document import (
    HOURS,
    KIND,
    MODEL,
    Activation,
    Country,
    Delay,
    Known,
    Rate,
    Scenario,
    Site,
    Target,
)
from twins.enrollment.course.effects import Effect
from twins.enrollment.course.prices import Prices
from twins.enrollment.course.scene import Scene, check_fits, scene_of
from twins.enrollment.study import MONTH, Floats, Ints, Study

MOST_OPTIONS = 64


def question(
    study: Study,
    ahead: Ahead,
    plans: Sequence[Plan],
    prices: Prices,
    *,
    seed: int,
    draws: int = 4000,
    target: str | None = None,
    budget: float | None = None,
    set_size: int = 2,
    standing: Plan = (),
    known: Known | None = None,
) -> SimulationSpec:
    """Give what a twin asks of the pool.

    Parameters
    ----------
    ahead : Ahead
        Joint draws as of the study's `as_of`, some thousands: their moments are what travels.
    known : Known or None
        When it was known, hashes of facts and of belief: they stand in the record of the recommendation.

    Raises
    ------
    ShapeError
        If study and draws do not fit.
    """
    scene = scene_of(study, target)
    check_fits(scene, ahead)
    horizon = float(ahead.steps[-1] - ahead.steps[0])
    together = _together(scene, ahead)
    enrolled = study.brought_by_site()
    countries = tuple(_country(study, scene, ahead, place, together, enrolled) for place in range(len(scene.countries)))
    scenario = Scenario(
        study=study.key,
        target=Target(scene.wanted, scene.due),
        countries=countries,
        as_of=study.as_of,
        known=known or Known(),
        shared_cv=together,
        step_days=_step(ahead),
        prices=prices,
        actions=tuple(plans),
        budget=budget,
        set_size=set_size,
        standing=standing,
    )
    return SimulationSpec(KIND, MODEL, {}, seed, draws, horizon * HOURS, msgspec.to_builtins(scenario))


class Correction(Struct, frozen=True):
    """What the feed says: doing nothing, what is recommended, what else was weighed, best first.

    `record_hash` names the record; the document of the job holds it whole.
    """

    study: str
    as_of: float
    record_hash: Annotated[str, Meta(min_length=64, max_length=64)]
    specification_hash: Annotated[str, Meta(min_length=64, max_length=64)]
    currency: str
    due: float
    p_on_time: float
    chosen: str
    chosen_place: Annotated[int, Meta(ge=0, lt=MOST_OPTIONS)]
    why: str
    top_stays: float
    search: str
    options: Annotated[tuple[Effect, ...], Meta(min_length=1, max_length=MOST_OPTIONS)]

    @property
    def best(self) -> Effect:
        """What is recommended."""
        return self.options[self.chosen_place]

    @property
    def words(self) -> str:
        """Say it in one sentence or two."""
        best, nothing = self.best, self.chosen == "do nothing"
        if nothing:
            return f"Do nothing: {self.why}. P(on time) is {self.p_on_time:.0%}."
        low, high = best.days_gained_interval
        per_day = "" if best.cost_per_day_gained is None else f", {best.cost_per_day_gained:,.0f} a day"
        return (
            f"{best.words[:1].upper()}{best.words[1:]}: "
            f"{best.days_gained:.0f} days sooner (90 %: {low:.0f} to {high:.0f}), "
            f"P(on time) from {self.p_on_time:.0%} to {best.p_on_time:.0%}, "
            f"for {best.cost:,.0f} {self.currency}{per_day}; it takes {best.lead_days:.0f} days to work."
        )


def read_correction(summary: dict[str, Any]) -> Correction:  # Any: JSON
    """Read a correction from the summary of an answer.

    Raises
    ------
    InvalidFieldError
        If it is none.
    """
    try:
        found = msgspec.convert(summary, Correction)
    except msgspec.ValidationError as error:
        raise InvalidFieldError(
            expected="the summary of a course", received=str(error)[:200], where="summary"
        ) from None
    if found.chosen_place >= len(found.options):
        raise InvalidFieldError(
            expected=f"chosen_place below {len(found.options)}", received=str(found.chosen_place), where="summary"
        )
    return found


def _country(study: Study, scene: Scene, ahead: Ahead, at: int, together: float, enrolled: Ints) -> Country:
    places = np.flatnonzero(scene.site_country == at)
    rate = ahead.site_rate[:, places]
    within = _shared(rate)
    shared = max((1.0 + within) / (1.0 + together**2) - 1.0, 0.0)
    common = (1.0 + shared) * (1.0 + together**2)
    sites = []
    for column, place in enumerate(places):
        opens = ahead.opens[:, place]
        finite = opens[np.isfinite(opens)]
        if not len(finite):
            continue  # it brings nobody; whom it brought the country counts
        late = np.maximum(finite - study.as_of, 0.0)
        plan = Activation(
            study.as_of, 0.0, Delay(float(late.mean()), float(late.std())), 1.0 - len(finite) / len(opens)
        )
        cap = study.sites.cap[place]
        sites.append(
            Site(
                scene.sites[place],
                _rate(rate[:, column], common),
                None if late.max() == 0.0 and len(finite) == len(opens) else plan,
                None if np.isinf(cap) else int(cap),
                int(enrolled[place]),
            )
        )
    one = study.countries[at]
    new, delay = ahead.new_rate[:, at].ravel(), ahead.new_delay[:, at].ravel()
    mean = ahead.factor[:, at].mean(axis=0)
    return Country(
        name=one.name,
        sites=tuple(sites),
        rate=_rate(new, common) if len(new) else None,
        cap=None if np.isinf(one.cap) else int(one.cap),
        enrolled=int(enrolled[places].sum()),
        shared_cv=float(np.sqrt(shared)),
        drift=_drift(ahead.factor[:, at], ahead.steps),
        factor=tuple(_on_steps(mean, ahead)),
        lead=Delay(float(delay.mean()), float(delay.std())) if len(delay) else Delay(),
    )


def _rate(draws: Floats, common: float) -> Rate:
    """Give mean and own spread of a site's rate: what is common to its country is taken out."""
    mean = float(draws.mean())
    square = float(draws.var()) / mean**2 if mean > 0.0 else 0.0
    return Rate(mean * MONTH, float(np.sqrt(max((1.0 + square) / common - 1.0, 0.0))))


def _shared(rate: Floats) -> float:
    """Give the mean relative covariance of different columns, 0 or more, shape (d, n)."""
    means, variances = rate.mean(axis=0), rate.var(axis=0)
    pairs = means.sum() ** 2 - (means**2).sum()
    if rate.shape[1] < 2 or pairs <= 0.0:
        return 0.0
    return max(float((rate.sum(axis=1).var() - variances.sum()) / pairs), 0.0)


def _together(scene: Scene, ahead: Ahead) -> float:
    """Give the coefficient of variation that all countries have in common."""
    sums = np.stack(
        [ahead.site_rate[:, scene.site_country == at].sum(axis=1) for at in range(len(scene.countries))], axis=1
    )
    return float(np.sqrt(_shared(sums)))


def _drift(factor: Floats, steps: Floats) -> float:
    """Give the sd of a month's change of the log factor: the slope of its variance through the origin."""
    if not (factor > 0.0).all():
        return 0.0
    months = (0.5 * (steps[1:] + steps[:-1]) - steps[0]) / MONTH
    variance = np.log(factor).var(axis=0)
    return float(np.sqrt(max((variance * months).sum() / (months**2).sum(), 0.0)))


def _step(ahead: Ahead) -> float:
    """Give the length of steps: that of the draws where all are equal, else a month."""
    widths = np.diff(ahead.steps)
    return float(widths[0]) if np.allclose(widths, widths[0]) else MONTH


def _on_steps(mean: Floats, ahead: Ahead) -> list[float]:
    """Give the mean factor on equal steps."""
    step = _step(ahead)
    middles = ahead.steps[0] + step * (np.arange(int(np.ceil((ahead.steps[-1] - ahead.steps[0]) / step - 1e-9))) + 0.5)
    place = np.clip(np.searchsorted(ahead.steps, middles, side="right") - 1, 0, len(mean) - 1)
    return [float(value) for value in mean[place]]
