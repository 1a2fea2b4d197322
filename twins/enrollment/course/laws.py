"""Draws of the future from the laws that a scenario names: the rates and openings behind every plan.

A site's rate is gamma; those of a country vary together by a gamma factor of mean 1, and all of them by another. A
country's rate drifts as a random walk of its logarithm, whose mean is held at 1. A site that is not open opens on its
planned day and a gamma delay, or never.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twins.enrollment.ahead import Ahead
from twins.enrollment.course.actions import OpenSites, ReplaceSite
from twins.enrollment.course.document import Activation, Country, Rate, Scenario, site_names
from twins.enrollment.course.scene import Scene
from twins.enrollment.course.uniforms import BLOCK, generator
from twins.enrollment.study import MONTH, Floats


@dataclass(frozen=True, slots=True)
class Lane:
    """One site as the laws see it."""

    name: str
    country: int
    rate: Rate
    opens: Activation | None  # None: open
    planned: float  # day of its opening, of one that is not open
    cap: float
    enrolled: int
    closed: bool


class Laws:
    """Draws from laws, as `scene.Draws`."""

    def __init__(self, scenario: Scenario, days: float, count: int, seed: int) -> None:
        self._scenario, self._seed, self._count = scenario, seed, count
        self.lanes = tuple(lane for place, one in enumerate(scenario.countries) for lane in _lanes(one, place))
        self.steps = steps_of(scenario, days)
        self._spare = _spare(scenario)

    @property
    def count(self) -> int:
        """See `scene.Draws`."""
        return self._count

    def block(self, number: int) -> Ahead:
        """See `scene.Draws`."""
        scenario = self._scenario
        draws = min(BLOCK, self._count - number * BLOCK)
        together = self._gamma("all rates", number, 1.0, scenario.shared_cv)
        shared = [self._gamma(f"rates {one.name}", number, 1.0, one.shared_cv) * together for one in scenario.countries]
        rate = np.empty((BLOCK, len(self.lanes)))
        opens = np.full((BLOCK, len(self.lanes)), scenario.as_of)
        for place, lane in enumerate(self.lanes):
            mean = lane.rate.mean / MONTH
            rate[:, place] = self._gamma(f"rate {lane.name}", number, mean, lane.rate.cv * mean) * shared[lane.country]
            if lane.closed:
                opens[:, place] = np.inf
            elif lane.opens is not None:
                opens[:, place] = self._opening(lane, lane.opens, number)
        new = [self._new(one, part, number) for one, part in zip(scenario.countries, shared, strict=True)]
        factor = np.stack([self._factor(one, number) for one in scenario.countries], axis=1)
        return Ahead(
            self.steps,
            rate[:draws],
            factor[:draws],
            opens[:draws],
            np.stack([one[0] for one in new], axis=1)[:draws],
            np.stack([one[1] for one in new], axis=1)[:draws],
        )

    def _gamma(self, purpose: str, number: int, mean: float, sd: float, columns: int = 0) -> Floats:
        shape = (BLOCK, columns) if columns else (BLOCK,)
        if sd <= 0.0 or mean <= 0.0:
            return np.full(shape, mean)
        form = (mean / sd) ** 2
        drawn = generator(self._seed, purpose, number).standard_gamma(form, shape[::-1])
        return drawn.T * (mean / form)

    def _opening(self, lane: Lane, plan: Activation, number: int) -> Floats:
        late = self._gamma(f"late {lane.name}", number, plan.late.mean, plan.late.sd)
        day = np.maximum(lane.planned + late, self._scenario.as_of)
        if plan.never <= 0.0:
            return day
        return np.where(generator(self._seed, f"never {lane.name}", number).random(BLOCK) < plan.never, np.inf, day)

    def _new(self, country: Country, shared: Floats, number: int) -> tuple[Floats, Floats]:
        """Give rates and delays of sites that an action may open, each of shape (BLOCK, spare)."""
        if not self._spare:
            none = np.zeros((BLOCK, 0))
            return none, none
        mean = expected_new(country).mean / MONTH
        sd = expected_new(country).cv * mean
        rate = self._gamma(f"new rate {country.name}", number, mean, sd, self._spare) * shared[:, None]
        return rate, self._gamma(f"new lead {country.name}", number, country.lead.mean, country.lead.sd, self._spare)

    def _factor(self, country: Country, number: int) -> Floats:
        steps = len(self.steps) - 1
        mean = np.ones(steps)
        if country.factor:
            given = np.array(country.factor[:steps])
            mean = np.concatenate([given, np.full(steps - len(given), given[-1])])
        if not country.drift:
            return np.broadcast_to(mean, (BLOCK, steps))
        middle = 0.5 * (self.steps[1:] + self.steps[:-1]) - self.steps[0]
        spread = country.drift * np.sqrt(np.diff(middle, prepend=0.0) / MONTH)
        moved = generator(self._seed, f"drift {country.name}", number).standard_normal((steps, BLOCK)).T * spread
        found: Floats = mean * np.exp(np.cumsum(moved, axis=1) - 0.5 * np.cumsum(spread**2))
        return found


def steps_of(scenario: Scenario, days: float) -> Floats:
    """Give the edges of steps from `as_of` to the horizon, the last step cut there."""
    count = math.ceil(days / scenario.step_days - 1e-9)
    passed: Floats = scenario.step_days * np.arange(count + 1.0)
    return scenario.as_of + np.minimum(passed, days)


def scene_of_scenario(scenario: Scenario, laws: Laws) -> Scene:
    """Give the scene that a scenario describes."""
    lanes = laws.lanes
    by_country = [
        one.enrolled if one.enrolled is not None else sum(site.enrolled for site in one.sites)
        for one in scenario.countries
    ]
    caps = [math.inf if one.cap is None else float(one.cap) for one in scenario.countries]
    return Scene(
        scenario.as_of,
        tuple(lane.name for lane in lanes),
        np.array([lane.country for lane in lanes], dtype=np.int64),
        np.array([max(lane.cap - lane.enrolled, 0.0) for lane in lanes]),
        tuple(lane.opens is None and not lane.closed for lane in lanes),
        tuple(one.name for one in scenario.countries),
        np.maximum(np.array(caps) - by_country, 0.0),
        int(sum(by_country)),
        scenario.target.subjects,
        scenario.target.day,
    )


def expected_new(country: Country) -> Rate:
    """Give the law of a new site's rate: the country's own, else what its sites are on average, as unsure as one is."""
    if country.rate is not None:
        return country.rate
    means = [site.rate.mean for site in country.sites]
    return Rate(sum(means) / len(means) if means else 0.0, 1.0)


def _lanes(country: Country, place: int) -> list[Lane]:
    found = [
        Lane(
            site.name,
            place,
            site.rate,
            site.opens,
            site.opens.first_day if site.opens else 0.0,
            math.inf if site.cap is None else float(site.cap),
            site.enrolled,
            site.closed,
        )
        for site in country.sites
    ]
    if country.planned_sites and country.rate is not None and country.activation is not None:
        cap = math.inf if country.site_cap is None else float(country.site_cap)
        first, every = country.activation.first_day, country.activation.every_days
        found += [
            Lane(name, place, country.rate, country.activation, first + every * k, cap, 0, False)
            for k, name in enumerate(site_names(country))
        ]
    return found


def _spare(scenario: Scenario) -> int:
    """Give how many new sites of a country the draws must hold: the most that all plans together may ask for."""
    most: dict[str, int] = {}
    country = {name: one.name for one in scenario.countries for name in site_names(one)}
    for plan in (*scenario.plans, scenario.standing):
        for action in plan:
            if isinstance(action, OpenSites):
                most[action.country] = most.get(action.country, 0) + action.sites
            elif isinstance(action, ReplaceSite):
                name = country.get(action.site, "")
                most[name] = most.get(name, 0) + 1
    return max(most.values(), default=0)
