"""What is asked of a network: how it goes on as it stands, and what each of some blows would change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from twins.supply.network.checking import check_network
from twins.supply.network.model import Compiled, compile_network
from twins.supply.network.spec import (
    Day,
    Deterministic,
    Empirical,
    Exponential,
    Gamma,
    Law,
    Lognormal,
    Name,
    Network,
    Poisson,
    Share,
    Surge,
    Uniform,
    Units,
    Window,
    convert,
    refused,
)

KIND, MODEL = "supply", "network"
MOST_SCENARIOS, MOST_BLOWS = 24, 50
MOST_KEPT = 4_000_000  # draws x patients whose times are kept, 16 bytes each
MOST_CELLS = 40_000_000  # draws x patients x scenarios: a minute of two cores, compiled (measured: 1 us each)
HOURS = 24.0


class _Blow(Struct, frozen=True, forbid_unknown_fields=True, tag_field="blow"):
    """One thing that changes."""


class Capacity(_Blow, frozen=True, tag="capacity"):
    """So many units of a resource for a while: a site lost, couriers on strike, a cleanroom down."""

    resource: Name
    begin: Day
    end: Day
    units: Units


class Demand(_Blow, frozen=True, tag="demand"):
    """Arrivals of classes times a factor for a while; all Poisson classes where none is named."""

    begin: Day
    end: Day
    factor: Annotated[float, Meta(ge=0.0, le=1_000.0)]
    classes: tuple[Name, ...] = ()


class Failure(_Blow, frozen=True, tag="failure"):
    """Another probability of an outcome of a step, on every route that has it: failures at quality control."""

    step: Name
    to: Name
    probability: Share


class Slower(_Blow, frozen=True, tag="slower"):
    """A step that lasts times a factor, on every route that has it."""

    step: Name
    factor: Annotated[float, Meta(gt=0.0, le=1_000.0)]


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """Blows that come together."""

    name: Name
    blows: Annotated[tuple[Capacity | Demand | Failure | Slower, ...], Meta(min_length=1, max_length=MOST_BLOWS)]


class Inputs(Struct, frozen=True, forbid_unknown_fields=True):
    """What `inputs` of a specification of kind `supply` hold."""

    network: Network
    scenarios: Annotated[tuple[Scenario, ...], Meta(max_length=MOST_SCENARIOS)] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was checked: the network as it stands, then one for each scenario."""

    names: tuple[str, ...]
    networks: tuple[Compiled, ...]
    seed: int
    draws: int


