"""A study of which little is known yet: no sites, no countries, nobody screened. It says so, and nothing breaks."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import enrollment as e
from tests.unit.twins.enrollment.trial import Trial, at, records
from twins import checks
from twins.enrollment import EnrollmentModel


@pytest.mark.parametrize(
    "changes",
    [
        {"sites": (), "countries": ()},
        {"sites": ()},
        {"sites": (e.PlannedSite("A", "DE"),)},
        {"sites": (e.PlannedSite("A", "DE", at(5)),), "countries": (e.PlannedCountry("DE", cap=0),)},
        {"events": 5, "events_by": at(500)},
        {"looks": (e.Look("half", 30, at(200)),), "counts": "randomised"},
        {"budget": {"currency": "EUR", "lines": []}},
    ],
)
@pytest.mark.parametrize("opened", [False, True])
def test_little_is_enough(changes: dict[str, Any], opened: bool) -> None:
    told = Trial()
    told.plan(**changes)
    if opened:
        told.tell(12, e.SiteActivated(site="A", country="DE"))
    for day in (20, 60, 700):
        told.pass_time(day)
    if opened:
        told.subject("S1", "A", 30)
        told.events.sort(key=lambda event: (event.record_time, event.id))
    effects = checks.fold(EnrollmentModel.from_config({}), records(told.events)).effects
    assert [effect for effect in effects if effect.kind == "estimate"]
    assert not [effect for effect in effects if effect.kind == "reject"]
