"""Subjects who came and are not known yet: the last weeks do not look like a fall."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from tests.support.studies import study
from twins.enrollment.funnel import learn_reporting, nowcast
from twins.enrollment.rates import RateSettings, Unreported, learn, outlook
from twins.enrollment.study import MONTH, Study

SITES, DAYS, AHEAD, LAG = 40, 300.0, 60.0, 25.0
RATE = 1.0 / MONTH  # of each site [1/d]


def known_of(seed: int) -> tuple[Study, float]:
    """Make a study of constant rates whose subjects are known about a month late; and what is expected in 60 days."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(SITES * DAYS * RATE)
    day = rng.uniform(0.0, DAYS, count)
    lag = rng.exponential(LAG, count)
    known = day + lag <= DAYS
    order = np.argsort(day[known], kind="stable")
    one = study(DAYS, np.zeros(SITES), rng.integers(0, SITES, count)[known], day[known])
    one = replace(one, subjects=replace(one.subjects, reported=lag[known][order]))
    return one, count + SITES * AHEAD * RATE


def test_what_is_not_known_yet_is_expected_all_the_same() -> None:
    plain, told = [], []
    for seed in range(8):
        one, truth = known_of(seed)
        reporting = learn_reporting(one)
        now = nowcast(one, reporting)
        at = np.array([DAYS + AHEAD])
        learned = learn(one, RateSettings(), partial(reporting.complete, DAYS))
        expected = outlook(learned, one, at, Unreported(now.total, now.total_variance))
        plain.append(outlook(learn(one, RateSettings()), one, at).mean[0] / truth - 1.0)
        told.append(expected.mean[0] / truth - 1.0)
        assert abs(expected.countries[0, 0, 2] / expected.study[0, 2] - 1.0) < 0.01  # one country: the same by two ways
    assert np.mean(plain) < -0.05  # a month of subjects is missing, and the rate seems to fall
    assert abs(np.mean(told)) < 0.03  # 8 studies of 400 subjects: a standard error of 0.012
