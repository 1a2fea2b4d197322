"""What is done at the vessel: probes calibrated and replaced, cells put in, medium exchanged, holds.

Each leaves what it says, and no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import bioreactor as b
from schemas.effects import Effect
from schemas.errors import InputError
from schemas.events import Event, read_structured
from schemas.fields import Quantity
from tests.unit.twins.bioreactor.script import Script, records_of, wild_events, with_cells
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.checks import fold

SELDOM: dict[str, Any] = {"limits": [], "estimate_seconds": 1800, "forecast_seconds": 86400}
GROWTH = SELDOM | {"parameters": {"gain_sd": 0.1}}
EACH_MINUTE = GROWTH | {"estimate_seconds": 60}
PROCESS = SELDOM | {
    "process": {
        "model": "cho_xing",
        "channels": [
            {"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.1, "colour_sd": 0.02},
            {"tag": "biomass", "by": "assay", "state": "viable_cells", "relative": 0.03},
        ],
        "initial": {"viable_cells": 1e9},
    },
}


def block_of(events: list[Event], config: dict[str, Any], cuts: Any = ()) -> BioreactorBlock:
    block = fold(BioreactorModel.from_config(config), records_of(events), cuts).block
    assert isinstance(block, BioreactorBlock)
    return block


def estimates(script: Script, config: dict[str, Any] = GROWTH) -> list[dict[str, Any]]:
    said = fold(BioreactorModel.from_config(config), records_of(script.events)).effects
    return [one.data for one in said if one.kind == "estimate" and not one.data["revised"]]


def run(hours: float, gain: float = 1.0, script: Script | None = None, first: float = 0.0, unit: str = "g/L") -> Script:
    """Tell a culture of 1 unit that grows by 0.03 /h, read each other minute by a probe of this gain."""
    if script is None:
        script = Script()
        script.start()
    rng = np.random.default_rng(3)
    for minute in range(round(first * 60) + 2, round((first + hours) * 60) + 1, 2):
        value = gain * float(np.exp(0.03 * minute / 60) * (1 + 0.01 * rng.normal()))
        script.read(minute * 60.0, biomass=(value, unit))
    return script


def gain_of(estimate: dict[str, Any]) -> tuple[float, float]:
    return estimate["state"]["sensor_gain"]["mean"], estimate["state"]["sensor_gain"]["sd"]


# -- probes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gain_sd", "left"), [(None, 0.1), (0.03, 0.03)])
def test_a_probe_event_sets_the_gain_back_to_its_prior(gain_sd: float | None, left: float) -> None:
    for act in (Script.calibrate, Script.change_probe):
        script = run(2.0, gain=1.2)
        script.assay(7210, 1.062)
        script.read(7215, biomass=1.2 * 1.062)  # an estimate, of the minute's end
        assert gain_of(estimates(script)[-1])[0] > 1.1  # learned from the assay
        known = estimates(script)[-1]["state"]["biomass"]
        act(script, 7300, gain_sd)
        last = estimates(script)[-1]
        mean, sd = gain_of(last)
        assert mean == pytest.approx(np.exp(left * left / 2), rel=1e-4)  # the mean of a lognormal of median 1
        assert sd == pytest.approx(left, rel=0.02)
        assert last["state"]["biomass"]["mean"] == pytest.approx(known["mean"], rel=0.005)  # what is known stays
        assert last["filter"]["rejected_run"] == 0


@pytest.mark.parametrize("config", [GROWTH, PROCESS], ids=["growth", "process"])
def test_the_covariance_after_it_is_that_of_an_independent_gain(config: dict[str, Any]) -> None:
    script = run(1.0, gain=1.1, unit="10*6/mL")
    script.change_probe(3605, 0.2)
    script.read(3660, temperature=37.0)  # closes the minute
    block = block_of(script.events, config)
    covariance = np.array(block.covariance("BR-1"))
    assert covariance[2, 2] == pytest.approx(0.04, rel=1e-3)
    assert covariance[2, 0] == covariance[2, 1] == 0.0
    assert covariance[0, 0] > 0.0
    state = block._state
    if state.process is not None:
        joint = state.process.read(state.joint[:1].T, np.array([0]), np.ones(1))
        lay = state.process.filter.layout
        for row, sd in ((lay.gains[0], 0.2), (lay.colours[0], 0.02)):
            beside = np.delete(joint.covariance[row, :, 0], row)
            assert joint.mean[row, 0] == 0.0
            assert (beside == 0.0).all()
            assert joint.covariance[row, row, 0] == sd * sd
        assert np.linalg.eigvalsh(joint.covariance[:, :, 0]).min() > -1e-15


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32), often=st.integers(3, 20))
def test_whatever_came_covariances_stay_positive_semidefinite(seed: int, often: int) -> None:
    events = with_cells(wild_events(seed, 80))
    script = Script(events=[])
    for n, event in enumerate(events):
        script.events.append(event)
        if n % often == 0 and event.subject:
            script.unit = event.subject
            script.change_probe(
                (event.event_time - events[0].event_time) / 1e6 + 30, [None, 1e-6, 2.0][n % 3], id=f"p{n}"
            )
    block = block_of(script.events, PROCESS, range(0, len(script.events), 13))
    state = block._state
    assert state.process is not None
    for slot, key in enumerate(block.keys()):
        growth = np.array(block.covariance(key))
        assert np.linalg.eigvalsh(growth).min() >= -1e-12 * np.trace(growth), seed
        joint = state.process.read(state.joint[slot : slot + 1].T, np.array([0]), np.ones(1)).covariance[:, :, 0]
        assert np.linalg.eigvalsh(joint).min() >= -1e-12 * max(np.trace(joint), 1.0), seed


@pytest.mark.parametrize("config", [GROWTH, PROCESS], ids=["growth", "process"])
def test_the_gain_of_another_probe_is_learned_from_the_next_assay(config: dict[str, Any]) -> None:
    """A new probe reads 30 % higher. Told of it, the twin does not take the jump for growth, and learns the gain."""
    unit = "10*6/mL"
    script = run(2.0, 1.0, unit=unit)
    script.change_probe(7205, 0.3)
    run(1.0, 1.3, script, first=2.0, unit=unit)
    told = estimates(script, config)[-1]
    at = np.exp(0.03 * 3.0)
    assert told["state"]["biomass"]["mean"] == pytest.approx(at, rel=0.06)
    script.say(3.01 * 3600, "bioreactor.assay_resulted", b.AssayResulted("S-1", "biomass", float(at), unit))
    after = estimates(script, config)[-1]
    if config is GROWTH:
        assert gain_of(after)[0] == pytest.approx(1.3, rel=0.06)
    else:
        cells = after["process"]["state"]["viable_cells"]
        assert cells["low"] < at < cells["high"]
    untold = run(2.0, 1.0, unit=unit)
    run(1.0, 1.3, untold, first=2.0, unit=unit)
    assert estimates(untold, config)[-1]["state"]["biomass"]["mean"] > 1.2 * at


def test_the_probe_of_another_tag_moves_no_belief() -> None:
    plain, other = run(1.0), run(1.0)
    other.calibrate(3605, 0.5, tag="ph")
    plain.feed(3605, 0.0)
    believed = [estimates(one)[-1]["state"] for one in (plain, other)]
    assert believed[0] == believed[1]
    other.change_probe(1800, 0.5, tag="dissolved_oxygen", known=3610)  # late, and nothing to be said anew
    said = fold(BioreactorModel.from_config(GROWTH), records_of(other.events)).effects
    assert not any(one.data["revised"] for one in said if one.kind == "estimate")


@pytest.mark.parametrize("config", [GROWTH, PROCESS], ids=["growth", "process"])
@pytest.mark.parametrize("act", ["calibrate", "change_probe", "inoculate", "hold", "resume", "exchange"])
def test_told_late_or_twice_it_leaves_what_it_leaves_in_order(act: str, config: dict[str, Any]) -> None:
    script = run(1.0, unit="10*6/mL")
    script.hold(600, id="held")
    plain = [*script.events]
    also: dict[str, dict[str, Any]] = {"hold": {"reason": "another"}, "exchange": {"litres": 0.3, "retained": False}}
    fact = getattr(script, act)(1210.0, id="late", known=3700, **also.get(act, {}))
    ordered = sorted(script.events, key=lambda event: event.event_time)
    expected = block_of(ordered, config).belief("BR-1")
    assert block_of(script.events, config).belief("BR-1") == expected
    assert block_of([*script.events, fact], config, range(1, 35, 9)).belief("BR-1") == expected
    assert block_of(plain, config).belief("BR-1") != expected


# -- inoculation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [GROWTH, PROCESS], ids=["growth", "process"])
def test_the_culture_begins_with_its_inoculation(config: dict[str, Any]) -> None:
    """Nothing that the probe read in the medium counts, and what went into the vessel before does."""
    script, alone = Script(), Script()
    script.start(volume=1.0)
    for minute in range(1, 121, 4):
        script.read(minute * 60.0, biomass=(0.5 + 0.001 * minute, "10*6/mL"))
    script.feed(7180, 0.5)
    script.read(7201, biomass=(9.0, "10*6/mL"))  # in the same minute, and still before
    script.inoculate(7210)
    alone.start(7210, volume=1.5)
    for one in (script, alone):
        for minute in range(121, 181, 2):
            one.read(minute * 60.0, biomass=(float(np.exp(0.03 * (minute - 120) / 60)), "10*6/mL"))
    last, fresh = estimates(script, config)[-1], estimates(alone, config)[-1]
    assert last["hours"] == fresh["hours"] == pytest.approx(1.0, abs=0.6)
    assert last["state"] == fresh["state"]
    assert last.get("process") == fresh.get("process")
    assert last["batch"] == "B-1"
    before = [one for one in estimates(script, config) if one["hours"] > 1.9]
    assert before  # they were said, and counted from the batch's start
    assert before[-1]["state"]["biomass"]["mean"] > 0.4


@pytest.mark.parametrize("config", [GROWTH, PROCESS], ids=["growth", "process"])
def test_what_a_calibration_said_of_the_probe_outlives_the_inoculation(config: dict[str, Any]) -> None:
    script = Script()
    script.start()
    script.calibrate(600, 0.03)
    script.read(700, biomass=(0.5, "10*6/mL"))
    script.inoculate(7200)
    script.read(7300, temperature=37.0)
    block = block_of(script.events, config)
    assert block.covariance("BR-1")[2] == [0.0, 0.0, pytest.approx(0.0009)]
    if (one := block._state.process) is not None:
        row = one.filter.layout.gains[0]
        covariance = one.read(block._state.joint[:1].T, np.array([0]), np.ones(1)).covariance
        assert covariance[row, row, 0] == pytest.approx(0.0009)
    script.start(8000, "B-2")
    script.read(8100, temperature=37.0)
    assert block_of(script.events, GROWTH).covariance("BR-1")[2][2] == pytest.approx(
        0.01
    )  # a run begins with the prior


def test_hours_count_from_the_batch_start_until_cells_went_in() -> None:
    script = run(1.0)
    script.inoculate(3600 + 1800)
    script.read(3600 + 3600, biomass=1.0)
    hours = [one["hours"] for one in estimates(script, EACH_MINUTE)]
    assert hours[-3] == pytest.approx(1.0, abs=0.02)
    assert hours[-2:] == [0.0, pytest.approx(0.5)]
    script.start(7300, "B-2")
    script.read(7300 + 3600, biomass=1.0)
    assert estimates(script, EACH_MINUTE)[-1]["hours"] == pytest.approx(1.0)


# -- exchanges of medium ----------------------------------------------------------------------------------------------


def exchanged(retained: bool, **more: Any) -> tuple[dict[str, Any], dict[str, Any], list[Effect]]:
    """Give the process model's states before and after 0.4 of 1 L was exchanged, and the rejects."""
    script = run(1.0, unit="10*6/mL")
    before = estimates(script, PROCESS | {"estimate_seconds": 60})[-1]
    script.exchange(3605, 0.4, retained, **more)
    said = fold(BioreactorModel.from_config(PROCESS), records_of(script.events)).effects
    after = [one.data for one in said if one.kind == "estimate"][-1]
    return before, after, [one for one in said if one.kind == "reject"]


