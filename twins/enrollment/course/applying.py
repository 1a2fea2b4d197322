"""What a plan changes: which countries, and how their lanes become in a block of draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaincinv

from twins.enrollment.ahead import Ahead
from twins.enrollment.course.actions import (
    Action,
    AddCountry,
    BoostSite,
    CloseSites,
    ExtendTimeline,
    OpenSites,
    Plan,
    RaiseCap,
    RelaxCriterion,
    ReplaceSite,
)
from twins.enrollment.course.lanes import Boost, Lanes
from twins.enrollment.course.scene import Scene
from twins.enrollment.course.uniforms import uniforms
from twins.enrollment.study import MONTH, Floats


@dataclass(frozen=True, slots=True)
class Setting:
    """One block of draws of a scene: what actions are applied to."""

    scene: Scene
    ahead: Ahead
    seed: int
    block: int

    @property
    def draws(self) -> int:
        """How many draws the block holds."""
        return len(self.ahead.site_rate)

    def uniforms(self, purpose: str, rows: int) -> Floats:
        """Give uniforms of this block, shape (draws, rows)."""
        return uniforms(self.seed, purpose, self.block, rows, self.draws)


def base_lanes(setting: Setting, country: str) -> Lanes:
    """Give a country as it stands; without sites where the scene does not know it."""
    scene, ahead, draws = setting.scene, setting.ahead, setting.draws
    if country not in scene.countries:
        none, steps = np.zeros((draws, 0)), len(ahead.steps) - 1
        return Lanes((), none, none, none, np.zeros(0), np.ones((draws, steps)), np.inf)
    at = scene.countries.index(country)
    places = np.flatnonzero(scene.site_country == at)
    rate = ahead.site_rate[:, places]
    return Lanes(
        tuple(scene.sites[place] for place in places),
        rate,
        ahead.opens[:, places],
        np.full_like(rate, np.inf),
        scene.site_left[places],
        ahead.factor[:, at],
        float(scene.country_left[at]),
    )


def touched(plan: Plan, scene: Scene) -> tuple[str, ...]:
    """Name the countries that a plan changes, in the order of the scene, new ones last."""
    found: dict[str, None] = {}
    for action in plan:
        match action:
            case OpenSites() | AddCountry() | RaiseCap():
                found[action.country] = None
            case BoostSite() | ReplaceSite():
                found[_country_of(action.site, scene)] = None
            case CloseSites():
                found |= {_country_of(site, scene): None for site in action.sites}
            case RelaxCriterion():
                found |= dict.fromkeys(action.countries or scene.countries)
            case _:
                pass
    order = {name: place for place, name in enumerate(scene.countries)}
    return tuple(sorted(found, key=lambda name: (order.get(name, len(order)), name)))


def concerns(action: Action, country: str, scene: Scene) -> bool:
    """Say whether an action changes a country. To relax a criterion everywhere changes one that is added too."""
    if isinstance(action, RelaxCriterion) and not action.countries:
        return True
    return country in touched((action,), scene)


def applied(plan: Plan, country: str, setting: Setting) -> Lanes:
    """Give a country's lanes under a plan. Actions work together; new sites are taken from the draws in turn."""
    lanes, used = base_lanes(setting, country), 0
    for action in plan:
        if isinstance(action, OpenSites) and action.country == country:
            lanes = _opened(lanes, action, action.sites, used, country, setting)
            used += action.sites
        elif isinstance(action, ReplaceSite) and action.site in lanes.names:
            lanes = _opened(lanes, action, 1, used, country, setting)
            lanes = _closed(lanes, action.site, lanes.opens[:, -1])
            used += 1
        else:
            lanes = _changed(lanes, action, country, setting)
    return lanes


def _changed(lanes: Lanes, action: Action, country: str, setting: Setting) -> Lanes:
    now = setting.scene.as_of
    match action:
        case AddCountry() if action.country == country:
            return _added(lanes, action, setting)
        case BoostSite() if action.site in lanes.names:
            boost = Boost(lanes.names.index(action.site), action.factor, now + action.lead_days)
            return replace(lanes, boosts=(*lanes.boosts, boost))
        case RaiseCap() if action.country == country:
            return replace(lanes, raised=(*lanes.raised, (now + action.lead_days, float(action.by))))
        case RelaxCriterion() if not action.countries or country in action.countries:
            return replace(lanes, factor=lanes.factor * _relaxed(action, setting))
        case CloseSites():
            for site in set(action.sites) & set(lanes.names):
                lanes = _closed(lanes, site, np.full(setting.draws, now + action.lead_days))
            return lanes
        case _:
            return lanes


def _opened(
    lanes: Lanes, action: OpenSites | ReplaceSite, count: int, used: int, country: str, setting: Setting
) -> Lanes:
    at, now = setting.scene.countries.index(country), setting.scene.as_of
    part = slice(used, used + count)
    names = tuple(f"new {used + k}" for k in range(count))
    delay = setting.ahead.new_delay[:, at, part]
    if action.lead_days_mean is not None:
        u = setting.uniforms(f"lead {country}", used + count)[:, part]
        delay = gamma_at(u, action.lead_days_mean, action.lead_days_sd or 0.0)
    return lanes.also(names, setting.ahead.new_rate[:, at, part], now + delay)


