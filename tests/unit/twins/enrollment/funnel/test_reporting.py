"""Delays of reports under truncation, and who is not known yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import gamma

from benchmarks.accuracy.enrollment_funnel import Score, Truth, as_known, make
from twins.enrollment.funnel import learn_reporting, nowcast
from twins.enrollment.study import Study

LATE = Truth(rate=6.0, lag=8.0)


def study_of(truth: Truth, seed: int) -> Study:
    return as_known(make(truth, np.random.default_rng(seed)), truth.days)


def test_the_slow_ones_that_are_still_missing_are_allowed_for() -> None:
    at, told, naive = np.array([4.0, 8.0]), np.zeros(2), np.zeros(2)
    for seed in range(8):
        study = study_of(replace(LATE, days=60.0), seed)
        delays = study.subjects.reported[~np.isnan(study.subjects.reported)]
        told += learn_reporting(study, weekly=False).seen(at + 0.5) / 8
        naive += np.mean(delays[:, None] < at, axis=0) / 8
    known = gamma(1.5, scale=8.0 / 1.5).cdf(at)
    assert np.abs(told - known).max() < 0.03
    assert (naive > known + 0.03).all(), "those that came look faster than they are"


def test_known_at_once_means_all_is_known() -> None:
    study = study_of(Truth(), 2)
    reporting = learn_reporting(study)
    said = nowcast(study)
    assert reporting.learned == 0
    assert (reporting.complete(study.as_of, np.arange(150.0, 201.0)) == 1.0).all()
    assert (said.total, said.total_low, said.total_high) == (0.0, 0, 0)


def test_without_it_the_last_fortnight_looks_like_a_fall_and_with_it_not() -> None:
    came, plain, mended = np.zeros(2), np.zeros(2), np.zeros(2)
    edges = np.array([28.0, 186.0, 200.0])
    for seed in range(12):
        study = study_of(LATE, seed)
        came += np.histogram(study.counted, edges)[0]
        plain += np.diff(edges)
        mended += np.diff(edges) * learn_reporting(study).complete(study.as_of, edges)
    fall, none = ((came / days)[1] / (came / days)[0] for days in (plain, mended))
    assert fall < 0.65
    assert none == pytest.approx(1.0, abs=0.1)


def test_days_without_entry_are_learned_from_the_reports() -> None:
    study = study_of(replace(LATE, weekdays=True, lag=2.0), 4)
    by = learn_reporting(study).by
    assert by[4, 0] > by[4, 1] - by[4, 0] + 0.1, "of a day before two without entry nothing comes a day later"
    assert by[4, 2] - by[4, 0] < 0.05
    assert by[4, 3] - by[4, 2] > 0.2
    even = learn_reporting(study_of(LATE, 4)).by
    assert (even == even[0]).all(), "where there is no pattern none is seen"


def test_completeness_falls_towards_the_present_and_ends_at_now() -> None:
    study = study_of(LATE, 5)
    reporting = learn_reporting(study, weekly=False)
    edges = np.arange(170.0, 211.0)
    told = reporting.complete(200.0, edges)
    assert (np.diff(told[:30]) <= 1e-12).all()
    assert told[0] > 0.9
    assert told[29] < 0.2
    assert (told[30:] == 1.0).all(), "what begins after now has nothing to miss"
    assert reporting.complete(200.0, np.array([170.0, 200.0]))[0] == pytest.approx(told[:30].mean())
    assert reporting.complete(199.5, edges)[29] == pytest.approx(max(reporting.by[0, 0], 0.05))


def test_a_load_of_old_data_says_nothing_of_delays() -> None:
    study = study_of(replace(LATE, lag=0.0), 6)
    enrolled = study.subjects.enrolled
    loaded = replace(study.subjects, reported=np.where(enrolled < 150.0, 150.5 - enrolled, 0.0))
    reporting = learn_reporting(replace(study, subjects=loaded))
    assert (reporting.complete(200.0, np.arange(150.0, 201.0)) == 1.0).all()


def test_a_slow_country_is_known_later() -> None:
    study = study_of(LATE, 7)
    s, slow = study.subjects, study.sites.country[study.subjects.site] == 2
    keep = ~slow | np.isnan(s.reported) | (s.enrolled + s.reported + 12.0 <= 200.0)
    late = np.where(slow, s.reported + 12.0, s.reported)
    s = replace(s, enrolled=np.where(keep, s.enrolled, np.nan), reported=np.where(keep, late, np.nan))
    reporting = learn_reporting(replace(study, subjects=s))
    edges = np.array([190.0, 200.0])
    assert reporting.complete(200.0, edges, 2)[0] < 0.5 * reporting.complete(200.0, edges, 0)[0]


@pytest.mark.parametrize("truth", [replace(LATE, weekdays=True), Truth(rate=0.4, lag=8.0)])
def test_intervals_hold_who_is_not_known_yet(truth: Truth) -> None:
    rng, score = np.random.default_rng(8), Score([], [])
    for _ in range(120):
        world = make(truth, rng)
        said = nowcast(as_known(world, truth.days))
        missing = (world.enrolled <= truth.days) & (world.known > truth.days)
        score.add(said.total, said.total_variance, int(missing.sum()), rng)
        assert said.total_low <= said.total <= said.total_high + 1
    assert 0.82 < score.row()["holds"] < 0.97


def test_an_empty_study_is_nothing_to_nowcast() -> None:
    said = nowcast(study_of(Truth(rate=1e-9), 9))
    assert said.total == 0.0
    assert len(said.days) == 56
