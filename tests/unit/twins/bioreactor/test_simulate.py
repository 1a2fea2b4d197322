"""A simulation: what is asked is what comes, the same each time, and what cannot be served is said where it stands."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from twins.bioreactor.models import MODELS
from twins.bioreactor.simulate import simulate
from twins.bioreactor.simulation_inputs import read_inputs
from twins.bioreactor.timeline import stretches


def spec(
    model: str = "cho_xing", horizon: float = 24.0, *, draws: int = 1, seed: int = 1, **rest: Any
) -> SimulationSpec:
    parameters = rest.pop("parameters", {})
    return SimulationSpec("bioreactor", model, parameters, seed, draws, horizon, rest)


def run(*arguments: Any, **rest: Any) -> dict[str, Any]:
    return simulate(spec(*arguments, **rest), MODELS)


def values(result: dict[str, Any], name: str) -> list[float]:
    found = {**result["states"], **result["outputs"]}[name]["values"]
    assert isinstance(found, list)
    return found


def test_the_result_says_what_it_is_in_which_units_and_from_where() -> None:
    result = run(parameters={"mu_m": 0.03}, report_every_hours=12.0)
    assert result["model"] == "cho_xing@1"
    assert set(result["versions"]) == {"model", "numpy", "scipy"}
    assert result["times_hours"] == [0.0, 12.0, 24.0]
    assert result["states"]["glucose"]["unit"] == "mmol/L"
    assert result["outputs"]["viability"]["values"][0] == 100.0
    assert result["parameters"]["mu_m"] == {"value": 0.03, "unit": "/h", "source": "specification"}
    assert result["parameters"]["K_S"]["source"].startswith("Xing")
    assert result["method"] == {"name": "adaptive LSODA", "rtol": 1e-8, "atol_of_scale": pytest.approx(1e-11)}
    again = msgspec.convert(result["specification"], SimulationSpec)
    assert simulate(again, MODELS) == result


@pytest.mark.parametrize("method", ["adaptive", "rk4"])
def test_the_same_specification_gives_the_same_bytes(method: str) -> None:
    asked = spec("t_cell", 30.0, draws=7, method=method, report_every_hours=6.0)
    one, two = (msgspec.json.encode(simulate(asked, MODELS), order="sorted") for _ in range(2))
    assert one == two
    assert msgspec.json.encode(json.loads(one), order="sorted") == one
    assert b"null" not in one


def test_fixed_steps_and_the_accurate_solution_agree_with_everything_in_it() -> None:
    """Feeds that overlap and rise, boluses, samples, changes: 1e-5 of the largest value, the step being held twice."""
    rest: dict[str, Any] = {
        "feeds": [
            {"from_hour": 2.0, "to_hour": 20.0, "rate_litres_per_hour": 0.004, "rise_per_hour": 0.1},
            {"from_hour": 5.0, "to_hour": 9.0, "rate_litres_per_hour": 0.01, "composition": {"ethanol": 20.0}},
        ],
        "boluses": [{"at_hour": 7.5, "volume_litres": 0.05, "composition": {"glucose": 100.0, "biomass": 3.0}}],
        "samples": [{"at_hour": 7.5, "volume_litres": 0.1}, {"at_hour": 12.0, "volume_litres": 0.05}],
        "conditions": {"evaporation_rate": 0.001},
        "changes": [{"at_hour": 10.0, "conditions": {"evaporation_rate": 0.005}}],
        "report_every_hours": 2.5,
    }
    accurate, fixed = run("yeast", 20.0, **rest), run("yeast", 20.0, **rest, method="rk4")
    for name in accurate["states"]:
        one, two = values(accurate, name), values(fixed, name)
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-4 * max(one))
    assert fixed["method"] == {"name": "rk4", "step_hours": 1 / 720}


def test_volume_and_mass_are_booked_over_feeds_boluses_and_samples() -> None:
    """Without cells nothing reacts but glutamine: glucose is what was put in, less what was drawn."""
    result = run(
        horizon=20.0,
        initial={"viable_cells": 0.0, "glucose": 10.0, "volume": 2.0},
        feeds=[{"from_hour": 1.0, "to_hour": 3.0, "rate_litres_per_hour": 0.1, "composition": {"glucose": 100.0}}],
        samples=[{"at_hour": 5.0, "volume_litres": 0.2}],
        boluses=[{"at_hour": 5.0, "volume_litres": 0.5, "composition": {"glucose": 40.0}}],
        conditions={"evaporation_rate": 0.01},
        report_at_hours=[5.0, 5.001, 20.0],
    )
    volume, glucose = values(result, "volume"), values(result, "glucose")
    before = 2.0 + 0.2 - 0.05
    assert volume[0] == pytest.approx(before, rel=1e-9)  # at the hour itself: what was there before
    mass = 10.0 * 2.0 + 100.0 * 0.2
    assert glucose[0] * volume[0] == pytest.approx(mass, rel=1e-8)
    mass = mass * (before - 0.2) / before + 40.0 * 0.5
    assert volume[-1] == pytest.approx(before - 0.2 + 0.5 - 0.15, rel=1e-9)
    assert glucose[-1] * volume[-1] == pytest.approx(mass, rel=1e-8)


def test_a_feed_without_composition_is_the_models_own_medium() -> None:
    feed = {"from_hour": 0.0, "to_hour": 1.0, "rate_litres_per_hour": 0.1}
    assert values(run(horizon=1.0, initial={"viable_cells": 0.0}, feeds=[feed]), "glucose")[-1] == pytest.approx(
        (25.0 + 653.0 * 0.1) / 1.1, rel=1e-8
    )
    own = {**feed, "composition": {"glutamine": 10.0}}
    result = run(horizon=1.0, initial={"viable_cells": 0.0}, feeds=[own])
    assert values(result, "glucose")[-1] == pytest.approx(25.0 / 1.1, rel=1e-8)


def test_feeds_side_by_side_are_one_of_their_mixture() -> None:
    inputs = read_inputs(
        {
            "feeds": [
                {"from_hour": 0, "to_hour": 2, "rate_litres_per_hour": 0.1, "composition": {"glucose": 30.0}},
                {"from_hour": 1, "to_hour": 2, "rate_litres_per_hour": 0.2, "composition": {"glucose": 60.0}},
                {"from_hour": 1, "to_hour": 2, "rate_litres_per_hour": 0.0, "composition": {"glucose": 999.0}},
            ]
        },
        MODELS["cho_xing"],
        3.0,
    )
    laid = stretches(inputs, MODELS["cho_xing"], 3.0)
    assert [(one.begin, one.end) for one in laid] == [(0, 1), (1, 2), (2, 3)]
    assert laid[0].inputs(0.5)[[0, 2]].tolist() == pytest.approx([0.1, 30.0])
    assert laid[1].inputs(1.5)[[0, 2]].tolist() == pytest.approx([0.3, 50.0])
    assert laid[2].inputs(2.5)[[0, 2]].tolist() == [0.0, 0.0]


def test_conditions_change_when_they_are_said_to() -> None:
    result = run(
        "pensim", 4.0, changes=[{"at_hour": 2.0, "conditions": {"temperature": 303.0}}], report_every_hours=1.0
    )
    loss = values(result, "water_loss")
    assert loss[2] == pytest.approx(0.0622, abs=1e-3)
    assert loss[3] == pytest.approx(0.0868, abs=1e-3)  # 2.5e-4 (e^1.5 - 1) of some 99.8 L


def test_draws_vary_what_is_to_vary_and_are_the_same_whatever_their_number() -> None:
    few = run(draws=20, spread={"mu_m": 0.1}, report_every_hours=12.0)
    many = run(draws=40, spread={"mu_m": 0.1}, report_every_hours=12.0)
    other = run(draws=20, seed=2, spread={"mu_m": 0.1}, report_every_hours=12.0)
    cells = few["states"]["viable_cells"]
    assert cells["final"] == many["states"]["viable_cells"]["final"][:20]
    assert cells["final"] != other["states"]["viable_cells"]["final"]
    assert len(set(cells["final"])) == 20
    assert cells["mean"][-1] == pytest.approx(np.mean(cells["final"]))
    ordered = [cells["quantiles"][level][-1] for level in ("0.05", "0.25", "0.50", "0.75", "0.95")]
    assert ordered == sorted(ordered)
    assert ordered[0] > min(cells["final"])
    assert few["parameters"]["mu_m"]["spread"] == 0.1


def test_draws_are_log_normal_with_the_mean_kept() -> None:
    """1,000 draws of a growth rate with 20 %: its mean within 3 standard errors, 1.9 %; growth for an hour shows it."""
    result = run("e_coli", 0.1, draws=1000, seed=5, spread={"qSmax": 0.2}, method="rk4", report_at_hours=[0.1])
    rates = np.array(result["outputs"]["growth_rate"]["final"])
    alone = run("e_coli", 0.1, report_at_hours=[0.1])["outputs"]["growth_rate"]["values"][0]
    assert rates.mean() == pytest.approx(alone, rel=0.02)
    assert rates.std() / rates.mean() == pytest.approx(0.18, abs=0.03)


def test_donors_differ_unless_they_are_not_to() -> None:
    donors = run("t_cell", 48.0, draws=30, method="rk4", report_at_hours=[48.0])
    assert set(donors["specification"]["inputs"]) == {"method", "report_at_hours"}
    assert {name for name, one in donors["parameters"].items() if "spread" in one} == {"rg", "bi", "rc", "rd"}
    same = run("t_cell", 48.0, draws=3, spread={}, method="rk4", report_at_hours=[48.0])
    assert len(set(same["states"]["viable_cells"]["final"])) == 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "kind": ({"kind": "enrollment"}, "expected the kind bioreactor"),
    "model": ({"model": "hek"}, "a model among"),
    "parameter": ({"parameters": {"mu_max": 0.1}}, "a parameter of cho_xing"),
    "parameter range": ({"parameters": {"mu_m": -1.0}}, "mu_m between"),
    "field": ({"inputs": {"intial": {}}}, "unknown field `intial`"),
    "initial name": ({"inputs": {"initial": {"glucos": 1.0}}}, "inputs.initial"),
    "initial below 0": ({"inputs": {"initial": {"glucose": -1.0}}}, "glucose 0 or more"),
    "no volume": ({"inputs": {"initial": {"volume": 0.0}}}, "volume above 0"),
    "condition": ({"inputs": {"conditions": {"temperature": 310.0}}}, "inputs.conditions"),
    "condition range": ({"model": "pensim", "inputs": {"conditions": {"temperature": 25.0}}}, "between 273 and 373 K"),
    "change": ({"inputs": {"changes": [{"at_hour": 1, "conditions": {"ph": 7}}]}}, r"inputs.changes\[0\]"),
    "feed backwards": (
        {"inputs": {"feeds": [{"from_hour": 2, "to_hour": 1, "rate_litres_per_hour": 1}]}}, "to_hour after from_hour 2",
    ),
    "feed of what": (
        {"inputs": {"feeds": [{"from_hour": 0, "to_hour": 1, "rate_litres_per_hour": 1, "composition": {"gold": 1}}]}},
        r"received 'gold', in inputs.feeds\[0\]",
    ),
    "feed out of hand": (
        {"inputs": {"feeds": [{"from_hour": 0, "to_hour": 1e4, "rate_litres_per_hour": 1, "rise_per_hour": 10}]}},
        "rises beyond",
    ),
    "bolus of what": (
        {"inputs": {"boluses": [{"at_hour": 0, "volume_litres": 1, "composition": {"volume": 1}}]}}, r"boluses\[0\]",
    ),
    "sample too large": (
        {"inputs": {"samples": [{"at_hour": 1, "volume_litres": 1.0}]}}, "a sample of less than the 1 L that are there",
    ),
    "report twice": ({"inputs": {"report_every_hours": 1, "report_at_hours": [1]}}, "received both"),
    "report never": ({"inputs": {"report_at_hours": []}}, "within the horizon"),
    "report beyond": ({"inputs": {"report_at_hours": [25.0]}}, "within the horizon of 24 h"),
    "report too often": ({"inputs": {"report_every_hours": 1e-9}}, "at most 20000 reports"),
    "too much": ({"draws": 1_000_000, "inputs": {"spread": {"mu_m": 0.1}}}, "at most 20000000 numbers"),
    "too many steps": ({"inputs": {"method": "rk4", "step_hours": 1e-9}}, "at most 10000000 steps"),
    "draws of nothing": ({"draws": 5}, "a spread: cho_xing documents none"),
    "spread of what": ({"draws": 5, "inputs": {"spread": {"mu": 0.1}}}, "a parameter of cho_xing"),
    "horizon": ({"horizon": 1e9}, "a horizon up to 100000 h"),
    "rtol": ({"inputs": {"rtol": 1.0}}, "rtol"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(WRONG))
def test_what_cannot_be_served_is_said_where_it_stands(case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(SettingsError, match=message):
        simulate(msgspec.structs.replace(spec(), **changes), MODELS)
