"""Three kinds of limits on a tag, kept apart because they ask for three different things.

- alarm: the operator acts now. It has a deadband and delays, so that it is worth acting on.
- action: the GMP action limit. Beyond it there is a deviation record, whether anybody acted or not.
- proven: the proven acceptable range. Outside it product quality was not shown to hold; quality decides.

Source
------
Alarm as in ANSI/ISA-18.2-2016, clause 3 (asks for a timely response); proven acceptable range as in ICH Q8(R2),
glossary; action limit as in EU GMP Annex 1 (2022), glossary.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.effects import AlertPriority
from schemas.errors import SettingsError
from schemas.instants import SECOND

Kind = Literal["alarm", "action", "proven"]
Side = Literal["low", "high"]
KINDS: tuple[Kind, ...] = ("alarm", "action", "proven")  # from the inside to the outside
NO_BRIDGE = 1 << 62  # us: any silence is bridged

Seconds = Annotated[float, Meta(ge=0, le=86400)]
Phases = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=128)], ...], Meta(max_length=32)]


class Band(Struct, frozen=True, forbid_unknown_fields=True):
    """A lower and an upper limit of one kind; what is between them is fine.

    Parameters
    ----------
    low, high : float, optional
        In the tag's unit. A value on a limit is not beyond it.
    deadband : float
        How far back inside a value must be to clear, in the tag's unit.
    on_delay_seconds, off_delay_seconds : float
        How long it must be beyond, without a break, to raise; and back, to clear. 0 to 86400.
    priority : AlertPriority
        Of the alarm.
    phases : tuple of str
        In which the limit holds, for who knows of phases (the live twin does); none: always.
    """

    low: float | None = None
    high: float | None = None
    deadband: float = 0.0
    on_delay_seconds: Seconds = 0.0
    off_delay_seconds: Seconds = 0.0
    priority: AlertPriority = "medium"
    phases: Phases = ()


class TagLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one tag.

    Parameters
    ----------
    tag : str
        What is measured.
    alarm, action, proven : Band, optional
        From the inside to the outside: each must lie strictly within the next.
    bridge_seconds : float, optional
        A longer silence tells nothing: a delay before clearing begins anew after it. It must be longer than the time
        between readings. Without it any silence is bridged.
    """

    tag: str
    alarm: Band | None = None
    action: Band | None = None
    proven: Band | None = None
    bridge_seconds: Annotated[float, Meta(gt=0)] | None = None


class AlarmRule(Struct, frozen=True):
    """One rule, ready to be evaluated: beyond `limit` on its side raises, at `clear` or further back clears."""

    name: str  # such as dissolved_oxygen.low.action
    tag: str
    kind: Kind
    high: bool
    limit: float
    clear: float
    on_delay: int  # us
    off_delay: int  # us
    bridge: int  # us
    priority: AlertPriority


def rules_of(limits: TagLimits) -> tuple[AlarmRule, ...]:
    """Check the limits of a tag and lay out their rules: alarm, action, proven; low before high.

    Raises
    ------
    SettingsError
        If a limit is no number, a lower one is not below its upper one, a deadband leaves nothing to clear in, or a
        kind does not lie strictly within the next.

    Examples
    --------
    >>> rules = rules_of(TagLimits("ph", alarm=Band(6.9, 7.1), proven=Band(6.7, 7.3)))
    >>> [rule.name for rule in rules]
    ['ph.low.alarm', 'ph.high.alarm', 'ph.low.proven', 'ph.high.proven']
    """
    bands = [(kind, band) for kind in KINDS if (band := getattr(limits, kind)) is not None]
    if not bands:
        raise SettingsError(f"expected alarm, action or proven limits, received none, for {limits.tag}")
    for kind, band in bands:
        _check(limits.tag, kind, band)
    for place, (inner_kind, inner) in enumerate(bands):
        for outer_kind, outer in bands[place + 1 :]:
            _check_order(limits.tag, inner_kind, inner, outer_kind, outer)
    bridge = NO_BRIDGE if limits.bridge_seconds is None else _microseconds(limits.bridge_seconds)
    rules: list[AlarmRule] = []
    for kind, band in bands:
        delays = _microseconds(band.on_delay_seconds), _microseconds(band.off_delay_seconds)
        for side, limit in (("low", band.low), ("high", band.high)):
            if limit is not None:
                high = side == "high"
                clear = limit - band.deadband if high else limit + band.deadband
                name = f"{limits.tag}.{side}.{kind}"
                rules.append(AlarmRule(name, limits.tag, kind, high, limit, clear, *delays, bridge, band.priority))
    return tuple(rules)


def _check(tag: str, kind: Kind, band: Band) -> None:
    where = f"the {kind} limits of {tag}"
    given = [limit for limit in (band.low, band.high) if limit is not None]
    if not given:
        raise SettingsError(f"expected low or high, received neither, in {where}")
    if not all(map(math.isfinite, given)):
        raise SettingsError(f"expected finite limits, received {given}, in {where}")
    if not 0 <= band.deadband < math.inf:
        raise SettingsError(f"expected a deadband of 0 or more, received {band.deadband}, in {where}")
    if band.low is not None and band.high is not None:
        if not band.low < band.high:
            raise SettingsError(f"expected low below high, received {band.low} and {band.high}, in {where}")
        if band.low + band.deadband > band.high - band.deadband:
            raise SettingsError(
                f"expected a deadband of at most half of {band.low} to {band.high}, received {band.deadband}, "
                f"in {where}; with it both sides could not be clear at once"
            )


def _check_order(tag: str, inner_kind: Kind, inner: Band, outer_kind: Kind, outer: Band) -> None:
    for side, within, beyond in (("low", inner.low, outer.low), ("high", inner.high, outer.high)):
        if within is None or beyond is None:
            continue
        if not (within > beyond if side == "low" else within < beyond):
            raise SettingsError(
                f"expected the {side} {outer_kind} limit outside the {inner_kind} limit of {within}, "
                f"received {beyond}, for {tag}; proven limits lie outside action limits, these outside alarm limits"
            )


def _microseconds(seconds: float) -> int:
    return round(seconds * SECOND)
