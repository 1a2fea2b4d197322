"""What a network must keep beyond the shape of its document: names that exist, a way on, no deadlock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twins.supply.network.spec import (
    LEAVE,
    MOST_NAMED,
    MOST_PRIORITIES,
    Empirical,
    Network,
    Resource,
    Route,
    Scheduled,
    Step,
    Uniform,
    convert,
    refused,
)

CERTAIN = 1.0 - 1e-12  # probabilities that sum to one, as decimals do


def read_network(document: Any, where: str = "inputs.network") -> Network:  # Any: JSON, checked here
    """Check a document whole and give the network.

    Raises
    ------
    SettingsError
        With what was expected, what came, and in which field.
    """
    network: Network = convert(document, Network, where)
    check_network(network, where)
    return network


def check_network(network: Network, where: str) -> None:
    """Check it.

    Raises
    ------
    SettingsError
        With what was expected, what came, and in which field.
    """
    _differ([one.name for one in network.resources], f"{where}.resources")
    _differ([one.name for one in network.routes], f"{where}.routes")
    _differ([one.name for one in network.classes], f"{where}.classes")
    for n, resource in enumerate(network.resources):
        _check_windows(resource, f"{where}.resources[{n}]")
    resources = {one.name for one in network.resources}
    for n, route in enumerate(network.routes):
        _check_route(route, resources, f"{where}.routes[{n}]")
    _check_classes(network, where)
    _check_named(network, where)
    _check_order(network, where)


def holds_at(route: Route, step: int) -> tuple[str, ...]:
    """Name the resources that are held over a step, in the order in which they are asked for."""
    names = [one.name for one in route.steps]
    return tuple(one.resource for one in route.holds if names.index(one.first) <= step <= names.index(one.last))


def ways(route: Route) -> Iterator[tuple[int, int]]:
    """Give each (from, to) that a patient may go; from -1 is the beginning."""
    names = [one.name for one in route.steps]
    yield -1, 0
    for n, step in enumerate(route.steps):
        if n + 1 < len(names):
            yield n, n + 1
        for outcome in step.outcomes:
            if outcome.to != LEAVE:
                yield n, names.index(outcome.to)


def _differ(names: Sequence[str], where: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refused("names that differ", f"{twice!r} twice", where)


def _check_windows(resource: Resource, where: str) -> None:
    for field, windows, low, high in (("windows", resource.windows, -1e6, 1e6), ("weekly", resource.weekly, 0.0, 7.0)):
        for n, window in enumerate(windows):
            if not low <= window.begin < window.end <= high:
                received = f"{window.begin:g} to {window.end:g}"
                raise refused(f"begin before end within {low:g} to {high:g}", received, f"{where}.{field}[{n}]")


def _check_route(route: Route, resources: set[str], where: str) -> None:
    names = [one.name for one in route.steps]
    _differ(names, f"{where}.steps")
    if LEAVE in names:
        raise refused(f"another name than {LEAVE!r}", repr(LEAVE), f"{where}.steps")
    for n, hold in enumerate(route.holds):
        place = f"{where}.holds[{n}]"
        if hold.resource not in resources:
            raise refused("a resource of the network", repr(hold.resource), f"{place}.resource")
        for field, name in (("first", hold.first), ("last", hold.last)):
            if name not in names:
                raise refused("a step of the route", repr(name), f"{place}.{field}")
        if names.index(hold.first) > names.index(hold.last):
            raise refused("first not after last", f"{hold.first!r} to {hold.last!r}", place)
    for n, step in enumerate(route.steps):
        _check_step(step, names, resources, f"{where}.steps[{n}]")
        _differ([*holds_at(route, n), *step.needs], f"{where}.steps[{n}].needs, with what is held over it")


def _check_step(step: Step, names: Sequence[str], resources: set[str], where: str) -> None:
    for n, need in enumerate(step.needs):
        if need not in resources:
            raise refused("a resource of the network", repr(need), f"{where}.needs[{n}]")
    for n, outcome in enumerate(step.outcomes):
        if outcome.to != LEAVE and outcome.to not in names:
            raise refused(f"a step of the route or {LEAVE!r}", repr(outcome.to), f"{where}.outcomes[{n}].to")
    total = sum(one.probability for one in step.outcomes)
    if total > 1.0 + 1e-12:
        raise refused("probabilities that sum to 1 at most", f"{total:g}", f"{where}.outcomes")
    back = [one for one in step.outcomes if one.to in names[: names.index(step.name) + 1] and one.most is None]
    if sum(one.probability for one in back) >= CERTAIN:
        raise refused("a way on: rework below 1, or with `most`", "rework without end", f"{where}.outcomes")
    _check_law(step, f"{where}.duration")


def _check_law(step: Step, where: str) -> None:
    law = step.duration
    if isinstance(law, Uniform) and law.high < law.low:
        raise refused("low not above high", f"{law.low:g} and {law.high:g}", where)
    if isinstance(law, Empirical):
        if len(law.levels) != len(law.days):
            raise refused("as many days as levels", f"{len(law.days)} and {len(law.levels)}", where)
        rising = all(low < high for low, high in zip(law.levels, law.levels[1:], strict=False))
        if not rising or law.levels[0] != 0.0 or law.levels[-1] != 1.0:
            raise refused("levels that rise from 0 to 1", list(law.levels)[:8], f"{where}.levels")
        if any(low > high for low, high in zip(law.days, law.days[1:], strict=False)):
            raise refused("days that do not fall", list(law.days)[:8], f"{where}.days")


def _check_classes(network: Network, where: str) -> None:
    routes = {one.name for one in network.routes}
    for n, one in enumerate(network.classes):
        if one.route not in routes:
            raise refused("a route of the network", repr(one.route), f"{where}.classes[{n}].route")
        for k, surge in enumerate(getattr(one.arrivals, "surges", ())):
            if not surge.begin < surge.end:
                received = f"{surge.begin:g} to {surge.end:g}"
                raise refused("begin before end", received, f"{where}.classes[{n}].arrivals.surges[{k}]")
    levels = len({one.priority for one in network.classes})
    if levels > MOST_PRIORITIES:
        raise refused(f"at most {MOST_PRIORITIES} priorities", levels, f"{where}.classes")
    if not network.start and all(one.arrivals is None for one in network.classes):
        raise refused("arrivals, or patients at the start", "none", f"{where}.classes")


def _check_named(network: Network, where: str) -> None:
    classes = {one.name: one for one in network.classes}
    routes = {one.name: one for one in network.routes}
    for n, standing in enumerate(network.start):
        if standing.patient_class not in classes:
            raise refused("a class of the network", repr(standing.patient_class), f"{where}.start[{n}].class")
        steps = [step.name for step in routes[classes[standing.patient_class].route].steps]
        if standing.step not in steps:
            raise refused("a step of the class's route", repr(standing.step), f"{where}.start[{n}].step")
    names = [one.patient for one in network.start]
    for one in network.classes:
        if isinstance(one.arrivals, Scheduled):
            names += [booked.patient for booked in one.arrivals.patients]
    if len(names) > MOST_NAMED:
        raise refused(f"at most {MOST_NAMED} patients by name", len(names), f"{where}.start")
    _differ_many(names, f"{where}.start and arrivals.patients")


def _differ_many(names: Sequence[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise refused("patients that differ", f"{name!r} twice", where)
        seen.add(name)


def _check_order(network: Network, where: str) -> None:
    """Refuse networks in which patients may wait for each other for ever: somebody holds A and asks for B, another
    holds B and asks for A."""
    after: dict[str, set[str]] = {one.name: set() for one in network.resources}
    for route in network.routes:
        for begin, end in ways(route):
            kept = set(holds_at(route, begin)) & set(holds_at(route, end)) if begin >= 0 else set()
            for asked in (*(one for one in holds_at(route, end) if one not in kept), *route.steps[end].needs):
                for held in kept:
                    after[held].add(asked)
                kept.add(asked)
    left = dict(after)
    while left:
        last = [name for name, following in left.items() if not following & left.keys()]
        if not last:
            circle = ", ".join(sorted(left))
            raise refused("resources asked for in one order", f"a circle among {circle}: a deadlock", f"{where}.routes")
        for name in last:
            del left[name]
