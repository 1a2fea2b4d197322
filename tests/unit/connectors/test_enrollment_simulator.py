"""Simulated studies: the same bytes for the same seed, the truth they claim, and the faults that were asked for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from connectors.checks import check_entries, check_ids_are_stable, check_is_resumable
from connectors.enrollment_simulation import (
    MONTH,
    Action,
    Booking,
    Change,
    Drift,
    FollowUp,
    Noise,
    SimulatedCountry,
    SimulatedStudy,
    Simulation,
    drawn_simulation,
    load_simulation,
    read_simulation,
)
from connectors.enrollment_simulator import StudySimulator
from connectors.enrollment_truth import draw_truth
from schemas.errors import UsageError
from schemas.events import Event, read_structured, write_structured
from schemas.instants import DAY, parse_instant
from streams.cli import app

SPEC = Path(__file__).parents[3] / "examples" / "enrollment" / "falls_behind.json"
ORIGIN = parse_instant("2026-01-01T00:00:00Z")


def study(**more: object) -> SimulatedStudy:
    told = {
        "study": "ST-1",
        "months": 12.0,
        "subjects": 100_000,
        "by_month": 11.0,
        "countries": (
            SimulatedCountry(country="DE", sites=8, per_month=2.0),
            SimulatedCountry(country="US", sites=8, per_month=2.0),
        ),
        **more,
    }
    return SimulatedStudy(**told)  # type: ignore[arg-type]


def events(one: SimulatedStudy, seed: int = 7) -> list[Event]:
    found = list(StudySimulator(Simulation(seed=seed, studies=(one,))).events())
    assert all(isinstance(event, Event) for event in found)
    return found  # type: ignore[return-value]


def counted(one: SimulatedStudy, seed: int = 7) -> np.ndarray:
    days = draw_truth(one, seed, 0).subjects.randomised
    return np.sort(days[~np.isnan(days)])


def test_the_same_specification_gives_the_same_bytes_and_another_seed_others() -> None:
    simulation = drawn_simulation(1, 5)
    one = b"\n".join(write_structured(event) for event in StudySimulator(simulation).events())  # type: ignore[arg-type]
    again = b"\n".join(write_structured(event) for event in StudySimulator(simulation).events())  # type: ignore[arg-type]
    assert one == again
    assert StudySimulator(simulation).truth() == StudySimulator(simulation).truth()
    assert StudySimulator(simulation).truth() != StudySimulator(msgspec.structs.replace(simulation, seed=6)).truth()


def test_a_study_more_changes_no_other() -> None:
    two, three = StudySimulator(drawn_simulation(2, 5)), StudySimulator(drawn_simulation(3, 5))
    assert two.truths[1].document() == three.truths[1].document()


def test_it_passes_the_checks_of_connectors() -> None:
    def make() -> StudySimulator:
        return StudySimulator(Simulation(studies=(study(months=3.0),)))

    check_ids_are_stable(make)
    check_is_resumable(make, most=10)
    check_entries(make().events())


def test_every_line_reads_back() -> None:
    for event in events(study(noise=Noise(duplicates=0.1, corrections=0.1, withdrawn=0.05, future=0.02)))[:3000]:
        assert read_structured(write_structured(event)) == event


def test_facts_without_noise_agree_with_the_truth() -> None:
    one = study(noise=Noise(lag_days=0.0))
    truth = draw_truth(one, 7, 0)
    told = events(one)
    randomised = sorted(e.event_time for e in told if e.type == "enrollment.subject_randomised")
    days = counted(one)
    days = days[days <= one.months * MONTH]
    assert len(randomised) == len(days) > 50
    assert np.allclose((np.array(randomised) - ORIGIN) / DAY, days, atol=1.0 / 86_400)
    opened = {e.data.site for e in told if e.type == "enrollment.site_activated"}
    assert opened == {site.name for site in truth.sites if site.opened <= one.months * MONTH}
    assert {e.data.reason for e in told if e.type == "enrollment.screen_failed"} <= {
        failure.reason for failure in one.funnel.failures
    }


def test_time_passes_each_day_and_records_are_in_order() -> None:
    told = events(study())
    passed = [event for event in told if event.type == "time.passed"]
    assert [(event.event_time - ORIGIN) // DAY for event in passed] == list(range(1, len(passed) + 1))
    assert len(passed) == int(12 * MONTH)
    known = [event.record_time for event in told]
    assert known == sorted(known)
    sequence = [event.sequence for event in told if event.sequence is not None]
    assert sequence == list(range(len(sequence)))


def test_rates_are_what_the_specification_says_on_average() -> None:
    # 400 sites open from day 0 for a year: mean 0.7 a month; the screening delay shifts, the rate stays
    country = SimulatedCountry(country="DE", sites=400, per_month=0.7, open_to=0.0, delay_days=0.0, never_open=0.0)
    one = study(months=14.0, countries=(country,))
    days = counted(one)
    between = ((days > 60) & (days <= 60 + 10 * MONTH)).sum()
    expected = 400 * 0.7 * 10
    # gamma rates of shape 1.5: variance per site (7^2 / 1.5 + 7), so 4.5 SD is 7 % of the mean
    assert abs(between - expected) < 4.5 * np.sqrt(400 * (7.0**2 / 1.5 + 7.0))


@pytest.mark.parametrize(
    ("drift", "low", "high"),
    [
        (Drift(family="constant"), 0.85, 1.18),
        (Drift(family="halving", size=0.5, at_month=12.0), 0.4, 0.62),
        (Drift(family="decay", size=0.5), 0.4, 0.62),
    ],
)
def test_drift_moves_the_rates(drift: Drift, low: float, high: float) -> None:
    country = SimulatedCountry(country="DE", sites=300, per_month=1.0, open_to=0.0, delay_days=0.0, never_open=0.0)
    days = draw_truth(study(months=24.0, countries=(country,), drift=drift), 3, 0).subjects.prescreened
    first, second = (days < 12 * MONTH).sum(), ((days >= 12 * MONTH) & (days < 24 * MONTH)).sum()
    assert low < second / first < high


def test_a_season_and_a_walk_are_on_record() -> None:
    season = draw_truth(study(drift=Drift(family="season", size=0.3)), 3, 0)
    assert season.factor.max() == pytest.approx(1.3, abs=0.01)
    walk = [
        draw_truth(study(drift=Drift(family="random_walk", size=0.4)), seed, 0).factor[0, 364] for seed in range(60)
    ]
    assert 0.25 < np.std(np.log(walk)) < 0.55  # 0.4 a year; 60 draws know an SD to 9 %


def test_a_country_that_falls_behind_does_so_alone_and_an_action_brings_subjects_back() -> None:
    base = study(months=18.0)
    fallen = study(
        months=18.0,
        countries=(
            SimulatedCountry(country="DE", sites=8, per_month=2.0, changes=(Change(at_month=6.0, factor=0.3),)),
            SimulatedCountry(country="US", sites=8, per_month=2.0),
        ),
    )
    acted = msgspec.structs.replace(
        fallen, actions=(Action(at_month=8.0, kind="open_sites", country="US", sites=6, per_month=2.0, lead_days=30.0),)
    )

    def by_country(one: SimulatedStudy) -> dict[int, int]:
        truth = draw_truth(one, 7, 0)
        country = np.array([site.country for site in truth.sites])[truth.subjects.site]
        return Counter(country[~np.isnan(truth.subjects.randomised)].tolist())

    calm, low, back = by_country(base), by_country(fallen), by_country(acted)
    assert low[0] < 0.75 * calm[0]
    assert low[1] == calm[1]
    assert back[0] == low[0]
    assert back[1] > low[1]
    added = {event.data.site for event in events(acted) if event.type == "enrollment.site_initiated"}
    assert len(added) == 6


def test_relaxing_a_criterion_lets_more_pass_and_is_an_amendment() -> None:
    one = study()
    relaxed = msgspec.structs.replace(
        one, actions=(Action(at_month=0.0, kind="relax", reason="hba1c", factor=0.0, lead_days=0.0),)
    )
    failed = [event for event in events(relaxed) if event.type == "enrollment.screen_failed"]
    assert "hba1c" not in {event.data.reason for event in failed}
    assert len(counted(relaxed)) > len(counted(one))
    (amendment,) = [event for event in events(relaxed) if event.type == "enrollment.protocol_amended"]
    assert amendment.data.relaxed == ("hba1c",)


def test_the_target_stops_new_candidates_and_those_in_screening_go_on() -> None:
    truth = draw_truth(study(subjects=60), 7, 0)
    days = np.sort(truth.subjects.randomised[~np.isnan(truth.subjects.randomised)])
    assert truth.reached == days[59]
    assert truth.subjects.prescreened.max() <= truth.reached
    assert len(days) >= 60


def test_a_cap_stops_a_country() -> None:
    capped = SimulatedCountry(country="DE", sites=8, per_month=2.0, cap=10)
    truth = draw_truth(study(countries=(capped,)), 7, 0)
    days = np.sort(truth.subjects.randomised[~np.isnan(truth.subjects.randomised)])
    assert len(days) >= 10
    assert truth.subjects.prescreened.max() <= days[9]


def test_event_times_stop_with_drop_out() -> None:
    follow = FollowUp(events_per_year=1.0, event_shape=1.4, dropout_per_year=0.5, months=24.0)
    subjects = draw_truth(study(follow_up=follow), 7, 0).subjects
    out = np.fmin(np.fmin(subjects.withdrawn, subjects.lost), subjects.completed)
    happened = ~np.isnan(subjects.event)
    assert happened.sum() > 50
    assert (subjects.event[happened] <= out[happened]).all()
    assert (~np.isnan(subjects.withdrawn)).sum() > 5


def test_noise_is_what_was_asked_for() -> None:
    calm = study(noise=Noise())
    loud = study(
        noise=Noise(duplicates=0.1, corrections=0.1, withdrawn=0.03, unknown_sites=0.03, future=0.05, out_of_order=0.1)
    )
    assert len({event.id for event in events(calm)}) == len(events(calm))
    told = events(loud)
    facts = [event for event in told if "subject" in str(type(event.data)).lower() or event.sequence is not None]
    twice = len(facts) - len({event.id for event in facts})
    assert 0.05 < twice / len(facts) < 0.15
    corrected = [event for event in facts if getattr(event.data, "supersedes", None) is not None]
    names = {event.id for event in facts}
    assert len(corrected) > 20
    # one whose former is held up beyond the end names what was never told
    assert sum(event.data.supersedes.id in names for event in corrected) > 0.95 * len(corrected)
    types = Counter(event.type for event in facts)
    assert types["enrollment.fact_withdrawn"] > 5
    assert any(getattr(event.data, "site", "") == "XX-99" for event in facts)
    assert any(event.event_time > event.record_time + DAY for event in facts)
    known = [event.record_time for event in told]
    assert known != sorted(known)


def test_costs_are_booked_each_month() -> None:
    one = study(
        bookings=(
            Booking(line="management", per="month", amount=1000.0),
            Booking(line="fees", per="subject", amount=10.0),
        )
    )
    booked = [event.data for event in events(one) if event.type == "enrollment.cost_booked"]
    assert sum(cost.amount for cost in booked if cost.line == "management") == pytest.approx(12_000.0)
    days = counted(one)
    assert sum(cost.amount for cost in booked if cost.line == "fees") == pytest.approx(10.0 * (days < 12 * MONTH).sum())


def test_the_shipped_story_is_read() -> None:
    truth = json.loads(StudySimulator(load_simulation(SPEC)).truth())
    (one,) = truth["studies"]
    assert one["changes"] == [{"country": "DE", "day": round(6 * MONTH, 4), "factor": 0.25}]
    assert one["reached_day"] is not None


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b'{"studies":[]}', b'{"studies":[{"study":"a","countries":[]}]}']
)
def test_specifications_that_say_nothing_are_refused(payload: bytes) -> None:
    with pytest.raises(UsageError, match="spec"):
        read_simulation(payload, "spec.json")


def test_a_study_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="once"):
        StudySimulator(Simulation(studies=(study(), study())))


def test_command_writes_events_and_truth(tmp_path: Path) -> None:
    out, truth = tmp_path / "events.jsonl", tmp_path / "truth.json"
    arguments = ["ingest", "studies", "--spec", str(SPEC), "--out", str(out), "--truth", str(truth)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    lines = out.read_bytes().splitlines()
    assert read_structured(lines[0]).type == "enrollment.study_planned"
    assert json.loads(truth.read_bytes())["seed"] == 12
    assert len(lines) > 2000
