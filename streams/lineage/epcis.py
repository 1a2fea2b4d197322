"""Read an event of EPCIS 2.0 as a fact of the lineage.

Source: GS1, EPCIS 2.0 (2022), sections 7.4.1 to 7.4.7 (what each type of event says) and GS1 General Specifications
(application identifiers of a Digital Link); Tag Data Standard 2.0 for `urn:epc:` schemes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas.epcis import EpcisEvent
from schemas.instants import parse_instant
from streams.lineage.facts import Fact, Link, Source, Thing

# What an identifier names, by `urn:epc:id:SCHEME` or `urn:epc:class:SCHEME`.
_SCHEMES = {
    "sgtin": "unit",
    "lgtin": "material_lot",
    "sscc": "shipment",
    "grai": "shipper",
    "giai": "equipment",
    "sgln": "place",
    "pgln": "site",
    "gsrn": "patient",
    "gsrnp": "thing",  # a provider of a service, not its recipient
    "gdti": "document",
}
# ... and by application identifiers in a Digital Link; the first that is there counts.
_IDENTIFIERS = (
    ("8018", "patient"),
    ("21", "unit"),
    ("10", "material_lot"),
    ("00", "shipment"),
    ("8003", "shipper"),
    ("8004", "equipment"),
    ("414", "place"),
    ("417", "site"),
    ("253", "document"),
)
_URN = re.compile(r"urn:epc:(?:id|class|idpat):([a-z]+):", re.IGNORECASE)
_LINK = re.compile(r"https?://[^?#]*?/(\d{2,4})/[^/?#]+")
_ADDED = "#error"  # what makes the id of an error declaration its own: its hash is that of the event it voids


def fact_of(event: EpcisEvent, known_at: int, source: Source, patient: str | None = None) -> Fact:
    """Give the lineage that an event tells. `patient` is the chain of identity that the event is about, if known.

    A thing is at the business location from then on, or, where only a read point is told, was seen there.

    Raises
    ------
    InputError
        If an identifier cannot name a thing, or a time cannot be read.
    """
    at = parse_instant(event.event_time, "event_time")
    if event.error_declaration is not None:
        return Fact(event.hash + _ADDED, at, known_at, source, voids=event.hash)
    things = _things(event.epcs, (one.epc_class for one in event.quantities))
    inputs = _things(event.input_epcs, (one.epc_class for one in event.input_quantities))
    outputs = _things(event.output_epcs, (one.epc_class for one in event.output_quantities))
    children = _things(event.child_epcs, (one.epc_class for one in event.child_quantities))
    parent = None if event.parent_id is None else thing_of(event.parent_id)
    action = event.action or "OBSERVE"
    if event.kind == "TransactionEvent":  # things are told to belong to an order, or not; none is moved or ends
        things, parent, action = (*things, *((parent,) if parent else ())), None, "OBSERVE"
    place = event.biz_location or event.read_point
    links = [Link("measured_by", thing, device) for thing in things for device in _devices(event)]
    if patient is not None:
        whose = Thing("patient", patient)
        links += [
            Link("meant_for", unit, whose, True) for unit in (*things, *outputs, *children) if unit.type == "unit"
        ]
        links += [Link("derived_from", whose, one) for one in things if _collected(event, one)]
    return Fact(
        event.hash,
        at,
        known_at,
        source,
        action,
        inputs,
        outputs,
        None if event.transformation_id is None else Thing("step", event.transformation_id),
        parent,
        children,
        things,
        None if place is None else Thing("place", place.id),
        tuple(links),
        seen=event.biz_location is None,
    )


def thing_of(identifier: str) -> Thing:
    """Name the thing behind an identifier, with the type that its scheme tells.

    Examples
    --------
    >>> thing_of("urn:epc:id:sscc:0614141.1234567890").type
    'shipment'
    >>> thing_of("https://id.gs1.org/01/09521321000018/21/1001").type, thing_of("https://example.org/x").type
    ('unit', 'thing')
    """
    urn = _URN.match(identifier)
    if urn is not None:
        return Thing(_SCHEMES.get(urn.group(1).lower(), "thing"), identifier)
    found = set(re.findall(r"/(\d{2,4})/", identifier)) if _LINK.match(identifier) else set()
    return Thing(next((kind for number, kind in _IDENTIFIERS if number in found), "thing"), identifier)


def _things(epcs: Iterable[str], classes: Iterable[str]) -> tuple[Thing, ...]:
    return tuple(dict.fromkeys(thing_of(one) for one in (*epcs, *classes)))


def _devices(event: EpcisEvent) -> list[Thing]:
    """The devices that measured, each once."""
    ids = [report.device_id for sensor in event.sensors for report in sensor.reports]
    ids += [sensor.metadata.device_id for sensor in event.sensors if sensor.metadata is not None]
    return [Thing("equipment", one) for one in dict.fromkeys(ids) if one is not None]


def _collected(event: EpcisEvent, thing: Thing) -> bool:
    """Whether a thing first came to be by being taken from the patient."""
    return event.biz_step in ("collecting", "commissioning") and event.action == "ADD" and thing.type == "unit"
