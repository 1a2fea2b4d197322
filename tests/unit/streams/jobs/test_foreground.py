"""One job in the foreground: the pool's own path, and what it says of itself."""

from __future__ import annotations

import json

import pytest

from schemas.errors import SettingsError, UsageError
from streams.jobs.engines import EngineEntry
from streams.jobs.foreground import run_here
from tests.support.counting_engine import CountingEngine, specification
from twins.engine import Device, Standing

ENTRIES = {"counting": EngineEntry("counting", "tests.support.counting_engine:CountingEngine")}


def test_it_answers_what_the_engine_does_and_tells_progress() -> None:
    told: list[Standing] = []
    answer = json.loads(run_here("counting", spec := specification(300, work=100), ENTRIES, told.append))
    run = CountingEngine().prepare(spec, (), Device())
    run.run(60.0)
    assert answer["summary"] == run.answer().summary
    assert answer["document"]["steps"] == 300
    assert (answer["seed"], answer["versions"], answer["device"]) == (7, {"counting": "1"}, "cpu")
    assert [one.note for one in told[:2]] == ["preparing", "prepared"]
    assert told[-1].done == told[-1].total == 300


def test_what_cannot_be_run_is_told() -> None:
    with pytest.raises(UsageError, match="a kind among counting"):
        run_here("md", specification(), ENTRIES, lambda _: None)
    with pytest.raises(SettingsError, match="of kind counting"):
        run_here("counting", specification(kind="md"), ENTRIES, lambda _: None)
    with pytest.raises(SettingsError, match=r"inputs\.steps"):
        run_here("counting", specification(0), ENTRIES, lambda _: None)
