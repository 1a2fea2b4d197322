"""CDISC ODM transactions: insert, update, upsert, remove, context; audit stamps; hostile XML; a bounded stream."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from connectors.enrollment_mapping import OdmMapping, load_enrollment_mapping, read_enrollment_mapping
from connectors.odm import entries_of, parse
from connectors.odm_reader import LONGEST_TEXT, read_transactions
from connectors.outgoing import Entry
from connectors.pseudonyms import plain_ids
from connectors.told import Told
from schemas.enrollment import FactName, FactWithdrawn
from tests.unit.connectors.exports import EXPORTS, FOLDER, READ_AT, at, facts, parser_of, payload_of, refused

OLD, NEW = EXPORTS[5], EXPORTS[6]
STAMP = "<AuditRecord><UserRef UserOID='U'/><DateTimeStamp>{}</DateTimeStamp></AuditRecord>"


def mapping() -> OdmMapping:
    found = load_enrollment_mapping(FOLDER / "odm.map.yaml")
    assert isinstance(found, OdmMapping)
    return found


def document(*subjects: str) -> bytes:
    inner = "".join(subjects)
    return (
        "<ODM xmlns='http://www.cdisc.org/ns/odm/v1.3' FileType='Transactional'>"
        f"<ClinicalData StudyOID='ST-1' MetaDataVersionOID='1'>{inner}</ClinicalData></ODM>"
    ).encode()


def subject(kind: str, inner: str = "", key: str = "1", site: str = "S1", stamp: str = "2026-02-01T00:00:00Z") -> str:
    site_ref = f"<SiteRef LocationOID='{site}'/>" if site else ""
    return (
        f"<SubjectData SubjectKey='{key}' TransactionType='{kind}'>{STAMP.format(stamp)}{site_ref}{inner}</SubjectData>"
    )


def item(oid: str, value: str | None, kind: str = "", event: str = "SE.1", extra: str = "") -> str:
    said = f" Value='{value}'" if value is not None else ""
    how = f" TransactionType='{kind}'" if kind else ""
    return (
        f"<StudyEventData StudyEventOID='{event}'><FormData FormOID='F'><ItemGroupData ItemGroupOID='IG'>"
        f"<ItemData ItemOID='{oid}'{said}{how}>{extra}</ItemData></ItemGroupData></FormData></StudyEventData>"
    )


def read(*subjects: str, told: Told | None = None) -> list[Entry]:
    return parse(document(*subjects), READ_AT, plain_ids(), mapping(), told)


def types(entries: list[Entry]) -> list[str]:
    return [fact.type.removeprefix("enrollment.") for fact in facts(entries)]


@pytest.mark.parametrize("export", [OLD, NEW], ids=lambda one: one.name)
def test_both_versions_of_the_example_give_the_same_story(export: object) -> None:
    one = facts(parser_of(OLD)(payload_of(OLD)))
    assert one == facts(parser_of(NEW)(payload_of(NEW)))
    assert types(list(one)) == [
        *("subject_consented", "subject_randomised", "subject_randomised"),
        *("screen_failed", "fact_withdrawn"),
    ]
    assert one[2].data.supersedes == FactName("edc-audit", one[1].id)
    assert (one[1].record_time, one[2].record_time) == (at("2026-02-03T15:00:00Z"), at("2026-02-10T09:00:00Z"))
    assert one[2].event_time == at("2026-02-02T11:00:00Z")
    assert one[3].data.reason == "hba1c"
    assert {fact.subject for fact in one} == {"ONC-301"}


def test_a_context_says_nothing_and_an_update_of_the_same_value_neither() -> None:
    first = subject("Insert", item("I.ICDAT", "2026-01-22"))
    again = subject("Update", item("I.ICDAT", "2026-01-22"), stamp="2026-02-02T00:00:00Z")
    context = subject("Context", item("I.ICDAT", "2020-01-01"), stamp="2026-02-03T00:00:00Z")
    assert types(read(first, again, context)) == ["subject_consented"]
    assert read(context) == []


@pytest.mark.parametrize(
    "removal",
    [
        subject("Remove", stamp="2026-02-05T00:00:00Z"),
        subject("Context", item("I.ICDAT", None, "Remove"), stamp="2026-02-05T00:00:00Z"),
        subject(
            "Context", "<StudyEventData StudyEventOID='SE.1' TransactionType='Remove'/>", stamp="2026-02-05T00:00:00Z"
        ),
        subject("Update", item("I.ICDAT", ""), stamp="2026-02-05T00:00:00Z"),
    ],
    ids=["subject", "item", "event", "emptied"],
)
def test_what_is_removed_is_withdrawn(removal: str) -> None:
    first, last = facts(read(subject("Insert", item("I.ICDAT", "2026-01-22")), removal))
    assert isinstance(last.data, FactWithdrawn)
    assert last.data.fact == FactName("edc-audit", first.id)
    assert last.record_time == at("2026-02-05T00:00:00Z")


def test_removing_one_event_leaves_the_others() -> None:
    first = subject("Insert", item("I.ICDAT", "2026-01-22") + item("I.RANDDAT", "2026-02-01", event="SE.2"))
    removal = subject(
        "Context", "<StudyEventData StudyEventOID='SE.2' TransactionType='Remove'/>", stamp="2026-02-05T00:00:00Z"
    )
    found = facts(read(first, removal))
    assert types(list(found)) == ["subject_consented", "subject_randomised", "fact_withdrawn"]
    assert found[2].data.fact.id == found[1].id


def test_a_reason_that_comes_later_supersedes() -> None:
    first = subject("Insert", item("I.FAILDAT", "2026-01-22"))
    reason = subject("Upsert", item("I.FAILREAS", "3"), stamp="2026-02-02T00:00:00Z")
    one, other = facts(read(first, reason))
    assert (one.data.reason, other.data.reason) == ("unstated", "hba1c")
    assert other.data.supersedes == FactName("edc-audit", one.id)


def test_a_second_file_goes_on_where_the_first_ended() -> None:
    told = Told()
    list(
        entries_of(
            iter([document(subject("Insert", item("I.ICDAT", "2026-01-22")))]), READ_AT, plain_ids(), mapping(), told
        )
    )
    update = document(subject("Update", item("I.ICDAT", "2026-01-23"), site="", stamp="2026-02-09T00:00:00Z"))
    (fact,) = facts(parse(update, READ_AT, plain_ids(), mapping(), told))
    assert fact.data.supersedes is not None
    assert fact.data.site == "S1"


def test_a_subject_without_site_or_with_a_bad_day_is_rejected_and_neighbours_go_on() -> None:
    entries = read(
        subject("Insert", item("I.ICDAT", "2026-01-22"), site=""),
        subject("Insert", item("I.ICDAT", "UN-UNK-2026"), key="2"),
        subject("Insert", item("I.ICDAT", "2026-01-24"), key="3"),
    )
    assert [fact.data.subject for fact in facts(entries)] == ["3"]
    site, day = refused(entries)
    assert "SiteRef" in site
    assert "'UN-UNK-2026'" in day
    assert "I.ICDAT" in day


def test_items_nobody_mapped_are_not_kept() -> None:
    told = Told()
    payload = document(
        subject("Insert", item("I.ICDAT", "2026-01-22") + item("I.ARM", "ACTIVE") + item("I.NAME", "Anna"))
    )
    assert len(list(entries_of(iter([payload]), READ_AT, plain_ids(), mapping(), told))) == 1
    assert "ACTIVE" not in str(told.scopes)
    assert "Anna" not in str(told.scopes)


@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;&lol;'>]>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://127.0.0.1/x'>%p;]>",
    ],
)
def test_declarations_are_refused(head: str) -> None:
    payload = head.encode() + document(subject("Insert", item("I.ICDAT", "2026-01-22")))
    entries = parse(payload, READ_AT, plain_ids(), mapping())
    assert facts(entries) == []
    (said,) = refused(entries)
    assert "document type" in said


@pytest.mark.parametrize(
    "payload",
    [
        document("<a>" * 100 + "</a>" * 100),
        document(subject("Insert", item("I.ICDAT", None, extra="<Value>" + "x" * (LONGEST_TEXT + 1) + "</Value>"))),
        document(subject("Perhaps", item("I.ICDAT", "2026-01-22"))),
        b"<ODM>",
        b"<html><body>",
        b"not xml",
    ],
    ids=["deep", "long", "type", "cut", "other", "text"],
)
def test_documents_beyond_bounds_or_broken_are_rejected(payload: bytes) -> None:
    entries = parse(payload, READ_AT, plain_ids(), mapping())
    assert facts(entries) == []
    assert len(refused(entries)) == 1


def test_what_stood_before_a_break_is_used() -> None:
    payload = document(
        subject("Insert", item("I.ICDAT", "2026-01-22")), subject("Insert", item("I.ICDAT", "2026-01-23"), "2")
    )
    entries = parse(payload[:-60], READ_AT, plain_ids(), mapping())
    assert len(refused(entries)) == 1
    assert len(facts(entries)) >= 1


def test_a_big_document_streams_in_bounded_memory() -> None:
    count = 4_000

    def chunks() -> Iterator[bytes]:
        yield b"<ODM><ClinicalData StudyOID='ST-1'>"
        for number in range(count):
            yield subject("Insert", item("I.OTHER", "7"), key=str(number)).encode()
        yield b"</ClinicalData></ODM>"

    tracemalloc.start()
    try:
        assert sum(1 for _ in read_transactions(chunks())) == count
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000


def test_repeated_visits_are_visits_each() -> None:
    text = (
        "twinstream_map: 1\nfamily: enrollment\nform: odm\nname: o\nsource: s\nitems:\n"
        "  - {item: I.V, step: visit_done, visit: week 4}\n"
    )
    found = read_enrollment_mapping(text, "m")
    assert isinstance(found, OdmMapping)
    inner = "".join(
        item("I.V", day).replace("OID='SE.1'", f"OID='SE.1' StudyEventRepeatKey='{number}'")
        for number, day in enumerate(("2026-01-22", "2026-01-29"), 1)
    )
    assert len(facts(parse(document(subject("Insert", inner)), READ_AT, plain_ids(), found))) == 2
