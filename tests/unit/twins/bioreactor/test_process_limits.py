"""Limits on what a process model expects: probabilities, instants, alerts, units."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.effects import ForecastData
from schemas.errors import SettingsError
from schemas.instants import HOUR, SECOND, parse_instant
from tests.unit.twins.bioreactor.script import Script, records_of
from twins.bioreactor import BioreactorModel
from twins.bioreactor.config import read_config, rules_of
from twins.bioreactor.forecast import NORMAL, first_beyond
from twins.bioreactor.process import Process
from twins.bioreactor.process_emit import process_forecast
from twins.bioreactor.process_limits import LEVELS, LimitsAhead
from twins.bioreactor.process_section import ProcessSection
from twins.checks import fold

SECTION: dict[str, Any] = {
    "model": "cho_xing",
    "channels": [{"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.05}],
    "unsure": {"mu_m": 0.2, "Y_XS": 0.2},
    "initial": {"viable_cells": 2e9, "glucose": 12.0},
}
POINTS = 25
N = 7


def rules_for(*predicted: dict[str, Any]) -> dict[str, Any]:
    return {"process": SECTION, "limits": [], "predicted": list(predicted), "silence_minutes": 0}


def ahead(seed: int, which: slice, **limit: Any) -> tuple[LimitsAhead, list[dict[str, Any] | None]]:
    """Forecast N runs of different beginnings over different horizons; those of `which` alone."""
    config = read_config(rules_for(limit))
    process = Process(msgspec.convert(SECTION, ProcessSection))
    rng = np.random.default_rng(seed)
    m, litres = np.repeat(process.beginning, N, axis=1), rng.uniform(1.0, 3.0, N)
    for j in range(N):
        process.begin(m, j, 0, float(litres[j]))
        m[process.places.mean, j] += 0.5 * rng.standard_normal()
    at = (np.arange(POINTS)[:, None] * rng.uniform(0.5, 2.5, N) * HOUR).astype(np.int64)
    m, litres = np.ascontiguousarray(m[:, which]), litres[which]
    at = np.ascontiguousarray(at[:, which])
    rules = [rule for rule in rules_of(config) if rule.kind == "predicted"]
    limits = LimitsAhead(process, rules, at)
    return limits, process_forecast(process, m, litres, at[1:], np.array(NORMAL), limits)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32), low=st.floats(1.0, 10.0))
def test_probability_and_instants_agree_with_the_forecasts_own_quantiles(seed: int, low: float) -> None:
    limits, said = ahead(seed, slice(None), tag="process.glucose", low=low)
    told = limits.told(limits.rules[0])
    for j, one in enumerate(said):
        assert one is not None
        glucose = np.array(one["values"]["glucose"])  # (points, 5 quantiles): 5, 25, 50, 75, 95 %
        for quantile, place, level in ((0.05, 0, 0), (0.5, 2, 1), (0.95, 4, 2)):
            below = glucose[:, place] < low
            instant = int(told.instants[level, j])
            assert (instant >= 0) == bool(below.any()), (seed, j, quantile)
            if below.any():
                first = int(np.argmax(below))
                assert limits._at[first, j] <= instant <= limits._at[first + 1, j]
            assert (told.probability[j] > quantile) == bool(below.any())


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32), tag=st.sampled_from(["glucose", "viability", "lactate"]), high=st.booleans())
def test_levels_are_reached_in_their_order(seed: int, tag: str, high: bool) -> None:
    bound = {"glucose": 6.0, "viability": 95.0, "lactate": 8.0}[tag]
    limits, _ = ahead(seed, slice(None), tag=f"process.{tag}", **{"high" if high else "low": bound})
    told = limits.told(limits.rules[0])
    assert ((told.probability >= 0.0) & (told.probability <= 1.0)).all()
    for j in range(N):
        reached = [one for one in told.instants[:, j].tolist() if one >= 0]
        assert reached == sorted(reached)
        never = (told.instants[:, j] < 0).tolist()
        assert never == sorted(never), "a higher probability is reached, and a lower one is not"
        for level, instant in zip(LEVELS, told.instants[:, j].tolist(), strict=True):
            # 1e-9: an output's probability is read off its quantiles by a line, so they agree but for rounding
            assert (told.probability[j] > level - 1e-9) if instant >= 0 else (told.probability[j] < level + 1e-9)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32), unit=st.integers(0, N - 1), tag=st.sampled_from(["glucose", "viability"]))
def test_a_unit_is_told_the_same_alone_and_among_others(seed: int, unit: int, tag: str) -> None:
    limit = {"tag": f"process.{tag}", "low": 7.0 if tag == "glucose" else 97.0}
    among, _ = ahead(seed, slice(None), **limit)
    alone, _ = ahead(seed, slice(unit, unit + 1), **limit)
    one, other = among.told(among.rules[0]), alone.told(alone.rules[0])
    assert one.probability[[unit]].tobytes() == other.probability.tobytes()
    assert (one.instants[:, [unit]] == other.instants).all()


def test_an_outputs_probability_is_that_of_its_draws() -> None:
    """Viability under 97 %, against 20,000 draws of the belief at the point where it is most likely."""
    limits, _ = ahead(3, slice(None), tag="process.viability", low=97.0)
    process = limits._process
    m = np.repeat(process.beginning, 1, axis=1)
    process.begin(m, 0, 0, 2.0)
    joint = process.read(m, np.array([0]), np.array([2.0]))
    u = process.inputs(1)
    process.filter.predict(joint, np.zeros(1), np.array([60.0]), u, 0.25)
    rule = limits.rules[0]
    print("seed 5")
    rng = np.random.default_rng(5)
    size = process.filter.layout.moving
    points = rng.multivariate_normal(joint.mean[:size, 0], joint.covariance[:size, :size, 0], 20_000).T
    x, p = process.filter.physical(points, np.full(20_000, joint.volume[0]))
    output = next(one for one in process.model.outputs if one.name == "viability")
    drawn = output.of(np, 0.0, x, u, p)
    middle = float(np.quantile(drawn, 0.3))
    probability, _ = limits._output(msgspec.structs.replace(rule, limit=middle), joint, "viability", u)
    # 0.05: the quadrature follows one direction of several (`outputs.py`)
    assert probability[0] == pytest.approx(0.3, abs=0.05)


def run(hours: int, feed_at: float | None = None) -> Script:
    script = Script()
    script.start(0, volume=2.0)
    for minute in range(60, hours * 60 + 1, 60):
        cells = 2.0 * float(np.exp(0.02 * minute / 60))
        if feed_at is not None and minute == feed_at * 60:
            script.feed(minute * 60 - 5, 0.2)
        script.read(minute * 60, biomass=(cells, "10*6/mL"))
    return script


CONFIG = rules_for({"tag": "process.glucose", "low": 2000.0, "unit": "umol/L", "raise_at": 0.7, "clear_at": 0.3}) | {
    "horizon_hours": 24,
    "forecast_seconds": 3600,
    "estimate_seconds": 86400,
}


def test_a_substrate_that_will_run_out_is_said_beforehand_and_cleared_once_fed() -> None:
    folded = fold(BioreactorModel.from_config(CONFIG), records_of(run(30, feed_at=20).events))
    alerts = [one.data | {"at": one.event_time} for one in folded.effects if one.kind == "alert"]
    assert [(one["rule"], one["action"]) for one in alerts] == [
        ("process.glucose.low.predicted", "raise"),
        ("process.glucose.low.predicted", "clear"),
    ]
    raised = alerts[0]
    assert (raised["unit"], raised["limit"]) == ("mmol/L", 2.0)
    assert raised["probability"] >= 0.7
    assert raised["expected_at"] > raised["at"]
    assert "process.glucose is expected to be below 2 mmol/L" in raised["message"]
    forecasts = [one for one in folded.effects if one.kind == "forecast"]
    msgspec.convert(forecasts[-1].data, ForecastData)
    told = next(one for one in forecasts if one.event_time == raised["at"]).data["process"]["limits"]["glucose.low"]
    assert told["quantiles"] == [0.05, 0.5, 0.95]
    assert told["probability"] == raised["probability"]
    # `expected_at` is said to the microsecond, the instants to the second
    assert abs(parse_instant(told["reached_at"][1]) - parse_instant(raised["expected_at"])) <= SECOND


def test_without_such_limits_a_forecast_and_its_model_are_as_they_were() -> None:
    plain = {**CONFIG, "predicted": []}
    folded = fold(BioreactorModel.from_config(plain), records_of(run(2).events))
    said = [one.data for one in folded.effects if one.kind == "forecast"]
    assert said
    assert all("limits" not in one["process"] and "advice" not in one for one in said)
    same = {**plain, "advice": None, "triggers": None}
    assert BioreactorModel.from_config(plain).name == BioreactorModel.from_config(same).name
    assert BioreactorModel.from_config(plain).name != BioreactorModel.from_config(CONFIG).name
    assert BioreactorModel().name == "growth@1+ee17e93b3c"  # what it was before there were any


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"tag": "process.sugar", "low": 1.0}, "process.glucose"),
        ({"tag": "process.volume", "low": 1.0}, "forecast"),
        ({"tag": "process.glucose", "low": 1.0, "unit": "g/L"}, "mmol/L"),
        ({"tag": "process.glucose", "low": 0.0}, "above 0"),
        ({"tag": "process.glucose"}, "low or high"),
        ({"tag": "process.viability", "low": 90.0, "unit": "mmol/L"}, "%"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(limit: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_config(rules_for(limit))


def test_a_limit_on_a_model_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected a tag that is forecast"):
        read_config({"predicted": [{"tag": "process.glucose", "low": 1.0}]})


def test_limits_are_said_in_the_unit_that_is_said_of_the_state() -> None:
    rule = rules_of(read_config(rules_for({"tag": "process.viable_cells", "high": 2e7, "unit": "/mL"})))[0]
    assert (rule.limit, rule.unit, rule.name) == (20.0, "10*6/mL", "process.viable_cells.high.predicted")


def test_first_beyond_is_between_the_points() -> None:
    at: NDArray[np.int64] = np.array([[0, 0, 0], [100, 100, 100]])
    found = first_beyond(at, np.array([[-1.0, -1.0, 0.5], [1.0, -0.5, 1.0]]))
    assert found.tolist() == [50, -1, 0]


def test_a_twin_without_a_run_is_told_nothing() -> None:
    model = BioreactorModel.from_config(CONFIG)
    script = Script()
    for minute in range(1, 120):
        script.read(minute * 60, biomass=(1.0, "10*6/mL"))
    folded = fold(model, records_of(script.events))
    forecasts = [one.data for one in folded.effects if one.kind == "forecast"]
    assert forecasts
    assert all(one["process"] is None for one in forecasts)
    assert not [one for one in folded.effects if one.kind == "alert"]
