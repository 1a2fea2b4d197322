"""Documents captured over HTTP: what becomes of each event, on the topic and in the job."""

from __future__ import annotations

import copy
import socket
from typing import Any
from urllib.parse import quote, unquote

import psycopg
import pytest

from connectors.epcis import Refusal, read_document, read_json
from schemas.epcis import EpcisEvent
from schemas.events import Event, read_record
from streams.api.routes_epcis_capture import _count_xml
from streams.epcis.capturing import MOST_BYTES, MOST_EVENTS
from streams.log.read import ends, read
from tests.unit.connectors.epcis.examples import EVENTS
from tests.unit.connectors.epcis.examples import document as example
from tests.unit.streams.epcis.partner import Partner, document, seen

pytestmark = pytest.mark.postgres

TOPIC = "supply.events"


def facts(partner: Partner, epc: str) -> list[Event]:
    """Give what the topic says of a thing."""
    found = []
    with psycopg.connect(partner.database, autocommit=True) as connection:
        for partition, end in ends(connection, TOPIC).items():
            offset = 0
            while offset < end:
                records = read(connection, TOPIC, partition, offset)
                offset = records[-1].offset + 1
                found += [read_record(record.key, record.value, record.headers) for record in records]
    return [fact for fact in found if isinstance(fact.data, EpcisEvent) and epc in fact.data.epcs]


def read_back(events: list[dict[str, Any]], context: Any) -> set[str]:
    """Give the hashes of events of an answer."""
    read = list(read_json({"@context": context, "eventList": events}))
    assert not any(isinstance(each, Refusal) for each in read)
    return {each.hash for each in read if isinstance(each, EpcisEvent)}


def test_all_kinds_of_event_come_back_equal_by_hash(partner: Partner) -> None:
    sent = example(*EVENTS)
    hashes = {each.hash for each in read_json(sent) if isinstance(each, EpcisEvent)}
    assert len(hashes) == 5
    job = partner.capture(sent)
    assert (job["success"], job["captured"], job["errors"]) == (True, 5, [])
    answer = partner.client.get("/events", params={"EQ_eventID": "|".join(hashes)})
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.headers["GS1-EPCIS-Version"] == "2.0"
    assert {each.hash for each in read_document(answer.content) if isinstance(each, EpcisEvent)} == hashes
    for name in hashes:
        one = partner.client.get(f"/events/{quote(name, safe='')}")
        assert one.status_code == 200, name
        [event] = read_document(one.content)
        assert isinstance(event, EpcisEvent)
        assert event.hash == name


def test_each_twin_that_an_event_names_is_told_under_one_id(partner: Partner, box: str) -> None:
    event = seen(box, bizTransactionList=[{"type": "po", "bizTransaction": f"urn:coi:{box[-6:]}"}])
    job = partner.capture(document(event))
    assert job["captured"] == 1
    told = facts(partner, box)
    assert {fact.subject for fact in told} == {f"patient:{box[-6:]}", "network:main"}
    assert len({fact.id for fact in told}) == 1
    assert told[0].id == told[0].data.hash
    assert len(partner.events(MATCH_epc=box)) == 1


def test_a_document_sent_twice_counts_once(partner: Partner, box: str) -> None:
    for _ in range(2):
        assert partner.capture(document(seen(box)))["success"]
    told = facts(partner, box)
    assert len(told) == 2
    assert len({(fact.source, fact.id, fact.subject) for fact in told}) == 1
    assert len(partner.events(MATCH_epc=box)) == 1


def test_with_rollback_one_fault_captures_nothing(partner: Partner, box: str) -> None:
    bad = seen(box, 1, bizStep="flying")
    job = partner.capture(document(seen(box), bad))
    assert (job["running"], job["success"], job["captured"], job["refused"]) == (False, False, 0, 1)
    [error] = job["errors"]
    assert error["field"] == "epcisBody.eventList[1].bizStep"
    assert "flying" in error["detail"]
    assert (error["event"], error["reason"]) == (1, "invalid_field")
    assert facts(partner, box) == []
    assert partner.events(MATCH_epc=box) == []


def test_with_proceed_neighbours_of_a_fault_are_captured(partner: Partner, box: str) -> None:
    bad = seen(box, 1)
    del bad["eventTimeZoneOffset"]
    job = partner.capture(document(seen(box), bad, seen(box, 2)), "proceed")
    assert (job["success"], job["captured"], job["refused"]) == (False, 2, 1)
    assert job["errors"][0]["field"].endswith("eventList[1].eventTimeZoneOffset")
    assert job["captureErrorBehaviour"] == "proceed"
    assert [each["eventTime"][14:16] for each in partner.events(MATCH_epc=box)] == ["00", "02"]


