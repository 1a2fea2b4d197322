"""How a bioreactor twin is configured: model, parameters, limits, cadence. Checked once, then frozen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.errors import MissingExtraError, SettingsError
from schemas.instants import MINUTE
from twins.alarming.suppression import Consequence as Line
from twins.alarming.suppression import SuppressionTable
from twins.bioreactor.advising import Advising
from twins.bioreactor.models.model import is_stiff
from twins.bioreactor.models.registry import MODELS as PROCESS_MODELS
from twins.bioreactor.models.registry import find_model
from twins.bioreactor.parameters.assumed_growth import GROWTH, INDEX
from twins.bioreactor.process import Process
from twins.bioreactor.process_section import ProcessSection, limit_units, said_of
from twins.bioreactor.reconciling import Reconciling
from twins.bioreactor.rules import (
    Rule,
    chart_rules,
    golden_rules,
    measured_rules,
    numbered,
    predicted_rules,
    silence_rule,
)
from twins.bioreactor.sections import (
    Chart,
    Consequence,
    Faults,
    FeedAdvice,
    GoldenBatch,
    Limit,
    PredictedLimit,
    Reconciled,
    Triggers,
)
from twins.bioreactor.triggers import Triggering
from twins.learning import LearningSection

if TYPE_CHECKING:
    from twins.bioreactor.charting import Charting
    from twins.bioreactor.fault_watch import FaultWatch
    from twins.bioreactor.golden import GoldenScoring
    from twins.bioreactor.learning import Learning

MODELS = ("growth",)
VERSION = 1  # of the model's equations: raise it when the same events would give other numbers
MAX_LIMITS = 64

# Starved of oxygen is bad for nearly every culture; other limits are the process's own and stand in no default.
DEFAULT_LIMITS = (Limit("dissolved_oxygen", low=10.0, deadband=2.0, priority="high", unit="%"),)


class BioreactorConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration, with its defaults."""

    model: Literal["growth"] = "growth"
    parameters: dict[str, float] = {}
    limits: tuple[Limit, ...] = DEFAULT_LIMITS
    predicted: tuple[PredictedLimit, ...] = ()
    estimate_seconds: Annotated[int, Meta(ge=1, le=86400)] = 60
    forecast_seconds: Annotated[int, Meta(ge=1, le=86400)] = 300
    horizon_hours: Annotated[float, Meta(ge=1, le=1440)] = 12.0
    silence_minutes: Annotated[float, Meta(ge=0, le=100000)] = 30.0
    charts: tuple[Chart, ...] = ()
    consequences: tuple[Consequence, ...] = ()
    golden: GoldenBatch | None = None
    process: ProcessSection | None = None
    advice: FeedAdvice | None = None
    triggers: Triggers | None = None
    reconciled: tuple[Reconciled, ...] = ()
    faults: Faults | None = None
    learning: LearningSection | None = None


# Any: JSON. These came after the first release: a model's name leaves them out where they say nothing, so that the
# names that are there did not change.
_LATER: dict[str, Any] = {
    "charts": [], "consequences": [], "golden": None, "process": None, "advice": None, "triggers": None,
    "reconciled": [],
    "faults": None,
}  # fmt: skip
_LATER_OF_LIMIT: dict[str, Any] = {
    "on_delay_seconds": 0.0, "off_delay_seconds": 0.0, "bridge_seconds": None, "alarm": None, "action": None,
    "proven": None, "phases": [],
}  # fmt: skip
_LATER_OF_TRIGGERS: dict[str, Any] = {"schedule_hours": None, "asks": "ensemble", "value": None}
_LATER_OF_KIND: dict[str, Any] = {"phases": []}


# Any: a JSON document, whose shape is what is being checked.
def read_config(document: dict[str, Any]) -> BioreactorConfig:
    """Read and check a configuration.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    try:
        config = msgspec.convert(document, BioreactorConfig)
    except msgspec.ValidationError as error:
        raise SettingsError(f"expected a bioreactor configuration, received {error}; see docs/bioreactor.md") from None
    for name, value in config.parameters.items():
        problem = check_parameter(name, value)
        if problem is not None:
            raise SettingsError(f"expected {problem[0]}, received {problem[1]}, in parameters of the configuration")
    consequences_of(config)
    charting_of(config)
    golden_of(config)
    process = process_of(config)
    advising_of(config, process)
    triggers_of(config, process)
    reconciling_of(config)
    faulting_of(config)
    learning_of(config, process)
    return config


def check_parameter(name: str, value: float) -> tuple[str, str] | None:
    """Say (expected, received) where a parameter is unknown or out of its range; None where it is fine."""
    place = INDEX.get(name)
    if place is None:
        return f"one of the parameters {', '.join(INDEX)}", repr(name)[:80]
    parameter = GROWTH[place]
    if not parameter.allows(value):
        return parameter.range, f"{value!r}"
    return None


def rules_of(config: BioreactorConfig) -> tuple[Rule, ...]:
    """Lay out the rules in their fixed order: measured, predicted, charts, golden, faults, silence.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    faults = _fault_rules(config.faults)
    rules = [
        *measured_rules(config.limits),
        *predicted_rules(config.predicted, limit_units(config.process)),
        *chart_rules(config.charts),
        *golden_rules(config.golden),
        *faults,
        silence_rule(config.silence_minutes),
    ]
    names = [(rule.name, rule.unit) for rule in rules]
    if len(set(names)) != len(names) or len(rules) - len(faults) > MAX_LIMITS:
        raise SettingsError(f"expected each limit once and at most {MAX_LIMITS}, received {names}"[:400])
    return numbered(rules)


