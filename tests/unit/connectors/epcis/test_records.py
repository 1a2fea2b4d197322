"""Which twins an event names, the ids of its facts, and files as a source."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from connectors.checks import HOSTILE
from connectors.epcis import EpcisSource, Identification, event_name, facts_of, named_twins, read_identification
from connectors.epcis.source import parse
from connectors.outgoing import BadLine
from schemas.errors import InputError, UsageError
from schemas.events import Event
from schemas.instants import parse_instant
from tests.unit.connectors.epcis.examples import EVENTS, LEUKAPHERESIS, LOGGER, MAKING, ORDER, PACKING, document, read

READ_AT = parse_instant("2026-04-01T00:00:00Z")
TABLE = Identification(network="eu")


def test_an_event_names_patients_shippers_rooms_and_the_network() -> None:
    leukapheresis, packing, order, making, logger = (named_twins(event, TABLE) for event in read(*EVENTS))
    assert leukapheresis == (
        "patient:COI-000123",
        "patient:401234598765400000",
        "room:4012345000115.987",
        "room:4012345000115",
        "network:eu",
    )
    assert packing == ("shipper:0401234566666387", "room:4012345000115.987", "network:eu")
    assert order == ("patient:COI-000123", "network:eu")
    assert making == ("network:eu",)
    assert logger == ("shipper:0401234566666387", "shipper:4012345LOG1", "network:eu")


def test_the_table_of_identification_decides() -> None:
    table = read_identification(
        json.dumps(
            {
                "network": "",
                "twins": {
                    "urn:epc:id:sgtin:4012345.012345.BAG-1": "patient:COI-9",
                    "https://example.com/8004/4012345LOG1": "",
                    "urn:epc:id:sgln:4012345.00011.987": "room:suite-3",
                },
            }
        ).encode()
    )
    packing, logger = (named_twins(event, table) for event in read(PACKING, LOGGER))
    assert packing == ("patient:COI-9", "shipper:0401234566666387", "room:suite-3")
    assert logger == ("shipper:0401234566666387",)
    nobody = {**PACKING, "parentID": "urn:x:box", "readPoint": {"id": "urn:x:room"}, "childEPCs": []}
    with pytest.raises(InputError, match="names a patient"):
        facts_of(read(nobody)[0], table, "site-7", READ_AT)


@pytest.mark.parametrize("payload", [b"{", b'{"rooms":1}', b'{"twins":{"urn:x:y":"bag:1"}}'])
def test_a_table_that_cannot_work_is_refused(payload: bytes) -> None:
    with pytest.raises(UsageError, match="expected"):
        read_identification(payload)


def test_a_type_of_box_is_no_box_and_a_huge_event_is_refused() -> None:
    box_type = read({**PACKING, "parentID": "https://id.gs1.org/8003/04012345666663"})[0]
    assert named_twins(box_type, TABLE) == ("room:4012345000115.987", "network:eu")
    many = [f"urn:epc:id:sgtin:4012345.012345.{'B' * 60}{n:05d}" for n in range(15_000)]
    with pytest.raises(InputError, match="several events"):
        facts_of(read({**PACKING, "childEPCs": many})[0], TABLE, "site-7", READ_AT)


def test_facts_of_one_event_share_its_hash_id_and_an_error_declaration_has_another() -> None:
    wrong = read(MAKING)[0]
    right = read({key: value for key, value in MAKING.items() if key != "errorDeclaration"})[0]
    assert wrong.hash == right.hash
    assert event_name(wrong) == f"{right.hash}#error/2026-03-06T08:00:00.000Z"
    facts = facts_of(read(LEUKAPHERESIS)[0], TABLE, "site-7", READ_AT)
    assert {fact.id for fact in facts} == {facts[0].data.hash}
    assert [fact.subject for fact in facts] == list(named_twins(facts[0].data, TABLE))
    assert {(fact.source, fact.type) for fact in facts} == {("site-7", "supply.scanned")}
    assert facts[0].event_time == parse_instant("2026-03-02T08:30:00.250Z")
    assert facts[0].record_time == parse_instant("2026-03-02T09:31:00Z")
    assert facts_of(wrong, TABLE, "site-7", READ_AT)[0].record_time == READ_AT


def test_a_file_is_read_on_from_any_position(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonld.gz"
    path.write_bytes(gzip.compress(json.dumps(document(*EVENTS, {**PACKING, "action": "MOVE"}, ORDER)).encode()))
    source = EpcisSource(path, READ_AT, TABLE)
    whole = list(source.items())
    assert [item.position for item in whole] == ["1", "2", "3", "4", "5", "6", "7"]
    assert list(source.items(after="3")) == whole[3:]
    refused = whole[5].entries[0]
    assert isinstance(refused, BadLine)
    assert b"epcisBody.eventList[5].action" in refused.raw
    assert refused.family == "supply"
    assert all(isinstance(entry, Event) for item in (*whole[:5], whole[6]) for entry in item.entries)
    with pytest.raises(UsageError, match="count of events"):
        list(source.items(after="x"))
    with pytest.raises(UsageError, match="readable file"):
        list(EpcisSource(tmp_path / "none.xml").items())


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(json.dumps(document(PACKING)).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert len(list(EpcisSource("-", READ_AT, TABLE).items())) == 1


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_bytes_become_refused_lines(payload: bytes) -> None:
    assert all(isinstance(entry, BadLine) for group in parse(payload, READ_AT) for entry in group)
