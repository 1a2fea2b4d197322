"""What a set of facts says: which count, which wait, what corrections and withdrawals leave of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from schemas import enrollment as e
from schemas.bioreactor import BatchStarted
from schemas.events import Event, read_record
from schemas.ids import event_hash
from schemas.jobs import Provenance, ResimulationResult
from tests.unit.twins.enrollment.trial import START, STUDY, Trial, at, records
from twins.enrollment.reading import REASONS, Reading, read_register
from twins.enrollment.register import Register
from twins.enrollment.study import CLOSED, INITIATED, OPEN, PAUSED
from twins.frame import Fact

NAMES = tuple(REASONS)


def register_of(events: list[Event]) -> Register:
    register = Register()
    for event in events:
        fact = fact_of(event)
        assert register.why_not(fact) is None
        register.take(fact)
    return register


def fact_of(event: Event) -> Fact:
    return Fact(0, 0, event, event_hash(event.source, event.id))


def read(told: Trial) -> Reading:
    reading = read_register(STUDY, register_of(told.events))
    assert reading is not None
    return reading


def begun() -> Trial:
    """A plan and four active sites, on day 60."""
    told = Trial()
    told.plan()
    for day, site in ((10, "DE-1"), (30, "DE-2"), (20, "FR-1"), (60, "FR-2")):
        told.tell(day, e.SiteActivated(site=site))
    return told


def test_a_study_counts_who_was_enrolled() -> None:
    told = begun()
    told.subject("A", "DE-1", 15)
    told.subject("B", "FR-1", 40, fails=True)
    told.pass_time(90)
    study = read(told).study
    assert study.as_of == 90.0
    assert study.counted.tolist() == [22.0]
    assert study.sites.names == ("DE-1", "DE-2", "FR-1", "FR-2")
    assert study.subjects.site.tolist() == [0, 2]
    assert study.reasons == ("hba1c",)
    assert study.subjects.reason.tolist() == [-1, 0]
    assert study.spans.end.tolist() == [90.0] * 4
    assert study.sites.opened.tolist() == [10.0, 30.0, 20.0, 60.0]
    assert [(country.name, country.cap) for country in study.countries] == [("DE", 40.0), ("FR", math.inf)]
    assert [(target.name, target.count, target.day) for target in study.targets] == [("target", 60, 400.0)]


def test_a_corrected_fact_replaces_the_one_it_names_whichever_came_first() -> None:
    for corrected_first in (False, True):
        told = begun()
        wrong = told.tell(50, e.SubjectEnrolled(site="DE-1", subject="A"), name="x1")
        right = told.tell(55, e.SubjectEnrolled(site="DE-1", subject="A", supersedes=e.FactName("edc", "x1")), 70)
        if corrected_first:
            told.events[-2:] = [right, wrong]
        assert read(told).study.counted.tolist() == [55.0]


def test_a_withdrawn_fact_counts_no_more_even_if_it_comes_after() -> None:
    told = begun()
    told.tell(70, e.FactWithdrawn(e.FactName("edc", "x1"), "entered twice"))
    told.tell(50, e.SubjectEnrolled(site="DE-1", subject="A"), 71, name="x1")
    assert read(told).study.counted.tolist() == []


@pytest.mark.parametrize(
    ("said", "reason", "cure"),
    [
        (e.SubjectEnrolled(site="XX-1", subject="A"), "unknown_site", (5, e.SiteActivated(site="XX-1", country="XX"))),
        (
            e.SubjectEnrolled(site="FR-2", subject="A"),
            "before_activation",
            (45, e.SiteActivated(site="FR-2", supersedes=e.FactName("edc", "ST-1-4"))),
        ),
        (
            e.SubjectWithdrawn(site="DE-1", subject="A"),
            "unknown_subject",
            (40, e.SubjectEnrolled(site="DE-1", subject="A")),
        ),
    ],
)  # fmt: skip
def test_a_fact_waits_until_what_it_needs_is_said(said: Any, reason: str, cure: tuple[float, Any]) -> None:
    told = begun()
    told.tell(50, said)
    waits = read(told).waits
    assert [NAMES[code] for code in waits.why.tolist()] == [reason]
    told.tell(cure[0], cure[1], 80)
    reading = read(told)
    assert not len(reading.waits.why)
    assert len(reading.study.counted) == 1


def test_a_step_said_twice_counts_once_at_its_first_time() -> None:
    told = begun()
    told.tell(55, e.SubjectEnrolled(site="DE-1", subject="A"))
    told.tell(50, e.SubjectEnrolled(site="DE-2", subject="A"), 70)
    reading = read(told)
    assert reading.study.counted.tolist() == [50.0]
    assert [NAMES[code] for code in reading.waits.why.tolist()] == ["said_twice"]


def test_a_subject_of_several_sites_is_where_it_counts_and_of_one_time_the_least_hash_holds() -> None:
    told = begun()
    told.tell(40, e.SubjectScreened(site="FR-1", subject="A"), 72)
    at_once = [told.tell(50, e.SubjectEnrolled(site=site, subject="A"), 70) for site in ("DE-2", "DE-1", "DE-2")]
    told.tell(44, e.SubjectScreened(site="DE-1", subject="B"), 75)
    told.tell(43, e.SubjectScreened(site="FR-1", subject="B"), 75)
    reading = read(told)
    sites = [reading.study.sites.names[place] for place in reading.study.subjects.site.tolist()]
    held = min(at_once, key=lambda event: event_hash(event.source, event.id))
    assert sites == [held.data.site if reading.study.milestone == "enrolled" else "FR-1", "FR-1"]
    assert [NAMES[code] for code in reading.waits.why.tolist()] == ["said_twice"] * 3
    assert reading.study.counted.tolist() == [50.0]


def test_sites_open_pause_and_close() -> None:
    told = begun()
    told.tell(40, e.SitePaused(site="DE-1"))
    told.tell(50, e.SiteResumed(site="DE-1"))
    told.tell(70, e.SiteClosed(site="DE-2"))
    told.tell(75, e.SitePaused(site="FR-1"))
    told.tell(65, e.SiteInitiated(site="DE-3", country="DE", activation=at(120), per_month=2.0))
    told.pass_time(80)
    study = read(told).study
    assert study.sites.names == ("DE-1", "DE-2", "DE-3", "FR-1", "FR-2")
    assert study.sites.status.tolist() == [OPEN, CLOSED, INITIATED, PAUSED, OPEN]
    spans = sorted(zip(study.spans.site.tolist(), study.spans.start.tolist(), study.spans.end.tolist(), strict=True))
    assert spans == [(0, 10.0, 40.0), (0, 50.0, 80.0), (1, 30.0, 70.0), (3, 20.0, 75.0), (4, 60.0, 80.0)]
    assert study.sites.planned[2] == 120.0


def test_the_newest_plan_holds_and_amendments_after_it() -> None:
    told = begun()
    told.tell(100, e.ProtocolAmended(amendment="A1", subjects=80, by=at(500), relaxed=("hba1c",)))
    told.tell(110, e.CapSet(of="country", name="DE", cap=None))
    told.tell(120, e.CapSet(of="site", name="DE-1", cap=7))
    plan = read(told).plan
    assert (plan.subjects, plan.by, plan.relaxed) == (80, 500.0, {"hba1c": 100.0})
    assert [country.cap for country in plan.countries] == [math.inf, math.inf]
    assert [site.cap for site in plan.sites] == [7.0, math.inf, math.inf, math.inf]
    told.plan(130, subjects=90)
    plan = read(told).plan
    assert (plan.subjects, plan.by, plan.countries[0].cap) == (90, 400.0, 40.0)
    assert plan.relaxed == {"hba1c": 100.0}  # what was relaxed stays so


def test_the_plan_expects_what_its_sites_bring_and_never_more_than_the_target() -> None:
    plan = read(begun()).plan
    expected = plan.expected(np.array([0.0, 40.0, 10_000.0]))
    assert expected is not None
    month = 365.25 / 12
    by_hand = (30 * 1.5 + 10 * 1.5 + 20 * 1.0) / month
    np.testing.assert_allclose(expected, [0.0, by_hand, 60.0], rtol=1e-12)


def test_time_zones_make_no_difference() -> None:
    told = Trial()
    told.plan(starts="2026-01-05T02:00:00+02:00")
    assert read(told).plan.origin == START


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"by": at(-1)}, "by"),
        ({"starts": "tomorrow"}, "starts"),
        ({"events": 10}, "events_by"),
        ({"sites": (e.PlannedSite("A", "DE"), e.PlannedSite("A", "DE"))}, "sites"),
        ({"sites": (e.PlannedSite("A", "DE", "soon"),)}, "activation of site A"),
        ({"looks": (e.Look("half", 5, at(-2)),)}, "looks, half"),
        ({"countries": (e.PlannedCountry("DE", holidays=(e.Holiday(at(5), at(5)),)),)}, "holidays of DE"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_its_field(changes: dict[str, Any], where: str) -> None:
    register = Register()
    refused = register.why_not(fact_of(Trial().plan(**changes)))
    assert refused is not None
    assert refused.where == where
    assert len(register) == 0


def test_another_familys_event_is_refused() -> None:
    event = Event("1", "s", "bioreactor.batch_started", STUDY, START, START, BatchStarted("B"))
    refused = Register().why_not(fact_of(event))
    assert refused is not None
    assert refused.reason == "unknown_type"


def test_no_event_has_a_place_for_an_arm() -> None:
    for name, struct in e.EVENTS.items():
        fields = {field.lower() for field in struct.__struct_fields__}
        assert not fields & {"arm", "treatment", "treatment_arm", "group", "allocation", "kit"}, name
    (record,) = records([Trial().tell(50, e.SubjectRandomised(site="DE-1", subject="A"))])
    with pytest.raises(Exception, match="unknown field `arm`"):
        read_record(record.key, record.value.replace(b"}", b',"arm":"A"}'), record.headers)  # type: ignore[union-attr]


def test_money_is_summed_to_the_cent() -> None:
    from twins.enrollment.saying import booked

    told = begun()
    for _ in range(3):
        told.tell(60, e.CostBooked(line="visits", amount=0.1, currency="EUR"))
    told.tell(61, e.CostBooked(line="visits", amount=-0.1, currency="EUR"), name="credit")
    told.tell(62, e.FactWithdrawn(e.FactName("edc", "credit"), "not ours"))
    assert booked(register_of(told.events)) == {"visits": {"EUR": 0.3}}


def test_an_answer_of_the_pool_does_not_move_the_study_s_clock() -> None:
    told = begun()
    result = ResimulationResult("enrollment.events/0/1/1", "enrollment", "done", Provenance(1, {}, "cpu", "exact"))
    told.tell(60, result, 4000)
    told.tell(61, e.CorrectionDecided("enrollment.events/0/1/1", "taken", "M. Sato", "cheap"), 4001)
    assert read(told).study.as_of == 60.0
