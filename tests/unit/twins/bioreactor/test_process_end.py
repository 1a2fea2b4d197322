"""What a process model expects at the planned end of a run: along the forecast, under a planned feed, and when not."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.effects import EndOfRun
from schemas.instants import HOUR, parse_instant
from twins.bioreactor.forecast import NORMAL
from twins.bioreactor.process import Process
from twins.bioreactor.process_emit import process_forecast
from twins.bioreactor.process_end import RunPlan
from twins.bioreactor.process_section import ProcessSection

SECTION: dict[str, Any] = {
    "model": "cho_xing",
    "channels": [{"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.05}],
    "unsure": {"mu_m": 0.2, "Y_XS": 0.2},
    "initial": {"viable_cells": 3e9, "glucose": 12.0},
    "feed": {"glucose": 600.0, "glutamine": 0.0},
}
PROCESS = Process(msgspec.convert(SECTION, ProcessSection))
NOW = parse_instant("2026-03-01T08:00:00Z")


def said(ends: list[float | None], rates: list[float], forecast_hours: float = 24.0) -> list[dict[str, Any]]:
    """Forecast runs that begin now, with these hours to their planned ends."""
    n = len(ends)
    m = np.repeat(PROCESS.beginning, n, axis=1)
    for j in range(n):
        PROCESS.begin(m, j, NOW, 2.0)
    hours = [forecast_hours if end is None else max(end, 1.0) if end <= 1440.0 else 24.0 for end in ends]
    at = NOW + np.rint(np.arange(1, 25)[:, None] * np.array(hours) / 24 * HOUR).astype(np.int64)
    plan = RunPlan(
        np.array([0 if end is None else NOW + round(end * HOUR) for end in ends], dtype=np.int64),
        np.array(rates),
        [NOW - 2 * HOUR, *[None] * (n - 1)],
    )
    found = process_forecast(PROCESS, m, np.full(n, 2.0), at, np.array(NORMAL), None, plan)
    return [one for one in found if one is not None]


def test_where_nothing_is_fed_it_is_the_last_point_of_the_forecast() -> None:
    first, second = said([24.0, 48.0], [0.0, 0.0])
    end = first["end_of_run"]
    assert {name: end["values"][name] for name in first["values"]} == {n: v[-1] for n, v in first["values"].items()}
    assert (end["at"], end["hours"], end["volume"]) == ("2026-03-02T08:00:00Z", 26.0, pytest.approx(2.0))
    assert second["end_of_run"]["hours"] is None
    assert end["units"]["viability"] == "%"
    low, middle, high = (end["values"]["viability"][k] for k in (0, 2, 4))
    assert 0.0 < low < middle < high < 100.0
    assert end["verdict"] == "not enough data"
    assert "calibrated" not in end
    msgspec.convert(end, EndOfRun)


def test_a_nutrient_is_used_up_when_its_own_forecast_says_so() -> None:
    (one,) = said([48.0], [0.0])
    glucose = one["end_of_run"]["used_up"]["glucose"]
    assert set(one["end_of_run"]["used_up"]) == {"glucose"}  # the feed holds no glutamine
    assert (glucose["limit"], glucose["unit"], glucose["quantiles"]) == (1.0, "mmol/L", [0.05, 0.5, 0.95])
    medians = [point[2] for point in one["values"]["glucose"]]
    first = next(k for k, value in enumerate(medians) if value < 1.0)
    expected = parse_instant(glucose["reached_at"][1])
    assert NOW + first * 2 * HOUR <= expected <= NOW + (first + 1) * 2 * HOUR
    assert glucose["probability"] > 0.5
    assert not glucose["calibrated"]


def test_what_is_planned_to_be_fed_counts() -> None:
    dry, fed = said([48.0, 48.0], [0.0, 0.02])
    assert fed["values"] == dry["values"]  # the forecast itself counts on nothing
    assert fed["end_of_run"]["volume"] == pytest.approx(2.0 + 48 * 0.02)
    assert fed["end_of_run"]["feed_litres_per_hour"] == 0.02
    assert fed["end_of_run"]["used_up"]["glucose"]["probability"] < 0.05 < 0.95
    assert fed["end_of_run"]["values"]["glucose"][0] > dry["end_of_run"]["values"]["glucose"][4]


def test_no_end_a_past_one_and_one_too_far_are_none() -> None:
    assert [one["end_of_run"] for one in said([None, -1.0, 0.0, 2000.0], [0.0] * 4)] == [None] * 4


def test_an_end_nearer_than_the_forecast_goes_is_still_that_end() -> None:
    near, far = said([0.5, 1.0], [0.0, 0.0])
    assert near["end_of_run"]["at"] == "2026-03-01T08:30:00Z"
    assert near["values"] == far["values"]
    assert near["end_of_run"]["values"]["glucose"][2] > near["values"]["glucose"][-1][2]


def test_a_run_is_told_the_same_alone_and_among_others() -> None:
    ends, rates = [24.0, 0.5, None, 30.0, 24.0], [0.0, 0.0, 0.0, 0.03, 0.01]
    among = said(ends, rates)
    for unit in range(1, 5):
        alone = said([ends[0], ends[unit]], [rates[0], rates[unit]])[1]
        assert alone["end_of_run"] == among[unit]["end_of_run"]
