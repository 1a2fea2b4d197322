"""A network as the arrays that the event loop reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.supply.network.calendars import changes, cumulative
from twins.supply.network.checking import holds_at
from twins.supply.network.layout import Model
from twins.supply.network.remaining import remaining
from twins.supply.network.spec import (
    LEAVE,
    Closed,
    Deterministic,
    Empirical,
    Exponential,
    Gamma,
    Law,
    Lognormal,
    Network,
    Outcome,
    PatientClass,
    Poisson,
    Route,
    Scheduled,
    Uniform,
    refused,
)

MOST_PATIENTS = 4_000_000  # of one replication
MOST_STARTS = 200_000_000  # steps begun in one replication: half a minute (measured: 0.1 us each, compiled)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Named:
    """A patient known by name, in the order of their numbers. `arrived` and `slot` are days."""

    patient: str
    patient_class: str
    arrived: float
    slot: float | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A network ready to run until `horizon` [d]. `most` is the room for patients of one replication."""

    network: Network
    horizon: float
    model: Model
    named: tuple[Named, ...]
    most: int
    standing: tuple[tuple[Law, float], ...]  # law of the step each starting patient is in, and for how long it is

    def left(self, uniforms: Floats) -> Floats:
        """Give what remains of the steps patients are in at the start [d]; waiting ones 0. Shapes (..., starting)."""
        out = np.zeros(uniforms.shape)
        for place, (law, elapsed) in enumerate(self.standing):
            out[..., place] = remaining(law, elapsed, uniforms[..., place])
        return out


