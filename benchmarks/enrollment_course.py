"""What it takes to weigh actions on a study: 200 sites, 20 capped countries, 24 months, all from the same draws.

Doing nothing and eight actions with 10,000 draws, warm; one scenario with 100,000 draws; and how far common draws
narrow the difference between an action and doing nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.report import Bar, Report, add_out, given
from twins.enrollment.ahead import Ahead
from twins.enrollment.course import NOTHING, Held, Plan, Scene, simulate
from twins.enrollment.course.actions import (
    AddCountry,
    BoostSite,
    CloseSites,
    OpenSites,
    RaiseCap,
    RelaxCriterion,
    ReplaceSite,
    said,
)
from twins.enrollment.study import MONTH

MOST_SECONDS, MOST_SECONDS_ONE = 6.0, 8.0
RATE = 0.3 / MONTH  # subjects a day and site
PLANS: tuple[Plan, ...] = (
    NOTHING,
    (OpenSites("C00", 3),),
    (OpenSites("C07", 5),),
    (BoostSite("S3", 1.5),),
    (RaiseCap("C05", 20),),
    (RelaxCriterion("age", 0.4, 0.2),),
    (CloseSites(("S1", "S2")),),
    (ReplaceSite("S7"),),
    (AddCountry("XX", 5, 0.3),),
)


def study(draws: int, seed: int, sites: int = 200, countries: int = 20, months: int = 24) -> tuple[Scene, Held]:
    """Give a study, half of whose sites are open, and draws of its future."""
    rng = np.random.default_rng(seed)
    later = np.arange(sites) >= sites // 2
    ahead = Ahead(
        MONTH * np.arange(months + 1.0),
        rng.gamma(1.5, RATE / 1.5, (draws, sites)),
        np.exp(np.cumsum(0.05 * rng.standard_normal((draws, countries, months)), axis=2)),
        np.where(later, rng.gamma(10.0, 20.0, (draws, sites)), 0.0),
        rng.gamma(1.5, RATE / 1.5, (draws, countries, 5)),
        rng.gamma(10.0, 20.0, (draws, countries, 5)),
    )
    scene = Scene(
        0.0,
        tuple(f"S{k}" for k in range(sites)),
        np.arange(sites) % countries,
        np.full(sites, np.inf),
        tuple(bool(one) for one in ~later),
        tuple(f"C{k:02}" for k in range(countries)),
        np.full(countries, 55.0),
        0,
        600,
        400.0,
    )
    return scene, Held(ahead)


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="enrollment_course", description=__doc__)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=100_000, help="draws of the one large scenario")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("enrollment_course", "Actions on a study, weighed from the same draws.", given(options))
    scene, held = study(options.draws, options.seed)
    _, apart = study(options.draws, options.seed + 1)
    simulate(scene, study(600, options.seed)[1], PLANS, seed=options.seed, threads=options.threads)
    took = []
    for _ in range(options.repeats):
        begun = time.perf_counter()
        found = simulate(scene, held, PLANS, seed=options.seed, threads=options.threads)
        took.append(time.perf_counter() - begun)
    other = simulate(scene, apart, PLANS, seed=options.seed + 1, threads=options.threads)
    end = float(found.steps[-1])
    base = np.minimum(found.outcomes[0].finish, end)
    for plan, one, far in zip(PLANS[1:], found.outcomes[1:], other.outcomes[1:], strict=True):
        gained, alone = base - np.minimum(one.finish, end), base - np.minimum(far.finish, end)
        error = float(gained.std() / np.sqrt(len(gained)))
        report.add(
            "actions", plan=said(plan), days_gained=float(gained.mean()), standard_error=error,
            sd_with_common_draws=float(gained.std()), sd_with_others=float(alone.std()),
            ratio=float(gained.std() / alone.std()),
        )  # fmt: skip
    ratio = max(row["ratio"] for row in report.tables["actions"])
    report.bars.append(
        Bar(f"{len(PLANS)} plans, {options.draws:,} draws", MOST_SECONDS, float(np.median(took)), "s", most=True)
    )
    del held, apart, found, other
    scene, held = study(options.many, options.seed)
    begun, cpu = time.perf_counter(), time.process_time()
    simulate(scene, held, seed=options.seed, threads=options.threads)
    spent = time.perf_counter() - begun
    report.notes.append(
        f"One scenario of {options.many:,} draws took {time.process_time() - cpu:.2f} s of processor time."
    )
    report.bars.append(Bar(f"one scenario, {options.many:,} draws", MOST_SECONDS_ONE, spent, "s", most=True))
    report.bars.append(Bar("sd of a difference with common draws, of that with others", 0.5, ratio, "", most=True))
    report.write(options.out)
    return 0
