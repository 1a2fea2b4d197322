"""What is said about one-patient batches on their way: scans, custody, boxes, rooms, slots, the network.

The topic's key, an event's `subject`, names the twin: `patient:<chain of identity>`, `shipper:<GRAI>`, `room:<GLN>`,
`network:<id>`. An EPCIS event that names several is said once to each, with the same id. A fact that replaces another
names it in `supersedes`; one that no longer counts is named by `fact_withdrawn`. Both may come before what they name.

A patient is a chain-of-identity identifier, never a name. Keys are GS1 keys or what a site uses for them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from schemas.enrollment import CorrectionDecided as CorrectionDecided
from schemas.epcis import EpcisEvent as EpcisEvent
from schemas.fields import Fact as Fact
from schemas.fields import FactWithdrawn as FactWithdrawn
from schemas.fields import Name, Reason, Text, TimeText
from schemas.jobs import ResimulationResult as ResimulationResult

Celsius = Annotated[float, Meta(ge=-273.15, le=1000)]
Hours = Annotated[float, Meta(ge=0, le=100_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1e9)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Grade = Literal["A", "B", "C", "D"]
Units = Annotated[tuple[Name, ...], Meta(max_length=1000)]
Clock = Literal["wall", "source"]  # whether silence is judged by the wall, or only by what the source itself says

# --- the patient's journey ---------------------------------------------------------------------------------------


DateText = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Departures(Struct, frozen=True, forbid_unknown_fields=True):
    """When a leg may begin: rising hours of the week from Monday 00:00 UTC (a flight's cut-off, a clinic's mornings),
    but not on `closed` dates (UTC): holidays, a border that is shut. In UTC, so that a replay needs no time zones'
    history; where the clock is changed, order anew."""

    hours: Annotated[tuple[Annotated[float, Meta(ge=0, lt=168)], ...], Meta(min_length=1, max_length=168)]
    closed: Annotated[tuple[DateText, ...], Meta(max_length=400)] = ()


class PlannedLeg(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A leg that is still to come when a therapy is ordered. `lane` and `carrier` say whose times it is learned from;
    `days` is what is expected of it before anything was learned, from its departure on; it waits for `departs`."""

    step: Name
    days: Annotated[float, Meta(gt=0, le=1000)]
    lane: Text = ""
    carrier: Text = ""
    departs: Departures | None = None


