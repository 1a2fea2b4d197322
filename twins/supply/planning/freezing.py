"""What of the present plan stands: stages that have started, that start before the freeze ends, and infusions for which
lymphodepletion has begun.

A freeze gives way only to the world: a resource that is gone, or an earlier stage of the same patient that fell. A
stage that had started and lost its resource is to be done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twins.supply.planning.costs import Spot, present_of
from twins.supply.planning.problem import Patient, Problem
from twins.supply.planning.timetable import Timetable, make_timetable


@dataclass(frozen=True, slots=True)
class Broken:
    """A stage that was frozen and cannot stand, and why."""

    patient: str
    stage: str
    why: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """What stands, by patient and place of the stage; what fell; the timetable in which what stands is booked.

    `lost`: patients whose depletion has begun and whose infusion cannot take place when it must; no plan helps them.
    """

    kept: dict[str, dict[int, Spot]]
    broken: tuple[Broken, ...]
    timetable: Timetable
    lost: frozenset[str]


def freeze(problem: Problem) -> Frozen:
    """Find what stands. What has started is booked first, then by start: of two that clash the earlier stays."""
    table = make_timetable(problem)
    kept: dict[str, dict[int, Spot]] = {one.id: {} for one in problem.patients}
    broken: list[Broken] = []
    lost: set[str] = set()
    fallen: set[str] = set()  # patients of whom a stage fell: what is not begun of them is free
    candidates = [
        (not begun, spot.start, patient.id, k, spot, patient)
        for patient, spots in ((one, present) for one, present in _by_patient(problem))
        for k, spot in spots.items()
        for begun in (has_begun(problem, patient, k, spot),)
        if begun or is_frozen(problem, patient, k, spot)
    ]
    for waits, _, name, k, spot, patient in sorted(candidates, key=lambda one: one[:4]):
        stage = patient.stages[k]
        if waits and name in fallen:
            why = "an earlier stage of the patient has to be done anew"
        elif not table.open(stage, *spot):
            why = f"{spot.unit or 'a resource of the stage'} is not there for all of it"
        elif waits:
            why = fault(problem, patient, {**kept[name], k: spot}, k)
            if not why and not table.fits(stage, *spot):
                why = "the calendar no longer allows its start"
        else:
            why = ""
        immovable = k == len(patient.stages) - 1 and patient.depletion is not None and patient.depletion.begun
        if why:
            broken.append(Broken(name, stage.name, why))
            fallen.add(name)
            if immovable:
                lost.add(name)
        else:
            kept[name][k] = spot
            table.take(stage, *spot, name)
    return Frozen(kept, tuple(broken), table, frozenset(lost))


def is_frozen(problem: Problem, patient: Patient, k: int, spot: Spot) -> bool:
    """Say whether a stage of the present plan, or the depletion before an infusion, starts before the freeze ends."""
    start = spot.start
    if k == len(patient.stages) - 1 and patient.depletion is not None:
        start -= patient.depletion.lead
    return start < problem.now + problem.freeze


def has_begun(problem: Problem, patient: Patient, k: int, spot: Spot) -> bool:
    """Say whether a stage has started, or its patient is past the point of no return."""
    if spot.start < problem.now:
        return True
    return k == len(patient.stages) - 1 and patient.depletion is not None and patient.depletion.begun


def fault(problem: Problem, patient: Patient, spots: Mapping[int, Spot], k: int) -> str:
    """Say which rule of the patient's own way the start of a stage breaks, among stages that are known; empty: none."""
    stages, start = patient.stages, spots[k].start
    end, last = start + stages[k].duration, len(stages) - 1
    if k == 0 and start < patient.ready:
        return "the starting material is not there yet"
    if k == 0 and patient.expires is not None and start > patient.expires:
        return "the starting material has expired"
    if k == last and start > patient.latest:
        return "the infusion is later than allowed"
    depletion = patient.depletion
    if k == last and depletion is not None and not depletion.begun:
        begins = start - depletion.lead
        if begins < depletion.earliest:
            return "lymphodepletion would begin before the release is sure enough"
    if any(m < k and spots[m].start + stages[m].duration > start for m in spots):
        return "it would start before an earlier stage has ended"
    if any(m > k and spots[m].start < end for m in spots):
        return "it would end behind the start of a later stage that stands"
    names = {stage.name: m for m, stage in enumerate(stages)}
    for m in spots:
        for within in stages[m].within:
            a = names[within.after]
            if a in spots and k in (a, m) and spots[m].start > spots[a].start + stages[a].duration + within.length:
                return f"{stages[m].name} would start more than {within.length} steps after {within.after}"
    return ""


def _by_patient(problem: Problem) -> list[tuple[Patient, dict[int, Spot]]]:
    present = present_of(problem)
    return [(one, present[one.id]) for one in problem.patients]
