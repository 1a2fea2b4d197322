"""Steps, their delays and chances, and what comes of those in the funnel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy.enrollment_funnel import Score, Truth, as_known, make
from twins.enrollment.funnel import at_once, funnel, in_flight
from twins.enrollment.funnel.delays import delays_of
from twins.enrollment.funnel.steps import FELL, PASSED, WAITS, Entrants, entrants
from twins.enrollment.study import Study

NAN = np.nan


def study_of(truth: Truth, seed: int = 1) -> Study:
    return as_known(make(truth, np.random.default_rng(seed)), truth.days)


def with_steps(study: Study, seed: int = 1) -> Study:
    """The same with days of pre-screening and consent before, a third of whom never came to be screened."""
    rng, s = np.random.default_rng(seed), study.subjects
    lost = rng.random(len(s)) < 0.3
    consented = s.screened - rng.exponential(3.0, len(s))
    gone = {name: np.where(lost, NAN, getattr(s, name)) for name in ("screened", "failed", "enrolled", "reported")}
    s = replace(s, consented=consented, prescreened=consented - 1.0, reason=np.where(lost, -1, s.reason), **gone)
    return replace(study, subjects=s)


def test_a_step_is_passed_by_any_later_milestone_and_left_by_withdrawal() -> None:
    study = study_of(Truth(rate=0.05), 3)
    s = study.subjects
    count = len(s)
    days = np.arange(count, dtype=np.float64)
    none = np.full(count, NAN)
    s = replace(
        s, consented=days, screened=none, failed=none, enrolled=np.where(days == 0, 9.0, NAN),
        withdrawn=np.where(days == 1, 4.0, NAN),
    )  # fmt: skip
    (step,) = entrants(replace(study, subjects=s))
    assert step.name == "consented to enrolled"
    assert step.outcome.tolist()[:3] == [PASSED, FELL, WAITS]
    assert step.after.tolist()[:3] == [9.0, 3.0, 198.0]


def test_steps_follow_the_path_that_the_study_records() -> None:
    found = funnel(with_steps(study_of(Truth())))
    assert [step.name for step in found.steps] == [
        "prescreened to consented", "consented to screened", "screened to enrolled",
    ]  # fmt: skip
    assert found.steps[0].chance.study.mean[0] > 0.95
    assert found.steps[1].chance.study.mean[0] == pytest.approx(0.7, abs=0.06)
    for step in found.steps:
        assert (step.passed + step.fell + step.waits).sum() == len(step.entrants.of)


def test_who_waits_counts_in_the_chance_to_pass() -> None:
    """Failures end within days, passes take two weeks: at 30 days most of the ends are failures."""
    told, naive = [], []
    for seed in range(30):
        step = funnel(study_of(Truth(days=30.0, rate=4.0, alike=1000.0, slow_fail=3.0, silent=0.0), seed)).steps[0]
        told.append(step.chance.study.mean[0])
        naive.append(step.passed.sum() / (step.passed + step.fell).sum())
    assert np.mean(told) == pytest.approx(0.65, abs=0.03)
    assert np.mean(naive) < 0.60


def test_delays_without_a_delay_of_reporting_are_those_of_aalen_and_johansen() -> None:
    rng = np.random.default_rng(4)
    ends, passes, age = rng.integers(0, 12, 3000), rng.random(3000) < 0.6, rng.integers(1, 20, 3000)
    ends = np.where(passes, ends, ends // 2)
    known = ends < age
    outcome = np.where(known, np.where(passes, PASSED, FELL), WAITS)
    after = np.where(known, ends + 0.5, age - 0.5)  # whole days: the middle of the last day, as the estimate has it
    after = np.where(known, after, age * 1.0 - 1e-9 - 0.5)
    step = Entrants("screened", "enrolled", np.arange(3000), np.zeros(3000, dtype=np.int64), after, outcome, 20.0)
    delays = delays_of(step, at_once(1))
    assert delays.share == pytest.approx(0.6, abs=0.03)
    assert delays.passes[:12].sum() == pytest.approx(delays.share, abs=0.01)
    np.testing.assert_allclose(delays.passes[:12], 0.6 / 12, atol=0.02)
    np.testing.assert_allclose(delays.days(0.25, 0.5), [3.0, 6.0], atol=0.5)


def test_reasons_of_failures_and_those_who_drop_out_later() -> None:
    study = study_of(Truth(), 5)
    s = study.subjects
    failed = ~np.isnan(s.failed)
    reason = np.where(failed, np.arange(len(s)) % 3 - 1, -1)  # a third has none
    enrolled = np.flatnonzero(~np.isnan(s.enrolled))
    withdrawn, completed = np.full(len(s), NAN), np.full(len(s), NAN)
    withdrawn[enrolled[:3]], completed[enrolled[3:5]] = s.enrolled[enrolled[:3]] + 5.0, s.enrolled[enrolled[3:5]] + 9.0
    s = replace(s, reason=reason, withdrawn=withdrawn, completed=completed)
    found = funnel(replace(study, subjects=s, reasons=("age", "laboratory")))
    assert found.failures.tolist() == [int((reason == 0).sum()), int((reason == 1).sum())]
    low, high = found.of_failures.interval()
    assert (low < 1 / 3).all()
    assert (high > 1 / 3).all()
    after = found.follow_up
    assert (after.completed, after.withdrawn, after.lost) == (2, 3, 0)
    assert after.ongoing == len(enrolled) - 5
    assert after.low < 3 / after.months < after.high


def test_the_longer_one_has_waited_the_less_likely_and_none_after_the_limit() -> None:
    study = study_of(Truth(rate=6.0), 6)
    found = in_flight(study, funnel(study))
    waited = study.as_of - study.subjects.screened[found.of]
    assert found.chance[waited < 3.0].mean() > found.chance[(waited > 18.0) & (waited < 25.0)].mean() + 0.1
    assert found.chance[waited > 29.5].max() < 1e-9
    assert (np.diff(found.mean) >= -1e-12).all()
    assert found.mean[-1] == pytest.approx(found.total)
    assert found.mean[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("days", [0, 7, 200])
def test_how_many_days_are_told_changes_nothing_of_what_is_told(days: int) -> None:
    study = with_steps(study_of(Truth(rate=6.0, lag=5.0), 7))
    found = funnel(study)
    some, usual = in_flight(study, found, days=days), in_flight(study, found)
    both = min(days, 60) + 1
    assert len(some.mean) == days + 1
    for name in ("mean", "variance", "low", "high"):
        assert np.array_equal(getattr(some, name)[:both], getattr(usual, name)[:both]), name
    for name in ("total", "total_variance", "slope", "doubt"):
        assert getattr(some, name) == getattr(usual, name), name


def test_later_steps_multiply_the_chance_and_add_their_days() -> None:
    study = with_steps(study_of(Truth(rate=6.0), 7))
    found = funnel(study)
    flight = in_flight(study, found)
    consented = flight.chance[(flight.step == 1) & (study.as_of - study.subjects.consented[flight.of] < 1.0)]
    screened = flight.chance[(flight.step == 2) & (study.as_of - study.subjects.screened[flight.of] < 1.0)]
    assert 0 < consented.mean() < screened.mean()
    assert flight.mean[28] < flight.total - 0.01, "who consented today may yet be screened for four weeks"


@pytest.mark.parametrize("truth", [Truth(lag=6.0), Truth(rate=0.4, days=150.0)])
def test_intervals_hold_what_comes_of_those_in_screening(truth: Truth) -> None:
    rng, score = np.random.default_rng(8), Score([], [])
    for _ in range(80):
        world = make(truth, rng)
        study = as_known(world, truth.days)
        said = in_flight(study, funnel(study))
        waits = world.passes & (world.known > truth.days) & (world.ends <= truth.days + 10)
        score.add(float(said.mean[10]), float(said.variance[10]), int(waits.sum()), rng)
    assert 0.80 < score.row()["holds"] < 0.98


def test_a_study_without_subjects_has_a_funnel_too() -> None:
    study = study_of(Truth(rate=1e-9))
    found = funnel(study)
    flight = in_flight(study, found)
    assert (found.steps, flight.total, len(flight.of)) == ((), 0.0, 0)
    assert found.follow_up.ongoing == 0


def test_subjects_in_another_order_change_nothing() -> None:
    study = with_steps(study_of(Truth(lag=4.0), 9))
    order = np.random.default_rng(1).permutation(len(study.subjects))
    columns = {name: getattr(study.subjects, name)[order] for name in study.subjects.__slots__}
    other = replace(study, subjects=replace(study.subjects, **columns))
    one, two = (in_flight(each, funnel(each)) for each in (study, other))
    np.testing.assert_allclose(one.mean, two.mean, rtol=1e-9)
    np.testing.assert_allclose(one.variance, two.variance, rtol=1e-9)
