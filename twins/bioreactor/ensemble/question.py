"""What an ensemble is asked: the specification of a simulation, and what is laid over it. Checked and bounded once.

docs/ensembles.md describes the fields for people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from schemas.jobs import SimulationSpec, hash_of
from twins.bioreactor.draws import known_spread, root_of
from twins.bioreactor.models.model import ProcessModel, is_stiff
from twins.bioreactor.simulate import read_specification
from twins.bioreactor.simulation_inputs import Feed, Scenario, SimulationInputs, check_plan, refused
from twins.bioreactor.timeline import Stretch, stretches

BASE = "base"  # the inputs as they stand
MOST_STATES = 2_000_000  # states x draws x scenarios: held at once, and in every checkpoint
MOST_REPORTED = 2_000_000  # mean and quantiles x quantities x reports x scenarios: likewise
MOST_EVENTS = 4_000  # over all scenarios, each with those of the inputs
MOST_MEMBER_STEPS = 20_000_000_000  # assumed: some hours of two cores; a job beyond is a mistake
LONGEST_STEP = 0.5  # h
STIFF_STEP = 0.25  # h: what the implicit steps divide further, as in filter and forecast
PER_REPORT = 6  # numbers kept of each quantity: mean and five quantiles


@dataclass(frozen=True, slots=True)
class Course:
    """One scenario: what happens, in order."""

    name: str
    stretches: tuple[Stretch, ...]


class Quantity(NamedTuple):
    """A state or an output."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Question:
    """A checked specification. The first course is the inputs as they stand."""

    spec: SimulationSpec
    model: ProcessModel
    inputs: SimulationInputs
    hours: list[float]
    courses: tuple[Course, ...]
    spread: dict[str, float]

    @property
    def stiff(self) -> bool:
        """Whether the model moves by implicit steps."""
        return is_stiff(self.model)

    @property
    def quantities(self) -> list[Quantity]:
        """States, then outputs."""
        return quantities_of(self.model)

    @property
    def hash(self) -> str:
        """SHA-256 of the specification's canonical JSON, in hexadecimal."""
        return hash_of(self.spec)


def read_question(spec: SimulationSpec, models: Mapping[str, ProcessModel]) -> Question:
    """Check a specification, quickly and without running it.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    model, inputs, hours = read_specification(spec, models)
    if hours[-1] == 0.0:
        raise refused("a report after hour 0", "none", "inputs.report_at_hours")
    _check_bounds(spec, model, inputs, len(hours))
    _check_limits(inputs, model)
    names = [BASE]
    for place, scenario in enumerate(inputs.scenarios):
        where = f"inputs.scenarios[{place}]"
        if scenario.name in names:
            raise refused(f"names other than {', '.join(names)}", repr(scenario.name), where)
        names.append(scenario.name)
        check_plan(scenario, model, where)
    if inputs.covariance is not None:
        root_of(inputs.covariance, model)
    laid = [inputs, *(overlaid(inputs, scenario) for scenario in inputs.scenarios)]
    courses = tuple(Course(name, stretches(one, model, spec.horizon)) for name, one in zip(names, laid, strict=True))
    return Question(spec, model, inputs, hours, courses, known_spread(model, inputs, spec.draws))


def quantities_of(model: ProcessModel) -> list[Quantity]:
    """Give states, then outputs."""
    return [Quantity(one.name, one.unit) for one in model.states] + [
        Quantity(one.name, one.unit) for one in model.outputs
    ]


def overlaid(inputs: SimulationInputs, scenario: Scenario) -> SimulationInputs:
    """Give the inputs of a scenario.

    Examples
    --------
    >>> inputs = SimulationInputs(feeds=(Feed(0.0, 10.0, 2.0),))
    >>> stopped = overlaid(inputs, Scenario("stopped", feed_factor=0.0, feed_factor_from_hour=4.0))
    >>> [(one.from_hour, one.to_hour, one.rate_litres_per_hour) for one in stopped.feeds]
    [(0.0, 4.0, 2.0)]
    """
    feeds = [part for feed in inputs.feeds for part in _scaled(feed, scenario)]
    return msgspec.structs.replace(
        inputs,
        conditions={**inputs.conditions, **scenario.conditions},
        changes=(*inputs.changes, *scenario.changes),
        feeds=(*feeds, *scenario.feeds),
        boluses=(*inputs.boluses, *scenario.boluses),
    )


def _scaled(feed: Feed, scenario: Scenario) -> list[Feed]:
    """Give a feed as it is until the policy changes, and scaled from then on."""
    at, factor = scenario.feed_factor_from_hour, scenario.feed_factor
    if factor == 1.0 or at >= feed.to_hour:
        return [feed]
    begin = max(at, feed.from_hour)
    parts = [msgspec.structs.replace(feed, to_hour=begin)] if begin > feed.from_hour else []
    if factor > 0.0:
        rate = factor * feed.rate_litres_per_hour * math.exp(feed.rise_per_hour * (begin - feed.from_hour))
        parts.append(msgspec.structs.replace(feed, from_hour=begin, rate_litres_per_hour=rate))
    return parts


def _check_bounds(spec: SimulationSpec, model: ProcessModel, inputs: SimulationInputs, reports: int) -> None:
    members = spec.draws * (1 + len(inputs.scenarios))
    events = sum(
        len(one.feeds) + len(one.boluses) + len(one.changes) + len(inputs.feeds) + len(inputs.boluses)
        + len(inputs.changes) + len(inputs.samples)
        for one in inputs.scenarios
    )  # fmt: skip
    if events > MOST_EVENTS:
        raise refused(
            f"at most {MOST_EVENTS} feeds, boluses, samples and changes, again in each scenario", events, "inputs"
        )
    held = len(model.states) * members
    if held > MOST_STATES:
        raise refused(
            f"at most {MOST_STATES} states x draws x scenarios", f"{held}; ask for fewer draws or scenarios", "draws"
        )
    told = PER_REPORT * (len(model.states) + len(model.outputs)) * reports * (1 + len(inputs.scenarios))
    if told > MOST_REPORTED:
        raise refused(f"at most {MOST_REPORTED} numbers reported", f"{told}; ask for fewer reports", "inputs")
    step = inputs.step_hours or LONGEST_STEP
    if not members * spec.horizon / step <= MOST_MEMBER_STEPS:
        raise refused(
            f"at most {MOST_MEMBER_STEPS} steps x draws x scenarios", f"{members * spec.horizon / step:.3g}", "horizon"
        )


def _check_limits(inputs: SimulationInputs, model: ProcessModel) -> None:
    known = [one.name for one in quantities_of(model)]
    for place, limit in enumerate(inputs.limits):
        where = f"inputs.limits[{place}]"
        if limit.quantity not in known:
            raise refused(f"one of {', '.join(known)}", repr(limit.quantity)[:80], where)
        ends = [end for end in (limit.low, limit.high) if end is not None]
        if not ends or not all(map(math.isfinite, ends)) or ends != sorted(ends):
            raise refused("low, high or both, low first", ends or "none", where)
