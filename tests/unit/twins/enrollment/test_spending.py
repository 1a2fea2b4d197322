"""Money as the twin says it: sums, scenarios on common draws, and when a table of them is made anew."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from schemas import enrollment as e
from tests.unit.twins.enrollment.trial import Trial, at, records, trial
from twins.enrollment import money
from twins.enrollment.believing import Beliefs
from twins.enrollment.config import EnrollmentConfig
from twins.enrollment.drawing import course_of
from twins.enrollment.forecasting import say_forecast
from twins.enrollment.money import TIME_DRIVEN, Scenario, hold
from twins.enrollment.reading import read_register
from twins.enrollment.register import Register
from twins.enrollment.scenarios import scenarios, slowed, table
from twins.enrollment.spending import Spending, day_zero, past_of, spending
from twins.enrollment.twin import EnrollmentTwin, StudyState
from twins.frame import read_frame

LINES: list[dict[str, Any]] = [
    {"name": "patients", "kind": "subject_enrolled", "amount": 9000, "currency": "USD", "overhead": 0.22},
    {"name": "screening", "kind": "subject_screened", "amount": 310, "currency": "EUR"},
    {"name": "failures", "kind": "subject_failed", "amount": 97, "currency": "EUR"},
    {"name": "week 12", "kind": "visit", "visit_day": 84, "amount": 700, "currency": "EUR", "lag_days": 45},
    {"name": "start-up", "kind": "site_start", "amount": 15000, "currency": "USD"},
    {"name": "close-out", "kind": "site_close", "amount": 4000, "currency": "EUR"},
    {"name": "sites", "kind": "site_month", "amount": 900, "currency": "EUR", "countries": ["DE"], "lag_days": 30},
    {"name": "team", "kind": "study_month", "amount": 40000, "currency": "USD"},
    {"name": "drug", "kind": "fixed", "day": 350, "amount": 250000, "currency": "USD"},
]
RATES = [{"currency": "EUR", "rate": 1.08, "date": "2026-01-02"}]


def paid_trial(seed: int, lines: list[dict[str, Any]], **plan: Any) -> Trial:
    """Make a trial with a budget, whose team is booked every month and once by a name that no line has."""
    told = trial(seed, subjects=36)
    told.events = [event for event in told.events if not isinstance(event.data, e.StudyPlanned)]
    told.plan(budget={"currency": "USD", "lines": lines, "rates": RATES}, follow_up_days=90.0, **plan)
    for month in range(9):
        told.tell(30.5 * month + 5, e.CostBooked(line="team", amount=30000, currency="USD"))
    told.tell(50, e.CostBooked(line="lunch", amount=30, currency="USD"))
    told.events.sort(key=lambda event: (event.record_time, event.id))
    return told


def register_of(told: Trial) -> Register:
    register = Register()
    for fact in read_frame("enrollment.events", 0, records(told.events)).facts:
        if register.why_not(fact) is None:
            register.take(fact)
    return register


def believed_of(register: Register) -> Beliefs:
    reading = read_register("ST-1", register)
    assert reading is not None
    return Beliefs(reading)


def spent(seed: int, lines: list[dict[str, Any]] = LINES) -> tuple[Beliefs, Spending]:
    register = register_of(paid_trial(seed, lines))
    believed = believed_of(register)
    budget = believed.reading.plan.budget
    assert budget is not None
    return believed, spending(believed.drawn, budget, register)


@pytest.fixture(scope="module")
def one() -> tuple[Beliefs, Spending]:
    return spent(6)


@pytest.fixture(scope="module")
def said(one: tuple[Beliefs, Spending]) -> dict[str, Any]:
    register = register_of(paid_trial(6, LINES))
    found: dict[str, Any] = json.loads(json.dumps(say_forecast(one[0], register, EnrollmentConfig(), []).said["money"]))
    return found


def test_cash_sums_to_the_forecast_at_completion(said: dict[str, Any]) -> None:
    flow = said["booked"] + said["outstanding"] + sum(said["paid_mean"]) + said["later"]["paid"]
    assert flow == pytest.approx(said["mean"], rel=1e-9)
    arising = said["to_date"] + sum(said["arising_mean"]) + said["later"]["arising"]
    assert arising == pytest.approx(said["mean"], rel=1e-9)
    assert said["running"][-1] == pytest.approx(said["at_completion"], abs=0.01)
    assert sum(said["past"]["booked"]) == pytest.approx(said["booked"])
    assert sum(said["past"]["accrued"]) == pytest.approx(said["accrued"])
    assert len(said["months"]) == len(said["paid"]) == len(said["running"]) == len(said["paid_mean"])


def test_lines_sum_to_the_totals_and_the_greater_of_booked_and_accrued_counts(said: dict[str, Any]) -> None:
    lines = {line["name"]: line for line in said["lines"]}
    assert list(lines) == [line["name"] for line in LINES]
    for field in ("booked", "accrued", "to_date", "mean"):
        assert sum(line[field] for line in lines.values()) == pytest.approx(said[field]), field
    assert all(line["to_date"] == max(line["booked"], line["accrued"]) for line in lines.values())
    assert all(line["to_date"] <= line["low"] <= line["high"] for line in lines.values())
    assert lines["team"]["booked"] == 270_000.0
    assert lines["drug"]["accrued"] == 0.0 < lines["drug"]["mean"] == 250_000.0
    assert {name for name, line in lines.items() if line["time_driven"]} == {"sites", "team"}
    assert said["not_on_the_budget"].keys() == {"lunch", "visits"}


def test_what_accrued_is_counted_from_the_facts(one: tuple[Beliefs, Spending]) -> None:
    believed, made = one
    study = believed.reading.study
    lines = made.to_date.by_line(made.to_date.accrued)
    assert lines["patients"] == pytest.approx(9000 * 1.22 * len(study.counted))
    assert lines["failures"] == pytest.approx(97 * 1.08 * np.sum(~np.isnan(study.subjects.failed)))
    assert lines["start-up"] == 15000.0 * 4
    assert lines["close-out"] == 0.0
    assert lines["team"] == pytest.approx(40000 * study.as_of / (365.25 / 12))


def test_rows_are_the_money_functions_own(one: tuple[Beliefs, Spending]) -> None:
    believed, made = one
    config = EnrollmentConfig()
    found = table(believed.drawn, made, config, 0).said
    base = Scenario("as it stands", made.budget, made.course)
    told = [base, *(scenario for _, scenario in scenarios(believed.drawn, base, config))]
    origin = day_zero(believed.reading.plan)
    by = believed.reading.plan.by
    for row, own, scenario in zip(found["rows"], money.compare(told, origin, by, 0.0), told, strict=True):
        total = made.found.to_date + money.outlook(scenario.budget, scenario.course, origin).total
        assert row["cost"] == np.quantile(total, (0.05, 0.5, 0.95)).tolist() == (made.found.to_date + own.cost).tolist()
        assert (row["name"], row["on_time"]) == (own.name, own.on_time)
        assert row["cost_more_mean"] == pytest.approx(float((total - made.found.draws).mean()), abs=1e-6)
        assert sum(row["by_line"].values()) == pytest.approx(row["cost_more_mean"], abs=1e-6)
    assert found["rows"][0]["cost"] == made.found.quantiles[[0, 2, 4]].tolist()
    assert found["rows"][0]["cost_more_mean"] == 0.0


@pytest.mark.parametrize("seed", [6, 7, 8])
def test_only_time_driven_lines_move_when_only_time_moves(seed: int) -> None:
    """Of budgets drawn at random, on twins of other facts, for slips short and long."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    chosen = [line for line in LINES if rng.random() < 0.8] + [LINES[7]]
    lines = [{**line, "name": f"line {n}", "amount": float(rng.uniform(1, 5000))} for n, line in enumerate(chosen)]
    believed, made = spent(seed, lines)
    origin = day_zero(believed.reading.plan)
    driven = {line.name for line in made.budget.lines if line.kind in TIME_DRIVEN}
    base = Scenario("base", made.budget, made.course)
    for days in (0.5, *rng.uniform(1, 400, 4)):
        _, row = money.compare([base, Scenario("later", made.budget, hold(made.course, float(days)))], origin, 400.0, 0)
        assert {name for name, value in row.by_line.items() if value} == driven
        assert all(row.by_line[name] > 0.0 for name in driven)
        assert row.cost_more_mean == pytest.approx(row.time_driven, rel=1e-9)
        assert row.days_later == pytest.approx(np.full(3, days))


