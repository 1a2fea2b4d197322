"""The process models of this twin, by name, and what a model of somebody else must fulfil to stand among them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from schemas.errors import SettingsError
from twins.bioreactor.models.cho_duran import CHO_DURAN
from twins.bioreactor.models.cho_xing import CHO_XING
from twins.bioreactor.models.e_coli import E_COLI
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.models.pensim import PENSIM
from twins.bioreactor.models.t_cell import T_CELL
from twins.bioreactor.models.yeast import YEAST
from twins.bioreactor.parameters.parameter import Parameter

MODELS: dict[str, ProcessModel] = {model.name: model for model in (CHO_XING, CHO_DURAN, T_CELL, PENSIM, YEAST, E_COLI)}


def find_model(models: dict[str, ProcessModel], name: str) -> ProcessModel:
    """Find a model by its name, or its name and version such as `cho_xing@1`.

    Raises
    ------
    SettingsError
        If there is none, or it has another version.
    """
    plain, _, version = name.partition("@")
    if plain not in models:
        raise SettingsError(f"expected a model among {', '.join(sorted(models))}, received {name!r}")
    model = models[plain]
    if version and version != str(model.version):
        raise SettingsError(f"expected version {model.version} of {plain}, the only one here, received {name!r}")
    return model


def check_parameter(model: ProcessModel, name: str, value: float) -> Parameter:
    """Give the parameter of that name, if it may have that value.

    Raises
    ------
    SettingsError
        If the model has no such parameter, or the value is out of its range.
    """
    parameter = next((one for one in model.parameters if one.name == name), None)
    if parameter is None:
        known = ", ".join(one.name for one in model.parameters)
        raise SettingsError(f"expected a parameter of {model.name} ({known}), received {name!r}")
    if not parameter.allows(value):
        raise SettingsError(f"expected {parameter.range}, received {value!r}, in the parameters of {model.name}")
    return parameter


def check_model(model: ProcessModel) -> None:
    """Check the contract that every model fulfils, ours and plug-ins' alike.

    Raises
    ------
    SettingsError
        With the first thing that is wrong: a name twice, no volume, a feed of an unknown state, a default out of its
        range, rates of another shape or not finite, a state that would fall below 0.
    """
    where = f"in the model {model.name}"
    for kind, names in (
        ("states and outputs", [*(one.name for one in model.states), *(one.name for one in model.outputs)]),
        ("inputs", [one.name for one in model.inputs]),
        ("parameters", [one.name for one in model.parameters]),
    ):
        _require(len(set(names)) == len(names), f"each of the {kind} once", ", ".join(names), where)
    volumes = [state.name for state in model.states if state.role == "volume"]
    _require(volumes == ["volume"], "one state volume of the role volume", ", ".join(volumes) or "none", where)
    fed = {f"feed_{state.name}" for state in model.states if state.role == "concentration"} | {"feed_rate"}
    for given in model.inputs:
        _require(not given.name.startswith("feed_") or given.name in fed, "feed_<concentration>", given.name, where)
    for parameter in model.parameters:
        check_parameter(model, parameter.name, parameter.value)
        _require(bool(parameter.source and parameter.unit), "a unit and a source", repr(parameter.name), where)
    for state in model.states:
        _require(state.scale > 0, "a scale above 0", f"{state.scale} of {state.name}", where)
    _check_rates(model, where)


def _check_rates(model: ProcessModel, where: str) -> None:
    """Call the rates at the initial values, and with each state in turn used up."""
    initial = np.array([state.initial for state in model.states])
    u = np.array([one.default for one in model.inputs])
    p = np.array([one.value for one in model.parameters])
    trials = [initial]
    for row, state in enumerate(model.states):
        if state.role != "volume" and state.coordinate != "linear":
            trials.append(np.where(np.arange(initial.size) == row, 0.0, initial))
    x = np.stack(trials, axis=1)
    rates = np.asarray(model.rates(np, 0.0, x, u[:, None], p[:, None]))
    _require(rates.shape == x.shape, f"rates of shape {x.shape}", str(rates.shape), where)
    _require(bool(np.isfinite(rates).all()), "finite rates", "others", where)
    for state, rate, amount in zip(model.states, rates, x, strict=True):
        _require(
            state.coordinate == "linear" or not (rate[amount == 0.0] < 0.0).any(),
            f"a rate of {state.name} that is 0 or more where there is none",
            "a rate below 0",
            where,
        )
    for output in model.outputs:
        shape = np.shape(output.of(np, 0.0, x, u[:, None], p[:, None]))
        _require(shape == x.shape[1:], f"output {output.name} of shape {x.shape[1:]}", str(shape), where)


def with_plugins(own: dict[str, ProcessModel], others: Iterable[ProcessModel]) -> dict[str, ProcessModel]:
    """Add somebody else's models, each checked; a name of ours stays ours."""
    found = dict(own)
    for model in others:
        if model.name not in found:
            check_model(model)
            found[model.name] = model
    return found


def _require(good: bool, expected: str, received: str, where: str) -> None:
    if not good:
        raise SettingsError(f"expected {expected}, received {received}, {where}")
