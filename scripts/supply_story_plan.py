"""The network of the supply story: who is treated where, what there is of what, and the plan that people made."""

from __future__ import annotations

from typing import Any

from schemas.instants import HOUR, Instant, format_instant, parse_instant
from twins.supply.planning import Problem, plan_greedily, read_problem

ORIGIN = parse_instant("2026-04-13T00:00:00Z")  # a Monday; hours of the story count from here
DAYS = 46.0  # that are told
NETWORK = "CELLS-EU"
MAKER, BOSTON = "Leiden", "Boston"
SITES = ("Lyon", "Munich", "Copenhagen", BOSTON)
PATIENTS, EVERY_HOURS = 24, 20  # so often somebody is ordered a therapy
BAYS, MAKE_HOURS, STAFFED = 6, 100, 4
FIXED = {"qc": 120, "release": 6, "infusion": 8}
DEPLETION_HOURS = 96  # from the beginning of lymphodepletion to the infusion
WEIGHTS = {"rebooked": 200, "moved": 20}

Plan = dict[tuple[str, str], int]  # start of each patient's stage [h]


def coi(number: int) -> str:
    """Name a patient by the chain-of-identity identifier."""
    return f"COI-{number + 1:03d}"


def site_of(number: int) -> str:
    """Say where a patient is treated."""
    return SITES[number % len(SITES)]


def ordered_at(number: int) -> int:
    """Say when a patient's therapy is ordered [h]."""
    return 8 + EVERY_HOURS * number


def material_at(number: int) -> int:
    """Say when a patient's cells should be at the maker's [h]."""
    return ordered_at(number) + 24 * 5


def courier_hours(site: str) -> int:
    """Say what the way to a site is planned with [h]."""
    return 92 if site == BOSTON else 30


def ready_hours(site: str) -> int:
    """Say how long after the pick-up the infusion may be at the earliest: the way and a day, and after the release."""
    return max(courier_hours(site) + 24, DEPLETION_HOURS)


def when(hour: float) -> str:
    """Write an hour of the story as a time."""
    return format_instant(at(hour))


def at(hour: float) -> Instant:
    """Give an hour of the story [us]."""
    return Instant(ORIGIN + round(hour * HOUR))


def planning() -> dict[str, Any]:  # Any: JSON
    """Give the planning document: its slots are those of the plan that was made without haste before all began."""
    first = {**_document(None), "plan": []}
    slots = {patient: start for (patient, stage), start in _placed(read_problem(first)).items() if stage == "infusion"}
    document = _document(slots)
    plan = _placed(read_problem({**document, "plan": []}))
    document["plan"] = [{"patient": who, "stage": stage, "start": start} for (who, stage), start in plan.items()]
    return document


def starts(document: dict[str, Any]) -> Plan:
    """Give the plan of a document."""
    return {(one["patient"], one["stage"]): one["start"] for one in document["plan"]}


def _placed(problem: Problem) -> Plan:
    found = plan_greedily(problem)
    assert not found.blocked, found.blocked
    return {
        (patient.id, stage.name): spot.start
        for patient in problem.patients
        for stage, spot in ((stage, found.plan[patient.id][k]) for k, stage in enumerate(patient.stages))
    }


def _document(slots: dict[str, int] | None) -> dict[str, Any]:
    week = [{"start": 24 * day + 6, "end": 24 * day + 20} for day in range(6)]
    return {
        "network": NETWORK, "now": 0, "horizon": 24 * 84, "origin": when(0), "grid_minutes": 60, "freeze": 48,
        "weights": WEIGHTS, "calendars": [{"name": "six days", "weekly": week}],
        "departures": [
            {"name": "pick-up", "weekly": [24 * day + 16 for day in range(5)]},
            {"name": "slots", "weekly": [24 * day + 9 for day in range(5)]},
        ],
        "resources": [
            {"name": "bay", "capacity": BAYS},
            {"name": "operators", "capacity": 1, "calendar": "six days"},
            {"name": "laboratory", "capacity": 8},
            *({"name": f"clinic {site}", "capacity": 1} for site in SITES),
        ],
        "patients": [_patient(number, slots) for number in range(PATIENTS)],
    }  # fmt: skip


def _patient(number: int, slots: dict[str, int] | None) -> dict[str, Any]:
    site, ready = site_of(number), material_at(number) + 2
    way = MAKE_HOURS + FIXED["qc"] + FIXED["release"] + ready_hours(site)
    released = ready + MAKE_HOURS + FIXED["qc"] + FIXED["release"]
    wanted = ready + way + 24 if slots is None else slots[coi(number)]
    by_staff = [{"resource": "operators", "length": STAFFED}, {"resource": "operators", "after": 96, "length": STAFFED}]
    return {
        "id": coi(number), "priority": 1 + number % 3, "ready": ready, "wanted": wanted, "latest": wanted + 24 * 21,
        "expires": ready + 24 * 30, "depletion": {"lead": DEPLETION_HOURS, "earliest": released},
        "stages": [
            {"name": "make", "duration": MAKE_HOURS, "uses": [{"resource": "bay"}, *by_staff]},
            {"name": "qc", "duration": FIXED["qc"], "uses": [{"resource": "laboratory"}]},
            {"name": "release", "duration": FIXED["release"]},
            {"name": "leg_out", "duration": ready_hours(site), "departures": "pick-up"},
            {"name": "infusion", "duration": FIXED["infusion"], "departures": "slots",
             "uses": [{"resource": f"clinic {site}"}]},
        ],
    }  # fmt: skip


def network() -> dict[str, Any]:
    """Give the network's document: the steps that scans name, and how long it is from each to the next."""
    steps: tuple[tuple[str, float, float, tuple[str, ...]], ...] = (
        ("eligibility", 2.6, 0.1, ()), ("apheresis", 0.2, 0.2, ()), ("cryo", 0.9, 0.2, ()),
        ("leg_in", 1.0, 0.2, ("courier",)), ("receipt", 0.2, 0.3, ()), ("make", MAKE_HOURS / 24, 0.02, ("bay",)),
        ("cryo_store", 0.1, 0.3, ()), ("qc", 4.9, 0.05, ("laboratory",)), ("release", 0.8, 0.5, ()),
        ("leg_out", 1.0, 0.4, ("courier",)), ("lymphodepletion", 1.5, 0.4, ()), ("site_receipt", 1.2, 0.4, ()),
        ("thaw", 0.1, 0.2, ("clinic",)), ("infusion", 0.1, 0.2, ("clinic",)),
    )  # fmt: skip
    units = {"bay": BAYS, "courier": 6, "laboratory": 8, "clinic": len(SITES)}
    return {
        "name": NETWORK,
        "resources": [{"name": name, "units": count} for name, count in units.items()],
        "routes": [{
            "name": "autologous",
            "steps": [
                {"name": name, "duration": {"law": "lognormal", "median": days, "sigma": sigma}, "needs": list(needs)}
                for name, days, sigma, needs in steps
            ],
        }],
        "classes": [
            {"name": "carT", "route": "autologous", "priority": 0,
             "arrivals": {"kind": "poisson", "per_day": 0.01, "most": 4}},
        ],
    }  # fmt: skip
