"""The section `process` of a bioreactor configuration: which process model follows the runs, and what is not known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.bioreactor import TAG_DIMENSIONS
from schemas.errors import SettingsError
from schemas.units import CANONICAL, UNITS
from twins.bioreactor.calibrated import CalibrationSet
from twins.bioreactor.estimation.design import Channel, Design, Unsure, Wander
from twins.bioreactor.models.model import Model, ProcessModel, StateInfo, is_stiff
from twins.bioreactor.models.registry import MODELS, check_parameter, find_model

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Share = Annotated[float, Meta(ge=0, le=2)]
Hours = Annotated[float, Meta(gt=0, le=10_000)]

MOST_ROWS = 40  # of a filter's vector: the covariance grows with the square
# Dimensions whose canonical unit people read; a model's other units stay as they are.
READABLE = ("number_concentration", "mass_concentration", "substance_concentration")


class WanderSection(Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter that wanders within a run: relative standard deviation, memory [h]."""

    sd: Annotated[float, Meta(gt=0, le=2)]
    hours: Hours


class ChannelSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What measures a state: the biomass signal, or assays of a tag; biomass may have both.

    `relative` is the white noise of one value, `absolute` the same in the state's canonical unit. A gain is constant
    within a run; a colour wanders with its memory. `viability_factor` and its doubt: see `estimation.design.Channel`.
    """

    tag: Name
    state: Name
    relative: Share
    by: Literal["signal", "assay"] | None = None  # None: the signal for biomass, assays for every other tag
    absolute: Annotated[float, Meta(ge=0)] = 0.0
    gain_sd: Share = 0.0
    colour_sd: Share = 0.0
    colour_hours: Hours = 1.0
    viability_factor: Annotated[float, Meta(gt=-1, le=10)] = 0.0
    viability_factor_sd: Share = 0.0


class ProcessSection(Struct, frozen=True, forbid_unknown_fields=True):
    """A process model beside the growth filter: its states, parameters and sensors are estimated jointly.

    `parameters` are values other than the model's own, `unsure` relative standard deviations between runs, `initial`
    values a run begins with, `feed` what a feed holds, in the units of docs/models.md; what is not named is the
    model's own. `phases` are values that some parameters have while the recipe is in a phase, by its name.
    `calibration` is what `twinstream calibrate` wrote.
    """

    model: Name
    channels: tuple[ChannelSection, ...]
    parameters: dict[Name, float] = {}
    unsure: dict[Name, Annotated[float, Meta(gt=0, le=2)]] = {}
    wander: dict[Name, WanderSection] = {}
    initial: dict[Name, float] = {}
    initial_sd: Annotated[float, Meta(gt=0, le=1)] = 0.05
    feed: dict[Name, Annotated[float, Meta(ge=0)]] = {}
    drift: Annotated[float, Meta(ge=0, le=1)] = 0.001
    lane: Literal["unscented", "extended"] = "unscented"
    phases: Annotated[dict[Name, dict[Name, float]], Meta(max_length=64)] = {}
    calibration: CalibrationSet | None = None


# Any: JSON. These came later: names leave them out where they say nothing, so that names that are there did not change.
_LATER: dict[str, Any] = {"phases": {}, "calibration": None}
_LATER_OF_CHANNEL: dict[str, Any] = {"viability_factor": 0.0, "viability_factor_sd": 0.0}


def said_of(section: ProcessSection) -> dict[str, Any]:
    """Give the section as JSON would have it, without what came later and says nothing."""
    said: dict[str, Any] = msgspec.to_builtins(section)
    said["channels"] = [_without(one, _LATER_OF_CHANNEL) for one in said["channels"]]
    return _without(said, _LATER)


# Any: JSON.
def _without(said: dict[str, Any], silent: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in silent or value != silent[name]}


def design_name(section: ProcessSection) -> str:
    """Name what a calibration is of: the model and a hash of the section but for the calibration itself."""
    model = find_model(MODELS, section.model)
    body = msgspec.json.encode(said_of(msgspec.structs.replace(section, calibration=None)), order="sorted")
    return f"{model.name}@{model.version}+{hashlib.sha256(body).hexdigest()[:16]}"


def design_of(section: ProcessSection) -> Design:
    """Make the filter's design.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    model = _with_values(find_model(MODELS, section.model), section)
    states = {state.name: state for state in model.states if state.role != "volume"}
    _known(section.initial, states, "process.initial")
    fed = {one.name.removeprefix("feed_") for one in model.inputs if one.name.startswith("feed_")} - {"rate"}
    _known(section.feed, fed, "process.feed")
    channels = []
    for one in section.channels:
        if one.by == "signal" and one.tag != "biomass":
            raise _refused("assays: the only signal taken in is biomass", f"by signal of {one.tag}", "process.channels")
        if one.state not in states:
            raise _refused(f"a state of {model.name} ({', '.join(states)})", repr(one.state), "process.channels")
        unit = states[one.state].unit
        wanted = TAG_DIMENSIONS.get(one.tag)
        if wanted is not None and (unit not in UNITS or UNITS[unit].dimension not in wanted):
            raise _refused(
                f"a state that {one.tag} measures ({' or '.join(wanted)})", f"{one.state} in {unit}", one.tag
            )
        channels.append(
            Channel(
                name_of(one), one.state, one.relative, one.absolute / scale_of(states[one.state]), one.gain_sd,
                one.colour_sd, one.colour_hours, one.viability_factor, one.viability_factor_sd,
            )
        )  # fmt: skip
    design = Design(
        model,
        tuple(Unsure(name, sd) for name, sd in section.unsure.items()),
        tuple(Wander(name, one.sd, one.hours) for name, one in section.wander.items()),
        tuple(channels),
        section.initial_sd,
        section.drift,
        _phased(model, section),
    )
    rows = len(states) + len(section.unsure) + len(section.wander)
    rows += sum((one.gain_sd > 0) + (one.colour_sd > 0) + (one.viability_factor_sd > 0) for one in channels)
    if rows > MOST_ROWS:
        raise _refused(f"at most {MOST_ROWS} states, parameters, gains and colours", str(rows), "process")
    return design


