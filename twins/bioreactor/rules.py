"""The rules of a block, each ready to be evaluated, in the order in which they speak."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from schemas.bioreactor import TAG_DIMENSIONS
from schemas.effects import AlertPriority
from schemas.errors import InputError, SettingsError
from schemas.instants import MINUTE, SECOND
from schemas.units import CANONICAL, UNITS, find_unit
from twins.alarming.limits import NO_BRIDGE, Band, TagLimits
from twins.alarming.limits import rules_of as rules_of_tag
from twins.bioreactor.sections import Chart, GoldenBatch, Limit, PredictedLimit

# What can be forecast, hence be given a predicted limit, and its unit (None: that of the biomass signal).
FORECAST_UNITS: dict[str, str | None] = {"biomass": None, "growth_rate": "/h", "volume": "L"}
PROCESS = "process."  # what a limit on a state or an output of the process model begins with


class Rule(Struct, frozen=True):
    """One rule, ready to be evaluated: beyond `limit` on its side raises, back past `clear` clears."""

    index: int
    name: str  # such as dissolved_oxygen.low.measured
    kind: Literal["measured", "predicted", "chart", "golden", "fault", "silence"]
    tag: str
    unit: str | None
    high: bool
    limit: float
    clear: float  # measured: the value that clears; predicted: the probability
    raise_at: float
    priority: AlertPriority
    on_delay: int = 0  # us
    off_delay: int = 0  # us
    bridge: int = NO_BRIDGE  # us
    point: int = -1  # column of `State.since` and `State.seen`; -1: it waits for nothing
    of: str = ""  # alarm, action or proven, where the three are kept apart
    phases: tuple[str, ...] = ()  # in which it holds; none: always


def measured_rules(limits: Sequence[Limit]) -> list[Rule]:
    """Lay out the rules on what is measured, in canonical units.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    rules: list[Rule] = []
    for limit in limits:
        kinds = [band for band in (limit.alarm, limit.action, limit.proven) if band is not None]
        plain = Limit(limit.tag, unit=limit.unit, bridge_seconds=limit.bridge_seconds, phases=limit.phases)
        if not kinds:
            rules += _plain_rules(limit)
        elif replace(limit, alarm=None, action=None, proven=None) != plain:
            raise SettingsError(
                f"expected low and high, or alarm, action and proven with theirs, received both, in {limit.tag}"
            )
        else:
            rules += _kept_apart(limit)
    return _told_apart(rules)


def _told_apart(rules: Sequence[Rule]) -> list[Rule]:
    """Put its phases into the name of a rule, where another would have the same name."""
    named = Counter((rule.name, rule.unit) for rule in rules)
    return [
        replace(rule, name=f"{rule.name}@{'+'.join(rule.phases)}")
        if rule.phases and named[rule.name, rule.unit] > 1
        else rule
        for rule in rules
    ]


def _plain_rules(limit: Limit) -> list[Rule]:
    unit, scale, shift = _canonical(limit.tag, limit.unit)
    if limit.low is None and limit.high is None:
        raise SettingsError(f"expected low or high, received neither, in the limit of {limit.tag}")
    band = limit.deadband * scale
    if not 0 <= band < math.inf:
        raise SettingsError(f"expected a deadband of 0 or more, received {limit.deadband}, in {limit.tag}")
    bridge = NO_BRIDGE if limit.bridge_seconds is None else round(limit.bridge_seconds * SECOND)
    delays = round(limit.on_delay_seconds * SECOND), round(limit.off_delay_seconds * SECOND)
    rules = []
    for side, bound in (("low", limit.low), ("high", limit.high)):
        if bound is not None:
            value = _finite((bound + shift) * scale, limit.tag)
            back = value - band if side == "high" else value + band
            rules.append(
                Rule(
                    0, f"{limit.tag}.{side}.measured", "measured", limit.tag, unit, side == "high", value, back, 1,
                    limit.priority, *delays, bridge, phases=limit.phases,
                )
            )  # fmt: skip
    return rules


def _kept_apart(limit: Limit) -> list[Rule]:
    """Lay out alarm, action and proven limits of one tag."""
    unit, scale, shift = _canonical(limit.tag, limit.unit)

    def canonical(band: Band | None) -> Band | None:
        if band is None:
            return None
        low, high = (None if bound is None else (bound + shift) * scale for bound in (band.low, band.high))
        return replace(band, low=low, high=high, deadband=band.deadband * scale)

    bands = {"alarm": limit.alarm, "action": limit.action, "proven": limit.proven}
    phases = {kind: (band.phases if band is not None else ()) or limit.phases for kind, band in bands.items()}
    alarm, action, proven = (canonical(band) for band in bands.values())
    return [
        Rule(
            0, one.name, "measured", one.tag, unit, one.high, one.limit, one.clear, 1, one.priority, one.on_delay,
            one.off_delay, one.bridge, of=one.kind, phases=phases[one.kind],
        )
        for one in rules_of_tag(TagLimits(limit.tag, alarm, action, proven, limit.bridge_seconds))
    ]  # fmt: skip


