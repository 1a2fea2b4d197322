"""One patient's way through a timetable: as early as can be, or where it stands if it can; booked as it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twins.supply.planning.costs import Spot, Spots
from twins.supply.planning.problem import Patient
from twins.supply.planning.timetable import NEVER, Timetable

MOST_RETRIES = 400  # of a patient's stages against shelf lives (assumed: some tens are seen)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a patient has no place: the stage and constraint that stop it, in words, and what would relax it."""

    patient: str
    stage: str
    constraint: str
    why: str
    relax: str


def place(
    table: Timetable,
    patient: Patient,
    kept: Mapping[int, Spot],
    present: Mapping[int, Spot] | None = None,
) -> Spots | Blocked:
    """Find a place and book it; nothing is booked where there is none.

    Parameters
    ----------
    kept : mapping
        Stages that stand, by place; they are booked already.
    present : mapping or None
        Where stages stood: each is left there if it can be. None: as early as can be, which no other way beats as long
        as the timetable is as it is.
    """
    stages, last = patient.stages, len(patient.stages) - 1
    names = {stage.name: k for k, stage in enumerate(stages)}
    low = [table.now] * len(stages)
    if 0 not in kept:
        low[0] = max(low[0], patient.ready)
    if patient.depletion is not None and not patient.depletion.begun:
        low[last] = max(low[last], patient.depletion.earliest + patient.depletion.lead)
    spots: list[Spot] = []
    k, retries = 0, 0
    while k <= last:
        stage = stages[k]
        first = max(low[k], spots[-1].start + stages[k - 1].duration) if spots else low[k]
        blocked: Blocked | None = None
        if k in kept:
            spot = kept[k]
            if spots and spot.start < spots[-1].start + stages[k - 1].duration and k - 1 not in kept:
                blocked = Blocked(
                    patient.id, stages[k - 1].name, "frozen",
                    f"{stages[k - 1].name} cannot end before {stage.name}, which stands at {spot.start}",
                    f"let {stage.name} move by {spots[-1].start + stages[k - 1].duration - spot.start} steps",
                )  # fmt: skip
        else:
            spot = _search(table, patient, k, first, present)
            blocked = _beyond(table, patient, k, spot.start, first)
        anchor, need = (-1, 0) if blocked else _too_late(patient, names, spots, k, spot.start)
        if anchor >= 0:
            retries += 1
            if anchor in kept or retries > MOST_RETRIES:
                blocked = Blocked(
                    patient.id, stage.name, "within",
                    f"{stage.name} cannot start soon enough after {stages[anchor].name}: first at {spot.start}",
                    f"allow {spot.start - spots[anchor].start - stages[anchor].duration} steps between them",
                )  # fmt: skip
        if blocked is not None:
            _unbook(table, patient, kept, spots, 0)
            return blocked
        if anchor >= 0:
            low[anchor] = max(low[anchor], need)
            _unbook(table, patient, kept, spots, anchor)
            k = anchor
            continue
        if k not in kept:
            table.take(stage, *spot, patient.id)
        spots.append(spot)
        k += 1
    return tuple(spots)


def unplace(table: Timetable, patient: Patient, kept: Mapping[int, Spot], spots: Spots) -> None:
    """Take a patient's stages out, all but those that stand."""
    _unbook(table, patient, kept, list(spots), 0)


def replace(table: Timetable, patient: Patient, kept: Mapping[int, Spot], spots: Spots) -> None:
    """Book a patient where it is known to fit."""
    for k, spot in enumerate(spots):
        if k not in kept:
            table.take(patient.stages[k], *spot, patient.id)


def _search(table: Timetable, patient: Patient, k: int, first: int, present: Mapping[int, Spot] | None) -> Spot:
    stage, was = patient.stages[k], None if present is None else present.get(k)
    if was is None:
        return Spot(*table.earliest(stage, first))
    if was.start >= first and table.fits(stage, *was):
        return was
    if was.start >= first:
        found = Spot(*table.earliest(stage, was.start, was.unit))
        if found.start == was.start:
            return found
    return Spot(*table.earliest(stage, first, was.unit))


def _beyond(table: Timetable, patient: Patient, k: int, start: int, first: int) -> Blocked | None:
    stage, last = patient.stages[k], len(patient.stages) - 1
    if start >= NEVER:
        return Blocked(
            patient.id, stage.name, "capacity",
            f"{stage.name} finds no start from {first} to the horizon {table.horizon}",
            "give it more capacity or departures, or a later horizon",
        )  # fmt: skip
    if k == 0 and patient.expires is not None and start > patient.expires:
        return Blocked(
            patient.id, stage.name, "expires",
            f"{stage.name} could start at {start}, the starting material expires at {patient.expires}",
            f"start {start - patient.expires} steps earlier by more capacity, or collect again",
        )  # fmt: skip
    if k == last and start > patient.latest:
        return Blocked(
            patient.id, stage.name, "latest",
            f"{stage.name} could start at {start}, allowed is {patient.latest}",
            f"allow {start - patient.latest} steps more, or give capacity before",
        )  # fmt: skip
    return None


def _too_late(patient: Patient, names: Mapping[str, int], spots: list[Spot], k: int, start: int) -> tuple[int, int]:
    """Give the earlier stage that is to start later, and from when; -1 where every shelf life holds."""
    for within in patient.stages[k].within:
        a = names[within.after]
        if start > spots[a].start + patient.stages[a].duration + within.length:
            return a, start - within.length - patient.stages[a].duration
    return -1, 0


def _unbook(table: Timetable, patient: Patient, kept: Mapping[int, Spot], spots: list[Spot], first: int) -> None:
    for k in range(len(spots) - 1, first - 1, -1):
        if k not in kept:
            table.give(patient.stages[k], *spots[k], patient.id)
    del spots[first:]
