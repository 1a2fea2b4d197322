"""What a twin says: effects, one JSON line each, and the shapes of their `data`.

The line is canonical: keys sorted, floats in their shortest form, no NaN, so two runs compare byte for byte.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

Kind = Literal["estimate", "forecast", "alert", "request", "correction", "consequence", "reject"]
Lane = Literal["qualified", "advisory"]
KINDS: tuple[Kind, ...] = ("estimate", "forecast", "alert", "request", "correction", "consequence", "reject")
AlertPriority = Literal["low", "medium", "high", "critical"]


class Effect(Struct, frozen=True):
    """One effect of one record. `id` is `topic/partition/offset/n`; times are RFC 3339 text in UTC."""

    id: str
    kind: Kind
    lane: Lane
    twin: str
    key: str
    event_time: str
    record_time: str
    model: str
    data: dict[str, Any]  # of the shape that `kind` names below; a dict, because it goes straight to JSON


class Belief(Struct, frozen=True, omit_defaults=False):
    """One estimated quantity: mean, standard deviation and the central 90 % interval."""

    mean: float
    sd: float
    low: float
    high: float
    unit: str


class GoldenScore(Struct, frozen=True):
    """How far a run stands from good ones; contributions are those of the tags with the largest."""

    model: str
    maturity: float | None  # None: of a model of rows
    t2: float
    t2_limit: float
    t2_contributions: dict[str, float]
    spe: float | None
    spe_limit: float
    spe_contributions: dict[str, float]


class ParameterBelief(Struct, frozen=True):
    """What a run has shown of a parameter: median and 90 % interval; `seen` where the data have told of it."""

    value: float
    low: float
    high: float
    unit: str
    seen: bool
    doubt_left: float  # of its standard deviation before any data


class ChannelHealth(Struct, frozen=True):
    """How a channel agrees with its model: mean of the newest squared innovations over their expected variance.

    `viability_factor` is there where a factor by viability is learned: what is believed of it.
    """

    nis_mean: float
    innovation: float
    innovation_sd: float
    rejected_run: int
    consistent: bool
    overcautious: bool
    viability_factor: Belief | None = None


class ProcessBelief(Struct, frozen=True):
    """What a process model believes: its states and outputs, parameters, and the health of its channels."""

    model: str
    lane: Literal["unscented", "extended"]
    state: dict[str, Belief]
    outputs: dict[str, Belief]
    parameters: dict[str, ParameterBelief]
    channels: dict[str, ChannelHealth]


class LimitForecast(Struct, frozen=True):
    """When a limit is expected to be reached: `reached_at[i]` is when the probability of being beyond it there is
    `quantiles[i]`, null where that lies beyond the horizon; `probability` the greatest of them all. `calibrated` where
    both rest on calibrated intervals over the whole horizon; else they are the model's own word."""

    limit: float
    unit: str
    probability: float
    quantiles: list[float]
    reached_at: list[str | None]
    calibrated: bool = False


Verdict = Literal["not enough data", "outside the model's domain", "outside calibration"]


class CalibratedForecast(Struct, frozen=True):
    """That a state's 5 and 95 % are calibrated: to hold `coverage` of truths, up to `hours` ahead.

    `whole` where all that is said of it lies within those hours. Null as a verdict: nothing speaks against it.
    """

    coverage: float
    hours: float
    whole: bool
    verdict: Verdict | None


class EndOfRun(Struct, frozen=True):
    """What a process model expects at the planned end, under the planned feed: `values[name][j]` is quantile
    `quantiles[j]` of a state or an output. `hours` is the culture's age then; `used_up` says of each nutrient when it
    falls below the small amount `limit`."""

    at: str
    hours: float | None
    feed_litres_per_hour: float
    volume: float
    quantiles: list[float]
    values: dict[str, list[float]]
    units: dict[str, str]
    used_up: dict[str, LimitForecast]
    verdict: Verdict | None
    calibrated: dict[str, CalibratedForecast] | None = None


class ProcessForecast(Struct, frozen=True):
    """What a process model expects where nothing is fed: `values[state][i][j]` as in a forecast's own.

    `verdict` says what speaks against the forecast, null where nothing does. `calibrated` is there where a calibration
    is configured, by state. `end_of_run` is null where no end is planned, or it is past. `limits` is there where
    predicted limits on the model are configured, by names such as `glucose.low`.
    """

    model: str
    values: dict[str, list[list[float]]]
    units: dict[str, str]
    limits: dict[str, LimitForecast] | None = None
    verdict: Verdict | None = None
    calibrated: dict[str, CalibratedForecast] | None = None
    end_of_run: EndOfRun | None = None


class Unfed(Struct, frozen=True):
    """What happens where nothing is fed: when the floor is crossed, null where it is not."""

    crosses_at: str | None


