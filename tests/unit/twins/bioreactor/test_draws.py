"""Draws: each from its own numbers, together where a covariance says so, and refused where that is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from twins.bioreactor.draws import Drawn, normals
from twins.bioreactor.models import MODELS
from twins.bioreactor.simulate import simulate
from twins.bioreactor.simulation_inputs import SimulationInputs, read_inputs

MODEL = MODELS["cho_xing"]


def drawn(draws: int, **inputs: Any) -> Drawn:
    read: SimulationInputs = read_inputs(inputs, MODEL, 10.0)
    return Drawn(SimulationSpec("bioreactor", "cho_xing", {}, 11, draws, 10.0, inputs), MODEL, read)


def test_a_draw_does_not_depend_on_how_many_there_are() -> None:
    few, many = normals(5, 3, 4), normals(5, 9, 4)
    assert (few == many[:, :3]).all()
    assert not (few == normals(6, 3, 4)).any()
    alone = np.random.Generator(np.random.PCG64([5, 2])).standard_normal(4)
    assert (few[:, 2] == alone).all()


def test_draws_have_the_covariance_that_was_asked_for() -> None:
    """4,000 draws: a covariance is known to about 1/sqrt(4000) = 1.6 % of the variances; four times that is allowed."""
    asked = np.array([[0.04, 0.015, -0.01], [0.015, 0.01, 0.002], [-0.01, 0.002, 0.09]])
    together = {"parameters": ["mu_m", "Y_XS"], "states": ["viable_cells"], "matrix": asked.tolist()}
    found = drawn(4000, covariance=together)
    names = [one.name for one in MODEL.parameters]
    p, x = found.parameters(), found.initial()
    logs = np.log(np.stack([p[names.index("mu_m")], p[names.index("Y_XS")], x[0]]))
    scale = np.sqrt(np.outer(np.diag(asked), np.diag(asked)))
    np.testing.assert_array_less(np.abs(np.cov(logs) - asked) / scale, 4 / np.sqrt(4000))
    centre = [MODEL.parameters[names.index(name)].value for name in ("mu_m", "Y_XS")]
    np.testing.assert_allclose(np.median(np.exp(logs[:2]), axis=1), centre, rtol=0.02)
    assert (x[1:] == x[1:, :1]).all()  # what is not named stays
    others = [row for row, name in enumerate(names) if name not in ("mu_m", "Y_XS")]
    assert (p[others] == p[others][:, :1]).all()


def test_a_covariance_goes_before_the_spread_of_what_it_names() -> None:
    together = {"parameters": ["mu_m"], "matrix": [[0.0]]}
    p = drawn(50, covariance=together, spread={"mu_m": 0.5, "Y_XS": 0.1}).parameters()
    names = [one.name for one in MODEL.parameters]
    assert len(set(p[names.index("mu_m")])) == 1
    assert len(set(p[names.index("Y_XS")])) == 50


def test_a_simulation_takes_a_covariance_by_either_method() -> None:
    inputs: dict[str, Any] = {
        "covariance": {"parameters": ["mu_m"], "states": ["glucose"], "matrix": [[0.01, 0.001], [0.001, 0.02]]},
        "report_at_hours": [0.0, 10.0],
    }
    results = [
        simulate(SimulationSpec("bioreactor", "cho_xing", {}, 3, 4, 10.0, inputs | {"method": method}), MODELS)
        for method in ("adaptive", "rk4")
    ]
    for name in ("viable_cells", "glucose"):
        one, two = (result["states"][name] for result in results)
        np.testing.assert_allclose(one["final"], two["final"], rtol=1e-6)
        assert len(set(one["final"])) == 4
    assert results[0]["states"]["glucose"]["quantiles"]["0.05"][0] < 25.0


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"parameters": ["gold"], "matrix": [[1.0]]}, "parameters of cho_xing, each once"),
    "twice": ({"states": ["glucose", "glucose"], "matrix": [[1.0, 0], [0, 1.0]]}, "states of cho_xing, each once"),
    "shape": ({"parameters": ["mu_m"], "matrix": [[1.0, 0.0]]}, "a matrix of 1 rows"),
    "not symmetric": ({"parameters": ["mu_m", "K_S"], "matrix": [[1.0, 0.5], [0.1, 1.0]]}, "a symmetric matrix"),
    "indefinite": ({"parameters": ["mu_m", "K_S"], "matrix": [[1.0, 2.0], [2.0, 1.0]]}, "positive semidefinite"),
    "negative": ({"parameters": ["mu_m"], "matrix": [[-0.1]]}, "positive semidefinite"),
    "torn": ({"parameters": ["mu_m", "K_S"], "matrix": [[0.0, 0.5], [0.5, 1.0]]}, "contradict"),
    "not finite": ({"parameters": ["mu_m"], "matrix": [[float("nan")]]}, "finite numbers"),
    "too large": ({"parameters": ["mu_m"], "matrix": [[1e3]]}, "finite numbers up to 25"),
    "empty": ({"matrix": []}, "length >= 1"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_what_is_no_covariance_is_said(case: str) -> None:
    together, message = WRONG[case]
    with pytest.raises(SettingsError, match=message):
        drawn(4, covariance=together)
