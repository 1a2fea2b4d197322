"""One simulation of a bioreactor: a specification in, trajectories out. Pure: the same specification, the same bytes.

`twinstream simulate bioreactor` runs it in the foreground. docs/models.md says what a specification may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import scipy
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from twins.bioreactor.draws import Drawn, known_spread
from twins.bioreactor.models.coordinates import to_coordinates, to_states
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.models.registry import check_parameter, find_model
from twins.bioreactor.models.solve import ABSOLUTE, solve
from twins.bioreactor.simulation_inputs import SimulationInputs, read_inputs, refused, report_hours
from twins.bioreactor.steps import lay_legs
from twins.bioreactor.timeline import Stretch, stretches

Floats = NDArray[np.float64]

KIND = "bioreactor"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_NUMBERS = 20_000_000  # states and outputs x reports x draws held in memory
MOST_STEPS = 10_000_000  # of rk4
MOST_FINALS = 1_000  # draws whose final values are listed one by one


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked specification, ready to be computed."""

    spec: SimulationSpec
    model: ProcessModel
    inputs: SimulationInputs
    hours: list[float]
    stretches: tuple[Stretch, ...]
    spread: dict[str, float]
    parameters: Floats  # shape (parameters, draws)
    initial: Floats  # shape (states, draws)
    step_hours: float


# Any: what comes back is a JSON document.
def simulate(spec: SimulationSpec, models: Mapping[str, ProcessModel]) -> dict[str, Any]:
    """Run a simulation.

    Parameters
    ----------
    spec : SimulationSpec
        What to simulate.
    models : mapping
        The models there are, by name.

    Returns
    -------
    dict
        A JSON document: versions, parameters with their units and sources, hours, and for each state and output its
        unit with its values (one draw) or mean, quantiles and final values (several draws).

    Raises
    ------
    SettingsError
        If the specification cannot be served; the message says what and where.

    Notes
    -----
    A value at the hour of a sample, a bolus or a change is the one just before it. Draws are log-normal around their
    parameter with its mean kept, and held within its range; draw k is the same whatever the number of draws.

    Examples
    --------
    >>> from twins.bioreactor.models import MODELS
    >>> spec = SimulationSpec("bioreactor", "yeast", {}, 7, 1, 2.0, {"report_every_hours": 1.0})
    >>> result = simulate(spec, MODELS)
    >>> result["times_hours"], [round(v, 3) for v in result["states"]["biomass"]["values"]]
    ([0.0, 1.0, 2.0], [0.5, 0.763, 1.164])
    """
    plan = make_plan(spec, models)
    with np.errstate(all="ignore"):  # wild parameters overflow on their way to the check that follows
        if plan.inputs.method == "rk4":
            states, fed = _march(plan)
        else:
            columns = [_follow(plan, draw) for draw in range(spec.draws)]
            states, fed = np.stack([one for one, _ in columns], axis=2), columns[0][1]
        outputs = _outputs(plan, states, fed)
    if not (np.isfinite(states).all() and np.isfinite(outputs).all()):
        raise refused("finite trajectories", "others: the parameters or feeds are beyond the model", "specification")
    return _document(plan, states, outputs)


def read_specification(
    spec: SimulationSpec, models: Mapping[str, ProcessModel]
) -> tuple[ProcessModel, SimulationInputs, list[float]]:
    """Check what a simulation and an ensemble have in common; give model, inputs and hours to report at."""
    if spec.kind != KIND:
        raise refused(f"the kind {KIND}", repr(spec.kind), "specification")
    model = find_model(dict(models), spec.model)
    for name, value in spec.parameters.items():
        check_parameter(model, name, value)
    inputs = read_inputs(spec.inputs, model, spec.horizon)
    return model, inputs, report_hours(inputs, spec.horizon)


def make_plan(spec: SimulationSpec, models: Mapping[str, ProcessModel]) -> Plan:
    """Check a specification, and lay out what it asks for."""
    model, inputs, hours = read_specification(spec, models)
    if inputs.scenarios or inputs.limits:
        raise refused("no scenarios and no limits: they are an ensemble's (docs/ensembles.md)", "some", "inputs")
    numbers = (len(model.states) + len(model.outputs)) * len(hours) * spec.draws
    if numbers > MOST_NUMBERS:
        raise refused(f"at most {MOST_NUMBERS} numbers", f"{numbers}; ask for fewer reports or draws", "specification")
    step = min(inputs.step_hours or model.step_hours, spec.horizon)
    if inputs.method == "rk4" and spec.horizon / step > MOST_STEPS:
        raise refused(f"at most {MOST_STEPS} steps", f"{spec.horizon / step:.3g}", "inputs.step_hours")
    spread, drawn = known_spread(model, inputs, spec.draws), Drawn(spec, model, inputs)
    laid = stretches(inputs, model, spec.horizon)
    return Plan(spec, model, inputs, hours, laid, spread, drawn.parameters(), drawn.initial(), step)