def consequences_of(config: BioreactorConfig) -> SuppressionTable:
    """Give the table of consequences, by names of rules.

    Raises
    ------
    SettingsError
        If a line names no rule, or several; and as `SuppressionTable`.
    """
    places: dict[str, list[int]] = {}
    for rule in rules_of(config):
        places.setdefault(rule.name, []).append(rule.index)
    lines = []
    for one in config.consequences:
        for name in (one.cause, one.effect):
            if len(places.get(name, ())) != 1:
                raise SettingsError(
                    f"expected a rule among {', '.join(places)}, received {name}, in consequences"[:400]
                )
        lines.append(Line(one.cause, one.effect, round(one.hold_minutes * MINUTE)))
    return SuppressionTable(lines)


def charting_of(config: BioreactorConfig) -> Charting | None:
    """Give the charts, if any: what they are made of (scipy's optimisers) loads only then.

    Raises
    ------
    SettingsError
        If a chart cannot be set so.
    """
    if not config.charts:
        return None
    from twins.bioreactor.charting import Charting

    return Charting(config.charts)


def golden_of(config: BioreactorConfig) -> GoldenScoring | None:
    """Give the golden model that runs are scored by, if any: what it is made of loads only then.

    Raises
    ------
    SettingsError
        If the document is none, or cannot be scored live.
    """
    if config.golden is None:
        return None
    from twins.bioreactor.golden import GoldenScoring

    return GoldenScoring(config.golden)


def faulting_of(config: BioreactorConfig) -> FaultWatch | None:
    """Give what finds faults of probes and actuators, if anything: what it is made of loads only then.

    Raises
    ------
    SettingsError
        If a channel, a tag or a unit is not right.
    """
    if config.faults is None:
        return None
    from twins.bioreactor.fault_watch import FaultWatch

    return FaultWatch(config.faults)


def _fault_rules(faults: Faults | None) -> list[Rule]:
    if faults is None:
        return []
    from twins.bioreactor.fault_mapping import fault_rules

    return fault_rules(faults)


def process_of(config: BioreactorConfig) -> Process | None:
    """Give the process model that follows the runs, if any.

    Raises
    ------
    SettingsError
        If the section does not fit its model.
    """
    return None if config.process is None else Process(config.process)


def advising_of(config: BioreactorConfig, process: Process | None) -> Advising | None:
    """Give what advises on feeding, if anything.

    Raises
    ------
    SettingsError
        If there is no process model, or the section does not fit it.
    """
    if config.advice is None:
        return None
    if process is None:
        raise SettingsError("expected a section process with a section advice, received none; see docs/bioreactor.md")
    return Advising(config.advice, process)


def triggers_of(config: BioreactorConfig, process: Process | None) -> Triggering | None:
    """Give what asks for re-simulations, if anything.

    Raises
    ------
    SettingsError
        If there is no process model, or nothing that could ask.
    """
    if config.triggers is None:
        return None
    if process is None or config.process is None:
        raise SettingsError("expected a section process with a section triggers, received none; see docs/bioreactor.md")
    return Triggering(config.triggers, config.process, process, bool(config.charts), config.horizon_hours)


def reconciling_of(config: BioreactorConfig) -> Reconciling | None:
    """Give what reconciles probes with the laboratory, if any are.

    Raises
    ------
    SettingsError
        If the section cannot be.
    """
    return Reconciling(config.reconciled) if config.reconciled else None


def learning_of(config: BioreactorConfig, process: Process | None) -> Learning | None:
    """Give what learns beside the qualified lane, if anything: river loads only then.

    Raises
    ------
    SettingsError
        If the section cannot be, or does not fit the process model.
    MissingExtraError
        If river is not installed.
    """
    if config.learning is None:
        return None
    try:
        from twins.bioreactor.learning import Learning
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("river", "narwhals"):
            raise
        raise MissingExtraError("river", "online-ml") from None
    return Learning(config.learning, process)


def model_name(config: BioreactorConfig) -> str:
    """Name model, version, and a hash of all that could change a number of the qualified lane."""
    said = msgspec.to_builtins(config)
    if config.process is not None:
        said["process"] = said_of(config.process)
    del said["learning"]  # whose numbers are advisory, and carry a name of their own
    _leave_out(said, _LATER)
    if config.process is not None and is_stiff(find_model(PROCESS_MODELS, config.process.model)):
        said["process"]["steps"] = "implicit"  # stepped explicitly once, and named without
    if config.triggers is not None:
        _leave_out(said["triggers"], _LATER_OF_TRIGGERS)
    for limit in said["limits"]:
        for kind in ("alarm", "action", "proven"):
            if limit[kind] is not None:
                _leave_out(limit[kind], _LATER_OF_KIND)
        _leave_out(limit, _LATER_OF_LIMIT)
    body = msgspec.json.encode(said, order="sorted")
    defaults = repr([(one.name, one.value) for one in GROWTH]).encode()
    return f"{config.model}@{VERSION}+{hashlib.sha256(body + defaults).hexdigest()[:10]}"


# Any: a configuration as JSON would have it.
def _leave_out(said: dict[str, Any], silent: dict[str, Any]) -> None:
    for name, value in silent.items():
        if said[name] == value or (value == [] and not said[name]):
            del said[name]
