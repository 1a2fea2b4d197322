"""What a watch tells of studies whose truth is known: what changed is found, what did not is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from schemas.errors import SettingsError
from tests.support.enrollment_detection_studies import as_of, grown
from twins.enrollment.detection import DetectionSettings, watch
from twins.enrollment.study import PAUSED, Country, Sites, Spans, Study, Subjects

SEED = 2
HALVED = grown(SEED, [20.0, 20.0, 20.0], 6, 365.0 + 240.0, change=365.0, factor=0.5)


def test_a_country_that_halves_is_flagged_with_its_day_and_size() -> None:
    found = [one for one in watch(as_of(HALVED, 500.0)).changes if one.what == "enrollment"]
    assert [(one.country, one.direction) for one in found if one.country == "C0"] == [("C0", "fall")]
    change = next(one for one in found if one.country == "C0")
    assert change.factor.low < 0.5 < change.factor.high < 1.0
    assert change.since.low < 365.0 < change.since.high
    assert change.now == pytest.approx(change.before / 2, rel=0.4)
    assert change.evidence > change.limit
    assert change.probability > 0.5


def test_a_country_that_halves_is_never_flagged_as_rising_nor_do_its_neighbours_fall() -> None:
    told = {
        (one.country, one.direction)
        for day in np.arange(370.0, 600.0, 10.0)
        for one in watch(as_of(HALVED, day)).changes
        if one.what == "enrollment" and one.country is not None
    }
    assert ("C0", "fall") in told
    assert not {("C0", "rise"), ("C1", "fall"), ("C2", "fall")} & told


def test_before_the_change_nothing_is_flagged() -> None:
    for day in np.arange(20.0, 365.0, 15.0):
        assert watch(as_of(HALVED, day)).changes == ()


def test_nothing_that_comes_later_moves_an_earlier_answer() -> None:
    """A study as of a day is all that counts."""
    other = grown(SEED, [20.0, 20.0, 20.0], 6, 365.0 + 240.0, change=365.0, factor=0.5)
    one, two = watch(as_of(HALVED, 450.0)), watch(as_of(other, 450.0))
    assert one.changes == two.changes
    assert np.array_equal(one.sites.fell, two.sites.fell)


def test_a_pause_of_half_the_sites_is_no_fall_of_the_country() -> None:
    study = as_of(grown(5, [24.0], 8, 420.0), 420.0)
    shut, since = np.arange(0, 8, 2), 300.0
    spans = replace(study.spans, end=np.where(np.isin(study.spans.site, shut), since, study.spans.end))
    came = ~(np.isin(study.subjects.site, shut) & (np.fmax(study.subjects.enrolled, study.subjects.failed) > since))
    subjects = Subjects(*(getattr(study.subjects, name)[came] for name in Subjects.__slots__))
    paused = replace(study, spans=spans, subjects=subjects)
    assert [one for one in watch(paused).changes if one.what == "enrollment"] == []
    still_open = replace(study, subjects=subjects)
    assert "C0" in {one.country for one in watch(still_open).changes if one.what == "enrollment"}


def test_a_site_at_its_cap_is_not_silent() -> None:
    study = as_of(grown(8, [24.0], 2, 400.0), 400.0)
    early = study.subjects.enrolled < 250.0
    cap = np.bincount(study.subjects.site[early], minlength=2).astype(float)
    came = ~(study.subjects.enrolled >= 250.0) & ~(study.subjects.failed >= 250.0)
    full = Subjects(*(getattr(study.subjects, name)[came] for name in Subjects.__slots__))
    capped = replace(study, subjects=full, sites=replace(study.sites, cap=cap))
    assert [one for one in watch(capped).changes if one.what == "enrollment"] == []
    free = replace(capped, sites=replace(study.sites, cap=np.full(2, np.inf)))
    assert {one.direction for one in watch(free).changes if one.what == "enrollment"} == {"fall"}


def test_a_holiday_without_a_subject_is_no_fall() -> None:
    study = as_of(grown(9, [30.0], 5, 390.0), 390.0)
    day = study.subjects.enrolled
    came = ~((day >= 360.0) & (day < 390.0))
    away = replace(study, subjects=Subjects(*(getattr(study.subjects, name)[came] for name in Subjects.__slots__)))
    assert "enrollment" in {one.what for one in watch(away).changes}
    told = replace(away, countries=(Country("C0", holidays=((360.0, 390.0),)),))
    assert "enrollment" not in {one.what for one in watch(told).changes}


def test_subjects_that_are_reported_late_are_no_fall() -> None:
    rng = np.random.default_rng(10)
    study = as_of(grown(10, [30.0], 5, 400.0), 400.0)
    delay = rng.gamma(4.0, 8.0, len(study.subjects))  # a month on average
    known = ~(study.subjects.enrolled + delay > 400.0)
    lagging = replace(study.subjects, reported=np.where(np.isnan(study.subjects.enrolled), np.nan, delay))
    seen = Subjects(*(getattr(lagging, name)[known] for name in Subjects.__slots__))
    assert "enrollment" not in {one.what for one in watch(replace(study, subjects=seen)).changes}
    blind = replace(seen, reported=np.full(len(seen), np.nan))
    assert "enrollment" in {one.what for one in watch(replace(study, subjects=blind)).changes}


def test_screen_failures_that_double_are_flagged_and_named() -> None:
    study = as_of(grown(4, [20.0, 20.0], 5, 560.0, change=400.0, failing=(0.2, 0.45)), 540.0)
    found = watch(study).changes
    assert found[0].what == "screen_failure"
    assert found[0].direction == "rise"
    assert found[0].before == pytest.approx(0.2, abs=0.06)
    assert found[0].now == pytest.approx(0.45, abs=0.1)
    assert found[0].since.middle == pytest.approx(400.0, abs=30.0)
    assert found[0].since.low < found[0].since.middle < found[0].since.high


def test_screening_that_slows_down_is_flagged() -> None:
    study = grown(6, [40.0], 5, 500.0)
    old = study.subjects
    slow = np.where(old.screened > 350.0, 2.5, 1.0)
    longer = {name: old.screened + slow * (getattr(old, name) - old.screened) for name in ("enrolled", "failed")}
    study = replace(study, subjects=replace(old, **longer), screening_days=90.0)
    found = [one for one in watch(as_of(study, 480.0)).changes if one.what == "screening_speed"]
    assert {one.direction for one in found} == {"fall"}
    assert found[0].factor.high < 0.8
    before = [one for one in watch(as_of(study, 345.0)).changes if one.what == "screening_speed"]
    assert before == []


def test_consent_that_falls_is_flagged_once_its_time_is_up() -> None:
    rng = np.random.default_rng(12)
    study = as_of(grown(12, [40.0], 4, 400.0), 400.0)
    n = len(study.subjects)
    asked = rng.uniform(0.0, 400.0, n)
    agrees = rng.random(n) < np.where(asked < 250.0, 0.6, 0.25)
    consented = np.where(agrees, asked + 5.0, np.nan)
    consented = np.where(consented <= 400.0, consented, np.nan)
    told = replace(study, subjects=replace(study.subjects, prescreened=asked, consented=consented))
    found = [one for one in watch(told).changes if one.what == "consent"]
    assert {one.direction for one in found} == {"fall"}
    assert found[0].factor.middle == pytest.approx(0.25 / 0.75 / (0.6 / 0.4), rel=0.5)


def test_a_site_that_falls_silent_gets_a_higher_probability_than_one_that_did_not() -> None:
    study = as_of(grown(13, [12.0], 6, 500.0), 500.0)
    gone = (study.subjects.site == 2) & (np.fmin(study.subjects.enrolled, study.subjects.failed) > 300.0)
    silent = Subjects(*(getattr(study.subjects, name)[~gone] for name in Subjects.__slots__))
    sites = watch(replace(study, subjects=silent)).sites
    assert np.argmax(sites.fell) == 2
    assert sites.fell[2] > 0.8
    assert np.delete(sites.fell, 2).max() < 0.5
    assert sites.rank[2] == sites.rank.min()
    assert (sites.rank_low <= sites.rank_high).all()
    assert ((sites.rate_low < sites.rate) & (sites.rate < sites.rate_high)).all()


def test_silence_lowers_a_site_as_the_clock_runs() -> None:
    study = as_of(grown(14, [6.0], 3, 300.0), 300.0)
    later = replace(study, as_of=400.0, spans=replace(study.spans, end=np.full(3, 400.0)))
    assert (watch(later).sites.rate < watch(study).sites.rate).all()
    assert (watch(later).sites.short > 0).all()


def test_a_planned_rate_sets_what_is_short() -> None:
    study = as_of(grown(14, [6.0], 3, 300.0), 300.0)
    modest, bold = (watch(study, expected=np.full(3, rate)).sites.short for rate in (0.01, 1.0))
    assert (modest < 0.05).all()
    assert (bold > 0.95).all()


def test_a_study_without_an_open_site_tells_nothing() -> None:
    none, zero = np.zeros(0), np.zeros(0, dtype=np.int64)
    nobody = Subjects(zero, zero, none, none, none, none, zero, none, none, none, none, none, none, none)
    sites = Sites(("S1",), np.array([0]), np.array([PAUSED]), np.array([5.0]), np.array([np.nan]), np.array([9.0]))
    found = watch(Study("ST-1", 25.0, "enrolled", (Country("DE"),), sites, Spans(zero, none, none), nobody, ()))
    assert len(found.changes) == len(found.watched) == 0
    assert len(found.sites.site) == 0


def test_rows_in_another_order_tell_the_same() -> None:
    study = as_of(HALVED, 500.0)
    turn = np.random.default_rng(1).permutation(len(study.subjects))
    mixed = Subjects(*(getattr(study.subjects, name)[turn] for name in Subjects.__slots__))
    one, two = watch(study), watch(replace(study, subjects=mixed))
    assert [(each.what, each.country) for each in one.changes] == [(each.what, each.country) for each in two.changes]
    assert np.allclose(one.sites.fell, two.sites.fell, rtol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: DetectionSettings(worse_years=0.0),
        lambda: DetectionSettings(below=1.0),
        lambda: DetectionSettings(falls=(1.2,)),
        lambda: DetectionSettings(rises=(0.5,)),
        lambda: DetectionSettings(probation=-1.0),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: Callable[[], DetectionSettings]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        wrong()
