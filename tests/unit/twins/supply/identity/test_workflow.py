"""Workflows as data: read, refused with a reason, and followed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.errors import SettingsError
from twins.supply.identity import (
    AUTOLOGOUS,
    Journey,
    Ordered,
    Scan,
    Settings,
    Step,
    Workflow,
    check_workflow,
    read_workflow,
)

START = 1_790_000_000_000_000
SHORT: dict[str, Any] = {
    "name": "short",
    "steps": [
        {"name": "order"},
        {"name": "draw", "after": [["order"]], "makes": True},
        {"name": "send", "after": [["draw"]], "signs": ["release"]},
        {"name": "give", "after": [["send"]], "signs": ["receipt"], "reads": ["wristband"]},
    ],
}


def test_the_default_workflow_reads_back_from_its_json() -> None:
    body = msgspec.to_builtins(AUTOLOGOUS)
    assert read_workflow(body) == AUTOLOGOUS


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": []}, "expected steps"),
        ({"steps": [{"name": "a"}, {"name": "a"}]}, "expected a name of its own"),
        (
            {"steps": [{"name": "a", "after": [["b"]]}, {"name": "b"}]},
            "causes that stand before it, received 'b'",
        ),
        ({"steps": [{"name": "a", "signs": ["both"]}]}, "expected signs among"),
        ({"steps": [{"name": "a", "reads": ["neck"]}]}, "expected reads among"),
        ({"steps": [{"name": "a", "minutes": 0}]}, "expected minutes above 0"),
        ({"steps": [{"name": "a", "after": [[]]}]}, "none"),
        ({"words": {"shipping": ["fly"]}}, "received 'fly'"),
        ({"turn": ["fly"]}, "received 'fly'"),
        ({"limits": [{"start": "draw", "end": "fly", "most_hours": 1}]}, "received 'fly'"),
        ({"limits": [{"start": "draw", "end": "give", "most_hours": 0}]}, "expected hours above 0"),
        ({"oos_approvals": 0}, "at least one approval"),
        ({"name": 3}, "expected a workflow"),
    ],
)
def test_a_workflow_that_cannot_be_followed_says_why(change: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_workflow({**SHORT, **change})


def test_a_journey_follows_the_workflow_that_its_order_names() -> None:
    settings = Settings(workflows={"short": read_workflow(SHORT)})
    journey = Journey("C", settings)
    base: dict[str, Any] = {"source": "s", "known_at": START}
    journey.take(Ordered(id="o", at=START, coi="C", workflow="short", **base))
    journey.take(Scan(id="1", at=START + 1, step="draw", units=("B",), **base))
    journey.take(Scan(id="2", at=START + 2, step="send", releaser="a", **base))
    journey.take(Scan(id="3", at=START + 3, step="give", receiver="b", read={"wristband": "C"}, **base))
    journey.pass_time(START + 10**13)
    assert (journey.read().workflow, journey.read().violations) == ("short", ())
    other = Journey("C")
    other.take(Ordered(id="o", at=START, coi="C", workflow="short", **base))
    assert other.read().workflow == "autologous"
    assert "short is not configured" in other.read().unjudged[0]


def test_an_order_that_was_voided_names_no_workflow() -> None:
    journey = Journey("C", Settings(workflows={"short": read_workflow(SHORT)}))
    base: dict[str, Any] = {"source": "s", "at": START, "known_at": START, "coi": "C"}
    journey.take(Ordered(id="o", workflow="short", **base))
    assert journey.read().workflow == "short"
    journey.take(Ordered(id="v", voids="o", workflow="short", **base))
    assert journey.read().workflow == "autologous"


def test_what_every_way_leads_over_is_needed_and_what_one_way_avoids_is_not() -> None:
    assert "make" in AUTOLOGOUS.later["apheresis"]
    assert AUTOLOGOUS.later["fresh"] == ()
    assert AUTOLOGOUS.later["infusion"] == ()
    workflow = check_workflow(Workflow(name="w", steps=(Step(name="a"), Step(name="b", after=(("a",),)))))
    assert workflow.later == {"a": ("b",), "b": ()}
