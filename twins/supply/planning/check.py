"""Judge a plan by the problem alone: every rule that it breaks, and its points, term by term.

Nothing here is shared with what makes plans but the words for a freeze: capacity is read from the calendars instant by
instant and summed over the assignments. Whatever has started, and whatever lies before `now`, is history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from twins.supply.planning.costs import Spot
from twins.supply.planning.freezing import freeze, has_begun, is_frozen
from twins.supply.planning.greedy import past_return
from twins.supply.planning.placing import Blocked, place
from twins.supply.planning.problem import Assignment, Patient, Problem, Resource, Stage


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a plan breaks, by whom, and in words."""

    patient: str
    stage: str
    constraint: str
    why: str


@dataclass(frozen=True, slots=True)
class Terms:
    """Points of a plan by cause, and how much was moved."""

    late: int = 0
    unbridged: int = 0
    rebooked: int = 0
    moved: int = 0
    unplaced: int = 0
    slots_moved: int = 0
    stages_moved: int = 0
    patients_unplaced: int = 0

    @property
    def total(self) -> int:
        """All points."""
        return self.late + self.unbridged + self.rebooked + self.moved + self.unplaced


@dataclass(frozen=True, slots=True)
class Check:
    """What was found. A plan is feasible where nothing is violated, complete where nobody is left out as well."""

    violations: tuple[Violation, ...]
    terms: Terms
    unplaced: tuple[str, ...]

    @property
    def feasible(self) -> bool:
        """Whether the plan keeps every rule."""
        return not self.violations

    def document(self) -> dict[str, Any]:  # Any: JSON
        """Lay it out."""
        return {"feasible": self.feasible, "violations": [asdict(one) for one in self.violations]}


def check_plan(problem: Problem, plan: Iterable[Assignment]) -> Check:
    """Judge a plan. A patient of whom a stage that is not frozen is missing is left out."""
    given = {(one.patient, one.stage): one for one in plan}
    known = {(one.id, stage.name) for one in problem.patients for stage in one.stages}
    found = [Violation(*key, "unknown", "the problem has no such stage") for key in given if key not in known]
    was = {(one.patient, one.stage): one for one in problem.plan}
    kept = _kept(problem, was)
    unplaced = []
    for patient in problem.patients:
        mine = {s.name: given[patient.id, s.name] for s in patient.stages if (patient.id, s.name) in given}
        found += _frozen_faults(patient, mine, kept)
        if len(mine) < len(patient.stages):
            unplaced.append(patient.id)
            extra = [name for name in mine if (patient.id, name) not in kept]
            found += [
                Violation(patient.id, name, "part", "a part of a way, of which the rest is missing") for name in extra
            ]
            continue
        found += _way_faults(problem, patient, mine, kept)
    found += _capacity_faults(problem, given)
    return Check(tuple(found), _terms(problem, given, was, set(unplaced)), tuple(unplaced))


def reasons(
    problem: Problem, unplaced: Sequence[str], blocked: dict[str, Blocked] | None = None
) -> list[dict[str, Any]]:
    """Say of each patient who is left out which constraint stops them and what would relax it.

    `alone` true: there would be no place if nobody else but what is frozen were planned, so no plan has one.
    """
    frozen, blocked = freeze(problem), blocked or {}
    said = []
    for patient in problem.patients:
        if patient.id not in unplaced:
            continue
        if patient.id in frozen.lost:
            said.append({**asdict(past_return(patient)), "alone": True})
            continue
        found = place(frozen.timetable.copy(), patient, frozen.kept[patient.id])
        if isinstance(found, Blocked):
            said.append({**asdict(found), "alone": True})
            continue
        why = blocked.get(patient.id) or Blocked(
            patient.id, patient.stages[0].name, "capacity",
            "there is a place alone, none that costs less beside the others",
            "give more capacity, or move a patient of lower priority",
        )  # fmt: skip
        said.append({**asdict(why), "alone": False})
    return said


