"""The story of Friday night: a fold says what was recorded, in its order, and scans have the hashes that they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.epcis import event_hash_id
from connectors.jsonl import open_bytes
from schemas.epcis import EpcisEvent
from schemas.events import Event, read_structured
from streams.fold import fold_lines
from streams.models import load_model
from tests.replay.test_examples import same

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "supply" / "friday_night"
KINDS = {"alert", "correction", "reject", "request"}
HERO, BOX = "patient:COI-020", "shipper:087123450077754"
OF_LAST_BITS = ("content_hash", "hash")  # hashes of numbers, not numbers

Line = dict[str, Any]  # Any: an effect, as JSON


def lines_of(name: str) -> list[bytes]:
    with open_bytes(EXAMPLE / name) as stream:
        return stream.read().splitlines()


@pytest.fixture(scope="module")
def folded() -> list[Line]:
    model = load_model("supply", EXAMPLE / "config.json")
    return [json.loads(line) for line in fold_lines(model, lines_of("events.jsonl.gz"), frame_records=173)]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [read_structured(line) for line in lines_of("events.jsonl.gz")]


def without_hashes(line: Line) -> Line:
    return {**line, "data": {name: value for name, value in line["data"].items() if name not in OF_LAST_BITS}}


def when(folded: list[Line], key: str, rule: str, action: str) -> str:
    """Say when an alert of a twin was said; there is one."""
    (found,) = [
        one["record_time"]
        for one in folded
        if (one["kind"], one["key"]) == ("alert", key)
        and (one["data"]["action"], one["data"]["rule"]) == (action, rule)
    ]
    return str(found)


def test_the_story_folds_to_its_recorded_effects(folded: list[Line]) -> None:
    recorded = {one["id"]: one for one in map(json.loads, lines_of("effects.jsonl"))}
    kept = [one for one in folded if one["kind"] in KINDS]
    assert {one["id"] for one in kept} == recorded.keys()
    for ours in kept:
        same(without_hashes(ours), without_hashes(recorded[ours["id"]]), ours["id"])
    assert not [one for one in kept if one["kind"] == "reject"]


def test_friday_night_is_told_in_its_order(folded: list[Line], events: list[Event]) -> None:
    """Tip, watch, warm, refill, arrival before the limit, infusion in its slot."""
    told = {
        "watch": when(folded, BOX, "watch", "raise"),
        "warm": when(folded, BOX, "warm", "raise"),
        "clear": when(folded, BOX, "warm", "clear"),
    }
    assert "2026-05-15T18:40" < told["watch"] < "2026-05-15T23" < told["warm"] < "2026-05-16T08" < told["clear"]
    warned = next(one for one in folded if one["kind"] == "alert" and one["data"]["rule"] == "warm")
    assert warned["data"]["expected_at"] > "2026-05-17T07"  # a day and more after the warning
    said = [one["data"] for one in folded if one["kind"] == "estimate" and one["key"] == HERO]
    assert said[-1]["treated"]["lymphodepletion_started"] > told["clear"]
    forecasts = [one["data"] for one in folded if one["kind"] == "forecast" and one["key"] == HERO]
    assert forecasts[-1]["slot"].startswith("2026-05-20T09")
    assert said[-1]["treated"]["infused"] < forecasts[-1]["slot"]
    box = [one["data"] for one in folded if one["kind"] == "estimate" and one["key"] == BOX]
    assert not any(limit["count"] for one in box for limit in one["excursions"])


def test_nobody_is_depleted_before_the_lot_is_released(events: list[Event]) -> None:
    released = {one.subject: one.event_time for one in events if one.type == "supply.dispositioned"}
    begun = {
        one.subject: one.event_time
        for one in events
        if one.type == "supply.treated" and one.data.what == "lymphodepletion_started"
    }
    assert len(begun) > 15
    assert all(released[key] < time for key, time in begun.items())


def test_the_scans_have_their_own_hashes_as_ids(events: list[Event]) -> None:
    scans = [one for one in events if isinstance(one.data, EpcisEvent)]
    assert len(scans) > 250
    for one in scans:
        assert one.data.hash == event_hash_id(one.data)
        assert one.id.partition("#")[0] == one.data.hash
    assert sum(one.data.error_declaration is not None for one in scans) == 1


def test_the_facts_to_play_are_those_that_came_from_outside(events: list[Event]) -> None:
    inside = ("supply.resimulated", "supply.correction_decided")
    outside = [one for one in events if not one.source.startswith("twinstream") and one.type not in inside]
    assert [read_structured(line) for line in lines_of("facts.jsonl.gz")] == outside


def test_who_was_infused_has_left_the_network(folded: list[Line]) -> None:
    """The scan of the infusion and the word that it was given may be of one instant: leaving comes last."""
    said = [one["data"] for one in folded if one["kind"] == "estimate" and one["key"] == "network:CELLS-EU"]
    assert (said[-1]["patients"], said[-1]["left"]) == (0, 24)


def test_a_plan_is_asked_for_as_long_as_its_problem_is(folded: list[Line]) -> None:
    specs = [one["data"]["spec"] for one in folded if one["kind"] == "request"]
    (plan,) = [spec for spec in specs if spec["kind"] == "supply.plan"]
    assert plan["horizon"] >= plan["inputs"]["horizon"] - plan["inputs"]["now"]  # its steps are hours
