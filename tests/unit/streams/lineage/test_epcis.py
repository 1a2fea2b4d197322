"""What EPCIS events say about lineage."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.epcis import ClassQuantity, EpcisEvent, ErrorDeclaration, Place
from schemas.instants import parse_instant
from streams.lineage.epcis import fact_of, thing_of
from streams.lineage.facts import Source, edges_of
from streams.lineage.kinds import FOREVER, KINDS

TIME = "2026-03-01T08:00:00Z"
AT = parse_instant(TIME)
LOT, UNIT, BOX = "urn:epc:class:lgtin:4012345.012345.998877", "urn:epc:id:sgtin:1.2.3", "urn:epc:id:grai:1.2.3"
ROOM = "urn:epc:id:sgln:0614141.00777.0"


def said(**fields: Any) -> tuple[set[tuple[str, str, str, bool]], set[tuple[str, bool, str | None, str | None]]]:
    patient = fields.pop("patient", None)
    event = EpcisEvent(event_time=TIME, event_time_zone_offset="+00:00", hash="ni:///sha-256;ab?ver=CBV2.0", **fields)
    found = edges_of(fact_of(event, AT + 1, Source("supply.events", 0, 0), patient))
    edges = {(KINDS[e.kind], e.src.key, e.dst.key, e.until == FOREVER) for e in found.edges}
    marks = {(KINDS[m.kind], m.opens, m.src.key if m.src else None, m.dst.key if m.dst else None) for m in found.marks}
    return edges, marks


def test_a_transformation_uses_and_generates_by_its_step() -> None:
    edges, marks = said(
        kind="TransformationEvent",
        input_quantities=(ClassQuantity(LOT, 2.0),),
        output_epcs=(UNIT,),
        transformation_id="urn:step:1",
        biz_location=Place(ROOM),
        patient="patient:A",
    )
    assert edges == {
        ("used", LOT, "urn:step:1", False),
        ("generated", "urn:step:1", UNIT, False),
        ("meant_for", UNIT, "patient:A", True),
    }
    assert marks == {("located_in", True, ROOM, UNIT)}


@pytest.mark.parametrize("kind", ["AggregationEvent", "AssociationEvent"])
def test_containers_open_and_close(kind: str) -> None:
    assert said(kind=kind, action="ADD", parent_id=BOX, child_epcs=(UNIT,))[1] == {("aggregated_in", True, BOX, UNIT)}
    assert said(kind=kind, action="DELETE", parent_id=BOX)[1] == {("aggregated_in", False, BOX, None)}
    seen = said(kind=kind, action="OBSERVE", parent_id=BOX, child_epcs=(UNIT,), read_point=Place(ROOM))
    assert seen == ({("aggregated_in", BOX, UNIT, False), ("located_in", ROOM, BOX, False)}, set())
    out = said(kind=kind, action="DELETE", parent_id=BOX, child_epcs=(UNIT,), biz_location=Place(ROOM))[1]
    assert ("located_in", True, ROOM, UNIT) in out


def test_an_error_declaration_only_voids() -> None:
    event = EpcisEvent(
        kind="ObjectEvent",
        action="OBSERVE",
        event_time=TIME,
        event_time_zone_offset="+00:00",
        hash="ni:1",
        epcs=(UNIT,),
        biz_location=Place(ROOM),
        error_declaration=ErrorDeclaration(TIME),
    )
    fact = fact_of(event, AT, Source("supply.events", 0, 0))
    assert (fact.id != event.hash, fact.voids) == (True, event.hash)
    assert edges_of(fact) == ([], [])


def test_an_order_moves_nothing_and_ends_nothing() -> None:
    assert said(kind="TransactionEvent", action="DELETE", parent_id=BOX, epcs=(UNIT,)) == (set(), set())


def test_what_is_taken_from_a_patient_comes_from_them() -> None:
    edges, _ = said(kind="ObjectEvent", action="ADD", epcs=(UNIT,), biz_step="commissioning", patient="patient:A")
    assert ("derived_from", "patient:A", UNIT, False) in edges
    later, _ = said(kind="ObjectEvent", action="OBSERVE", epcs=(UNIT,), biz_step="shipping", patient="patient:A")
    assert ("derived_from", "patient:A", UNIT, False) not in later


@pytest.mark.parametrize(
    ("identifier", "kind"),
    [
        (LOT, "material_lot"),
        ("https://id.gs1.org/8018/952001230000000001", "patient"),
        ("https://example.com/some/01/04012345123456/10/LOT1", "material_lot"),
        ("https://id.gs1.org/414/9521321000019", "place"),
        ("urn:uuid:1", "thing"),
    ],
)
def test_identifiers_tell_types(identifier: str, kind: str) -> None:
    assert thing_of(identifier).type == kind
