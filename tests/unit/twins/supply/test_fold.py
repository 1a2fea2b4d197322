"""What all four kinds hold to: facts withdrawn and said anew in any order; consequences played on by a fold."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import supply as s
from schemas.events import read_structured, write_structured
from streams.fold import fold_lines
from tests.support.supply_story import Story, story
from tests.unit.twins.supply.telling import Teller, disturbed, last, meaning, records
from twins import checks
from twins.supply import SupplyModel

WORDS = ("patient", "room", "network", "shipper")


def short(word: str, seed: int) -> list:  # type: ignore[type-arg]
    """Give the facts of one kind of twin, of a box only the first."""
    return [event for event in story(seed, word) if event.subject != "patient:COI-2"][:40]


@pytest.mark.parametrize("word", WORDS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_any_order_of_facts_withdrawals_and_corrections_comes_to_the_same(word: str, seed: int) -> None:
    every, _ = disturbed(short(word, 5), seed)
    rng = random.Random(seed)
    orders = [list(range(len(every)))[::-1], rng.sample(range(len(every)), len(every))]
    checks.check_any_order(SupplyModel(), records(every), orders)


@pytest.mark.parametrize("word", WORDS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**16), before=st.booleans())
def test_what_was_withdrawn_or_replaced_leaves_no_trace(word: str, seed: int, before: bool) -> None:
    every, counting = disturbed(short(word, 5), seed)
    if before:
        every = every[::-1]
    disturbed_, straight = Teller(), Teller()
    ends = [last(word, subject) for subject in sorted({event.subject for event in every})]
    disturbed_.tell(*every, *ends)
    straight.tell(*counting, *ends)
    for end in ends:
        assert meaning(disturbed_.state(end.subject)) == meaning(straight.state(end.subject)), end.subject


@pytest.mark.parametrize("word", WORDS)
def test_a_snapshot_in_the_middle_of_corrections_changes_nothing(word: str) -> None:
    every, _ = disturbed(short(word, 7), 3)
    told = records(every)
    for at in (1, len(told) // 2, len(told) - 1):
        checks.check_snapshot_round_trip(SupplyModel(), told, at)
    checks.check_duplicates_change_nothing(SupplyModel(), told)


def test_consequences_are_played_on_once_and_are_valid_events() -> None:
    made = Story()
    made.patient("COI-0", 0.0)
    made.network("N1", 0.0, [])
    made.room("R1", ["COI-0"], 5.0)
    made.tell(0, "room:R2", s.RoomDescribed(grade="C", volume_m3=60, air_changes_per_hour=30, clock="source"))
    lines = [write_structured(event) for event in made.events]
    effects = [json.loads(line) for line in fold_lines(SupplyModel(), lines)]
    told = [one for one in effects if one["kind"] == "consequence"]
    assert {one["data"]["type"] for one in told} >= {"supply.moved", "supply.exposed", "supply.room_reached"}
    assert len({one["id"] for one in told}) == len(told)
    assert not [one for one in effects if one["kind"] == "reject"]
    exposed = [one for one in effects if one["kind"] == "alert" and one["data"]["rule"] == "exposed.R1.PL-0"]
    assert [(one["key"], one["data"]["action"]) for one in exposed] == [("patient:COI-0", "raise")]
    networks = [one["data"] for one in effects if one["kind"] == "estimate" and one["key"] == "network:N1"]
    assert networks[-1]["patients"] == 1


def test_what_an_exported_run_holds_already_is_not_told_again() -> None:
    made = Story()
    made.patient("COI-0", 0.0)
    made.network("N1", 0.0, [])
    lines = [write_structured(event) for event in made.events]
    effects = [json.loads(line) for line in fold_lines(SupplyModel(), lines)]
    told = [one for one in effects if one["kind"] == "consequence" and one["data"]["type"] == "supply.moved"]
    assert told
    again = [
        json.dumps({
            "specversion": "1.0", "id": one["id"], "source": f"twinstream/{one['key']}", "type": one["data"]["type"],
            "subject": one["data"]["subject"], "time": one["event_time"], "recordtime": one["record_time"],
            "data": one["data"]["data"],
        }).encode()
        for one in told
    ]  # fmt: skip
    assert read_structured(again[0]).type == "supply.moved"
    second = [json.loads(line) for line in fold_lines(SupplyModel(), [*lines, *again])]
    assert not [one for one in second if one["kind"] == "reject"]
