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
    "time.passed": {},
    "configuration.changed": {"change": 1, "before": "growth@1+a", "after": "growth@1+b", "approval": "0" * 64},
}
BROKEN: list[dict[str, Any]] = [{"nobody": 1}, {"batch": ""}, {"batch": "a\x00"}, {"batch": "a\n"}, {"channels": []}]


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
    # A correction has no shape of its own until a twin makes one.
    assert {name for name, entry in CATALOG.items() if entry.kind == "effect"} == set(effects.KINDS) - {"correction"}
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