@pytest.mark.parametrize(("retained", "cells"), [(True, 1.0), (False, 0.6)])
def test_an_exchange_of_medium_dilutes_what_is_dissolved_and_cells_that_go_with_it(
    retained: bool, cells: float
) -> None:
    """c' = 0.6 c + 0.4 c_in; the tolerance is for the seconds between the two estimates."""
    before, after, _ = exchanged(retained, composition={"glucose": Quantity(50.0, "mmol/L")})
    for name, share, brought in (
        ("viable_cells", cells, 0.0), ("dead_cells", cells, 0.0), ("lactate", 0.6, 0.0), ("ammonia", 0.6, 0.0),
        ("glucose", 0.6, 20.0), ("glutamine", 0.6, 1.6),
    ):  # fmt: skip
        expected = share * before["process"]["state"][name]["mean"] + brought
        assert after["process"]["state"][name]["mean"] == pytest.approx(expected, rel=0.01, abs=1e-4), name
    assert after["state"]["biomass"]["mean"] == pytest.approx(cells * before["state"]["biomass"]["mean"], rel=0.01)
    assert after["state"]["volume"] == before["state"]["volume"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"composition": {"glucose": Quantity(9.0, "g/L")}}, "unit"),
        ({"composition": {"glucose": Quantity(-1.0, "mmol/L")}}, "invalid_field"),
        ({"composition": {"viable_cells": Quantity(1.0, "10*6/mL")}}, "invalid_field"),
        ({"composition": {"gluten": Quantity(1.0, "mmol/L")}}, "invalid_field"),
    ],
)
def test_an_exchange_that_cannot_be_is_refused_and_moves_nothing(more: dict[str, Any], reason: str) -> None:
    _, _, rejects = exchanged(True, **more)
    assert [one.data["reason"] for one in rejects] == [reason]


