"""Simulated studies as event lines: what a trial's systems would have told, in the order in which it was known.

A pure function of the specification: the same one gives the same bytes. `connectors/enrollment_truth.py` draws what
truly happens, here it is told late, twice, wrongly and corrected, as far as the specification's `noise` says. All facts
are held in memory while they are told (about 1 kB each).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from connectors.enrollment_noise import Telling, disturbed
from connectors.enrollment_simulation import MONTH, Action, Simulation
from connectors.enrollment_truth import StudyTruth, draw_truth, in_effect
from connectors.outgoing import Entry, Item
from schemas.enrollment import (
    CostBooked,
    EventObserved,
    PlannedCountry,
    PlannedSite,
    ProtocolAmended,
    ScreenFailed,
    SiteActivated,
    SiteClosed,
    SiteInitiated,
    Stratum,
    StudyPlanned,
    SubjectCompleted,
    SubjectConsented,
    SubjectEnrolled,
    SubjectLost,
    SubjectPrescreened,
    SubjectRandomised,
    SubjectScreened,
    SubjectWithdrawn,
    VisitDone,
)
from schemas.errors import UsageError
from schemas.events import Event
from schemas.instants import DAY, Instant, format_instant, parse_instant
from schemas.partitions import TimePassed

_STEPS: tuple[tuple[str, str, type[Any]], ...] = (  # Any: each an event struct of a subject's step
    ("prescreened", "subject_prescreened", SubjectPrescreened),
    ("consented", "subject_consented", SubjectConsented),
    ("screened", "subject_screened", SubjectScreened),
    ("failed", "screen_failed", ScreenFailed),
    ("enrolled", "subject_enrolled", SubjectEnrolled),
    ("randomised", "subject_randomised", SubjectRandomised),
    ("event", "event_observed", EventObserved),
    ("withdrawn", "subject_withdrawn", SubjectWithdrawn),
    ("lost", "subject_lost", SubjectLost),
    ("completed", "subject_completed", SubjectCompleted),
)


class StudySimulator:
    """Simulated studies as a source. A position counts the facts given.

    Parameters
    ----------
    simulation : Simulation
    """

    def __init__(self, simulation: Simulation) -> None:
        names = [study.study for study in simulation.studies]
        if len(set(names)) != len(names):
            raise UsageError("expected each study once in a simulation, received one twice; name them apart")
        self.simulation = simulation
        self.truths = [draw_truth(study, simulation.seed, i) for i, study in enumerate(simulation.studies)]

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Give the facts from after a position, one an item, in the order of record time."""
        if after is not None and not after.isdecimal():
            raise UsageError(f"expected a count of facts as position, received {after!r}; start without one")
        for number, entry in enumerate(self.events(), 1):
            if number > int(after or 0):
                yield Item(str(number), (entry,))

    def events(self) -> Iterator[Entry]:
        """Give all facts in the order of record time, with a word of the time passed each day."""
        # the start is part of the name: studies begun anew tell new facts, not duplicates of the former ones
        told = [self._told(truth, number) for number, truth in enumerate(self.truths)]
        times = [list(_midnights(truth)) for truth in self.truths]
        passed = [_passed(self.simulation, at) for at in sorted({at for days in times for at in days})]
        for telling in heapq.merge(*told, passed, key=lambda one: (one.told_at, one.event.id)):
            yield telling.event

    def truth(self) -> bytes:
        """Give the truth as JSON."""
        document = {"seed": self.simulation.seed, "studies": [truth.document() for truth in self.truths]}
        return msgspec.json.format(msgspec.json.encode(document), indent=1)

    def _told(self, truth: StudyTruth, number: int) -> list[Telling]:
        """Give what is told of one study, in order; a fact of its source has its place as its sequence."""
        source = f"studies/{self.simulation.seed}@{truth.study.starts}/{truth.study.study}"[:128]
        writer = _Writer(truth, source)
        told = disturbed(writer.events(), writer.subject_events(), truth, self.simulation.seed, number, source)
        last = writer.instant(truth.study.months * MONTH)
        kept = sorted((one for one in told if one.told_at <= last), key=lambda one: (one.told_at, one.event.id))
        return _numbered(kept)