class ReconciledProbe(Struct, frozen=True):
    """A probe held against the laboratory: what it reads, that less its offset, and what the offset is believed to be.

    `reconciled_at` is when the sample was drawn whose assay moved the offset last; `refused_run` counts assays in a row
    that were too far from what was expected. Null: no reading, or no assay yet; revised estimates hold no reading.
    """

    unit: str
    probe: float | None
    reconciled: Belief | None
    offset: Belief
    assay: float | None
    assay_time: str | None
    reconciled_at: str | None
    refused_run: int


class BicarbonateBalance(Struct, frozen=True):
    """The reconciled pH of a sample, and the one that its bicarbonate and reconciled carbon dioxide call for."""

    at: str
    ph: float
    ph_expected: float
    difference_sd: float
    consistent: bool


class ReconciledData(Struct, frozen=True):
    """Probes that are reconciled, by tag; `bicarbonate` is null until a sample had all three."""

    probes: dict[str, ReconciledProbe]
    bicarbonate: BicarbonateBalance | None


class FeedAdviceData(Struct, frozen=True):
    """What keeps a state above a floor: a constant rate from now on, or a bolus, `latest_time` at the latest.

    Null where it is not needed or does not do; `verdict` says which.
    """

    lane: Literal["advisory"]
    state: str
    floor: float
    unit: str
    probability: float
    horizon_hours: float
    verdict: Literal["no feed needed", "feed", "feed at a rate only", "feed a bolus only", "no admissible feed"]
    rate_litres_per_hour: float | None
    bolus_litres: float | None
    latest_time: str | None
    without: Unfed


FaultKind = Literal["dropped", "stuck", "stepped", "swapped", "drifted", "stopped", "runaway", "shifted"]


class SensorTrust(Struct, frozen=True):
    """Whether a tag's readings may be used, as of the newest whole minute; if not, why, and since when.

    `kind` is null where it is only waited for whether a strange reading was a spike. `other` is the tag that may be at
    fault instead. `spikes` are those of the run so far, which raise nothing.
    """

    trusted: bool
    kind: FaultKind | None
    since: str | None
    other: str | None
    spikes: int


class EstimateData(Struct, frozen=True):
    """The `data` of an estimate.

    `golden` and `process` are there where they are configured: null between scores, and before a run begins. `held` is
    there while the unit is held. `limits` is there where some limit holds in some phases only: the names of the rules
    on measured values that hold in the present one. `reconciled` is there where probes are held against the laboratory,
    `sensors` where faults are looked for, by tag, and in no revised estimate.
    """

    batch: str | None
    phase: str | None
    hours: float | None
    state: dict[str, Belief]
    readings: dict[str, dict[str, Any]]
    filter: dict[str, Any]
    records: dict[str, int]
    revised: bool
    golden: GoldenScore | None = None
    process: ProcessBelief | None = None
    held: bool = False
    limits: list[str] | None = None
    reconciled: ReconciledData | None = None
    sensors: dict[str, SensorTrust] | None = None


class LearnedLead(Struct, frozen=True):
    """What is learned of one lead: the model's median; by how many standard deviations the outcome is expected to be
    off, and whether that is applied; the interval of what the twin will believe then, whose width is tracked, and the
    share that it held of late; how many outcomes were learned from."""

    hours: float
    model: float
    expected_off: float
    applied: bool
    low: float
    high: float
    held: float
    examples: int


class LearningWindow(Struct, frozen=True):
    """What was learned from, across all units of the block: event times of the outcomes, offsets of their records."""

    first_offset: int
    last_offset: int
    to: str
    from_: str = field(name="from")


class DriftTest(Struct, frozen=True):
    """A Page-Hinkley test on forecast errors: both sums and what they are held against, whether a change is found now,
    how often one was, and points since the test began anew."""

    found: bool
    up: float
    down: float
    threshold: float
    times: int
    points: int


class LearningDrift(Struct, frozen=True):
    """Drift of this unit's errors and of all units'; `restarts`: how often regressions began anew because of it."""

    unit: DriftTest
    fleet: DriftTest
    restarts: int


class Anomaly(Struct, frozen=True):
    """How odd the unit is among those of late, 0 to 1, and the limit that a stated share stays within."""

    score: float
    limit: float
    beyond: bool


class LearningOff(Struct, frozen=True):
    """Why nothing is learned any more, since when, and how many forecasts were left out."""

    reason: str
    since: str
    since_offset: int
    left_out: int


class LearningData(Struct, frozen=True):
    """What stands behind a forecast of the advisory lane. With `off`, there is nothing else to say."""

    model: str
    library: str
    quantity: str
    begun_anew: int
    begun_anew_reason: str | None = None
    leads: list[LearnedLead] | None = None
    window: LearningWindow | None = None
    drift: LearningDrift | None = None
    anomaly: Anomaly | None = None
    off: LearningOff | None = None


class ReestimatedParameter(Struct, frozen=True):
    """A parameter's median and the standard deviation of its logarithm: as the twin believes now, null where it does
    not estimate it, and as a re-simulation found."""

    unit: str
    before: float | None
    before_sd_log: float | None
    after: float
    after_sd_log: float