def test_no_more_can_be_exchanged_than_the_vessel_holds() -> None:
    script = run(0.2)
    script.exchange(800, 1.0)
    said = fold(BioreactorModel.from_config(GROWTH), records_of(script.events)).effects
    assert [one.data["received"] for one in said if one.kind == "reject"] == ["1 L"]


# -- holds ------------------------------------------------------------------------------------------------------------

SLOW: dict[str, Any] = {"tag": "ph", "high": 7.2, "deadband": 0.1, "unit": "[pH]", "on_delay_seconds": 60}
QUICK: dict[str, Any] = {"tag": "temperature", "high": 38.0, "unit": "Cel"}


def alerts(script: Script) -> list[tuple[str, str, int]]:
    """Give rule, action and record of each alert; folded whole and record by record the same is said."""
    model, records = BioreactorModel.from_config({"limits": [SLOW, QUICK]}), records_of(script.events)
    whole, split = fold(model, records), fold(model, records, range(1, len(records)))
    assert whole.lines == split.lines
    return [
        (one.data["rule"], one.data["action"], int(one.id.split("/")[2]))
        for one in whole.effects
        if one.kind == "alert"
    ]


def acid(script: Script, *facts: tuple[float, float]) -> None:
    for seconds, value in facts:
        script.read(seconds, ph=value)


