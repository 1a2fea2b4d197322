"""Simulated scans of many patients at once, as records: what benchmarks of the supply twins tell them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from connectors.outgoing import encode
from schemas import supply as s
from schemas.epcis import EpcisEvent, Extension
from schemas.events import Event
from schemas.instants import HOUR, Instant, format_instant, parse_instant
from streams.fold import FileRecord

BEGAN = parse_instant("2026-03-02T00:00:00Z")
LEGS = (
    ("apheresis", 3.0), ("leg_in", 0.5), ("receipt", 1.0), ("make", 9.0), ("release", 7.0), ("leg_out", 1.0),
    ("site_receipt", 1.0), ("infusion", 7.0),
)  # fmt: skip
STEPS = ("eligibility", "apheresis", "fresh", "leg_in", "receipt", "make", "release", "leg_out", "site_receipt")
TIMES = 4  # that a bag is scanned at each step, and once more at the last: 37 facts with the order
FACTS = 1 + TIMES * len(STEPS)
_NAMESPACE = "{https://example.org/}"


def patient(number: int) -> str:
    """Give the chain-of-identity identifier of a patient."""
    return f"COI-{number:06}"


def fact(number: int, place: int, since: int = 0) -> Event:
    """Give a patient's fact: the order first, then its scans, 18 h apart; patients begin seconds apart.

    `since` is how many facts' times earlier this one began.
    """
    coi, at = patient(number), Instant(BEGAN + (place - since) * 18 * HOUR + number * 3_000_000)
    if place == 0:
        lanes = [f"{word}-{number % 40}" for word in ("SITE", "LANE")]
        legs = tuple(s.PlannedLeg(step, days, lanes[place % 2], f"CARRIER-{number % 5}")
                     for place, (step, days) in enumerate(LEGS))  # fmt: skip
        slot = format_instant(Instant(at + 40 * 24 * HOUR))
        ordered = s.TherapyOrdered(product="urgent", order=coi, site=lanes[0], network="N1", slot=slot, legs=legs,
                                   clock="source")  # fmt: skip
        return Event(f"{coi}/order", "bench", "supply.therapy_ordered", f"patient:{coi}", at, at, ordered)
    step = STEPS[(place - 1) // TIMES]
    read = {"coiBag": coi, "coiOrder": coi, "coiWristband": coi, "releasedBy": "A", "receivedBy": "B"}
    scan = EpcisEvent(
        kind="ObjectEvent", event_time=format_instant(at), event_time_zone_offset="+00:00",
        hash=f"ni:///sha-256;{coi}-{place}?ver=CBV2.0", action="OBSERVE", epcs=(f"urn:bag:{coi}",), biz_step=step,
        extensions=tuple(Extension(_NAMESPACE + name, text) for name, text in sorted(read.items())),
    )  # fmt: skip
    return Event(f"{coi}/{place}", "bench", "supply.scanned", f"patient:{coi}", at, at, scan)


def described(spec: dict[str, object]) -> Event:
    """Give the network's description."""
    data = s.NetworkDescribed(spec=spec, clock="source")
    at = Instant(BEGAN)
    return Event("network", "bench", "supply.network_described", "network:N1", at, at, data)


def record(event: Event, offset: int) -> FileRecord:
    """Give an event as a record of one partition."""
    told = encode(msgspec.structs.replace(event))[0]
    return FileRecord(offset, 0, told.key, told.value, told.headers)


def facts(patients: int, first: int, after: int) -> Iterator[Event]:
    """Give all patients' facts from one place to before another, by time."""
    for place in range(first, after):
        for number in range(patients):
            yield fact(number, place)
