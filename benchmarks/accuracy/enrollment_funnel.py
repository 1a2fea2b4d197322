"""The funnel of enrollment against a simulated truth: who is not known yet, who is on the way, when to stop.

A study's screenings are a Poisson stream over its sites, whose chances to pass are drawn from a Beta law. Passing and
failing take gamma delays, some who fail are never heard of, and what ends is known only after a delay of reporting,
with entry on five days a week in some cells. Each trial is a study of its own; scored is what was said at one day.

Counts are whole: an interval that holds at least 90 % holds more. So bars are on the randomised share: of the
distribution that was said, the truth's place, drawn within the step at the truth, lies in the middle 90 % (Brockwell
2007, Statist. Probab. Lett. 77:1473). The plain share of the whole-numbered intervals stands beside it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.intervals import wilson
from benchmarks.report import Bar, Report, add_out, given
from twins.enrollment.funnel import arrivals, at_once, funnel, in_flight, learn_reporting, nowcast, stop_screening
from twins.enrollment.funnel.counts import chances, room
from twins.enrollment.study import OPEN, Country, Floats, Ints, Sites, Spans, Study, Subjects

LOWEST, HIGHEST = 0.87, 0.93  # of a share that is to be 0.9
FORTNIGHT = 14


@dataclass(frozen=True)
class Truth:
    """What a study is like.

    `rate`: screenings a day; `days`: since its sites opened; `passing`, `alike`: mean of the sites' chances to pass and
    subjects' worth of their likeness; `slow_pass`, `slow_fail`: mean days; `silent`: share of those who fail that is
    never heard of; `lag`: mean days until an end is known, 0 for at once; `weekdays`: whether entry rests at weekends.
    """

    rate: float = 2.0
    days: float = 200.0
    sites: int = 30
    countries: int = 4
    passing: float = 0.65
    alike: float = 20.0
    slow_pass: float = 12.0
    slow_fail: float = 6.0
    silent: float = 0.2
    lag: float = 0.0
    weekdays: bool = False


@dataclass(frozen=True)
class World:
    """All that happens, a column a subject (n,): days; `ends` NaN for the silent, `known` when the end is known."""

    truth: Truth
    site: Ints
    screened: Floats
    passes: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ends: Floats
    known: Floats

    @property
    def enrolled(self) -> Floats:
        """Days at which those who pass enrol, NaN for others."""
        return np.where(self.passes, self.ends, np.nan)


LIMIT = 28.0  # days of screening


def make(truth: Truth, rng: np.random.Generator, beyond: float = 0.0) -> World:
    """Draw all that happens until so many days beyond the present."""
    until = truth.days + beyond
    n = int(rng.poisson(truth.rate * until))
    screened, site = np.sort(rng.uniform(0.0, until, n)), rng.integers(0, truth.sites, n)
    chance = rng.beta(truth.passing * truth.alike, (1.0 - truth.passing) * truth.alike, truth.sites)
    passes = rng.random(n) < chance[site]
    delay = np.where(passes, rng.gamma(4.0, truth.slow_pass / 4.0, n), rng.gamma(2.0, truth.slow_fail / 2.0, n))
    ends = screened + np.minimum(delay, LIMIT - 0.01)
    ends = np.where(~passes & (rng.random(n) < truth.silent), np.nan, ends)
    known = ends + (rng.gamma(1.5, truth.lag / 1.5, n) if truth.lag else 0.0)
    if truth.weekdays:
        day = np.floor(known)
        rest = np.select([day % 7 == 5, day % 7 == 6], [2.0, 1.0], 0.0)
        known = np.maximum(np.where(rest > 0.0, day + rest + rng.random(n), known), ends)
    return World(truth, site, screened, passes, ends, known)


def as_known(world: World, as_of: float, until: float = np.inf) -> Study:
    """Give what is known of it on a day; who would have been screened after `until` never was."""
    truth = world.truth
    here = (world.screened <= as_of) & (world.screened <= until)
    known = (world.known <= as_of)[here]
    ends, passes = world.ends[here], world.passes[here]
    enrolled = np.where(known & passes, ends, np.nan)
    nan, none = np.full(int(here.sum()), np.nan), np.full(int(here.sum()), -1)
    subjects = Subjects(
        world.site[here], none, nan, nan, world.screened[here], np.where(known & ~passes, ends, np.nan),
        np.where(known & ~passes, 0, -1), enrolled, nan, nan, nan, nan, nan,
        np.where(known & passes, world.known[here] - ends, np.nan),
    )  # fmt: skip
    sites, zero = np.arange(truth.sites), np.zeros(truth.sites)
    return Study(
        "ST-1", as_of, "enrolled", tuple(Country(f"C{place}") for place in range(truth.countries)),
        Sites(tuple(f"S{place:03}" for place in sites), sites % truth.countries, np.full(truth.sites, OPEN), zero, zero,
              np.full(truth.sites, np.inf)),
        Spans(sites, zero, np.full(truth.sites, as_of)), subjects, (), reasons=("other",), screening_days=LIMIT,
    )  # fmt: skip


LAGS = {
    "entered each day, 6 days late": Truth(lag=6.0),
    "entered on weekdays, 6 days late": Truth(lag=6.0, weekdays=True),
    "15 days late": Truth(lag=15.0),
    "one a week, 8 days late": Truth(rate=0.25, lag=8.0),
    "two months of data, 6 days late": Truth(days=60.0, lag=6.0),
    "200 sites, on weekdays": Truth(rate=8.0, sites=200, countries=20, lag=6.0, weekdays=True),
}
FLIGHTS = {
    "30 sites": Truth(),
    "known 6 days late": Truth(lag=6.0),
    "few subjects": Truth(rate=0.4, days=150.0),
    "few pass": Truth(passing=0.3),
    "two months of data": Truth(rate=1.0, days=60.0),
    "200 sites": Truth(rate=8.0, sites=200, countries=20),
}
STOPS = {"known at once": Truth(days=100.0, rate=1.5), "known 6 days late": Truth(days=100.0, rate=1.5, lag=6.0)}


@dataclass
class Score:
    """Places of truths within what was said, and how often a whole-numbered interval held them."""

    places: list[float]
    held: list[bool]

    def add(self, mean: float, variance: float, truth: int, rng: np.random.Generator) -> None:
        """Score one saying."""
        p = chances(mean, variance, max(room(mean, variance), truth + 1))
        by = np.concatenate([[0.0], np.cumsum(p)])
        low, high = (int((by[1:] < level).sum()) for level in (0.05, 0.95))
        self.places.append(float(by[truth] + rng.random() * p[truth]))
        self.held.append(low <= truth <= high)

    def row(self) -> dict[str, Any]:  # Any: whatever a table holds
        """Give what a table says of it."""
        places = np.array(self.places)
        hits = int(np.sum((places >= 0.05) & (places <= 0.95)))
        low, high = wilson(hits, len(places))
        return {
            "trials": len(places), "holds": hits / len(places), "low": low, "high": high,
            "whole_interval_holds": float(np.mean(self.held)), "mean_place": float(places.mean()),
        }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="enrollment_funnel", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="of each cell")
    parser.add_argument("--stops", type=int, default=200, help="trials of the stop of screening")
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("enrollment_funnel", "The funnel of enrollment against a simulated truth.", given(options))
    for cell, (name, truth) in enumerate(LAGS.items()):
        lags(report, name, truth, options.trials, np.random.default_rng((options.seed, 1, cell)))
    for cell, (name, truth) in enumerate(FLIGHTS.items()):
        flights(report, name, truth, options.trials, np.random.default_rng((options.seed, 2, cell)))
    for cell, (name, truth) in enumerate(STOPS.items()):
        stops(report, name, truth, options.stops, np.random.default_rng((options.seed, 3, cell)))
    costs(report, options.seed)
    report.notes += [
        "holds: share of truths in the middle 90 % of what was said, randomised within a count, with Wilson's 95 %.",
        "fortnight: what the last two weeks bring a day, over what all days before bring: as known, and with the "
        "exposure of each day multiplied by what is known of it.",
        "stop at target: screening goes on until the known reach the target. Ours stops when the target is reached "
        "with 90 %.",
    ]
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def lags(report: Report, name: str, truth: Truth, trials: int, rng: np.random.Generator) -> None:
    """Score what is said of those not known yet, and what the last fortnight looks like."""
    score, looks = Score([], []), np.zeros((3, 2))
    for _ in range(trials):
        world = make(truth, rng)
        study = as_known(world, truth.days)
        said = nowcast(study)
        enrolled = world.enrolled
        score.add(
            said.total, said.total_variance, int(np.sum((enrolled <= truth.days) & (world.known > truth.days))), rng
        )
        edges = np.array([FORTNIGHT * 2.0, truth.days - FORTNIGHT, truth.days])
        came = np.histogram(study.counted, edges)[0]
        looks[0] += came
        looks[1] += np.diff(edges)
        looks[2] += np.diff(edges) * said.reporting.complete(truth.days, edges)
    row = score.row()
    fortnight, mended = ((looks[0] / looks[part])[1] / (looks[0] / looks[part])[0] for part in (1, 2))
    report.add("nowcast", cell=name, **row, fortnight=float(fortnight), fortnight_mended=float(mended))
    _bars(report, f"not known yet, {name}", row["holds"])


def flights(report: Report, name: str, truth: Truth, trials: int, rng: np.random.Generator) -> None:
    """Score what comes of those in screening: within a fortnight, and in the end."""
    soon, late = Score([], []), Score([], [])
    for _ in range(trials):
        world = make(truth, rng)
        study = as_known(world, truth.days)
        said = in_flight(study, funnel(study))
        waits = world.passes & (np.isnan(world.ends) | (world.known > truth.days))
        soon.add(float(said.mean[FORTNIGHT]), float(said.variance[FORTNIGHT]),
                 int(np.sum(waits & (world.ends <= truth.days + FORTNIGHT))), rng)  # fmt: skip
        late.add(said.total, said.total_variance, int(waits.sum()), rng)
    for when, score in (("14 days", soon), ("in the end", late)):
        row = score.row()
        report.add("in flight", cell=name, by=when, **row)
        _bars(report, f"in flight, {name}, {when}", row["holds"])


def stops(report: Report, name: str, truth: Truth, trials: int, rng: np.random.Generator) -> None:
    """Stop screening as advised, and when the known reach the target; compare what comes in the end."""
    ours, theirs = np.zeros(trials), np.zeros(trials)
    target = int(0.55 * truth.rate * truth.days)
    for trial in range(trials):
        world = make(truth, rng, beyond=80.0)
        for policy, final in ((_advised, ours), (_at_target, theirs)):
            final[trial] = np.sum(world.passes & (world.screened <= policy(world, target))) - target
    over, plain = np.maximum(ours, 0.0), np.maximum(theirs, 0.0)
    low, high = wilson(int(np.sum(ours >= 0)), trials)
    report.add(
        "stop of screening", cell=name, trials=trials, target=target, reached=float(np.mean(ours >= 0)), low=low,
        high=high, over=float(over.mean()), over_p90=float(np.quantile(over, 0.9)),
        over_of_stop_at_target=float(plain.mean()),
        short_where_short=float(-ours[ours < 0].mean()) if np.any(ours < 0) else 0.0,
    )  # fmt: skip
    report.bars.append(Bar(f"reached, {name}", 0.85, float(np.mean(ours >= 0)), ""))
    report.bars.append(
        Bar(f"excess over that of stop at target, {name}", 0.6, over.mean() / plain.mean(), "", most=True)
    )


def _advised(world: World, target: int) -> float:
    for day in np.arange(40.0, world.truth.days + 80.0):
        study = as_known(world, day)
        waits = len(study.subjects) - int(np.sum(~np.isnan(study.subjects.failed)))
        if waits < target:
            continue
        found = funnel(study)
        flight, unknown = in_flight(study, found), nowcast(study, found.reporting)
        if stop_screening(study, target, flight, unknown, arrivals(study, found, days=1)).now.reached >= 0.9:
            return float(day)
    return np.inf


def _at_target(world: World, target: int) -> float:
    known = np.sort(world.known[world.passes])
    return float(known[target - 1]) if len(known) >= target else np.inf


def costs(report: Report, seed: int) -> None:
    """Measure one call of all: 200 sites, 2,000 subjects."""
    truth = replace(Truth(), rate=10.0, sites=200, countries=20)
    for name, lag in (("known at once", 0.0), ("known 6 days late", 6.0)):
        world = make(replace(truth, lag=lag), np.random.default_rng(seed))
        study = as_known(world, truth.days)
        spent = []
        for _ in range(50):
            begun = time.process_time()
            reporting = learn_reporting(study) if lag else at_once(truth.countries)
            found = funnel(study, reporting)
            flight, unknown = in_flight(study, found), nowcast(study, reporting)
            stop_screening(study, len(study.counted) + 100, flight, unknown, arrivals(study, found))
            spent.append(1e3 * (time.process_time() - begun))
        report.add(
            "cost", cell=name, subjects=len(study.subjects), median_ms=float(np.median(spent)), least_ms=min(spent)
        )


def _bars(report: Report, what: str, share: float) -> None:
    report.bars.append(Bar(f"{what}: held", LOWEST, share, ""))
    report.bars.append(Bar(f"{what}: not too wide", HIGHEST, share, "", most=True))
