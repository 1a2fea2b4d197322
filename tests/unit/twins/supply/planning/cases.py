"""Small planning problems, drawn by seed: some have room, some do not, some have a present plan and a loss."""

from __future__ import annotations

import msgspec
import numpy as np

from twins.supply.planning import Problem, plan_greedily
from twins.supply.planning.costs import assignments
from twins.supply.planning.problem import (
    Calendar,
    Closing,
    Departures,
    Depletion,
    Patient,
    Pool,
    Resource,
    Stage,
    Use,
    Window,
    Within,
)
from twins.supply.planning.reading import check_problem

DAY = 24


def patient(name: str, rng: np.random.Generator, tight: int) -> Patient:
    """Draw a patient; the smaller `tight`, the less time the material leaves."""
    ready, make = int(rng.integers(0, 10 * DAY)), int(rng.integers(2 * DAY, 4 * DAY))
    wanted = ready + make + int(rng.integers(5, 9)) * DAY
    return Patient(
        name,
        int(rng.integers(1, 4)),
        ready,
        wanted,
        wanted + int(rng.integers(5, 25)) * DAY,
        (
            Stage("make", make, "bays", (Use("operators", 1, 0, 3),)),
            Stage("qc", 30, "", (Use("lab", int(rng.integers(1, 3))),), "batch"),
            Stage("courier", 20, "", (), "courier", (Within("make", int(rng.integers(4, 12)) * DAY),)),
            Stage("infusion", 6, "", (Use(f"site-{rng.integers(2)}"),), "", (Within("courier", 3 * DAY),)),
        ),
        ready + int(rng.integers(2, tight)) * DAY if rng.random() < 0.7 else None,
        wanted + DAY if rng.random() < 0.4 else None,
        Depletion(3 * DAY, ready + make + int(rng.integers(0, 3)) * DAY) if rng.random() < 0.6 else None,
    )


def draw(seed: int, patients: int = 9, bays: int = 3) -> Problem:
    """Draw a problem without a present plan."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    problem = Problem(
        f"N{seed}",
        0,
        60 * DAY,
        tuple(patient(f"P{n}", rng, int(rng.integers(4, 20))) for n in range(patients)),
        (
            *(Resource(f"bay-{k}", changeover=int(rng.integers(0, 8))) for k in range(bays)),
            Resource("operators", 2, calendar="shifts", closed=(Closing(30, 60, 1, "ill"),)),
            Resource("lab", 3),
            Resource("site-0", 1, calendar="open"),
            Resource("site-1", 1, closed=(Closing(14 * DAY, 16 * DAY),)),
        ),
        (Pool("bays", tuple(f"bay-{k}" for k in range(bays))),),
        (
            Calendar("shifts", tuple(Window(d * DAY + 6, d * DAY + 20, None if d < 5 else 1) for d in range(6))),
            Calendar("open", tuple(Window(d * DAY + 7, d * DAY + 19) for d in range(5)), (Window(9 * DAY, 10 * DAY),)),
        ),
        (
            Departures("batch", (9, 2 * DAY + 9, 4 * DAY + 9), (5 * DAY + 5,), (Window(7 * DAY, 8 * DAY),)),
            Departures("courier", tuple(d * DAY + 17 for d in range(6))),
        ),
        grid_minutes=60,
    )
    check_problem(problem)
    return problem


def lost(seed: int, patients: int = 9, bays: int = 3) -> Problem:
    """Draw a problem with a present plan, some days on, after a bay is lost for a time."""
    problem = draw(seed, patients, bays)
    rng = np.random.Generator(np.random.Philox(key=seed + 10_000))
    found = plan_greedily(problem)
    plan = assignments(problem, found.plan, found.frozen.kept)
    now = int(rng.integers(2 * DAY, 14 * DAY))
    closing = Closing(now, now + int(rng.integers(1, 30)) * DAY, None, "contaminated")
    slots = {one.patient: one.start for one in plan if one.stage == "infusion"}
    begun = []
    for one in problem.patients:
        lead = one.depletion
        if lead is not None and one.id in slots and slots[one.id] - lead.lead <= now:
            one = msgspec.structs.replace(one, depletion=msgspec.structs.replace(lead, begun=True))
        begun.append(one)
    again = msgspec.structs.replace(
        problem,
        now=now,
        freeze=int(rng.integers(0, 3)) * DAY,
        plan=plan,
        patients=tuple(begun),
        resources=(msgspec.structs.replace(problem.resources[0], closed=(closing,)), *problem.resources[1:]),
    )
    check_problem(again)
    return again