def _added(lanes: Lanes, action: AddCountry, setting: Setting) -> Lanes:
    mean = action.rate_per_month / MONTH
    rate = gamma_at(setting.uniforms(f"rate {action.country}", action.sites), mean, action.rate_cv * mean)
    lead = gamma_at(
        setting.uniforms(f"lead {action.country}", action.sites), action.lead_days_mean, action.lead_days_sd
    )
    names = tuple(f"added {k}" for k in range(action.sites))
    cap = lanes.cap if action.cap is None else float(action.cap)
    return replace(lanes.also(names, rate, setting.scene.as_of + lead), cap=cap)


def _relaxed(action: RelaxCriterion, setting: Setting) -> Floats:
    """Give what multiplies the rates in each step, shape (d, m): none of it before the amendment holds."""
    share = np.full(setting.draws, action.share)
    if action.share_sd > 0.0 and 0.0 < action.share < 1.0:
        u = setting.uniforms(f"share {action.criterion}", 1)[:, 0]
        share = np.clip(gamma_at(u, action.share, action.share_sd), 0.0, 1.0)
    gain = action.screen_failure * share / (1.0 - action.screen_failure)
    edges = setting.ahead.steps
    held = (edges[1:] - (setting.scene.as_of + action.lead_days)) / np.diff(edges)
    found: Floats = 1.0 + gain[:, None] * np.clip(held, 0.0, 1.0)
    return found


def _closed(lanes: Lanes, site: str, day: Floats) -> Lanes:
    place = lanes.names.index(site)
    closes = lanes.closes.copy()
    closes[:, place] = np.minimum(closes[:, place], day)
    return replace(lanes, closes=closes)


def gamma_at(u: Floats, mean: float | Floats, sd: float | Floats) -> Floats:
    """Give quantiles of the gamma law with this mean and standard deviation; the mean where the latter is 0."""
    mean, sd = np.broadcast_to(mean, u.shape), np.broadcast_to(sd, u.shape)
    spread = (sd > 0.0) & (mean > 0.0)
    shape = np.where(spread, (mean / np.where(spread, sd, 1.0)) ** 2, 1.0)
    found: Floats = np.where(spread, gammaincinv(shape, u) * mean / shape, mean)
    return found


def problems(plan: Plan, scene: Scene, spare: int) -> str:
    """Say why a plan cannot be simulated or makes no sense; empty where it can.

    Parameters
    ----------
    spare : int
        Sites of each country that the draws hold for actions.
    """
    asked: dict[str, int] = {}
    for action in plan:
        found = _problem(action, scene)
        if found:
            return found
        if isinstance(action, OpenSites):
            asked[action.country] = asked.get(action.country, 0) + action.sites
        elif isinstance(action, ReplaceSite):
            country = _country_of(action.site, scene)
            asked[country] = asked.get(country, 0) + 1
    for country, count in asked.items():
        if count > spare:
            return f"the draws hold {spare} new sites for {country}, and {count} are asked for"
    return _clash(plan)


def _problem(action: Action, scene: Scene) -> str:
    match action:
        case OpenSites() if action.country not in scene.countries:
            return f"{action.country} is not a country of the study; add it with its rates"
        case AddCountry() if action.country in scene.countries:
            return f"{action.country} is a country of the study; open sites there"
        case RaiseCap() if action.country not in scene.countries:
            return f"{action.country} is not a country of the study"
        case RaiseCap() if np.isinf(scene.country_left[scene.countries.index(action.country)]):
            return f"{action.country} has no cap"
        case BoostSite() | ReplaceSite() if action.site not in scene.sites:
            return f"{action.site} is not a site of the study"
        case CloseSites():
            unknown = sorted(set(action.sites) - set(scene.sites))
            return f"{', '.join(unknown)}: not sites of the study" if unknown else ""
        case RelaxCriterion():
            unknown = sorted(set(action.countries) - set(scene.countries))
            return f"{', '.join(unknown)}: not countries of the study" if unknown else ""
        case _:
            return ""


def _clash(plan: Plan) -> str:
    """Say which two actions of a plan exclude each other."""
    added = [one.country for one in plan if isinstance(one, AddCountry)]
    taken = [site for one in plan for site in _sites(one)]
    if len(set(added)) < len(added):
        return "a country is added twice"
    for site in taken:
        if taken.count(site) > 1:
            return f"two actions are about {site}"
    criteria = [one.criterion for one in plan if isinstance(one, RelaxCriterion)]
    if len(set(criteria)) < len(criteria):
        return "a criterion is relaxed twice"
    if sum(isinstance(one, ExtendTimeline) for one in plan) > 1:
        return "the timeline is extended twice"
    return ""


def _sites(action: Action) -> Sequence[str]:
    match action:
        case BoostSite() | ReplaceSite():
            return (action.site,)
        case CloseSites():
            return action.sites
        case _:
            return ()


def _country_of(site: str, scene: Scene) -> str:
    return scene.countries[int(scene.site_country[scene.sites.index(site)])]
