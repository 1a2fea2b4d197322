"""What `inputs` of a specification of kind `enrollment` hold: a study as it stands, or one that is only planned.

Days are counted from the study's origin, rates are subjects per site and month, money is in the prices' currency.
docs/enrollment_simulation.md describes the fields for people.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from twins.enrollment.course.actions import LEAD_MEAN_DAYS, LEAD_SD_DAYS, Action, Name, Plan
from twins.enrollment.course.choosing import MOST_SETS
from twins.enrollment.course.prices import Prices
from twins.enrollment.study import MONTH

KIND = "enrollment"
MODEL = "poisson_gamma"
MOST_SITES, MOST_COUNTRIES, MOST_PLANS, MOST_SET = 5_000, 200, 24, 4
MOST_STEPS = 240
MOST_CELLS = 4_000_000_000  # draws x sites x steps: some minutes of two cores (assumed)
MOST_KEPT = 8_000_000  # draws x plans that are kept, 16 bytes each
HOURS = 24.0

Day = Annotated[float, Meta(ge=-20_000.0, le=20_000.0)]
Positive = Annotated[float, Meta(gt=0.0, le=1000.0)]
Spread = Annotated[float, Meta(ge=0.0, le=5.0)]
Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Hash = Annotated[str, Meta(max_length=128)]


class Rate(Struct, frozen=True, forbid_unknown_fields=True):
    """A rate [subjects per site and month]: its mean, and by how much sites differ or one is unsure (gamma)."""

    mean: Annotated[float, Meta(ge=0.0, le=1000.0)]
    cv: Spread = 1.0


class Delay(Struct, frozen=True, forbid_unknown_fields=True):
    """A time until something opens [d], gamma. Standard: Tufts, oncology start-up."""

    mean: Annotated[float, Meta(ge=0.0, le=5000.0)] = LEAD_MEAN_DAYS
    sd: Annotated[float, Meta(ge=0.0, le=5000.0)] = LEAD_SD_DAYS


class Activation(Struct, frozen=True, forbid_unknown_fields=True):
    """Planned openings: the first on a day, one more every so many days; each late by a delay, or not at all."""

    first_day: Day
    every_days: Annotated[float, Meta(ge=0.0, le=5000.0)] = 0.0
    late: Delay = Delay(0.0, 0.0)
    never: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0  # probability that a site does not open at all


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """One site of a study under way. `opens` null: it is open. `cap` is of all its subjects, enrolled ones too."""

    name: Name
    rate: Rate
    opens: Activation | None = None
    cap: Count | None = None
    enrolled: Count = 0
    closed: bool = False


class Country(Struct, frozen=True, forbid_unknown_fields=True):
    """One country: its sites one by one, or how many are planned.

    `shared_cv`: how much its sites' rates vary together; `drift`: standard deviation of the change of its log rate over
    one month; `factor`: what multiplies its rates in each step (season, holidays), the last for all that follow.
    """

    name: Name
    sites: tuple[Site, ...] = ()
    planned_sites: Annotated[int, Meta(ge=0, le=MOST_SITES)] = 0
    activation: Activation | None = None
    rate: Rate | None = None  # of planned and of new sites
    site_cap: Count | None = None  # of each planned site
    cap: Count | None = None
    enrolled: Count | None = None  # sum over its sites where nothing is said
    shared_cv: Spread = 0.0
    drift: Spread = 0.0
    factor: Annotated[tuple[Annotated[float, Meta(ge=0.0, le=100.0)], ...], Meta(max_length=MOST_STEPS)] = ()
    lead: Delay = Delay()  # of sites that an action opens


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """So many subjects by a day."""

    subjects: Annotated[int, Meta(ge=1, le=10_000_000)]
    day: Day


class Known(Struct, frozen=True, forbid_unknown_fields=True):
    """What a live twin knew: when, of which facts, with which belief. Empty for a study that is only planned."""

    at: Annotated[str, Meta(max_length=64)] = ""
    facts_hash: Hash = ""
    posterior_hash: Hash = ""


class Override(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person has decided instead of what was recommended, why, and until when it holds."""

    by: Name
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    until: Annotated[str, Meta(min_length=1, max_length=64)]
    actions: tuple[Action, ...] = ()


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. `actions` are plans: an action, or several that belong together."""

    study: Name
    target: Target
    countries: Annotated[tuple[Country, ...], Meta(min_length=1, max_length=MOST_COUNTRIES)]
    as_of: Day = 0.0
    known: Known = Known()
    shared_cv: Spread = 0.0  # of all rates together
    step_days: Annotated[float, Meta(gt=0.0, le=366.0)] = MONTH
    prices: Prices = Prices()
    actions: Annotated[tuple[Action | tuple[Action, ...], ...], Meta(max_length=MOST_PLANS)] = ()
    budget: Annotated[float, Meta(ge=0.0)] | None = None
    set_size: Annotated[int, Meta(ge=1, le=MOST_SET)] = 2
    standing: tuple[Action, ...] = ()
    override: Override | None = None

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Every plan as a tuple of actions."""
        return tuple(one if isinstance(one, tuple) else (one,) for one in self.actions)


