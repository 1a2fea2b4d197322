"""What is believed of a law: against exact posteriors, quadrature, and conditional survival."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.unit.twins.enrollment.survival.trials import cut, drawn
from twins.enrollment.survival import Observed, Prior, fit, fixed, law, learn
from twins.enrollment.survival.changed import learn_default
from twins.enrollment.survival.laws import LawName, log_likelihood
from twins.enrollment.survival.noise import EVENT, EVENT_LAW, exponentials, strata

NAMES: tuple[LawName, ...] = ("exponential", "weibull")


@pytest.fixture(scope="module")
def seen() -> Observed:
    return cut(300.0, *drawn(11, 200, shape=1.4))


def test_exponential_is_its_gamma(seen: Observed) -> None:
    rates = np.exp(learn([law("exponential")], seen.days, seen.event, 2000, 1, EVENT_LAW).theta[0][0])
    exact = stats.gamma(seen.event.sum() + 0.5, scale=1 / seen.days.sum())
    assert stats.kstest(rates, exact.cdf).statistic < 1e-3  # one number to a stratum


def test_weibull_against_quadrature_in_two_dimensions(seen: Observed) -> None:
    theta = learn([law("weibull")], seen.days, seen.event, 4000, 1, EVENT_LAW).theta[0]
    a, b = np.meshgrid(np.linspace(4.5, 9.5, 150), np.linspace(-1.5, 1.2, 150), indexing="ij")
    middle = np.exp(np.log(seen.days[seen.event]).mean())
    level = np.exp(np.exp(-b) * (np.log(middle) - a))
    height = log_likelihood(law("weibull"), seen.days, seen.event.astype(float), np.stack([a, b]))
    # flat in ln level, so flat in ln scale times the shape
    weight = np.exp(height - height.max()) * level**0.5 * np.exp(-b) * np.exp(-0.5 * (b / 0.75) ** 2)
    weight /= weight.sum()
    for k, axis in enumerate((a, b)):
        mean = float((weight * axis).sum())
        spread = float(np.sqrt((weight * (axis - mean) ** 2).sum()))
        assert theta[k].mean() == pytest.approx(mean, abs=0.06 * spread)
        assert theta[k].std() == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("name", ["log_normal", "log_logistic", "weibull"])
def test_with_many_events_a_belief_is_the_fit_with_its_covariance(name: LawName) -> None:
    many = cut(900.0, *drawn(12, 4000))
    found = fit(law(name), many.days, many.event)
    theta = learn([law(name)], many.days, many.event, 4000, 1, EVENT_LAW).theta[0]
    spread = np.sqrt(np.diag(found.covariance))
    assert (np.abs(theta.mean(axis=1) - found.theta) < 0.15 * spread).all()
    assert theta.std(axis=1) == pytest.approx(spread, rel=0.06)


def test_a_piece_that_nobody_reached_is_as_wide_as_its_prior(seen: Observed) -> None:
    theta = learn([law("piecewise", (0.0, 500.0))], seen.days, seen.event, 4000, 1, EVENT_LAW).theta[0]
    unseen = np.exp(theta[1])
    level = (seen.event.sum() + 0.5) / seen.days.sum()
    assert np.median(unseen) == pytest.approx(np.log(2) * level, rel=0.1)
    assert np.exp(theta[0]).std() < 0.4 * unseen.std()


def test_silence_is_evidence() -> None:
    """No event in ever more follow-up: the rate goes down, and is never taken for nothing."""
    rates = []
    for days in (100.0, 1000.0):
        belief = learn([law("exponential")], np.full(50, days), np.zeros(50), 500, 1, EVENT_LAW)
        rates.append(float(np.exp(belief.theta[0]).mean()))
    assert rates[0] == pytest.approx(0.5 / 5000, rel=0.02)
    assert rates[1] == pytest.approx(0.5 / 50000, rel=0.02)


def test_at_design_stage_the_prior_speaks() -> None:
    none = np.empty(0)
    for name in NAMES:
        belief = learn([law(name)], none, none, 2000, 1, EVENT_LAW, Prior(40.0, 20000.0))
        assert belief.survival(np.array([346.57])).mean() == pytest.approx(0.5, abs=0.04)
    assert learn_default(none, none, 200, 1, EVENT_LAW, Prior(40.0, 20000.0)).draws == 200
    with pytest.raises(ValueError, match="give a prior"):
        learn([law("exponential")], none, none, 10, 1, EVENT_LAW)


def test_several_laws_share_the_draws_by_their_weights() -> None:
    one = cut(900.0, *drawn(13, 600, shape=1.6))
    belief = learn([law("weibull"), law("log_normal")], one.days, one.event, 1000, 1, EVENT_LAW)
    assert sorted(np.concatenate(belief.where).tolist()) == list(range(1000))
    assert len(belief.where[0]) > 900  # the truth
    with pytest.raises(ValueError, match="two events"):
        learn([law("weibull"), law("log_normal")], one.days, np.zeros(len(one)), 10, 1, EVENT_LAW)


def test_the_default_sees_a_hazard_that_changed() -> None:
    rng = np.random.default_rng(4)
    spent = rng.exponential(1.0, 1500)
    times = np.where(spent < 0.6, spent / 0.003, 200 + (spent - 0.6) / 0.0004)  # 0.003 a day for 200 days, then 0.0004
    watched = np.minimum(times, 600.0)
    belief = learn_default(watched, times <= 600.0, 400, 1, EVENT_LAW)
    assert len(belief.where[0]) < 20
    ahead = belief.survival(np.array([600.0, 900.0]))
    assert (ahead[:, 1] / ahead[:, 0]).mean() == pytest.approx(np.exp(-0.0004 * 300), abs=0.03)


def test_the_default_stays_with_a_weibull_that_is_one(seen: Observed) -> None:
    one = cut(900.0, *drawn(14, 1500, shape=1.5))
    assert len(learn_default(one.days, one.event, 400, 1, EVENT_LAW).where[0]) > 380


@pytest.mark.parametrize(
    ("name", "theta"), [("weibull", [6.0, -0.4]), ("log_logistic", [6.0, -0.3]), ("log_normal", [6.0, 0.4])]
)
def test_left_is_conditional_survival(name: LawName, theta: list[float]) -> None:
    which, age, draws = law(name), np.array([0.0, 250.0]), 3000
    left = fixed(which, np.array(theta), draws).left(age, exponentials(2, EVENT, np.arange(2), draws))
    for k in range(2):
        spent = which.cumulative(age[k] + left[k], np.array(theta)) - which.cumulative(age[k : k + 1], np.array(theta))
        assert stats.kstest(spent, "expon").pvalue > 0.01


def test_numbers_are_by_subject_and_draw_alone() -> None:
    whole = exponentials(9, EVENT, np.arange(40), 600)
    some = exponentials(9, EVENT, np.array([3, 17, 39]), 300)
    assert (whole[[3, 17, 39], :300] == some).all()
    assert (whole != exponentials(10, EVENT, np.arange(40), 600)).all()
    assert stats.kstest(whole.ravel(), "expon").pvalue > 0.01
    assert np.abs(np.asarray(np.corrcoef(whole[:6]))[np.triu_indices(6, 1)]).max() < 0.2


def test_strata_hold_one_number_each() -> None:
    assert np.sort((strata(3, 1, 2, 50) * 50).astype(int)).tolist() == list(range(50))
