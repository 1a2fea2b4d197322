"""A budget on a simulated course: laws of slips and sums, worked figures, errors that name the field."""

from __future__ import annotations

import datetime
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from schemas.errors import InvalidFieldError, ShapeError
from twins.enrollment.money import (
    TIME_DRIVEN,
    Booked,
    Budget,
    Course,
    ExchangeRate,
    Line,
    Scenario,
    compare,
    completion,
    day_value,
    enpv,
    hold,
    outlook,
    to_date,
    tornado,
)
from twins.enrollment.money.parameters.smith2024 import SMITH
from twins.enrollment.money.weights import spread
from twins.enrollment.study import MONTH

ORIGIN = datetime.date(2026, 1, 15)
PUBLISHED = {figure.name: figure.value for figure in SMITH}
EUR = ExchangeRate("EUR", 1.0837, "2026-01-02")
LINES = (
    Line("screening", "subject_screened", 311.17, "EUR", lag_days=45.0),
    Line("failures", "subject_failed", 97.03, "USD"),
    Line("patients", "subject_enrolled", 2011.31, "USD", overhead=0.22),
    Line("visit 1", "visit", 433.13, "EUR", visit_day=28.0, lag_days=30.0),
    Line("visit 2", "visit", 517.71, "USD", ("DE",), visit_day=84.0),
    Line("start-up", "site_start", 15003.07, "USD"),
    Line("close-out", "site_close", 4001.9, "EUR", lag_days=60.0),
    Line("sites", "site_month", 903.33, "USD", lag_days=30.0),
    Line("team", "study_month", 41007.77, "USD", lag_days=15.0),
    Line("drug", "fixed", 250_000.11, "USD", day=200.0, lag_days=30.0),
    Line("amendment", "amendment", 90_000.0, "USD"),
)
BUDGET = Budget("USD", LINES, (EUR,))


def course(seed: int = 6, draws: int = 120, rates: tuple[float, ...] = (6.0, 4.0, 2.0), target: int = 200) -> Course:
    rng = np.random.Generator(np.random.Philox(key=seed))
    months = 30
    steps = (100.0 + np.arange(31) * MONTH).astype(np.float64)
    pace = rng.gamma(9.0, 1 / 9.0, (draws, 3))
    came = rng.poisson(pace[:, :, None] * np.array(rates)[None, :, None] * np.ones(months)).cumsum(axis=2)
    done = np.minimum((came.sum(axis=1) < target).sum(axis=1) + 1, months)
    enrolled = steps[done]
    ends = enrolled + 180.0
    open_until = np.clip(ends[:, None] - steps[:-1], 0.0, MONTH)
    stop = np.minimum(np.arange(months)[None, :], done[:, None] - 1)
    came = np.take_along_axis(came, np.broadcast_to(stop[:, None, :], came.shape), axis=2)
    opened = np.zeros((draws, 3, months))
    opened[:, :, 1] = 2.0
    site_days = open_until[:, None, :] * np.array([5.0, 5.0, 4.0])[None, :, None]
    screened = 1.0 + rng.beta(4.0, 6.0, (draws, 3))
    subjects = came.astype(np.float64)
    names = ("DE", "FR", "PL")
    return Course(names, steps, subjects, screened, site_days, opened, enrolled, ends, np.array([3.0, 3.0, 2.0]))


def test_sums_by_line_by_country_and_by_month_are_the_total_to_the_last_bit() -> None:
    ahead = outlook(BUDGET, course(), ORIGIN)
    assert ahead.total.min() > 1e6
    for parts in (ahead.by_line, ahead.by_country, ahead.by_month):
        assert np.array_equal(parts.sum(axis=1), ahead.total)
        assert np.array_equal(parts[:, ::-1].cumsum(axis=1)[:, -1], ahead.total)  # in whatever order


def test_cash_leaves_later_and_comes_to_the_same() -> None:
    ahead = outlook(BUDGET, course(), ORIGIN)
    assert ahead.cash.sum(axis=1) == pytest.approx(ahead.total, rel=1e-12)
    assert (ahead.cash.cumsum(axis=1) <= ahead.by_month.cumsum(axis=1)).all()
    assert ahead.cash[:, 0].sum() < ahead.by_month[:, 0].sum()


@pytest.mark.parametrize("days", [3 * MONTH, 17.3])
def test_a_pure_slip_changes_only_time_driven_lines(days: float) -> None:
    one = course()
    before, after = outlook(BUDGET, one, ORIGIN), outlook(BUDGET, hold(one, days), ORIGIN)
    for place, kind in enumerate(before.kinds):
        change = after.by_line[:, place] - before.by_line[:, place]
        if kind in TIME_DRIVEN:
            assert change.min() > 0.0
        else:
            assert (change == 0.0).all()


def test_longer_is_never_cheaper_on_time_driven_lines() -> None:
    one = course()
    costs = [outlook(BUDGET, hold(one, days), ORIGIN).time_driven for days in (0.5, 5.0, 50.0, 500.0)]
    assert (np.diff(costs, axis=0) > 0.0).all()


