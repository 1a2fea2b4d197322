"""What a joint filter estimates: the model's states, some of its parameters, and what its sensors add.

A design is fixed before a run begins and goes into the model's name; nothing in it is fitted while the run goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.models.registry import check_parameter

Floats = NDArray[np.float64]

VIABLE, DEAD = "viable_cells", "dead_cells"  # states that make a viability


@dataclass(frozen=True, slots=True)
class Unsure:
    """A parameter that differs between runs: estimated as its logarithm, of this standard deviation before any data."""

    parameter: str
    sd: float


@dataclass(frozen=True, slots=True)
class Wander:
    """A parameter that wanders within a run: an Ornstein-Uhlenbeck process on its logarithm, with its own memory."""

    parameter: str
    sd: float
    hours: float


@dataclass(frozen=True, slots=True)
class Channel:
    """One measurement of one state.

        y = x exp(g + a) (1 + relative e1) + absolute e2

    with a gain g that is constant within a run and a colour a, an Ornstein-Uhlenbeck process; e1 and e2 are white.
    With a `viability_factor` k, or doubt about it, x is multiplied by 1 + (k + d)(1 - viability), where d is constant
    within a run and `viability_factor_sd` its standard deviation: what dead cells and a changed cell size do to
    capacitance. The form is assumed, a first order in the share of dead cells.
    """

    name: str
    state: str
    relative: float
    absolute: float = 0.0
    gain_sd: float = 0.0
    colour_sd: float = 0.0
    colour_hours: float = 1.0
    viability_factor: float = 0.0
    viability_factor_sd: float = 0.0

    @property
    def by_viability(self) -> bool:
        """Whether it depends on viability."""
        return self.viability_factor != 0.0 or self.viability_factor_sd > 0.0


@dataclass(frozen=True, slots=True)
class Design:
    """A model with what is not known of it.

    `phased` names parameters that have other values in some phases of the recipe (`Joint.values`).
    `initial_sd` is the standard deviation of each state's initial value, relative to that value; `drift` what the
    model may be wrong by, as a relative random walk of each state per square root of an hour.
    """

    model: ProcessModel
    unsure: tuple[Unsure, ...] = ()
    wander: tuple[Wander, ...] = ()
    channels: tuple[Channel, ...] = ()
    initial_sd: float = 0.02
    drift: float = 0.001
    phased: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        states = {state.name: state for state in self.model.states if state.role != "volume"}
        parameters = {one.name: one.value for one in self.model.parameters}
        for name in (*(one.parameter for one in self.unsure), *(one.parameter for one in self.wander)):
            check_parameter(self.model, name, parameters.get(name, 0.0))
            if not parameters[name] > 0.0:
                raise SettingsError(f"expected a parameter above 0, to be estimated by its logarithm, received {name}")
        for channel in self.channels:
            if channel.state not in states:
                raise SettingsError(
                    f"expected a state of {self.model.name} ({', '.join(states)}), received {channel.state!r}, "
                    f"in channel {channel.name}"
                )
            if states[channel.state].coordinate == "linear" and (channel.gain_sd or channel.colour_sd):
                raise SettingsError(f"expected no gain on {channel.state}, which may be negative, received {channel}")
            if channel.by_viability and (channel.state != VIABLE or DEAD not in states):
                raise SettingsError(
                    f"expected a channel of {VIABLE}, in a model that has {DEAD} too, where a viability_factor is "
                    f"given, received {channel.state} of {self.model.name}, in channel {channel.name}"
                )
        for kind, names in (
            ("unsure parameter", [one.parameter for one in self.unsure]),
            ("wandering parameter", [one.parameter for one in self.wander]),
            ("channel", [one.name for one in self.channels]),
        ):
            if len(set(names)) < len(names):
                raise SettingsError(f"expected each {kind} once, received {', '.join(names)}")


class Layout:
    """Where everything stands in the filter's vector: what the model reads comes first.

        states (without the volume) | ln of unsure parameters | wanders | gains | colours | viability factors

    Attributes
    ----------
    size : int
        Length of the vector.
    moving : int
        How many of its first rows enter the model: states, parameters, wanders.
    """

    def __init__(self, design: Design) -> None:
        model = design.model
        self.design = design
        self.states = tuple(row for row, state in enumerate(model.states) if state.role != "volume")
        self.volume = next(row for row, state in enumerate(model.states) if state.role == "volume")
        places = {one.name: place for place, one in enumerate(model.parameters)}
        number = len(self.states)
        self.unsure = tuple((number + i, places[one.parameter]) for i, one in enumerate(design.unsure))
        number += len(self.unsure)
        self.wander = tuple((number + i, places[one.parameter]) for i, one in enumerate(design.wander))
        number += len(self.wander)
        self.moving = number
        self.gains = _rows(number, [channel.gain_sd > 0.0 for channel in design.channels])
        number += sum(row >= 0 for row in self.gains)
        self.colours = _rows(number, [channel.colour_sd > 0.0 for channel in design.channels])
        number += sum(row >= 0 for row in self.colours)
        self.factors = _rows(number, [channel.viability_factor_sd > 0.0 for channel in design.channels])
        self.size = number + sum(row >= 0 for row in self.factors)
        names = {model.states[row].name: i for i, row in enumerate(self.states)}
        self.measured = tuple(names[channel.state] for channel in design.channels)
        self.dead = names.get(DEAD, -1)

    def extras(self, place: int) -> tuple[int, ...]:
        """Give the rows of a channel's gain and colour, where it has them."""
        return tuple(row for row in (self.gains[place], self.colours[place]) if row >= 0)

    @property
    def names(self) -> tuple[str, ...]:
        """Name each row, such as `viable_cells`, `ln mu_m`, `gain capacitance`."""
        model, channels = self.design.model, self.design.channels
        return (
            *(model.states[row].name for row in self.states),
            *(f"ln {one.parameter}" for one in self.design.unsure),
            *(f"wander {one.parameter}" for one in self.design.wander),
            *(f"gain {one.name}" for one, row in zip(channels, self.gains, strict=True) if row >= 0),
            *(f"colour {one.name}" for one, row in zip(channels, self.colours, strict=True) if row >= 0),
            *(f"viability factor {one.name}" for one, row in zip(channels, self.factors, strict=True) if row >= 0),
        )

    def walks(self) -> tuple[tuple[int, float, float], ...]:
        """Give each Ornstein-Uhlenbeck row with its standard deviation and its memory [h]."""
        design = self.design
        return (
            *((row, one.sd, one.hours) for (row, _), one in zip(self.wander, design.wander, strict=True)),
            *(
                (row, one.colour_sd, one.colour_hours)
                for one, row in zip(design.channels, self.colours, strict=True)
                if row >= 0
            ),
        )

    def constants(self) -> tuple[tuple[int, float], ...]:
        """Give each row that is constant within a run with its standard deviation before any data."""
        design = self.design
        return (
            *((row, one.sd) for (row, _), one in zip(self.unsure, design.unsure, strict=True)),
            *((row, one.gain_sd) for one, row in zip(design.channels, self.gains, strict=True) if row >= 0),
            *(
                (row, one.viability_factor_sd)
                for one, row in zip(design.channels, self.factors, strict=True)
                if row >= 0
            ),
        )


def _rows(first: int, wanted: Sequence[bool]) -> tuple[int, ...]:
    """Number those that are wanted; -1 for the others."""
    found, number = [], first
    for one in wanted:
        found.append(number if one else -1)
        number += one
    return tuple(found)