def test_a_hold_raises_nothing_after_a_delay_and_delays_begin_anew_after_it() -> None:
    script = Script()
    script.start()
    acid(script, (10, 7.3))
    script.hold(65)
    acid(script, (80, 7.3), (300, 7.3))
    script.passed(400)
    script.resume(500)
    acid(script, (510, 7.3), (569, 7.3), (570, 7.3))
    assert alerts(script) == [("ph.high.measured", "raise", 9)]


def test_an_alarm_that_stands_stays_through_a_hold_and_clears_when_it_is_back() -> None:
    script = Script()
    script.start()
    acid(script, (10, 7.3), (70, 7.3))
    script.hold(80)
    acid(script, (90, 7.3), (100, 7.0), (110, 7.3), (300, 7.3))
    assert alerts(script) == [("ph.high.measured", "raise", 2), ("ph.high.measured", "clear", 5)]


def test_what_has_no_delay_raises_during_a_hold_too() -> None:
    script = Script()
    script.start()
    script.hold(5)
    script.read(10, temperature=39.0)
    assert alerts(script) == [("temperature.high.measured", "raise", 2)]


def test_a_held_unit_may_be_silent() -> None:
    script = Script()
    script.start()
    acid(script, (10, 7.0))
    script.hold(20)
    script.passed(3600)
    script.resume(4000)
    script.passed(4000 + 1700)
    assert alerts(script) == []
    script.passed(4000 + 1800)
    assert alerts(script) == [("silence", "raise", 6)]


