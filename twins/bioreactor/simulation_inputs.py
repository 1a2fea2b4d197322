"""The `inputs` of a bioreactor's simulation: what is in the vessel, what goes in and out, when to report. Checked once.

The fields are described for people in docs/models.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.errors import SettingsError
from twins.bioreactor.models.model import ProcessModel, StateInfo
from twins.bioreactor.models.registry import check_parameter

MAX_HOURS = 100_000.0
MAX_EVENTS = 2_000
MAX_REPORTS = 20_000
REPORTS = 100  # intervals, where nothing says when to report
LARGEST = 1e15  # of any amount
MAX_COVARIANCE = 32  # rows
MAX_SCENARIOS = 16
MAX_LIMITS = 16

Hour = Annotated[float, Meta(ge=0, le=MAX_HOURS)]
Amount = Annotated[float, Meta(ge=0, le=LARGEST)]


class Feed(Struct, frozen=True, forbid_unknown_fields=True):
    """A feed that runs for a while, constant or rising by exp(rise_per_hour (t - from_hour))."""

    from_hour: Hour
    to_hour: Hour
    rate_litres_per_hour: Amount
    rise_per_hour: Annotated[float, Meta(ge=-10, le=10)] = 0.0
    composition: dict[str, Amount] | None = None  # None: the model's own feed medium


class Bolus(Struct, frozen=True, forbid_unknown_fields=True):
    """Something added at once; what the composition does not name is not in it."""

    at_hour: Hour
    volume_litres: Amount
    composition: dict[str, Amount]


class Sample(Struct, frozen=True, forbid_unknown_fields=True):
    """A sample drawn: it takes volume, and leaves concentrations as they are."""

    at_hour: Hour
    volume_litres: Amount


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """Conditions that hold from an hour on."""

    at_hour: Hour
    conditions: dict[str, float]


class Covariance(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not known, together: of logarithms of parameters, then of coordinates of states (`coordinates.py`).

    The values that a specification names are then medians. It goes before `spread` for the parameters it names.
    """

    matrix: Annotated[tuple[tuple[float, ...], ...], Meta(min_length=1, max_length=MAX_COVARIANCE)]
    parameters: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """What an ensemble does otherwise, laid over the inputs as they stand.

    From `feed_factor_from_hour` on every feed runs at `feed_factor` times its rate, 0 stops it; `conditions` replace,
    `changes`, `feeds` and `boluses` come on top and are not scaled.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    conditions: dict[str, float] = {}
    changes: tuple[Change, ...] = ()
    feed_factor: Annotated[float, Meta(ge=0, le=100)] = 1.0
    feed_factor_from_hour: Hour = 0.0
    feeds: tuple[Feed, ...] = ()
    boluses: tuple[Bolus, ...] = ()


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """Ends of a state or an output, in its unit; an ensemble says how probably it leaves them."""

    quantity: str
    low: float | None = None
    high: float | None = None


class SimulationInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, each with its default. `scenarios`, `limits` and `batch` are an ensemble's."""

    initial: dict[str, float] = {}
    conditions: dict[str, float] = {}
    changes: tuple[Change, ...] = ()
    feeds: tuple[Feed, ...] = ()
    boluses: tuple[Bolus, ...] = ()
    samples: tuple[Sample, ...] = ()
    report_every_hours: Annotated[float, Meta(gt=0)] | None = None
    report_at_hours: tuple[Hour, ...] | None = None
    spread: dict[str, Annotated[float, Meta(ge=0, le=2)]] | None = None
    method: Literal["adaptive", "rk4"] = "adaptive"
    step_hours: Annotated[float, Meta(gt=0)] | None = None
    rtol: Annotated[float, Meta(ge=1e-12, le=1e-3)] = 1e-8
    covariance: Covariance | None = None
    scenarios: Annotated[tuple[Scenario, ...], Meta(max_length=MAX_SCENARIOS)] = ()
    limits: Annotated[tuple[Limit, ...], Meta(max_length=MAX_LIMITS)] = ()
    batch: Annotated[str, Meta(max_length=128)] = ""


