"""A small campaign of the estimators, with a reading each ten minutes; the whole one is `scripts/bench estimates`."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.accuracy.cultures import CHO, MINUTES, T_CELLS, Culture, make_runs, open_loop
from benchmarks.accuracy.estimates import BARS, DESIGNS, Live, score
from benchmarks.report import Report

SEED = 7


@pytest.mark.parametrize("culture", [CHO, T_CELLS], ids=lambda culture: culture.name)
def test_unseen_states_come_closer_to_the_truth_than_an_open_loop(culture: Culture) -> None:
    """Eighty runs know a share of error to some 7 %: each bar less that, and no state worse than the open loop."""
    runs = make_runs(culture, 80, SEED)
    live = Live(runs, DESIGNS[culture.name](1.0), "unscented", every=10)
    report = Report("estimates", "", {})
    score(report, runs, live, live.follow(culture.hours), np.random.default_rng(SEED))
    below = {row["state"]: row["below_open_loop_percent"] for row in report.tables["rmse"]}
    for state, bar in BARS[culture.name].items():
        assert below[state] > bar - 7, f"seed {SEED}: {below}"
    assert min(below.values()) > 0, f"seed {SEED}: {below}"
    for row in report.tables["nees"]:
        assert row["hours_in_band"] > 0.8, f"seed {SEED}: {row}"
        assert 0.9 < row["below_chi2_95"] < 0.995, f"seed {SEED}: {row}"
    assert all(row["below_zero"] == 0 for row in report.tables["coverage_95"])


def test_an_estimator_that_is_told_of_too_little_noise_is_found_out() -> None:
    """Sensors three times as noisy as the design says: the consistency of states must not look good."""
    runs = make_runs(T_CELLS, 60, SEED, noise=3.0)
    live = Live(runs, DESIGNS["t_cells"](1.0), "unscented", every=10)
    report = Report("estimates", "", {})
    assert not score(report, runs, live, live.follow(T_CELLS.hours), np.random.default_rng(SEED))
    assert not any(row["met"] for row in report.tables["nees"])


def test_the_truth_of_the_campaign_keeps_its_own_laws() -> None:
    """Lactate made is 1.23 of the glucose used, at 1e-9 of it; nothing is below 0."""
    runs = make_runs(CHO, 5, SEED)
    used = runs.truth[2, :1] - runs.truth[2]
    made = runs.truth[4] - runs.truth[4, :1]
    plenty = runs.truth[2] > 0.1
    assert np.abs(made - 1.23 * used)[plenty].max() < 1e-8
    assert runs.truth.min() >= 0.0
    assert runs.truth.shape[1] == CHO.hours * MINUTES + 1


def test_the_open_loop_is_the_mean_culture() -> None:
    """The nominal culture lies within the spread of runs about it."""
    runs = make_runs(T_CELLS, 60, SEED)
    final = runs.truth[0, -1]
    low, high = np.quantile(final, [0.05, 0.95])
    assert low < open_loop(T_CELLS)[0, -1] < high
