"""What is said about a trial's enrollment. The topic's key, an event's `subject`, is the study.

Subjects are pseudonyms, made at the door (`connectors/pseudonyms.py`). No event can say an arm: a field that is not
listed is refused. A fact that replaces another names it in `supersedes`; one that no longer counts is named by
`fact_withdrawn`. Both may come before the fact they name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from schemas.fields import Fact as Fact
from schemas.fields import FactName as FactName
from schemas.fields import FactWithdrawn as FactWithdrawn
from schemas.fields import Name, Reason, Text, TimeText
from schemas.jobs import ResimulationResult

Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0, le=1e12)]
CountryName = Annotated[str, Meta(min_length=2, max_length=32)]  # ISO 3166 where there is one
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]  # ISO 4217


class Look(Struct, frozen=True, forbid_unknown_fields=True):
    """An interim look: so many subjects or events, and when it is planned."""

    name: Name
    count: Annotated[int, Meta(ge=1, le=10_000_000)]
    by: TimeText
    of: Literal["subjects", "events"] = "subjects"


class Holiday(Struct, frozen=True, forbid_unknown_fields=True):
    """Days on which a country's sites bring nobody: `first` to before `after`, each an RFC 3339 time."""

    first: TimeText
    after: TimeText


class PlannedCountry(Struct, frozen=True, forbid_unknown_fields=True):
    """A country of the plan. `cap` is the most subjects it may bring; `backup` ones are opened only if needed."""

    country: CountryName
    cap: Count | None = None
    holidays: Annotated[tuple[Holiday, ...], Meta(max_length=400)] = ()
    backup: bool = False


class PlannedSite(Struct, frozen=True, forbid_unknown_fields=True):
    """A site of the plan: when it is to be activated, and how many subjects a month are expected of it."""

    site: Name
    country: CountryName
    activation: TimeText | None = None
    per_month: Positive | None = None
    cap: Count | None = None


class Stratum(Struct, frozen=True, forbid_unknown_fields=True):
    """A stratum and the most subjects it may hold."""

    stratum: Name
    cap: Count | None = None


class StudyPlanned(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A study is planned, or planned anew: the newest plan by its event time holds.

    `subjects` are to reach the step `counts` by `by`; with `events`, so many events by `events_by`. The study goes on
    for `follow_up_days` after its last subject came. `budget` is the
    document of docs/enrollment_money.md. `clock` says whether silence is judged by the wall (`wall`) or only by what
    the source itself says (`source`).
    """

    title: Text = ""
    counts: Literal["enrolled", "randomised"] = "enrolled"
    starts: TimeText
    subjects: Annotated[int, Meta(ge=1, le=1_000_000)]
    by: TimeText
    events: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    events_by: TimeText | None = None
    looks: Annotated[tuple[Look, ...], Meta(max_length=32)] = ()
    countries: Annotated[tuple[PlannedCountry, ...], Meta(max_length=200)] = ()
    sites: Annotated[tuple[PlannedSite, ...], Meta(max_length=5_000)] = ()
    strata: Annotated[tuple[Stratum, ...], Meta(max_length=64)] = ()
    screening_days: Annotated[float, Meta(gt=0, le=1000)] = 28.0
    follow_up_days: Annotated[float, Meta(ge=0, le=20_000)] = 0.0
    budget: dict[str, Any] = field(default_factory=dict)  # Any: JSON; read by `twins/enrollment/money`
    clock: Literal["wall", "source"] = "wall"


class ProtocolAmended(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The protocol is amended. What stands here changes the plan from then on; the rest stays.

    `relaxed` names reasons of screen failure that the amendment removes or eases.
    """

    amendment: Name
    subjects: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    by: TimeText | None = None
    events: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    events_by: TimeText | None = None
    relaxed: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    screening_days: Annotated[float, Meta(gt=0, le=1000)] | None = None
    reason: Text = ""


class CapSet(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From now on a country, a site or a stratum may bring at most so many subjects; null: as many as come."""

    of: Literal["country", "site", "stratum"]
    name: Name
    cap: Count | None


class SiteInitiated(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site's start-up begins, or a site that was not planned joins the study."""

    site: Name
    country: CountryName
    activation: TimeText | None = None
    per_month: Positive | None = None
    cap: Count | None = None


class SiteActivated(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site may enrol from now on. `country` is needed of a site that nobody named before."""

    site: Name
    country: CountryName | None = None


class SitePaused(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site stops enrolling for a while."""

    site: Name
    reason: Text = ""


class SiteResumed(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A paused site enrols again."""

    site: Name
    reason: Text = ""


class SiteClosed(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site enrols no more."""

    site: Name
    reason: Text = ""


class SubjectStep(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject took a step at a site. `subject` is a pseudonym."""

    site: Name
    subject: Name
    stratum: Name | None = None


class SubjectPrescreened(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody was looked at as a candidate."""


class SubjectConsented(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A candidate gave informed consent."""


class SubjectScreened(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Screening of a subject began."""


class ScreenFailed(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject does not qualify; `reason` is the criterion."""

    reason: Name = "unstated"


class SubjectEnrolled(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject entered the study."""


class SubjectRandomised(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject was randomised. To which arm is nobody's business here."""


class SubjectWithdrawn(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject left the study."""

    reason: Text = ""


class SubjectCompleted(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject went through the whole study."""


class SubjectLost(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject was lost to follow-up."""


class EventObserved(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The event that the trial counts happened to a subject."""

    event: Name = "primary"


class VisitDone(SubjectStep, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject's visit took place."""

    visit: Name


class CostBooked(Fact, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Money was booked against a line of the budget. A credit is negative."""

    line: Name
    amount: float
    currency: Currency
    country: CountryName | None = None
    site: Name | None = None


class CorrectionDecided(Struct, frozen=True, forbid_unknown_fields=True):
    """A person decided on a recommendation: took it, declined it, or put an option of their own in its place.

    `correction` is its identity: the job that it rests on. An override holds until `expires`, and says who and why, as
    every decision does.
    """

    correction: Name
    decision: Literal["taken", "declined", "overridden"]
    by: Name
    reason: Reason
    option: Name | None = None
    expires: TimeText | None = None


EVENTS: dict[str, type[Struct]] = {
    "enrollment.study_planned": StudyPlanned,
    "enrollment.protocol_amended": ProtocolAmended,
    "enrollment.cap_set": CapSet,
    "enrollment.site_initiated": SiteInitiated,
    "enrollment.site_activated": SiteActivated,
    "enrollment.site_paused": SitePaused,
    "enrollment.site_resumed": SiteResumed,
    "enrollment.site_closed": SiteClosed,
    "enrollment.subject_prescreened": SubjectPrescreened,
    "enrollment.subject_consented": SubjectConsented,
    "enrollment.subject_screened": SubjectScreened,
    "enrollment.screen_failed": ScreenFailed,
    "enrollment.subject_enrolled": SubjectEnrolled,
    "enrollment.subject_randomised": SubjectRandomised,
    "enrollment.subject_withdrawn": SubjectWithdrawn,
    "enrollment.subject_completed": SubjectCompleted,
    "enrollment.subject_lost": SubjectLost,
    "enrollment.event_observed": EventObserved,
    "enrollment.visit_done": VisitDone,
    "enrollment.cost_booked": CostBooked,
    "enrollment.fact_withdrawn": FactWithdrawn,
    "enrollment.correction_decided": CorrectionDecided,
    "enrollment.resimulated": ResimulationResult,
}