def test_scenarios_move_what_they_should(one: tuple[Beliefs, Spending]) -> None:
    believed, made = one
    found = table(believed.drawn, made, EnrollmentConfig(), 0).said
    rows = {row["kind"]: row for row in reversed(found["rows"])}
    longer, slow, more, amended = (rows[kind] for kind in ("longer", "country", "subjects", "amendment"))
    assert longer["days_later"] == pytest.approx([91.0] * 3)
    assert longer["by_line"].keys() == {"sites", "team"}
    assert slow["days_later"][1] > 0.0
    assert slow["on_time"] <= rows["base"]["on_time"]
    assert more["by_line"]["patients"] == pytest.approx(9000 * 1.22 * 7, rel=0.1)  # 77, not 70; caps
    assert amended["by_line"] == {"protocol amendment": 535_000.0}
    assert amended["days_later"] == [0.0, 0.0, 0.0]
    swings = {bar["name"].split(" × ")[0]: bar for bar in found["tornado"]}
    assert swings["enrollment of all"]["days"][0] > 0.0 > swings["enrollment of all"]["days"][1]
    assert swings["price of team"]["days"] == [0.0, 0.0]
    assert swings["exchange rate of EUR"]["cost"][0] < 0.0 < swings["exchange rate of EUR"]["cost"][1]
    widths = [abs(high - low) for low, high in (bar["cost"] for bar in found["tornado"])]
    assert widths == sorted(widths, reverse=True)


