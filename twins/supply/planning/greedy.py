"""A feasible plan at once: the present plan with what fell out put back by the least moves, or a plan from nothing.

Patients come by priority, then by how little time they have left. One who would be late may push out another if both
together then cost less. Work is bounded by counts, so equal problems give equal plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twins.supply.planning.costs import Spot, Spots, cost_of, present_of, total_cost
from twins.supply.planning.freezing import Frozen, freeze
from twins.supply.planning.placing import Blocked, place, replace, unplace
from twins.supply.planning.problem import Patient, Problem
from twins.supply.planning.timetable import Timetable

MOST_PUSHES = 100  # tries to push another out, all patients together
MOST_VICTIMS = 10  # of those, for one patient


@dataclass(frozen=True, slots=True)
class Found:
    """A plan, who is left out and why, what it costs, and what was frozen."""

    plan: dict[str, Spots]
    blocked: dict[str, Blocked]
    cost: int
    frozen: Frozen


def plan_greedily(problem: Problem) -> Found:
    """Give a feasible plan. Who cannot be placed is left out, with the reason."""
    frozen, present = freeze(problem), present_of(problem)
    table = frozen.timetable.copy()
    work = _Work(problem, table, frozen.kept, present, frozen.lost)
    work.keep()
    for patient in sorted(problem.patients, key=lambda one: (one.priority, slack(one), one.id)):
        if patient.id not in work.plan:
            work.add(patient)
    work.push()
    return Found(work.plan, work.blocked, total_cost(problem, work.plan, present), frozen)


def slack(patient: Patient) -> int:
    """Give the last start of the first stage: what the slots and the starting material leave."""
    last = patient.wanted - sum(stage.duration for stage in patient.stages[:-1])
    return last if patient.expires is None else min(last, patient.expires)


def past_return(patient: Patient) -> Blocked:
    """Give the reason of a patient whose infusion may not move and cannot stay."""
    return Blocked(
        patient.id, patient.stages[-1].name, "depletion",
        "lymphodepletion has begun and the infusion cannot take place at its instant",
        "give back the capacity of that slot; a person decides what else",
    )  # fmt: skip


def place_cheaply(
    table: Timetable, problem: Problem, patient: Patient, kept: Mapping[int, Spot], present: Mapping[int, Spot]
) -> Spots | Blocked:
    """Book a patient where it stood as far as can be, or as early as can be, whichever costs less."""
    near = place(table, patient, kept, present) if present else None
    if isinstance(near, tuple):
        cost = cost_of(problem.weights, patient, near, present)
        if cost <= problem.weights.moved:
            return near
        unplace(table, patient, kept, near)
        early = place(table, patient, kept)
        if isinstance(early, tuple):
            if cost_of(problem.weights, patient, early, present) < cost:
                return early
            unplace(table, patient, kept, early)
        replace(table, patient, kept, near)
        return near
    return place(table, patient, kept)


@dataclass(slots=True)
class _Work:
    problem: Problem
    table: Timetable
    kept: dict[str, dict[int, Spot]]
    present: dict[str, dict[int, Spot]]
    lost: frozenset[str]
    plan: dict[str, Spots] = field(default_factory=dict)
    blocked: dict[str, Blocked] = field(default_factory=dict)

    def keep(self) -> None:
        """Book, by priority, every patient whose whole present plan can stay."""
        for patient in sorted(self.problem.patients, key=lambda one: (one.priority, slack(one), one.id)):
            was = self.present[patient.id]
            if len(was) < len(patient.stages) or patient.id in self.lost:
                continue
            spots = place(self.table, patient, self.kept[patient.id], was)
            if not isinstance(spots, tuple):
                continue
            if all(spots[k] == was[k] for k in was):
                self.plan[patient.id] = spots
            else:
                unplace(self.table, patient, self.kept[patient.id], spots)

    def add(self, patient: Patient) -> None:
        """Book a patient, or note why not."""
        if patient.id in self.lost:
            self.blocked[patient.id] = past_return(patient)
            return
        found = place_cheaply(self.table, self.problem, patient, self.kept[patient.id], self.present[patient.id])
        if isinstance(found, tuple):
            self.plan[patient.id] = found
            self.blocked.pop(patient.id, None)
        else:
            self.blocked[patient.id] = found

    def push(self) -> None:
        """Let patients who are late or left out push others out where both together then cost less."""
        tries = MOST_PUSHES
        costs = {one.id: self._cost(one) for one in self.problem.patients}
        for patient in sorted(self.problem.patients, key=lambda one: (-costs[one.id], one.id)):
            if tries <= 0 or patient.id in self.lost or self._cost(patient) <= self.problem.weights.rebooked:
                continue
            for other in self._victims(patient)[: min(MOST_VICTIMS, tries)]:
                tries -= 1
                if self._exchange(patient, other):
                    break

    def _cost(self, patient: Patient) -> int:
        return cost_of(self.problem.weights, patient, self.plan.get(patient.id), self.present[patient.id])

    def _victims(self, patient: Patient) -> list[Patient]:
        """Name who holds what the patient could use, the least urgent first."""
        k = next((k for k, one in enumerate(patient.stages) if one.pool and k not in self.kept[patient.id]), None)
        late = self.problem.weights.late
        if k is None:
            return []
        first = max(patient.ready, self.problem.now)
        mine = self.plan.get(patient.id)
        until = mine[k].start if mine else first + 3 * patient.stages[k].duration
        found = []
        for other in self.problem.patients:
            spots = self.plan.get(other.id)
            if spots is None or other.id == patient.id or late[other.priority - 1] > late[patient.priority - 1]:
                continue
            for m, stage in enumerate(other.stages):
                if stage.pool == patient.stages[k].pool and m not in self.kept[other.id]:
                    if first <= spots[m].start < until:
                        found.append((late[other.priority - 1], -(other.wanted - spots[-1].start), other.id, other))
                    break
        return [one[3] for one in sorted(found, key=lambda one: one[:3])]

    def _exchange(self, patient: Patient, other: Patient) -> bool:
        before = self._cost(patient) + self._cost(other)
        old = {one.id: self.plan.get(one.id) for one in (patient, other)}
        why = self.blocked.get(patient.id)
        for one in (patient, other):
            self._out(one)
        for one in (patient, other):
            self.add(one)
        if self._cost(patient) + self._cost(other) < before:
            return True
        for one in (patient, other):
            self._out(one)
        for one in (patient, other):
            spots = old[one.id]
            if spots is not None:
                replace(self.table, one, self.kept[one.id], spots)
                self.plan[one.id] = spots
                self.blocked.pop(one.id, None)
        if why is not None:
            self.blocked[patient.id] = why
        return False

    def _out(self, patient: Patient) -> None:
        spots = self.plan.pop(patient.id, None)
        if spots is not None:
            unplace(self.table, patient, self.kept[patient.id], spots)
