"""The facts of the supply story, as partners' systems would tell them: EPCIS scans, milestones, boxes, rooms, quality.

What happens follows the plan that holds: after a new one is taken the same patients' later facts are told by it. Each
patient's chance is its own, so that facts that were told stay as they were.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
from msgspec import Struct

from connectors.epcis import Identification, Refusal, facts_of, named_twins, read_document, write_document
from schemas import supply as s
from schemas.epcis import EpcisEvent, ErrorDeclaration, Extension, Place, Typed
from schemas.events import EVENTS, Event
from schemas.instants import MINUTE, SECOND, Instant
from schemas.partitions import TimePassed
from scripts import supply_story_plan as p

SEED = 20260515
HERO, MISREAD, UNSIGNED, GROWN = 19, 6, 10, 4  # numbers of patients to whom something happens
LOST_AT, LOST_UNTIL, LEFT = 24 * 17 + 4, 24 * 22, 3  # bays that are there while suite B is not [h]
TIPPED, RIGHTED = 24 * 32 + 18 + 40 / 60, 24 * 32 + 22 + 50 / 60  # Friday 15 May, 18:40 to 22:50 [h]
REFILLED = 24 * 33 + 14.5  # Saturday, 14:30, in Frankfurt
DEPARTED = 24 * 32 + 11.0
READ_LATE_HOURS = 6 * 24.0
NAMES = "https://cells.example/epcis#"
STEPS = "https://cells.example/step/"
TABLE = Identification(network="")
LIMIT, HOLD_HOURS, CAPACITY_KG, FULL_KG = -130.0, 240.0, 4.5, 4.4
TIP_A_HOUR = 0.16  # of a full box, while it lies on its side
_NAMES = {struct: name for name, struct in EVENTS.items() if name.startswith("supply.") or name == "time.passed"}


class World:
    """Tells the facts of one plan, in order of the time at which they were known."""

    def __init__(self, document: dict[str, Any], plan: p.Plan) -> None:  # Any: JSON
        self._document, self._plan, self._first = document, plan, p.starts(document)
        self._events: list[Event] = []
        self._count = 0
        self._who = ""

    def events(self) -> list[Event]:
        """Give them all."""
        self._common()
        for number in range(p.PATIENTS):
            self._who, self._count = p.coi(number), 0
            self._patient(number, random.Random(f"{SEED} {number}"))  # noqa: S311 - of a simulation
        until = p.at(24 * p.DAYS)
        known = [one for one in self._events if one.record_time <= until]
        return sorted(known, key=lambda one: (one.record_time, one.event_time, one.id, one.subject))

    # --- what all share ---

    def _common(self) -> None:
        self._who = "common"
        described = s.NetworkDescribed(
            title="Cells for Europe and Boston", spec=p.network(), planning=self._document, clock="source"
        )
        self._tell(0, f"network:{p.NETWORK}", described, "planning")
        for suite in "AB":
            self._tell(0, room(suite), s.RoomDescribed(
                grade="B", volume_m3=90, air_changes_per_hour=40, clock="source", rules={"stay_hours": 14.0},
            ), "facility")  # fmt: skip
        self._tell(LOST_AT, f"network:{p.NETWORK}", s.ResourceChanged(
            resource="bay", units=LEFT, until=p.when(LOST_UNTIL), reason="suite B: air handling failed",
        ), "facility")  # fmt: skip
        for half in range(1, int(p.DAYS * 2) + 1):
            self._tell(12 * half, "", TimePassed(), "clock")

    # --- one patient ---

    def _patient(self, number: int, chance: random.Random) -> None:
        coi, site, ordered = p.coi(number), p.site_of(number), p.ordered_at(number)
        starts = {stage: self._plan[coi, stage] for stage in ("make", "qc", "release", "leg_out", "infusion")}
        slot = self._first[coi, "infusion"]
        lane_in, lane_out, carrier = f"{site}-Leiden", f"Leiden-{site}", "QX" if number % 2 else "Polar"
        planned = {stage: self._first[coi, stage] for stage in starts}
        legs = (
            ("apheresis", 2.9, "", ""), ("leg_in", 1.1, "", ""), ("receipt", 1.0, lane_in, carrier),
            ("make", (planned["make"] - p.material_at(number)) / 24, "", ""), ("qc", 4.2, "", ""),
            ("release", 5.1, "", ""), ("leg_out", (planned["leg_out"] - planned["release"]) / 24, "", ""),
            ("site_receipt", p.courier_hours(site) / 24, lane_out, carrier),
        )  # fmt: skip
        key = f"patient:{coi}"
        self._tell(ordered, key, s.TherapyOrdered(
            product="carT", order=coi, site=site, workflow="cells", network=p.NETWORK, slot=p.when(slot),
            priority=3 * (number % 3), latest=p.when(slot + 24 * 21), clock="source",
            legs=tuple(s.PlannedLeg(*leg) for leg in legs),
        ), "orders")  # fmt: skip
        self._collected(number, chance, carrier)
        self._made(number, starts, chance)
        self._sent(number, starts, chance, carrier)
        if starts["infusion"] != slot:  # those who were moved hear of it when the plan was taken
            self._tell(LOST_AT + 4, key, s.SlotBooked(
                what="infusion", at=p.when(starts["infusion"]), place=site, by="planning", reason="suite B was lost",
            ), "planning")  # fmt: skip

    def _collected(self, number: int, chance: random.Random, carrier: str) -> None:
        coi, site, ordered, arrives = p.coi(number), p.site_of(number), p.ordered_at(number), p.material_at(number)
        drawn = arrives - 48 + chance.uniform(-2, 0)
        self._scan(ordered + 2, number, "eligibility", STEPS + "eligibility", "collection", site)
        self._scan(drawn, number, "apheresis", "collecting", "collection", site, action="ADD", wristband=True, read=coi)
        self._scan(drawn + 20, number, "cryo", STEPS + "cryo", "collection", site)
        left = arrives - 24 + chance.uniform(0, 1)
        signed = {"releasedBy": f"{site} lab", "receivedBy": carrier}
        if number == UNSIGNED:
            del signed["receivedBy"]  # the courier's device was offline: its half comes hours later
            self._tell(left + 0.4, f"patient:{coi}", s.HandedOver(
                half="receipt", step="leg_in", units=(bag(number),), party=carrier, by=f"{carrier} driver 12",
                other_party=f"{site} lab", place=site,
            ), carrier, known=left + 9.5)  # fmt: skip
        self._scan(left, number, "leg_in", "shipping", carrier, site, read=coi, signed=signed)
        came = arrives + chance.uniform(-2, 1.5)
        signed = {"releasedBy": carrier, "receivedBy": f"{p.MAKER} dock"}
        if number == MISREAD:
            wrong = self._scan(
                came, number, "receipt", "receiving", "maker", p.MAKER, read=p.coi(number + 1), signed=signed
            )
            self._void(wrong, came + 1.6)
            came += 1.75
        self._scan(came, number, "receipt", "receiving", "maker", p.MAKER, read=coi, signed=signed)

    def _made(self, number: int, starts: dict[str, int], chance: random.Random) -> None:
        coi, made = p.coi(number), starts["make"] + chance.uniform(0.1, 0.5)
        suite = self._suite(number)
        self._scan(made, number, "make", STEPS + "make", "maker", p.MAKER, read=coi, makes=True)
        self._opened(number, suite, made, chance, leaves=False)
        self._opened(number, suite, starts["make"] + 96 + chance.uniform(0.1, 0.5), chance, leaves=True)
        stored = starts["make"] + p.MAKE_HOURS + chance.uniform(0, 1)
        self._scan(stored, number, "cryo_store", "storing", "maker", p.MAKER, product=True)
        tested = max(starts["qc"], stored) + chance.uniform(0.2, 1)
        self._scan(tested, number, "qc", STEPS + "qc", "maker", p.MAKER, product=True)
        decided = starts["release"] + chance.uniform(1, 4)
        for name, after in (("sterility", -6.0), ("potency", -3.0), ("identity", -2.0)):
            self._tell(decided + after, f"patient:{coi}", s.Tested(
                test=name, result="passed", units=(bag(number, product=True),), sample=f"{coi}-{name}",
            ), "laboratory")  # fmt: skip
        self._tell(decided, f"patient:{coi}", s.Dispositioned(
            disposition="released", units=(bag(number, product=True),), by="QP Jansen",
        ), "quality")  # fmt: skip
        self._scan(decided + 0.2, number, "release", STEPS + "release", "maker", p.MAKER, product=True)

    def _suite(self, number: int) -> str:
        """Say in which suite a patient's cells are made: B is closed to new ones while it is lost."""
        start = self._plan[p.coi(number), "make"]
        return "A" if LOST_AT - 4 <= start < LOST_UNTIL or number % 2 == 0 else "B"

    def _opened(self, number: int, suite: str, hour: float, chance: random.Random, *, leaves: bool) -> None:
        """Tell of a unit that is open in a suite for two hours, with what is counted meanwhile."""
        key, coi, unit = room(suite), p.coi(number), bag(number)
        plate = f"{suite}-{coi}-{'harvest' if leaves else 'start'}"
        for person in ("P-4", "P-9"):
            self._tell(hour - 0.4, key, s.Badged(person=person, entered=True), "doors", tag=person)
            self._tell(hour + 2.6, key, s.Badged(person=person, entered=False), "doors", tag=person)
        self._tell(hour - 0.1, key, s.PlateExposed(plate=plate, kind="settle", until=p.when(hour + 2.2)), "monitoring")
        if not leaves:
            self._tell(hour - 0.05, key, s.UnitOpened(patient=coi, unit=unit, open=False), "suites")
        self._tell(hour, key, s.UnitOpened(patient=coi, unit=unit), "suites")
        self._tell(
            hour + 1,
            key,
            s.ParticlesCounted(litres=100, count_05um=chance.randrange(900, 4000), count_5um=3),
            "monitoring",
        )
        self._tell(hour + 2, key, s.UnitClosed(patient=coi, unit=unit, left=leaves), "suites")
        self._tell(hour + 2.7, key, s.RoomStated(what="line_cleared", by="P-4"), "suites")
        grew = number == GROWN and not leaves
        read = hour + 2.2 + (READ_LATE_HOURS if grew else chance.uniform(66, 80))
        data = s.PlateRead(plate=plate, cfu=9 if grew else chance.choices((0, 1, 2), (90, 8, 2))[0],
                           organism="Micrococcus luteus" if grew else "")  # fmt: skip
        self._tell(read, key, data, "monitoring")
        if grew:
            self._tell(read + 20, key, s.RoomStated(what="cleaned", minutes=90, by="P-2"), "suites")
            self._tell(
                read + 20.1, key, s.RoomStated(what="released", by="QA Smit", reason=f"plate:{plate}"), "quality"
            )

    def _sent(self, number: int, starts: dict[str, int], chance: random.Random, carrier: str) -> None:
        coi, site = p.coi(number), p.site_of(number)
        left, carried = starts["leg_out"] + chance.uniform(0, 0.5), p.courier_hours(site) * chance.uniform(0.9, 1.02)
        came = left + carried
        if number == HERO:
            came = 24 * 35 + 11.3  # Monday, 11:18
        signed = {"releasedBy": f"{p.MAKER} dock", "receivedBy": carrier}
        self._scan(left, number, "leg_out", "shipping", carrier, p.MAKER, product=True, read=coi, signed=signed)
        self._box(number, left, came, chance)
        for status, hour in (("picked_up", left + 0.3), ("delivered", came)):
            self._milestone(number, hour, status, carrier)
        signed = {"releasedBy": carrier, "receivedBy": f"{site} pharmacy"}
        self._scan(
            came + 0.3, number, "site_receipt", "receiving", "clinic", site, product=True, read=coi, signed=signed
        )
        self._given(number, starts["infusion"], chance)

    def _given(self, number: int, slot: int, chance: random.Random) -> None:
        coi, site, key = p.coi(number), p.site_of(number), f"patient:{p.coi(number)}"
        depleted = slot - p.DEPLETION_HOURS + chance.uniform(0, 2)
        if number == HERO:  # the clinic waits until the box is safe
            depleted = REFILLED + 2.5
        self._tell(depleted, key, s.IdentityRead(step="lymphodepletion", wristband=coi, place=site), "clinic")
        self._tell(depleted, key, s.Treated(what="lymphodepletion_started", place=site), "clinic")
        thawed = slot - 1.2 - chance.uniform(0, 0.5)
        self._scan(thawed, number, "thaw", STEPS + "thaw", "clinic", site, product=True)
        self._scan(
            slot - 0.5, number, "infusion", STEPS + "infusion", "clinic", site, product=True, read=coi, wristband=True
        )
        self._tell(slot - 0.4, key, s.Treated(what="infused", place=site), "clinic")

    # --- the box ---

    def _box(self, number: int, left: float, came: float, chance: random.Random) -> None:
        """Tell of a dry shipper: packed, read every four hours, opened; that of Friday night each hour, and it tips."""
        box, hero = shipper(number), number == HERO
        arrives = 24 * 35 + 15.0 if hero else left + p.courier_hours(p.site_of(number))
        self._packed(number, left - 1, FULL_KG, arrives)
        kilograms, hour, every = FULL_KG, left - 1, 1.0 if hero else 4.0
        while (hour := hour + every) < came:
            if hero and hour - every < REFILLED <= hour:
                self._refilled(number, carrier="QX")
                kilograms = FULL_KG
            side = max(0.0, min(hour, RIGHTED) - max(hour - every, TIPPED)) if hero else 0.0
            kilograms -= CAPACITY_KG * (every / HOLD_HOURS + side * TIP_A_HOUR)
            seen = max(0.0, kilograms + chance.gauss(0, 0.05))
            self._tell(hour, box, s.ShipperWeighed(fill_kg=round(seen, 3)), "telemetry")
            celsius = tuple(round(-190 + chance.gauss(0, 0.4), 1) for _ in range(2))
            self._tell(
                hour, box, s.ShipperLogged(logger=f"L-{number}", seconds=(-1800.0, 0.0), celsius=celsius), "telemetry"
            )
        if hero:
            self._tell(TIPPED, box, s.ShipperTipped(tipped=True, degrees=88), "telemetry")
            self._tell(RIGHTED, box, s.ShipperTipped(tipped=False, degrees=2), "telemetry")
            self._milestone(number, DEPARTED, "departed", "QX", place="Amsterdam")
            self._milestone(number, TIPPED + 0.5, "arrived", "QX", place="Frankfurt")
        self._tell(came + 0.2, box, s.ShipperOpened(place=p.site_of(number), by="pharmacy"), "clinic")

    def _packed(self, number: int, hour: float, kilograms: float, arrives: float) -> None:
        said = s.ShipperPacked(
            model="DS-10", patient=p.coi(number), units=(bag(number, product=True),), limit_celsius=LIMIT,
            hold_hours=HOLD_HOURS, capacity_kg=CAPACITY_KG, fill_kg=kilograms, fill_sd_kg=0.1,
            qualified_until="2026-12-31T00:00:00Z", expected_arrival=p.when(arrives), clock="source",
        )  # fmt: skip
        for key in (shipper(number), f"patient:{p.coi(number)}"):
            self._tell(hour, key, said, "courier", tag=f"packed-{p.coi(number)}-{hour:.2f}")

    def _refilled(self, number: int, carrier: str) -> None:
        """The courier fills the box anew at the airport, and puts it on the flight of Sunday."""
        self._packed(number, REFILLED, FULL_KG, 24 * 35 + 12.0)
        self._milestone(number, REFILLED + 0.2, "delayed", carrier, place="Frankfurt", expected=24 * 35 + 12.0)
        self._milestone(number, 24 * 34 + 10, "departed", carrier, place="Frankfurt", expected=24 * 35 + 11.0)
        self._tell(24 * 34 + 10.1, shipper(number), s.TransitExpected(
            low=p.when(24 * 35 + 10.0), median=p.when(24 * 35 + 11.0), high=p.when(24 * 35 + 14.0),
        ), carrier)  # fmt: skip

    def _milestone(
        self, number: int, hour: float, status: str, carrier: str, place: str = "", expected: float | None = None
    ) -> None:
        lane = f"{p.MAKER}-{p.site_of(number)}"
        self._tell(hour, f"patient:{p.coi(number)}", s.Milestone(
            status=status, step="site_receipt", lane=lane, carrier=carrier, shipper=shipper(number).partition(":")[2],  # type: ignore[arg-type]
            place=place, expected=None if expected is None else p.when(expected),
        ), carrier)  # fmt: skip

    # --- how it is said ---

    def _tell(
        self, hour: float, key: str, data: Struct, source: str, known: float | None = None, tag: str = ""
    ) -> Event:
        checked = msgspec.convert(msgspec.to_builtins(data), type(data))  # whole numbers become what the type says
        self._count += 1
        kind = _NAMES[type(data)]
        name = (
            tag
            if tag.startswith("packed")
            else f"{self._who}-{kind.partition('.')[2]}-{round(hour * 60)}-{tag or key[:1]}"
        )
        when, record = p.at(hour), Instant(p.at(hour if known is None else known) + 20 * SECOND)
        event = Event(name, source, kind, key, when, record, checked)
        self._events.append(event)
        return event

    def _scan(
        self, hour: float, number: int, step: str, biz_step: str, source: str, place: str, *, action: str = "OBSERVE",
        product: bool = False, read: str = "", wristband: bool = False, makes: bool = False,
        signed: dict[str, str] | None = None,
    ) -> EpcisEvent:  # fmt: skip
        """Tell of a scan: an EPCIS event, as a partner's document has it."""
        fields = {"chainOfIdentity": p.coi(number)}
        if read:
            fields |= {"coiBag": read, "coiOrder": p.coi(number)}
        if wristband:
            fields["coiWristband"] = p.coi(number)
        fields |= signed or {}
        extensions = tuple(Extension(f"{{{NAMES}}}{name}", text) for name, text in sorted(fields.items()))
        said: dict[str, Any] = {"kind": "ObjectEvent", "action": action, "epcs": (bag(number, product=product),)}
        if makes:
            said = {
                "kind": "TransformationEvent",
                "input_epcs": (bag(number),),
                "output_epcs": (bag(number, product=True),),
            }
        event = EpcisEvent(
            event_time=p.when(hour)[:19] + "Z", event_time_zone_offset="+00:00", hash="-", biz_step=biz_step,
            read_point=Place(place_of(place)), extensions=extensions,
            biz_transactions=(Typed(f"urn:epcglobal:cbv:bt:8712345000004:{p.coi(number)}", "po"),), **said,
        )  # fmt: skip
        return self._captured(event, source, Instant(p.at(hour) + MINUTE))

    def _void(self, event: EpcisEvent, hour: float) -> None:
        """Declare a scan wrong."""
        said = ErrorDeclaration(p.when(hour), reason="incorrect_data")
        self._captured(msgspec.structs.replace(event, error_declaration=said), "maker", p.at(hour))

    def _captured(self, event: EpcisEvent, source: str, known: Instant) -> EpcisEvent:
        """Write an event as a document, and read it as whoever captures it does: checked, and with its hash."""
        (read,) = read_document(write_document([event], p.when(0)))
        assert not isinstance(read, Refusal), read
        self._events += facts_of(read, TABLE, source, known)
        return read


def bag(number: int, *, product: bool = False) -> str:
    """Name a patient's bag: that of the cells collected, or of those made of them."""
    return f"urn:epc:id:sgtin:8712345.0{'7' if product else '3'}0001.{p.coi(number)}"


def place_of(name: str) -> str:
    """Name a site by its GLN."""
    return f"urn:epc:id:pgln:8712345.{11 + (*p.SITES, p.MAKER).index(name):05d}"


def room(suite: str) -> str:
    """Give the key of a suite's twin."""
    return _named(Place(f"urn:epc:id:sgln:8712345.00001.{suite}"))


def shipper(number: int) -> str:
    """Give the key of the twin of the dry shipper that a patient's cells go home in."""
    return _named(Place("urn:x:none"), (f"urn:epc:id:grai:8712345.00777.{number % 8 + 1}",))


def _named(place: Place, epcs: tuple[str, ...] = ()) -> str:
    event = EpcisEvent(
        kind="ObjectEvent", event_time="", event_time_zone_offset="", hash="-", read_point=place, epcs=epcs
    )
    (key,) = named_twins(event, TABLE)
    return key
