"""Limits that hold in some phases only: in which they are judged, what ends them, and what the twin says of it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.effects import Effect, EstimateData
from schemas.errors import SettingsError
from schemas.instants import SECOND
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of, wild_events
from twins.bioreactor import BioreactorModel
from twins.checks import (
    check_duplicates_change_nothing,
    check_snapshot_round_trip,
    check_split_equals_whole,
    fold,
)

FED: dict[str, Any] = {"tag": "ph", "high": 7.2, "unit": "[pH]", "phases": ["fed-batch", "perfusion"]}
SLOW: dict[str, Any] = FED | {"on_delay_seconds": 60}


def effects_of(script: Script, *limits: dict[str, Any], cuts: Any = (), **more: Any) -> list[Effect]:
    model = BioreactorModel.from_config({"limits": list(limits), **more})
    return fold(model, records_of(script.events), cuts).effects


def story(script: Script, *limits: dict[str, Any], **more: Any) -> list[tuple[str, str, int, str | None]]:
    """Give rule, action, record and phase of each alert, the same for whole and split folds."""
    found = []
    for cuts in ((), range(1, len(script.events))):
        found.append(
            [
                (one.data["rule"], one.data["action"], int(one.id.split("/")[2]), one.data["phase"])
                for one in effects_of(script, *limits, cuts=cuts, **more)
                if one.kind == "alert"
            ]
        )
    assert found[0] == found[1]
    return found[0]


def told(*facts: tuple[float, float | str]) -> Script:
    """Tell a run: a number is a pH, a word a phase."""
    script = Script()
    script.start()
    for seconds, what in facts:
        if isinstance(what, str):
            script.phase(seconds, what)
        else:
            script.read(seconds, ph=what)
    return script


def test_a_limit_is_judged_in_its_phases_and_in_no_other() -> None:
    script = told((10, 7.3), (20, "batch"), (30, 7.3), (40, "fed-batch"), (50, 7.1), (60, 7.3), (70, "perfusion"),
                  (80, 7.3), (90, 7.0))  # fmt: skip
    assert story(script, FED) == [
        ("ph.high.measured", "raise", 6, "fed-batch"),
        ("ph.high.measured", "clear", 9, "perfusion"),  # it holds in both: nothing happened between them
    ]


def test_a_limit_that_begins_to_hold_is_judged_from_the_next_reading_on() -> None:
    assert story(told((10, 7.3), (20, "fed-batch"), (30, "fed-batch")), FED) == []
    assert story(told((10, 7.3), (20, "fed-batch"), (30, 7.3)), FED) == [("ph.high.measured", "raise", 3, "fed-batch")]


def test_the_end_of_its_phase_clears_an_alert_and_says_so() -> None:
    script = told((5, "fed-batch"), (10, 7.3), (20, "harvest"), (30, 7.4))
    alerts = [one for one in effects_of(script, FED) if one.kind == "alert"]
    assert [(one.data["action"], one.data["phase"]) for one in alerts] == [("raise", "fed-batch"), ("clear", "harvest")]
    assert alerts[1].data["message"] == "phase fed-batch ended"
    assert alerts[1].data["alert"] == alerts[0].id
    assert alerts[1].event_time == "2026-03-01T08:00:20Z"


def test_a_new_batch_has_no_phase_and_so_none_of_these_limits() -> None:
    script = told((5, "fed-batch"), (10, 7.3))
    script.start(20, "B-2")
    script.read(30, ph=7.4)
    assert [one[1] for one in story(script, FED)] == ["raise", "clear"]


def test_delays_begin_anew_with_the_phase() -> None:
    script = told((5, "fed-batch"), (10, 7.3), (60, "harvest"), (65, "fed-batch"), (75, 7.3), (130, 7.3), (135, 7.3))
    assert story(script, SLOW) == [("ph.high.measured", "raise", 7, "fed-batch")]


def test_a_delay_that_is_over_when_the_phase_ends_raises_nothing() -> None:
    assert story(told((5, "fed-batch"), (10, 7.3), (80, "harvest"), (90, 7.3)), SLOW) == []
    kept = story(told((5, "fed-batch"), (10, 7.3), (80, "perfusion")), SLOW)  # it goes on holding: told the time
    assert [one[1:] for one in kept] == [("raise", 3, "fed-batch")]


def test_kinds_may_have_phases_of_their_own() -> None:
    limit: dict[str, Any] = {
        "tag": "ph", "unit": "[pH]", "phases": ["batch"],
        "alarm": {"high": 7.2}, "action": {"high": 7.3, "phases": ["fed-batch"]},
    }  # fmt: skip
    script = told((5, "batch"), (10, 7.4), (20, "fed-batch"), (30, 7.4), (40, "harvest"))
    assert [one[:3] for one in story(script, limit)] == [
        ("ph.high.alarm", "raise", 2),
        ("ph.high.alarm", "clear", 3),
        ("ph.high.action", "raise", 4),
        ("ph.high.action", "clear", 5),
    ]


def test_one_tag_may_have_a_limit_a_phase_told_apart_by_their_names() -> None:
    batch = FED | {"high": 7.4, "phases": ["batch"]}
    always = {"tag": "ph", "high": 7.6, "unit": "[pH]"}
    script = told((5, "batch"), (10, 7.3), (20, "fed-batch"), (30, 7.3), (40, "batch"), (50, 7.7))
    assert [one[:3] for one in story(script, FED, batch, always)] == [
        ("ph.high.measured@fed-batch+perfusion", "raise", 4),
        ("ph.high.measured@fed-batch+perfusion", "clear", 5),
        ("ph.high.measured@batch", "raise", 6),
        ("ph.high.measured", "raise", 6),
    ]
    with pytest.raises(SettingsError, match="each limit once"):
        BioreactorModel.from_config({"limits": [FED, FED]})


def test_estimates_name_the_limits_that_hold() -> None:
    always = {"tag": "ph", "low": 6.8, "unit": "[pH]"}
    script = told((5, 7.0), (10, "fed-batch"), (20, "harvest"))
    script.end(30)
    said = [one.data for one in effects_of(script, always, FED) if one.kind == "estimate"]
    assert [one["limits"] for one in said] == [
        ["ph.low.measured"],
        ["ph.low.measured", "ph.high.measured"],
        ["ph.low.measured"],
        [],  # after the end of the batch none is judged
    ]
    assert msgspec.convert(said[1], EstimateData).limits == ["ph.low.measured", "ph.high.measured"]
    assert all("limits" not in one.data for one in effects_of(script, always))


@pytest.mark.parametrize("known", [125.0, 200.0])
def test_a_late_phase_change_holds_from_when_it_is_heard_and_moves_no_alert_of_the_past(known: float) -> None:
    script = told((5, "batch"), (10, 7.3), (130, 7.3))
    script.phase(20, "fed-batch", known=known)  # two minutes late, and still the newest there is
    script.read(210, ph=7.3)
    script.phase(15, "harvest", known=220)  # older than the newest: the run is in fed-batch still
    script.read(230, ph=7.3)
    script.phase(25, "harvest", known=240)  # late, and the newest again
    assert story(script, FED) == [
        ("ph.high.measured", "raise", 5, "fed-batch"),
        ("ph.high.measured", "clear", 8, "harvest"),
    ]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_alert_of_a_limit_stands_outside_its_phases(seed: int) -> None:
    limit = {"tag": "dissolved_oxygen", "high": 11.0, "unit": "%", "on_delay_seconds": 30, "phases": ["fed-batch"]}
    said = fold(BioreactorModel.from_config({"limits": [limit]}), records_of(wild_events(seed, 150))).effects
    standing: dict[str, bool] = {}
    for one in sorted(said, key=lambda one: (int(one.id.split("/")[2]), one.kind)):  # of one record, alerts first
        if one.kind == "alert" and one.data["tag"] == "dissolved_oxygen":
            standing[one.key] = one.data["action"] == "raise"
            assert one.data["action"] == "clear" or one.data["phase"] == "fed-batch", (seed, one.id)
        elif one.kind == "estimate" and not one.data["revised"] and not one.data["limits"]:
            assert not standing.get(one.key), (seed, one.id)


DENSE: dict[str, Any] = {
    "limits": [
        {"tag": "dissolved_oxygen", "low": 10.0, "deadband": 2.0, "unit": "%", "on_delay_seconds": 40},
        {
            "tag": "dissolved_oxygen", "unit": "%", "bridge_seconds": 300, "phases": ["fed-batch", "batch"],
            "alarm": {"high": 11.0, "on_delay_seconds": 60, "off_delay_seconds": 20},
            "action": {"high": 12.0, "phases": ["harvest"]},
        },
    ],
    "estimate_seconds": 600,
    "forecast_seconds": 86400,
    "silence_minutes": 3,
}  # fmt: skip


def restless(seed: int, count: int) -> list[Any]:
    """Make events among which every third or so is a hold, its end or another phase, each at once or minutes late."""
    rng = np.random.default_rng(seed)
    script = Script()
    for n, event in enumerate(wild_events(seed, count, units=2, hours=0.5, disorder=90.0)):
        script.events.append(event)
        if event.subject and rng.random() < 0.4:
            script.unit = event.subject
            late = 200.0 if rng.random() < 0.2 else 0.0
            at = max(1.0, (event.event_time - BEGIN) / SECOND - late)
            also: dict[str, Any] = {"id": f"x{n}", "known": at + late}
            match int(rng.integers(4)):
                case 0:
                    script.hold(at, **also)
                case 1:
                    script.resume(at, **also)
                case _:
                    script.phase(at, ["batch", "fed-batch", "harvest"][rng.integers(3)], **also)
    return script.events


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 150), max_size=12), at=st.integers(1, 100))
def test_among_many_holds_and_phases_frames_snapshots_and_duplicates_leave_no_trace(
    seed: int, cuts: list[int], at: int
) -> None:
    records = records_of(restless(seed, 110))
    model = BioreactorModel.from_config(DENSE)
    check_split_equals_whole(model, records, cuts)
    check_snapshot_round_trip(model, records, at)
    check_duplicates_change_nothing(model, records)


def test_a_configuration_without_phases_keeps_its_name() -> None:
    band = {"tag": "ph", "unit": "[pH]", "alarm": {"high": 7.2}}
    plain = BioreactorModel.from_config({"limits": [band]}).name
    assert (
        BioreactorModel.from_config({"limits": [band | {"phases": [], "alarm": {"high": 7.2, "phases": []}}]}).name
        == plain
    )
    assert BioreactorModel.from_config({"limits": [band | {"phases": ["batch"]}]}).name != plain
    assert BioreactorModel.from_config({"limits": [band | {"alarm": {"high": 7.2, "phases": ["batch"]}}]}).name != plain
