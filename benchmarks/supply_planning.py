"""Planning a supply network anew after a loss: how soon, how much better than the first plan, how much moves.

500 patients x 24 bays under load; a bay, two bays, a running bay, staff or QC days are lost, over several seeds. And
the classic job shops FT06 and LA01 to LA05, proved at their published optima.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from benchmarks.report import Bar, Report, add_out, given
from benchmarks.supply_planning_cases import LOSSES, lose, network
from twins.supply.planning import check_plan, explain, plan_greedily, solve
from twins.supply.planning.costs import assignments
from twins.supply.planning.freezing import freeze
from twins.supply.planning.jobshop import INSTANCES, faults, shortest
from twins.supply.planning.problem import Assignment, Problem

MOST_FIRST, MOST_SHOP, WALL = 1.0, 5.0, 10.0


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="supply_planning", description=__doc__)
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--bays", type=int, default=24)
    parser.add_argument("--load", type=float, default=0.85)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--wall", type=float, default=WALL, help="seconds of the solver for each loss; 0: greedy alone")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_planning", __doc__ or "", given(options))
    slowest, kept, worse, faulty = 0.0, True, 0, 0
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        planned = network(seed, options.patients, options.bays, load=options.load)
        for kind in LOSSES:
            row, problem, plans = _replan(lose(planned, kind, seed), options.wall)
            report.add("after a loss", seed=seed, loss=kind, **row)
            slowest = max(slowest, float(row["feasible after, s"]))
            worse += row["points"] > row["points at first"]
            for plan in plans:
                kept = kept and _frozen_stays(problem, plan)
                faulty += len(check_plan(problem, plan).violations)
    shop = 0.0
    proved = 0
    for instance in INSTANCES:
        began = time.perf_counter()
        found = shortest(instance.jobs, wall_seconds=30.0)
        took = time.perf_counter() - began
        good = found.proved and found.length == instance.optimum and not faults(instance.jobs, found)
        proved, shop = proved + good, max(shop, took)
        report.add(
            "job shops", instance=instance.name, optimum=instance.optimum, found=found.length, bound=found.bound,
            seconds=round(took, 3),
        )  # fmt: skip
    report.bars += [
        Bar("slowest first feasible plan", MOST_FIRST, round(slowest, 3), "s", most=True),
        Bar("rules broken by any plan", 0, faulty, "", most=True),
        Bar("plans worse than greedy", 0, worse, "", most=True),
        Bar("frozen jobs kept where their resource is there", 1, int(kept), "(1: all)"),
        Bar("job shops proved at their optimum", len(INSTANCES), proved, "of 6"),
        Bar("slowest job shop", MOST_SHOP, round(shop, 3), "s", most=True),
    ]
    report.notes.append(
        "The gap is (points - bound) / points; the bound prices the bays' time and lets all else be alone."
    )
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def _replan(problem: Problem, wall: float) -> tuple[dict[str, float], Problem, list[tuple[Assignment, ...]]]:
    began = time.perf_counter()
    found = plan_greedily(problem)
    took = time.perf_counter() - began
    plans = [assignments(problem, found.plan, found.frozen.kept)]
    row: dict[str, float] = {"feasible after, s": round(took, 3), "points at first": found.cost}
    best, cost, left = plans[0], found.cost, len(found.blocked)
    row["left out at first"] = left
    row["frozen that fell"] = len(found.frozen.broken)
    if wall > 0:
        began = time.perf_counter()
        solved = solve(problem, most_work=600.0, wall_seconds=wall)
        best, cost, left = solved.plan, solved.cost, len(solved.check.unplaced)
        plans.append(best)
        row |= {"bound": solved.bound, "gap": round(solved.gap, 4), "seconds": round(time.perf_counter() - began, 1)}
    nervous = explain(problem, best).nervousness
    return (
        row
        | {
            "points": cost,
            "left out": left,
            "slots moved": nervous["slots_moved"],
            "hours, mean": round(nervous["slots_moved_hours_mean"], 1),
            "stages moved": nervous["stages_moved"],
        },
        problem,
        plans,
    )


def _frozen_stays(problem: Problem, plan: Sequence[Assignment]) -> bool:
    """Say whether all that had started or lay within the freeze stands, but what the loss took."""
    fell = {one.patient for one in freeze(problem).broken}
    new = {(one.patient, one.stage): one for one in plan}
    until = problem.now + problem.freeze
    return all(
        new.get((one.patient, one.stage)) == one
        for one in problem.plan
        if one.start < until and one.patient not in fell
    )