def test_a_silence_that_stands_ends_with_the_first_fact_a_hold_or_not() -> None:
    script = Script()
    script.start()
    acid(script, (10, 7.0))
    script.passed(1900)
    script.hold(2000)
    script.passed(2100)
    acid(script, (2200, 7.0))
    assert alerts(script) == [("silence", "raise", 2), ("silence", "clear", 5)]


def test_estimates_say_that_the_unit_is_held_and_only_then() -> None:
    script = run(0.2)
    script.hold(800)
    script.read(860, biomass=1.0)
    script.resume(900)
    script.hold(1000)
    script.start(1100, "B-2")
    script.hold(1200)
    script.end(1300, "B-2")
    said = estimates(script, EACH_MINUTE)
    assert [one.get("held") for one in said[-7:]] == [True, True, None, True, None, True, None]
    assert all(one.get("held") is None for one in said[:-7])


def test_a_late_hold_counts_from_when_it_is_heard() -> None:
    script = Script()
    script.start()
    acid(script, (10, 7.3), (130, 7.2))
    script.hold(60, known=140)
    acid(script, (150, 7.3), (300, 7.3))
    script.resume(100, known=310)
    acid(script, (320, 7.3), (380, 7.3))
    assert alerts(script) == [("ph.high.measured", "raise", 8)]


# -- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("probe_calibrated", '{"tag":"biomass"}'),
        ("probe_calibrated", '{"tag":"biomass","kind":"three_point"}'),
        ("probe_calibrated", '{"tag":"biomass","kind":"offset","gain_sd":0}'),
        ("probe_changed", '{"tag":"biomass","gain_sd":2.1}'),
        ("probe_changed", '{"serial":"SN-1"}'),
        ("held", "{}"),
        ("held", '{"reason":""}'),
        ("resumed", '{"why":"x"}'),
        ("inoculated", '{"cells":1e6}'),
        ("medium_exchanged", '{"volume":{"value":1,"unit":"L"}}'),
    ],
)
def test_what_is_not_whole_is_refused(kind: str, data: str) -> None:
    head = '{"specversion":"1.0","id":"1","source":"s","subject":"BR-1","time":"2026-03-01T08:00:00Z"'
    with pytest.raises(InputError):
        read_structured(f'{head},"type":"bioreactor.{kind}","data":{data}}}')
