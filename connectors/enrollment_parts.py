"""The parts of a mapping of the family `enrollment`: how times are written, what a column, row or item means."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, StringConstraints, model_validator

from connectors.arms import is_arm, is_personal
from connectors.cells import check_pattern, check_zone, clock_reader
from connectors.mapping import fields_of
from connectors.mapping_parts import Column, Model, Name, Template
from schemas.errors import InvalidFieldError
from schemas.instants import HOUR, Instant

Source = Annotated[str, StringConstraints(min_length=1, max_length=60)]
SubjectStep = Literal[
    "subject_prescreened",
    "subject_consented",
    "subject_screened",
    "screen_failed",
    "subject_enrolled",
    "subject_randomised",
    "subject_withdrawn",
    "subject_completed",
    "subject_lost",
    "event_observed",
    "visit_done",
]
SiteStep = Literal["site_initiated", "site_activated", "site_paused", "site_resumed", "site_closed"]
WITH_REASON = frozenset({"screen_failed", "subject_withdrawn", "site_paused", "site_resumed", "site_closed"})


_DAY = re.compile(r"\d{4}-?\d\d-?\d\d")  # ISO 8601 of a day; of a month or a week alone nobody knows the day


class When(NamedTuple):
    """A time as it was read. `whole_day` tells that the source named a day only."""

    instant: Instant
    whole_day: bool

    def known(self, record_time: Instant) -> Instant:
        """Say when it was known. A day read before its hour counts as known at that hour, not as told in advance."""
        early = self.whole_day and record_time < self.instant <= record_time + 24 * HOUR
        return self.instant if early else record_time


class Moment(Model):
    """How times are written: `iso`, or a strptime pattern. A day without a time counts from `hour` in `zone`.

    Noon is the default: it is in the middle of what is not known, and the same day in UTC for nearly every zone.
    """

    format: Template = "iso"
    zone: str = "UTC"
    hour: Annotated[float, Field(ge=0, lt=24)] = 12.0

    @model_validator(mode="after")
    def _known(self) -> Self:
        check_zone(self.zone)
        if self.format != "iso":
            check_pattern(self.format)
        return self

    def read(self, text: str, where: str) -> When:
        """Read a time.

        Raises
        ------
        InvalidFieldError
            Naming `where`, if it is none.
        """
        try:
            day = self._day(text)
            if day is None:
                return When(clock_reader(self.format, ".", None, check_zone(self.zone))(text), False)
            begun = datetime.combine(day, time(), check_zone(self.zone)) + timedelta(hours=self.hour)
            return When(clock_reader("iso", ".", None, UTC)(begun.isoformat()), True)
        except (InvalidFieldError, OverflowError) as error:
            raise InvalidFieldError(
                expected=f"a time or day ({'ISO 8601' if self.format == 'iso' else self.format})",
                received=repr(text)[:60],
                where=where,
                advice="correct the cell, or `time` in the mapping",
            ) from error

    def _day(self, text: str) -> date | None:
        """Give the day of a text that names no time of day, else None."""
        try:
            if self.format == "iso":
                if len(text) <= 10 and _DAY.fullmatch(text) is None:
                    raise InvalidFieldError(expected="a whole day", received=repr(text), where="time")
                return date.fromisoformat(text) if len(text) <= 10 else None
            timed = any(mark in self.format for mark in ("%H", "%I", "%c", "%X", "%s"))
            return None if timed else datetime.strptime(text, self.format).date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            return None


class ReasonColumn(Model):
    """Why: `names` translates texts; a text that is not listed becomes `otherwise`, or stays without it."""

    column: Column
    names: dict[str, Name] = Field(default_factory=dict)
    otherwise: Name | None = None

    def read(self, text: str) -> str:
        """Give the reason of a text."""
        return self.names.get(text, self.otherwise or text)


class StepColumn(Model):
    """A column that holds the day of a step of the row's subject."""

    column: Column
    step: SubjectStep
    reason: ReasonColumn | None = None
    visit: Name | None = None
    event: Name | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.visit is None) == (self.step == "visit_done"):
            raise ValueError("expected `visit` with step visit_done, and only there")
        if self.event is not None and self.step != "event_observed":
            raise ValueError(f"expected `event` only with step event_observed, received it with {self.step}")
        if self.reason is not None and self.step not in WITH_REASON:
            raise ValueError(
                f"expected `reason` only with {', '.join(sorted(WITH_REASON))}, received it with {self.step}"
            )
        return self


class SubjectRows(Model):
    """One row per subject, with a column for each milestone. An empty cell says that it has not happened."""

    subject: Template
    site: Template
    stratum: Template | None = None
    steps: Annotated[tuple[StepColumn, ...], Field(min_length=1, max_length=200)]


class EventRows(Model):
    """One row per event: `what` tells which, by `names`; texts under `ignore` say nothing of use."""

    what: Column
    names: Annotated[dict[str, SubjectStep | SiteStep], Field(min_length=1)]
    ignore: tuple[str, ...] = ()
    when: Template
    site: Template
    subject: Template | None = None
    country: Template | None = None
    stratum: Template | None = None
    reason: ReasonColumn | None = None
    visit: Template | None = None
    event: Template | None = None
    id: Template | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        steps = set(self.names.values())
        if self.subject is None and any(not step.startswith("site_") for step in steps):
            raise ValueError("expected `subject` where `names` lists steps of subjects, received none")
        if self.visit is None and "visit_done" in steps:
            raise ValueError("expected `visit` where `names` lists visit_done, received none")
        return self


class SiteColumn(Model):
    """A column that holds the day of a step of the row's site."""

    column: Column
    step: SiteStep
    reason: ReasonColumn | None = None


class SiteRows(Model):
    """One row per site. With `plan`, the list also makes the study's plan."""

    site: Template
    country: Template
    planned: Column | None = None  # planned activation
    per_month: Column | None = None
    cap: Column | None = None
    steps: tuple[SiteColumn, ...] = ()


class CostRows(Model):
    """One row per booking. Without `id` a booking is known by what it says, and by how often it is said."""

    line: Template
    amount: Column
    currency: Template
    when: Template
    country: Template | None = None
    site: Template | None = None
    id: Template | None = None


def refuse_at_the_door(name: str, where: str, arms: tuple[str, ...]) -> None:
    """Refuse to map what tells an arm or a person."""
    if name in arms or is_arm(name):
        raise ValueError(
            f"expected nothing mapped that tells an arm, received {name!r}, in {where}; "
            "leave it out: a blinded stream never learns arms"
        )
    if is_personal(name):
        raise ValueError(f"expected nothing mapped that tells a person, received {name!r}, in {where}; leave it out")


def fields_or_column(text: str | None) -> list[str]:
    """Give the columns of a template, or the one column that a text without braces names."""
    return [] if text is None else fields_of(text) or [text]
