"""Twins taken over into another configuration: which alerts go on, which are cleared, and what is folded again."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.bioreactor import AssayResulted
from schemas.errors import SnapshotError
from schemas.partitions import ConfigurationChanged
from tests.unit.twins.bioreactor.script import Script, records_of, wild_events
from twins import checks
from twins.bioreactor import BioreactorBlock, BioreactorModel, adopt, refolding
from twins.bioreactor import filter as ekf
from twins.bioreactor.refolding import refold_all
from twins.bioreactor.state import State
from twins.block import Effects, LoadPast
from twins.changing import change_row, read_change
from twins.past import MemoryPast

DO = {"tag": "dissolved_oxygen", "low": 30.0, "deadband": 2.0, "unit": "%"}
PH = {"tag": "ph", "low": 7.0, "unit": "[pH]", "on_delay_seconds": 60}
HOT = {"tag": "temperature", "high": 38.0, "unit": "Cel"}
BASE: dict[str, Any] = {"limits": [DO, PH, HOT], "silence_minutes": 5}
OTHER: dict[str, Any] = {**BASE, "parameters": {"growth_rate_sd": 0.03}}
LINKED = {
    **BASE,
    "consequences": [{"cause": "dissolved_oxygen.low.measured", "effect": "temperature.high.measured"}],
}


def a_run(minutes: int = 40) -> Script:
    script = Script()
    script.start(0)
    for minute in range(1, minutes):
        script.read(minute * 60, 1.0 + minute / 100, dissolved_oxygen=20.0, ph=6.9, temperature=39.0)
    return script


def taken_over(
    before: dict[str, Any], after: dict[str, Any], script: Script, lose: int = 0
) -> tuple[BioreactorBlock, Effects, MemoryPast]:
    """Fold a run, and take its twins over; `lose` so many of the first memory rows."""
    old, new = BioreactorModel.from_config(before), BioreactorModel.from_config(after)
    past = MemoryPast()
    records = records_of(script.events)
    block = checks.fold(old, records, range(0, len(records), 9), past=past).block
    row = change_row(ConfigurationChanged(7, old.name, new.name, "0" * 64), 0, int(script.events[-1].event_time))
    frame = read_change("bioreactor.events", 0, checks.PlainRecord(len(records), 0, None, row.value, row.headers))
    adopting = new.empty()
    assert frame is not None
    kept = past
    if lose:
        kept = MemoryPast()
        rows = [one for some in past._rows.values() for versions in some.values() for one in versions]
        kept.seed(sorted(rows, key=lambda one: one.event_time)[lose:])
    effects = adopting.adopt(block, frame, lambda wanted: kept.load(wanted, frame.first))
    past.keep(frame, effects)
    return adopting, effects, past


def standing(block: BioreactorBlock) -> set[str]:
    state = block._state
    return {rule.name for rule in state.rules if state.alert[0, rule.index]}


def test_a_changed_limit_is_cleared_and_the_others_stand() -> None:
    block, effects, past = taken_over(BASE, {**BASE, "limits": [{**DO, "low": 10.0}, PH, HOT]}, a_run())
    (clear,) = effects.all()
    assert (clear.data["action"], clear.data["rule"]) == ("clear", "dissolved_oxygen.low.measured")
    assert "change 7 of the configuration" in clear.data["message"]
    assert clear.id == "bioreactor.events/0/40/0"
    assert clear.data["alert"] == "bioreactor.events/0/1/2"  # the raise of minute 1
    assert clear.data["limit"] == 30.0  # of the rule that raised it
    assert standing(block) == {"ph.low.measured", "temperature.high.measured"}
    assert not effects.memory  # a limit changes no belief
    # what stands goes on under its identity
    more = a_run()
    more.events.clear()
    more.read(41 * 60, 1.5, dissolved_oxygen=20.0, ph=7.5, temperature=36.0, also={"id": "next"})
    said = checks.fold(BioreactorModel(), records_of(more.events, 41), (), block, past).effects
    cleared = {one.data["rule"]: one.data["alert"] for one in said if one.kind == "alert"}
    assert set(cleared) == {"ph.low.measured", "temperature.high.measured"}
    assert cleared["temperature.high.measured"].startswith("bioreactor.events/0/1/")


def test_a_rule_that_waits_goes_on_waiting_and_a_new_one_begins_unraised() -> None:
    script = Script()
    script.start(0)
    script.read(60, 1.0, ph=6.9)
    script.read(90, 1.0, ph=6.9)
    more = {"tag": "temperature", "high": 50.0, "unit": "Cel", "on_delay_seconds": 5}
    block, effects, past = taken_over({"limits": [PH]}, {"limits": [more, {**DO, "low": 50.0}, PH]}, script)
    assert not effects.all()
    assert standing(block) == set()
    then = Script()
    then.read(121, 1.0, ph=6.9, also={"id": "then"})
    said = checks.fold(BioreactorModel(), records_of(then.events, 4), (), block, past).effects
    assert [one.data["rule"] for one in said if one.kind == "alert"] == ["ph.low.measured"]  # 61 s in all


def test_what_hangs_together_by_consequences_is_kept_or_cleared_together() -> None:
    whole, effects, _ = taken_over(LINKED, {**LINKED, "limits": [HOT, DO, {**PH, "low": 6.0}]}, a_run())
    assert [one.data["rule"] for one in effects.all()] == ["ph.low.measured"]
    assert standing(whole) == {"dissolved_oxygen.low.measured", "temperature.high.measured"}
    held = whole._state.links[0].reshape(2, 5)
    cause = next(rule.index for rule in whole._state.rules if rule.tag == "dissolved_oxygen")
    assert held[1, 2] == cause  # still suppressed, by a rule that has another place now
    assert whole._state.held[0]
    _, effects, _ = taken_over(LINKED, {**LINKED, "limits": [{**DO, "low": 29.0}, PH, HOT]}, a_run())
    assert [one.data["rule"] for one in effects.all()] == [
        "dissolved_oxygen.low.measured",
        "temperature.high.measured",
    ]
    _, effects, _ = taken_over(LINKED, BASE, a_run())
    assert len(effects.all()) == 2


def test_another_parameter_folds_each_run_again_and_keeps_marks_for_a_day() -> None:
    script = a_run(30)
    for hour in range(1, 40):
        script.read(hour * 3600, 2.0, also={"id": f"h{hour}"})
    block, effects, _ = taken_over(BASE, OTHER, script)
    marks = [one.event_time for one in effects.memory if one.kind == "mark"]
    heard = int(block._state.heard[0])
    reach = (heard - 24 * 3_600_000_000) // 60_000_000 * 60_000_000
    assert min(marks) == reach
    assert len(marks) == len(set(marks)) > 20
    assert {one.offset for one in effects.memory} == {len(script.events)} == {block._state.marks_from}


def late_after(minutes: int = 100) -> tuple[list[checks.PlainRecord], int]:
    """A run with a sample, of which facts come late once the twins were taken over; and where that is."""
    script = a_run(minutes)
    script.sample(50 * 60 + 5, 0.01, known=minutes * 60)
    at = len(script.events)
    script.assay(50 * 60 + 5, 1.9, known=(minutes + 1) * 60)
    script.read(33 * 60 + 7, 4.0, also={"id": "late", "known": (minutes + 1) * 60})
    script.feed(71 * 60, 0.05, known=(minutes + 1) * 60)
    for minute in (minutes + 1, minutes + 3):
        script.read(minute * 60, 2.2)
    return records_of(script.events), at


@pytest.mark.parametrize(
    "after",
    [
        {**BASE, "parameters": {"signal_relative_sd": 0.2, "gain_sd": 0.5}},
        {**BASE, "charts": [{"chart": "cusum", "arl0": 50}]},
    ],
)
def test_facts_that_come_late_afterwards_lead_where_they_would_have(after: dict[str, Any]) -> None:
    records, at = late_after()
    checks.check_adoption(BioreactorModel.from_config(BASE), BioreactorModel.from_config(after), records, at)


def test_in_windows_of_a_few_minutes_they_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refolding, "MOST_TWINS", 2)
    monkeypatch.setattr(refolding, "MOST_MINUTES", 13)
    monkeypatch.setattr(refolding, "HORIZON", 30 * 60_000_000)
    records, at = late_after()
    checks.check_adoption(BioreactorModel.from_config(BASE), BioreactorModel.from_config(OTHER), records[:at], at - 9)
    wild = records_of(wild_events(3, 50))
    checks.check_adoption(BioreactorModel.from_config(BASE), BioreactorModel.from_config(OTHER), wild, 50)


def test_planted_marks_of_the_old_configuration_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(state: State, load: LoadPast, offset: int, effects: Effects) -> None:
        refold_all(state, load, offset, effects)
        effects.memory.clear()
        state.marks_from = 0

    monkeypatch.setattr(adopt, "refold_all", forgetful)
    records, at = late_after()
    after = BioreactorModel.from_config(OTHER)
    with pytest.raises(AssertionError, match="believes otherwise"):
        checks.check_adoption(BioreactorModel.from_config(BASE), after, records, at)


def test_a_run_whose_minutes_are_gone_is_not_guessed() -> None:
    with pytest.raises(SnapshotError, match=r"kept minutes of BR-1 since B-1 began.*incomplete"):
        taken_over(BASE, OTHER, a_run(), lose=3)
    ended = a_run()
    ended.end(40 * 60)
    ended.read(60 * 60, 1.0)
    block, _, _ = taken_over(BASE, OTHER, ended, lose=3)  # it is over: nothing of it is believed any more
    assert not block._state.running[0]
    assert block._state.batches[0].batch == "B-1"


def test_a_slower_cadence_does_not_fall_silent() -> None:
    block, _, past = taken_over(BASE, {**BASE, "estimate_seconds": 600, "forecast_seconds": 1200}, a_run())
    more = Script()
    for minute in range(41, 70):
        more.read(minute * 60, 1.5, also={"id": f"m{minute}"})
    said = checks.fold(BioreactorModel(), records_of(more.events, 41), (), block, past).effects
    assert sum(one.kind == "estimate" for one in said) == 3
    assert sum(one.kind == "forecast" for one in said) in (1, 2)


def test_a_signal_in_another_unit_than_the_new_process_models_counts_no_more() -> None:
    process = {
        "model": "cho_xing",
        "channels": [{"tag": "biomass", "state": "viable_cells", "relative": 0.05}],
        "initial": {"viable_cells": 1e9},
    }
    block, effects, _ = taken_over(BASE, {**BASE, "process": process}, a_run())
    state = block._state
    assert state.columns[int(state.biomass[0])][1] != "g/L"
    assert not state.i[0, ekf.INITIALISED]
    assert not state.bucket[0, 0]
    assert sum(one.kind == "input" for one in effects.memory) == 38  # the minutes, without the signal


RECONCILED = {"tag": "ph", "unit": "[pH]", "assay_sd": 0.02, "drift_sd_per_day": 0.05, "offset_sd": 0.1}
FAULTS = {
    "channels": {"ph": {"tag": "ph", "unit": "[pH]"}, "dissolved_oxygen": {"tag": "dissolved_oxygen", "unit": "%"}}
}


def sampled_run() -> Script:
    script = a_run()
    script.sample(10 * 60 + 30, 0.01)
    script.calibrate(12 * 60, tag="ph")
    script.sample(15 * 60 + 30, 0.01, "S-2")
    assay = AssayResulted("S-2", "ph", 6.85, "[pH]")
    script.say(15 * 60 + 30, "bioreactor.assay_resulted", assay, known=30 * 60, id="ph-2")
    script.events.sort(key=lambda event: event.record_time)
    return script


def test_what_was_learned_of_a_probe_goes_on_and_another_probe_begins_from_what_was_kept() -> None:
    """A limit changes no offset; a probe that joins finds, in the kept minutes, samples of the other one alone."""
    before = {**BASE, "reconciled": [RECONCILED]}
    whole = checks.fold(BioreactorModel.from_config(before), records_of(sampled_run().events)).block
    assert isinstance(whole, BioreactorBlock)
    block, _, _ = taken_over(before, {**before, "limits": [DO]}, sampled_run())
    assert block._state.probes[0].tolist() == whole._state.probes[0].tolist()
    assert abs(block._state.probes[0, 1]) > 0.01  # an offset was learned
    other = {**RECONCILED, "tag": "pco2", "unit": "mm[Hg]", "offset_sd": 3.0}
    for reconciled in ([other, RECONCILED], [other]):
        block, effects, _ = taken_over(before, {**before, "reconciled": reconciled}, sampled_run())
        assert effects.memory  # folded again
        assert block._state.probes[0, 1] == 0.0
    again, _, _ = taken_over(before, {**before, "reconciled": [other, RECONCILED]}, sampled_run())
    assert again._state.probes[0, 9:18].tolist() == whole._state.probes[0, :9].tolist()


def test_the_detectors_memory_goes_on_unless_what_it_reads_changed() -> None:
    before = {**BASE, "faults": FAULTS}
    whole = checks.fold(BioreactorModel.from_config(before), records_of(a_run().events)).block
    assert isinstance(whole, BioreactorBlock)
    block, _, _ = taken_over(before, {**before, "limits": [DO]}, a_run())
    assert block._state.fault[0].tobytes() == whole._state.fault[0].tobytes()
    fewer = {"channels": {"ph": FAULTS["channels"]["ph"]}}
    block, effects, _ = taken_over(before, {**before, "faults": fewer}, a_run())
    assert not (block._state.fault[0] == whole._state.fault[0]).all()
    assert not effects.memory  # who is believed was decided then: no belief is folded again
    _, effects, _ = taken_over(before, BASE, a_run())
    assert effects.memory