class ChangedEnd(Struct, frozen=True):
    """Quantiles of a quantity at the end: by the twin's own forecast, null where it has none; by a re-simulation."""

    unit: str
    before: list[float] | None
    after: list[float]


class ResimulatedData(Struct, frozen=True):
    """What a re-simulation changes: of which job, asked at which event time, with the facts up to the record `inputs`.

    `verdict` is what the answer itself says against it; `before_at` and `after_at` are the ends that `ends` compares.
    `not_adoptable` says why a person cannot adopt it.
    """

    job: str
    kind: str
    asked_at: str
    inputs: str
    device: str
    versions: dict[str, str]
    verdict: str | None
    parameters: dict[str, ReestimatedParameter]
    before_at: str | None
    after_at: str | None
    ends: dict[str, ChangedEnd]
    adoptable: bool
    not_adoptable: str | None


class ForecastData(Struct, frozen=True):
    """The `data` of a forecast: `values[quantity][i][j]` is quantile `quantiles[j]` at time `at[i]`.

    `advice` is there where it is configured: null before a run begins. `learning` is there on the advisory lane alone,
    where a forecast says what is learned of the errors of the others; `resimulated` too, where one says what a
    re-simulation expects.
    """

    batch: str | None
    quantiles: list[float]
    at: list[str]
    values: dict[str, list[list[float]]]
    units: dict[str, str]
    process: ProcessForecast | None = None
    advice: FeedAdviceData | None = None
    learning: LearningData | None = None
    resimulated: ResimulatedData | None = None


class FilterHealth(Struct, frozen=True):
    """How far the filters of a twin could be trusted at its newest estimate: what an alert rests on."""

    consistent: bool
    rejected_run: int
    as_of: str


class FaultNamed(Struct, frozen=True):
    """What is at fault: one tag, or two of which one is. `culture` is the process itself."""

    kind: FaultKind
    tags: list[str]
    since: str


class AlertData(Struct, frozen=True):
    """The `data` of an alert. `alert` is the effect id that it was first said with, which is the alert's identity.

    `filter` is null where nothing was estimated yet.

    `suppress` says an alert that follows from another, `suppressed_by`, and is not shown to people; where it outlives
    that one, a `raise` under the same identity shows it.

    `fault` is there where a rule on a fault raises.
    """

    action: Literal["raise", "update", "clear", "suppress"]
    alert: str
    rule: str
    tag: str
    priority: AlertPriority
    value: float | None
    limit: float | None
    unit: str
    probability: float | None
    expected_at: str | None
    batch: str | None
    phase: str | None
    message: str
    suppressed_by: str | None = None
    filter: FilterHealth | None = None
    fault: FaultNamed | None = None


class ConsequenceData(Struct, frozen=True):
    """The `data` of a consequence: what follows for another twin of the family. It is said to that twin as an event of
    this `type`, `subject` and `data`, on the family's own topic; the effect's id is the event's."""

    subject: str
    type: str
    data: dict[str, Any]  # of the struct that `type` names


class RejectData(Struct, frozen=True):
    """The `data` of a reject: why a record, or one channel of it, was not used."""

    reason: str
    expected: str
    received: str
    where: str
    advice: str
    topic: str
    partition: int
    offset: int


_ENCODE = msgspec.json.Encoder(order="sorted")


def write_effect(effect: Effect) -> bytes:
    """Write the canonical line of an effect, without the line's end.

    Raises
    ------
    ValueError
        If a number is not finite: a twin must never say NaN.

    Examples
    --------
    >>> write_effect(Effect("t/0/1/0", "reject", "qualified", "bioreactor", "B", "x", "y", "", {"b": 1.0, "a": 0.1}))
    b'{"data":{"a":0.1,"b":1.0},"event_time":"x","id":"t/0/1/0","key":"B","kind":"reject","lane":"qualified","model":"","record_time":"y","twin":"bioreactor"}'
    """
    line = _ENCODE.encode(effect)
    # msgspec writes a NaN as null. Only a line with more of them than its data says outright is walked.
    if (nulls := line.count(b"null")) and nulls > sum([value is None for value in effect.data.values()]):
        _refuse_not_finite(effect.data, effect.id)
    return line


_NO_NUMBER = frozenset({str, int, bool, type(None), msgspec.Raw})  # raw JSON was written by an encoder of ours


def _refuse_not_finite(value: Any, where: str) -> None:
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) not in _NO_NUMBER:
                _refuse_not_finite(item, where)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"expected finite numbers, received {value}, in effect {where}")
    elif isinstance(value, Struct):
        _refuse_not_finite(msgspec.structs.asdict(value), where)


def order_of(effect_id: str) -> tuple[str, int, int, int]:
    """Give the sort key of an effect id: topic, partition, offset, n."""
    topic, partition, offset, n = effect_id.rsplit("/", 3)
    return topic, int(partition), int(offset), int(n)