def test_draw_by_draw_it_is_what_a_plain_sum_gives() -> None:
    one, months = course(draws=5), 30
    lines = tuple(msgspec.structs.replace(line, lag_days=0.0) for line in LINES)
    ahead = outlook(Budget("USD", lines, (EUR,)), replace(one, amendments=(300.0,)), ORIGIN)
    came = one.subjects[:, :, -1]
    expected = {
        "screening": 311.17 * 1.0837 * (came * one.screened).sum(axis=1),
        "failures": 97.03 * (came * (one.screened - 1.0)).sum(axis=1),
        "patients": 2011.31 * 1.22 * came.sum(axis=1),
        "visit 1": 433.13 * 1.0837 * came.sum(axis=1),
        "visit 2": 517.71 * came[:, 0],
        "start-up": np.full(5, 15003.07 * 6),
        "close-out": np.full(5, 4001.9 * 1.0837 * 14),
        "sites": 903.33 / MONTH * one.site_days.sum(axis=(1, 2)),
        "team": 41007.77 / MONTH * (one.ends - 100.0),
        "drug": np.full(5, 250_000.11),
        "amendment": np.full(5, 90_000.0),
    }
    assert months == len(one.steps) - 1
    for place, name in enumerate(ahead.lines):
        assert ahead.by_line[:, place] == pytest.approx(expected[name], rel=1e-3), name
    # the tolerance is that of a screening ratio rounded to 1/2048, of which failures are what exceeds 1


def test_three_months_of_phase_iii_cost_what_is_published() -> None:
    nobody = np.zeros((1, 1, 1))
    one = Course(
        ("US",), np.array([0.0, 10.0]), nobody, np.ones((1, 1)), nobody, nobody, np.zeros(1), np.full(1, 3 * MONTH),
        np.zeros(1),
    )  # fmt: skip
    for per_day, expected in ((PUBLISHED["phase_3_direct"], 5_087_567.25), (PUBLISHED["phase_2_3_direct"], 3_652_500)):
        budget = Budget("USD", (Line("direct", "study_month", per_day * MONTH, "USD"),))
        assert outlook(budget, one, ORIGIN).total[0] == expected


def test_a_day_is_worth_its_risk_adjusted_sales_and_its_cost() -> None:
    assert day_value(PUBLISHED["phase_3_success"], PUBLISHED["unrealised_sales"], 55_700.0) == 302_200.0
    with pytest.raises(ShapeError, match=r"probability in \[0, 1\]"):
        day_value(49.3, 500_000.0, 55_700.0)
    assert enpv(np.array([1.0, 0.5]), np.array([-100.0, 242.0]), np.array([0.0, 2.0]), 0.1) == pytest.approx(0.0)


def test_dropout_thins_visits_and_past_subjects_still_have_theirs() -> None:
    visits = Budget("USD", (Line("visit", "visit", 128.0, "USD", visit_day=50.0),))
    one = course()
    full = outlook(visits, one, ORIGIN).total
    thinned = outlook(visits, replace(one, dropout=0.01), ORIGIN).total
    assert thinned == pytest.approx(full * np.exp(-0.5), rel=1e-3)
    past = replace(one, past_steps=np.array([20.0, 40.0, 60.0]), past=np.array([[8.0, 4.0], [0.0, 0.0], [0.0, 2.0]]))
    # 20 to 40: visit on 70 to 90, over before day 100; 40 to 60: visit on 90 to 110, half to come
    assert (outlook(visits, past, ORIGIN).total - full == 128.0 * 3).all()


def test_indexation_rises_at_full_years() -> None:
    one = course(draws=20)
    flat = Budget("USD", (Line("drug", "fixed", 1000.0, "USD", day=800.0),))
    rising = Budget("USD", (Line("drug", "fixed", 1000.0, "USD", day=800.0, indexation=0.1),))
    assert (outlook(flat, one, ORIGIN).total == 1000.0).all()
    assert outlook(rising, one, ORIGIN).total == pytest.approx(1210.0)


def test_shares_of_a_step_come_to_one_whatever_the_shift() -> None:
    rng = np.random.default_rng(6)
    steps, edges = np.cumsum(rng.uniform(1.0, 50.0, 12)), np.arange(-100.0, 2000.0, 31.0)
    for shift, lag in ((0.0, 0.0), (84.0, 0.0), (28.5, 45.0)):
        assert spread(steps, shift, edges, lag).sum(axis=1) == pytest.approx(np.ones(11))