class TherapyOrdered(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A therapy for one patient is ordered, or ordered anew: the newest order by its event time holds.

    `order` is the number that stands on its papers. `slot` is when the infusion is booked, `latest` when it is too
    late. Lower `priority` comes first. `material_expires_hours` counts from the collection. `limits` names the
    product's temperature limits in the configuration.
    """

    product: Name
    order: Name
    site: Name
    workflow: Name = "autologous"
    network: Text = ""
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    slot: TimeText | None = None
    latest: TimeText | None = None
    material_expires_hours: Hours | None = None
    limits: Text = ""
    legs: Annotated[tuple[PlannedLeg, ...], Meta(max_length=64)] = ()
    clock: Clock = "wall"


class IdentityRead(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Identifiers were read and compared, as at a handover or the bedside: by what was read, the chain-of-identity
    identifier that stood there."""

    step: Name
    unit: Text = ""
    order: Text = ""
    bag: Text = ""
    wristband: Text = ""
    label: Text = ""
    place: Text = ""
    by: Text = ""
    witness: Text = ""


class HandedOver(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One half of a handover: who releases signs, and who receives signs."""

    half: Literal["release", "receipt"]
    step: Name
    units: Units
    party: Name
    by: Name
    other_party: Text = ""
    place: Text = ""
    shipper: Text = ""


class LabelsCounted(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Labels of one kind at line clearance: those received are used, passed on or destroyed, or one is missing."""

    label: Name
    place: Name
    received: Count
    used: Count
    passed_on: Count = 0
    destroyed: Count = 0
    by: Text = ""


class Dispositioned(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Quality decided on units. `oos_approved`: out of specification, and approved to be shipped nevertheless."""

    disposition: Literal["quarantined", "released", "rejected", "oos_approved"]
    units: Units
    by: Name
    reason: Text = ""


class Tested(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A test of a unit has a result. Numbers carry their unit (UCUM code)."""

    test: Name
    result: Literal["passed", "failed", "invalid"]
    units: Units = ()
    value: float | None = None
    unit: Text = ""
    sample: Text = ""


class SlotBooked(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A slot is booked or booked anew; `at` null: it is given up."""

    what: Literal["apheresis", "manufacturing", "infusion"]
    at: TimeText | None
    place: Text = ""
    by: Text = ""
    reason: Text = ""


class Treated(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something happened to the patient that the plan of the cells depends on.

    From `lymphodepletion_started` on there is no way back.
    """

    what: Literal["bridging_started", "lymphodepletion_started", "infused", "cancelled", "died"]
    place: Text = ""
    reason: Text = ""


class Milestone(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A courier says how far a shipment is; `expected` is when it believes to deliver."""

    status: Literal["booked", "picked_up", "departed", "arrived", "customs", "delayed", "delivered", "failed"]
    step: Name
    lane: Text = ""
    carrier: Text = ""
    shipment: Text = ""
    shipper: Text = ""
    place: Text = ""
    expected: TimeText | None = None


class Exposed(Struct, frozen=True, forbid_unknown_fields=True):
    """A room's twin tells a patient's that its unit was in the room while something grew there."""

    room: Name
    first: TimeText
    after: TimeText
    plate: Name
    cfu: Amount
    limit: Amount
    units: Units
    organism: Text = ""


class RoomReached(Struct, frozen=True, forbid_unknown_fields=True):
    """A room's twin tells one whose air or material comes from it that something grew there: whoever was in the second
    room from `first` to before `after` may have been exposed."""

    room: Name
    first: TimeText
    after: TimeText
    plate: Name
    cfu: Amount
    limit: Amount
    organism: Text = ""


class BoxAtRisk(Struct, frozen=True, forbid_unknown_fields=True):
    """A shipper's twin tells a patient's that its box may be warm on arrival (`warned`: surely enough to act), or that
    it is no longer so."""

    shipper: Name
    units: Units
    standing: bool
    warned: bool
    p_warm: Share
    limit_celsius: Celsius
    hours_to_limit: tuple[float, float, float] | None  # 5, 50, 95 %
    reason: Reason


class LegName(Struct, frozen=True, forbid_unknown_fields=True):
    """Which leg: the step that ends it, its lane, its carrier."""

    step: Name
    lane: Text = ""
    carrier: Text = ""


class LegExpected(Struct, frozen=True, forbid_unknown_fields=True):
    """What a leg takes, as learned from `legs` of them: `hours[i]` is its quantile at the network's levels."""

    step: Name
    lane: Text
    carrier: Text
    hours: Annotated[tuple[float, ...], Meta(min_length=3, max_length=99)]
    legs: Count
    drifting: bool = False


class LegsLearned(Struct, frozen=True, forbid_unknown_fields=True):
    """The network's twin tells a patient's what its legs may take: quantiles at `levels`, evenly spread."""

    levels: Annotated[tuple[Share, ...], Meta(min_length=3, max_length=99)]
    legs: Annotated[tuple[LegExpected, ...], Meta(max_length=64)]


class StopDecided(Struct, frozen=True, forbid_unknown_fields=True):
    """A person decided on a hard stop, or on an alert (`exposed.ROOM.PLATE`, a room's `broken.KIND` or `plate.NAME`):
    what was found of it, and whether the journey goes on. After `end` nobody waits for the cells, and a scan or an
    infusion is a critical alert; a later decision on the same stop takes it back."""

    stop: Name
    decision: Literal["go_on", "end"]
    by: Name
    reason: Reason


# --- the box -----------------------------------------------------------------------------------------------------


class ShipperPacked(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A shipper was packed and closed. `hold_hours` is what it was qualified for, full and upright; `fill_kg` the
    refrigerant in it, with its standard error, null where nobody weighs it."""

    model: Name
    patient: Name
    units: Units
    limit_celsius: Celsius
    hold_hours: Annotated[float, Meta(gt=0, le=10_000)]
    capacity_kg: Annotated[float, Meta(gt=0, le=1000)] | None = None
    fill_kg: Amount | None = None
    fill_sd_kg: Amount | None = None
    qualified_until: TimeText | None = None
    expected_arrival: TimeText | None = None
    clock: Clock = "wall"


class ShipperLogged(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Readings of a logger in a box: `seconds` after the event's time, one temperature each. A download at arrival and
    live telemetry are told alike."""

    logger: Name
    seconds: Annotated[tuple[float, ...], Meta(min_length=1, max_length=20_000)]
    celsius: Annotated[tuple[Celsius | None, ...], Meta(min_length=1, max_length=20_000)]


class ShipperTipped(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A shipper was found to lie on its side, or to stand again."""

    tipped: bool
    degrees: Annotated[float, Meta(ge=0, le=180)] | None = None


class ShipperWeighed(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much refrigerant is left in a shipper, by weight or level; its error is the one said when it was packed."""

    fill_kg: Amount


class TransitExpected(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a shipper is expected to be opened: 5, 50 and 95 %."""

    low: TimeText
    median: TimeText
    high: TimeText


class ShipperOpened(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A shipper arrived and was opened."""

    place: Text = ""
    by: Text = ""


class ShipperQualified(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A shipper was qualified anew, or failed to be. Of its hours and of those that its packing says the fewer hold;
    of two dates the earlier. One that failed and is on its way is a high alert."""

    passed: bool
    hold_hours: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    until: TimeText | None = None


# --- the room ----------------------------------------------------------------------------------------------------


class RoomDescribed(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a cleanroom is: grade, size, air changes; `rules` are further fields of docs/supply_cleanroom.md, such as
    cascades and adjoining rooms. The newest holds."""

    grade: Grade
    volume_m3: Annotated[float, Meta(gt=0, le=1e6)]
    air_changes_per_hour: Annotated[float, Meta(gt=0, le=1000)]
    effectiveness: Annotated[float, Meta(gt=0, le=2)] = 1.0
    rules: dict[str, Any] = field(default_factory=dict)  # Any: JSON; read by `twins/supply/cleanroom`
    clock: Clock = "wall"


class ParticlesCounted(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A particle counter's result: particles of at least that size in so many litres of air."""

    litres: Annotated[float, Meta(gt=0, le=1e6)]  # of air
    count_05um: Count | None = None
    count_5um: Count | None = None
    seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    point: Text = ""


class PressureRead(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The pressure of a room above its neighbour's."""

    pascal: Annotated[float, Meta(ge=-1000, le=1000)]
    against: Name


class DoorMoved(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A door or hatch of a room was opened or shut."""

    door: Name
    open: bool


class Badged(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person came into a room or left it. `person` is a pseudonym."""

    person: Name
    entered: bool


class PlateExposed(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A plate was set out, from the event's time until `until`."""

    plate: Name
    kind: Literal["air", "settle", "contact", "glove"]
    until: TimeText
    litres: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    point: Text = ""


class PlateRead(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A plate was read, days after it was set out."""

    plate: Name
    cfu: Count
    organism: Text = ""


class UnitOpened(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A patient's unit is open in a room, or is in it closed. `room` is said to the patient's twin; a room's knows."""

    patient: Name
    unit: Name
    room: Text = ""
    open: bool = True


class UnitClosed(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A patient's unit is closed; `left` where it left the room."""

    patient: Name
    unit: Name
    room: Text = ""
    left: bool = True


class RoomStated(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A room was cleaned (which took so many minutes until now), its line cleared, held or released."""

    what: Literal["cleaned", "line_cleared", "held", "released"]
    minutes: Annotated[float, Meta(ge=0, le=10_080)] = 0.0
    by: Text = ""
    reason: Text = ""


# --- the network -------------------------------------------------------------------------------------------------


class NetworkDescribed(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a network is: `spec` is the document of docs/supply_network.md, `planning` that of docs/supply_planning.md.
    The newest holds."""

    title: Text = ""
    spec: dict[str, Any]  # Any: JSON; read by `twins/supply/network`
    planning: dict[str, Any] = field(default_factory=dict)  # Any: JSON; read by `twins/supply/planning`
    clock: Clock = "wall"


class ResourceChanged(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """So many units of a resource are there from now on, or until `until`."""

    resource: Name
    units: Annotated[int, Meta(ge=0, le=100_000)]
    until: TimeText | None = None
    reason: Text = ""


class Moved(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A patient came to a step of the network's route; null: it left. A patient's twin says so, or a planner's system.

    `leg_hours` is how long it took since the step before, on its `lane` with its `carrier`: what legs are learned from.
    `ahead` are the legs that are left. Of one who left: `vein_to_vein_days` from the last signature at the collection
    to the infusion, null without either; `out_of_specification` whether a test of the lot failed at last or quality
    said so, null where nobody tested.
    """

    patient: Name
    step: Name | None
    kind: Text = ""
    lane: Text = ""
    carrier: Text = ""
    leg_hours: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    ahead: Annotated[tuple[LegName, ...], Meta(max_length=64)] = ()
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    slot: TimeText | None = None
    vein_to_vein_days: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    out_of_specification: bool | None = None


EVENTS: dict[str, type[Struct]] = {
    "supply.scanned": EpcisEvent,
    "supply.therapy_ordered": TherapyOrdered,
    "supply.identity_read": IdentityRead,
    "supply.handed_over": HandedOver,
    "supply.labels_counted": LabelsCounted,
    "supply.dispositioned": Dispositioned,
    "supply.tested": Tested,
    "supply.slot_booked": SlotBooked,
    "supply.treated": Treated,
    "supply.milestone": Milestone,
    "supply.exposed": Exposed,
    "supply.room_reached": RoomReached,
    "supply.box_at_risk": BoxAtRisk,
    "supply.legs_learned": LegsLearned,
    "supply.stop_decided": StopDecided,
    "supply.shipper_packed": ShipperPacked,
    "supply.shipper_logged": ShipperLogged,
    "supply.shipper_tipped": ShipperTipped,
    "supply.shipper_weighed": ShipperWeighed,
    "supply.transit_expected": TransitExpected,
    "supply.shipper_opened": ShipperOpened,
    "supply.shipper_qualified": ShipperQualified,
    "supply.room_described": RoomDescribed,
    "supply.particles_counted": ParticlesCounted,
    "supply.pressure_read": PressureRead,
    "supply.door_moved": DoorMoved,
    "supply.badged": Badged,
    "supply.plate_exposed": PlateExposed,
    "supply.plate_read": PlateRead,
    "supply.unit_opened": UnitOpened,
    "supply.unit_closed": UnitClosed,
    "supply.room_stated": RoomStated,
    "supply.network_described": NetworkDescribed,
    "supply.resource_changed": ResourceChanged,
    "supply.moved": Moved,
    "supply.correction_decided": CorrectionDecided,
    "supply.fact_withdrawn": FactWithdrawn,
    "supply.resimulated": ResimulationResult,
}
