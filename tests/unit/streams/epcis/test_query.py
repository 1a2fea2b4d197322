"""Events asked for over HTTP: every parameter finds what it should and nothing else; pages stay as they are."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from connectors.epcis import facts_of, open_identification, read_json
from schemas.epcis import EpcisEvent
from schemas.events import write_headers, write_value
from schemas.instants import Instant
from streams.appending import append_rows
from streams.epcis.answering import _digest
from streams.ledger.reads import write_cursor
from streams.transports.access import open_writer
from tests.browser.site import wait_for
from tests.unit.streams.epcis.partner import Partner, document, new_box, seen

pytestmark = pytest.mark.postgres

PLACE = "urn:epc:id:sgln:4012345.00011.987"
CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]


def minutes(events: list[dict[str, Any]]) -> list[int]:
    return [int(event["eventTime"][14:16]) for event in events]


@pytest.fixture(scope="module")
def three(partner: Partner) -> str:
    """One box: shipped at 0, received elsewhere at 10, packed into a case at 20."""
    box = new_box()
    site = f"urn:epc:id:sgln:4012345.00012.{box[-6:]}"
    partner.capture(
        document(
            seen(box, 0, disposition="in_transit", readPoint={"id": site}, action="ADD"),
            seen(box, 10, bizStep="receiving", bizLocation={"id": site}, eventID=f"urn:uuid:{box}"),
            {
                "type": "AggregationEvent",
                "eventTime": "2026-03-01T08:20:00Z",
                "eventTimeZoneOffset": "+00:00",
                "action": "ADD",
                "parentID": f"urn:epc:id:grai:4012345.66666.{box[-6:]}",
                "childEPCs": [box],
                "bizStep": "packing",
                "bizTransactionList": [{"type": "po", "bizTransaction": f"urn:epcglobal:cbv:bt:1:{box[-6:]}"}],
            },
        )
    )
    return box


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [0, 10, 20]),
        ({"eventType": "AggregationEvent"}, [20]),
        ({"GE_eventTime": "2026-03-01T09:10:00+01:00"}, [10, 20]),
        ({"LT_eventTime": "2026-03-01T08:10:00Z"}, [0]),
        ({"LT_recordTime": "2026-03-01T08:10:00Z"}, []),
        ({"GE_recordTime": "2026-03-01T08:10:00Z"}, [0, 10, 20]),
        ({"EQ_action": "ADD"}, [0, 20]),
        ({"EQ_bizStep": "urn:epcglobal:cbv:bizstep:receiving"}, [10]),
        ({"EQ_bizStep": "https://ref.gs1.org/cbv/BizStep-receiving|packing"}, [10, 20]),
        ({"EQ_bizStep": ["receiving", "shipping"]}, [0, 10]),
        ({"EQ_disposition": "in_transit"}, [0]),
        ({"EQ_readPoint": "urn:epc:id:sgln:4012345.00012.{}"}, [0]),
        ({"WD_readPoint": "https://id.gs1.org/414/4012345000122"}, [0]),
        ({"WD_readPoint": "https://id.gs1.org/414/401234500012"}, []),
        ({"EQ_readPoint": "https://id.gs1.org/414/4012345000122"}, []),
        ({"EQ_bizLocation": "urn:epc:id:sgln:4012345.00012.{}"}, [10]),
        ({"WD_bizLocation": "urn:epc:id:sgln:4012345.00012.0"}, [10]),
        ({"MATCH_parentID": "urn:epc:id:grai:4012345.66666.{}"}, [20]),
        ({"MATCH_inputEPC": "urn:epc:id:grai:4012345.66666.{}"}, []),
        ({"EQ_bizTransaction_po": "urn:epcglobal:cbv:bt:1:{}"}, [20]),
        ({"EQ_bizTransaction_desadv": "urn:epcglobal:cbv:bt:1:{}"}, []),
        ({"EQ_eventID": "urn:uuid:urn:epc:id:sgtin:4012345.011111.{}"}, [10]),
        ({"EXISTS_errorDeclaration": "true"}, []),
        ({"EXISTS_errorDeclaration": "false"}, [0, 10, 20]),
        ({"orderBy": "eventTime"}, [20, 10, 0]),
        ({"orderBy": "eventTime", "orderDirection": "ASC", "eventCountLimit": "2"}, [0, 10]),
        ({"orderBy": "recordTime", "eventCountLimit": "1"}, [20]),
        ({"maxEventCount": "3"}, [0, 10, 20]),
    ],
)
def test_a_parameter_finds_what_it_should(
    partner: Partner, three: str, given: dict[str, Any], expected: list[int]
) -> None:
    asked = {name: value.format(three[-6:]) if isinstance(value, str) else value for name, value in given.items()}
    found = minutes(partner.events(MATCH_anyEPC=three, **asked))
    assert (found if "orderBy" in given else sorted(found)) == expected


def test_identifiers_are_found_in_any_spelling(partner: Partner, three: str) -> None:
    serial = three.rpartition(".")[2]
    for spelling in (
        f"https://id.gs1.org/01/04012345111118/21/{serial}",
        f"https://example.com/x/01/04012345111118/21/{serial}",
        three,
    ):
        assert sorted(minutes(partner.events(MATCH_epc=spelling))) == [0, 10, 20]
    open_serial = partner.events(
        MATCH_epc="urn:epc:idpat:sgtin:4012345.011111.*", EQ_bizTransaction_po=f"urn:epcglobal:cbv:bt:1:{three[-6:]}"
    )
    assert minutes(open_serial) == [20]
    parents = partner.events(MATCH_parentID="urn:epc:idpat:grai:4012345.66666.*", MATCH_epc=three)
    assert minutes(parents) == [20]


def test_things_made_are_found_by_what_went_in_and_came_out(partner: Partner, box: str) -> None:
    made = {
        "type": "TransformationEvent",
        "eventTime": "2026-03-01T08:30:00Z",
        "eventTimeZoneOffset": "+00:00",
        "inputEPCList": [box],
        "outputQuantityList": [{"epcClass": f"urn:epc:class:lgtin:4012345.012345.{box[-6:]}", "quantity": 2}],
        "transformationID": f"urn:uuid:t-{box[-6:]}",
        "bizStep": "commissioning",
    }
    partner.capture(document(made))
    by: list[dict[str, str]] = [
        {"MATCH_inputEPC": box},
        {"MATCH_anyEPC": box},
        {"MATCH_outputEPCClass": f"urn:epc:class:lgtin:4012345.012345.{box[-6:]}"},
        {"MATCH_anyEPCClass": f"https://id.gs1.org/01/04012345123456/10/{box[-6:]}"},
        {"EQ_transformationID": f"urn:uuid:t-{box[-6:]}"},
    ]
    for asked in by:
        assert minutes(partner.events(**asked)) == [30], asked
    for other in ({"MATCH_epc": box}, {"MATCH_outputEPC": box}):
        assert partner.events(**other) == []


@pytest.mark.parametrize(
    "given",
    [
        {"EQ_colour": "red"},
        {"eventType": "BirthdayEvent"},
        {"GE_eventTime": "yesterday"},
        {"EQ_action": "SHIP"},
        {"orderBy": "colour"},
        {"orderDirection": "DESC"},
        {"eventCountLimit": "0"},
        {"perPage": "5000"},
        {"MATCH_epc": "urn:epc:idpat:sgtin:4012345.*.*"},
        {"nextPageToken": "x"},
        {"EXISTS_errorDeclaration": "maybe"},
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(partner: Partner, given: dict[str, str]) -> None:
    answer = partner.client.get("/events", params=given)
    assert answer.status_code == 400
    assert answer.json()["type"] == "epcisException:QueryParameterException"
    assert answer.json()["parameter"] == next(iter(given))


@pytest.mark.parametrize("values", [(1 << 70, 0, 1, -1), (9, 1 << 70, 1, -1), (9, -5, 1, -1), (9, 0, 1 << 70, -1)])
def test_a_token_that_was_tampered_with_is_refused(partner: Partner, values: tuple[int, ...]) -> None:
    token = write_cursor(*values, _digest({}))
    assert partner.client.get("/events", params={"nextPageToken": token}).status_code == 400


def test_more_than_may_be_found_is_refused(partner: Partner, three: str) -> None:
    answer = partner.client.get("/events", params={"MATCH_anyEPC": three, "maxEventCount": "2"})
    assert answer.status_code == 413
    assert answer.json()["type"] == "epcisException:QueryTooLargeException"
    both = partner.client.get("/events", params={"maxEventCount": "2", "eventCountLimit": "2"})
    assert both.status_code == 400


@pytest.mark.parametrize("more", [{}, {"orderBy": "eventTime", "orderDirection": "ASC"}, {"orderBy": "eventTime"}])
def test_pages_stay_as_they_are_while_more_is_captured(partner: Partner, box: str, more: dict[str, str]) -> None:
    partner.capture(document(*(seen(box, minute) for minute in range(0, 50, 2))))
    given = {"MATCH_epc": box, "perPage": "10", "eventCountLimit": "24", **more}
    answer = partner.client.get("/events", params=given)
    pages = [answer]
    while "Link" in answer.headers:
        partner.capture(document(*(seen(box, minute) for minute in range(len(pages), 59, 7))))
        link = answer.headers["Link"]
        assert link.endswith('rel="next"')
        answer = partner.client.get(partner.client.base_url.copy_with(raw_path=link[1 : link.index(">")].encode()))
        pages.append(answer)
    found = [minutes(each.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]) for each in pages]
    whole = sorted(range(0, 50, 2), reverse=more == {"orderBy": "eventTime"})
    assert [len(each) for each in found] == [10, 10, 4]
    assert [each for page in found for each in page] == whole[:24]
    token = {"nextPageToken": link.partition("nextPageToken=")[2].partition(">")[0], "MATCH_epc": "urn:other:1"}
    assert partner.client.get("/events", params=token).status_code == 400


def test_an_error_declaration_stands_beside_what_it_declares_wrong(partner: Partner, box: str) -> None:
    name = f"urn:uuid:first-{box[-6:]}"
    right = seen(box, 5, eventID=f"urn:uuid:right-{box[-6:]}")
    declared = {
        "declarationTime": "2026-03-02T08:00:00Z",
        "reason": "incorrect_data",
        "correctiveEventIDs": [right["eventID"]],
    }
    partner.capture(document(seen(box, 4, eventID=name)))
    before = partner.client.get(f"/events/{quote(name, safe='')}").json()
    assert "errorDeclaration" not in before
    partner.capture(document(seen(box, 4, eventID=name, errorDeclaration=declared), right))
    assert minutes(partner.events(MATCH_epc=box)) == [4, 4, 5]
    for asked in (
        {"EXISTS_errorDeclaration": "true"},
        {"EQ_errorReason": "incorrect_data"},
        {"EQ_errorReason": "urn:epcglobal:cbv:er:incorrect_data"},
        {"EQ_correctiveEventID": right["eventID"]},
        {"GE_errorDeclarationTime": "2026-03-02T08:00:00Z"},
    ):
        [found] = partner.events(MATCH_epc=box, **asked)
        assert found["errorDeclaration"]["reason"] == "incorrect_data"
        assert found["eventID"] == name
    assert partner.events(MATCH_epc=box, EQ_errorReason="did_not_occur") == []
    assert partner.client.get(f"/events/{quote(name, safe='')}").json()["errorDeclaration"]
    assert partner.client.get("/events/urn:uuid:nobody").status_code == 404


def test_values_lead_to_their_events(partner: Partner, three: str) -> None:
    link = f"https://id.gs1.org/01/04012345111118/21/{three.rpartition('.')[2]}"
    listed: list[str] = []
    answer = partner.client.get("/epcs", params={"perPage": 5})
    while True:
        assert answer.json()["type"] == "Collection"
        listed += answer.json()["member"]
        if "Link" not in answer.headers:
            break
        next_one = answer.headers["Link"]
        answer = partner.client.get(
            partner.client.base_url.copy_with(raw_path=next_one[1 : next_one.index(">")].encode())
        )
    assert link in listed
    assert listed == sorted(set(listed))
    assert sorted(minutes(partner.events(f"/epcs/{quote(link, safe='')}/events"))) == [0, 10, 20]
    assert minutes(partner.events("/bizSteps/receiving/events", MATCH_epc=three)) == [10]
    assert minutes(partner.events("/eventTypes/AggregationEvent/events", MATCH_epc=three)) == [20]
    assert minutes(partner.events("/dispositions/in_transit/events", MATCH_epc=three)) == [0]
    assert "receiving" in partner.client.get("/bizSteps").json()["member"]
    assert "in_transit" in partner.client.get("/dispositions").json()["member"]
    assert len(partner.client.get("/eventTypes").json()["member"]) == 5
    place = f"https://id.gs1.org/414/4012345000122/254/{three[-6:]}"
    assert place in partner.client.get("/readPoints", params={"perPage": 1000}).json()["member"]
    assert place in partner.client.get("/bizLocations", params={"perPage": 1000}).json()["member"]
    assert minutes(partner.events(f"/readPoints/{quote(place, safe='')}/events", MATCH_epc=three)) == [0]


def test_events_that_came_on_the_topic_are_found_too(partner: Partner, box: str) -> None:
    event = next(read_json({**seen(box), "@context": CONTEXT}))
    assert isinstance(event, EpcisEvent)
    facts = facts_of(event, open_identification(None), "courier-7", Instant(1_772_400_000_000_000))
    writer = open_writer(None, partner.database)
    try:
        for _ in range(2):
            rows = [(fact.subject.encode(), write_value(fact), write_headers(fact), None) for fact in facts]
            append_rows(writer, "supply.events", rows)
    finally:
        writer.close()
    wait_for(lambda: len(partner.events(MATCH_epc=box)) == 1, 20)
    wait_for(lambda: partner.client.get("/lag").json()["lag"] == 0, 20)
    assert len(partner.events(MATCH_epc=box)) == 1
    assert partner.capture(document(seen(box)))["success"]
    assert len(partner.events(MATCH_epc=box)) == 1


def test_record_times_never_fall(partner: Partner, box: str) -> None:
    partner.capture(document(*(seen(box, minute) for minute in range(20))))
    with psycopg.connect(partner.database) as connection:
        times = [row[0] for row in connection.execute("select record_time from epcis_event order by no")]
    assert times == sorted(times)


def test_another_version_or_format_is_not_spoken(partner: Partner) -> None:
    assert partner.client.get("/events", headers={"GS1-EPCIS-Version": "1.2"}).status_code == 406
    assert partner.client.get("/events", headers={"Accept": "application/xml"}).status_code == 406
    plain = partner.client.get("/events", headers={"Accept": "application/json"})
    assert plain.headers["content-type"] == "application/json"
