"""Feed advice, followed in a small campaign; the whole one is `scripts/bench feeding`."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.cultures import CHO, make_runs
from benchmarks.accuracy.estimates import DESIGNS, Live
from benchmarks.accuracy.feeding import Plan, advice_of, follow, kept

SEED, HOUR, RUNS = 7, 96, 60


def test_the_floor_holds_where_the_advice_is_followed_and_falls_where_half_of_it_is() -> None:
    runs = make_runs(CHO, RUNS, SEED)
    live = Live(runs, DESIGNS["cho"](1.0), "unscented", every=20)
    live.follow(HOUR)
    told = advice_of(live)
    rated = ~np.isnan(told.rate_litres_per_hour)
    assert rated.sum() >= 8, f"seed {SEED}"
    rate, nothing = np.where(rated, told.rate_litres_per_hour, 0.0), np.zeros(RUNS)

    def held(share: float) -> float:
        return float(kept(follow(runs, HOUR, Plan(share * rate, nothing, nothing)))[rated].mean())

    assert held(1.0) >= 0.85, f"seed {SEED}"  # of some fifteen runs, at 95 %
    assert held(0.0) < 0.5, f"seed {SEED}"
    assert held(0.3) < held(1.0), f"seed {SEED}"
    quiet = np.isnan(told.crosses_hours)
    unfed = kept(follow(runs, HOUR, Plan(nothing, nothing, nothing)))
    assert unfed[quiet].mean() >= 0.9, f"seed {SEED}"
