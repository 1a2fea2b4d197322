"""A small trial told fact by fact, seeded; the facts of some are wrong in ways that happen."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from schemas import enrollment as e
from schemas.events import Event, write_headers, write_value
from schemas.instants import DAY, HOUR, Instant, format_instant, parse_instant
from schemas.partitions import TimePassed
from twins.checks import PlainRecord

START = parse_instant("2026-01-05T00:00:00Z")
TYPE_OF = {struct: name for name, struct in e.EVENTS.items()}
STUDY = "ST-1"


def at(day: float) -> str:
    """Give a day of the trial as text."""
    return format_instant(START + round(day * DAY))


@dataclass
class Trial:
    """Facts of one study, in the order in which they are told."""

    key: str = STUDY
    events: list[Event] = field(default_factory=list)

    def tell(self, day: float, data: Any, known: float | None = None, name: str = "", source: str = "edc") -> Event:
        """Tell a fact of a day, known on that day or later."""
        when, later = START + round(day * DAY), START + round((day if known is None else known) * DAY)
        kind = "time.passed" if isinstance(data, TimePassed) else TYPE_OF[type(data)]
        subject = "" if isinstance(data, TimePassed) else self.key
        number = name or f"{self.key}-{len(self.events)}"
        event = Event(number, source, kind, subject, Instant(when), Instant(later), data)
        self.events.append(event)
        return event

    def plan(self, day: float = 0.0, **changes: Any) -> Event:
        """Tell a plan of two countries and four sites."""
        said: dict[str, Any] = {
            "starts": at(0),
            "subjects": 60,
            "by": at(400),
            "countries": (e.PlannedCountry("DE", cap=40), e.PlannedCountry("FR")),
            "sites": (
                e.PlannedSite("DE-1", "DE", at(10), 1.5),
                e.PlannedSite("DE-2", "DE", at(30), 1.5),
                e.PlannedSite("FR-1", "FR", at(20), 1.0),
                e.PlannedSite("FR-2", "FR", at(60), 1.0),
            ),
            "clock": "source",
        }
        return self.tell(day, e.StudyPlanned(**{**said, **changes}))

    def subject(self, name: str, site: str, day: float, *, fails: bool = False, lag: float = 0.0) -> None:
        """Tell a subject's way: screened, then failed or enrolled and randomised a week later."""
        self.tell(day, e.SubjectScreened(site=site, subject=name), day + lag)
        if fails:
            self.tell(day + 5, e.ScreenFailed(site=site, subject=name, reason="hba1c"), day + 5 + lag)
        else:
            self.tell(day + 7, e.SubjectEnrolled(site=site, subject=name), day + 7 + lag)
            self.tell(day + 8, e.SubjectRandomised(site=site, subject=name, stratum="old"), day + 8 + lag)

    def pass_time(self, day: float) -> None:
        """Say that time passed."""
        self.tell(day, TimePassed(), name=f"t-{day}", source="clock")


def trial(seed: int = 1, subjects: int = 40, days: float = 300.0) -> Trial:
    """Make a trial of many facts: late, corrected, withdrawn, too early, of unknown sites; days ascend in knowing."""
    rng = random.Random(seed)
    told = Trial()
    told.plan()
    sites = ["DE-1", "DE-2", "FR-1", "FR-2"]
    for number, site in enumerate(sites):
        told.tell(12 + 15 * number, e.SiteActivated(site=site))
    told.tell(120, e.SitePaused(site="FR-1"))
    told.tell(150, e.SiteResumed(site="FR-1"))
    told.tell(200, e.ProtocolAmended(amendment="A1", subjects=70, relaxed=("hba1c",)))
    told.tell(220, e.CapSet(of="country", name="DE", cap=50))
    for number in range(subjects):
        site = rng.choice([*sites, "XX-9"] if number % 9 == 0 else sites)
        told.subject(f"S{number}", site, rng.uniform(5, days - 10), fails=rng.random() < 0.3, lag=rng.uniform(0, 20))
    for number in range(0, subjects, 7):
        told.tell(days - 3, e.SubjectWithdrawn(site="DE-1", subject=f"S{number}", reason="moved"))
        told.tell(rng.uniform(60, days), e.VisitDone(site="DE-1", subject=f"S{number}", visit="V2"))
        told.tell(days - 2, e.CostBooked(line="visits", amount=100.25, currency="EUR", site="DE-1"))
    steps = [event for event in told.events if isinstance(event.data, e.SubjectEnrolled)]
    for event in rng.sample(steps, min(4, len(steps))):
        data = e.SubjectEnrolled(
            site=event.data.site, subject=event.data.subject, supersedes=e.FactName(event.source, event.id),
            because="typed",
        )  # fmt: skip
        told.tell((event.event_time - START) / DAY + 1, data, days - 1)
    for event in rng.sample(steps, min(3, len(steps))):
        told.tell(days - 1, e.FactWithdrawn(e.FactName(event.source, event.id), "entered twice"))
    told.subject("S1", "DE-2", days - 40)  # somebody said twice
    for day in range(0, int(days), 10):
        told.pass_time(day + 0.5)
    told.events.sort(key=lambda event: (event.record_time, event.id))
    return told


def records(events: list[Event]) -> list[PlainRecord]:
    """Give events as raw records."""
    return [
        PlainRecord(
            offset, event.record_time // 1000, event.subject.encode() or None, write_value(event), write_headers(event)
        )
        for offset, event in enumerate(events)
    ]


__all__ = ["HOUR", "START", "STUDY", "Trial", "at", "records", "trial"]
