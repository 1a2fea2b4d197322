"""What the twin says has the shape that is written down, and says it when it is due."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas import enrollment as e
from schemas.effects import AlertData, Effect
from schemas.enrollment_effects import EnrollmentEstimate, EnrollmentForecast, EnrollmentLearning
from schemas.jobs import ResimulationRequest
from tests.unit.twins.enrollment.trial import Trial, at, records, trial
from twins import checks
from twins.enrollment import EnrollmentModel
from twins.enrollment.money import Budget
from twins.enrollment.spending import prices_of

BUDGET: dict[str, Any] = {
    "currency": "EUR",
    "lines": [
        {"name": "visits", "kind": "subject_enrolled", "amount": 1000, "currency": "EUR"},
        {"name": "sites", "kind": "site_month", "amount": 500, "currency": "EUR"},
    ],
}


def effects_of(told: Trial, **config: Any) -> list[Effect]:
    return checks.fold(EnrollmentModel.from_config(config), records(told.events)).effects


def with_budget(seed: int) -> Trial:
    told = trial(seed, subjects=30)
    told.events = [event for event in told.events if not isinstance(event.data, e.StudyPlanned)]
    told.plan(budget=BUDGET, follow_up_days=60.0, events=10, events_by=at(420))
    told.pass_time(340)
    told.events.sort(key=lambda event: (event.record_time, event.id))
    return told


@pytest.fixture(scope="module")
def said() -> list[Effect]:
    return effects_of(with_budget(6), forecast_hours=720, learning_days=60)


@pytest.mark.parametrize(
    ("kind", "lane", "shape"),
    [
        ("estimate", "qualified", EnrollmentEstimate),
        ("forecast", "qualified", EnrollmentForecast),
        ("forecast", "advisory", EnrollmentLearning),
        ("alert", "qualified", AlertData),
        ("request", "advisory", ResimulationRequest),
    ],
)
def test_everything_said_has_its_shape(said: list[Effect], kind: str, lane: str, shape: type[msgspec.Struct]) -> None:
    found = [effect.data for effect in said if (effect.kind, effect.lane) == (kind, lane)]
    assert found
    for data in found:
        read = msgspec.convert(data, shape)
        assert msgspec.to_builtins(read).keys() >= data.keys()


def test_money_follows_the_plan_s_budget(said: list[Effect]) -> None:
    money = [effect.data["money"] for effect in said if effect.kind == "forecast" and effect.lane == "qualified"][-1]
    assert money["currency"] == "EUR"
    assert money["to_date"] >= money["booked"] > 0
    low, _, middle, _, high = money["at_completion"]
    assert money["to_date"] <= low <= middle <= high
    assert money["by_line"].keys() == {"visits", "sites"}
    assert len(money["months"]) == len(money["arising"]) == len(money["paid"])


def test_a_budget_that_cannot_be_read_is_refused_with_its_field() -> None:
    told = Trial()
    told.plan(budget={"currency": "EUR", "lines": [{"name": "x", "kind": "bribe", "amount": 1, "currency": "EUR"}]})
    (reject,) = effects_of(told)
    assert reject.kind == "reject"
    assert reject.data["where"] == "budget"


def test_times_of_what_is_said_never_go_back(said: list[Effect]) -> None:
    times = [effect.event_time for effect in said if effect.kind in ("estimate", "forecast", "alert", "request")]
    assert times == sorted(times)


def test_fewer_alerts_than_the_week_allows() -> None:
    told = trial(9, subjects=60)
    raised = [effect for effect in effects_of(told, alerts_a_week=1) if effect.data.get("action") == "raise"]
    weeks = [effect.event_time[:10] for effect in raised if effect.data["priority"] != "critical"]
    assert raised
    assert len(weeks) == len(set(weeks))


def test_a_question_carries_the_prices_of_the_budget(said: list[Effect]) -> None:
    prices = [effect.data["spec"]["inputs"]["prices"] for effect in said if effect.kind == "request"][-1]
    assert prices["currency"] == "EUR"
    assert (prices["per_subject"], prices["per_site_month"], prices["per_month"]) == (1000.0, 500.0, 0.0)


def test_prices_of_a_budget_by_country_and_currency() -> None:
    budget = msgspec.convert(
        {
            "currency": "EUR",
            "rates": [{"currency": "USD", "rate": 0.5, "date": "2026-01-01"}],
            "lines": [
                {"name": "screen", "kind": "subject_screened", "amount": 100, "currency": "USD"},
                {"name": "failed", "kind": "subject_failed", "amount": 10, "currency": "EUR", "overhead": 0.5},
                {"name": "care", "kind": "subject_enrolled", "amount": 7, "currency": "EUR", "countries": ["DE"]},
                {"name": "close", "kind": "site_close", "amount": 120, "currency": "EUR"},
                {"name": "team", "kind": "study_month", "amount": 9, "currency": "EUR", "countries": ["DE"]},
                {"name": "once", "kind": "fixed", "day": 3, "amount": 1e6, "currency": "EUR"},
            ],
        },
        Budget,
    )
    prices = prices_of(budget, 3.0, 5.0, 12.0)
    assert (prices.per_subject, prices.per_site_month, prices.per_month) == (180.0, 10.0, 9.0)
    (country,) = prices.countries
    assert (country.name, country.per_subject, country.per_site_month) == ("DE", 187.0, 10.0)