def read_scenario(spec: SimulationSpec) -> Scenario:
    """Check a specification whole and give its scenario.

    Raises
    ------
    SettingsError
        With what was expected, what came, and in which field.
    """
    if spec.kind != KIND:
        raise refused(f"kind {KIND}", repr(spec.kind), "kind")
    if spec.model != MODEL:
        raise refused(f"model {MODEL}", repr(spec.model)[:80], "model")
    if spec.parameters:
        raise refused("no parameters: rates stand in inputs.countries", sorted(spec.parameters)[:5], "parameters")
    try:
        scenario = msgspec.convert(spec.inputs, Scenario)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        place = "inputs" + where.strip("`").removeprefix("$") if where else "inputs"
        raise refused("a scenario as docs/enrollment_simulation.md describes it", what, place) from None
    _check_names(scenario)
    for at, country in enumerate(scenario.countries):
        _check_country(country, f"inputs.countries[{at}]")
    _check_time(scenario, spec)
    _check_size(scenario, spec)
    return scenario


def refused(expected: str, received: object, where: str) -> SettingsError:
    """Give the error of a field."""
    return SettingsError(f"expected {expected}, received {received}, in {where}; correct the specification")


def site_names(country: Country) -> tuple[str, ...]:
    """Name the sites of a country; planned ones by its name and a number.

    Examples
    --------
    >>> site_names(Country("DE", planned_sites=2))
    ('DE-001', 'DE-002')
    """
    return (
        *(one.name for one in country.sites),
        *(f"{country.name}-{k + 1:03}" for k in range(country.planned_sites)),
    )


def _check_names(scenario: Scenario) -> None:
    countries = [one.name for one in scenario.countries]
    sites = [name for one in scenario.countries for name in site_names(one)]
    for names, where in ((countries, "inputs.countries"), (sites, "inputs.countries[...].sites")):
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise refused("names that differ", f"{twice!r} twice", where)


def _check_country(country: Country, where: str) -> None:
    if country.sites and country.planned_sites:
        raise refused("sites one by one, or planned_sites, not both", "both", where)
    if country.planned_sites and country.activation is None:
        raise refused("activation with planned_sites", "none", where)
    if country.planned_sites and country.rate is None:
        raise refused("rate with planned_sites", "none", where)
    if country.enrolled is not None and country.enrolled < sum(site.enrolled for site in country.sites):
        raise refused("at least what its sites have enrolled", country.enrolled, f"{where}.enrolled")


def _check_time(scenario: Scenario, spec: SimulationSpec) -> None:
    days = spec.horizon / HOURS
    if not math.isfinite(days) or scenario.as_of + days < scenario.target.day:
        raise refused(
            "a horizon that reaches the target's day", f"{days:g} days from day {scenario.as_of:g}", "horizon"
        )
    if math.ceil(days / scenario.step_days) > MOST_STEPS:
        raise refused(f"at most {MOST_STEPS} steps", math.ceil(days / scenario.step_days), "inputs.step_days")


def _check_size(scenario: Scenario, spec: SimulationSpec) -> None:
    sites = sum(len(one.sites) + one.planned_sites for one in scenario.countries)
    if sites > MOST_SITES:
        raise refused(f"at most {MOST_SITES} sites", sites, "inputs.countries")
    cells = spec.draws * sites * math.ceil(spec.horizon / HOURS / scenario.step_days)
    if cells > MOST_CELLS:
        raise refused(f"at most {MOST_CELLS} draws x sites x steps", cells, "draws")
    plans = 1 + len(scenario.actions)
    if plans > 1 and scenario.set_size > 1:
        plans += min(MOST_SETS, sum(math.comb(plans - 1, size) for size in range(2, scenario.set_size + 1)))
    if spec.draws * plans > MOST_KEPT:
        raise refused(f"at most {MOST_KEPT} draws x plans", spec.draws * plans, "draws")