def _kept(problem: Problem, was: dict[tuple[str, str], Assignment]) -> dict[tuple[str, str], Assignment]:
    fell = {(one.patient, one.stage) for one in freeze(problem).broken}
    found = {}
    for patient in problem.patients:
        for k, stage in enumerate(patient.stages):
            key = (patient.id, stage.name)
            if key in was and key not in fell:
                spot = Spot(was[key].start, was[key].unit)
                if has_begun(problem, patient, k, spot) or is_frozen(problem, patient, k, spot):
                    found[key] = was[key]
    return found


def _frozen_faults(
    patient: Patient, mine: dict[str, Assignment], kept: dict[tuple[str, str], Assignment]
) -> Iterable[Violation]:
    for stage in patient.stages:
        stands = kept.get((patient.id, stage.name))
        if stands is not None and mine.get(stage.name) != stands:
            yield Violation(patient.id, stage.name, "frozen", f"stands at {stands.start} {stands.unit}".rstrip())


def _way_faults(
    problem: Problem, patient: Patient, mine: dict[str, Assignment], kept: dict[tuple[str, str], Assignment]
) -> Iterable[Violation]:
    pools = {one.name: one.units for one in problem.pools}
    before: Stage | None = None
    for stage in patient.stages:
        start, stands = mine[stage.name].start, (patient.id, stage.name) in kept
        if not stands:
            for constraint, why in _stage_faults(problem, patient, stage, mine[stage.name], pools):
                yield Violation(patient.id, stage.name, constraint, why)
        if before is not None and not (stands and (patient.id, before.name) in kept):
            end = mine[before.name].start + before.duration
            if start < end:
                yield Violation(patient.id, stage.name, "order", f"starts at {start}, {before.name} ends at {end}")
        for within in stage.within:
            if stands and (patient.id, within.after) in kept:
                continue
            earlier = next(one for one in patient.stages if one.name == within.after)
            until = mine[within.after].start + earlier.duration + within.length
            if start > until:
                yield Violation(patient.id, stage.name, "within", f"starts at {start}, allowed is {until}")
        before = stage


def _stage_faults(
    problem: Problem, patient: Patient, stage: Stage, one: Assignment, pools: dict[str, tuple[str, ...]]
) -> Iterable[tuple[str, str]]:
    start = one.start
    if start < problem.now:
        yield "now", f"starts at {start}, before now, {problem.now}"
    if start + stage.duration > problem.horizon:
        yield "horizon", f"ends at {start + stage.duration}, behind the horizon, {problem.horizon}"
    if stage.pool and one.unit not in pools[stage.pool]:
        yield "pool", f"{one.unit!r} is no unit of {stage.pool}"
    if stage.departures and not _may_depart(problem, stage.departures, start):
        yield "departures", f"{start} is no instant of {stage.departures}"
    if stage is patient.stages[0]:
        if start < patient.ready:
            yield "ready", f"starts at {start}, the material is ready at {patient.ready}"
        if patient.expires is not None and start > patient.expires:
            yield "expires", f"starts at {start}, the material expires at {patient.expires}"
    if stage is patient.stages[-1]:
        if start > patient.latest:
            yield "latest", f"starts at {start}, allowed is {patient.latest}"
        depletion = patient.depletion
        if depletion is not None and not depletion.begun and start - depletion.lead < depletion.earliest:
            yield "depletion", f"lymphodepletion at {start - depletion.lead}, allowed from {depletion.earliest}"


def _may_depart(problem: Problem, name: str, step: int) -> bool:
    one = next(one for one in problem.departures if one.name == name)
    if any(gap.start <= step < gap.end for gap in one.closed):
        return False
    return step in one.at or step % problem.week in one.weekly


