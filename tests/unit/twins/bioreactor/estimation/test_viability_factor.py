"""A capacitance that counts dead cells too: the factor by viability, learned and not, and off."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import structs

from schemas.errors import SettingsError
from schemas.instants import MINUTE
from tests.unit.twins.bioreactor.script import Script, records_of
from twins.bioreactor import BioreactorModel
from twins.bioreactor.calibrated import Made
from twins.bioreactor.calibrating import Truth
from twins.bioreactor.estimation.joint import Joint, JointFilter
from twins.bioreactor.estimation.measurement import expect, ln_gain, update
from twins.bioreactor.process import Process
from twins.bioreactor.process_section import ProcessSection, design_of
from twins.checks import fold

SECTION: dict[str, Any] = {
    "model": "cho_xing",
    "parameters": {"mu_dm": 0.12},  # a culture of 70 % after a day
    "channels": [
        {"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.03,
         "viability_factor": 0.5, "viability_factor_sd": 0.3},
        {"tag": "biomass", "by": "assay", "state": "viable_cells", "relative": 0.1},
    ],
    "unsure": {"mu_dm": 0.3},
    "initial": {"viable_cells": 3e9, "lactate": 20.0, "ammonia": 4.0},
}  # fmt: skip
WITH = msgspec.convert(SECTION, ProcessSection)
PLAIN = structs.replace(
    WITH, channels=(structs.replace(WITH.channels[0], viability_factor=0.0, viability_factor_sd=0.0), WITH.channels[1])
)
RUNS, HOURS = 40, 26


def test_viable_cells_are_estimated_better_with_the_factor_and_intervals_hold() -> None:
    """40 runs of 26 h, of which the probe sees 1 + k (1 - viability) with k 0.5 +/- 0.3; a count each 12 h."""
    print("seed 21")
    made = Made(21, RUNS, HOURS, 60, 12, 2.0, 0.0, 1.0)
    knowing, plain = Process(WITH), Process(PLAIN)
    truth = Truth(knowing, made, np.random.default_rng(21))
    beliefs = {}
    for name, process in (("with", knowing), ("without", plain)):
        beliefs[name] = np.repeat(process.beginning, RUNS, axis=1)
        for j in range(RUNS):
            process.begin(beliefs[name], j, 0, 2.0)
    litres, yes = np.full(RUNS, 2.0), np.ones(RUNS, dtype=np.bool_)
    errors: dict[str, list[np.ndarray[Any, Any]]] = {"with": [], "without": []}
    held = []
    for hour in range(1, HOURS + 1):
        truth.advance(1.0)
        times = np.full(RUNS, hour * 60 * MINUTE)
        signal, count = truth.measure("biomass"), truth.measure("biomass assay")
        for name, process in (("with", knowing), ("without", plain)):
            process.signal(beliefs[name], times, litres, signal, np.ones(RUNS), yes)
            if hour % 12 == 0:
                place = process.tags["biomass assay"]
                process._take(beliefs[name], place, times, litres, count, np.ones(RUNS), yes)
            joint = process.read(beliefs[name], np.arange(RUNS), litres)
            if hour > 12:
                errors[name].append(process.filter.means(joint)[0] / truth.x[0] - 1.0)
        if hour == 24:
            joint = knowing.read(beliefs["with"], np.arange(RUNS), litres)
            low, high = knowing.filter.quantiles(joint, np.array([-1.645, 1.645]))[:, 0]
            held.append((low <= truth.x[0]) & (truth.x[0] <= high))
    share = truth.x[1] / (truth.x[0] + truth.x[1])
    rms = {name: float(np.sqrt(np.mean(np.square(one)))) for name, one in errors.items()}
    print(rms, float(np.mean(held)), share.mean())
    assert share.mean() > 0.2
    assert rms["with"] < 0.6 * rms["without"]
    assert 0.75 <= np.mean(held) <= 0.99  # one interval of each of 40 runs: three standard errors
    row = knowing.filter.layout.factors[0]
    joint = knowing.read(beliefs["with"], np.arange(RUNS), litres)
    assert np.sqrt(joint.covariance[row, row]).mean() < 0.8 * 0.3  # something was learned of it


def points(n: int = 3) -> tuple[JointFilter, Joint]:
    filter_ = JointFilter(design_of(WITH))
    x = np.array([[s.initial] for s in filter_.states])
    x[0], x[1] = 4e9, 1e9
    joint = filter_.start(np.repeat(x, n, axis=1), np.ones(n))
    rng = np.random.default_rng(3)
    joint.mean += 0.1 * rng.standard_normal(joint.mean.shape)
    return filter_, joint


def test_slopes_are_those_of_the_factor() -> None:
    filter_, joint = points()
    total, parts = ln_gain(filter_, joint.mean, 0)
    x, xd = filter_.means(joint)[:2]
    factor, gain = filter_.layout.factors[0], filter_.layout.gains[0]
    k = 0.5 + joint.mean[factor]
    assert total == pytest.approx(joint.mean[gain] + np.log(1.0 + k * xd / (x + xd)), rel=1e-12)
    for row in {row for row, _ in parts}:
        moved = joint.mean.copy()
        moved[row] += 1e-6
        slope = (ln_gain(filter_, moved, 0)[0] - total) / 1e-6
        assert sum(weight for one, weight in parts if one == row) == pytest.approx(slope, rel=1e-4)


def test_what_is_expected_is_what_draws_show() -> None:
    """20,000 draws: mean to 1 %, standard deviation to 3 %."""
    filter_, joint = points(1)
    said = expect(joint, filter_, 0)
    rng = np.random.default_rng(4)
    drawn = rng.multivariate_normal(joint.mean[:, 0], joint.covariance[:, :, 0], 20_000).T
    x, _ = filter_.physical(drawn[: filter_.layout.moving], np.ones(20_000))
    y = x[0] * np.exp(ln_gain(filter_, drawn, 0)[0])
    assert said.value[0] == pytest.approx(y.mean(), rel=0.01)
    again = joint.copy()
    yes = np.ones(1, dtype=np.bool_)
    judged = update(again, filter_, 0, y[:1], yes, np.full(1, 1e12), ~yes)
    assert np.sqrt(judged.variance[0]) == pytest.approx(y.std(), rel=0.03)
    assert np.linalg.eigvalsh(again.covariance[:, :, 0]).min() > -1e-12


def test_a_gate_that_opens_sets_the_viable_cells_behind_the_factor() -> None:
    filter_, joint = points(1)
    joint.covariance *= 1e-4
    yes = np.ones(1, dtype=np.bool_)
    judged = update(joint, filter_, 0, np.array([8e10]), yes, np.ones(1), yes)
    assert judged.accepted[0]
    assert 5e10 < filter_.means(joint)[0, 0] < 9e10
    assert np.linalg.eigvalsh(joint.covariance[:, :, 0]).min() > -1e-12


def test_without_it_nothing_changes_and_with_it_estimates_say_it() -> None:
    plain = {**SECTION, "channels": [{k: v for k, v in one.items() if not k.startswith("viability")}
                                     for one in SECTION["channels"]]}  # fmt: skip
    one, zero = ({"process": section} for section in (plain, msgspec.to_builtins(PLAIN)))
    assert BioreactorModel.from_config(one).name == BioreactorModel.from_config(zero).name
    assert BioreactorModel.from_config({"process": SECTION}).name != BioreactorModel.from_config(one).name
    script = Script()
    script.start(0, volume=2.0)
    script.read(60, biomass=(3.0, "10*6/mL"))
    for config, there in (({"process": SECTION}, True), (one, False)):
        said = [e.data for e in fold(BioreactorModel.from_config(config), records_of(script.events)).effects]
        health = [data["process"]["channels"] for data in said if "channels" in (data.get("process") or {})][-1]
        assert ("viability_factor" in health["biomass"]) is there


@pytest.mark.parametrize("state", ["glucose", "dead_cells"])
def test_a_factor_of_anything_but_viable_cells_is_refused(state: str) -> None:
    channel = {"tag": "signal", "by": "assay", "state": state, "relative": 0.02, "viability_factor": 0.2}
    with pytest.raises(SettingsError, match="channel of viable_cells"):
        design_of(msgspec.convert({**SECTION, "channels": [channel]}, ProcessSection))