# Any: a JSON document, whose shape is what is being checked.
def read_inputs(document: Mapping[str, Any], model: ProcessModel, horizon: float) -> SimulationInputs:
    """Read and check the inputs of a simulation.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    try:
        inputs = msgspec.convert(document, SimulationInputs)
    except msgspec.ValidationError as error:
        raise SettingsError(f"expected simulation inputs, received {error}; see docs/models.md") from None
    if horizon > MAX_HOURS:
        raise refused(f"a horizon up to {MAX_HOURS:g} h", horizon, "horizon")
    _check_initial(inputs.initial, model)
    check_plan(inputs, model, "inputs")
    for name in inputs.spread or {}:
        check_parameter(model, name, next((one.value for one in model.parameters if one.name == name), 0.0))
    return inputs


def check_plan(plan: SimulationInputs | Scenario, model: ProcessModel, where: str) -> None:
    """Check conditions, changes, feeds and boluses, which stand at `where`.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    samples = plan.samples if isinstance(plan, SimulationInputs) else ()
    events = len(plan.feeds) + len(plan.boluses) + len(samples) + len(plan.changes)
    if events > MAX_EVENTS:
        raise refused(f"at most {MAX_EVENTS} feeds, boluses, samples and changes", events, where)
    for place, conditions in enumerate((plan.conditions, *(change.conditions for change in plan.changes))):
        _check_conditions(conditions, model, f"{where}.changes[{place - 1}]" if place else where)
    fed = {one.name.removeprefix("feed_") for one in model.inputs if one.name.startswith("feed_")} - {"rate"}
    if plan.feeds and not any(one.name == "feed_rate" for one in model.inputs):
        raise refused("no feeds: the model takes none", len(plan.feeds), f"{where}.feeds")
    for place, feed in enumerate(plan.feeds):
        at = f"{where}.feeds[{place}]"
        if feed.to_hour <= feed.from_hour:
            raise refused(f"to_hour after from_hour {feed.from_hour:g}", feed.to_hour, at)
        _check_names(feed.composition or {}, fed, at)
        rise = min(feed.rise_per_hour * (feed.to_hour - feed.from_hour), 700.0)  # exp(700) is finite
        if not feed.rate_litres_per_hour * math.exp(rise) <= LARGEST:
            raise refused(f"a feed that stays under {LARGEST:g} L/h", "one that rises beyond", at)
    for place, bolus in enumerate(plan.boluses):
        mixed = {state.name for state in model.states if state.role == "concentration"}
        _check_names(bolus.composition, mixed, f"{where}.boluses[{place}]")


def report_hours(inputs: SimulationInputs, horizon: float) -> list[float]:
    """Give the hours to report at, rising, each once.

    Examples
    --------
    >>> report_hours(SimulationInputs(report_every_hours=4.0), 10.0)
    [0.0, 4.0, 8.0, 10.0]
    """
    if inputs.report_at_hours is not None:
        if inputs.report_every_hours is not None:
            raise refused("report_at_hours or report_every_hours", "both", "inputs")
        hours = sorted(set(inputs.report_at_hours))
        if not hours or hours[-1] > horizon:
            raise refused(f"report_at_hours within the horizon of {horizon:g} h", hours[-1:] or "none", "inputs")
    else:
        every = inputs.report_every_hours or horizon / REPORTS
        if not horizon / every <= MAX_REPORTS:
            raise refused(f"at most {MAX_REPORTS} reports", f"one each {every:g} h for {horizon:g} h", "inputs")
        hours = [k * every for k in range(int(horizon / every * (1 + 1e-12)) + 1)]
        hours = [hour for hour in hours if hour < horizon * (1 - 1e-12)] + [horizon]
    if len(hours) > MAX_REPORTS:
        raise refused(f"at most {MAX_REPORTS} reports", len(hours), "inputs")
    return hours


def refused(expected: str, received: object, where: str) -> SettingsError:
    """Make the error that says what was wrong."""
    return SettingsError(f"expected {expected}, received {received}, in {where}; see docs/models.md")


def _check_initial(initial: Mapping[str, float], model: ProcessModel) -> None:
    states = {state.name: state for state in model.states}
    _check_names(initial, set(states), "inputs.initial")
    for name, value in initial.items():
        if not _possible(states[name], value):
            least = "above 0" if states[name].role == "volume" else "0 or more"
            raise refused(f"{name} {least} and under {LARGEST:g} {states[name].unit}", value, "inputs.initial")


def _possible(state: StateInfo, value: float) -> bool:
    if state.role == "volume":
        return 0.0 < value <= LARGEST
    return (-LARGEST if state.coordinate == "linear" else 0.0) <= value <= LARGEST


def _check_conditions(conditions: Mapping[str, float], model: ProcessModel, where: str) -> None:
    known = {one.name: one for one in model.inputs if not one.name.startswith("feed_")}
    _check_names(conditions, set(known), f"{where}.conditions")
    for name, value in conditions.items():
        one = known[name]
        if not one.low <= value <= one.high:
            raise refused(f"{name} between {one.low:g} and {one.high:g} {one.unit}", value, f"{where}.conditions")


def _check_names(given: Mapping[str, float], known: set[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise refused(f"one of {', '.join(sorted(known)) or 'nothing'}", repr(name)[:80], where)