def test_what_cannot_be_read_at_all_is_refused_at_once(partner: Partner) -> None:
    answer = partner.client.post("/capture", content=b'{"type": ', headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "epcisException:ValidationException"
    other = partner.client.post("/capture", content=b"a,b", headers={"Content-Type": "text/csv"})
    assert other.status_code == 415
    wrong = partner.client.post("/capture", json=document(), headers={"GS1-Capture-Error-Behaviour": "maybe"})
    assert wrong.status_code == 400


def test_limits_are_checked_before_anything_is_read(partner: Partner, box: str) -> None:
    many = document(*({"no": "event"} for _ in range(MOST_EVENTS + 1)))
    answer = partner.client.post("/capture", json=many)
    assert answer.status_code == 413
    assert answer.headers["GS1-EPCIS-Capture-Limit"] == str(MOST_EVENTS)
    assert answer.json()["type"] == "epcisException:CaptureLimitExceededException"
    url = partner.client.base_url
    with socket.create_connection((url.host, url.port or 80), 10) as connection:  # only says that it would be too large
        head = f"POST {url.path}capture HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {MOST_BYTES + 1}\r\n\r\n".encode())
        large = connection.recv(65536).decode()
    assert large.startswith("HTTP/1.1 413")
    assert f"gs1-epcis-capture-file-size-limit: {MOST_BYTES}" in large.lower()


def test_events_of_xml_are_counted_by_their_names() -> None:
    text = b"<e:EPCISDocument><ObjectEvent/><extension><TransformationEvent ></extension><AggregationEvent>"
    assert _count_xml(text) == 3


def test_xml_is_captured_as_its_json_twin_is(partner: Partner, box: str) -> None:
    xml = f"""<?xml version="1.0" encoding="UTF-8"?>
<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0" creationDate="2026-03-01T09:00:00Z">
<EPCISBody><EventList><ObjectEvent><eventTime>2026-03-01T08:00:00Z</eventTime>
<eventTimeZoneOffset>+00:00</eventTimeZoneOffset><epcList><epc>{box}</epc></epcList><action>OBSERVE</action>
<bizStep>urn:epcglobal:cbv:bizstep:shipping</bizStep></ObjectEvent></EventList></EPCISBody></epcis:EPCISDocument>"""
    answer = partner.client.post("/capture", content=xml, headers={"Content-Type": "application/xml"})
    assert answer.status_code == 202, answer.text
    job = partner.ended(answer.headers["Location"])
    assert (job["success"], job["captured"], job["errors"]) == (True, 1, [])
    assert partner.capture(document(seen(box)))["success"]
    assert len(partner.events(MATCH_epc=box)) == 1


def test_one_event_is_captured_while_its_sender_waits(partner: Partner, box: str) -> None:
    event = {**seen(box), "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]}
    answer = partner.client.post("/events", json=event)
    assert answer.status_code == 201, answer.text
    assert answer.json()["eventID"] == unquote(answer.headers["Location"].rpartition("/")[2])
    at = partner.client.base_url.copy_with(raw_path=answer.headers["Location"].encode())
    assert partner.client.get(at).json()["epcList"] == [box]
    bad = copy.deepcopy(event) | {"action": "SHIP"}
    refused = partner.client.post("/events", json=bad)
    assert refused.status_code == 400
    assert (refused.json()["field"], refused.json()["reason"]) == ("action", "invalid_field")
    assert partner.client.post("/events", json=document(seen(box), seen(box, 1))).status_code == 400


def test_jobs_are_listed_newest_first_in_pages(partner: Partner, box: str) -> None:
    names = [partner.capture(document(seen(box, minute)))["captureID"] for minute in range(3)]
    first = partner.client.get("/capture", params={"perPage": 2})
    assert [job["captureID"] for job in first.json()] == names[:0:-1]
    partner.capture(document(seen(box, 9)))
    link = first.headers["Link"]
    assert link.endswith('rel="next"')
    rest = partner.client.get(partner.client.base_url.copy_with(raw_path=link[1 : link.index(">")].encode()))
    assert rest.json()[0]["captureID"] == names[0]
    assert partner.client.get("/capture/unknown").status_code == 404


def test_options_tell_what_an_address_can_do(partner: Partner) -> None:
    answer = partner.client.options("/capture")
    assert answer.status_code == 204
    assert {"GET", "POST", "OPTIONS"} <= set(answer.headers["Allow"].split(", "))
    assert answer.headers["GS1-EPCIS-Capture-Limit"] == str(MOST_EVENTS)
    assert partner.client.options("/events").headers["GS1-EPCIS-Version"] == "2.0"
    assert partner.client.options("/nothing").status_code == 404
