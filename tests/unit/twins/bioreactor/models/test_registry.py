"""The models there are, and what a plug-in's model must fulfil."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.units import UNITS
from twins.bioreactor.models import MODELS, Model, StateInfo, check_model, find_model
from twins.bioreactor.models.cho_xing import CHO_XING
from twins.bioreactor.models.registry import check_parameter, with_plugins


@pytest.mark.parametrize("name", list(MODELS))
def test_our_own_models_fulfil_the_contract(name: str) -> None:
    check_model(MODELS[name])


@pytest.mark.parametrize("name", list(MODELS))
def test_every_parameter_says_unit_meaning_conditions_and_source(name: str) -> None:
    for one in MODELS[name].parameters:
        assert one.unit, one
        assert one.meaning, one
        assert one.conditions, one
        assert one.source, one
        assert one.low <= one.value <= one.high, one


@pytest.mark.parametrize("name", list(MODELS))
def test_states_are_in_units_that_readings_may_have(name: str) -> None:
    assert {state.unit for state in MODELS[name].states} <= set(UNITS)


def test_donors_differ_where_the_source_says_so_and_where_it_is_assumed() -> None:
    spread = {one.name: one.spread for one in MODELS["t_cell"].parameters if one.spread}
    assert set(spread) == {"rg", "bi", "rc", "rd"}


def _changed(**changes: Any) -> Model:
    return dataclasses.replace(CHO_XING, **changes)


def _negative(xp: Any, t: Any, x: Any, u: Any, p: Any) -> Any:
    return CHO_XING.rates(xp, t, x, u, p) - 1e-3


BROKEN: dict[str, tuple[Callable[[], Model], str]] = {
    "a state twice": (lambda: _changed(states=(*CHO_XING.states[:6], CHO_XING.states[2])), "each of the states"),
    "no volume": (lambda: _changed(states=CHO_XING.states[:6]), "one state volume"),
    "a feed of nothing": (
        lambda: _changed(inputs=(dataclasses.replace(CHO_XING.inputs[0], name="feed_gold"),)), "feed_<concentration>",
    ),
    "a default out of range": (
        lambda: _changed(parameters=(dataclasses.replace(CHO_XING.parameters[0], value=9.0), *CHO_XING.parameters[1:])),
        "mu_m between",
    ),
    "no source": (
        lambda: _changed(parameters=(dataclasses.replace(CHO_XING.parameters[0], source=""), *CHO_XING.parameters[1:])),
        "a unit and a source",
    ),
    "no scale": (
        lambda: _changed(states=(dataclasses.replace(CHO_XING.states[0], scale=0.0), *CHO_XING.states[1:])), "a scale",
    ),
    "rates of another shape": (lambda: _changed(rates=lambda xp, t, x, u, p: x[0]), "rates of shape"),
    "rates that are not finite": (lambda: _changed(rates=lambda xp, t, x, u, p: x * np.nan), "finite rates"),
    "a state that would fall below nothing": (lambda: _changed(rates=_negative), "0 or more where there is none"),
    "an output of another shape": (
        lambda: _changed(outputs=(dataclasses.replace(CHO_XING.outputs[0], of=lambda xp, t, x, u, p: x),)),
        "output viability of shape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(BROKEN))
def test_a_model_that_breaks_the_contract_is_refused(case: str) -> None:
    make, message = BROKEN[case]
    with pytest.raises(SettingsError, match=message):
        check_model(make())


def test_a_plug_in_stands_among_ours_and_cannot_take_a_name_of_ours() -> None:
    other = _changed(name="my_cho", version=3)
    impostor = _changed(version=9)
    found = with_plugins(MODELS, [other, impostor])
    assert set(found) == {*MODELS, "my_cho"}
    assert found["cho_xing"] is CHO_XING
    assert find_model(found, "my_cho@3") is other
    with pytest.raises(SettingsError, match="rates of shape"):
        with_plugins(MODELS, [_changed(name="bad", rates=lambda xp, t, x, u, p: x[0])])


@pytest.mark.parametrize(("name", "message"), [("cho", "among cho_duran, cho_xing"), ("cho_xing@2", "version 1")])
def test_an_unknown_model_is_named_with_those_there_are(name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        find_model(MODELS, name)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("mu_max", 0.03, "a parameter of cho_xing"), ("mu_m", 30.0, "between"), ("mu_m", float("nan"), "between")],
)
def test_a_parameter_is_checked_by_name_and_range(name: str, value: float, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_parameter(CHO_XING, name, value)
    assert check_parameter(CHO_XING, "mu_m", 0.03).unit == "/h"


def test_a_model_may_be_anything_with_the_parts() -> None:
    """A plug-in need not inherit: a class with a method does."""

    class Decay:
        name = "decay"
        version = 1
        states = (StateInfo("product", "g/L", "softplus", 0.1, "", 1.0), CHO_XING.states[-1])
        inputs = CHO_XING.inputs[:2]
        parameters = CHO_XING.parameters[:1]
        outputs = ()
        step_hours = 0.1

        def rates(self, xp: Any, t: Any, x: Any, u: Any, p: Any, /) -> Any:
            return xp.stack([-p[0] * x[0], 0.0 * x[1]])

    assert "decay" in with_plugins(MODELS, [Decay()])
