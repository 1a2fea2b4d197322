"""Forecasts of a study's events: what people ask, and the traps that users of other programs met."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.unit.twins.enrollment.survival.trials import cut, drawn, study
from twins.enrollment.study import Study, Target
from twins.enrollment.survival import (
    Accrual,
    EventDraws,
    LawName,
    Prior,
    Settings,
    arrivals,
    believe,
    fixed,
    forecast_events,
    law,
    number_quantiles,
    observed,
    simulate,
)

DATES = 400.0 + 30.0 * np.arange(1.0, 25.0)
LAWS: tuple[LawName, ...] = ("exponential", "weibull", "log_logistic", "log_normal")
LAST = Target("final", 180, 900.0, "events")


@pytest.fixture(scope="module")
def half() -> Study:
    """A trial at day 400: all have entered, some have had their event, some have gone."""
    entry, event, dropout = drawn(21)
    end = np.minimum(event, dropout)
    known = entry + end <= 400
    return study(
        400.0,
        entry,
        (Target("subjects", 300, 365.0), Target("look", 120, 500.0, "events"), LAST),
        event=np.where(known & (event <= dropout), entry + event, np.nan),
        withdrawn=np.where(known & (event > dropout), entry + dropout, np.nan),
    )


def test_what_is_observed_of_each_subject() -> None:
    nan = np.nan
    one = study(
        100.0,
        np.array([10.0, 5.0, 20.0, 30.0, nan, 40.0, 50.0, 60.0]),
        event=np.array([60.0, nan, nan, nan, nan, nan, 70.0, 60.0]),
        withdrawn=np.array([nan, 25.0, nan, nan, nan, nan, 65.0, nan]),
        lost=np.array([nan, 15.0, nan, nan, nan, nan, nan, nan]),
        completed=np.array([nan, nan, 80.0, nan, nan, nan, nan, nan]),
    )
    seen = observed(one)
    assert seen.entry.tolist() == [5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]  # who did not enter is not there
    assert seen.days.tolist() == [10.0, 50.0, 60.0, 70.0, 60.0, 20.0, 0.5]
    assert seen.event.tolist() == [False, True, False, False, False, True, True]
    assert seen.dropout.tolist() == [True, False, False, False, False, False, False]  # an event outweighs a withdrawal
    assert seen.at_risk.tolist() == [False, False, False, True, True, False, False]
    assert seen.event_days.tolist() == [60.0, 60.5, 70.0]


def test_looks_are_those_that_count_events_and_agree_with_the_fan(half: Study) -> None:
    said = forecast_events(half, DATES, seed=1)
    assert [look.name for look in said.looks] == ["look", "final"]
    assert said.events == int(observed(half).event.sum())
    assert (np.diff(said.quantiles, axis=0) >= 0).all()
    assert (np.diff(said.quantiles, axis=1) >= 0).all()
    look = said.looks[0]
    assert 400 < look.quantiles[0] < look.quantiles[2] < look.quantiles[4]
    seen = observed(half)
    event, dropout = believe(seen, Settings(), 512, 1)
    drawn_days = simulate(seen, event, dropout, None, np.inf, 1)
    counts = drawn_days.counts(np.array([500.0]))[:, 0]
    assert look.by_day == pytest.approx(float((counts >= 120).mean()))  # P(T_d <= t) = P(N(t) >= d)


def test_the_same_question_has_the_same_answer_and_another_seed_another(half: Study) -> None:
    first, again, other = (forecast_events(half, DATES, seed=seed) for seed in (1, 1, 2))
    assert first.mean.tolist() == again.mean.tolist()
    assert first.mean.tolist() != other.mean.tolist()


def test_fewer_draws_are_the_first_of_more() -> None:
    seen = cut(400.0, *drawn(22, 80))
    few, more = (
        simulate(seen, fixed(law("weibull"), np.array([6.3, 0.0]), n), None, None, np.inf, 1) for n in (256, 512)
    )
    assert (few.ahead == more.ahead[:256]).all()


def test_a_trial_with_too_few_subjects_never_gets_there(half: Study) -> None:
    fifth = Target("too many", 301, 900.0, "events")
    said = forecast_events(study_with(half, (fifth,)), DATES, seed=1)
    assert said.looks[0].never == 1.0
    assert said.looks[0].by_day == 0.0
    assert np.isinf(said.looks[0].quantiles).all()


def test_drop_out_takes_events_away(half: Study) -> None:
    seen = observed(half)
    event = fixed(law("exponential"), np.log([0.002]), 512)
    gone = fixed(law("exponential"), np.log([0.001]), 512)
    without, with_it = (simulate(seen, event, out, None, np.inf, 1) for out in (None, gone))
    late = np.array([1e6])
    at_risk, so_far = int(seen.at_risk.sum()), int(seen.event.sum())
    assert (without.counts(late) == at_risk + so_far).all()
    share = (with_it.counts(late).mean() - so_far) / at_risk
    assert share == pytest.approx(2 / 3, abs=4 * np.sqrt(2 / 9 / at_risk / 512))
    assert (with_it.ahead >= without.ahead).all()  # common numbers: no event comes sooner


def test_follow_up_that_ends_takes_events_away(half: Study) -> None:
    seen = observed(half)
    event = fixed(law("exponential"), np.log([0.002]), 256)
    drawn_days = simulate(seen, event, None, None, 365.0, 1)
    finite = np.isfinite(drawn_days.ahead)
    latest = seen.entry[seen.at_risk].max() + 365.0
    assert drawn_days.ahead[finite].max() <= latest
    assert not finite.all()


def test_a_hold_of_enrollment_delays_events_and_loses_none() -> None:
    seen = cut(100.0, *drawn(23, 300))
    edges = np.array([100.0, 200.0, 300.0, 1e5])
    event = fixed(law("weibull"), np.array([6.3, -0.2]), 512)
    going, held = (
        simulate(seen, event, None, arrivals(edges, np.tile(rates, (512, 1)), 100, 1), np.inf, 1)
        for rates in ([0.8, 0.8, 0.8], [0.8, 0.0, 0.8])
    )
    assert going.ahead.shape == held.ahead.shape
    assert (held.ahead >= going.ahead - 1e-9).all()
    assert held.day_of(150).mean() > going.day_of(150).mean() + 5
    nobody = simulate(seen, event, None, arrivals(edges, np.zeros((512, 3)), 100, 1), np.inf, 1)
    assert nobody.ahead.shape[1] == int(seen.at_risk.sum())


def test_arrivals_stop_at_the_target_and_at_the_last_edge() -> None:
    days = arrivals(np.array([10.0, 20.0, 30.0]), np.tile([2.0, 1.0], (800, 1)), 100, 5)
    assert (np.diff(np.where(np.isfinite(days), days, 1e9), axis=1) >= 0).all()
    brought = np.isfinite(days).sum(axis=1)
    assert brought.mean() == pytest.approx(30.0, abs=4 * np.sqrt(30 / 800))
    assert brought.var() == pytest.approx(30.0, rel=0.2)
    assert (days[np.isfinite(days)] > 10).all()
    assert np.isfinite(arrivals(np.array([0.0, 1e6]), np.ones((3, 1)), 7, 5)).all()
    with pytest.raises(ValueError, match="rates of shape"):
        arrivals(np.array([0.0, 1.0]), np.array([[-1.0]]), 3, 5)


def test_events_so_far_have_their_days(half: Study) -> None:
    drawn_days = EventDraws(np.array([5.0, 9.0]), np.array([[20.0, np.inf], [30.0, 40.0]]))
    assert [drawn_days.day_of(n).tolist() for n in range(1, 6)] == [
        [5.0, 5.0], [9.0, 9.0], [20.0, 30.0], [np.inf, 40.0], [np.inf, np.inf],
    ]  # fmt: skip
    assert drawn_days.counts(np.array([4.0, 9.0, 25.0, 50.0])).tolist() == [[0, 2, 3, 3], [0, 2, 2, 4]]


def test_before_the_first_subject_a_prior_and_enrollment_are_enough() -> None:
    empty = study(0.0, np.empty(0), (Target("final", 60, 900.0, "events"),))
    future = arrivals(np.array([0.0, 300.0]), np.full((512, 1), 0.5), 120, 1)
    settings = Settings(prior=Prior(30.0, 15000.0), dropouts=())
    said = forecast_events(empty, DATES, future, settings=settings, seed=1)
    assert said.events == said.at_risk == 0
    assert said.looks[0].quantiles[0] < said.looks[0].quantiles[4] < np.inf
    with pytest.raises(ValueError, match="give a prior"):
        forecast_events(empty, DATES, future, seed=1)


def test_enrollment_of_another_number_of_draws_is_refused(half: Study) -> None:
    with pytest.raises(ValueError, match="expected enrollment of shape"):
        forecast_events(half, DATES, np.full((10, 3), 500.0), seed=1)


def test_enrollment_before_the_forecast_is_refused(half: Study) -> None:
    with pytest.raises(ValueError, match="from day 400"):
        forecast_events(half, DATES, np.full((512, 1), 300.0), seed=1)


def test_rates_of_accrual_are_enrollment_too() -> None:
    """Half of an accrual lies before: 50 more come, each with its event in the end."""
    entry = np.arange(1.0, 51.0)
    so_far = study(100.0, entry, event=np.where(entry < 40, entry + 20.0, np.nan))
    rates = Accrual(np.array([0.0, 100.0, 150.0, 200.0]), np.array([0.5, 0.0, 1.0]))
    said = forecast_events(so_far, np.array([150.0, 1e7]), rates, settings=Settings(dropouts=()), draws=1024, seed=1)
    assert said.mean[0] <= 50.0  # nobody new while accrual is held
    assert said.mean[1] == pytest.approx(100.0, abs=4 * np.sqrt(50 / 1024))


def test_before_the_first_event_there_is_a_forecast_by_each_law() -> None:
    entry = np.linspace(0.0, 90.0, 40)
    for name in LAWS:
        said = forecast_events(study(100.0, entry, (LAST,)), DATES, settings=Settings(laws=(law(name),)), seed=1)
        assert said.quantiles[-1, 0] <= said.quantiles[-1, 4] <= 40
    assert forecast_events(study(100.0, entry), DATES, seed=1).mean[0] < 40


def study_with(one: Study, targets: tuple[Target, ...]) -> Study:
    return type(one)(
        one.key, one.as_of, one.milestone, one.countries, one.sites, one.spans, one.subjects, targets
    )  # fmt: skip


def test_quantiles_of_numbers_hold_what_they_say_on_average() -> None:
    """Over Poisson laws of many means, both ends counted in; the usual quantiles hold more."""
    usual: list[float] = []
    ours: list[float] = []
    for k in range(40):
        means = 8.0 + 0.15 * k
        law_of = np.diff(np.concatenate([[0.0], stats.poisson(means).cdf(np.arange(60))]))
        numbers = np.repeat(np.arange(60.0), np.round(law_of * 20000).astype(int))
        for band, found in (
            (np.quantile(numbers, (0.05, 0.95), method="inverted_cdf"), usual),
            (number_quantiles(numbers[:, None], (0.05, 0.95))[0], ours),
        ):
            found.append(float(((numbers >= band[0]) & (numbers <= band[1])).mean()))
    assert np.mean(ours) == pytest.approx(0.9, abs=0.01)
    assert np.mean(usual) > 0.92


def test_quantiles_of_one_number_are_that_number() -> None:
    assert number_quantiles(np.full((100, 2), 7.0), (0.05, 0.5, 0.95)).tolist() == [[7.0] * 3] * 2