def _capacity_faults(problem: Problem, given: dict[tuple[str, str], Assignment]) -> Iterable[Violation]:
    """Sum what is used of each resource over time, and hold it against its calendar."""
    used: dict[str, list[tuple[int, int, int, str, str]]] = {one.name: [] for one in problem.resources}
    for patient in problem.patients:
        for stage in patient.stages:
            one = given.get((patient.id, stage.name))
            if one is None:
                continue
            if one.unit in used:
                used[one.unit].append((one.start, one.start + stage.duration, 1, patient.id, stage.name))
            for use in stage.uses:
                first = one.start + use.after
                end = one.start + stage.duration if use.length is None else first + use.length
                used[use.resource].append((first, end, use.amount, patient.id, stage.name))
    pooled = {unit for one in problem.pools for unit in one.units}
    for resource in problem.resources:
        spans = sorted(used[resource.name])
        yield from _over(problem, resource, spans)
        if resource.name in pooled:
            for (_, end, _, name, _), (start, _, _, other, name_of) in pairwise(spans):
                if problem.now <= start < end + resource.changeover:
                    why = (
                        f"starts at {start} in {resource.name}, ready again after {name} at {end + resource.changeover}"
                    )
                    yield Violation(other, name_of, "changeover", why)


def _over(problem: Problem, resource: Resource, spans: list[tuple[int, int, int, str, str]]) -> Iterable[Violation]:
    """Look at each instant from `now` on at which use or capacity may change."""
    edges = _edges(problem, resource) if spans else []
    change: dict[int, int] = {}
    for start, end, amount, _, _ in spans:
        change[start] = change.get(start, 0) + amount
        change[end] = change.get(end, 0) - amount
    level = 0
    for step in sorted({*change, *edges, problem.now}):
        level += change.get(step, 0)
        if step >= problem.now and level > _capacity(problem, resource, step) and level > 0:
            who = next(one for one in spans if one[0] <= step < one[1])
            why = f"{level} of {resource.name} in use at {step}, there are {_capacity(problem, resource, step)}"
            yield Violation(who[3], who[4], "capacity", why)


def _edges(problem: Problem, resource: Resource) -> list[int]:
    steps = [step for one in resource.closed for step in (one.start, one.end)]
    calendar = next((one for one in problem.calendars if one.name == resource.calendar), None)
    if calendar is not None:
        steps += [step for one in calendar.closed for step in (one.start, one.end)]
        weeks = range(problem.now // problem.week, problem.horizon // problem.week + 1)
        steps += [w * problem.week + at for w in weeks for one in calendar.weekly for at in (one.start, one.end)]
        steps += [w * problem.week for w in weeks]
    return [step for step in steps if problem.now <= step < problem.horizon]


def _capacity(problem: Problem, resource: Resource, step: int) -> int:
    """Give what there is of a resource at an instant."""
    there = resource.capacity
    calendar = next((one for one in problem.calendars if one.name == resource.calendar), None)
    if calendar is not None:
        at = step % problem.week
        window = next((one for one in calendar.weekly if one.start <= at < one.end), None)
        if window is None or any(one.start <= step < one.end for one in calendar.closed):
            return 0
        if window.capacity is not None:
            there = min(there, window.capacity)
    for one in resource.closed:
        if one.start <= step < one.end:
            there -= resource.capacity if one.lost is None else one.lost
    return max(there, 0)


def _terms(
    problem: Problem,
    given: dict[tuple[str, str], Assignment],
    was: dict[tuple[str, str], Assignment],
    unplaced: set[str],
) -> Terms:
    weights, points = problem.weights, dict.fromkeys(Terms.__dataclass_fields__, 0)
    for patient in problem.patients:
        weight = weights.late[patient.priority - 1]
        if patient.id in unplaced:
            points["unplaced"] += weights.unplaced * max(weight, 1)
            points["patients_unplaced"] += 1
            continue
        for stage in patient.stages:
            one, before = given[patient.id, stage.name], was.get((patient.id, stage.name))
            if stage is patient.stages[-1]:
                points["late"] += weight * max(0, one.start - patient.wanted)
                if patient.bridged_until is not None:
                    behind = min(one.start - patient.bridged_until, one.start - patient.wanted)
                    points["unbridged"] += weight * (weights.unbridged - 1) * max(0, behind)
                if before is not None and before.start != one.start:
                    points["rebooked"] += weights.rebooked + weights.rebooked_step * abs(one.start - before.start)
                    points["slots_moved"] += 1
                    continue
            if before is not None and before != one:
                points["moved"] += weights.moved
                points["stages_moved"] += 1
    return Terms(**points)
