"""Annex 1's table as printed in 2022, its traps, and closed forms of the well-mixed room."""

from __future__ import annotations

import math

import pytest

from schemas.errors import SettingsError
from twins.supply.cleanroom import airflow
from twins.supply.cleanroom.limits import (
    SiteLevel,
    check_levels,
    judge_particles,
    judge_plate,
    minimum_sample_litres,
    particle_limit,
    viable_limit,
)

TABLE = {
    "A": ((3520, 3520), (None, None), (29, 29), (0, 0, 0, 0)),
    "B": ((3520, 352000), (None, 2930), (29, 2930), (10, 5, 5, 5)),
    "C": ((352000, 3520000), (2930, 29300), (2930, 29300), (100, 50, 25, None)),
    "D": ((3520000, None), (29300, None), (29300, None), (200, 100, 50, None)),
}


@pytest.mark.parametrize("grade", TABLE)
def test_the_table_of_2022(grade: str) -> None:
    half, classified, monitored, growth = TABLE[grade]
    for place, in_operation in enumerate((False, True)):
        assert particle_limit(grade, "half_um", in_operation) == half[place]  # type: ignore[arg-type]
        assert particle_limit(grade, "five_um", in_operation, "classification") == classified[place]  # type: ignore[arg-type]
        assert particle_limit(grade, "five_um", in_operation, "monitoring") == monitored[place]  # type: ignore[arg-type]
    assert tuple(viable_limit(grade, kind) for kind in ("air", "settle", "contact", "glove")) == growth  # type: ignore[arg-type]


def test_a_sample_too_small_is_said() -> None:
    assert minimum_sample_litres(29) == pytest.approx(689.655, abs=1e-3)
    assert minimum_sample_litres(3520) == pytest.approx(5.68, abs=0.01)
    assert not judge_particles("A", "five_um", True, 0, 0.0283).enough
    assert judge_particles("A", "five_um", True, 0, 1.0).enough


def test_any_growth_in_grade_a_is_beyond_action() -> None:
    assert judge_plate("A", "settle", 1).level == "action"
    assert judge_plate("A", "settle", 0).level == "within"
    assert [judge_plate("B", "settle", cfu).level for cfu in (2, 3, 5, 6)] == ["within", "alert", "alert", "action"]
    assert judge_plate("B", "air", 5, 0.5).value == 10


def test_a_site_may_be_stricter_never_looser() -> None:
    check_levels("B", (SiteLevel("settle", 3, 1),))
    assert judge_plate("B", "settle", 4, site=(SiteLevel("settle", 3, 1),)).level == "action"
    with pytest.raises(SettingsError, match="never looser"):
        check_levels("B", (SiteLevel("settle", 6, 1),))
    with pytest.raises(SettingsError, match="alert level"):
        check_levels("B", (SiteLevel("settle", 3, 4),))


@pytest.mark.parametrize(
    ("changes", "effectiveness", "minutes"),
    [(10, 1, 27.63), (20, 1, 13.82), (30, 1, 9.21), (40, 1, 6.91), (60, 1, 4.61), (20, 0.7, 19.74)],
)
def test_recovery_of_a_hundredth(changes: float, effectiveness: float, minutes: float) -> None:
    assert 60 * airflow.recovery_hours(changes, effectiveness) == pytest.approx(minutes, abs=0.005)


def test_the_worked_room() -> None:
    worn, air = airflow.GARMENTS["cleanroom"], 60.0 * 30
    assert airflow.steady_per_m3(3 * 60 * worn.half_um_per_minute, air) == pytest.approx(102_000)
    assert airflow.steady_per_m3(3 * 60 * worn.five_um_per_minute, air) == pytest.approx(3_730)
    assert airflow.steady_per_m3(3 * 60 * worn.carriers_per_minute, air) == pytest.approx(17.7)
    assert airflow.people_most(2_930, worn.five_um_per_minute, air) == pytest.approx(2.36, abs=0.005)
    assert airflow.people_most(10, worn.carriers_per_minute, air) == pytest.approx(1.69, abs=0.005)
    assert airflow.settle_plate_cfu(10) == pytest.approx(4.21, abs=0.005)
    assert airflow.leak_m3_per_hour(0.01, 10) == pytest.approx(94.1, abs=0.1)
    # From 102,000 to the limit at rest of 3,520 at 30 changes an hour: ln(28.98) / 30 h.
    assert 60 * airflow.hours_until(102_000, 0, 30, 3_520) == pytest.approx(6.733, abs=0.001)
    assert airflow.hours_until(0, 102_000, 30, 200_000) == math.inf


@pytest.mark.parametrize(("start", "steady", "limit"), [(0.0, 10.0, 4.0), (10.0, 1.0, 4.0), (4.0, 9.0, 4.0)])
def test_the_crossing_lies_on_the_curve(start: float, steady: float, limit: float) -> None:
    hours = airflow.hours_until(start, steady, 3.0, limit)
    assert airflow.concentration_per_m3(start, steady, 3.0, hours) == pytest.approx(limit)
