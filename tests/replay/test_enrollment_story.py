"""The story of a country that falls behind: a fold says what was recorded, and its recommendation can be repeated."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.jobs import SimulationSpec
from streams.explain import explain_file, place_of
from streams.fold import fold_lines
from streams.jobs.engines import engines
from streams.jobs.foreground import run_here
from streams.models import load_model
from tests.replay.test_examples import same
from twins.enrollment import course

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "enrollment" / "falls_behind"
KINDS = {"alert", "correction", "reject", "request"}
FALL = "change.enrollment.DE.fell"
OF_LAST_BITS = ("posterior_hash", "content_hash")  # of a question: hashes of numbers, not numbers

Line = dict[str, Any]  # Any: an effect, as JSON


@pytest.fixture(scope="module")
def recorded() -> list[Line]:
    return [json.loads(line) for line in (EXAMPLE / "effects.jsonl").read_bytes().splitlines()]


def corrections(lines: list[Line], action: str) -> list[Line]:
    return [one for one in lines if one["kind"] == "correction" and one["data"]["action"] == action]


def without_hashes(line: Line) -> Line:
    """Leave out of a question what another processor's last bits change as a whole."""
    line = copy.deepcopy(line)
    if line["kind"] == "request":
        data, known = line["data"], line["data"]["spec"]["inputs"]["known"]
        for part in (data, known):
            for name in OF_LAST_BITS:
                part.pop(name, None)
    return line


def test_the_story_folds_to_its_recorded_effects(recorded: list[Line]) -> None:
    model = load_model("enrollment", EXAMPLE / "config.json")
    with (EXAMPLE / "events.jsonl").open("rb") as lines:
        folded = [json.loads(line) for line in fold_lines(model, lines, frame_records=173)]
    kept = [one for one in folded if one["kind"] in KINDS]
    assert [one["id"] for one in kept] == [one["id"] for one in recorded]
    for ours, theirs in zip(kept, recorded, strict=True):
        same(without_hashes(ours), without_hashes(theirs), ours["id"])
    reached = [one["data"]["targets"][0] for one in folded if one["kind"] == "forecast"][-1]
    assert reached["reached"] < reached["by"]  # the story ends well


def test_the_story_is_told_in_its_order(recorded: list[Line]) -> None:
    """Fall, alert, question, recommendation, decision, audit, target."""
    alert = next(one for one in recorded if one["kind"] == "alert" and one["data"]["rule"] == FALL)
    asked = next(one for one in recorded if one["kind"] == "request" and FALL in one["data"]["reason"])
    advised = next(one for one in corrections(recorded, "recommend") if one["data"]["correction"] == asked["id"])
    (decided,) = corrections(recorded, "decide")
    audited = [one for one in corrections(recorded, "audit") if one["data"]["correction"] == asked["id"]]
    assert decided["data"]["correction"] == asked["id"]
    assert advised["data"]["record"]["chosen"] == decided["data"]["record"]["option"] == "open 8 sites in PL"
    assert "2025-07-01" < alert["event_time"] == asked["event_time"] == advised["event_time"] < decided["event_time"]
    assert [one["data"]["record"]["followed"] for one in audited] == [True, True]
    assert all(one["data"]["record"]["subjects_within"] for one in audited)
    assert audited[-1]["data"]["record"]["finish_within"] is True
    assert {one["data"]["hash"] for one in [advised, decided, *audited]} == {advised["data"]["record"]["record_hash"]}


def test_a_recommendation_comes_out_again_of_its_facts_and_of_its_question(recorded: list[Line]) -> None:
    advised = corrections(recorded, "recommend")[0]
    model = load_model("enrollment", EXAMPLE / "config.json")
    with (EXAMPLE / "events.jsonl").open("rb") as lines:
        about = explain_file(model, lines, place_of(advised["id"]))
    assert about.difference == ""
    assert about.event["type"] == "enrollment.resimulated"
    asked = next(one for one in recorded if one["id"] == advised["data"]["correction"])
    spec = msgspec.convert(asked["data"]["spec"], SimulationSpec)
    again = [json.loads(run_here("enrollment", spec, engines(), lambda _: None)) for _ in range(2)]
    assert again[0] == again[1]
    same(again[0]["summary"]["options"], advised["data"]["record"]["options"])
    same(again[0]["summary"]["fan"], advised["data"]["record"]["fan"])
    record = course.reproduce(spec)  # not by the pool
    assert record.hash == again[0]["summary"]["record_hash"]
    assert record.specification_hash == advised["data"]["record"]["specification_hash"]
