"""What can be done about a study that drifts: a closed set, each with its units, its lead time and its flags.

Days are counted from the moment of the decision unless said otherwise; money is in the currency of the prices.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

LEAD_MEAN_DAYS = 206.0  # from decision to a site that is open: Tufts, oncology start-up, mean and sd, gamma
LEAD_SD_DAYS = 64.0
CONTRACT_LEAD_DAYS = 30.0  # assumed: a month to agree with a site on recruitment support, or with a sponsor on a cap
AMENDMENT_LEAD_DAYS = 90.0  # assumed: a protocol amendment through authorities and ethics committees
SHARE_SD = 0.1  # assumed: how little is known of the share of screen failures that a criterion drives
MOST_NEW_SITES = 50

Days = Annotated[float, Meta(ge=0.0, le=20_000.0)]
Money = Annotated[float, Meta(ge=0.0, le=1e12)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class _Action(Struct, frozen=True, forbid_unknown_fields=True, tag_field="action"):
    """What all have in common."""


class DoNothing(_Action, frozen=True, tag="do_nothing"):
    """Leave everything as it is planned."""


class OpenSites(_Action, frozen=True, tag="open_sites"):
    """Open sites in a country. Without lead times of its own, those that the model draws hold."""

    country: Name
    sites: Annotated[int, Meta(ge=1, le=MOST_NEW_SITES)]
    cost_per_site: Money = 0.0
    lead_days_mean: Annotated[float, Meta(gt=0.0, le=5000.0)] | None = None
    lead_days_sd: Days | None = None


class BoostSite(_Action, frozen=True, tag="boost_site"):
    """Support a site so that it enrols `factor` times as fast."""

    site: Name
    factor: Annotated[float, Meta(gt=1.0, le=10.0)]
    cost: Money = 0.0
    lead_days: Days = CONTRACT_LEAD_DAYS


class ReplaceSite(_Action, frozen=True, tag="replace_site"):
    """Open another site of the same country in its place; the old one closes when that one opens."""

    site: Name
    cost: Money = 0.0
    lead_days_mean: Annotated[float, Meta(gt=0.0, le=5000.0)] | None = None
    lead_days_sd: Days | None = None


class AddCountry(_Action, frozen=True, tag="add_country"):
    """Add a backup country with sites of an expected rate [subjects per site and month]."""

    country: Name
    sites: Annotated[int, Meta(ge=1, le=MOST_NEW_SITES)]
    rate_per_month: Annotated[float, Meta(gt=0.0, le=1000.0)]
    rate_cv: Annotated[float, Meta(ge=0.0, le=5.0)] = 1.0
    cap: Annotated[int, Meta(ge=0)] | None = None
    cost: Money = 0.0
    cost_per_site: Money = 0.0
    lead_days_mean: Annotated[float, Meta(gt=0.0, le=5000.0)] = LEAD_MEAN_DAYS
    lead_days_sd: Days = LEAD_SD_DAYS


class RaiseCap(_Action, frozen=True, tag="raise_cap"):
    """Let a country bring `by` more subjects than its cap allows."""

    country: Name
    by: Annotated[int, Meta(ge=1)]
    cost: Money = 0.0
    lead_days: Days = CONTRACT_LEAD_DAYS


class RelaxCriterion(_Action, frozen=True, tag="relax_criterion"):
    """Drop an inclusion criterion that a share of the screen failures is due to.

    With a share f of those screened failing, and a share s of these by the criterion alone, enrollment is multiplied by
    (1 - f + f s) / (1 - f). No countries: all of them.
    """

    criterion: Name
    screen_failure: Annotated[float, Meta(ge=0.0, lt=1.0)]
    share: Share
    share_sd: Annotated[float, Meta(ge=0.0, le=0.5)] = SHARE_SD
    countries: tuple[Name, ...] = ()
    cost: Money = 0.0
    lead_days: Days = AMENDMENT_LEAD_DAYS


class ExtendTimeline(_Action, frozen=True, tag="extend_timeline"):
    """Move the day that counts as on time. It hastens nobody."""

    days: Annotated[float, Meta(gt=0.0, le=5000.0)]
    cost: Money = 0.0


class CloseSites(_Action, frozen=True, tag="close_sites"):
    """Close sites, to save what they cost by the month."""

    sites: Annotated[tuple[Name, ...], Meta(min_length=1)]
    cost: Money = 0.0
    lead_days: Days = CONTRACT_LEAD_DAYS


Action = (
    DoNothing
    | OpenSites
    | BoostSite
    | ReplaceSite
    | AddCountry
    | RaiseCap
    | RelaxCriterion
    | ExtendTimeline
    | CloseSites
)
Plan = tuple[Action, ...]
NOTHING: Plan = (DoNothing(),)


def committed(plan: Plan) -> float:
    """Give what is to be paid once for a plan, whatever then happens.

    Examples
    --------
    >>> committed((OpenSites("DE", 3, 40_000.0), RaiseCap("FR", 10, 5_000.0)))
    125000.0
    """
    return sum(_once(one) for one in plan)


def _once(action: Action) -> float:
    match action:
        case DoNothing():
            return 0.0
        case OpenSites():
            return action.sites * action.cost_per_site
        case AddCountry():
            return action.cost + action.sites * action.cost_per_site
        case _:
            return action.cost


def lead_days(action: Action) -> float | None:
    """Give the mean time from the decision until it works [d]; None where the model's own draws say it."""
    match action:
        case DoNothing() | ExtendTimeline():
            return 0.0
        case OpenSites() | ReplaceSite() | AddCountry():
            return action.lead_days_mean
        case _:
            return action.lead_days


def flags(action: Action) -> tuple[str, ...]:
    """Say what stands before an action that is not in the hands of who runs the study."""
    match action:
        case OpenSites() | ReplaceSite():
            return ("ethics approval and contract of each site",)
        case AddCountry():
            return ("authority approval in a new country", "ethics approval and contract of each site")
        case RaiseCap():
            return ("agreement of the country's sites, and drug supply there",)
        case RelaxCriterion():
            return ("protocol amendment: approval of authorities and ethics committees in each country",)
        case ExtendTimeline():
            return ("agreement of the sponsor; an amendment where the protocol names the date",)
        case CloseSites():
            return ("subjects in care of the site are to be followed up elsewhere",)
        case _:
            return ()


def said(plan: Plan) -> str:
    """Name a plan in a few words.

    Examples
    --------
    >>> said((OpenSites("DE", 3), BoostSite("DE-07", 1.5)))
    'open 3 sites in DE; boost DE-07 by 1.5'
    """
    return "; ".join(_words(one) for one in plan) or "do nothing"


def _words(action: Action) -> str:
    match action:
        case DoNothing():
            return "do nothing"
        case OpenSites():
            return f"open {action.sites} site{'s' * (action.sites > 1)} in {action.country}"
        case BoostSite():
            return f"boost {action.site} by {action.factor:g}"
        case ReplaceSite():
            return f"replace {action.site}"
        case AddCountry():
            return f"add {action.country} with {action.sites} site{'s' * (action.sites > 1)}"
        case RaiseCap():
            return f"raise the cap of {action.country} by {action.by}"
        case RelaxCriterion():
            return f"relax {action.criterion}"
        case ExtendTimeline():
            return f"extend by {action.days:g} days"
        case CloseSites():
            return f"close {', '.join(action.sites)}"
