"""The Stanford heart transplant programme as an event-driven trial: its deaths, asked at each New Year before."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.unit.twins.enrollment.survival.trials import cut
from twins.enrollment.study import Floats
from twins.enrollment.survival import Settings, arrivals, believe, fit, kaplan_meier, law, simulate

DATA = Path(__file__).parents[6] / "shared" / "data" / "enrollment" / "jasa_stanford.csv"
ORIGIN = date(1967, 9, 1)
END = (date(1974, 4, 1) - ORIGIN).days  # of follow-up
DRAWS = 512

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def heart() -> tuple[Floats, Floats, Floats]:
    """Days of acceptance, times to death and to being lost (inf where follow-up went on)."""
    if not DATA.is_file():
        pytest.skip(f"the published data set is not there: {DATA}")
    with DATA.open(newline="") as file:
        rows = list(csv.DictReader(file))
    accepted, last = (
        np.array([float((date.fromisoformat(row[name]) - ORIGIN).days) for row in rows])
        for name in ("accept.dt", "fu.date")
    )
    died = np.array([row["fustat"] == "1" for row in rows])
    event = np.where(died, last - accepted, np.inf)
    lost = np.where(~died & (last < END), last - accepted, np.inf)
    order = np.argsort(accepted, kind="stable")
    return accepted[order], event[order], lost[order]


def test_survival_is_what_the_programme_is_known_for(heart: tuple[Floats, Floats, Floats]) -> None:
    """103 accepted, 75 died; half within about 100 days, and a hazard that falls steeply."""
    seen = cut(float(END), *heart)
    assert (len(seen), int(seen.event.sum())) == (103, 75)
    curve = kaplan_meier(seen.days, seen.event)
    assert 90 < curve.median < 110
    shape = np.exp(-fit(law("weibull"), seen.days, seen.event).theta[1])
    assert 0.4 < shape < 0.6


def test_deaths_of_the_next_year_and_the_day_of_the_next_ten_are_forecast(
    heart: tuple[Floats, Floats, Floats],
) -> None:
    """Eight days over four years, enrollment learned as one rate: most of the 90 % intervals hold what came."""
    entry, event, _ = heart
    deaths = np.sort((entry + event)[np.isfinite(event)])
    held = []
    for year, month in [(1969, 1), (1969, 7), (1970, 1), (1970, 7), (1971, 1), (1971, 7), (1972, 1), (1973, 1)]:
        now = float((date(year, month, 1) - ORIGIN).days)
        seen = cut(now, *heart)
        rate = np.random.default_rng(1).gamma(len(seen) + 0.5, 1 / now, DRAWS)
        future = arrivals(np.array([now, float(END)]), rate[:, None], 200, 1, skip=len(seen))
        ahead = simulate(seen, *believe(seen, Settings(dropouts=()), DRAWS, 1), future, np.inf, 1)
        low, high = np.quantile(ahead.counts(np.array([now + 365.0]))[:, 0], [0.05, 0.95])
        came = int(np.searchsorted(deaths, now + 365.0, side="right"))
        first, last = np.quantile(ahead.day_of(len(ahead.known) + 10), [0.05, 0.95], method="inverted_cdf")
        day = deaths[len(ahead.known) + 9]
        print(f"{year}-{month:02d}: {len(ahead.known)} so far, then {came} in [{low:.0f}, {high:.0f}];", end=" ")
        print(f"ten more by day {day:.0f} in [{first:.0f}, {last:.0f}]")
        held += [low <= came <= high, first <= day <= last]
    assert sum(held) >= 13  # of 16: with 90 % each, fewer come once in 60 times
