"""A ledger with studies that the twin's own code folded: one that falls behind and is advised, two at their beginning.

Everything follows from the seed. Times are the study's own (`clock: source`), so nothing hangs on the day of the test.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import msgspec

from schemas import enrollment as e
from schemas.effects import Effect
from schemas.events import Event
from schemas.instants import SECOND, Instant
from schemas.jobs import Provenance, ResimulationResult, SimulationSpec
from schemas.placement import partition_of
from schemas.topics import PARTITIONS, input_topic
from tests.support.engines import Bench, prepared
from tests.unit.twins.enrollment.trial import Trial, at, records
from twins import checks
from twins.engine import Device
from twins.enrollment import EnrollmentModel
from twins.enrollment.course import EnrollmentCourse
from twins.frame import RawRecord

SEED = 6
STUDY, NEW, UNPLANNED = "ST-1", "ST-2", "ST-3"
DAYS = 300
EARLIER = 8  # the place of the question whose answer a person declined
TOPIC = input_topic("enrollment").name
PARTITION = partition_of(STUDY.encode(), PARTITIONS)
CONFIG: dict[str, Any] = {"estimate_hours": 120, "forecast_hours": 240, "corrections": {"draws": 400}}
# country: sites, subjects a site and month before and after the day at which it changes
COUNTRIES = {"DE": (5, 1.6, 0.5), "FR": (4, 1.1, 1.1), "PL": (3, 1.3, 1.4), "ES": (2, 0.8, 0.8)}
CHANGES = 170
REASONS = ("hba1c", "hba1c", "hba1c", "renal function", "consent withdrawn")
BUDGET = {
    "currency": "EUR",
    "rates": [],
    "lines": [
        {"name": "patients", "kind": "subject_enrolled", "amount": 9000, "currency": "EUR"},
        {"name": "team", "kind": "study_month", "amount": 90000, "currency": "EUR"},
    ],
}


def behind() -> Trial:
    """Tell a study of 14 sites in which a country falls behind, with facts that cannot count."""
    rng = random.Random(SEED)
    told = Trial(STUDY)
    names = [(country, f"{country}-{n + 1:02}") for country, (sites, _, _) in COUNTRIES.items() for n in range(sites)]
    opened = {site: 8.0 + 9 * place for place, (_, site) in enumerate(names)}
    told.plan(
        title="A study that falls behind",
        subjects=190,
        by=at(420),
        countries=(e.PlannedCountry("DE", cap=90), e.PlannedCountry("FR"), e.PlannedCountry("PL", cap=60),
                   e.PlannedCountry("ES"), e.PlannedCountry("IT", backup=True)),
        sites=tuple(
            e.PlannedSite(site, country, at(opened[site] - 3), COUNTRIES[country][1]) for country, site in names
        ),
        looks=(e.Look("interim", 100, at(250)),),
        budget=BUDGET,
    )  # fmt: skip
    for country, site in names:
        told.tell(opened[site], e.SiteActivated(site=site))
        _recruit(told, rng, country, site, opened[site])
    told.tell(210, e.SitePaused(site="ES-02", reason="investigator on leave"))
    told.tell(140, e.SubjectScreened(site="XX-09", subject="unknown-site"))
    told.tell(150, e.SubjectEnrolled(site="DE-01", subject="never-screened"))
    for month in range(1, 10):
        told.tell(30.5 * month, e.CostBooked(line="patients", amount=61250.5 + 100 * month, currency="EUR"))
        told.tell(30.5 * month + 1, e.CostBooked(line="sites", amount=12400, currency="USD" if month % 3 else "EUR"))
    for day in range(0, DAYS, 5):
        told.pass_time(day + 0.5)
    told.pass_time(DAYS)
    told.events.sort(key=lambda event: (event.record_time, event.id))
    return told


def _recruit(told: Trial, rng: random.Random, country: str, site: str, opened: float) -> None:
    _, before, after = COUNTRIES[country]
    day, number = opened, 0
    while True:
        rate = (before if day < CHANGES else after) / 30.44 / 0.7
        day += rng.expovariate(rate)
        if day > DAYS - 4:
            return
        number += 1
        told.subject(f"{site}-{number}", site, day, fails=False if day > DAYS - 12 else rng.random() < 0.3,
                     lag=rng.expovariate(1 / 3))  # fmt: skip
        if told.events[-1].data.__class__ is e.ScreenFailed:
            _reason(told, rng)


def _reason(told: Trial, rng: random.Random) -> None:
    last = told.events.pop()
    told.events.append(
        Event(last.id, last.source, last.type, last.subject, last.event_time, last.record_time,
              e.ScreenFailed(site=last.data.site, subject=last.data.subject, reason=rng.choice(REASONS)))
    )  # fmt: skip


def advised() -> list[Event]:
    """Give the study's facts with the answers to its first and its last question, and a decision on the first."""
    events = behind().events
    fold = checks.fold(EnrollmentModel.from_config(CONFIG), records(events))
    asked = [effect for effect in fold.effects if effect.kind == "request"]
    assert len(asked) > 1, "the study is to ask twice what could be done"
    first, last = _place(asked[EARLIER]), _place(asked[-1])
    told = events[: first + 1]
    answer = _answer(asked[EARLIER], first)
    told.append(_later(events[first], answer, 1))
    words = "France opens two sites next month anyway"
    told.append(_later(events[first], e.CorrectionDecided(answer.job, "declined", "Anna Lind", words), 2))
    told += events[first + 1 : last + 1]
    told.append(_later(events[last], _answer(asked[-1], len(told) - 1), 1))
    return told + events[last + 1 :]