def compile_network(network: Network, horizon: float) -> Compiled:
    """Lay a checked network out.

    Raises
    ------
    SettingsError
        If more patients would come than there is room for.
    """
    routes = {one.name: one for one in network.routes}
    resources = [one.name for one in network.resources]
    route_of = [routes[one.route] for one in network.classes]
    steps = [(route, n) for route in route_of for n in range(len(route.steps))]
    counts = np.array([len(route.steps) for route in route_of], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    units, change_time, change_resource, change_units = changes(network, horizon)
    asks = [[resources.index(name) for name in (*holds_at(r, n), *r.steps[n].needs)] for r, n in steps]
    levels = sorted({one.priority for one in network.classes})
    rates, most = _rates(network, horizon)
    named, places = _named(network)
    starting = network.start
    class_names = [one.name for one in network.classes]
    standing_class = [class_names.index(one.patient_class) for one in starting]
    standing_place = [
        [step.name for step in route_of[c].steps].index(one.step)
        for c, one in zip(standing_class, starting, strict=True)
    ]
    law, a, b, table, table_level, table_days = _laws([route.steps[n].duration for route, n in steps])
    outcome, upto, to, allowed, then, slot, slots = _outcomes(network.classes, route_of, first)
    model = Model(
        units=units,
        change_time=change_time,
        change_resource=change_resource,
        change_units=change_units,
        first=first,
        steps=counts,
        level=_ints(levels.index(one.priority) for one in network.classes),
        law=law,
        a=a,
        b=b,
        table=table,
        table_level=table_level,
        table_days=table_days,
        asks=_padded(asks),
        n_asks=_ints(map(len, asks)),
        held_over=_ints(sum(1 << resources.index(name) for name in holds_at(route, n)) for route, n in steps),
        outcome=outcome,
        outcome_upto=upto,
        outcome_to=to,
        outcome_most=allowed,
        outcome_then=then,
        outcome_slot=slot,
        slots=slots,
        named_class=_ints(places),
        named_time=np.array([max(one.arrived, 0.0) for one in named], dtype=np.float64),
        named_step=_ints(int(first[c]) + n for c, n in zip(standing_class, standing_place, strict=True)),
        named_waiting=np.array([one.elapsed if one.waiting else -1.0 for one in starting], dtype=np.float64),
        named_elapsed=np.array([one.elapsed for one in starting], dtype=np.float64),
        closed=_ints(isinstance(one.arrivals, Closed) for one in network.classes),
        rate_time=rates[0],
        rate_total=rates[1],
        rate_class=rates[2],
        most=most,
    )
    total = len(named) + int(most.sum())
    if total > MOST_PATIENTS:
        raise refused(f"at most {MOST_PATIENTS} patients", total, "inputs.network.classes[...].arrivals and horizon")
    laws = tuple(
        (Deterministic(0.0) if one.waiting else route_of[c].steps[n].duration, one.elapsed)
        for one, c, n in zip(starting, standing_class, standing_place, strict=True)
    )
    return Compiled(network, horizon, model, named, total, laws)


def _ints(values: Iterable[int]) -> Ints:
    return np.array([int(value) for value in values], dtype=np.int64)


def _padded(rows: Sequence[Sequence[int]]) -> Ints:
    out = np.full((len(rows), max(1, *map(len, rows)) if rows else 1), -1, dtype=np.int64)
    for place, row in enumerate(rows):
        out[place, : len(row)] = row
    return out


def _laws(laws: Sequence[Law]) -> tuple[Ints, Floats, Floats, Ints, Floats, Floats]:
    """Give kinds, two parameters each, and the tables of quantiles one behind the other."""
    kind, a, b, begin = [], [], [], [0]
    levels: list[float] = []
    days: list[float] = []
    for law in laws:
        number, one, two = _parameters(law)
        kind.append(number)
        a.append(one)
        b.append(two)
        if isinstance(law, Empirical):
            levels += law.levels
            days += law.days
        begin.append(len(levels))
    return _ints(kind), np.array(a), np.array(b), _ints(begin), np.array(levels, float), np.array(days, float)


def _parameters(law: Law) -> tuple[int, float, float]:  # the numbers of `kernel.chance`
    match law:
        case Deterministic(days):
            return 0, days, 0.0
        case Exponential(mean):
            return 1, mean, 0.0
        case Gamma(shape, scale):
            return 2, shape, scale
        case Lognormal(median, sigma):
            return 3, math.log(median), sigma
        case Uniform(low, high):
            return 4, low, high
        case Empirical():
            return 5, 0.0, 0.0


def _outcomes(
    classes: Sequence[PatientClass], routes: Sequence[Route], first: Ints
) -> tuple[Ints, Floats, Ints, Ints, Ints, Ints, int]:
    begin, upto, to, most, then, slot = [0], [], [], [], [], []
    slots = 0
    for place in range(len(classes)):
        names = [one.name for one in routes[place].steps]
        for step in routes[place].steps:
            total = 0.0
            for outcome in step.outcomes:
                total += outcome.probability
                upto.append(total)
                to.append(_target(outcome, names, int(first[place])))
                most.append(-1 if outcome.most is None else outcome.most)
                then.append(outcome.then == "next")
                slot.append(-1 if outcome.most is None else slots)
                slots += outcome.most is not None
            begin.append(len(upto))
    return _ints(begin), np.array(upto, float), _ints(to), _ints(most), _ints(then), _ints(slot), slots


def _target(outcome: Outcome, names: Sequence[str], first: int) -> int:
    return -1 if outcome.to == LEAVE else first + names.index(outcome.to)


def _named(network: Network) -> tuple[tuple[Named, ...], list[int]]:
    """Give the patients that are known before in the order of their numbers, and their classes."""
    names = [one.name for one in network.classes]
    found = [
        Named(one.patient, one.patient_class, -one.elapsed if one.arrived is None else one.arrived, one.slot)
        for one in network.start
    ]
    for one in network.classes:
        if isinstance(one.arrivals, Closed):
            found += [Named(f"{one.name}-{k + 1}", one.name, 0.0, None) for k in range(one.arrivals.patients)]
    booked = [
        Named(patient.patient, one.name, patient.day, patient.slot)
        for one in network.classes
        if isinstance(one.arrivals, Scheduled)
        for patient in one.arrivals.patients
    ]
    found += sorted(booked, key=lambda one: one.arrived)
    return tuple(found), [names.index(one.patient_class) for one in found]


def _rates(network: Network, horizon: float) -> tuple[tuple[Floats, Floats, Ints], Ints]:
    """Give the cumulative arrivals of the Poisson classes, and the most patients of each.

    Without `most` there is room for ten standard deviations above the mean: more come once in 1e22 replications.
    """
    times: list[float] = []
    totals: list[float] = []
    begin, most = [0], []
    for one in network.classes:
        arrivals = one.arrivals
        room = 0
        if isinstance(arrivals, Poisson):
            when, total = cumulative(arrivals, horizon)
            times += when
            totals += total
            mean = total[-1] if total else 0.0
            room = math.ceil(mean + 10.0 * math.sqrt(mean) + 20.0)
            room = room if arrivals.most is None else min(room, arrivals.most)
        begin.append(len(times))
        most.append(room)
    return (np.array(times, float), np.array(totals, float), _ints(begin)), _ints(most)