def test_a_slower_country_is_never_sooner_on_the_same_draws(one: tuple[Beliefs, Spending]) -> None:
    believed, made = one
    for name in ("DE", "FR"):
        slower = course_of(believed.drawn, ahead=slowed(believed.drawn, 0.5, name))
        assert (slower.enrolled >= made.course.enrolled - 31.0).all()  # the day within a month's step is drawn anew
        assert (slower.enrolled > made.course.enrolled).mean() > 0.5


def test_a_study_that_is_done_does_not_slip_with_each_day() -> None:
    told = paid_trial(6, LINES)
    told.tell(299, e.ProtocolAmended(amendment="A2", subjects=5, by=at(400)))
    told.pass_time(330)
    believed = believed_of(register := register_of(told))
    budget = believed.reading.plan.budget
    assert budget is not None
    made = spending(believed.drawn, budget, register)
    fifth = believed.reading.study.counted[4]
    assert (made.course.enrolled == fifth).all()
    lines = made.to_date.by_line(made.to_date.accrued)
    assert lines["team"] == pytest.approx(40000 * (fifth + 90.0) / (365.25 / 12))
    later = past_of(believed.reading, register, 1000.0)
    assert later.until == 330.0


def test_a_table_is_made_anew_when_it_is_due_or_the_plan_changed() -> None:
    told = paid_trial(6, LINES)
    register = register_of(told)
    config, made = EnrollmentConfig(), []
    kept = say_forecast(believed_of(register), register, config, []).table
    assert kept is not None
    for day in (303, 309):
        told.pass_time(day)
        register = register_of(told)
        forecast = say_forecast(believed_of(register), register, config, [], kept)
        made.append(forecast.said["money"]["scenarios"]["as_of"])
        kept = forecast.table
    told.tell(310, e.ProtocolAmended(amendment="A2", subjects=80, by=at(420)))
    register = register_of(told)
    found = say_forecast(believed_of(register), register, config, [], kept).said["money"]["scenarios"]
    assert made[0] < at(302) < made[1] == at(309)
    assert found["as_of"] == at(310)
    assert [row["name"] for row in found["rows"]][-2] == "88 subjects"


def test_a_state_keeps_its_table() -> None:
    register = register_of(paid_trial(6, LINES))
    state = StudyState("ST-1", register)
    state.talk.table = say_forecast(believed_of(register), register, EnrollmentConfig(), []).table
    twin = EnrollmentTwin(EnrollmentConfig(), "enrollment")
    again = twin.read(twin.write(state)).talk.table
    assert again == state.talk.table is not None
    assert twin.write(twin.read(twin.write(state))) == twin.write(state)


def test_a_site_that_resumes_pays_no_second_start_up_and_is_closed_once() -> None:
    told = paid_trial(6, LINES)
    told.tell(299, e.SitePaused(site="FR-1"))
    drawn = believed_of(register_of(told)).drawn
    course = course_of(drawn)
    place = drawn.scene.sites.index("FR-1")
    assert (drawn.ahead.opens[:, place] > drawn.scene.as_of).any()
    assert course.opened.sum() == 0.0
    assert course.open_now.tolist() == [2.0, 2.0]
