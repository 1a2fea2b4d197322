"""What must hold whatever the run: balances of mass, nitrogen, carbon, electrons and volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from twins.bioreactor.models import MODELS, ProcessModel
from twins.bioreactor.models import yeast as y
from twins.bioreactor.models.solve import solve

Floats = NDArray[np.float64]
HOURS = np.linspace(0.0, 200.0, 41)[1:]


def run(
    name: str, hours: Floats = HOURS, *, changed: dict[str, float] | None = None, **inputs: float
) -> dict[str, Any]:
    """Solve from the initial values, and give each state by its name, the first value included."""
    model = MODELS[name]
    x = np.array([state.initial for state in model.states])
    u = vector(model, inputs)
    p = np.array([(changed or {}).get(one.name, one.value) for one in model.parameters])
    found, _ = solve(model, (0.0, float(hours[-1])), x, lambda t: u, p, list(hours))
    return dict(zip([state.name for state in model.states], np.column_stack([x, found]), strict=True))


def vector(model: ProcessModel, inputs: dict[str, float]) -> Floats:
    return np.array([inputs.get(one.name, one.default) for one in model.inputs])


def test_lactate_is_what_glucose_became() -> None:
    """Exact for the published form while glucose lasts; ours keeps it for ever."""
    found = run("cho_xing")
    assert found["glucose"][-1] < 1e-3  # the run goes beyond depletion
    np.testing.assert_allclose(found["lactate"], 1.23 * (25.0 - found["glucose"]), rtol=0, atol=1e-7)


def test_lactate_is_what_glucose_became_in_the_second_form() -> None:
    found = run("cho_duran")
    np.testing.assert_allclose(found["lactate"], 2.0 * (25.0 - found["glucose"]), rtol=0, atol=1e-7)


def test_nitrogen_closes_in_the_second_form() -> None:
    """With all of the nitrogen taken up excreted (Yaq 1), glutamine and ammonia together stay, fed or not."""
    found = run("cho_duran", changed={"Yaq": 1.0}, feed_rate=1e-3)
    nitrogen = (found["glutamine"] + found["ammonia"]) * found["volume"]
    fed = 58.8 * (found["volume"] - 1.0)
    np.testing.assert_allclose(nitrogen, 4.0 + fed, rtol=1e-7)


def test_glutamine_that_decays_without_cells_is_all_ammonia() -> None:
    """The published code takes ten times more glutamine away (Kdmax) than it gives ammonia (Kdq)."""
    model = MODELS["cho_duran"]
    x = np.array([0.0, 0.0, 25.0, 4.0, 0.0, 1.0, 0.0, 1.0])
    p = np.array([one.value for one in model.parameters])
    rates = model.rates(np, 0.0, x, vector(model, {}), p)
    assert rates[3] == -rates[5] == -0.001 * 4.0


@pytest.mark.parametrize("name", ["cho_xing", "cho_duran", "yeast", "e_coli"])
@settings(max_examples=15)
@given(feed=st.floats(0, 0.02), evaporation=st.floats(0, 0.005))
def test_volume_is_what_went_in_and_out(name: str, feed: float, evaporation: float) -> None:
    model = MODELS[name]
    start = next(state.initial for state in model.states if state.name == "volume")
    found = run(name, np.array([10.0]), feed_rate=feed, evaporation_rate=evaporation)
    assert found["volume"][-1] == pytest.approx(start + 10.0 * (feed - evaporation), rel=1e-9)


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"pensim"}))  # whose water loss is its own
def test_evaporation_and_feed_of_water_keep_every_mass(name: str) -> None:
    """What flows do to a concentration, they do by its volume alone: the rate of c V does not feel them."""
    model = MODELS[name]
    p = np.array([one.value for one in model.parameters])
    x = np.array([state.initial + state.scale for state in model.states])
    water = {one.name: 0.0 for one in model.inputs if one.name.startswith("feed_")}
    still = model.rates(np, 0.0, x, vector(model, {**water}), p)
    flowing = model.rates(np, 0.0, x, vector(model, {**water, "feed_rate": 0.3, "evaporation_rate": 0.1}), p)
    place = [state.name for state in model.states].index("volume")
    for row, state in enumerate(model.states):
        if state.role == "concentration":
            mass = flowing[row] * x[place] + x[row] * flowing[place]
            assert mass == pytest.approx(still[row] * x[place], rel=1e-12, abs=1e-14 * x[row])


def _with_gas(
    name: str, names: Sequence[str], hours: float, **inputs: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Solve with the outputs `names` integrated beside [mmol]; give the states at the end, and those sums."""
    model = MODELS[name]
    u = vector(model, inputs)
    p = np.array([one.value for one in model.parameters])
    gases = [next(output for output in model.outputs if output.name == one) for one in names]
    count = len(model.states)

    def derivative(t: float, z: Floats) -> Floats:
        x = np.maximum(z[:count], 0.0)
        made = [gas.of(np, t, x, u, p) * x[count - 1] for gas in gases]
        return np.concatenate([model.rates(np, t, x, u, p), made])

    start = [state.initial for state in model.states] + [0.0] * len(gases)
    found = solve_ivp(derivative, (0.0, hours), start, method="LSODA", rtol=1e-9, atol=1e-12).y[:, -1]
    states = dict(zip([state.name for state in model.states], found.tolist(), strict=False))
    return states, dict(zip(names, found[count:].tolist(), strict=True))


