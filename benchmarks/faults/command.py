"""How fast and how surely faults are found and named in a simulated vessel in closed loop, and how often wrongly.

Truth (the plant) and detector are separate code; the detector is told nominal values only, and each run differs from
them. Sizes are in sd of the channel's healthy closed-loop residual; delays count from the minute in which the effect,
against a healthy twin with the same noise, first exceeds 1 sd.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.faults.campaign import Scored, faults, healthy
from benchmarks.faults.live import alike
from benchmarks.faults.sampled import report_samples
from benchmarks.faults.scenarios import NEVER
from benchmarks.intervals import NORMAL_95, wilson
from benchmarks.report import Bar, Report, add_out, given

SWAP_LEAST = 5.0  # sd: below it a swap exchanges what is nearly the same
BAR_KIND, BAR_ALL, BAR_LARGE, BAR_NAMED, BAR_FALSE, BAR_MOVED = 0.9, 0.95, 0.95, 0.9, 0.05, 0.5
CURVE = (2.0, 3.0, 4.0)  # sd: reported, no bar


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="of each kind and size")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--healthy-days", type=float, default=3000.0, help="unit-days of each of the three healthy fleets"
    )
    parser.add_argument("--kinds", nargs="*", default=[], help="only these kinds of faults")
    parser.add_argument(
        "--through-block", type=int, default=0, metavar="N",
        help="instead, put N runs of each kind through the live block as events, and sample a healthy fleet",
    )  # fmt: skip
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report(
        "faults", "Faults put into a simulated vessel in closed loop, and what was said of them.", given(options)
    )
    if options.through_block > 0:
        report.name, report.about = "faults_live", "The same faults through the live block and the bare detector."
        alike(report, options.through_block, options.seed, options.kinds)
        if options.healthy_days > 0:
            report_samples(report, options.healthy_days, options.seed)
        report.write(options.out)
        return 0
    _report_faults(report, faults(options.runs, options.seed, options.kinds))
    if options.healthy_days > 0:
        _report_healthy(report, options.healthy_days, options.seed)
    report.notes += [
        "`in time`: within the deadline after onset where there is one, and before a true value leaves its range.",
        "Intervals are Wilson's (95 %). `named` is the channel alone; `in_set` also counts a set of two that holds it;",
        "`right` counts the set only where no third witness exists (`scenarios.PAIRS`).",
        "An alarm of a healthy vessel is false, whatever its kind; every raise counts.",
        "A run in which the effect never exceeds 1 sd is left out; so is a swap of less than 5 sd.",
    ]
    report.write(options.out)
    return 0


def false_rate(alarms: int, unit_days: float) -> tuple[float, float, float]:
    """Give alarms per unit-day with their 95 % interval: Poisson, by Byar's approximation (Breslow and Day 1987)."""
    z = NORMAL_95
    low = alarms * (1 - 1 / (9 * alarms) - z / (3 * math.sqrt(alarms))) ** 3 if alarms else 0.0
    up = alarms + 1
    high = up * (1 - 1 / (9 * up) + z / (3 * math.sqrt(up))) ** 3
    return alarms / unit_days, low / unit_days, high / unit_days


def in_time(scored: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Say which runs count, and in which of them the alarm came in time."""
    counts = scored.onset < NEVER
    if scored.scenario.kind == "swap":
        counts &= scored.size >= SWAP_LEAST
    delay = scored.alarm - scored.onset
    within = (scored.alarm < NEVER) & (delay <= scored.scenario.deadline)
    return counts, counts & within & (scored.alarm <= scored.limit)


def _report_faults(report: Report, all_scored: Sequence[Scored]) -> None:
    total = hits = 0
    for scored in all_scored:
        scenario = scored.scenario
        if scenario.kind == "spike":
            _report_spikes(report, scored)
            continue
        counts, good = in_time(scored)
        found = counts & (scored.alarm < NEVER)
        n, k, m = int(counts.sum()), int(good.sum()), int(found.sum())
        low, high = wilson(k, n)
        report.add(
            "faults",
            fault=scenario.name,
            runs=n,
            deadline_min=scenario.deadline if scenario.deadline < NEVER else "limit",
            in_time=k / max(n, 1),
            from_=low,
            to=high,
            median_delay_min=float(np.median((scored.alarm - scored.onset)[found])) if m else None,
            before_limit=float((scored.alarm <= scored.limit)[counts].mean()) if n else None,
            named=float(scored.exact[found].mean()) if m else None,
            in_set=float(scored.in_set[found].mean()) if m else None,
            right=float(scored.right[found].mean()) if m else None,
        )
        if scenario.size in CURVE:
            continue
        total, hits = total + n, hits + k
        strict = scenario.kind in ("step", "gain loss", "swap", "drift") or scenario.deadline == 30
        bar = BAR_LARGE if strict else BAR_KIND
        report.bars.append(Bar(f"{scenario.name}: in time", bar, k / max(n, 1), "of runs"))
        right = float(scored.right[found].mean()) if m else 0.0
        report.bars.append(Bar(f"{scenario.name}: rightly named", BAR_NAMED, right, "of alarms"))
    if total:
        report.bars.append(Bar("all kinds together, 5 sd and more: in time", BAR_ALL, hits / total, "of runs"))


def _report_spikes(report: Report, scored: Scored) -> None:
    quiet = ~((scored.alarm < NEVER) & (scored.alarm <= 30))
    still = scored.moved < BAR_MOVED
    report.add(
        "spikes",
        runs=len(quiet),
        logged=float(scored.logged.mean()),
        no_alarm_within_30_min=float(quiet.mean()),
        estimate_moved_less_than_half_sd=float(still.mean()),
        largest_move_sd=float(scored.moved.max()),
    )
    fine = float((scored.logged & quiet & still).mean())
    report.bars.append(Bar("spike: logged, no alarm, estimate still", BAR_KIND, fine, "of runs"))


def _report_healthy(report: Report, unit_days: float, seed: int) -> None:
    for fleet, student, shifted in (
        ("Gaussian", False, False),
        ("Student t(5)", True, False),
        ("benign shifts", False, True),
    ):
        days, alarms, of = healthy(unit_days, seed, student=student, shifted=shifted)
        rate, low, high = false_rate(alarms, days)
        most = ", ".join(f"{what} {count}" for what, count in of.most_common(4))
        report.add(
            "false alarms", fleet=fleet, unit_days=days, alarms=alarms, per_unit_day=rate, from_=low, to=high, of=most
        )
        report.bars.append(Bar(f"false alarms, {fleet}", BAR_FALSE, rate, "per unit-day", most=True))
