"""Documents, malformed fields by the score, neighbours untouched, JSON and XML alike, writing back."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from connectors.checks import HOSTILE
from connectors.epcis import Refusal, read_document, read_json, write_document
from connectors.epcis.vocabulary import (
    ALERT,
    BIZ_STEP,
    COMPONENT,
    DISPOSITION,
    ERROR,
    MEASUREMENT,
    PARTY,
    TRANSACTION,
)
from schemas.epcis import EpcisEvent
from schemas.errors import InputError, UnknownTypeError
from tests.unit.connectors.epcis.examples import (
    EVENTS,
    LEUKAPHERESIS,
    LOGGER,
    MAKING,
    ORDER,
    PACKING,
    Json,
    document,
    read,
    refusals,
)

Change = Callable[[Json], object]


def put(path: str, value: object) -> Change:
    """Change the field at a path such as `sensorElementList.0.sensorReport`."""

    def change(event: Json) -> None:
        *way, last = path.split(".")
        place: Any = event  # JSON: an object or a list
        for part in way:
            place = place[int(part)] if part.isdecimal() else place[part]
        place[int(last) if last.isdecimal() else last] = value

    return change


def drop(*names: str) -> Change:
    return lambda event: [event.pop(name) for name in names]


SENSOR = "sensorElementList.0"
REPORT = f"{SENSOR}.sensorReport.0"
# event, what is done to it, the end of the path that the reason names
SENSED: Json = {
    "type": "ObjectEvent",
    "eventTime": "2026-03-02T12:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "action": "OBSERVE",
    "readPoint": {"id": "urn:epc:id:sgln:4012345.00011.987"},
    "sensorElementList": [{"sensorReport": [{"type": "Activity", "value": 3}, {"exception": "ALARM_CONDITION"}]}],
}
THINGS = (
    "childEPCs",
    "childQuantityList",
    "inputEPCList",
    "inputQuantityList",
    "transformationID",
    "sensorElementList",
)


def only(name: str, value: object) -> Change:
    """Leave one list of things alone in the event."""

    def change(event: Json) -> None:
        for each in THINGS:
            event.pop(each, None)
        event[name] = value

    return change


MALFORMED: list[tuple[Json, Change, str]] = [
    (PACKING, drop("type"), "type"),
    (PACKING, put("type", "QuantityEvent"), "type"),
    (PACKING, put("type", 7), "type"),
    *((each, drop("eventTime"), "eventTime") for each in EVENTS),
    *((each, drop("eventTimeZoneOffset"), "eventTimeZoneOffset") for each in EVENTS),
    *((each, drop("action"), "action") for each in (LEUKAPHERESIS, PACKING, ORDER, LOGGER)),
    (PACKING, put("eventTime", "2026-03-02T11:00:00"), "eventTime"),
    (PACKING, put("eventTime", "yesterday"), "eventTime"),
    (PACKING, put("eventTime", "2026-02-30T11:00:00Z"), "eventTime"),
    (PACKING, put("eventTime", 1772348400), "eventTime"),
    (PACKING, put("eventTime", None), "eventTime"),
    (PACKING, put("eventTime", "1066-10-14T09:00:00Z"), "eventTime"),
    (PACKING, put("eventTimeZoneOffset", "Z"), "eventTimeZoneOffset"),
    (PACKING, put("eventTimeZoneOffset", "+14:30"), "eventTimeZoneOffset"),
    (PACKING, put("eventTimeZoneOffset", 1), "eventTimeZoneOffset"),
    (PACKING, put("recordTime", "later"), "recordTime"),
    (PACKING, put("eventID", "no uri"), "eventID"),
    (PACKING, put("action", "CREATE"), "action"),
    (PACKING, put("action", ["ADD"]), "action"),
    (MAKING, put("action", "ADD"), "action"),
    (PACKING, put("bizStep", "paking"), "bizStep"),
    (PACKING, put("bizStep", ["packing"]), "bizStep"),
    (PACKING, put("disposition", "warm"), "disposition"),
    (PACKING, put("parentID", "BOX 1"), "parentID"),
    (PACKING, drop("parentID"), "parentID"),
    (LOGGER, drop("parentID"), "parentID"),
    (PACKING, drop("childEPCs", "childQuantityList"), "childEPCs"),
    (PACKING, put("childEPCs", "urn:epc:id:sgtin:4012345.012345.BAG-1"), "childEPCs"),
    (PACKING, put("childEPCs.0", "BAG-1"), "childEPCs[0]"),
    (PACKING, put("childEPCs.0", None), "childEPCs[0]"),
    (PACKING, put("childQuantityList.0.epcClass", 5), "childQuantityList[0].epcClass"),
    (PACKING, put("childQuantityList.0", {"quantity": 1}), "childQuantityList[0].epcClass"),
    (PACKING, put("childQuantityList.0.quantity", "2"), "childQuantityList[0].quantity"),
    (PACKING, put("childQuantityList.0.quantity", True), "childQuantityList[0].quantity"),
    (LEUKAPHERESIS, put("quantityList.0.uom", "millilitre"), "quantityList[0].uom"),
    (LEUKAPHERESIS, put("quantityList", {}), "quantityList"),
    (LEUKAPHERESIS, drop("epcList", "quantityList"), "epcList"),
    (LEUKAPHERESIS, put("epcList.1", ""), "epcList[1]"),
    (LEUKAPHERESIS, put("readPoint", "urn:epc:id:sgln:4012345.00011.987"), "readPoint"),
    (LEUKAPHERESIS, put("readPoint", {}), "readPoint.id"),
    (LEUKAPHERESIS, put("bizLocation.id", "room 2"), "bizLocation.id"),
    (LEUKAPHERESIS, put("bizLocation.name", "x"), "bizLocation.name"),
    (LEUKAPHERESIS, put("persistentDisposition", {}), "persistentDisposition.set"),
    (LEUKAPHERESIS, put("persistentDisposition.set", ["fine"]), "persistentDisposition.set[0]"),
    (LEUKAPHERESIS, put("bizTransactionList.0.type", "order"), "bizTransactionList[0].type"),
    (LEUKAPHERESIS, put("bizTransactionList.0", {"type": "po"}), "bizTransactionList[0].bizTransaction"),
    (ORDER, drop("bizTransactionList"), "bizTransactionList"),
    (ORDER, put("bizTransactionList", []), "bizTransactionList"),
    (LEUKAPHERESIS, put("sourceList.0.type", "owner"), "sourceList[0].type"),
    (LEUKAPHERESIS, put("sourceList.0", {"source": "urn:x:y"}), "sourceList[0].type"),
    (LEUKAPHERESIS, put("destinationList.0", {"type": "location"}), "destinationList[0].destination"),
    (LEUKAPHERESIS, put("certificationInfo", "none"), "certificationInfo"),
    (LEUKAPHERESIS, put("ilmd", []), "ilmd"),
    (LEUKAPHERESIS, put("action", "OBSERVE"), "ilmd"),
    (PACKING, only("childEPCs", []), "childEPCs"),
    (PACKING, only("childQuantityList", []), "childQuantityList"),
    (MAKING, only("inputEPCList", []), "inputEPCList"),
    (SENSED, put("sensorElementList", []), "sensorElementList"),
    (SENSED, drop("readPoint"), "readPoint"),
    (SENSED, only("quantityList", []), "quantityList"),
    (PACKING, put("ilmd", {"cells:a": "b"}), "ilmd"),
    (LEUKAPHERESIS, put("evenTime", "2026-03-02T11:00:00Z"), "evenTime"),
    (MAKING, drop("inputEPCList", "inputQuantityList", "transformationID"), "inputEPCList"),
    (MAKING, drop("outputEPCList", "outputQuantityList", "transformationID"), "outputEPCList"),
    (MAKING, put("errorDeclaration", {}), "errorDeclaration.declarationTime"),
    (MAKING, put("errorDeclaration.declarationTime", "soon"), "errorDeclaration.declarationTime"),
    (MAKING, put("errorDeclaration.reason", "typo"), "errorDeclaration.reason"),
    (MAKING, put("errorDeclaration.correctiveEventIDs", "urn:x:y"), "errorDeclaration.correctiveEventIDs"),
    (LOGGER, put(SENSOR, {}), "sensorElementList[0].sensorReport"),
    (LOGGER, put(f"{SENSOR}.sensorReport", []), "sensorElementList[0].sensorReport"),
    (LOGGER, put(f"{SENSOR}.sensorReport", {}), "sensorElementList[0].sensorReport"),
    (LOGGER, put(f"{REPORT}.type", "Temprature"), "sensorReport[0].type"),
    (LOGGER, put(f"{REPORT}.value", "-151"), "sensorReport[0].value"),
    (LOGGER, put(f"{REPORT}.uom", "°C"), "sensorReport[0].uom"),
    (LOGGER, put(f"{REPORT}.component", "w"), "sensorReport[0].component"),
    (LOGGER, put(f"{REPORT}.exception", "WARM"), "sensorReport[0].exception"),
    (LOGGER, put(f"{REPORT}.booleanValue", "true"), "sensorReport[0].booleanValue"),
    (LOGGER, put(f"{REPORT}.hexBinaryValue", "xyz"), "sensorReport[0].hexBinaryValue"),
    (LOGGER, put(f"{REPORT}.percRank", 101), "sensorReport[0].percRank"),
    (LOGGER, put(f"{REPORT}.time", "2026-03-02T12:00:00"), "sensorReport[0].time"),
    (LOGGER, put(f"{REPORT}.type", "Weight"), "sensorReport[0].type"),
    (LOGGER, put(f"{REPORT}.component", "geocoordinate"), "sensorReport[0].component"),
    (LOGGER, put(f"{REPORT}.temperature", 3), "sensorReport[0].temperature"),
    (LOGGER, put(f"{SENSOR}.sensorMetadata.time", "noon"), "sensorMetadata.time"),
    (LOGGER, put(f"{SENSOR}.sensorMetadata.endTime", "2026-03-02T09:00:00Z"), "sensorMetadata.endTime"),
    (LOGGER, put(f"{SENSOR}.sensorMetadata.deviceID", "LOG1"), "sensorMetadata.deviceID"),
]


@pytest.mark.parametrize(
    ("event", "change", "path"), MALFORMED, ids=[f"{n}-{path}" for n, (*_, path) in enumerate(MALFORMED)]
)
def test_a_malformed_event_is_refused_by_field_and_its_neighbours_stay(event: Json, change: Change, path: str) -> None:
    broken = copy.deepcopy(event)
    change(broken)
    found = read_document(json.dumps(document(PACKING, broken, MAKING)).encode())
    assert [isinstance(each, EpcisEvent) for each in found] == [True, False, True]
    refusal = found[1]
    assert isinstance(refusal, Refusal)
    assert refusal.number == 1
    assert refusal.error.where.startswith("epcisBody.eventList[1].")
    assert refusal.error.where.endswith(path)
    assert refusal.error.expected
    assert refusal.error.received


def test_every_valid_event_is_read_and_known_by_its_type() -> None:
    assert [event.kind for event in read(*EVENTS)] == [each["type"] for each in EVENTS]
    assert all(event.hash.startswith("ni:///sha-256;") for event in read(*EVENTS))


def test_what_was_sensed_may_lack_things_or_be_later_than_its_event() -> None:
    later = {**SENSED, "sensorElementList": [{"sensorReport": [{"type": "Mass", "time": "2026-03-05T12:00:00Z"}]}]}
    empty = {**SENSED, "epcList": []}
    found = read(SENSED, later, empty)
    assert [event.sensors[0].reports[0].type for event in found] == ["Activity", "Mass", "Activity"]


def test_the_lists_of_words_are_as_long_as_those_of_the_standard() -> None:
    lists = (BIZ_STEP, DISPOSITION, TRANSACTION, MEASUREMENT, PARTY, COMPONENT, ALERT, ERROR)
    assert [len(each.words) for each in lists] == [41, 33, 13, 72, 3, 14, 2, 2]


def test_a_document_of_master_data_alone_gives_no_events_and_no_fault() -> None:
    header = {"epcisMasterData": {"vocabularyList": [{"type": "urn:epcglobal:epcis:vtype:ReadPoint"}]}}
    assert read_document(json.dumps({**document(), "epcisHeader": header}).encode()) == []


def test_words_stand_bare_however_they_came() -> None:
    spellings = (
        "packing",
        "urn:epcglobal:cbv:bizstep:packing",
        "https://ref.gs1.org/cbv/BizStep-packing",
        "cbv:BizStep-packing",
    )
    events = read(*({**PACKING, "bizStep": spelling} for spelling in spellings))
    assert {event.biz_step for event in events} == {"packing"}
    assert len({event.hash for event in events}) == 1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda events: events,
        lambda events: {"eventList": events},
        lambda events: {
            **document(),
            "type": "EPCISQueryDocument",
            "epcisBody": {"queryResults": {"queryName": "q", "resultsBody": {"eventList": events}}},
        },
    ],
)
def test_events_are_found_in_every_form_of_document(wrap: Callable[[list[Json]], object]) -> None:
    context = {"cells": "https://ns.example.com/cells/"}
    found = list(read_json(wrap([dict(each) for each in EVENTS]), context))
    assert [each.hash for each in found if isinstance(each, EpcisEvent)] == [each.hash for each in read(*EVENTS)]
    bare = list(read_json(dict(PACKING)))
    assert [each.hash for each in bare if isinstance(each, EpcisEvent)] == [read(PACKING)[0].hash]


def test_a_document_without_its_header_says_so_and_gives_its_events() -> None:
    whole = document(PACKING)
    for name in ("@context", "schemaVersion", "creationDate"):
        found = read_document(json.dumps({key: value for key, value in whole.items() if key != name}).encode())
        assert [each.error.where for each in found if isinstance(each, Refusal)] == [name]
        assert sum(isinstance(each, EpcisEvent) for each in found) == 1
    assert [error.where for error in refusals(json.dumps({**whole, "epcisBody": {}}).encode())] == [
        "epcisBody.eventList"
    ]
    assert [error.where for error in refusals(json.dumps({**whole, "type": "Letter"}).encode())] == ["type"]


@pytest.mark.parametrize("payload", [*HOSTILE, b"<", b"<a/>", b"<?xml version='1.0' encoding='x-none'?><a/>"])
def test_hostile_bytes_give_reasons_and_no_exception(payload: bytes) -> None:
    assert all(isinstance(each, Refusal) and isinstance(each.error, InputError) for each in read_document(payload))


def test_what_is_written_reads_as_equal_events() -> None:
    events = read(*EVENTS)
    written = write_document(events, "2026-03-07T08:00:00Z")
    again = read_document(written)
    assert again == events
    assert write_document([each for each in again if isinstance(each, EpcisEvent)], "2026-03-07T08:00:00Z") == written
    kept = json.loads(written)["epcisBody"]["eventList"][0]
    assert kept["readPoint"] == LEUKAPHERESIS["readPoint"]
    assert kept["ilmd"] == LEUKAPHERESIS["ilmd"]
    assert kept["cells:operator"] == LEUKAPHERESIS["cells:operator"]


def test_prefixes_that_two_events_use_differently_stay_apart() -> None:
    one = read({**PACKING, "@context": {"x": "urn:a:"}, "x:field": "1"})
    two = read({**PACKING, "@context": {"x": "urn:b:"}, "x:field": "1"})
    assert one[0].hash != two[0].hash
    again = read_document(write_document([*one, *two], "2026-03-07T08:00:00Z"))
    assert [each.hash for each in again if isinstance(each, EpcisEvent)] == [one[0].hash, two[0].hash]


def test_an_event_survives_the_wire() -> None:
    for event in read(*EVENTS):
        assert msgspec.json.decode(msgspec.json.encode(event), type=EpcisEvent) == event
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=EpcisEvent) == event


XML = """<?xml version="1.0"?>
<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:{version}" xmlns:cells="https://ns.example.com/cells/"
 schemaVersion="{version}.0" creationDate="2026-03-07T08:00:00Z"><EPCISBody><EventList>{events}</EventList></EPCISBody>
