"""How a bioreactor twin is configured: model, parameters, limits, cadence. Checked once, then frozen."""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.bioreactor import TAG_DIMENSIONS
from schemas.effects import AlertPriority
from schemas.errors import InputError, SettingsError
from schemas.units import CANONICAL, find_unit
from twins.bioreactor.parameters.assumed_growth import GROWTH, INDEX

MODELS = ("growth",)
VERSION = 1  # of the model's equations: raise it when the same events would give other numbers
MAX_LIMITS = 64

Name = Annotated[str, Meta(min_length=1, max_length=128)]
# What can be forecast, hence be given a predicted limit, and its unit (None: that of the biomass signal).
FORECAST_UNITS: dict[str, str | None] = {"biomass": None, "growth_rate": "/h", "volume": "L"}


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """A limit on what is measured: raised at once beyond it, cleared when back by `deadband`."""

    tag: Name
    low: float | None = None
    high: float | None = None
    deadband: float = 0.0
    priority: AlertPriority = "high"
    unit: str | None = None  # None: the canonical unit of the tag


class PredictedLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """A limit on what is forecast: raised at probability `raise_at` of crossing before the horizon ends."""

    tag: Name  # one of FORECAST_UNITS
    low: float | None = None
    high: float | None = None
    raise_at: Annotated[float, Meta(gt=0, le=1)] = 0.8
    clear_at: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    priority: AlertPriority = "medium"
    unit: str | None = None  # for biomass: the unit of its signal; None: whatever that is


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


class Rule(Struct, frozen=True):
    """One rule, ready to be evaluated: beyond `limit` on its side raises, back past `clear` clears."""

    index: int
    name: str  # such as dissolved_oxygen.low.measured
    kind: Literal["measured", "predicted", "silence"]
    tag: str
    unit: str | None
    high: bool
    limit: float
    clear: float  # measured: the value that clears; predicted: the probability
    raise_at: float
    priority: AlertPriority


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
    rules_of(config)
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
    """Lay out the rules in their fixed order: measured, predicted, silence."""
    rules: list[Rule] = []
    for limit in config.limits:
        unit, scale, shift = _canonical(limit.tag, limit.unit)
        if limit.low is None and limit.high is None:
            raise SettingsError(f"expected low or high, received neither, in the limit of {limit.tag}")
        band = limit.deadband * scale
        if not 0 <= band < math.inf:
            raise SettingsError(f"expected a deadband of 0 or more, received {limit.deadband}, in {limit.tag}")
        for side, bound in (("low", limit.low), ("high", limit.high)):
            if bound is not None:
                value = _finite((bound + shift) * scale, limit.tag)
                back = value - band if side == "high" else value + band
                name = f"{limit.tag}.{side}.measured"
                rules.append(
                    Rule(len(rules), name, "measured", limit.tag, unit, side == "high", value, back, 1, limit.priority)
                )
    for aim in config.predicted:
        rules += _predicted_rules(aim, len(rules))
    rules.append(
        Rule(len(rules), "silence", "silence", "silence", "min", True, config.silence_minutes, 0.0, 1, "medium")
    )
    names = [(rule.name, rule.unit) for rule in rules]
    if len(set(names)) != len(names) or len(rules) > MAX_LIMITS:
        raise SettingsError(f"expected each limit once and at most {MAX_LIMITS}, received {names}"[:400])
    return tuple(rules)


def _predicted_rules(aim: PredictedLimit, first: int) -> list[Rule]:
    if aim.tag not in FORECAST_UNITS:
        raise SettingsError(f"expected a tag that is forecast, {', '.join(FORECAST_UNITS)}, received {aim.tag}")
    if aim.low is None and aim.high is None:
        raise SettingsError(f"expected low or high, received neither, in the predicted limit of {aim.tag}")
    if aim.clear_at > aim.raise_at:
        raise SettingsError(f"expected clear_at at most raise_at, received {aim.clear_at} > {aim.raise_at}, {aim.tag}")
    if aim.unit is None:
        unit, scale = FORECAST_UNITS[aim.tag], 1.0
    else:
        unit, scale, _ = _canonical(aim.tag, aim.unit)
    rules: list[Rule] = []
    for side, bound in (("low", aim.low), ("high", aim.high)):
        if bound is not None:
            value = _finite(bound * scale, aim.tag)
            if aim.tag != "growth_rate" and value <= 0:
                raise SettingsError(f"expected a predicted limit above 0, received {bound}, for {aim.tag}")
            rules.append(
                Rule(
                    first + len(rules), f"{aim.tag}.{side}.predicted", "predicted", aim.tag, unit, side == "high",
                    value, aim.clear_at, aim.raise_at, aim.priority,
                )
            )  # fmt: skip
    return rules


def model_name(config: BioreactorConfig) -> str:
    """Name model, version, and a hash of all that could change a number."""
    body = msgspec.json.encode(config, order="sorted")
    defaults = repr([(one.name, one.value) for one in GROWTH]).encode()
    return f"{config.model}@{VERSION}+{hashlib.sha256(body + defaults).hexdigest()[:10]}"


def _canonical(tag: str, code: str | None) -> tuple[str, float, float]:
    known = {"growth_rate": ("rate",), **TAG_DIMENSIONS}.get(tag)
    if code is None:
        if known is None:
            raise SettingsError(f"expected a unit, received none, in the limit of {tag}; add `unit`")
        return CANONICAL[known[0]], 1.0, 0.0
    try:
        unit = find_unit(code, where=f"the limit of {tag}")
    except InputError as error:
        raise SettingsError(str(error)) from None
    if known is not None and unit.dimension not in known:
        raise SettingsError(f"expected a unit of {' or '.join(known)}, received {code}, in the limit of {tag}")
    return CANONICAL[unit.dimension], unit.scale, unit.shift


def _finite(value: float, tag: str) -> float:
    if not math.isfinite(value):
        raise SettingsError(f"expected a finite limit, received {value}, for {tag}")
    return value
