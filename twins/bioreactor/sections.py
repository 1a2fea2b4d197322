"""The sections of a bioreactor configuration: what can be asked of a twin besides its model and its cadence."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from schemas.effects import AlertPriority
from twins.alarming.limits import Band, Phases, Seconds

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Minutes = Annotated[float, Meta(ge=0, le=10080)]


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits on what is measured: raised beyond them, cleared when back by `deadband`, after the delays if any.

    Either `low` and `high` with what belongs to them, or the three kinds kept apart, each with its own. With `phases`
    it holds only while the run is in one of them; those of a kind go before those of the whole.
    """

    tag: Name
    low: float | None = None
    high: float | None = None
    deadband: float = 0.0
    priority: AlertPriority = "high"
    unit: str | None = None  # None: the canonical unit of the tag
    on_delay_seconds: Seconds = 0.0
    off_delay_seconds: Seconds = 0.0
    bridge_seconds: Annotated[float, Meta(gt=0)] | None = None  # of all kinds; see `twins.alarming.limits.TagLimits`
    alarm: Band | None = None
    action: Band | None = None
    proven: Band | None = None
    phases: Phases = ()


class PredictedLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """A limit on what is forecast: raised at probability `raise_at` of crossing before the horizon ends."""

    tag: Name  # one of FORECAST_UNITS
    low: float | None = None
    high: float | None = None
    raise_at: Annotated[float, Meta(gt=0, le=1)] = 0.8
    clear_at: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    priority: AlertPriority = "medium"
    unit: str | None = None  # for biomass: the unit of its signal; None: whatever that is


class Chart(Struct, frozen=True, forbid_unknown_fields=True):
    """A control chart on what the filter did not expect of the biomass signal, a point a minute.

    Parameters
    ----------
    chart : {"cusum", "ewma", "rules"}
        Which; each at most once.
    arl0 : float, optional
        Mean number of points between false alarms, of cusum and ewma; 43,200 without it, one in 30 days of a unit.
        That of rules follows from which they are.
    reference, weight : float
        k of the cusum and lambda of the ewma.
    rules : tuple of str
        Names of `twins.charts.rules.MEANINGS`.
    quiet_minutes : float
        How long no point may fire until the alert clears.
    priority : AlertPriority
        Of the alert.
    """

    chart: Literal["cusum", "ewma", "rules"]
    arl0: Annotated[float, Meta(ge=2, le=1e7)] | None = None
    reference: Annotated[float, Meta(gt=0, le=3)] = 0.5
    weight: Annotated[float, Meta(ge=0.01, le=1)] = 0.2
    rules: tuple[Name, ...] = ()
    quiet_minutes: Minutes = 60.0  # assumed: several times the points after which a lasting shift fires again
    priority: AlertPriority = "low"


class Consequence(Struct, frozen=True, forbid_unknown_fields=True):
    """The alert of rule `effect` follows from that of `cause`, and for `hold_minutes` after it has cleared."""

    cause: Name
    effect: Name
    hold_minutes: Minutes = 0.0


class GoldenBatch(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a run stands from good ones, by a model that `twinstream golden fit` wrote.

    Parameters
    ----------
    model : dict
        The document.
    on_delay_minutes, off_delay_minutes : float
        How long every score must be beyond its limit to raise; and within it, to clear.
    stale_minutes : float
        A tag's value that is older counts as missing.
    top : int
        Contributions to name.
    priority : AlertPriority
        Of both alerts.
    """

    model: dict[str, Any]  # Any: a JSON document, whose shape `read_golden` checks
    on_delay_minutes: Minutes = 30.0  # assumed: longer than what a feed or a sample stirs up
    off_delay_minutes: Minutes = 0.0
    stale_minutes: Minutes = 10.0  # assumed: ten estimates without a new value are a probe that fell silent
    top: Annotated[int, Meta(ge=0, le=20)] = 3
    priority: AlertPriority = "medium"
