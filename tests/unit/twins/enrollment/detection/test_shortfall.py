"""A shortfall is taken apart into parts that sum to it, whatever the study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ShapeError
from tests.support.enrollment_detection_studies import as_of, grown
from twins.enrollment.detection import SitePlan, explain_shortfall, plan_of_curve
from twins.enrollment.detection.shortfall import CAUSES
from twins.enrollment.study import CLOSED, PAUSED, PLANNED, Spans, Study


def _mixed(seed: int) -> Study:
    """A study with sites that are late, early, never opened, paused, closed and not in the plan."""
    rng = np.random.default_rng(seed)
    study = as_of(grown(seed, [9.0, 12.0], 5, 300.0, opening=60.0), 300.0)
    status, planned, opened = study.sites.status.copy(), rng.uniform(0.0, 350.0, 10), study.sites.opened.copy()
    end = study.spans.end.copy()
    status[1], end[1] = PAUSED, 200.0
    status[2], end[2] = CLOSED, 150.0
    planned[3] = np.nan
    status[7], opened[7] = PLANNED, np.nan
    stays = study.spans.site != 7
    again = Spans(
        np.append(study.spans.site[stays], 1), np.append(study.spans.start[stays], 230.0), np.append(end[stays], 260.0)
    )
    sites = replace(study.sites, status=status, planned=planned, opened=opened)
    return replace(study, sites=sites, spans=again)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), planned=st.one_of(st.none(), st.floats(0.0, 1e4)))
def test_parts_sum_to_what_is_missing(seed: int, planned: float | None) -> None:
    study = _mixed(seed)
    rng = np.random.default_rng(seed)
    told = explain_shortfall(study, SitePlan(rng.uniform(0.0, 0.2, 10), rng.uniform(0.0, 0.9, 10)), planned)
    assert told.parts.sum() == pytest.approx(told.missing, abs=1e-9 * max(1.0, abs(told.planned)))
    ranked = sum(one.subjects for one in told.ranked)
    assert ranked == pytest.approx(told.missing, abs=1e-9 * max(1.0, abs(told.planned)))
    assert [one.subjects for one in told.ranked] == sorted((one.subjects for one in told.ranked), reverse=True)


def test_each_cause_stands_where_it_belongs() -> None:
    study = _mixed(4)
    told = explain_shortfall(study, SitePlan(np.full(10, 0.1), np.full(10, 0.2)))
    part = {cause: told.parts[:, CAUSES.index(cause)] for cause in CAUSES}
    sites = study.sites
    assert part["paused"][1] == pytest.approx(0.1 * (30.0 + 40.0))
    assert part["closed"][2] == pytest.approx(0.1 * 150.0)
    assert part["opened_late"][3] == pytest.approx(-0.1 * (300.0 - sites.opened[3]))
    assert part["not_opened"][7] == pytest.approx(0.1 * max(300.0 - sites.planned[7], 0.0))
    assert np.abs(np.delete(part["paused"], 1)).max() < 1e-9
    assert part["other"] == pytest.approx(0.0)


def test_more_failures_than_planned_are_told_apart_from_fewer_screenings() -> None:
    study = as_of(grown(7, [30.0], 5, 400.0, failing=(0.5, 0.5)), 400.0)
    plan = SitePlan(np.full(5, 30.0 / 5 / 30.4375), np.full(5, 0.2))
    told = explain_shortfall(study, plan)
    by_cause = dict(zip(CAUSES, told.parts.sum(axis=0), strict=True))
    assert by_cause["failed_more"] > 100.0
    assert by_cause["screened_fewer"] < 0.0
    more = next(one for one in told.ranked if one.cause == "failed_more")
    assert told.ranked[0] == more
    assert len(more.sites) == 5


def test_a_curve_alone_makes_a_plan_that_sums_to_it() -> None:
    study = _mixed(5)
    told = explain_shortfall(study, plan_of_curve(study, 150.0))
    assert told.planned == pytest.approx(150.0)
    assert told.parts.sum() == pytest.approx(told.missing)


def test_a_plan_of_other_sites_is_refused() -> None:
    with pytest.raises(ShapeError, match="expected a plan of 10 sites"):
        explain_shortfall(_mixed(1), SitePlan(np.zeros(9), np.zeros(9)))
