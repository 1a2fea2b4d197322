"""FHIR R5 bundles: status and milestone both mapped, versions superseding, neighbours of a fault going on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from connectors.enrollment_mapping import FhirMapping
from connectors.fhir import DEFAULT, parse
from connectors.fhir_codes import MILESTONES, SITE_STATES, STATES
from connectors.outgoing import Entry
from connectors.pseudonyms import Pseudonyms, plain_ids
from connectors.told import Told
from schemas.enrollment import FactName, FactWithdrawn, StudyPlanned
from schemas.events import Event
from tests.unit.connectors.exports import EXPORTS, READ_AT, at, facts, parser_of, payload_of, refused

BUNDLE = EXPORTS[4]
SITE = {"valueString": "DE-01", "url": "urn:site"}
MAPPING = FhirMapping(
    twinstream_map=1, family="enrollment", form="fhir", name="f", source="fhir", site_extension="urn:site"
)


def concept(code: str) -> dict[str, Any]:
    return {"coding": [{"code": code}]}


def subject(*progress: dict[str, Any], version: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ResearchSubject",
        "id": "s1",
        "status": "active",
        "meta": {"versionId": version, "lastUpdated": f"2026-03-0{version}T09:00:00Z"},
        "extension": [SITE],
        "study": {"reference": "ResearchStudy/ST-1"},
        "subject": {"reference": "Patient/p"},
        "progress": list(progress),
        **more,
    }


def bundle(*resources: dict[str, Any]) -> bytes:
    return json.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
    ).encode()


def read(*resources: dict[str, Any], mapping: FhirMapping = MAPPING, told: Told | None = None) -> list[Entry]:
    return parse(bundle(*resources), READ_AT, plain_ids(), mapping, told)


def steps(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(fact.type.removeprefix("enrollment."), str(fact.event_time)) for fact in facts(entries)]


def types(entries: Sequence[Entry]) -> list[str]:
    return [entry.type.removeprefix("enrollment.") for entry in entries if isinstance(entry, Event)]


def test_example_bundle_gives_plan_site_and_subjects() -> None:
    found = facts(parser_of(BUNDLE)(payload_of(BUNDLE)))
    plan = found[0].data
    assert isinstance(plan, StudyPlanned)
    assert (plan.subjects, plan.counts, plan.starts, plan.by) == (
        120,
        "randomised",
        "2026-01-01T11:00:00Z",
        "2026-12-31T11:00:00Z",
    )
    assert [(site.site, site.country) for site in plan.sites] == [("DE-01", "DE")]
    assert types(found)[1:] == [
        "site_activated",
        *("subject_screened", "subject_enrolled", "subject_randomised"),
        *("subject_consented", "subject_screened", "screen_failed"),
    ]
    assert {fact.subject for fact in found} == {"ONC-301"}
    assert found[-1].data.reason == "hba1c"
    assert found[-1].record_time == at("2026-02-12T08:00:00Z")


@pytest.mark.parametrize("code", [code for code, step in STATES.items() if step is not None])
def test_every_state_of_the_table_gives_its_step(code: str) -> None:
    (fact,) = facts(read(subject({"subjectState": concept(code), "startDate": "2026-02-01"})))
    assert fact.type == f"enrollment.{STATES[code]}"
    assert fact.event_time == at("2026-02-01T12:00:00Z")


@pytest.mark.parametrize("code", [code for code, step in STATES.items() if step is None])
def test_states_that_count_for_nothing_are_passed_over(code: str) -> None:
    assert read(subject({"subjectState": concept(code), "startDate": "2026-02-01"})) == []


@pytest.mark.parametrize("code", MILESTONES)
def test_every_milestone_of_the_table_gives_its_step_by_code_or_text(code: str) -> None:
    for said in (concept(code), {"text": code.upper()}):
        (fact,) = facts(read(subject({"milestone": said, "startDate": "2026-02-01"})))
        assert fact.type == f"enrollment.{MILESTONES[code]}"


def test_tables_hold_the_codes_of_the_standard() -> None:
    assert (len(STATES), len(SITE_STATES)) == (13, 17)
    assert {"SignedUp", "Screened", "Randomized"} <= set(MILESTONES)


def test_off_study_for_a_reason_is_withdrawn() -> None:
    left = {"subjectState": concept("off-study"), "startDate": "2026-02-01", "reason": {"text": "moved away"}}
    (fact,) = facts(read(subject(left)))
    assert fact.type == "enrollment.subject_withdrawn"
    assert fact.data.reason == "moved away"


def test_unknown_code_is_rejected_with_its_reason_and_neighbours_go_on() -> None:
    entries = read(
        subject(
            {"milestone": concept("M99"), "startDate": "2026-02-01"},
            {"subjectState": concept("screening"), "startDate": "2026-02-02"},
            {"subjectState": concept("on-study"), "startDate": "2026-02"},
        ),
        {"resourceType": "ResearchSubject", "progress": 7},
        subject({"subjectState": concept("candidate"), "startDate": "2026-02-01"}, id="s2"),
    )
    assert sorted(types(entries)) == ["subject_prescreened", "subject_screened"]
    said = refused(entries)
    assert len(said) == 3
    assert any("'M99'" in one and "mapping file" in one for one in said)
    assert any("'2026-02'" in one for one in said)
    assert any("entry 2" in one for one in said)


def test_a_mapping_overrides_the_table() -> None:
    mapping = MAPPING.model_copy(
        update={
            "milestones": {"urn:x|M99": "subject_consented", "Randomized": None},
            "states": {"eligible": "subject_enrolled"},
        }
    )
    entries = read(
        subject(
            {"milestone": {"coding": [{"system": "urn:x", "code": "M99"}]}, "startDate": "2026-02-01"},
            {"milestone": concept("Randomized"), "startDate": "2026-02-05"},
            {"subjectState": concept("eligible"), "startDate": "2026-02-04"},
        ),
        mapping=mapping,
    )
    assert sorted(types(entries)) == ["subject_consented", "subject_enrolled"]
    assert refused(entries) == []


def test_resent_versions_tell_nothing_and_changed_dates_supersede() -> None:
    first = subject({"milestone": concept("Randomized"), "startDate": "2026-02-05"})
    same = subject({"milestone": concept("Randomized"), "startDate": "2026-02-05"}, version="2")
    moved = subject({"milestone": concept("Randomized"), "startDate": "2026-02-07"}, version="3")
    # versions in any order of the bundle are told in the order of their time
    one, other = facts(read(moved, first, same))
    assert one.record_time == at("2026-03-01T09:00:00Z")
    assert other.record_time == at("2026-03-03T09:00:00Z")
    assert other.data.supersedes == FactName("fhir", one.id)
    assert other.event_time == at("2026-02-07T12:00:00Z")
    assert [fact.id for fact in facts(read(first))] == [fact.id for fact in facts(read(same))] == [one.id]


def test_a_step_that_is_gone_is_withdrawn_but_not_where_one_cannot_be_read() -> None:
    first = subject(
        {"milestone": concept("Screened"), "startDate": "2026-02-01"},
        {"milestone": concept("Randomized"), "startDate": "2026-02-05"},
    )
    without = subject({"milestone": concept("Screened"), "startDate": "2026-02-01"}, version="2")
    gone = facts(read(first, without))[-1]
    assert isinstance(gone.data, FactWithdrawn)
    unclear = subject(
        {"milestone": concept("Screened"), "startDate": "2026-02-01"},
        {"milestone": concept("Randomized"), "startDate": "soon"},
        version="2",
    )
    assert len(facts(read(first, unclear))) == 2


def test_a_record_entered_in_error_takes_all_back() -> None:
    first = subject({"milestone": concept("Randomized"), "startDate": "2026-02-05"})
    error = subject(
        {"milestone": concept("Randomized"), "startDate": "2026-02-05"}, version="2", status="entered-in-error"
    )
    assert types(read(first, error)) == ["subject_randomised", "fact_withdrawn"]
    assert read(error) == []


def test_a_subject_without_site_is_rejected_with_what_to_do() -> None:
    (said,) = refused(read(subject({"milestone": concept("Randomized"), "startDate": "2026-02-05"}, extension=[])))
    assert "site_extension" in said


def test_site_by_the_patients_organization() -> None:
    patient = {"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": "Organization/o1"}}
    place = {
        "resourceType": "Organization",
        "id": "o1",
        "identifier": [{"value": "PL-07"}],
        "address": [{"country": "PL"}],
    }
    one = subject({"milestone": concept("Randomized"), "startDate": "2026-02-05"}, extension=[])
    (fact,) = facts(read(one, patient, place))
    assert fact.data.site == "PL-07"


def test_a_plan_read_again_is_not_planned_anew_and_without_target_is_rejected() -> None:
    study = {
        "resourceType": "ResearchStudy",
        "id": "ST-1",
        "meta": {"lastUpdated": "2025-12-01T00:00:00Z"},
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "recruitment": {"targetNumber": 50},
    }
    later = {**study, "meta": {"lastUpdated": "2025-12-05T00:00:00Z"}}
    more = {**later, "recruitment": {"targetNumber": 60}, "meta": {"lastUpdated": "2025-12-09T00:00:00Z"}}
    one, other = facts(read(study, later, more))
    assert isinstance(one, Event)
    assert (one.data.subjects, other.data.subjects) == (50, 60)
    assert other.data.supersedes == FactName("fhir", one.id)
    assert one.event_time <= one.record_time
    (said,) = refused(read({**study, "recruitment": {}}))
    assert "targetNumber" in said


def test_one_resource_alone_is_read_and_other_kinds_are_passed_over() -> None:
    one = subject({"milestone": concept("Randomized"), "startDate": "2026-02-05"})
    (fact,) = facts(parse(json.dumps(one).encode(), READ_AT, plain_ids(), MAPPING))
    assert fact.data.site == "DE-01"
    assert read({"resourceType": "Observation", "id": "o"}) == []
    (said,) = refused(parse(b'{"resourceType":"Observation"}', READ_AT, plain_ids()))
    assert "Bundle" in said


def test_neither_key_nor_id_shows_where_a_subject_fails() -> None:
    entries = parse(
        bundle(subject({"milestone": concept("M99"), "startDate": "2026-02-01"}, id="MRN-4711")),
        READ_AT,
        Pseudonyms(b"k" * 16),
        MAPPING,
    )
    (said,) = refused(entries)
    assert "P-" in said
    assert "MRN-4711" not in said


def test_the_examples_resources_are_valid_r5() -> None:
    research = pytest.importorskip("fhir.resources.researchsubject", reason="fhir.resources is not installed")
    study = pytest.importorskip("fhir.resources.researchstudy")
    for entry in json.loads(payload_of(BUNDLE))["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "ResearchSubject":
            research.ResearchSubject.model_validate(resource)
        elif resource["resourceType"] == "ResearchStudy":
            study.ResearchStudy.model_validate(resource)
    assert DEFAULT.source == "fhir"
