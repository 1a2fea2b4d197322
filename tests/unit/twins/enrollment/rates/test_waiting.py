"""Laws of the silence of young sites: days that count, shares to come, and a study whose screening takes weeks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.studies import study
from twins.enrollment.funnel import funnel, lags
from twins.enrollment.rates import RateSettings, draw, learn, outlook
from twins.enrollment.rates.history import history
from twins.enrollment.rates.waiting import delayed, ripe_share, ripening
from twins.enrollment.study import Study, Target

AS_OF, LAG = 60.0, 30.0


def screened(seed: int, as_of: float = AS_OF, sites: int = 40, lag: float = LAG) -> Study:
    """Make a study of sites of 0.1 a day, open evenly over its past, whose subjects are enrolled `lag` days after."""
    rng = np.random.default_rng(seed)
    opened = as_of * np.arange(sites) / sites
    came = rng.poisson(0.1 * (as_of - opened))
    site = np.repeat(np.arange(sites), came)
    begun = opened[site] + (as_of - opened[site]) * rng.random(len(site))
    done = np.where(begun + lag <= as_of, begun + lag, np.nan)
    order = np.argsort(done, kind="stable")
    one = study(as_of, opened, site, done, targets=[Target("last", 1000, 400.0)])
    return replace(one, subjects=replace(one.subjects, screened=begun[order]), screening_days=60.0)


def test_days_count_from_when_the_first_could_have_come() -> None:
    one, waits = screened(1), np.array([10.0, 30.0])
    found = history(one, RateSettings(), None, waits).exposure.sum(axis=1)
    age = AS_OF - one.sites.opened
    expected = np.maximum(age[:, None] - waits, 0.0).mean(axis=1)
    silent = np.bincount(one.subjects.site[~np.isnan(one.counting_days)], minlength=len(age)) == 0
    assert silent.sum() > 5
    assert found[silent] == pytest.approx(expected[silent], abs=1e-9)
    assert delayed(one.spans, waits, AS_OF).end.max() == AS_OF


def test_a_closed_site_counts_as_long_as_it_was_open() -> None:
    one = screened(2)
    closed = replace(one, spans=replace(one.spans, end=np.minimum(one.spans.start + 5.0, AS_OF)))
    moved = delayed(closed.spans, np.array([20.0]), AS_OF)
    old = closed.spans.start + 25.0 <= AS_OF
    assert (moved.end - moved.start)[old] == pytest.approx(5.0)


def test_the_days_to_come_and_those_gone_make_up_the_time_since_the_lag() -> None:
    starts, waits, edges = np.array([0.0, 50.0, 59.0]), np.array([5.0, 20.0, 45.0]), np.array([60.0, 70.0, 90.0, 200.0])
    gone = np.maximum(AS_OF - starts[:, None] - waits, 0.0).mean(axis=1)
    until = (200.0 - starts[:, None] - waits).mean(axis=1)
    assert gone + ripening(starts, waits, edges).sum(axis=1) == pytest.approx(until)


def test_a_share_is_missing_only_while_sites_are_young() -> None:
    one = screened(3)
    share = ripe_share(one, np.array([LAG]), np.array([60.0, 75.0, 91.0, 200.0]), np.full((2, len(one.sites)), 0.1))
    assert share.shape == (2, 1, 3)
    assert 0.4 < share[0, 0, 0] < share[0, 0, 1] < share[0, 0, 2] == 1.0


def test_the_lag_is_learned_with_those_who_wait() -> None:
    assert lags(screened(4, as_of=200.0), funnel(screened(4, as_of=200.0))).mean() == pytest.approx(LAG, abs=1.5)
    assert lags(study(10.0, [0.0], [0], [5.0]), funnel(study(10.0, [0.0], [0], [5.0]))).tolist() == [0.0]


def test_a_young_study_is_not_taken_for_a_slow_one() -> None:
    expected = 40 * 0.1 * (180.0 - LAG - AS_OF / 2)  # of sites open since 0 to 60, at 0.1 a day, by day 180
    plain: list[float] = []
    told: list[float] = []
    drawn: list[float] = []
    for seed in range(8):
        one = screened(seed)
        for waits, found in ((np.zeros(1), plain), (lags(one, funnel(one)), told)):
            posterior = learn(one, RateSettings(level=(3.0, 0.7)), None, waits)
            found.append(outlook(posterior, one, np.array([180.0])).mean[0] / expected - 1.0)
        ahead = draw(posterior, one, 1, 200, np.array([60.0, 90.0, 120.0, 180.0]), 0)
        come = (ahead.site_rate.sum(axis=1)[:, None] * ahead.factor[:, 0] * np.diff(ahead.steps)).sum(axis=1)
        drawn.append((len(one.counted) + come.mean()) / expected - 1.0)
    assert np.mean(plain) < -0.3  # the weeks of screening look like silence
    assert abs(np.mean(told)) < 0.15  # 8 studies of some 30 subjects each, and lags: a standard error of 0.07
    assert np.mean(drawn) == pytest.approx(np.mean(told), abs=0.03)  # draws and closed form agree
