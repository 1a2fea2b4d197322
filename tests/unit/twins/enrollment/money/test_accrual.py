"""What should have been booked by now: each kind of line on a past of known counts; nothing is charged twice."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from schemas.errors import InvalidFieldError, ShapeError
from twins.enrollment.money import Booked, Budget, Course, ExchangeRate, Line, Past, accrue, outlook
from twins.enrollment.money.accrual import EACH, MOST_MONTHS
from twins.enrollment.study import MONTH

ORIGIN = datetime.date(2026, 1, 15)
EUR = ExchangeRate("EUR", 1.25, "2026-01-02")
AS_OF = 100.0


def past(**changes: object) -> Past:
    """Two countries: 5 screened, 2 failed, 3 enrolled of whom one left on day 60; 3 sites, one closed."""
    events = {
        "subject_screened": (np.array([0, 0, 1, 1, 1]), np.array([20.0, 21.0, 30.0, 31.0, 99.0])),
        "subject_failed": (np.array([0, 1]), np.array([25.0, 35.0])),
        "subject_enrolled": (np.array([0, 1, 1]), np.array([28.0, 40.0, 90.0])),
        "site_start": (np.array([0, 0, 1]), np.array([5.0, 6.0, 7.0])),
        "site_close": (np.array([0]), np.array([80.0])),
    }
    given = {
        "countries": ("DE", "FR"), "as_of": AS_OF, "until": AS_OF, "events": events,
        "left": np.array([60.0, np.inf, np.inf]),
        "spans": (np.array([0, 0, 1]), np.array([5.0, 6.0, 7.0]), np.array([80.0, 100.0, 100.0])),
        "amendments": np.array([50.0]),
    }  # fmt: skip
    return Past(**{**given, **changes})  # type: ignore[arg-type]


def accrued(*lines: Line, of: Past | None = None) -> dict[str, float]:
    found = accrue(Budget("USD", lines, (EUR,)), of or past(), (), ORIGIN)
    return found.by_line(found.accrued)


@pytest.mark.parametrize(
    ("line", "units"),
    [
        (Line("x", "subject_screened", 100.0, "USD"), 5),
        (Line("x", "subject_failed", 100.0, "USD", ("FR",)), 1),
        (Line("x", "subject_enrolled", 100.0, "EUR", overhead=0.2), 3 * 1.25 * 1.2),
        (Line("x", "visit", 100.0, "USD", visit_day=28.0), 2),  # the third is due on day 118
        (Line("x", "visit", 100.0, "USD", visit_day=35.0), 1),  # the first left before hers
        (Line("x", "site_start", 100.0, "USD"), 3),
        (Line("x", "site_close", 100.0, "USD"), 1),
        (Line("x", "site_month", 100.0, "USD", ("DE",)), (75.0 + 94.0) / MONTH),
        (Line("x", "study_month", 100.0, "USD"), 100.0 / MONTH),
        (Line("x", "fixed", 100.0, "USD", day=99.0), 1),
        (Line("x", "fixed", 100.0, "USD", day=100.0), 0),  # still to come
        (Line("x", "amendment", 100.0, "USD"), 1),
    ],
)
def test_each_kind_is_charged_for_what_happened(line: Line, units: float) -> None:
    assert accrued(line)["x"] == pytest.approx(100.0 * units)


def test_indexation_rises_at_full_years_of_the_past_too() -> None:
    later = past(as_of=800.0, until=800.0, amendments=np.array([50.0, 400.0, 760.0]))
    assert accrued(Line("x", "amendment", 100.0, "USD", indexation=0.1), of=later)["x"] == pytest.approx(331.0)


def test_months_sum_to_the_lines_and_booked_costs_stand_in_their_month() -> None:
    lines = (Line("team", "study_month", 100.0, "USD"), Line("sites", "site_month", 10.0, "USD"))
    costs = [Booked("team", 80.0, "EUR", 20.0), Booked("team", -10.0, "USD", 60.0), Booked("sites", 7.0, "USD", 101.0)]
    found = accrue(Budget("USD", lines, (EUR,)), past(), costs, ORIGIN)
    assert found.edges.tolist() == [0.0, 17.0, 45.0, 76.0, 106.0]
    assert found.by_line(found.booked) == {"team": 90.0, "sites": 0.0}
    assert found.booked.sum(axis=0).tolist() == [0.0, 100.0, -10.0, 0.0]
    assert found.accrued[0] == pytest.approx(100.0 * np.array([17.0, 28.0, 31.0, 24.0]) / MONTH)


def test_a_study_that_is_over_runs_no_longer() -> None:
    assert accrued(Line("x", "study_month", 100.0, "USD"), of=past(until=70.0))["x"] == pytest.approx(7000.0 / MONTH)


def test_a_past_of_ages_is_told_in_so_many_months() -> None:
    costs = [Booked("x", 5.0, "USD", -20_000.0)]
    found = accrue(Budget("USD", (Line("x", "study_month", 100.0, "USD"),)), past(), costs, ORIGIN)
    assert len(found.edges) == MOST_MONTHS + 1
    assert found.by_line(found.booked) == {"x": 5.0}


def test_what_is_past_is_not_to_come() -> None:
    """Wherever `as_of` falls, what accrued and what is to come are charged once: three visits, one drug, the months."""
    lines = (
        Line("visit", "visit", 128.0, "USD", visit_day=30.0),
        Line("drug", "fixed", 512.0, "USD", day=50.0),
        Line("team", "study_month", 2048.0, "USD"),
    )
    days = np.array([10.0, 20.0, 40.0])
    nobody, ends = np.zeros((1, 1, 1)), np.full(1, 10 * MONTH)
    for as_of in (45.0, 50.0, 55.0, 65.0, 90.0):
        events = {kind: (np.zeros(0, np.int64), np.zeros(0)) for kind in EACH}
        events["subject_enrolled"] = np.zeros(3, np.int64), days
        none = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        before = Past(("DE",), as_of, as_of, events, np.full(3, np.inf), none, np.zeros(0))
        edges = np.unique([0.0, *days, *(days + 1e-6), as_of])  # a step each, so that no visit is spread over days
        came = np.histogram(days + 5e-7, edges)[0][None].astype(float)
        steps = np.array([as_of, as_of + 300.0])
        course = Course(("DE",), steps, nobody, np.ones((1, 1)), nobody, nobody, ends, ends, np.zeros(1), edges, came)
        budget = Budget("USD", lines)
        to_come = outlook(budget, course, ORIGIN)
        charged = accrue(budget, before, (), ORIGIN).accrued.sum(axis=1) + to_come.by_line[0]
        assert charged == pytest.approx([3 * 128.0, 512.0, 20480.0], abs=1.0), as_of  # months round to 1/2048


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(InvalidFieldError, match="'x', countries"):
        accrued(Line("x", "site_month", 1.0, "USD", ("XX",)))
    with pytest.raises(ShapeError, match="day of leaving"):
        past(left=np.zeros(2))
    line = Line("x", "study_month", 1.0, "USD")
    with pytest.raises(InvalidFieldError, match="currency JPY"):
        accrue(Budget("USD", (line,)), past(), [Booked("x", 1.0, "JPY", 1.0)], ORIGIN)
