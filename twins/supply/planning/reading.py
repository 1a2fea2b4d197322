"""Read a planning problem from a document, checked whole: what is wrong is told with its field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.errors import SettingsError
from twins.supply.planning.problem import (
    DAY_MINUTES,
    MOST_WEEKS,
    Closing,
    Problem,
    Resource,
    Stage,
    Use,
    Window,
)


def read_problem(document: Any, where: str = "inputs") -> Problem:  # Any: JSON
    """Check a document whole and give its problem.

    Raises
    ------
    SettingsError
        With what was expected, what came, and in which field.
    """
    try:
        problem = msgspec.convert(document, Problem)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        field = where + place.strip("`").removeprefix("$") if place else where
        raise refused("a problem as docs/supply_planning.md describes it", what, field) from None
    check_problem(problem, where)
    return problem


def check_problem(problem: Problem, where: str = "inputs") -> None:
    """Check what refers to what.

    Raises
    ------
    SettingsError
        With what was expected, what came, and in which field.
    """
    if DAY_MINUTES % problem.grid_minutes:
        raise refused("grid_minutes that divide a day", problem.grid_minutes, f"{where}.grid_minutes")
    if problem.horizon <= problem.now:
        raise refused(f"a horizon behind now, {problem.now}", problem.horizon, f"{where}.horizon")
    repeats = any(one.weekly for one in problem.calendars) or any(one.weekly for one in problem.departures)
    if repeats and problem.horizon - min(problem.now, 0) > MOST_WEEKS * problem.week:
        raise refused(f"at most {MOST_WEEKS} weeks of calendars", problem.horizon, f"{where}.horizon")
    for field in ("resources", "pools", "calendars", "departures"):
        _differ((one.name for one in getattr(problem, field)), f"{where}.{field}")
    _differ((one.id for one in problem.patients), f"{where}.patients")
    _check_windows(problem, where)
    _check_resources(problem, where)
    stages = {(patient.id, stage.name): stage for patient in problem.patients for stage in patient.stages}
    _check_patients(problem, where)
    _check_plan(problem, stages, where)


def refused(expected: str, received: object, where: str) -> SettingsError:
    """Give the error of a field."""
    return SettingsError(f"expected {expected}, received {received}, in {where}; correct the problem")


def _differ(names: Iterable[object], where: str) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise refused("names that differ", f"{name!r} twice", where)
        seen.add(name)


def _check_windows(problem: Problem, where: str) -> None:
    for at, calendar in enumerate(problem.calendars):
        before = 0
        for k, window in enumerate(calendar.weekly):
            place = f"{where}.calendars[{at}].weekly[{k}]"
            if not before <= window.start < window.end <= problem.week:
                raise refused(
                    f"windows in order, apart, within a week of {problem.week} steps",
                    f"{window.start} to {window.end}",
                    place,
                )
            before = window.end
        _ordered(calendar.closed, f"{where}.calendars[{at}].closed")
    for at, one in enumerate(problem.departures):
        outside = next((step for step in one.weekly if not 0 <= step < problem.week), None)
        if outside is not None:
            raise refused(f"steps within a week, 0 to {problem.week - 1}", outside, f"{where}.departures[{at}].weekly")
        _ordered(one.closed, f"{where}.departures[{at}].closed")
    for at, resource in enumerate(problem.resources):
        _ordered(resource.closed, f"{where}.resources[{at}].closed")


def _ordered(windows: Iterable[Window | Closing], where: str) -> None:
    for k, one in enumerate(windows):
        if one.start >= one.end:
            raise refused("a start before its end", f"{one.start} to {one.end}", f"{where}[{k}]")


def _check_resources(problem: Problem, where: str) -> None:
    calendars = {one.name for one in problem.calendars}
    resources = {one.name: one for one in problem.resources}
    for at, resource in enumerate(problem.resources):
        if resource.calendar and resource.calendar not in calendars:
            raise refused("the name of a calendar", repr(resource.calendar), f"{where}.resources[{at}].calendar")
    for at, pool in enumerate(problem.pools):
        _differ(pool.units, f"{where}.pools[{at}].units")
        for k, unit in enumerate(pool.units):
            if unit not in resources:
                raise refused("the name of a resource", repr(unit), f"{where}.pools[{at}].units[{k}]")
            if resources[unit].capacity != 1:
                raise refused("a unit of capacity 1", resources[unit].capacity, f"{where}.pools[{at}].units[{k}]")


def _check_patients(problem: Problem, where: str) -> None:
    resources = {one.name: one for one in problem.resources}
    pools = {one.name for one in problem.pools}
    pooled = {unit for one in problem.pools for unit in one.units}
    departures = {one.name for one in problem.departures}
    for at, patient in enumerate(problem.patients):
        place = f"{where}.patients[{at}]"
        if patient.priority > len(problem.weights.late):
            raise refused(
                f"a priority with a weight, 1 to {len(problem.weights.late)}", patient.priority, f"{place}.priority"
            )
        if patient.latest < patient.wanted:
            raise refused(f"latest at or behind wanted, {patient.wanted}", patient.latest, f"{place}.latest")
        _differ((stage.name for stage in patient.stages), f"{place}.stages")
        before: set[str] = set()
        for k, stage in enumerate(patient.stages):
            field = f"{place}.stages[{k}]"
            if stage.pool and stage.pool not in pools:
                raise refused("the name of a pool", repr(stage.pool), f"{field}.pool")
            if stage.departures and stage.departures not in departures:
                raise refused("the name of departures", repr(stage.departures), f"{field}.departures")
            for m, within in enumerate(stage.within):
                if within.after not in before:
                    raise refused("the name of an earlier stage", repr(within.after), f"{field}.within[{m}].after")
            for m, use in enumerate(stage.uses):
                _check_use(use, stage, resources, pooled, f"{field}.uses[{m}]")
            before.add(stage.name)


def _check_use(use: Use, stage: Stage, resources: dict[str, Resource], pooled: set[str], where: str) -> None:
    if use.resource not in resources:
        raise refused("the name of a resource", repr(use.resource), f"{where}.resource")
    if use.resource in pooled:
        raise refused("a resource outside all pools", repr(use.resource), f"{where}.resource")
    if use.amount > resources[use.resource].capacity:
        raise refused(f"at most the capacity {resources[use.resource].capacity}", use.amount, f"{where}.amount")
    if use.after + (1 if use.length is None else use.length) > stage.duration or use.length == 0:
        raise refused(f"a use within the stage's {stage.duration} steps", f"{use.after} + {use.length}", where)


def _check_plan(problem: Problem, stages: dict[tuple[str, str], Stage], where: str) -> None:
    _differ(((one.patient, one.stage) for one in problem.plan), f"{where}.plan")
    units = {pool.name: set(pool.units) for pool in problem.pools}
    for at, one in enumerate(problem.plan):
        stage = stages.get((one.patient, one.stage))
        if stage is None:
            raise refused("a patient's stage", f"{one.patient!r}, {one.stage!r}", f"{where}.plan[{at}]")
        if (one.unit not in units[stage.pool]) if stage.pool else one.unit:
            raise refused(f"a unit of pool {stage.pool!r}", repr(one.unit), f"{where}.plan[{at}].unit")
    planned = {(one.patient, one.stage) for one in problem.plan}
    for at, patient in enumerate(problem.patients):
        begun = patient.depletion is not None and patient.depletion.begun
        if begun and (patient.id, patient.stages[-1].name) not in planned:
            raise refused("an infusion in plan, as depletion has begun", "none", f"{where}.patients[{at}].depletion")
