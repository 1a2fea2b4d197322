"""What a re-estimation is asked: the specification of kind `bioreactor.reestimate`, checked once.

Its fields are described for people in docs/reestimation.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from schemas.errors import InputError, SettingsError
from schemas.instants import parse_instant
from schemas.jobs import SimulationSpec
from twins.bioreactor.models.registry import MODELS, check_parameter, find_model
from twins.bioreactor.process import Process
from twins.bioreactor.process_section import ChannelSection, ProcessSection, WanderSection
from twins.bioreactor.simulation_inputs import SimulationInputs, read_inputs
from twins.bioreactor.timeline import Stretch, stretches

KIND = "bioreactor.reestimate"
FEWEST_DRAWS, MOST_DRAWS = 64, 4096
MOST_PARAMETERS = 12  # of a prior: draws in more dimensions than that are too thin
LONGEST_HOURS = 1440.0  # to the horizon, as a twin asks
INFLATION = (
    1.5  # of a prior's standard deviation: a trigger says that the prior is in doubt. Assumed; docs/reestimation.md
)
MOST_SD = 2.0
GROWTH = ("mu_m", "rg", "qs_max", "mu_x")  # where nobody says which parameter may have changed: the models' growth

Share = Annotated[float, Meta(ge=0, le=MOST_SD)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """The inputs beside those of a simulation. `begin` is what the run began with, `at` when "now" is (RFC 3339)."""

    batch: Name
    channels: Annotated[tuple[ChannelSection, ...], Meta(min_length=1, max_length=32)]
    prior: Annotated[dict[Name, tuple[float, Share]], Meta(min_length=1, max_length=MOST_PARAMETERS)]
    wander: dict[Name, WanderSection] = {}
    begin: dict[Name, float] = {}
    initial_sd: Annotated[float, Meta(gt=0, le=1)] = 0.05
    feed: dict[Name, Annotated[float, Meta(ge=0)]] = {}
    drift: Annotated[float, Meta(ge=0, le=1)] = 0.001
    phases: Annotated[dict[Name, dict[Name, float]], Meta(max_length=64)] = {}
    changing: str | None = None  # None: the model's growth; "": none
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A checked specification.

    Attributes
    ----------
    names : tuple of str
        The parameters of the prior, sorted.
    prior : tuple of (median, sd of the logarithm)
        As it was given.
    sds : tuple of float
        The same standard deviations, inflated: what draws come from.
    changing : int
        Place among `names` of the parameter that may have changed; -1: none.
    now : int
        When the question was asked [us]; -1: after the last minute that is kept.
    """

    spec: SimulationSpec
    asked: Asked
    process: Process
    names: tuple[str, ...]
    prior: tuple[tuple[float, float], ...]
    sds: tuple[float, ...]
    changing: int
    litres: float
    ahead: tuple[Stretch, ...]
    now: int


def read_question(spec: SimulationSpec) -> Question:
    """Check a specification, and lay out what it asks for.

    Raises
    ------
    SettingsError
        With what was expected, what came, where, what to do.
    """
    if spec.kind != KIND:
        raise refused(f"the kind {KIND}", repr(spec.kind), "the specification")
    if not FEWEST_DRAWS <= spec.draws <= MOST_DRAWS:
        raise refused(f"{FEWEST_DRAWS} to {MOST_DRAWS} draws", spec.draws, "the specification")
    if not spec.horizon <= LONGEST_HOURS:
        raise refused(f"a horizon up to {LONGEST_HOURS:g} h", f"{spec.horizon:g}", "the specification")
    model = find_model(MODELS, spec.model)
    own = set(Asked.__struct_fields__)
    asked = _asked({name: value for name, value in spec.inputs.items() if name in own})
    inputs = read_inputs({name: value for name, value in spec.inputs.items() if name not in own}, model, spec.horizon)
    names = tuple(sorted(asked.prior))
    for name in names:
        median, _ = asked.prior[name]
        if not check_parameter(model, name, median).value > 0.0 or not median > 0.0:
            raise refused(f"a median above 0 of {name}", f"{median:g}", "inputs.prior")
    process = Process(_section(spec, asked))
    return Question(
        spec, asked, process, names, tuple(asked.prior[name] for name in names),
        tuple(min(INFLATION * asked.prior[name][1], MOST_SD) for name in names),
        _changing(asked, names), _litres(inputs), stretches(inputs, model, spec.horizon), _now(asked),
    )  # fmt: skip


def refused(expected: str, received: object, where: str) -> SettingsError:
    """Make the error that says what was wrong."""
    return SettingsError(f"expected {expected}, received {received}, in {where}; see docs/reestimation.md")


# Any: a JSON document, whose shape is what is being checked.
def _asked(document: Mapping[str, Any]) -> Asked:
    try:
        return msgspec.convert(document, Asked)
    except msgspec.ValidationError as error:
        raise SettingsError(f"expected inputs of {KIND}, received {error}; see docs/reestimation.md") from None


def _section(spec: SimulationSpec, asked: Asked) -> ProcessSection:
    """Give the process model's section as the twin's configuration has it, with the prior's medians as values."""
    medians = {name: median for name, (median, _) in asked.prior.items()}
    return ProcessSection(
        spec.model.partition("@")[0], asked.channels, dict(spec.parameters) | medians,
        {name: sd for name, (_, sd) in asked.prior.items() if sd > 0.0}, asked.wander, asked.begin, asked.initial_sd,
        asked.feed, asked.drift, phases=asked.phases,
    )  # fmt: skip


def _changing(asked: Asked, names: tuple[str, ...]) -> int:
    if asked.changing == "":
        return -1
    if asked.changing is not None:
        if asked.changing not in names:
            raise refused(
                f"one of the prior's parameters {', '.join(names)}", repr(asked.changing)[:80], "inputs.changing"
            )
        return names.index(asked.changing)
    return next((names.index(name) for name in (*GROWTH, *sorted(asked.wander)) if name in names), -1)


def _litres(inputs: SimulationInputs) -> float:
    """Give what is in the vessel now [L]; NaN where nobody said."""
    return inputs.initial.get("volume", math.nan)


def _now(asked: Asked) -> int:
    try:
        return -1 if asked.at is None else int(parse_instant(asked.at, "inputs.at"))
    except InputError as error:
        raise SettingsError(str(error)) from None