@pytest.mark.parametrize("hours", [2.0, 12.0, 24.0])
def test_carbon_and_electrons_close_in_yeast(hours: float) -> None:
    """Glucose fed and consumed is in biomass, ethanol and carbon dioxide; its electrons met oxygen or stayed."""
    gases = ("carbon_dioxide_evolution", "oxygen_uptake")
    end, gas = _with_gas("yeast", gases, hours, feed_rate=0.005)
    first = {state.name: state.initial for state in MODELS["yeast"].states}

    def content(x: dict[str, float], glucose: float, ethanol: float, biomass: float) -> float:
        return x["volume"] * (glucose * x["glucose"] + ethanol * x["ethanol"] + biomass * x["biomass"])

    fed = 500.0 * 0.005 * hours
    carbon = (y.GLUCOSE_CARBON, y.ETHANOL_CARBON, y.BIOMASS_CARBON)
    electrons = (y.GLUCOSE_ELECTRONS, y.ETHANOL_ELECTRONS, y.BIOMASS_ELECTRONS)
    burnt = gas["carbon_dioxide_evolution"] / 1000.0
    assert content(end, *carbon) + burnt == pytest.approx(content(first, *carbon) + carbon[0] * fed, rel=1e-7)
    taken = 4.0 * gas["oxygen_uptake"] / 1000.0
    assert content(end, *electrons) + taken == pytest.approx(content(first, *electrons) + electrons[0] * fed, rel=1e-7)


def test_carbon_closes_in_e_coli() -> None:
    end, gas = _with_gas("e_coli", ("carbon_dioxide_evolution",), 20.0, feed_rate=0.01)
    share = {one.name: one.value for one in MODELS["e_coli"].parameters}

    def content(x: dict[str, float]) -> float:
        return x["volume"] * (share["Cs"] * x["glucose"] + share["Ca"] * x["acetate"] + share["Cx"] * x["biomass"])

    first = {state.name: state.initial for state in MODELS["e_coli"].states}
    burnt = gas["carbon_dioxide_evolution"] / 1000.0 * 12.011
    assert content(end) + burnt == pytest.approx(content(first) + share["Cs"] * 300.0 * 0.01 * 20.0, rel=1e-7)


@given(
    name=st.sampled_from(["yeast", "e_coli"]),
    x=st.tuples(*[st.floats(0, 100)] * 3, st.floats(0.1, 10)),
)
def test_no_carbon_dioxide_is_taken_up(name: str, x: tuple[float, float, float, float]) -> None:
    """Yields that made more carbon than they get would show here."""
    model = MODELS[name]
    p = np.array([one.value for one in model.parameters])
    gas = next(output for output in model.outputs if output.name == "carbon_dioxide_evolution")
    assert gas.of(np, 0.0, np.array(x), vector(model, {}), p) >= -1e-9


def test_glucose_that_is_respired_has_a_quotient_just_above_one() -> None:
    """By hand: 1 g glucose gives 33.304 mmol C, 0.49 g biomass keeps 19.898; 12.40 mmol oxygen: 1.081."""
    model = MODELS["yeast"]
    p = np.array([one.value for one in model.parameters])
    quotient = next(output for output in model.outputs if output.name == "respiratory_quotient")
    assert quotient.of(np, 0.0, np.array([1.0, 0.01, 0.0, 1.0]), vector(model, {}), p) == pytest.approx(1.081, abs=1e-3)
    assert quotient.of(np, 0.0, np.array([1.0, 10.0, 0.0, 1.0]), vector(model, {}), p) > 2.0  # overflow
    assert quotient.of(np, 0.0, np.array([1.0, 0.0, 0.0, 1.0]), vector(model, {}), p) == 0.0


@pytest.mark.parametrize("name", list(MODELS))
@given(
    amounts=st.lists(st.one_of(st.just(0.0), st.floats(0, 1e3)), min_size=8, max_size=8),
    feed=st.sampled_from([0.0, 0.0, 0.3]),
)
def test_what_is_not_there_is_not_taken_away(name: str, amounts: list[float], feed: float) -> None:
    """Each state in turn at 0, the others anywhere: its rate is 0 or more. So no solution can fall below 0."""
    model = MODELS[name]
    p = np.array([one.value for one in model.parameters])
    x = np.array([state.scale for state in model.states]) * np.array(amounts[: len(model.states)])
    x[-1] = max(x[-1], 1e-3)
    for row, state in enumerate(model.states[:-1]):
        if state.coordinate != "linear":
            rates = model.rates(
                np, 0.0, np.where(np.arange(x.size) == row, 0.0, x), vector(model, {"feed_rate": feed}), p
            )
            assert rates[row] >= 0.0, state.name


def test_cells_that_die_are_not_lost() -> None:
    """T cells that do not grow: live and dead together stay, diluted by the feed."""
    found = run("t_cell", HOURS, changed={"rg": 0.0}, feed_rate=2e-5)
    every = (found["viable_cells"] + found["dead_cells"]) * found["volume"]
    assert found["viable_cells"][-1] < 0.9 * found["viable_cells"][0] * 0.015 / found["volume"][-1]
    np.testing.assert_allclose(every, every[0], rtol=1e-7)
