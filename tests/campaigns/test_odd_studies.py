"""Studies nobody would plan, told in ways nobody should: nothing raises, and every fact is accounted for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from schemas import enrollment as e
from tests.unit.twins.enrollment.trial import Trial, at, records
from twins import checks
from twins.enrollment import EnrollmentModel

STEPS = (
    e.SubjectPrescreened, e.SubjectConsented, e.SubjectScreened, e.ScreenFailed, e.SubjectEnrolled,
    e.SubjectRandomised, e.SubjectWithdrawn, e.EventObserved, e.SubjectCompleted, e.SubjectLost,
)  # fmt: skip
BUDGET: dict[str, Any] = {
    "currency": "EUR",
    "lines": [
        {"name": "a", "kind": "subject_screened", "amount": 10, "currency": "EUR"},
        {"name": "m", "kind": "study_month", "amount": 10, "currency": "EUR"},
        {"name": "v", "kind": "visit", "visit_day": 30, "amount": 10, "currency": "EUR"},
        {"name": "c", "kind": "site_close", "amount": 10, "currency": "EUR"},
    ],
}


def plan_of(rng: random.Random, sites: tuple[e.PlannedSite, ...], countries: list[str]) -> dict[str, Any]:
    holiday = (e.Holiday(at(20), at(40)),)
    plan: dict[str, Any] = {
        "starts": at(0),
        "subjects": rng.choice([1, 5, 100, 5000]),
        "by": at(rng.choice([30, 200, 900])),
        "sites": sites,
        "counts": rng.choice(["enrolled", "randomised"]),
        "countries": tuple(
            e.PlannedCountry(
                name, rng.choice([None, 0, 5, 100]), holiday if rng.random() < 0.3 else (), rng.random() < 0.2
            )
            for name in countries
        ),
    }
    if rng.random() < 0.4:
        plan |= {"events": rng.choice([1, 20, 500]), "events_by": at(rng.choice([100, 700]))}
    if rng.random() < 0.4:
        plan |= {"budget": BUDGET, "follow_up_days": rng.choice([0.0, 30.0, 700.0])}
    return plan


def odd_study(seed: int) -> Trial:
    rng, told = random.Random(seed), Trial()
    countries = [f"C{number}" for number in range(rng.choice([1, 1, 2, 6]))]
    sites = tuple(
        e.PlannedSite(
            f"S{number}", rng.choice(countries), at(rng.uniform(0, 300)) if rng.random() < 0.7 else None,
            rng.choice([None, 0.1, 1.0, 20.0]), rng.choice([None, None, 0, 3, 50]),
        )
        for number in range(rng.choice([0, 1, 2, 5, 30]))
    )  # fmt: skip
    told.plan(**plan_of(rng, sites, countries))
    names = [*(site.site for site in sites), "nobody's"]
    for name in names:
        if rng.random() < 0.8:
            told.tell(rng.uniform(0, 200), e.SiteActivated(site=name, country=rng.choice([None, "C0"])))
        for struct in (e.SitePaused, e.SiteClosed, e.SiteResumed):
            if rng.random() < 0.15:
                told.tell(rng.uniform(0, 300), struct(site=name))
    for number in range(rng.choice([0, 1, 3, 60])):
        site, day = rng.choice(names), rng.choice([rng.uniform(0, 400), 50.0])
        lag = rng.choice([0.0, 0.0, rng.uniform(0, 60)])
        for step in STEPS:
            if rng.random() < 0.45:
                told.tell(day, step(site=site, subject=f"P{number}"), day + lag)
                day += rng.choice([0.0, rng.expovariate(0.1)])
    told.tell(100, e.CostBooked(line="a", amount=rng.choice([5.0, -5.0, 1e9]), currency=rng.choice(["EUR", "USD"])))
    for day in (1, 31, 90, 365, 1200):
        told.pass_time(day)
    told.events.sort(key=lambda event: (event.record_time, event.id))
    return told


@pytest.mark.parametrize("seed", range(16))
def test_an_odd_study_breaks_nothing_and_loses_nothing(seed: int) -> None:
    told = odd_study(seed)
    config = {"estimate_hours": 100, "forecast_hours": 700, "learning_days": 100 if seed % 3 == 0 else None}
    effects = checks.fold(EnrollmentModel.from_config(config), records(told.events)).effects
    estimates = [effect.data for effect in effects if effect.kind == "estimate"]
    assert estimates[-1]["facts"] == sum(1 for event in told.events if event.subject)
    steps = {effect.data["reason"] for effect in effects if effect.kind == "reject"}
    assert not steps, "a fact that can be read is never rejected: it counts, or it waits"
