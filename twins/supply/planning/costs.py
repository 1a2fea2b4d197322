"""What a plan costs, in points: lateness by priority, slots re-booked, stages moved, patients left out.

`twins.supply.planning.check` counts the same again from its own reading of the problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from twins.supply.planning.problem import Assignment, Patient, Problem, Weights


class Spot(NamedTuple):
    """Where a stage stands: its start and the unit of its pool, empty without a pool."""

    start: int
    unit: str


Spots = tuple[Spot, ...]  # of one patient, a spot for each stage
Plan = Mapping[str, Spots]  # by patient; who is left out is not in it
Present = Mapping[str, Mapping[int, Spot]]  # the present plan, by patient and place of the stage


def present_of(problem: Problem) -> dict[str, dict[int, Spot]]:
    """Give the present plan by patient and place of the stage."""
    places = {(one.id, stage.name): k for one in problem.patients for k, stage in enumerate(one.stages)}
    found: dict[str, dict[int, Spot]] = {one.id: {} for one in problem.patients}
    for one in problem.plan:
        found[one.patient][places[one.patient, one.stage]] = Spot(one.start, one.unit)
    return found


def assignments(problem: Problem, plan: Plan, kept: Present) -> tuple[Assignment, ...]:
    """Write a plan down, in the order of the problem; of a patient who is left out what stands."""
    found = []
    for one in problem.patients:
        spots = dict(enumerate(plan[one.id])) if one.id in plan else kept[one.id]
        found += [Assignment(one.id, one.stages[k].name, *spots[k]) for k in sorted(spots)]
    return tuple(found)


def lateness(weights: Weights, patient: Patient, start: int) -> int:
    """Give the points of an infusion's start: nothing up to the wanted one, then by the step."""
    weight = weights.late[patient.priority - 1]
    points = weight * max(start - patient.wanted, 0)
    if patient.bridged_until is not None:
        points += weight * (weights.unbridged - 1) * max(start - max(patient.bridged_until, patient.wanted), 0)
    return points


def left_out(weights: Weights, patient: Patient) -> int:
    """Give the points of a patient for whom there is no place."""
    return weights.unplaced * max(weights.late[patient.priority - 1], 1)


def cost_of(weights: Weights, patient: Patient, spots: Spots | None, present: Mapping[int, Spot]) -> int:
    """Give a patient's points."""
    if spots is None:
        return left_out(weights, patient)
    last = len(spots) - 1
    points = lateness(weights, patient, spots[last].start)
    for k, was in present.items():
        if k == last and spots[k].start != was.start:
            points += weights.rebooked + weights.rebooked_step * abs(spots[k].start - was.start)
        elif spots[k] != was:
            points += weights.moved
    return points


def total_cost(problem: Problem, plan: Plan, present: Present) -> int:
    """Give a plan's points."""
    return sum(cost_of(problem.weights, one, plan.get(one.id), present[one.id]) for one in problem.patients)
