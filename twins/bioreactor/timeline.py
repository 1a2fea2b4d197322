"""What happens to a simulated vessel, in order: stretches of time with smooth inputs, and what is done between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.models.volume import add_bolus, draw_sample, place_of_volume
from twins.bioreactor.simulation_inputs import Feed, SimulationInputs, refused

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Event:
    """A sample drawn (`holds` is None) or a bolus added."""

    litres: float
    holds: Floats | None

    def apply(self, model: ProcessModel, x: Floats) -> Floats:
        """Give the states after it, shape (states, ...)."""
        if self.holds is not None:
            holds = self.holds.reshape(-1, *(1,) * (x.ndim - 1))
            mixed: Floats = add_bolus(np, model.states, x, self.litres, holds)
            return mixed
        least = float(np.min(x[place_of_volume(model.states)]))
        if not self.litres < least:
            raise refused(
                f"a sample of less than the {least:g} L that are there", f"{self.litres:g} L", "inputs.samples"
            )
        left: Floats = draw_sample(np, model.states, x, self.litres)
        return left


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time between two edges: first its events, then its inputs."""

    begin: float
    end: float
    events: tuple[Event, ...]
    base: Floats  # inputs without feeds, shape (inputs,)
    feed_row: int  # where the rate of feeding stands among them
    feeds: tuple[tuple[Feed, Floats], ...]  # each with what it brings of each input

    def inputs(self, hour: float) -> Floats:
        """Give the inputs at an hour, shape (inputs,): several feeds count as one of their mixture."""
        if not self.feeds:
            return self.base
        rates = [
            feed.rate_litres_per_hour * math.exp(feed.rise_per_hour * (hour - feed.from_hour)) for feed, _ in self.feeds
        ]
        total = sum(rates)
        if total <= 0.0:
            return self.base
        u = self.base.copy()
        for rate, (_, holds) in zip(rates, self.feeds, strict=True):
            u += rate / total * holds
        u[self.feed_row] = total
        return u


def stretches(inputs: SimulationInputs, model: ProcessModel, horizon: float) -> tuple[Stretch, ...]:
    """Lay out what happens.

    Samples come before boluses of the same hour. What is said for the end of the horizon or later does not happen.
    """
    events: dict[float, list[Event]] = {}
    for sample in inputs.samples:
        events.setdefault(sample.at_hour, []).append(Event(sample.volume_litres, None))
    for bolus in inputs.boluses:
        holds = np.array([bolus.composition.get(state.name, 0.0) for state in model.states])
        events.setdefault(bolus.at_hour, []).append(Event(bolus.volume_litres, holds))
    edges = {0.0, horizon, *events, *(change.at_hour for change in inputs.changes)}
    edges |= {hour for feed in inputs.feeds for hour in (feed.from_hour, feed.to_hour)}
    feeds = [(feed, _brings(feed, model)) for feed in inputs.feeds]
    laid = []
    for begin, end in pairwise(sorted(edge for edge in edges if edge <= horizon)):
        laid.append(
            Stretch(
                begin,
                end,
                tuple(events.get(begin, ())),
                _conditions(inputs, model, begin),
                next((row for row, one in enumerate(model.inputs) if one.name == "feed_rate"), 0),
                tuple(one for one in feeds if one[0].from_hour <= begin and end <= one[0].to_hour),
            )
        )
    return tuple(laid)


def _conditions(inputs: SimulationInputs, model: ProcessModel, hour: float) -> Floats:
    """Give the inputs that hold at an hour, nothing being fed."""
    held = dict(inputs.conditions)
    for change in sorted(inputs.changes, key=lambda change: change.at_hour):
        if change.at_hour <= hour:
            held.update(change.conditions)
    return np.array([held.get(one.name, 0.0 if one.name.startswith("feed_") else one.default) for one in model.inputs])


def _brings(feed: Feed, model: ProcessModel) -> Floats:
    """Give what a feed holds, in the places of the inputs; 0 where the input is no part of a feed."""
    holds = np.zeros(len(model.inputs))
    for place, one in enumerate(model.inputs):
        if one.name.startswith("feed_") and one.name != "feed_rate":
            name = one.name.removeprefix("feed_")
            holds[place] = one.default if feed.composition is None else feed.composition.get(name, 0.0)
    return holds