def _place(effect: Effect) -> int:
    return int(effect.id.split("/")[-2])


def _answer(effect: Effect, offset: int) -> ResimulationResult:
    """Answer a question as the pool would, of a request whose record lies at an offset of the study's partition."""
    spec = msgspec.convert(effect.data["spec"], SimulationSpec)
    run = EnrollmentCourse().prepare(spec, (), Device())
    standing = run.run(1.0)
    while standing.done < standing.total:
        standing = run.run(1.0)
    job = f"{TOPIC}/{PARTITION}/{offset}/{effect.id.rsplit('/', 1)[1]}"
    return ResimulationResult(
        job, "enrollment", "done", Provenance(spec.seed, {}, "cpu", "exact"), run.answer().summary
    )


def _later(event: Event, data: Any, seconds: int) -> Event:  # Any: one of the types' structs
    moment = Instant(event.record_time + seconds * SECOND)
    name = next(name for name, struct in e.EVENTS.items() if type(data) is struct)
    return Event(f"{event.id}-{seconds}", "test", name, STUDY, moment, moment, data)


def beginning() -> list[Event]:
    """Tell a study with a plan and nothing else, and one of which a subject was heard before its plan."""
    new, unplanned = Trial(NEW), Trial(UNPLANNED)
    new.plan(title="A study at its beginning")
    new.tell(2, e.CostBooked(line="set-up", amount=12000, currency="EUR"))
    unplanned.tell(3, e.SubjectScreened(site="DE-1", subject="S1"))
    return [*new.events, *unplanned.events]


def fill_studies(server: Any) -> str:
    """Make a database with these studies."""
    print(f"seed {SEED}")
    uri = prepared(str(server.database()))
    log: dict[int, list[RawRecord]] = {}
    for event in [*advised(), *beginning()]:
        rows = log.setdefault(partition_of(event.subject.encode() or STUDY.encode(), PARTITIONS), [])
        rows.append(replace(records([event])[0], offset=len(rows)))
    bench = Bench(uri, EnrollmentModel.from_config(CONFIG), topic=TOPIC)
    bench.feed(dict(log), SEED)
    bench.stop()
    assert not bench.codes
    return uri