def predicted_rules(aims: Sequence[PredictedLimit], process: Mapping[str, tuple[str, bool]]) -> list[Rule]:
    """Lay out the rules on what is forecast; `process` as `process_section.limit_units` gives it.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    return [rule for aim in aims for rule in _predicted_rules(aim, process)]


def _predicted_rules(aim: PredictedLimit, process: Mapping[str, tuple[str, bool]]) -> list[Rule]:
    modelled = process.get(aim.tag.removeprefix(PROCESS)) if aim.tag.startswith(PROCESS) else None
    if modelled is None and aim.tag not in FORECAST_UNITS:
        known = [*FORECAST_UNITS, *(PROCESS + name for name in process)]
        raise SettingsError(f"expected a tag that is forecast, {', '.join(known)}, received {aim.tag}")
    if aim.low is None and aim.high is None:
        raise SettingsError(f"expected low or high, received neither, in the predicted limit of {aim.tag}")
    if aim.clear_at > aim.raise_at:
        raise SettingsError(f"expected clear_at at most raise_at, received {aim.clear_at} > {aim.raise_at}, {aim.tag}")
    unit: str | None
    scale, above = 1.0, aim.tag != "growth_rate"
    if modelled is not None:
        unit, above = modelled
    elif aim.unit is None:
        unit = FORECAST_UNITS[aim.tag]
    else:
        unit, scale, _ = _canonical(aim.tag, aim.unit)
    rules: list[Rule] = []
    for side, bound in (("low", aim.low), ("high", aim.high)):
        if bound is not None:
            value = bound * scale if modelled is None else said_in(bound, aim.unit, modelled[0], aim.tag)
            value = _finite(value, aim.tag)
            if above and value <= 0:
                raise SettingsError(f"expected a predicted limit above 0, received {bound}, for {aim.tag}")
            rules.append(
                Rule(
                    0, f"{aim.tag}.{side}.predicted", "predicted", aim.tag, unit, side == "high", value, aim.clear_at,
                    aim.raise_at, aim.priority,
                )
            )  # fmt: skip
    return rules


def chart_rules(charts: Sequence[Chart]) -> list[Rule]:
    """Lay out a rule a chart. Their limits stand in `charting.py`."""
    return [
        Rule(0, f"biomass.residual.{one.chart}", "chart", "biomass", "1", True, 0.0, 0.0, 1, one.priority)
        for one in charts
    ]


def golden_rules(golden: GoldenBatch | None) -> list[Rule]:
    """Lay out the two rules on the distance from good runs: on a score over its limit."""
    if golden is None:
        return []
    delays = round(golden.on_delay_minutes * MINUTE), round(golden.off_delay_minutes * MINUTE)
    return [
        Rule(0, name, "golden", "golden", "1", True, 1.0, 1.0, 1, golden.priority, *delays, point=0)
        for name in ("golden.t2", "golden.spe")
    ]


def silence_rule(minutes: float) -> Rule:
    """Give the rule on twins that say nothing."""
    return Rule(0, "silence", "silence", "silence", "min", True, minutes, 0.0, 1, "medium")


def numbered(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Give each rule its place, and a column of waiting to those that wait."""
    found: list[Rule] = []
    points = 0
    for index, rule in enumerate(rules):
        waits = rule.on_delay > 0 or rule.off_delay > 0 or rule.point >= 0
        found.append(replace(rule, index=index, point=points if waits else -1))
        points += waits
    return tuple(found)


def said_in(value: float, code: str | None, unit: str, where: str) -> float:
    """Convert a value, given in the unit `code`, to the unit in which a process model's quantity is said.

    Raises
    ------
    SettingsError
        If the code is no unit of that dimension.

    Examples
    --------
    >>> said_in(2000.0, "umol/L", "mmol/L", "process.glucose")
    2.0
    """
    if code is None or code == unit:
        return value
    given, said = UNITS.get(code), UNITS.get(unit)
    if given is None or said is None or given.dimension != said.dimension:
        raise SettingsError(f"expected {unit} or a unit of its dimension, received {code}, for {where}")
    return (value + given.shift) * given.scale / said.scale - said.shift


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
