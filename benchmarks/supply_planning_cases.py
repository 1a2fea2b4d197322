"""Planning problems for the benchmark: a network under load with a present plan, and kinds of loss that befall it."""

from __future__ import annotations

import msgspec
import numpy as np

from twins.supply.planning import plan_greedily
from twins.supply.planning.costs import assignments
from twins.supply.planning.problem import (
    Calendar,
    Closing,
    Departures,
    Depletion,
    Patient,
    Pool,
    Problem,
    Resource,
    Stage,
    Use,
    Window,
    Within,
)
from twins.supply.planning.reading import check_problem

HOUR = 1  # step of the grid
DAY = 24 * HOUR
WEEK = 7 * DAY
LOSSES = (
    "bay from now on",
    "bay for two weeks",
    "two bays",
    "bay that runs",
    "staff halved for a week",
    "QC batch days",
)


def network(seed: int, patients: int = 500, bays: int = 24, sites: int = 8, load: float = 0.85) -> Problem:
    """Give a network whose patients arrive such that the bays are busy for the share `load`, with its present plan."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    span = patients * 8.5 * DAY / (bays * load)
    made = []
    for n, ready in enumerate(np.sort(rng.uniform(0.0, span, patients)).astype(int)):
        made.append(_patient(rng, n, int(ready), int(rng.integers(sites))))
    problem = Problem(
        network=f"N{seed}",
        now=0,
        horizon=int(span) + 120 * DAY,
        patients=tuple(made),
        resources=_resources(patients, bays, sites),
        pools=(Pool("bays", tuple(f"bay-{k:02}" for k in range(bays))),),
        calendars=(
            Calendar(
                "shifts", tuple(Window(d * DAY + 6, d * DAY + 22, None if d < 5 else bays // 4) for d in range(7))
            ),
            Calendar("workdays", tuple(Window(d * DAY + 8, d * DAY + 18) for d in range(5))),
        ),
        departures=(
            Departures("qc", (DAY + 9, 3 * DAY + 9, 4 * DAY + 9)),
            Departures("courier", tuple(d * DAY + 17 for d in range(6))),
            Departures("slots", tuple(d * DAY + 9 for d in range(5))),
        ),
        freeze=3 * DAY,
        grid_minutes=60,
        origin="2026-11-02T00:00:00Z",
    )
    check_problem(problem)
    found = plan_greedily(problem)
    return msgspec.structs.replace(problem, plan=assignments(problem, found.plan, found.frozen.kept))


def _patient(rng: np.random.Generator, n: int, ready: int, site: int) -> Patient:
    make = int(rng.integers(7 * DAY, 9 * DAY))
    wanted = ready + make + int(rng.integers(14, 22)) * DAY
    stages = (
        Stage("make", make, "bays", (Use("operators", 1, 0, 6),)),
        Stage("qc", 5 * DAY, "", (Use("qc-lab"),), "qc"),
        Stage("release", 4, "", (Use("qualified-person"),)),
        Stage("courier", DAY, "", (), "courier"),
        Stage("infusion", 8, "", (Use(f"site-{site}"),), "slots", (Within("courier", 10 * DAY),)),
    )
    return Patient(
        f"P{n:04}",
        int(rng.choice([1, 2, 3], p=[0.15, 0.35, 0.5])),
        ready,
        wanted,
        wanted + 45 * DAY,
        stages,
        ready + int(rng.integers(20, 40)) * DAY,
        wanted + 7 * DAY if rng.random() < 0.3 else None,
        Depletion(6 * DAY, ready + make + 5 * DAY),
    )


def _resources(patients: int, bays: int, sites: int) -> tuple[Resource, ...]:
    return (
        *(Resource(f"bay-{k:02}", changeover=8) for k in range(bays)),
        Resource("operators", max(bays // 3, 2), calendar="shifts"),
        Resource("qc-lab", 2 * bays),
        Resource("qualified-person", 6, calendar="workdays"),
        *(Resource(f"site-{k}", 2) for k in range(sites)),
    )


def lose(problem: Problem, kind: str, seed: int) -> Problem:
    """Give what has to be planned anew after a loss: two weeks on, the plan stands, and something is gone."""
    rng = np.random.Generator(np.random.Philox(key=seed + 1_000_003))
    now = 2 * WEEK + int(rng.integers(5 * DAY))
    units = [one.name for one in problem.resources if one.name.startswith("bay-")]
    running = {
        one.unit
        for one in problem.plan
        for stage in ("make",)
        if one.stage == stage and one.start < now < one.start + 6 * DAY
    }
    lost = [str(name) for name in rng.choice(units, 2, replace=False)]
    gone: dict[str, Closing] = {}
    departures = problem.departures
    if kind == "bay from now on":
        gone = {lost[0]: Closing(now, problem.horizon, None, "lost")}
    elif kind == "bay for two weeks":
        gone = {lost[0]: Closing(now, now + 2 * WEEK, None, "contaminated")}
    elif kind == "two bays":
        gone = {name: Closing(now, now + 5 * WEEK, None, "lost") for name in lost}
    elif kind == "bay that runs":
        gone = {sorted(running)[0]: Closing(now, now + 3 * WEEK, None, "lost with the batch in it")}
    elif kind == "staff halved for a week":
        operators = next(one for one in problem.resources if one.name == "operators")
        gone = {"operators": Closing(now + DAY, now + DAY + WEEK, operators.capacity // 2, "ill")}
    else:
        away = Window(now, now + 2 * WEEK)
        departures = tuple(
            msgspec.structs.replace(one, closed=(away,)) if one.name == "qc" else one for one in departures
        )
    resources = tuple(
        msgspec.structs.replace(one, closed=(gone[one.name],)) if one.name in gone else one for one in problem.resources
    )
    return msgspec.structs.replace(
        problem, now=now, resources=resources, departures=departures, patients=_begun(problem, now)
    )


def _begun(problem: Problem, now: int) -> tuple[Patient, ...]:
    """Mark the patients whose lymphodepletion has begun by the plan."""
    slots = {one.patient: one.start for one in problem.plan if one.stage == "infusion"}
    found = []
    for one in problem.patients:
        lead = one.depletion
        if lead is not None and slots.get(one.id, now + WEEK) - lead.lead <= now:
            one = msgspec.structs.replace(one, depletion=msgspec.structs.replace(lead, begun=True))
        found.append(one)
    return tuple(found)