def name_of(channel: ChannelSection) -> str:
    """Name a channel: by its tag, and `biomass assay` where biomass is counted."""
    return "biomass assay" if channel.tag == "biomass" and channel.by == "assay" else channel.tag


def scale_of(state: StateInfo) -> float:
    """Give what a state's value is multiplied by to be in its canonical unit."""
    unit = UNITS.get(state.unit)
    return unit.scale if unit is not None and unit.dimension in READABLE else 1.0


def unit_of(state: StateInfo) -> str:
    """Give the unit a state is said in."""
    unit = UNITS.get(state.unit)
    return CANONICAL[unit.dimension] if unit is not None and unit.dimension in READABLE else state.unit


def limit_units(section: ProcessSection | None) -> dict[str, tuple[str, bool]]:
    """Give what a limit on a process model may be on: each state and output to its unit, and whether it is above 0."""
    if section is None:
        return {}
    model = design_of(section).model
    states = {one.name: (unit_of(one), one.coordinate != "linear") for one in model.states if one.role != "volume"}
    return states | {one.name: (one.unit, False) for one in model.outputs}


def _with_values(model: ProcessModel, section: ProcessSection) -> Model:
    """Give the model with this section's values of parameters."""
    for name, value in section.parameters.items():
        check_parameter(model, name, value)
    parameters = tuple(
        replace(one, value=section.parameters[one.name], source="configuration")
        if one.name in section.parameters
        else one
        for one in model.parameters
    )
    return Model(
        model.name, model.version, model.name, model.states, model.inputs, parameters, model.outputs, model.rates,
        model.step_hours, is_stiff(model),
    )  # fmt: skip


def _phased(model: ProcessModel, section: ProcessSection) -> tuple[str, ...]:
    """Name the parameters that some phase gives another value, in the model's order."""
    unsure = {*section.unsure, *section.wander}
    for phase, values in section.phases.items():
        for name, value in values.items():
            check_parameter(model, name, value)
            if name in unsure and not value > 0.0:
                raise _refused(
                    f"{name} above 0, to be estimated by its logarithm", f"{value:g}", f"process.phases.{phase}"
                )
    return tuple(one.name for one in model.parameters if any(one.name in values for values in section.phases.values()))


def _known(given: Iterable[str], known: Iterable[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise _refused(f"one of {', '.join(sorted(known))}", repr(name)[:80], where)


def _refused(expected: str, received: str, where: str) -> SettingsError:
    return SettingsError(f"expected {expected}, received {received}, in {where}; see docs/bioreactor.md")