</epcis:EPCISDocument>"""
PACKING_XML = """<AggregationEvent><eventTime>2026-03-02T12:00:00.000+01:00</eventTime>
 <eventTimeZoneOffset>+01:00</eventTimeZoneOffset><parentID>urn:epc:id:grai:4012345.66666.87</parentID>
 <childEPCs><epc>urn:epc:id:sgtin:4012345.012345.BAG-1</epc></childEPCs><action>ADD</action>
 <bizStep>urn:epcglobal:cbv:bizstep:packing</bizStep>
 <readPoint><id>urn:epc:id:sgln:4012345.00011.987</id></readPoint>{}</AggregationEvent>"""
CHILDREN_XML = """<childQuantityList><quantityElement><epcClass>urn:epc:idpat:sgtin:4012345.012345.*</epcClass>
 <quantity>2.0</quantity></quantityElement></childQuantityList>"""


@pytest.mark.parametrize(("version", "inner"), [(2, CHILDREN_XML), (1, f"<extension>{CHILDREN_XML}</extension>")])
def test_xml_of_both_generations_hashes_as_json(version: int, inner: str) -> None:
    found = read_document(XML.format(version=version, events=PACKING_XML.format(inner)).encode())
    assert [each.hash for each in found if isinstance(each, EpcisEvent)] == [read(PACKING)[0].hash]


def test_xml_a_quantity_that_is_nil_is_none_and_an_empty_one_is_refused() -> None:
    nil = '<quantity xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'
    inner = CHILDREN_XML.replace("<quantity>2.0</quantity>", "{}")
    without, empty, said_nil = (PACKING_XML.format(inner.format(each)) for each in ("", "<quantity/>", nil))
    first, second, third = read_document(XML.format(version=1, events=f"{without}{empty}{said_nil}").encode())
    assert isinstance(first, EpcisEvent)
    assert first == third
    assert isinstance(second, Refusal)
    assert second.error.where == "EventList[1].childQuantityList[0].quantity"


def test_xml_events_in_wrappers_and_bad_neighbours() -> None:
    good = PACKING_XML.format(CHILDREN_XML)
    bad = good.replace("<action>ADD</action>", "<action>MOVE</action>")
    unknown = "<QuantityEvent><eventTime>2026-03-02T12:00:00Z</eventTime></QuantityEvent>"
    events = f"{good}{bad}<extension><extension>{good}</extension></extension>{unknown}{good}"
    found = read_document(XML.format(version=1, events=events).encode())
    assert [isinstance(each, EpcisEvent) for each in found] == [True, False, True, False, True]
    errors = [each.error for each in found if isinstance(each, Refusal)]
    assert [error.where for error in errors] == ["EventList[1].action", "EventList[3].type"]
    assert isinstance(errors[1], UnknownTypeError)


def test_xml_wrappers_may_hold_fields_of_a_later_version() -> None:
    later = "<extension><extension><later/></extension></extension>"
    found = read_document(XML.format(version=2, events=PACKING_XML.format(CHILDREN_XML + later)).encode())
    assert [[part.name for part in each.extensions] for each in found if isinstance(each, EpcisEvent)] == [["later"]]
    assert len(refusals(XML.format(version=2, events=PACKING_XML.format(CHILDREN_XML + "<later/>")).encode())) == 1


def test_xml_without_its_header_says_so_and_gives_its_events() -> None:
    whole = XML.format(version=2, events=PACKING_XML.format(CHILDREN_XML))
    found = read_document(whole.replace(' schemaVersion="2.0"', "").encode())
    assert [each.error.where for each in found if isinstance(each, Refusal)] == ["schemaVersion"]
    assert sum(isinstance(each, EpcisEvent) for each in found) == 1


def test_xml_that_breaks_off_gives_what_stood_before() -> None:
    whole = XML.format(version=2, events=PACKING_XML.format(CHILDREN_XML) * 2).encode()
    found = read_document(whole[: whole.rindex(b"<bizStep>")])
    assert [isinstance(each, EpcisEvent) for each in found] == [True, False]


def test_entities_and_depth_are_refused() -> None:
    bomb = b"<!DOCTYPE a [<!ENTITY b 'x'>]>" + XML.split("?>", 1)[1].format(version=2, events="").encode()
    assert [error.where for error in refusals(bomb)] == ["document"]
    there = b"<!DOCTYPE a SYSTEM 'http://x.example/a.dtd'>" + bomb.split(b"]>", 1)[1]
    assert [error.where for error in refusals(there)] == ["document"]
    assert refusals(b"<!DOCTYPE a>" + bomb.split(b"]>", 1)[1]) == []
    deep = "<cells:a>" * 80 + "</cells:a>" * 80
    assert len(refusals(XML.format(version=2, events=PACKING_XML.format(deep)).encode())) == 1
    nested: Json = {}
    for _ in range(40):
        nested = {"cells:a": nested}
    assert len(refusals(json.dumps(document({**PACKING, "cells:a": nested})).encode())) == 1