def _follow(plan: Plan, draw: int) -> tuple[Floats, Floats]:
    """Integrate one draw accurately: states, shape (states, reports), and inputs, shape (inputs, reports)."""
    p, x = plan.parameters[:, draw], plan.initial[:, draw]
    states, fed = [x[:, None]] if plan.hours[0] == 0.0 else [], []
    fed += [plan.stretches[0].inputs(0.0)] * len(states)
    for stretch in plan.stretches:
        for event in stretch.events:
            x = event.apply(plan.model, x)
        at = [hour for hour in plan.hours if stretch.begin < hour <= stretch.end]
        try:
            found, x = solve(plan.model, (stretch.begin, stretch.end), x, stretch.inputs, p, at, plan.inputs.rtol)
        except SettingsError as error:
            raise SettingsError(f"{error}, in draw {draw}") from None
        states.append(found)
        fed += [stretch.inputs(hour) for hour in at]
    return np.concatenate(states, axis=1), np.stack(fed, axis=1)


def _march(plan: Plan) -> tuple[Floats, Floats]:
    """Step all draws together: states, shape (states, reports, draws), and inputs, shape (inputs, reports)."""
    model, p, x = plan.model, plan.parameters, plan.initial
    states, fed = [x] if plan.hours[0] == 0.0 else [], []
    fed += [plan.stretches[0].inputs(0.0)] * len(states)
    z = to_coordinates(np, model.states, x)
    for leg in lay_legs(plan.stretches, plan.hours, plan.step_hours):
        for event in leg.events:
            z = to_coordinates(np, model.states, event.apply(model, to_states(np, model.states, z)))
        for step in range(leg.steps):
            z = rk4(np, model, leg.hour(step), leg.length, z, leg.inputs(step)[:, None], p)
        if leg.reported:
            states.append(to_states(np, model.states, z))
            fed.append(leg.stretch.inputs(leg.stop))
    return np.stack(states, axis=1), np.stack(fed, axis=1)


def _outputs(plan: Plan, states: Floats, fed: Floats) -> Floats:
    """Derive the outputs, shape (outputs, reports, draws)."""
    hours = np.array(plan.hours)[:, None]
    u, p = fed[:, :, None], plan.parameters[:, None, :]
    shape = states.shape[1:]
    found = [np.broadcast_to(output.of(np, hours, states, u, p), shape) for output in plan.model.outputs]
    return np.stack(found) if found else np.zeros((0, *shape))


def _document(plan: Plan, states: Floats, outputs: Floats) -> dict[str, Any]:
    spec, model = plan.spec, plan.model
    method: dict[str, Any] = {"name": plan.inputs.method, "step_hours": plan.step_hours}
    if plan.inputs.method == "adaptive":
        method = {"name": "adaptive LSODA", "rtol": plan.inputs.rtol, "atol_of_scale": plan.inputs.rtol * ABSOLUTE}
    return {
        "kind": KIND,
        "model": f"{model.name}@{model.version}",
        "versions": {"model": f"{model.name}@{model.version}", "numpy": np.__version__, "scipy": scipy.__version__},
        "specification": msgspec.to_builtins(spec),
        "method": method,
        "parameters": said_parameters(spec, model, plan.spread),
        "times_hours": plan.hours,
        "states": {one.name: _series(one.unit, values) for one, values in zip(model.states, states, strict=True)},
        "outputs": {one.name: _series(one.unit, values) for one, values in zip(model.outputs, outputs, strict=True)},
    }


def said_parameters(spec: SimulationSpec, model: ProcessModel, spread: Mapping[str, float]) -> dict[str, Any]:
    """Say each parameter: value, unit, source, and its spread where it has one."""
    return {
        one.name: {
            "value": spec.parameters.get(one.name, one.value),
            "unit": one.unit,
            "source": "specification" if one.name in spec.parameters else one.source,
            **({"spread": spread[one.name]} if one.name in spread else {}),
        }
        for one in model.parameters
    }


def _series(unit: str, values: Floats) -> dict[str, Any]:
    """Say one quantity, from its values of shape (reports, draws)."""
    draws = values.shape[1]
    if draws == 1:
        return {"unit": unit, "values": values[:, 0].tolist()}
    quantiles = np.quantile(values, QUANTILES, axis=1)
    said: dict[str, Any] = {
        "unit": unit,
        "mean": values.mean(axis=1).tolist(),
        "quantiles": {f"{level:.2f}": one.tolist() for level, one in zip(QUANTILES, quantiles, strict=True)},
    }
    if draws <= MOST_FINALS:
        said["final"] = values[-1].tolist()
    return said
