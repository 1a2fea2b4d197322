"""A few patients, a box, a room and a network, as facts: what tests of the supply twins tell them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
from msgspec import Struct

from schemas import supply as s
from schemas.epcis import EpcisEvent, Extension
from schemas.events import EVENTS, Event, write_headers, write_value
from schemas.instants import HOUR, Instant, format_instant, parse_instant
from schemas.partitions import TimePassed
from twins.checks import PlainRecord

BEGAN = parse_instant("2026-03-02T06:00:00Z")
ROOT = Path(__file__).parents[2]
LEGS = (
    ("apheresis", 3.0, "", ""), ("leg_in", 0.5, "", ""), ("receipt", 1.0, "LYS-AMS", "QX"), ("make", 9.0, "", ""),
    ("release", 7.0, "", ""), ("leg_out", 1.0, "", ""), ("site_receipt", 1.0, "AMS-LYS", "QX"),
    ("infusion", 7.0, "", ""),
)  # fmt: skip
_NAMES = {struct: name for name, struct in EVENTS.items() if name.startswith("supply.") or name == "time.passed"}


class Story:
    """Collects what is told. Hours count from `BEGAN`."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, hour: float, subject: str, data: Struct, known: float | None = None, name: str = "") -> Event:
        """Say a fact that happened at an hour, and was known at another."""
        at = Instant(BEGAN + round(hour * HOUR))
        record = Instant(BEGAN + round((hour if known is None else known) * HOUR) + 1000)
        kind = _NAMES[type(data)]
        checked = msgspec.convert(msgspec.to_builtins(data), type(data))  # whole numbers become what the type says
        event = Event(name or f"e{len(self.events)}", "wms", kind, subject, at, record, checked)
        self.events.append(event)
        return event

    def scan(self, hour: float, coi: str, step: str, **read: str) -> Event:
        """Say a scan of a patient's bag."""
        extensions = tuple(Extension(f"{{https://example.org/}}{name}", text) for name, text in sorted(read.items()))
        data = EpcisEvent(
            kind="ObjectEvent", event_time="2026-03-02T06:00:00Z", event_time_zone_offset="+00:00",
            hash=f"ni:///sha-256;{coi}-{step}-{hour}", action="OBSERVE", epcs=(f"bag-{coi}",), biz_step=step,
            extensions=extensions,
        )  # fmt: skip
        return self.tell(hour, f"patient:{coi}", data)

    def patient(self, coi: str, begin: float, network: str = "N1") -> None:
        """Say an order, and scans up to the receipt at the maker's."""
        legs = tuple(s.PlannedLeg(step, days, lane, carrier) for step, days, lane, carrier in LEGS)
        self.tell(begin, f"patient:{coi}", s.TherapyOrdered(
            product="urgent", order=coi, site="S1", network=network, slot="2026-04-05T18:00:00Z", legs=legs,
            clock="source",
        ))  # fmt: skip
        both = {"coiBag": coi, "coiOrder": coi}
        self.scan(begin + 5, coi, "eligibility")
        self.scan(begin + 70, coi, "apheresis", **both, coiWristband=coi)
        self.scan(begin + 72, coi, "fresh")
        self.scan(begin + 80, coi, "leg_in", **both, releasedBy="A", receivedBy="B")
        self.scan(begin + 100, coi, "receipt", **both, releasedBy="B", receivedBy="C")

    def box(self, name: str, coi: str, begin: float, hours: int, rng: random.Random) -> None:
        """Say a box that is packed, read each half hour, tipped in the middle, opened at the end."""
        key = f"shipper:{name}"
        self.tell(begin, key, s.ShipperPacked(
            model="DS-10", patient=coi, units=(f"bag-{coi}",), limit_celsius=-130, hold_hours=240, capacity_kg=4.5,
            fill_kg=4.4, fill_sd_kg=0.1, expected_arrival="2026-03-12T00:00:00Z", clock="source",
        ))  # fmt: skip
        fill = 4.4
        for half in range(1, 2 * hours):
            fill -= 0.01 if half < hours else 0.15
            hour = begin + half / 2
            self.tell(hour, key, s.ShipperWeighed(fill_kg=max(fill + rng.gauss(0, 0.03), 0)))
            celsius = (-190 + rng.gauss(0, 0.5), -190 + rng.gauss(0, 0.5))
            self.tell(hour, key, s.ShipperLogged(logger="L-1", seconds=(0, 900), celsius=celsius))
            if half == hours:
                self.tell(hour, key, s.ShipperTipped(tipped=True, degrees=85))
        self.tell(begin + hours, key, s.ShipperOpened(place="S1"))

    def room(self, name: str, cois: list[str], begin: float) -> None:
        """Say a room with a unit after the other, and a plate that is read days later."""
        key = f"room:{name}"
        self.tell(begin, key, s.RoomDescribed(
            grade="B", volume_m3=60, air_changes_per_hour=30, clock="source",
            rules={"adjoining": [{"room": "R2", "tail_minutes": 20.0}], "cascades": [{"against": "corridor"}]},
        ))  # fmt: skip
        for place, coi in enumerate(cois):
            hour = begin + 1 + 4 * place
            self.tell(hour, key, s.Badged(person="P-1", entered=True))
            self.tell(hour + 0.1, key, s.PlateExposed(plate=f"PL-{place}", kind="settle", until=_text(hour + 3)))
            self.tell(hour + 0.2, key, s.UnitOpened(patient=coi, unit=f"bag-{coi}"))
            self.tell(hour + 0.5, key, s.ParticlesCounted(litres=28.3, count_05um=1000 + 10 * place, count_5um=10))
            self.tell(hour + 2.5, key, s.PressureRead(pascal=12.0, against="corridor"))
            self.tell(hour + 3, key, s.UnitClosed(patient=coi, unit=f"bag-{coi}"))
            self.tell(hour + 3.2, key, s.Badged(person="P-1", entered=False))
            self.tell(hour + 3.4, key, s.RoomStated(what="line_cleared"))
            self.tell(begin + 120 + place, key, s.PlateRead(plate=f"PL-{place}", cfu=9 if place == 0 else 0))

    def network(self, name: str, begin: float, cois: list[str]) -> None:
        """Say a network, where its patients are, and a suite that is lost."""
        key = f"network:{name}"
        spec = json.loads((ROOT / "examples/supply/reference_network.json").read_bytes())["inputs"]["network"]
        self.tell(begin, key, s.NetworkDescribed(title="one", spec=spec, clock="source"))
        for place, coi in enumerate(cois):
            self.tell(
                begin + 1 + place, key, s.Moved(patient=coi, step="apheresis", kind="urgent", leg_hours=70.0 + place)
            )
            self.tell(begin + 30 + place, key, s.Moved(patient=coi, step="culture", leg_hours=20.0 + place))
        self.tell(begin + 50, key, s.ResourceChanged(resource="suite", units=4, reason="leak"))

    def passed(self, hour: float) -> None:
        """Say that time passed."""
        self.tell(hour, "", TimePassed())


