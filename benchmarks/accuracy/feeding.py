"""Feed advice, followed: how often the floor holds in cultures that the twin knows by its measurements alone.

CHO runs of the estimators' campaign (`cultures.py`, which shares no line with the filter), not fed until an hour at
which the twin is asked for advice over twelve hours. Each run then goes on four ways: nobody feeds; at the rate that is
advised; by the bolus that is advised, at the latest time for it; and, what nobody could know, by the least constant
rate that keeps the floor in truth. The floor holds in a way if glucose is not below it at any minute. Intervals: 90 %,
Wilson.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cultures import CHO, MINUTES, Runs, make_runs, xing
from benchmarks.accuracy.estimates import DESIGNS, Live
from benchmarks.intervals import NORMAL_90, wilson
from benchmarks.report import Bar, Report, add_out, given
from twins.bioreactor.estimation.advice import NOT_NEEDED, Advice, Floor, Pump, advise

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HOURS = 12
FLOOR, PROBABILITY = 8.0, 0.95  # mmol/L of glucose
HOLDS = (0.0, 0.0, 653.0, 58.8, 0.0, 0.0)  # what the feed holds [mmol/L]: glucose and glutamine, docs/models.md
GLUCOSE = CHO.states.index("glucose")
MOST_RATE, MOST_LITRES, VESSEL = 0.02, 0.2, 1.5  # of vessels that began with 1 L
HALVINGS = 12  # of the search for the least rate: to 5e-6 L/h


@dataclass(frozen=True)
class Plan:
    """What is fed to n runs from an hour on: a rate (n,) [L/h], a bolus (n,) [L] and when it is due (n,) [min]."""

    rate: Floats
    bolus: Floats
    due: Floats


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="feeding", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at", type=int, nargs="+", default=[84, 96, 108], help="hours at which advice is asked for")
    parser.add_argument("--every", type=int, default=10, help="minutes between capacitance readings; divides 60")
    parser.add_argument("--spread", type=float, default=1.0, help="what the spread between runs is multiplied by")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("feeding", "Feed advice followed on cultures that the twin does not know.", given(options))
    runs = make_runs(CHO, options.runs, options.seed, spread=options.spread)
    live = Live(runs, DESIGNS["cho"](1.0), "unscented", every=options.every)
    at = 0
    for hour in sorted(options.at):
        live.follow(hour, at)
        at = hour
        _score(report, runs, advice_of(live), hour)
    report.notes.append(
        f"Stated: at each point looked at, glucose is below {FLOOR:g} mmol/L with a chance of {1 - PROBABILITY:.0%} at "
        "most; `held` counts a run where it was below it at no minute of twelve hours."
    )
    report.notes.append("`over the least`: median of what is advised over the least constant rate that holds in truth.")
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def advice_of(live: Live) -> Advice:
    """Ask the twin how much to feed in the next twelve hours."""
    filter_ = live.filter
    holds = np.zeros(len(filter_.states))
    holds[: len(HOLDS)] = HOLDS
    pump = Pump(MOST_RATE, MOST_LITRES, VESSEL, holds)
    floor = Floor(GLUCOSE, FLOOR, PROBABILITY)
    u = live.inputs(0)
    for row, one in enumerate(filter_.design.model.inputs):
        if one.name.startswith("feed_") and one.name != "feed_rate":
            u[row] = HOLDS[CHO.states.index(one.name.removeprefix("feed_"))]
    return advise(filter_, live.joint, u, np.full(live.n, float(HOURS)), floor, pump)


def _score(report: Report, runs: Runs, told: Advice, hour: int) -> None:
    n = len(told.verdict)
    nothing = np.zeros(n)
    unfed = follow(runs, hour, Plan(nothing, nothing, nothing))
    never = kept(unfed)
    quiet = told.verdict == NOT_NEEDED
    _row(report, hour, "no feed needed", quiet, never[quiet])
    rated = ~np.isnan(told.rate_litres_per_hour)
    rate = np.where(rated, told.rate_litres_per_hour, 0.0)
    held = kept(follow(runs, hour, Plan(rate, nothing, nothing)))
    least = least_of(runs, hour)
    over = float(np.median(rate[rated & (least > 0.0)] / least[rated & (least > 0.0)])) if rated.any() else np.nan
    _row(report, hour, "fed at the rate", rated, held[rated], over)
    given_ = ~np.isnan(told.bolus_litres)
    bolus = np.where(given_, told.bolus_litres, 0.0)
    due = np.where(given_, told.latest_hours, 0.0) * MINUTES
    held = kept(follow(runs, hour, Plan(nothing, bolus, due)))
    _row(report, hour, "a bolus at the latest", given_, held[given_])
    crossing = ~np.isnan(told.crosses_hours)
    first = np.where(never, np.inf, unfed.argmax(axis=0) / MINUTES)
    late = first[crossing] >= told.crosses_hours[crossing]
    _row(report, hour, "not below before it was said", crossing, late)


def _row(report: Report, hour: int, way: str, which: Bools, held: Bools, over: float | None = None) -> None:
    """Add one way of going on: of how many runs, and how many held."""
    count = int(which.sum())
    if not count:
        return
    share = float(held.mean())
    low, high = wilson(int(held.sum()), count, NORMAL_90)
    report.add(
        "held", hour=hour, way=way, runs=count, held=100.0 * share, low=100.0 * low, high=100.0 * high,
        over_the_least=over,
    )  # fmt: skip
    report.bars.append(Bar(f"{way}, advice of hour {hour}: upper end of held", 100.0 * PROBABILITY, 100.0 * high, "%"))


def follow(runs: Runs, hour: int, plan: Plan) -> Bools:
    """Follow runs from an hour on, fed by a plan; say when each was below the floor, shape (minutes, n)."""
    first = hour * MINUTES
    x, volume = runs.truth[:, first].copy(), np.ones(runs.truth.shape[2])
    holds = np.array(HOLDS)[:, None]
    below = np.zeros((HOURS * MINUTES, x.shape[1]), dtype=np.bool_)
    h = 1.0 / MINUTES
    for minute in range(HOURS * MINUTES):
        bolus = np.where((plan.due >= minute) & (plan.due < minute + 1), plan.bolus, 0.0)
        x = (x * volume + holds * bolus) / (volume + bolus)
        volume = volume + bolus
        below[minute] = x[GLUCOSE] < FLOOR
        growth = runs.growth[first + minute]
        thinned = plan.rate / (volume + 0.5 * h * plan.rate)
        k1 = _rates(x, growth, runs, thinned)
        k2 = _rates(x + 0.5 * h * k1, growth, runs, thinned)
        x = np.maximum(x + h * k2, 0.0)  # a minute's step is short: the midpoint rule is exact to 1e-6 here
        volume = volume + h * plan.rate
    return below


def kept(below: Bools) -> Bools:
    """Say which runs were never below the floor, shape (n,)."""
    return np.asarray(~below.any(axis=0))


def _rates(x: Floats, growth: Floats, runs: Runs, thinned: Floats) -> Floats:
    return xing(np.maximum(x, 0.0), growth, runs.parameters, thinned) + thinned * (np.array(HOLDS)[:, None] - x)


def least_of(runs: Runs, hour: int) -> Floats:
    """Give the least constant rate that keeps the floor in truth, 0 where none is needed, NaN where none does."""
    n = runs.truth.shape[2]
    nothing, low, high = np.zeros(n), np.zeros(n), np.full(n, MOST_RATE)
    needed = ~kept(follow(runs, hour, Plan(nothing, nothing, nothing)))
    possible = kept(follow(runs, hour, Plan(high, nothing, nothing)))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        held = kept(follow(runs, hour, Plan(middle, nothing, nothing)))
        low, high = np.where(held, low, middle), np.where(held, middle, high)
    return np.where(needed, np.where(possible, high, np.nan), 0.0)
