"""Every twin holds to the shipped checks; and the checks can fail."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine.lanes import Lanes
from tests.unit.twins.bioreactor.answering import SAID, adopt, answer
from tests.unit.twins.bioreactor.golden_runs import document_of, golden_of
from tests.unit.twins.bioreactor.script import Script, records_of, wild_events, with_cells
from twins import checks
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.block import Effects, Past
from twins.frame import Frame

CONFIG: dict[str, Any] = {
    "limits": [
        {"tag": "dissolved_oxygen", "low": 10.0, "deadband": 2.0, "unit": "%"},
        {
            "tag": "dissolved_oxygen",
            "unit": "%",
            "bridge_seconds": 500,
            "alarm": {"low": 12.0, "deadband": 1.0, "on_delay_seconds": 150, "off_delay_seconds": 100},
            "action": {"low": 9.0, "off_delay_seconds": 400},
            "proven": {"low": 6.0, "on_delay_seconds": 700},
        },
        {"tag": "ph", "high": 6.9, "on_delay_seconds": 200, "unit": "[pH]"},
        {"tag": "dissolved_oxygen", "high": 12.0, "unit": "%", "phases": ["fed-batch"]},
        {
            "tag": "dissolved_oxygen",
            "unit": "%",
            "bridge_seconds": 500,
            "phases": ["fed-batch"],
            "alarm": {"high": 11.0, "on_delay_seconds": 60, "off_delay_seconds": 60},
            "action": {"high": 12.0, "phases": ["harvest", "polishing"]},
        },
        {"tag": "ph", "high": 6.8, "on_delay_seconds": 60, "unit": "[pH]", "phases": ["harvest"]},
    ],
    "predicted": [{"tag": "biomass", "high": 1.5, "unit": "g/L"}],
    "silence_minutes": 5,
    "golden": {"model": document_of(golden_of(grid=20)), "on_delay_minutes": 1, "stale_minutes": 60},
    "consequences": [
        {"cause": "biomass.high.predicted", "effect": "dissolved_oxygen.low.measured", "hold_minutes": 4},
        {"cause": "dissolved_oxygen.low.measured", "effect": "dissolved_oxygen.low.alarm", "hold_minutes": 2},
        {"cause": "silence", "effect": "biomass.residual.ewma", "hold_minutes": 30},
        {"cause": "dissolved_oxygen.low.alarm", "effect": "biomass.residual.cusum"},
    ],
    "charts": [
        {"chart": "cusum", "arl0": 20, "quiet_minutes": 3},
        {"chart": "ewma", "arl0": 10, "quiet_minutes": 1},
        {"chart": "rules", "rules": ["nelson.1", "nelson.2", "nelson.3"], "quiet_minutes": 0},
    ],
}


PROCESS: dict[str, Any] = {
    "charts": [{"chart": "cusum", "arl0": 20, "quiet_minutes": 3}],
    "silence_minutes": 5,
    "process": {
        "model": "cho_xing",
        "channels": [
            {"tag": "biomass", "state": "viable_cells", "relative": 0.03, "gain_sd": 0.05, "colour_sd": 0.01},
            {"tag": "biomass", "by": "assay", "state": "viable_cells", "relative": 0.05},
            {"tag": "glucose", "state": "glucose", "relative": 0.04, "absolute": 0.2},
        ],
        "unsure": {"mu_m": 0.5},
        "initial": {"viable_cells": 1e9},
        "feed": {"glucose": 100.0},
        "phases": {"fed-batch": {"mu_m": 0.01}, "polishing": {"Y_XS": 2e8}},
    },
    "forecast_seconds": 1200,
    "horizon_hours": 2,
    "predicted": [{"tag": "process.glucose", "low": 23.5, "high": 24.4, "unit": "mmol/L", "raise_at": 0.6}],
    "advice": {
        "state": "glucose",
        "floor": 22,
        "most_litres_per_hour": 1,
        "most_litres": 1,
        "vessel_litres": 3,
        "horizon_hours": 2,
    },
    "triggers": {
        "inconsistent": {"minutes": 10, "clear_minutes": 5},
        "surprise": {"z": 0.7, "clear_z": 0.5},
        "drift": True,
        "phase": True,
        "cooldown_hours": 0.2,
        "most_a_day": 4,
        "draws": 5,
    },
}


FAULTS: dict[str, Any] = {
    "limits": [],
    "silence_minutes": 5,
    "estimate_seconds": 600,
    "faults": {
        "channels": {
            "capacitance": {"tag": "biomass", "unit": "g/L"},
            "dissolved_oxygen": {"tag": "dissolved_oxygen"},
            "ph": {"tag": "ph"},
        },
    },
    "consequences": [{"cause": "dissolved_oxygen.fault", "effect": "ph.fault", "hold_minutes": 4}],
}


class CountingLanes(Lanes):
    """Lanes that know how many did something together at most."""

    most = 0

    def share(self, key: Hashable, item: Any, work: Callable[[Sequence[Any]], None]) -> None:
        def counted(items: Sequence[Any]) -> None:
            self.most = max(self.most, len(items))
            work(items)

        super().share(key, item, counted)


def model() -> BioreactorModel:
    return BioreactorModel.from_config(CONFIG)


def process() -> BioreactorModel:
    return BioreactorModel.from_config(PROCESS)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 50), max_size=8))
def test_where_frames_end_changes_nothing_in_a_process_model(seed: int, cuts: list[int]) -> None:
    checks.check_split_equals_whole(process(), records_of(with_cells(wild_events(seed, 40))), cuts)


@settings(max_examples=3, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    ends=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    before=st.lists(st.integers(1, 50), max_size=6),
    after=st.lists(st.integers(1, 50), max_size=6),
)
def test_a_refold_of_a_process_model_leaves_no_trace(
    seed: int, ends: tuple[int, int], before: list[int], after: list[int]
) -> None:
    records = records_of(with_cells(wild_events(seed, 40)))
    checkpoint, applied = sorted(min(end, len(records)) for end in ends)
    checks.check_refold_goes_on(process(), records, checkpoint, applied, before, after)


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_blocks_that_are_folded_together_end_as_alone(seed: int) -> None:
    """Partitions of a worker make their steps of the process model together, to the same bits."""
    model, lanes = process(), CountingLanes()
    logs = [records_of(with_cells(wild_events(seed + part, 40))) for part in range(3)]
    alone = [checks.fold(model, records) for records in logs]
    blocks = [model.empty() for _ in logs]
    for block in blocks:
        block.share(lanes)
    pairs = list(zip(logs, blocks, strict=True))
    together = lanes.run([partial(checks.fold, model, records, (), block) for records, block in pairs])
    assert lanes.most > 1, "nothing was done together"
    for one, outcome in zip(alone, together, strict=True):
        assert outcome.error is None
        assert outcome.value is not None
        assert outcome.value.lines == one.lines
        assert outcome.value.block.snapshot() == one.block.snapshot()
    lanes.close()


@settings(max_examples=1, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_other_check_of_a_process_model(seed: int) -> None:
    """In any order: a late, corrected or withdrawn assay leaves what it would have left in order, to the bit."""
    checks.check_all(process(), records_of(with_cells(wild_events(seed, 40))), bytes_a_twin=4000)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 90), max_size=20))
def test_where_frames_end_changes_nothing(seed: int, cuts: list[int]) -> None:
    records = records_of(wild_events(seed, 80))
    checks.check_split_equals_whole(model(), records, cuts)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_frame_of_one_record_each_changes_nothing(seed: int) -> None:
    records = records_of(wild_events(seed, 80))
    checks.check_split_equals_whole(model(), records, range(1, len(records)))


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    ends=st.tuples(st.integers(0, 80), st.integers(0, 80)),
    before=st.lists(st.integers(1, 90), max_size=20),
    after=st.lists(st.integers(1, 90), max_size=20),
)
def test_a_refold_in_other_frames_leaves_no_trace(
    seed: int, ends: tuple[int, int], before: list[int], after: list[int]
) -> None:
    records = records_of(wild_events(seed, 80))
    checkpoint, applied = sorted(min(end, len(records)) for end in ends)
    checks.check_refold_goes_on(model(), records, checkpoint, applied, before, after)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_other_check(seed: int) -> None:
    checks.check_all(model(), records_of(wild_events(seed, 80)), bytes_a_twin=2600)


def test_where_frames_end_and_a_refold_change_nothing_where_faults_are_looked_for() -> None:
    """Readings are so sparse that every channel drops out, and the biomass signal is trusted, not, and again."""
    looking = BioreactorModel.from_config(FAULTS)
    records = records_of(wild_events(3, 150, units=2, hours=2.0, disorder=300.0))
    folded = checks.fold(looking, records)
    assert {one.data["rule"] for one in folded.effects if one.kind == "alert"} >= {"biomass.fault", "ph.fault"}
    checks.check_refold_goes_on(looking, records, 40, 90, range(0, 150, 7), range(0, 150, 11))
    checks.check_duplicates_change_nothing(looking, records)
    checks.check_bounded(looking, records, 8500)


def test_the_state_does_not_grow_with_the_records() -> None:
    records = records_of(wild_events(5, 1500, units=20))
    checks.check_bounded(BioreactorModel(), records, 900)
    checks.check_bounded(model(), records, 2000)


class Forgetful(BioreactorBlock):
    """Counts frames, which no twin may see."""

    frames = 0

    def apply(self, frame: Frame, past: Past) -> Effects:
        effects = super().apply(frame, past)
        self.frames += 1
        for effect in effects.estimates:
            effect.data["records"]["count"] += self.frames
        return effects


class Believing(BioreactorBlock):
    """Takes duplicates for new."""

    def apply(self, frame: Frame, past: Past) -> Effects:
        self._state.ring[:] = 0
        self._state.ring_floor[:] = -1
        return super().apply(frame, past)


class Hasty(BioreactorBlock):
    """Puts what it keeps of a frame to the account of its first record."""

    def apply(self, frame: Frame, past: Past) -> Effects:
        effects = super().apply(frame, past)
        effects.memory = [replace(row, offset=frame.first) for row in effects.memory]
        return effects


class Planted(BioreactorModel):
    """A model with a defect."""

    def __init__(self, defect: type[BioreactorBlock]) -> None:
        super().__init__()
        self.defect = defect

    def empty(self) -> BioreactorBlock:
        return self.defect(self.config, self.name)


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        (Forgetful, lambda model, records: checks.check_split_equals_whole(model, records, [20])),
        (Hasty, lambda model, records: checks.check_refold_goes_on(model, records, 0, 380, [], [200])),
        (Believing, checks.check_duplicates_change_nothing),
    ],
)
def test_the_checks_find_a_planted_defect(defect: type[BioreactorBlock], check: Any) -> None:
    records: Sequence[checks.PlainRecord] = records_of(wild_events(1, 400 if defect is Hasty else 40))
    with pytest.raises(AssertionError):
        check(Planted(defect), records)


LATER: dict[str, Any] = {**CONFIG, "limits": CONFIG["limits"][1:], "charts": [], "golden": None, "consequences": []}
LATER_PROCESS: dict[str, Any] = {**PROCESS, "process": {**PROCESS["process"], "unsure": {"mu_m": 0.3}}}


def settling() -> list[Any]:
    """Readings of every unit after all else, so that late ones are folded."""
    script = Script()
    for turn, unit in enumerate(["BR-0", "BR-1", "BR-2"] * 2):
        script.unit = unit
        script.read(4 * 3600 + 90 * turn, 1.0, also={"id": f"end-{turn}"})
    return records_of(script.events)


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32), at=st.integers(1, 60), back=st.booleans())
def test_taken_over_they_believe_what_they_would_have(seed: int, at: int, back: bool) -> None:
    records = records_of(wild_events(seed, 60))
    models = model(), BioreactorModel.from_config(LATER)
    checks.check_adopting_itself(model(), records, at)
    checks.check_adoption(*(models[::-1] if back else models), records, at, settling())


def with_answers(events: list[Any], seed: int) -> list[Any]:
    """Give the same events with answers to persons' questions about each unit's batch in between, of which some are
    adopted, some never, some twice."""
    rng, told = np.random.default_rng(seed), list(events)
    for n in range(6):
        script = Script(f"BR-{n % 3}")
        known = 1.0 + 0.3 * n
        batch = {"batch": f"B-{script.unit[3:]}"}
        summary = {**SAID, **batch, "parameters": {"mu_m": {"median": 0.01 * (n + 1), "sd_log": 0.1}}}
        summary |= {"order": None, "covariance_log": None}
        inputs = (f"bioreactor.events/0/{n}",)
        job = f"what-if-{n}"
        answer(script, job, (known - 0.2) * 3600, known * 3600, summary, inputs=inputs)
        for again in range(int(rng.integers(3))):
            time = (known + 0.05 * (1 + again)) * 3600
            adopt(script, time - 200 * again, job, id=f"yes-{n}-{again}", known=time)
        told += script.events
    return sorted(told, key=lambda one: one.record_time)


def test_answers_and_adoptions_are_facts_like_any_other() -> None:
    """Seed 11: among facts that are late, wrong, doubled and cross each other."""
    cheap = {"forecast_seconds": 7200, "estimate_seconds": 1800, "advice": None}
    answering = BioreactorModel.from_config({**PROCESS, **cheap})
    events = with_answers(with_cells(wild_events(11, 36)), 11)
    records = records_of(events)
    folded = checks.fold(answering, records)
    adoptions = [n for n, one in enumerate(events) if one.type == "bioreactor.estimate_adopted"]
    taken = [n for n in adoptions if folded.frames[0].accepted[n]]
    assert taken
    assert len(taken) < len(adoptions)
    assert any("resimulated" in one.data for one in folded.effects)
    checks.check_split_equals_whole(answering, records, range(1, len(records), 9))
    checks.check_snapshot_round_trip(answering, records, taken[0])
    checks.check_refold_goes_on(answering, records, taken[0] - 5, taken[0] + 1, range(0, 60, 7), range(0, 60, 11))
    checks.check_duplicates_change_nothing(answering, records)
    checks.check_adoption(
        answering, BioreactorModel.from_config({**LATER_PROCESS, **cheap}), records, taken[0] + 3, settling()
    )


def test_taken_over_a_process_model_believes_what_it_would_have() -> None:
    records = records_of(with_cells(wild_events(5, 30)))
    checks.check_adoption(process(), BioreactorModel.from_config(LATER_PROCESS), records, 20, settling())