class _Writer:
    """Writes what happens in one study as facts known when they happen."""

    def __init__(self, truth: StudyTruth, source: str) -> None:
        self._truth, self._study, self._source = truth, truth.study, source
        self._origin = int(parse_instant(truth.study.starts, "starts"))

    def instant(self, day: float) -> Instant:
        """Turn a day of the study into event time, to the second [us]."""
        return Instant(self._origin + round(day * DAY / 1_000_000) * 1_000_000)

    def events(self) -> list[Event]:
        """Give the plan, what sites do, what is decided, and what is booked."""
        return [*self._plan(), *self._sites(), *self._decided(), *self._booked()]

    def subject_events(self) -> list[Event]:
        """Give what subjects do."""
        subjects, found = self._truth.subjects, []
        columns = [(kind, struct, getattr(subjects, name)) for name, kind, struct in _STEPS]
        end = self._study.months * MONTH
        for row in range(subjects.site.size):
            site = self._truth.sites[int(subjects.site[row])].name
            name = f"{site}-{int(subjects.number[row]):04d}"
            common: dict[str, Any] = {"site": site, "subject": name}  # Any: fields of the structs
            if subjects.stratum[row] >= 0:
                common["stratum"] = self._study.strata[int(subjects.stratum[row])][0]
            for kind, struct, days in columns:
                day = float(days[row])
                if day <= end:  # false for NaN
                    more = {}
                    if kind == "screen_failed":
                        more["reason"] = self._study.funnel.failures[int(subjects.reason[row])].reason
                    found.append(self._event(f"{name}-{kind}", kind, day, struct(**common, **more)))
            found += self._visits(row, name, common, end)
        return found

    def _visits(self, row: int, name: str, common: dict[str, Any], end: float) -> list[Event]:
        subjects = self._truth.subjects
        start = float(getattr(subjects, self._study.counts)[row])
        out = min(
            (
                float(days[row])
                for days in (subjects.withdrawn, subjects.lost, subjects.completed)
                if days[row] == days[row]
            ),
            default=np.inf,
        )
        return [
            self._event(f"{name}-{visit}", "visit_done", start + day, VisitDone(**common, visit=visit))
            for visit, day in self._study.follow_up.visits
            if start + day <= min(end, out)
        ]

    def _plan(self) -> list[Event]:
        study = self._study
        planned = [site for site in self._truth.sites if site.joined == 0.0]
        data = StudyPlanned(
            title=study.title,
            counts=study.counts,
            starts=study.starts,
            subjects=study.subjects,
            by=format_instant(self.instant(study.by_month * MONTH)),
            events=study.events,
            events_by=None
            if study.events_by_month is None
            else format_instant(self.instant(study.events_by_month * MONTH)),
            countries=tuple(PlannedCountry(one.country, one.cap) for one in study.countries),
            sites=tuple(
                PlannedSite(
                    site.name,
                    study.countries[site.country].country,
                    format_instant(self.instant(site.planned)),
                    study.countries[site.country].per_month,
                )
                for site in planned
            ),
            strata=tuple(Stratum(name) for name, _ in study.strata),
            screening_days=study.funnel.screening_days,
            budget=study.budget,
            clock="source",
        )
        return [self._event("plan", "study_planned", 0.0, data)]

    def _sites(self) -> list[Event]:
        found = []
        for site in self._truth.sites:
            country = self._study.countries[site.country].country
            if site.joined > 0.0:
                planned = format_instant(self.instant(site.planned))
                data = SiteInitiated(site=site.name, country=country, activation=planned)
                found.append(self._event(f"{site.name}-initiated", "site_initiated", site.joined, data))
            if site.opened < site.closed:
                data_open = SiteActivated(site=site.name, country=country)
                found.append(self._event(f"{site.name}-activated", "site_activated", site.opened, data_open))
            if site.opened < site.closed < np.inf:
                data_shut = SiteClosed(site=site.name, reason="closed by the sponsor")
                found.append(self._event(f"{site.name}-closed", "site_closed", site.closed, data_shut))
        return [event for event in found if event.event_time <= self.instant(self._study.months * MONTH)]

    def _decided(self) -> list[Event]:
        """Tell the amendments; what else is decided shows in the sites."""
        return [
            self._event(f"amendment-{number}", "protocol_amended", in_effect(action), _amendment(number, action))
            for number, action in enumerate(self._study.actions, 1)
            if action.kind == "relax"
        ]

    def _booked(self) -> list[Event]:
        """Book each line at the end of each month, by country where it has one."""
        found = []
        for number, month in enumerate(np.arange(1.0, self._study.months + 1e-9), 1):
            begin, end = (month - 1) * MONTH, month * MONTH
            for booking in self._study.bookings:
                for country, amount in self._amounts(booking.per, begin, end):
                    name = f"{booking.line}-{number}" + (f"-{country}" if country else "")
                    data = CostBooked(
                        line=booking.line,
                        amount=round(amount * booking.amount, 2),
                        currency=booking.currency,
                        country=country or None,
                    )
                    if amount:
                        found.append(self._event(f"cost-{name}", "cost_booked", end, data))
        return found

    def _amounts(self, per: str, begin: float, end: float) -> list[tuple[str, float]]:
        """Count, by country, what a month brought of what is paid for."""
        if per == "month":
            return [("", 1.0)]
        truth = self._truth
        opened = np.array([site.opened for site in truth.sites])
        closed = np.array([site.closed for site in truth.sites])
        country = np.array([site.country for site in truth.sites], dtype=np.int64)
        if per == "site":
            weights, where = ((opened >= begin) & (opened < end)).astype(float), country
        elif per == "site_month":
            weights = np.clip(np.minimum(closed, end) - np.maximum(opened, begin), 0.0, None) / MONTH
            where = country
        else:
            start = getattr(truth.subjects, self._study.counts)
            days = [0.0] if per == "subject" else [day for _, day in self._study.follow_up.visits]
            weights = sum(
                (((start + d >= begin) & (start + d < end)).astype(float) for d in days), np.zeros(start.size)
            )
            where = country[truth.subjects.site]
        summed = np.bincount(where, weights=weights, minlength=len(self._study.countries))
        return [(one.country, float(amount)) for one, amount in zip(self._study.countries, summed, strict=True)]

    def _event(self, name: str, kind: str, day: float, data: Any) -> Event:  # Any: the struct of `kind`
        when = self.instant(day)
        return Event(name[:128], self._source, f"enrollment.{kind}", self._study.study, when, when, data)


def _amendment(number: int, action: Action) -> ProtocolAmended:
    return ProtocolAmended(amendment=f"amendment {number}", relaxed=(action.reason,), reason="screen failures")


def _numbered(told: list[Telling]) -> list[Telling]:
    """Give each fact its place in its source; one told again keeps the place it had."""
    places: dict[str, int] = {}
    numbered = []
    for one in told:
        place = places.setdefault(one.event.id, len(places))
        numbered.append(one._replace(event=msgspec.structs.replace(one.event, sequence=place)))
    return numbered


def _midnights(truth: StudyTruth) -> Iterator[int]:
    origin = int(parse_instant(truth.study.starts, "starts"))
    first = -(-origin // DAY) * DAY
    yield from range(first + DAY, origin + round(truth.study.months * MONTH * DAY) + 1, DAY)


def _passed(simulation: Simulation, at: int) -> Telling:
    when = Instant(at)
    event = Event(
        f"time-{format_instant(when)}",
        f"studies/{simulation.seed}@{simulation.studies[0].starts}",
        "time.passed",
        "",
        when,
        when,
        TimePassed(),
    )
    return Telling(at, event)