def read_question(spec: SimulationSpec) -> Question:
    """Check a specification whole and lay its networks out.

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
        raise refused("no parameters: all stands in inputs.network", sorted(spec.parameters)[:5], "parameters")
    days = spec.horizon / HOURS
    if not math.isfinite(days) or days > 1e6:
        raise refused("a horizon of 24,000,000 hours at most", f"{spec.horizon:g}", "horizon")
    inputs: Inputs = convert(spec.inputs, Inputs, "inputs")
    check_network(inputs.network, "inputs.network")
    if inputs.network.warm_up >= days:
        raise refused("a warm-up before the horizon", f"{inputs.network.warm_up:g} of {days:g} days", "inputs.network")
    names = [one.name for one in inputs.scenarios]
    if len(set(names)) < len(names):
        raise refused("names that differ", names[:8], "inputs.scenarios")
    networks = [compile_network(inputs.network, days)]
    for place, scenario in enumerate(inputs.scenarios):
        struck = strike(inputs.network, scenario, f"inputs.scenarios[{place}]")
        networks.append(compile_network(struck, days))
    question = Question(("as it stands", *names), tuple(networks), spec.seed, spec.draws)
    _check_size(question)
    return question


def strike(network: Network, scenario: Scenario, where: str = "scenario") -> Network:
    """Give the network with a scenario's blows.

    Raises
    ------
    SettingsError
        If a blow names what the network does not have, or leaves a network that cannot work.
    """
    for place, blow in enumerate(scenario.blows):
        field = f"{where}.blows[{place}]"
        match blow:
            case Capacity():
                network = _capacity(network, blow, field)
            case Demand():
                network = _demand(network, blow, field)
            case Failure():
                network = _failure(network, blow, field)
            case Slower():
                network = _slower(network, blow, field)
    check_network(network, where)
    return network


def _capacity(network: Network, blow: Capacity, where: str) -> Network:
    if not any(one.name == blow.resource for one in network.resources):
        raise refused("a resource of the network", repr(blow.resource), f"{where}.resource")
    window = Window(blow.begin, blow.end, blow.units)
    resources = tuple(
        msgspec.structs.replace(one, windows=(*one.windows, window)) if one.name == blow.resource else one
        for one in network.resources
    )
    return msgspec.structs.replace(network, resources=resources)


def _demand(network: Network, blow: Demand, where: str) -> Network:
    unknown = set(blow.classes) - {one.name for one in network.classes if isinstance(one.arrivals, Poisson)}
    if unknown:
        raise refused("classes whose patients come at random", sorted(unknown), f"{where}.classes")
    surge = Surge(blow.begin, blow.end, blow.factor)
    classes = []
    for one in network.classes:
        if isinstance(one.arrivals, Poisson) and (not blow.classes or one.name in blow.classes):
            arrivals = msgspec.structs.replace(one.arrivals, surges=(*one.arrivals.surges, surge))
            classes.append(msgspec.structs.replace(one, arrivals=arrivals))
        else:
            classes.append(one)
    return msgspec.structs.replace(network, classes=tuple(classes))


def _failure(network: Network, blow: Failure, where: str) -> Network:
    found = False
    routes = []
    for route in network.routes:
        steps = []
        for step in route.steps:
            hit = step.name == blow.step and any(one.to == blow.to for one in step.outcomes)
            found = found or hit
            outcomes = tuple(
                msgspec.structs.replace(one, probability=blow.probability) if hit and one.to == blow.to else one
                for one in step.outcomes
            )
            steps.append(msgspec.structs.replace(step, outcomes=outcomes))
        routes.append(msgspec.structs.replace(route, steps=tuple(steps)))
    if not found:
        raise refused("a step and an outcome of it", f"{blow.step!r} to {blow.to!r}", where)
    return msgspec.structs.replace(network, routes=tuple(routes))


def _slower(network: Network, blow: Slower, where: str) -> Network:
    if not any(step.name == blow.step for route in network.routes for step in route.steps):
        raise refused("a step of the network", repr(blow.step), f"{where}.step")
    routes = tuple(
        msgspec.structs.replace(
            route,
            steps=tuple(
                msgspec.structs.replace(step, duration=times(step.duration, blow.factor))
                if step.name == blow.step
                else step
                for step in route.steps
            ),
        )
        for route in network.routes
    )
    return msgspec.structs.replace(network, routes=routes)


def times(law: Law, factor: float) -> Law:
    """Give the law of a duration times a factor.

    Examples
    --------
    >>> times(Gamma(4.0, 0.5), 2.0)
    Gamma(shape=4.0, scale=1.0)
    """
    match law:
        case Deterministic(days):
            return Deterministic(days * factor)
        case Exponential(mean):
            return Exponential(mean * factor)
        case Gamma(shape, scale):
            return Gamma(shape, scale * factor)
        case Lognormal(median, sigma):
            return Lognormal(median * factor, sigma)
        case Uniform(low, high):
            return Uniform(low * factor, high * factor)
        case Empirical(levels, days):
            return Empirical(levels, tuple(one * factor for one in days))


def _check_size(question: Question) -> None:
    error: SettingsError | None = None
    kept = question.draws * question.networks[0].most
    if kept > MOST_KEPT:
        error = refused(f"at most {MOST_KEPT} draws x patients", kept, "draws")
    cells = question.draws * sum(one.most for one in question.networks)
    if cells > MOST_CELLS:
        error = refused(f"at most {MOST_CELLS} draws x patients, over all scenarios", cells, "draws")
    if error is not None:
        raise error