def test_completion_joins_what_was_spent_to_what_is_to_come() -> None:
    ahead = outlook(BUDGET, course(), ORIGIN)
    facts = [
        Booked("team", 1000.0, "EUR", 50.0),
        Booked("team", -100.0, "USD", 60.0),
        Booked("drug", 7.0, "USD", 101.0),
    ]
    booked = to_date(BUDGET, facts, as_of=100.0)
    assert booked["team"] == pytest.approx(983.7)
    assert booked["drug"] == 0.0
    whole = completion(ahead, booked, {"team": 900.0, "sites": 50.0})
    assert whole.to_date == pytest.approx(983.7 + 50.0)
    assert whole.booked == pytest.approx(983.7)
    assert sum(whole.by_line.values()) == pytest.approx(whole.mean)
    assert (np.diff(whole.quantiles) > 0.0).all()
    assert whole.within(float(whole.quantiles[2])) == pytest.approx(0.5, abs=0.01)
    assert whole.correlation == ahead.correlation() > 0.1
    assert whole.paid.shape == whole.arising.shape == (len(whole.months), 5)


def test_scenarios_stand_side_by_side_on_common_draws() -> None:
    base = Scenario("base", BUDGET, course())
    longer = Scenario("three months longer", BUDGET, hold(base.course, 3 * MONTH))
    slow = Scenario("DE 30 % slower", BUDGET, course(rates=(4.2, 4.0, 2.0)))
    extra = msgspec.structs.replace(BUDGET, lines=(*LINES, Line("visit 3", "visit", 300.0, "USD", visit_day=120.0)))
    amended = Scenario("amended", extra, replace(base.course, amendments=(250.0,)))
    deadline = float(np.quantile(base.course.enrolled, 0.8))
    rows = compare([base, longer, slow, amended], ORIGIN, deadline, 3e6, spent=1e5)
    assert rows[0].cost_more_mean == rows[0].cost_more_error == 0.0
    assert rows[1].days_later == pytest.approx(np.full(3, 3 * MONTH))
    assert rows[1].cost_more_mean == pytest.approx(rows[1].time_driven)
    assert rows[1].per_day == pytest.approx(rows[1].cost_more_mean / (3 * MONTH))
    assert rows[1].on_time < rows[0].on_time > rows[2].on_time
    assert rows[3].time_driven == 0.0 < rows[3].cost_more_mean - 90_000.0
    assert rows[3].within < rows[0].within


def test_a_tornado_sorts_by_swing() -> None:
    base = Scenario("base", BUDGET, course())
    rates = [Scenario("r", BUDGET, course(rates=(6.0 * x, 4.0, 2.0))) for x in (0.7, 1.3)]
    fx = [Scenario("fx", BUDGET.exchanged("EUR", x), base.course) for x in (0.9, 1.1)]
    team = [Scenario("team", BUDGET.priced("team", x), base.course) for x in (0.8, 1.2)]
    pairs = (("rate of DE", rates), ("EUR", fx), ("team", team))
    moved = [(name, low, high) for name, (low, high) in pairs]
    by_cost, by_days = tornado(base, moved, ORIGIN), tornado(base, moved, ORIGIN, by="days")
    assert [swing.cost_swing for swing in by_cost] == sorted((s.cost_swing for s in by_cost), reverse=True)
    assert by_days[0].name == "rate of DE"
    assert by_days[0].days[0] > 0.0 > by_days[0].days[1]
    assert {s.name: s.days_swing for s in by_days}["EUR"] == 0.0
    assert all(low < 0.0 < high for low, high in (s.cost for s in by_cost if s.name != "rate of DE"))


def test_a_budget_goes_through_json_unchanged() -> None:
    assert msgspec.json.decode(msgspec.json.encode(BUDGET), type=Budget) == BUDGET


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"amount": -1.0}, "'team', amount"),
        ({"amount": float("nan")}, "'team', amount"),
        ({"currency": "usd"}, "'team', currency"),
        ({"currency": "JPY"}, "currency JPY"),
        ({"kind": "weekly"}, "'team', kind"),
        ({"visit_day": 3.0}, "'team', visit_day"),
        ({"countries": ("DE", "FR")}, "'team', countries"),
        ({"lag_days": -1.0}, "'team', lag_days"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidFieldError, match=says):
        Budget("USD", (msgspec.structs.replace(Line("team", "study_month", 1.0, "USD"), **change),))


def test_a_course_that_cannot_be_priced_is_refused() -> None:
    one = course(draws=3)
    with pytest.raises(ShapeError, match="finite ends"):
        replace(one, ends=np.array([500.0, np.inf, 600.0]))
    with pytest.raises(ShapeError, match="whole numbers in subjects"):
        replace(one, subjects=one.subjects + 0.5)
    with pytest.raises(ShapeError, match="screened"):
        replace(one, screened=np.zeros((3, 3)))
    with pytest.raises(InvalidFieldError, match="'abroad', countries"):
        outlook(Budget("USD", (Line("abroad", "site_month", 1.0, "USD", ("XX",)),)), one, ORIGIN)
    with pytest.raises(InvalidFieldError, match="at most"):
        outlook(Budget("USD", (Line("gold", "subject_enrolled", 1e9, "USD"),)), one, ORIGIN)
