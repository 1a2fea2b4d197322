"""Calibrated forecasts of a process model in the block: what they hold, what they say, what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import structs

from schemas.effects import ForecastData
from schemas.errors import SettingsError
from schemas.instants import HOUR, format_instant
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of
from twins import checks
from twins.bioreactor import BioreactorModel
from twins.bioreactor.calibrated import Calibrated, CalibrationSet, Made, Widening
from twins.bioreactor.calibrating import Truth, check, follow, leads_of, make_calibration, step
from twins.bioreactor.config import read_config, rules_of
from twins.bioreactor.estimation.outlook import Calibration, nearest
from twins.bioreactor.forecast import NORMAL
from twins.bioreactor.process import Process
from twins.bioreactor.process_emit import process_forecast
from twins.bioreactor.process_end import RunPlan
from twins.bioreactor.process_limits import LimitsAhead
from twins.bioreactor.process_section import ProcessSection, design_name
from twins.checks import fold

SECTION: dict[str, Any] = {
    "model": "cho_xing",
    "channels": [
        {"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.02},
        {"tag": "glucose", "state": "glucose", "relative": 0.02, "absolute": 0.1},
    ],
    "unsure": {"mu_m": 0.1, "Y_XS": 0.05},
    "initial": {"viable_cells": 1e9, "glucose": 25.0},
    "initial_sd": 0.02,
}
PARSED = msgspec.convert(SECTION, ProcessSection)
MADE = Made(11, 200, 24, 60, 12, 2.0, 0.0, 4.0)  # runs differ four times as much as the design believes
STATES = ("viable_cells", "glucose")
CONFIG = {
    "process": SECTION, "limits": [], "estimate_seconds": 86400, "forecast_seconds": 43200, "horizon_hours": 12,
    "predicted": [{"tag": "process.glucose", "low": 20.0}, {"tag": "process.lactate", "high": 5.0}],
}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> CalibrationSet:
    print("seed 11")
    return make_calibration(PARSED, MADE, STATES)


def forecasts(config: dict[str, Any], script: Script) -> list[dict[str, Any]]:
    said = fold(BioreactorModel.from_config(config), records_of(script.events)).effects
    return [one.data for one in said if one.kind == "forecast"]


def with_calibration(made: CalibrationSet) -> dict[str, Any]:
    return {**CONFIG, "process": {**SECTION, "calibration": msgspec.to_builtins(made)}}


def test_a_fleet_that_differs_more_than_believed_is_held_by_calibrated_forecasts_alone(made: CalibrationSet) -> None:
    """200 other runs of the same sort, followed for 12 h, 12 h ahead: 90 %, within three standard errors (9 %)."""
    print("seed 12")
    calibrated = Process(structs.replace(PARSED, calibration=made))
    n, now = MADE.runs, 12 * HOUR
    truth = Truth(calibrated, MADE, np.random.default_rng(12))
    m, litres = np.repeat(calibrated.beginning, n, axis=1), np.full(n, 2.0)
    for j in range(n):
        calibrated.begin(m, j, 0, 2.0)
    for hour in range(12):
        step(calibrated, MADE, truth, m, 60 * hour)
    truth.advance(12.0)
    at = np.repeat(now + np.arange(25)[:, None] * HOUR // 2, n, axis=1)
    plan = RunPlan(np.full(n, now + 12 * HOUR), np.zeros(n), [0] * n)
    rules = [rule for rule in rules_of(read_config(CONFIG)) if rule.kind == "predicted"]
    told = {}
    for name, process in (("own", Process(PARSED)), ("calibrated", calibrated)):
        limits = LimitsAhead(process, rules, at)
        told[name] = process_forecast(process, m, litres, at[1:], np.array(NORMAL), limits, plan)
    for state, row, scale in (("viable_cells", 0, 1e-9), ("glucose", 2, 1.0)):
        share = {}
        for name, said in told.items():
            ends = np.array([one["process"]["end_of_run"]["values"][state] for one in map(within, said)])
            assert [one["process"]["values"][state][-1] for one in map(within, said)] == ends.tolist()
            share[name] = float(np.mean((ends[:, 0] <= truth.x[row] * scale) & (truth.x[row] * scale <= ends[:, 4])))
        print(state, share)
        assert share["own"] < 0.8
        assert 0.81 <= share["calibrated"] <= 0.99
    for one in told["calibrated"]:
        data = within(one)["process"]
        assert data["limits"]["glucose.low"]["calibrated"]
        assert not data["limits"]["lactate.high"]["calibrated"]
        # what is said to be below the limit at 95 % is what the calibrated fan says
        certain = data["limits"]["glucose.low"]["reached_at"][2] is not None
        assert certain == any(point[4] < 20.0 for point in data["values"]["glucose"])
    assert not any(within(one)["process"]["limits"]["glucose.low"]["calibrated"] for one in told["own"])
    verdicts = [within(one)["process"]["calibrated"]["glucose"]["verdict"] for one in told["calibrated"]]
    assert set(verdicts) <= {None, "outside calibration", "not enough data"}
    assert verdicts.count(None) > 0.9 * n


def within(data: dict[str, Any] | None) -> dict[str, Any]:
    assert data is not None
    return {"process": data}


def test_a_run_unlike_those_of_the_calibration_says_so(made: CalibrationSet) -> None:
    process = Process(PARSED)
    m = np.repeat(process.beginning, 3, axis=1)
    for j in range(3):
        process.begin(m, j, 0, 2.0)
    joint = process.read(m, np.arange(3), np.full(3, 2.0))
    row = process.filter.layout.unsure[0][0]
    joint.covariance[row, row] *= 0.01  # seen
    joint.mean[row, 1] = 2.5
    joint.mean[row, 2] = np.log(1e6)
    widening = Widening(process.filter, joint, Calibrated(process.filter, made, design_name(PARSED)))
    wide = widening.at(np.full(3, 12.0))
    assert widening.verdict(2).tolist() == [0, 3, 2]  # fine, outside calibration, outside the model's domain
    assert wide[2, 1] > 2.0 * wide[2, 0] > 0.0
    assert (wide[4] == 1.0).all()  # lactate is not calibrated
    assert widening.whole(2).all()
    widening.at(np.array([12.0, 12.5, 1.0]))
    assert widening.whole(2).tolist() == [True, False, True]
    assert widening.at(np.full(3, 13.0))[2].tolist() == [1.0] * 3


@pytest.mark.parametrize("calibrated", [False, True])
def test_a_run_that_was_hardly_measured_says_so_with_and_without_a_calibration(
    made: CalibrationSet, calibrated: bool
) -> None:
    script = Script()
    script.start(0, volume=2.0)
    script.read(60, biomass=(1.0, "10*6/mL"))
    config = {**(with_calibration(made) if calibrated else CONFIG), "forecast_seconds": 60}
    said = forecasts(config, script)[-1]
    assert said["process"]["verdict"] == "not enough data"
    assert said["process"]["end_of_run"] is None
    if calibrated:
        assert said["process"]["calibrated"]["glucose"]["verdict"] == "not enough data"
        assert "lactate" not in said["process"]["calibrated"]
    else:
        assert "calibrated" not in said["process"]


def test_the_leads_that_count_are_those_of_the_scalar_law(made: CalibrationSet) -> None:
    leads = made.states[0].leads
    some = (structs.replace(leads[0], factor=2.0), structs.replace(leads[1], factor=1.0))
    one = Calibration("d", "glucose", 0.9, 200, (*some, structs.replace(leads[1], lead_hours=24.0, factor=3.0)))
    hours = np.array([0.0, 5.9, 6.0, 6.1, 11.9, 12.0, 12.1, 24.0])
    place, within = nearest(one, hours)
    assert place.tolist() == [0, 0, 0, 0, 0, 1, 2, 2]
    assert [one.leads[k] for k in place.tolist()] == [one.at(float(hour)) for hour in hours]
    assert within.all()
    assert not nearest(one, np.array([24.1]))[1][0]


def test_frames_snapshots_and_refolds_change_nothing(made: CalibrationSet) -> None:
    script = Script()
    script.start(0, volume=2.0, planned_end=format_instant(BEGIN + 13 * HOUR))
    for hour in range(1, 4):
        script.read(hour * 3600, biomass=(1.0 + 0.02 * hour, "10*6/mL"))
    config = {**with_calibration(made), "forecast_seconds": 10800}
    model, records = BioreactorModel.from_config(config), records_of(script.events)
    checks.check_split_equals_whole(model, records, [2, 3])
    checks.check_snapshot_round_trip(model, records, 2)
    for one in forecasts(config, script):
        msgspec.convert(one, ForecastData)
        assert one["process"]["end_of_run"]["at"] == one["at"][-1]
        assert one["process"]["calibrated"]["glucose"]["whole"]


def test_a_calibration_is_part_of_the_models_name_and_none_leaves_it(made: CalibrationSet) -> None:
    plain, calibrated = BioreactorModel.from_config(CONFIG), BioreactorModel.from_config(with_calibration(made))
    null = BioreactorModel.from_config({**CONFIG, "process": {**SECTION, "calibration": None}})
    assert plain.name == null.name != calibrated.name
    assert plain.name == "growth@1+87bc0e9709"  # what it was before there were any
    other = structs.replace(made, made=structs.replace(made.made, seed=12))
    assert BioreactorModel.from_config(with_calibration(other)).name != calibrated.name


def test_what_does_not_fit_is_refused(made: CalibrationSet) -> None:
    document = with_calibration(made)
    document["process"] = {**document["process"], "unsure": {"mu_m": 0.2, "Y_XS": 0.05}}
    with pytest.raises(SettingsError, match=r"expected a calibration of the design cho_xing@1\+.*twinstream calibrate"):
        read_config(document)
    one = made.states[0]
    for states, said in (
        ((), "each state once"),
        ((one, one), "each state once"),
        ((structs.replace(one, state="sugar"),), "state of the model"),
        ((structs.replace(one, coverage=0.8),), "90%"),
        ((structs.replace(one, leads=one.leads[::-1]),), "leads that rise"),
        ((structs.replace(one, leads=(structs.replace(one.leads[0], centre=(0.0,)),)),), "rows"),
        ((structs.replace(one, leads=(structs.replace(one.leads[0], factor=0.0),)),), "factor above 0"),
    ):
        with pytest.raises(SettingsError, match=said):
            read_config(with_calibration(structs.replace(made, states=states)))


def test_what_cannot_be_calibrated_is_refused() -> None:
    process = Process(PARSED)
    for changed, states, said in (
        ({}, ("sugar",), "states of cho_xing"),
        ({}, (), "states of cho_xing"),
        ({"hours": 20}, STATES, "24 or more"),
        ({"hours": 30.5}, STATES, "whole hours"),
        ({"signal_minutes": 7}, STATES, "divide 60"),
        ({"runs": 100_000, "hours": 240}, STATES, "at most 10000000 steps"),
    ):
        with pytest.raises(SettingsError, match=said):
            check(process, structs.replace(MADE, **changed), states)
    assert leads_of(24) == (6.0, 12.0)


def test_runs_are_those_of_their_seed_and_fed_as_planned() -> None:
    section = structs.replace(PARSED, feed={"glucose": 600.0})
    process, few = Process(section), structs.replace(MADE, runs=3, feed_litres_per_hour=0.01)
    begun, again, other = (Truth(process, few, np.random.default_rng(seed)) for seed in (11, 11, 12))
    assert begun.x.tobytes() == again.x.tobytes() != other.x.tobytes()
    runs = follow(process, few)
    # 0.01 L/h of 600 mmol/L into 2 L for 24 h: some 70 mmol/L, less what the volume dilutes and the cells take up
    assert np.all(runs.truth[2, -1] > 25.0 + 30.0)
    late = int(np.argmax(runs.origins[1]))
    expected = runs.later[1].mean[2, late]  # a glucose that was fed on is expected to be fed on
    assert expected == pytest.approx(runs.truth[2, runs.origins[1, late] + 12, late], rel=0.1)
