"""Simulated run lengths: seeded, right where an exact figure is known, and as the documents print them."""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import SettingsError
from twins.charts import (
    cusum,
    cusum_arl,
    cusum_for,
    ewma,
    ewma_arl,
    ewma_for,
    rules,
    rules_arl,
    run_lengths,
    shewhart_arl,
)
from twins.charts.points import Bools, Floats, Ints, Marks
from twins.charts.rules import RuleState

PAGE = Path(__file__).resolve().parents[4] / "docs" / "charts_and_alarms.md"
SEED, CHARTS, FOREVER = 20260301, 4000, 1 << 60


def judged(wanted: int, state: RuleState, instants: Ints, z: Floats, there: Bools) -> tuple[RuleState, Marks]:
    state, fired = rules.step(state, instants, z, there, FOREVER)
    return state, fired & np.uint16(wanted)


def simulated(phi: float, charts: int = CHARTS) -> list[float]:
    """ARLs of three sigma, Western Electric, EWMA and CUSUM, the latter two made for an ARL0 of 500."""
    three, four = partial(judged, rules.NELSON_1), partial(judged, rules.WESTERN_ELECTRIC)
    weighted, summed = ewma_for(0.2, 500, FOREVER), cusum_for(0.5, 500, FOREVER)
    return [
        float(lengths.mean())
        for lengths in (
            run_lengths(rules.start(charts), three, seed=SEED, autocorrelation=phi),
            run_lengths(rules.start(charts), four, seed=SEED, autocorrelation=phi),
            run_lengths(ewma.start(charts), partial(ewma.step, weighted), seed=SEED, autocorrelation=phi),
            run_lengths(cusum.start(charts), partial(cusum.step, summed), seed=SEED, autocorrelation=phi),
        )
    ]


def test_the_page_prints_what_the_simulation_gives() -> None:
    rows = re.findall(r"^\| (0(?:\.\d+)?) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.M)
    assert [float(row[0]) for row in rows] == [0.0, 0.25, 0.5, 0.75]
    for phi, *printed in rows:
        # rounded to whole points
        np.testing.assert_allclose(simulated(float(phi)), [int(text) for text in printed], atol=0.51)


def test_the_page_prints_the_run_lengths_that_are_computed() -> None:
    rows = re.findall(r"^\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE.read_text(), re.M)
    printed = {float(row[0]): [float(text) for text in row[1:]] for row in rows if "." in row[1]}
    assert list(printed) == [0.0, 0.5, 1.0, 2.0, 3.0]
    for shift, row in printed.items():
        computed = [
            shewhart_arl(3.090, shift),
            rules_arl(rules.WESTERN_ELECTRIC, shift),
            ewma_arl(0.2, 2.962, shift),
            cusum_arl(0.5, 5.071, shift),
        ]
        np.testing.assert_allclose(computed, row, atol=0.0501)  # rounded to a tenth


def test_the_mean_and_the_variance_are_those_asked_for_whatever_the_autocorrelation() -> None:
    seen: list[Floats] = []

    def step(state: RuleState, instants: Ints, z: Floats, there: Bools) -> tuple[RuleState, Marks]:
        seen.append(z.copy())
        return state, np.zeros(len(z), np.uint16)

    lengths = run_lengths(rules.start(20_000), step, seed=1, autocorrelation=0.6, shift=0.5, longest=30)
    assert (lengths == 30).all()
    # standard errors of 20,000 charts: 0.007 of a mean, 0.01 of a variance, 0.007 of a correlation
    for z, later in pairwise(seen):
        assert abs(z.mean() - 0.5) < 0.035
        assert abs(z.var() - 1.0) < 0.05
        assert abs(np.corrcoef(z, later)[0, 1] - 0.6) < 0.035


def test_white_residuals_have_the_exact_run_length_and_the_same_seed_the_same_lengths() -> None:
    step = partial(judged, rules.WESTERN_ELECTRIC)
    one, two = (run_lengths(rules.start(8000), step, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one.mean() == pytest.approx(rules_arl(rules.WESTERN_ELECTRIC), abs=4 * one.std() / 8000**0.5)


def test_no_chart_outlasts_the_longest() -> None:
    lengths = run_lengths(rules.start(50), partial(judged, rules.NELSON_8), seed=1, longest=20)
    assert len(lengths) == 50
    assert lengths.max() == 20


@pytest.mark.parametrize("phi", [1.0, -1.0, float("nan")])
def test_an_autocorrelation_that_never_settles_is_refused(phi: float) -> None:
    with pytest.raises(SettingsError, match="autocorrelation"):
        run_lengths(rules.start(1), partial(judged, 1), seed=1, autocorrelation=phi)
