"""The catalog and its JSON Schemas: complete, valid, and of one opinion with the code that reads."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from schemas import effects, events, jobs
from schemas.catalog import CATALOG, find_entry, json_schema
from schemas.errors import InputError, UsageError
from schemas.topics import TOPICS
from schemas.units import UNITS

_STEP = {"site": "DE-01", "subject": "K7Q2M4"}
_SCAN = {
    "kind": "ObjectEvent",
    "event_time": "2026-03-01T08:00:00Z",
    "event_time_zone_offset": "+01:00",
    "hash": "ni:///sha-256;" + "0" * 64 + "?ver=CBV2.0",
    "action": "OBSERVE",
    "epcs": ["urn:epc:id:gdti:9521321.12345.COI7"],
    "biz_step": "shipping",
    "ilmd": [{"name": "{https://example.org/}coi", "value": "COI-7"}],
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "bioreactor.batch_started": {"batch": "B", "volume": {"value": 2, "unit": "L"}, "parameters": {"mu_max": 0.04}},
    "bioreactor.batch_ended": {"batch": "B"},
    "bioreactor.phase_changed": {"phase": "fed-batch"},
    "bioreactor.reading": {"channels": [{"tag": "ph", "value": 7, "unit": "[pH]", "quality": "good"}]},
    "bioreactor.feed_added": {"volume": {"value": 20, "unit": "mL"}},
    "bioreactor.sample_drawn": {"volume": {"value": 5, "unit": "mL"}, "sample": "S"},
    "bioreactor.assay_resulted": {"sample": "S", "tag": "glucose", "value": 5.5, "unit": "g/L"},
    "bioreactor.assay_superseded": {"sample": "S", "tag": "glucose", "value": 5, "unit": "g/L", "reason": "dilution"},
    "bioreactor.assay_withdrawn": {"sample": "S", "tag": "glucose", "reason": "wrong vial"},
    "bioreactor.probe_calibrated": {"tag": "biomass", "kind": "two_point", "gain_sd": 0.05},
    "bioreactor.probe_changed": {"tag": "biomass", "serial": "SN-2"},
    "bioreactor.inoculated": {},
    "bioreactor.held": {"reason": "stirrer"},
    "bioreactor.resumed": {},
    "bioreactor.medium_exchanged": {
        "volume": {"value": 300, "unit": "mL"},
        "cells_retained": True,
        "composition": {"glucose": {"value": 25, "unit": "mmol/L"}},
    },
    "bioreactor.resimulated": {
        "job": "bioreactor.events/3/1041/2",
        "kind": "bioreactor",
        "status": "done",
        "provenance": {"seed": 7, "versions": {}, "device": "cpu", "reproducibility": "exact"},
    },
    "bioreactor.estimate_adopted": {"job": "bioreactor.events/3/1041/2", "by": "M. Sato", "reason": "growth slowed"},
    "enrollment.study_planned": {
        "starts": "2026-01-05T00:00:00Z",
        "subjects": 300,
        "by": "2027-06-01T00:00:00Z",
        "looks": [{"name": "half", "count": 150, "by": "2026-12-01T00:00:00Z"}],
        "countries": [{"country": "DE", "cap": 80}],
        "sites": [{"site": "DE-01", "country": "DE", "activation": "2026-02-01T00:00:00Z", "per_month": 1.2}],
    },
    "enrollment.protocol_amended": {"amendment": "A1", "subjects": 320, "relaxed": ["hba1c"]},
    "enrollment.cap_set": {"of": "country", "name": "DE", "cap": None},
    "enrollment.site_initiated": {"site": "DE-02", "country": "DE"},
    "enrollment.site_activated": {"site": "DE-02"},
    "enrollment.site_paused": {"site": "DE-02", "reason": "nurse on leave"},
    "enrollment.site_resumed": {"site": "DE-02"},
    "enrollment.site_closed": {"site": "DE-02"},
    "enrollment.subject_prescreened": _STEP,
    "enrollment.subject_consented": _STEP,
    "enrollment.subject_screened": {**_STEP, "stratum": "over 65"},
    "enrollment.screen_failed": {**_STEP, "reason": "hba1c"},
    "enrollment.subject_enrolled": {**_STEP, "supersedes": {"source": "edc", "id": "7"}, "because": "wrong day"},
    "enrollment.subject_randomised": _STEP,
    "enrollment.subject_withdrawn": {**_STEP, "reason": "moved away"},
    "enrollment.subject_completed": _STEP,
    "enrollment.subject_lost": _STEP,
    "enrollment.event_observed": {**_STEP, "event": "progression"},
    "enrollment.visit_done": {**_STEP, "visit": "V3"},
    "enrollment.cost_booked": {"line": "site fees", "amount": 1200.5, "currency": "EUR", "site": "DE-01"},
    "enrollment.fact_withdrawn": {"fact": {"source": "edc", "id": "7"}, "reason": "entered twice"},
    "enrollment.correction_decided": {
        "correction": "enrollment.events/3/1041/2",
        "decision": "taken",
        "by": "M. Sato",
        "reason": "the cheapest month",
    },
    "enrollment.resimulated": {
        "job": "enrollment.events/3/1041/2",
        "kind": "enrollment",
        "status": "done",
        "provenance": {"seed": 7, "versions": {}, "device": "cpu", "reproducibility": "exact"},
    },
    "supply.scanned": _SCAN,
    "supply.therapy_ordered": {
        "product": "CT-19",
        "order": "ORD-7",
        "site": "9521321000037",
        "slot": "2026-04-02T09:00:00Z",
        "legs": [{"step": "courier_in", "days": 1.5, "lane": "LYS-AMS", "carrier": "QX"}],
    },
    "supply.identity_read": {"step": "receiving", "unit": "bag-1", "order": "COI-7", "bag": "COI-7", "by": "M. Sato"},
    "supply.handed_over": {"half": "release", "step": "shipping", "units": ["bag-1"], "party": "site", "by": "A. Roy"},
    "supply.labels_counted": {"label": "bag", "place": "suite 3", "received": 4, "used": 3, "destroyed": 1},
    "supply.dispositioned": {"disposition": "released", "units": ["bag-2"], "by": "QP"},
    "supply.tested": {"test": "viability", "result": "passed", "value": 91, "unit": "%", "units": ["bag-2"]},
    "supply.slot_booked": {"what": "infusion", "at": None, "by": "clinic", "reason": "fever"},
    "supply.treated": {"what": "lymphodepletion_started"},
    "supply.milestone": {
        "status": "customs",
        "step": "courier_in",
        "carrier": "QX",
        "expected": "2026-03-03T08:00:00Z",
    },
    "supply.exposed": {
        "room": "9521321000044",
        "first": "2026-03-01T08:00:00Z",
        "after": "2026-03-01T12:00:00Z",
        "plate": "PL-4",
        "cfu": 3,
        "limit": 1,
        "units": ["bag-2"],
    },
    "supply.room_reached": {
        "room": "9521321000044",
        "first": "2026-03-01T08:00:00Z",
        "after": "2026-03-01T12:00:00Z",
        "plate": "PL-4",
        "cfu": 3,
        "limit": 1,
    },
    "supply.box_at_risk": {
        "shipper": "9521321000014-7",
        "units": ["bag-2"],
        "standing": True,
        "warned": False,
        "p_warm": 0.4,
        "limit_celsius": -130,
        "hours_to_limit": [10, 14, 19.5],
        "reason": "tipped",
    },
    "supply.legs_learned": {
        "levels": [0.05, 0.5, 0.95],
        "legs": [{"step": "leg_in", "lane": "LYS-AMS", "carrier": "QX", "hours": [20, 30, 55.5], "legs": 240}],
    },
    "supply.stop_decided": {"stop": "supply.events/1/5/2", "decision": "go_on", "by": "QA", "reason": "label re-read"},
    "supply.shipper_packed": {
        "model": "DS-10",
        "patient": "COI-7",
        "units": ["bag-2"],
        "limit_celsius": -130,
        "hold_hours": 240,
        "capacity_kg": 4.5,
        "fill_kg": 4.4,
        "fill_sd_kg": 0.1,
    },
    "supply.shipper_logged": {"logger": "L-1", "seconds": [0, 600], "celsius": [-190.5, None]},
    "supply.shipper_tipped": {"tipped": True, "degrees": 88},
    "supply.shipper_weighed": {"fill_kg": 3.1},
    "supply.transit_expected": {
        "low": "2026-03-02T08:00:00Z",
        "median": "2026-03-02T12:00:00Z",
        "high": "2026-03-03T08:00:00Z",
    },
    "supply.shipper_opened": {"place": "clinic"},
    "supply.shipper_qualified": {"passed": True, "hold_hours": 236, "until": "2026-09-01T00:00:00Z"},
    "supply.room_described": {"grade": "B", "volume_m3": 60, "air_changes_per_hour": 30},
    "supply.particles_counted": {"litres": 28.3, "count_05um": 1200, "count_5um": 3},
    "supply.pressure_read": {"pascal": 12.5, "against": "corridor"},
    "supply.door_moved": {"door": "D1", "open": True},
    "supply.badged": {"person": "P-14", "entered": True},
    "supply.plate_exposed": {"plate": "PL-4", "kind": "settle", "until": "2026-03-01T12:00:00Z"},
    "supply.plate_read": {"plate": "PL-4", "cfu": 3, "organism": "S. epidermidis"},
    "supply.unit_opened": {"patient": "COI-7", "unit": "bag-2"},
    "supply.unit_closed": {"patient": "COI-7", "unit": "bag-2"},
    "supply.room_stated": {"what": "line_cleared", "by": "M. Sato"},
    "supply.network_described": {"spec": {"resources": []}},
    "supply.resource_changed": {"resource": "suite", "units": 5, "until": "2026-04-01T00:00:00Z", "reason": "leak"},
    "supply.moved": {"patient": "COI-7", "step": "make", "priority": 1},
    "supply.correction_decided": {
        "correction": "supply.events/1/5/3",
        "decision": "taken",
        "by": "planner",
        "reason": "ok",
    },
    "supply.fact_withdrawn": {"fact": {"source": "wms", "id": "7"}, "reason": "entered twice"},
    "supply.resimulated": {
        "job": "supply.events/3/1041/2",
        "kind": "supply",
        "status": "done",
        "provenance": {"seed": 7, "versions": {}, "device": "cpu", "reproducibility": "exact"},
    },
    "time.passed": {},
    "configuration.changed": {"change": 1, "before": "growth@1+a", "after": "growth@1+b", "approval": "0" * 64},
}
BROKEN: list[dict[str, Any]] = [
    {"nobody": 1},
    {"batch": ""},
    {"batch": "a\x00"},
    {"batch": "a\n"},
    {"channels": []},
    {**_STEP, "arm": "A"},
]


def envelope(name: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "source": "s",
        "type": name,
        "subject": "BR-1",
        "time": "2026-03-01T08:00:00Z",
        "data": data,
        **more,
    }


def reads(document: dict[str, Any]) -> bool:
    try:
        events.read_structured(json.dumps(document).encode())
    except InputError:
        return False
    return True


def allows(name: str, document: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema(name)).is_valid(document))


def test_everything_that_can_be_said_has_a_name() -> None:
    structs = {entry.struct for entry in CATALOG.values()}
    assert structs >= set(events.EVENTS.values())
    assert structs >= {jobs.SimulationSpec, jobs.ResimulationRequest, jobs.ResimulationResult}
    assert {entry.says for entry in CATALOG.values() if entry.kind == "effect"} == set(effects.KINDS)
    assert EXAMPLES.keys() == events.EVENTS.keys()


def test_everything_has_a_summary_and_lives_on_a_known_topic() -> None:
    for entry in CATALOG.values():
        assert entry.summary.endswith("."), entry.name
        assert set(entry.topics) <= TOPICS.keys()


@pytest.mark.parametrize("name", [*CATALOG, "units"])
def test_every_schema_is_a_valid_schema_with_its_own_id(name: str) -> None:
    schema = json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].startswith(f"urn:twinstream:{name}:")
    json.dumps(schema, allow_nan=False)


@pytest.mark.parametrize("name", EXAMPLES)
def test_schema_and_reader_agree_on_what_is_good_and_what_is_not(name: str) -> None:
    good = envelope(
        name, EXAMPLES[name], recordtime="2026-03-01T09:00:00Z", sequence=3, schemaversion=2, specversion="1.0"
    )
    assert reads(good)
    assert allows(name, good)
    for changed in (
        *(envelope(name, data) for data in BROKEN if data),
        *({k: v for k, v in good.items() if k != missing} for missing in ("id", "source", "type", "time")),
        {**good, "colour": "blue"},
        {**good, "sequence": "x"},
        {**good, "sequence": True},
        {**good, "specversion": "0.3"},
        {**good, "id": "x" * 129},
        {**good, "data": []},
    ):
        assert allows(name, changed) == reads(changed) == False, changed  # noqa: E712 - both, and both false


def test_the_envelope_names_every_attribute_that_the_reader_knows() -> None:
    for name in events.EVENTS:
        assert json_schema(name)["properties"].keys() == events.STRUCTURED_FIELDS


def test_an_effects_schema_takes_the_line_that_is_written() -> None:
    reject = effects.RejectData("malformed", "one JSON object", "b''", "line", "", "bioreactor.events", 0, 17)
    line = effects.write_effect(
        effects.Effect(
            "bioreactor.events/0/17/0", "reject", "qualified", "bioreactor", "BR-1", "2026-03-01T08:00:00Z",
            "2026-03-01T08:00:00Z", "", msgspec.structs.asdict(reject),
        )
    )  # fmt: skip
    assert allows("reject", json.loads(line))
    assert not allows("alert", json.loads(line))
    assert not allows("reject", {**json.loads(line), "data": {}})


def test_the_units_schema_lists_each_code_once() -> None:
    codes = [code for row in json_schema("units")["oneOf"] for code in row["enum"]]
    assert sorted(codes) == sorted(UNITS)
    assert jsonschema.Draft202012Validator(json_schema("units")).is_valid("Cel")
    assert not jsonschema.Draft202012Validator(json_schema("units")).is_valid("°C")


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(UsageError, match=r"bioreactor\.reading"):
        find_entry("bioreactor.exploded")
    with pytest.raises(UsageError):
        json_schema("")
