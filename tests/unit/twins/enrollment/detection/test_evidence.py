"""Laws of the evidence: against numerical integration, under no change, and of what is counted since a day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from tests.support.enrollment_detection_studies import as_of, grown
from twins.enrollment.detection import watch
from twins.enrollment.detection.evidence import ages_of, days_each, limit, total
from twins.enrollment.detection.exposure import expose, reported_share
from twins.enrollment.detection.proportions import log_ratios as of_proportions
from twins.enrollment.detection.proportions import tally
from twins.enrollment.detection.rates import COUNTRY_SPREAD, log_ratios
from twins.enrollment.detection.settings import DetectionSettings
from twins.enrollment.detection.steps import speed
from twins.enrollment.study import by_bin

AGES = ages_of(DetectionSettings())
STUDY = as_of(grown(21, [8.0, 14.0], 4, 300.0, opening=120.0), 300.0)


def test_laplace_agrees_with_numerical_integration() -> None:
    open_, alpha, factor = expose(STUDY, AGES), 1.3, 0.45
    told = log_ratios(open_, np.array([factor]), alpha)[:, :, 0]
    centre = np.log((open_.count.sum() + 0.5) / open_.days.sum())
    for group, country in enumerate(open_.present):
        rows = open_.country == country
        for age in (5, 15, 25):

            def integral(size: float, rows=rows, age=age) -> float:  # type: ignore[no-untyped-def]
                days = open_.days[rows] + (size - 1.0) * open_.late_days[rows, age]
                count = open_.count[rows]

                def log(x: float) -> float:
                    fit = count.sum() * x - ((alpha + count) * np.log1p(np.exp(x) * days / alpha)).sum()
                    return float(fit - (x - centre) ** 2 / (2 * COUNTRY_SPREAD**2))

                top = max(log(x) for x in np.linspace(centre - 3, centre + 3, 200))
                area = quad(lambda x: np.exp(log(x) - top), centre - 4, centre + 4, limit=200)[0]
                return float(np.log(area) + top)

            late = open_.late_count[rows, age].sum()
            exact = integral(factor) - integral(1.0) + late * np.log(factor)
            assert told[group, age] == pytest.approx(exact, abs=0.02)


def test_no_change_of_size_is_no_evidence() -> None:
    assert np.abs(log_ratios(expose(STUDY, AGES), np.array([1.0]), 2.0)).max() < 1e-9
    trials = tally(np.array([0, 0, 1]), np.array([1.0, 50.0, 90.0]), np.array([1.0, 0.0, 1.0]), 100.0, AGES)
    assert np.abs(of_proportions(trials, np.array([1.0]))).max() < 1e-9


def test_counts_and_days_are_those_of_the_bins() -> None:
    bare = replace(STUDY, subjects=replace(STUDY.subjects, screened=np.full(len(STUDY.subjects), np.nan)))
    open_ = expose(bare, AGES)
    for place in (0, 10, len(AGES) - 1):
        cut = max(300.0 - AGES[place], 0.0)
        count, days = by_bin(bare, np.array([cut, 300.0 + 1e-9]))
        assert np.array_equal(open_.late_count[:, place], count[open_.site, 0])
        assert open_.late_days[:, place] == pytest.approx(days[open_.site, 0])


def test_decisions_of_screening_are_as_many_as_their_hazard_expects() -> None:
    """Nelson's estimate gives back what was counted, in all and since each day within a day's rounding."""
    told = speed(STUDY, AGES)
    assert told is not None
    assert told.days.sum() == pytest.approx(told.count.sum())
    assert (np.diff(told.late_days, axis=1) >= -1e-9).all()
    assert (told.late_days <= told.days[:, None] + 1e-9).all()


def test_under_no_change_evidence_stays_below_its_days_on_average() -> None:
    """R less the days it sums has mean 0 while nothing changes: over 100 countries of 10 a month within its error."""
    study = as_of(grown(33, [10.0] * 100, 5, 240.0), 240.0)
    bare = replace(study, subjects=replace(study.subjects, screened=np.full(len(study.subjects), np.nan)))
    open_ = expose(bare, AGES)
    days = days_each(AGES, open_.begun - 30.0)
    evidence = total(log_ratios(open_, np.array([0.45, 0.6]), 32.0), days)
    assert evidence.mean() < days.sum(axis=1)[0] * 1.5
    assert (evidence > limit(6.0, open_.begun)).mean() < 0.05


def test_a_quiet_campaign_has_few_false_alarms() -> None:
    """40 countries of 10 a month for a year are 40 country-years: 8 alarms at one in 5 years, 14 with chance 2 %."""
    grew, seen = grown(44, [10.0] * 40, 5, 500.0), set()
    bare = replace(grew, subjects=replace(grew.subjects, screened=np.full(len(grew.subjects), np.nan)))
    for day in np.arange(135.0, 500.0, 7.0):
        seen |= {one.country for one in watch(as_of(bare, day)).changes if one.what == "enrollment" and one.country}
    assert len(seen) <= 14


def test_a_campaign_of_halvings_is_seen_in_time() -> None:
    """40 countries of 20 a month halve after 16 months: half of them are seen within 2 months, most within 4."""
    delay = []
    for seed in range(40):
        grew = grown(500 + seed, [20.0], 5, 640.0, change=480.0, factor=0.5)
        days = (day for day in range(490, 640, 10) if watch(as_of(grew, float(day))).changes)
        delay.append(next(days, 999) - 480)
    assert np.median(delay) <= 60
    assert np.quantile(delay, 0.85) <= 122


def test_the_share_reported_is_learned_from_delays_cut_off_by_today() -> None:
    rng = np.random.default_rng(5)
    study = as_of(grown(5, [60.0], 3, 400.0), 400.0)
    delay = rng.exponential(10.0, len(study.subjects))
    known = ~(study.subjects.enrolled + delay > 400.0)
    told = replace(study.subjects, reported=np.where(np.isnan(study.subjects.enrolled), np.nan, delay))
    seen = replace(told, **{name: getattr(told, name) for name in ("site",)})
    seen = type(told)(*(getattr(seen, name)[known] for name in type(told).__slots__))
    share = reported_share(replace(study, subjects=seen))
    assert share[7] == pytest.approx(1 - np.exp(-0.7), abs=0.07)
    assert share[30] == pytest.approx(1 - np.exp(-3.0), abs=0.04)
    assert (np.diff(share) >= -1e-12).all()
