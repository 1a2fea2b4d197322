"""What an enrollment twin says: the `data` of its estimates, forecasts and corrections.

Rates are subjects a month (365.25/12 d). Quantiles of a date are RFC 3339 text, null where it lies beyond the horizon
or never comes; a column holds one value a row, in the order of `names`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from schemas.enrollment_money import MoneyForecast

Dates = list[str | None]


class Interval(Struct, frozen=True):
    """Median and central 90 % interval."""

    median: float
    low: float
    high: float


class SiteColumns(Struct, frozen=True):
    """The sites of a study by column. `below_plan` is the probability that a site's rate is under half of what is
    planned of it (of the study's median where nothing is planned); `rank` orders open sites by it, 1 the worst."""

    names: list[str]
    country: list[str]
    status: list[Literal["planned", "initiated", "open", "paused", "closed"]]
    opened: Dates
    screened: list[int]
    failed: list[int]
    counted: list[int]
    rate: list[float]
    rate_low: list[float]
    rate_high: list[float]
    below_plan: list[float]
    rank: list[int | None]


class CountryState(Struct, frozen=True):
    """A country: what it brought, what it brings a month with the sites now open, what was planned by now."""

    country: str
    counted: int
    cap: int | None
    open_sites: int
    sites: int
    rate: Interval
    planned: float | None


class Change(Struct, frozen=True):
    """A rate or a share that is found to have changed: since when (90 % interval), by which factor (of a share: of its
    odds).

    `name` is the country's, or `study`. `before` and `after` are rates or shares in `unit`; `probability` is that of a
    change this way; the rule says so where nothing changed once in `years_between_false_alarms`.
    """

    of: Literal["study", "country"]
    name: str
    what: Literal["enrollment", "screen_failure", "consent", "screening_speed"]
    direction: Literal["fell", "rose"]
    since: str | None
    since_low: str | None
    since_high: str | None
    factor: Interval
    before: float
    after: float
    unit: str
    probability: float
    years_between_false_alarms: float


class FunnelStep(Struct, frozen=True):
    """A step of the funnel: how many took it, how many of them went on, the share that does."""

    step: str
    entered: int
    passed: int
    waiting: int
    share: Interval


class Unreported(Struct, frozen=True):
    """Subjects who have been counted at their sites and are not yet reported here; null where no lag is known."""

    expected: float
    low: float
    high: float
    median_lag_days: float | None


class Waiting(Struct, frozen=True):
    """A fact that does not count yet, and what it waits for."""

    fact: str
    type: str
    site: str | None
    subject: str | None
    reason: str
    advice: str


class Quality(Struct, frozen=True):
    """Facts that do not count yet: how many by reason, and the newest of them."""

    by_reason: dict[str, int]
    newest: list[Waiting]


class EnrollmentEstimate(Struct, frozen=True):
    """The `data` of an enrollment estimate: what the facts say as of the twin's clock, and what it believes of them.

    `steps` counts subjects by step; `planned` is what the plan expected by now; `booked` is money by line and currency.
    """

    as_of: str
    milestone: Literal["enrolled", "randomised"]
    target: int
    by: str
    counted: int
    planned: float | None
    steps: dict[str, int]
    sites_by_status: dict[str, int]
    in_screening: int
    countries: list[CountryState]
    sites: SiteColumns
    funnel: list[FunnelStep]
    failures: dict[str, int]
    changes: list[Change]
    unreported: Unreported | None
    booked: dict[str, dict[str, float]]
    quality: Quality
    facts: int


class TargetForecast(Struct, frozen=True):
    """A target: when it will be reached, as quantiles, and the probability that it is by its day."""

    name: str
    of: Literal["subjects", "events"]
    count: int
    by: str
    reached_at: Dates
    probability: float
    reached: str | None = None


class StopScreening(Struct, frozen=True):
    """When to stop screening so that the target is still reached with `probability`, and how many too many then; null
    where no day within reach is likely enough: the probability is then that of stopping now."""

    at: str | None
    probability: float
    too_many: Interval


class Driver(Struct, frozen=True):
    """What a country brought more (negative: less) than planned by now by one cause, in subjects; its sites, the
    largest part first."""

    of: Literal["study", "country"]
    name: str
    why: str
    subjects: float
    sites: list[str]


class Flight(Struct, frozen=True):
    """Those in the funnel now, and how many of them will count in the end."""

    subjects: int
    expected: Interval


class StratumCap(Struct, frozen=True):
    """A stratum: how many count, how many more are expected of those in the funnel, its cap.

    `exceeds` is the chance that they exceed the cap, `free` the places left once they have come; null without a cap.
    `stop`: those in the funnel fill it with 90 %, so screening for it may stop.
    """

    stratum: str
    counted: int
    coming: float
    cap: int | None
    exceeds: float | None
    free: float | None
    stop: bool


class EnrollmentForecast(Struct, frozen=True):
    """The `data` of an enrollment forecast: `study[i][j]` is quantile `quantiles[j]` of subjects counted by `at[i]`.

    `plan[i]` is what the plan expects by then. `drivers` explain the difference to the plan so far, most first.
    `moved` says in plain words why the date moved since the forecast that `since` names. `money` is the forecast at
    completion, null without a budget (`MoneyForecast`). Fields with a default came later than the others.
    """

    as_of: str
    quantiles: list[float]
    at: list[str]
    study: list[list[float]]
    countries: dict[str, list[list[float]]]
    plan: list[float] | None
    events: list[list[float]] | None
    targets: list[TargetForecast]
    stop_screening: StopScreening | None
    drivers: list[Driver]
    moved: list[str]
    since: str | None
    money: MoneyForecast | None
    horizon: str
    in_flight: Flight | None = None
    strata: list[StratumCap] = []


class LearnedPredictor(Struct, frozen=True):
    """A learner: what it learned from, and which part of the plain mean's squared error it saved on what it had not
    seen. `useful`: with enough examples, a gain, and no drift."""

    model: str
    library: str
    first: str | None
    last: str | None
    examples: int
    gain: float
    drifting: bool
    drifts: int
    useful: bool


class LearnedFailures(LearnedPredictor, frozen=True):
    """How many of those in screening are expected to fail."""

    in_screening: int
    expected: float


class LearnedSites(LearnedPredictor, frozen=True):
    """What sites are expected to bring in the next `days`."""

    days: int
    names: list[str]
    brings: list[float]


class EnrollmentLearned(Struct, frozen=True):
    """What learners make of a study."""

    failures: LearnedFailures
    sites: LearnedSites


class EnrollmentLearning(Struct, frozen=True):
    """The `data` of an advisory enrollment forecast: what is learned beside the model, never in its place."""

    as_of: str
    learned: EnrollmentLearned


class CorrectionData(Struct, frozen=True):
    """The `data` of a correction: advice, ranked; what a person decided of it; or what became of it.

    `correction` is the identity of a recommendation: the job that it rests on. `hash` is SHA-256 of the whole
    recommendation as the job's document holds it (`record`, canonical JSON); `record` here is what a page shows.
    """

    action: Literal["recommend", "decide", "audit"]
    correction: str
    hash: str
    summary: list[str]
    record: dict[str, Any]  # Any: JSON; docs/enrollment_corrections.md
