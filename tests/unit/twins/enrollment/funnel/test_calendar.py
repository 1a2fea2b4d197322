"""Weekends and holidays as a factor on exposure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy.enrollment_funnel import Truth, as_known, make
from twins.enrollment.funnel import Calendar, learn_calendar, open_weights
from twins.enrollment.study import Country, Study


def study_of(holidays: tuple[tuple[float, float], ...] = ()) -> Study:
    """Enrolments all on days, none at weekends (phases 5 and 6) and none on the holidays of the first country."""
    study = as_known(make(Truth(rate=6.0), np.random.default_rng(1)), 200.0)
    s, day = study.subjects, np.floor(study.subjects.enrolled)
    off = np.isin(day % 7, (5, 6))
    for start, end in holidays:
        off |= (study.sites.country[s.site] == 0) & (day >= start) & (day < end)
    s = replace(s, enrolled=np.where(off, np.nan, s.enrolled))
    return replace(study, subjects=s, countries=(Country("C0", holidays=holidays), *study.countries[1:]))


def test_weekends_without_enrolment_are_learned() -> None:
    week = learn_calendar(study_of()).week
    assert week.mean() == pytest.approx(1.0)
    assert (week[5:] < 0.4).all()
    assert week[:5] == pytest.approx(np.full(5, 1.29), abs=0.2)


def test_a_holiday_counts_in_its_own_country_alone() -> None:
    weights = open_weights(study_of(((50.0, 64.0), (210.0, 212.0))), 190, 30, Calendar(np.ones(7), 0.25))
    assert weights.shape == (4, 30)
    assert weights[0].tolist() == [1.0] * 20 + [0.25] * 2 + [1.0] * 8
    assert (weights[1:] == 1.0).all()


def test_what_holidays_leave_is_learned_and_held_towards_the_prior() -> None:
    assert learn_calendar(study_of()).holiday == pytest.approx(0.3)
    assert learn_calendar(study_of(((50.0, 64.0), (100.0, 114.0)))).holiday < 0.15


def test_a_week_without_a_pattern_stays_near_even() -> None:
    week = learn_calendar(as_known(make(Truth(), np.random.default_rng(2)), 200.0)).week
    assert np.abs(week - 1.0).max() < 0.35