def _text(hour: float) -> str:
    return format_instant(Instant(BEGAN + round(hour * HOUR)))


def story(seed: int, only: str = "") -> list[Event]:
    """Tell it all, or what concerns one kind of twin; by the time it was known."""
    rng = random.Random(seed)
    made = Story()
    cois = [f"COI-{place}" for place in range(3)]
    for coi in cois:
        if only in ("", "patient"):
            made.patient(coi, rng.uniform(0, 5))
    if only in ("", "shipper"):
        made.box("B1", cois[0], rng.uniform(100, 105), 12, rng)
    if only in ("", "room"):
        made.room("R1", cois, rng.uniform(5, 9))
    if only in ("", "network"):
        made.network("N1", rng.uniform(0, 1), cois)
    if not only:
        for hour in (20, 60, 110, 140):
            made.passed(hour)
    return sorted(made.events, key=lambda event: (event.record_time, event.id))


def records(events: list[Event]) -> list[PlainRecord]:
    """Lay events out as one partition's records."""
    return [
        PlainRecord(place, event.record_time // 1000, event.subject.encode() or None, write_value(event),
                    write_headers(event))
        for place, event in enumerate(events)
    ]  # fmt: skip


def told(seed: int, only: str = "") -> list[PlainRecord]:
    """Give the story as records."""
    return records(story(seed, only))
