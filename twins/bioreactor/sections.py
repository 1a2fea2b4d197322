"""The sections of a bioreactor configuration: what can be asked of a twin besides its model and its cadence."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from schemas.effects import AlertPriority
from schemas.jobs import Priority
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

    tag: Name  # one of FORECAST_UNITS, or process.<state or output>
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


class Reconciled(Struct, frozen=True, forbid_unknown_fields=True):
    """A probe whose offset is learned from assays of the same tag, all in `unit`.

    Parameters
    ----------
    tag, unit : str
        Such as `ph` in [pH], `pco2` in mm[Hg].
    assay_sd : float
        Of one assay.
    drift_sd_per_day : float
        By how much the offset wanders in a day.
    offset_sd : float
        How well the probe is known after a calibration or a change, and when a run begins.
    probe_sd : float
        Noise of one reading.
    """

    tag: Name
    unit: Name
    assay_sd: Annotated[float, Meta(gt=0)]
    drift_sd_per_day: Annotated[float, Meta(ge=0)]
    offset_sd: Annotated[float, Meta(gt=0)]
    probe_sd: Annotated[float, Meta(ge=0)] = 0.0


class FeedAdvice(Struct, frozen=True, forbid_unknown_fields=True):
    """Advice on feeding, with each forecast: what keeps one state of the process model above a floor.

    Parameters
    ----------
    state : str
        A state that the model can be fed.
    floor, unit : float, str
        What it is to be kept above; without a unit, in the one the state is said in.
    probability : float
        With which it is kept, at each of the hours ahead.
    horizon_hours : float
        How far ahead; no further than the planned end.
    most_litres_per_hour, most_litres, vessel_litres : float
        What the pump gives at most, in an hour and over the horizon, and what the vessel holds at most.
    """

    state: Name
    floor: Annotated[float, Meta(gt=0)]
    most_litres_per_hour: Annotated[float, Meta(gt=0, le=1e6)]
    most_litres: Annotated[float, Meta(gt=0, le=1e6)]
    vessel_litres: Annotated[float, Meta(gt=0, le=1e6)]
    unit: str | None = None
    probability: Annotated[float, Meta(ge=0.5, le=0.999)] = 0.95
    horizon_hours: Annotated[float, Meta(ge=1, le=240)] = 12.0


class Inconsistency(Struct, frozen=True, forbid_unknown_fields=True):
    """A channel of the process model that is inconsistent for so long; armed again once it was not, `clear_minutes`."""

    minutes: Annotated[float, Meta(gt=0, le=10080)] = 60.0  # assumed: longer than what a feed or a sample stirs up
    clear_minutes: Minutes = 60.0


class Surprise(Struct, frozen=True, forbid_unknown_fields=True):
    """An assay further from what was expected than `z` standard deviations; armed again by one within `clear_z`."""

    z: Annotated[float, Meta(gt=0, le=100)] = 3.3  # the gate's own limit: chi-square .999
    clear_z: Annotated[float, Meta(ge=0, le=100)] = 2.0  # assumed: as 19 of 20 are where nothing is wrong


class Worth(Struct, frozen=True, forbid_unknown_fields=True):
    """The last word of a trigger: a request must be expected to be worth more than it costs.

    Parameters
    ----------
    decision : str
        What is decided on: a state or an output of the process model at the end of the run, such as `glucose`; of a
        predicted limit, its tag: `process.glucose`.
    loss_per_sd : float
        What one standard deviation of it costs, in the unit it is said in.
    price_per_second : float
        Of a second of a device, in the same money.
    seconds_per_million_steps : float
        What a million steps of one draw take; a draw takes the model's own steps over the hours asked for.
    """

    decision: Name
    loss_per_sd: Annotated[float, Meta(gt=0)]
    price_per_second: Annotated[float, Meta(ge=0)]
    seconds_per_million_steps: Annotated[float, Meta(gt=0)] = 5.0  # assumed: numpy on one core; measure your own


class Triggers(Struct, frozen=True, forbid_unknown_fields=True):
    """When a twin asks for a re-simulation, and how often at most. What is not named asks for none.

    Parameters
    ----------
    inconsistent, surprise : optional
        See there.
    drift : bool
        When a control chart raises its alert; armed again when all are cleared.
    phase : bool
        When the recipe's phase becomes another.
    schedule_hours : float, optional
        Every so many hours of a run.
    cooldown_hours : float
        Between two requests of a unit, of its event time.
    most_a_day : int
        Requests of a unit in a day of UTC.
    draws : int
        Of the simulation.
    priority : str
        Of the job.
    asks : str
        What is asked for: how the run goes on, by draws of what is believed now (`ensemble`), or what its parameters
        are, from all that was measured of it (`reestimate`).
    value : Worth, optional
        With it, only what is worth its price is asked for.
    """

    inconsistent: Inconsistency | None = None
    surprise: Surprise | None = None
    drift: bool = False
    phase: bool = False
    cooldown_hours: Annotated[float, Meta(ge=0, le=1000)] = 6.0  # assumed: less would be the same question again
    most_a_day: Annotated[int, Meta(ge=1, le=100)] = 3  # assumed: what a person reads
    draws: Annotated[int, Meta(ge=2, le=10_000)] = 200  # assumed: 5 % quantiles to about a tenth of the spread
    priority: Priority = "background"
    schedule_hours: Annotated[float, Meta(ge=0.1, le=10_000)] | None = None
    asks: Literal["ensemble", "reestimate"] = "ensemble"
    value: Worth | None = None


class FaultSource(Struct, frozen=True, forbid_unknown_fields=True):
    """A tag of the site, and the unit it is read in: any of the channel's dimension; none: that of the detector."""

    tag: Name
    unit: str | None = None


class Vessel(Struct, frozen=True, forbid_unknown_fields=True):
    """What a site qualifies for its vessel; else as in `twins.faults.settings.Settings`, which says what each is."""

    residual_sd: dict[str, float] = {}
    headspace_millilitres: Annotated[float, Meta(gt=0, le=1e8)] | None = None
    evaporation_millilitres_per_hour: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    heater_kelvin_per_percent: Annotated[float, Meta(ge=0, le=10)] | None = None
    jacket_minutes: Annotated[float, Meta(ge=1, le=1000)] | None = None
    ph_low: Annotated[float, Meta(gt=0, lt=14)] | None = None
    rpm_exponent: Annotated[float, Meta(ge=0, le=4)] | None = None
    flow_exponent: Annotated[float, Meta(ge=0, le=2)] | None = None


class Faults(Struct, frozen=True, forbid_unknown_fields=True):
    """Which tags the fault detector reads, by its own names of channels and actuators.

    Parameters
    ----------
    channels : dict
        By names of `twins.faults.CHANNELS`; what is missing is never read, and what rests on it never tested.
    demands : dict
        Set points, by names of actuators: heater, base, carbon_dioxide, oxygen, air, feed, agitation.
    vessel : Vessel, optional
        What differs from a usual one.
    priority : AlertPriority
        Of all its alerts.
    """

    channels: dict[str, FaultSource]
    demands: dict[str, FaultSource] = {}
    vessel: Vessel | None = None
    priority: AlertPriority = "medium"
