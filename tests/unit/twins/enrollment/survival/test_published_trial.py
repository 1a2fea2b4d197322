"""The published example trial, forecast at cuts along its way: what came lies in the intervals."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.twins.enrollment.survival.recipe import SUBJECTS, trial
from tests.unit.twins.enrollment.survival.trials import cut
from twins.enrollment.survival import Settings, arrivals, believe, simulate

DRAWS = 1024
LATELY = 90.0  # days whose rate of enrollment goes on: the recipe's ramp is over before the first cut


@pytest.mark.parametrize("now", [270.0, 366.0, 450.0, 600.0, 750.0, 946.0])
def test_what_came_lies_in_the_interval(now: float) -> None:
    entry, event, gone = (days[np.argsort(trial()[0], kind="stable")] for days in trial())
    days = np.sort((entry + event)[event <= gone])
    seen, future = cut(now, entry, event, gone), None
    if len(seen) < SUBJECTS:
        lately = int((seen.entry > now - LATELY).sum())
        rate = np.random.default_rng(1).gamma(lately + 0.5, 1 / LATELY, DRAWS)
        future = arrivals(np.array([now, 5000.0]), rate[:, None], SUBJECTS - len(seen), 1, skip=len(seen))
        first, last = np.quantile(future[:, -1], [0.05, 0.95])
        assert first <= entry[-1] <= last
        assert last - first < 120
    ahead = simulate(seen, *believe(seen, Settings(), DRAWS, 1), future, np.inf, 1)
    low, high = np.quantile(ahead.counts(np.array([now + 183.0]))[:, 0], [0.05, 0.95])
    assert low <= np.searchsorted(days, now + 183.0, side="right") <= high
    assert high - low < 50
    sooner, later = np.quantile(ahead.day_of(200), [0.05, 0.95], method="inverted_cdf")
    assert sooner <= days[199] <= later
