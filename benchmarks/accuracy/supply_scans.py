"""Journeys with their truth: forty facts of one patient, what was done wrong to them, and what scans can show of it.

The truth comes from what the generator did, not from any rule of the twin. It shares names of steps and of violations
with the twin, and no code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from benchmarks.accuracy.supply_injuries import ALONE, BOUND, HOUR, INJURIES, MINUTE, Draft
from twins.supply.identity import facts as f

Rng = np.random.Generator
START = 1_790_000_000_000_000  # some instant of 2026 [us]
BUSY = ("sampling", "inspecting", "storing", "sensor_reporting", "holding")


@dataclass
class Made:
    """A journey as it arrives: facts in the order of arrival, and its truth."""

    coi: str
    arriving: list[Any]
    draft: Draft


def make(rng: Rng, number: int, facts: int = 40) -> Made:
    """Make a journey. Half of them are sound; the others have one or two injuries."""
    draft = _sound(rng, number, facts)
    if rng.random() < 0.5:
        names = list(INJURIES)
        for place in range(1 + int(rng.random() < 0.25)):
            name = names[int(rng.integers(len(names)))]
            if place and (name in ALONE or draft.injuries[0] in ALONE or name == draft.injuries[0]):
                break
            draft.injuries.append(name)
            INJURIES[name](rng, draft)
    return Made(draft.coi, _arrive(rng, draft), draft)


def _sound(rng: Rng, number: int, facts: int) -> Draft:
    coi, other = f"W{number:09d}P", f"W{(number + 1):09d}P"
    bag, lot = f"B-{number}", [f"P-{number}-{one}" for one in range(1 + int(rng.integers(3)))]
    said: list[Any] = []
    at = START + int(rng.integers(0, 300 * 24)) * HOUR
    read = {"bag": coi, "order": coi}
    bedside = {**read, "wristband": coi}

    def name() -> dict[str, Any]:
        return {"source": "site" if len(said) % 3 else "plant", "id": f"urn:uuid:{number:08x}-{len(said):04x}"}

    def scan(step: str, after: float, **more: Any) -> None:
        nonlocal at
        at += round(after * HOUR)
        said.append(f.Scan(**name(), at=at, known_at=0, step=step, place=_place(step), **more))

    def meet(step: str, after: float, units: tuple[str, ...], before: str, behind: str) -> None:
        """One scan that both signed, or two halves within an hour."""
        nonlocal at
        if rng.random() < 0.5:
            scan(step, after, units=units, read=read, releaser=before, receiver=behind)
            return
        scan(step, after, units=units, read=read, releaser=before)
        at += int(rng.integers(1, 60)) * MINUTE
        said.append(
            f.Handover(**name(), at=at, known_at=0, step=step, half="receipt", party=behind, units=units, place="dock")
        )

    def pack(shipper: str, days: float) -> None:
        nonlocal at
        at += HOUR
        hold = at + round(days * 24 * HOUR)
        said.append(f.ShipperPacked(**name(), at=at, known_at=0, shipper=shipper, hold_until=hold))

    said.append(
        f.Ordered(**name(), at=at, known_at=0, coi=coi, workflow="autologous", order=f"O-{number}", labels={"bag": 6})
    )
    scan("eligibility", 20 + 50 * rng.random())
    scan("apheresis", 48 + 100 * rng.random(), action="ADD", units=(bag,), read=bedside)
    scan("fresh" if rng.random() < 0.6 else "cryo", 3, units=(bag,))
    pack(f"D-{number}-1", 10)
    meet("leg_in", 2 + 4 * rng.random(), (bag,), "apheresis unit", "courier")
    meet("receipt", 20 + 30 * rng.random(), (bag,), "courier", "plant dock")
    at += 4 * HOUR
    said.append(f.Opened(**name(), at=at, known_at=0, workcell="W1", unit=bag))
    scan("make", 2 + 10 * rng.random(), inputs=(bag,), outputs=tuple(lot), read=read)
    said.append(f.Closed(**name(), at=at + HOUR, known_at=0, workcell="W1", unit=bag))
    used = 3 + int(rng.integers(3))
    at += 90 * MINUTE
    said.append(f.Labels(**name(), at=at, known_at=0, type="bag", place="plant", received=6, used=used))
    said.append(f.Labels(**name(), at=at + HOUR, known_at=0, type="bag", place="plant", destroyed=6 - used))
    said.append(f.Disposition(**name(), at=at, known_at=0, status="quarantined", by=("quality",)))
    while len(said) < facts - 12:
        scan(BUSY[int(rng.integers(len(BUSY)))], 1 + 8 * rng.random(), units=tuple(lot))
    scan("cryo_store", 3, units=tuple(lot))
    scan("qc", 100 + 60 * rng.random(), units=tuple(lot))
    scan("release", 5 + 20 * rng.random(), units=tuple(lot))
    said.append(f.Disposition(**name(), at=at + 2 * MINUTE, known_at=0, status="released", by=("qualified person",)))
    pack(f"D-{number}-2", 10)
    meet("leg_out", 3 + 5 * rng.random(), tuple(lot), "plant dock", "courier")
    meet("site_receipt", 20 + 40 * rng.random(), tuple(lot), "courier", "cell laboratory")
    scan("lymphodepletion", 5 + 20 * rng.random())
    scan("thaw", 100 + 40 * rng.random(), units=tuple(lot))
    scan("infusion", 0.5, units=tuple(lot), read=bedside)
    return Draft(number, coi, other, said)


def _place(step: str) -> str:
    return "plant" if step in {"make", "qc", "release", "cryo_store"} else "site"


def _arrive(rng: Rng, draft: Draft) -> list[Any]:
    """Give facts their time of being known, and put them in an order of arrival: late, reordered, twice, broken.

    Without an injury of time each arrives within the bound after it happened.
    """
    tardy = 0.3 * rng.random() if rng.random() < 0.5 else 0.0  # share of facts that are late, within the bound
    come: list[tuple[int, int, Any]] = []
    for place, fact in enumerate(draft.facts):
        delay = draft.late.get(fact.id)
        if fact.known_at:  # a correction, known when it is
            known = fact.known_at
        elif delay is not None:
            known = fact.at + delay
        else:
            late = rng.random() < tardy
            known = fact.at + int((0.97 * BOUND if late else 5 * MINUTE) * rng.random())
        come.append((known + int(rng.random() * 0.02 * BOUND), place, msgspec.structs.replace(fact, known_at=known)))
    for _, place, fact in list(come):
        if rng.random() < 0.03:
            draft.repeats += 1
            come.append((fact.known_at + int(rng.random() * 90 * HOUR), place, fact))
    if rng.random() < 0.05:
        draft.broken += 1
        scan = draft.of("qc") or draft.of("release") or draft.of("eligibility")
        bad = msgspec.structs.replace(scan[0], id="broken", action="MOVE") if scan else None
        if bad is None:
            draft.broken -= 1
        else:
            come.append((come[-1][0], -1, bad))
    come.sort(key=lambda one: one[:2])
    return [fact for _, _, fact in come]
