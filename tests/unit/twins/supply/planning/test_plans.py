"""Whatever the problem, a plan keeps every rule of the independent check, and who is left out is told why."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.unit.twins.supply.planning.cases import DAY, draw, lost
from twins.supply.planning import Problem, check_plan, plan_greedily, reasons
from twins.supply.planning.costs import assignments
from twins.supply.planning.freezing import freeze
from twins.supply.planning.problem import Assignment, Closing, Patient, Pool, Resource, Stage, Use

SEEDS = range(60)


def written(problem: Problem) -> tuple[Assignment, ...]:
    found = plan_greedily(problem)
    return assignments(problem, found.plan, found.frozen.kept)


@pytest.mark.parametrize("make", [draw, lost])
def test_every_greedy_plan_passes_the_independent_check_and_costs_what_it_says(make: object) -> None:
    left = 0
    for seed in SEEDS:
        problem = make(seed)  # type: ignore[operator]
        found = plan_greedily(problem)
        check = check_plan(problem, assignments(problem, found.plan, found.frozen.kept))
        assert check.violations == (), f"seed {seed}"
        assert check.terms.total == found.cost, f"seed {seed}"
        assert set(check.unplaced) == set(found.blocked), f"seed {seed}"
        left += len(check.unplaced)
    assert left > 5, "the cases never lack room"


@pytest.mark.parametrize("seed", [3, 11, 29])
def test_a_plan_that_is_spoiled_is_found_out(seed: int) -> None:
    problem = draw(seed)
    plan = written(problem)
    rng = np.random.Generator(np.random.Philox(key=seed))
    for at in rng.choice(len(plan), 12, replace=False):
        one = plan[at]
        for start in (one.start - 40 * DAY, one.start + 50 * DAY):
            spoiled = (*plan[:at], msgspec.structs.replace(one, start=start), *plan[at + 1 :])
            assert check_plan(problem, spoiled).violations, one


def test_each_rule_has_its_name_when_it_is_broken() -> None:
    stages = (Stage("make", 10, "bays"), Stage("infusion", 2, "", (Use("site"),)))
    bays = (Resource("b0", changeover=3), Resource("b1", closed=(Closing(0, 50),)), Resource("site", 1))
    people = tuple(Patient(name, 1, 5, 20, 40, stages, 30) for name in ("A", "B"))
    problem = Problem("n", 0, 100, people, bays, (Pool("bays", ("b0", "b1")),))

    def broken(*rows: tuple[str, str, int, str]) -> set[str]:
        return {one.constraint for one in check_plan(problem, [Assignment(*row) for row in rows]).violations}

    good = (("A", "make", 5, "b0"), ("A", "infusion", 15, ""))
    assert broken(*good) == set()
    assert broken(*good, ("B", "make", 17, "b0"), ("B", "infusion", 27, "")) == {"changeover"}
    assert broken(*good, ("B", "make", 14, "b0"), ("B", "infusion", 27, "")) == {"capacity", "changeover"}
    assert broken(*good, ("B", "make", 18, "b1"), ("B", "infusion", 28, "")) == {"capacity"}
    assert broken(*good, ("B", "make", 18, "b0"), ("B", "infusion", 27, "")) == {"order"}
    assert broken(("A", "make", 4, "b0"), ("A", "infusion", 41, "")) == {"ready", "latest"}
    assert broken(("A", "make", 31, "b0"), ("A", "infusion", 41, "")) == {"expires", "latest"}
    assert broken(("A", "make", 5, "b0")) == {"part"}
    assert broken(("A", "make", 5, "site"), ("A", "infusion", 15, "")) == {"pool", "capacity"} - {"capacity"}
    assert broken(("Z", "make", 5, "b0")) == {"unknown"}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_frozen_stays_unless_the_world_took_it(seed: int) -> None:
    problem = lost(seed)
    frozen = freeze(problem)
    new = {(one.patient, one.stage): one for one in written(problem)}
    fell = {(one.patient, one.stage) for one in frozen.broken}
    until = problem.now + problem.freeze
    for one in problem.plan:
        if one.start < until and (one.patient, one.stage) not in fell:
            assert new[one.patient, one.stage] == one
    for stage in fell:
        assert any(one.patient == stage[0] for one in frozen.broken)


def test_without_a_loss_the_present_plan_stays_as_it_is() -> None:
    for seed in range(20):
        problem = draw(seed)
        plan = written(problem)
        again = msgspec.structs.replace(problem, plan=plan, freeze=DAY)
        assert written(again) == plan, f"seed {seed}"


def test_who_is_left_out_is_told_which_limit_and_what_would_relax_it() -> None:
    stages = (Stage("make", 10, "bays"), Stage("infusion", 2))
    shut = (Resource("b0", closed=(Closing(0, 50, None, "lost"),)),)
    late = Patient("A", 1, 5, 20, 90, stages, 30)
    problem = Problem("n", 0, 100, (late,), shut, (Pool("bays", ("b0",)),))
    [why] = reasons(problem, ["A"], plan_greedily(problem).blocked)
    assert (why["patient"], why["stage"], why["constraint"], why["alone"]) == ("A", "make", "expires", True)
    assert "20 steps earlier" in why["relax"]
    relaxed = msgspec.structs.replace(problem, patients=(msgspec.structs.replace(late, expires=50),))
    assert plan_greedily(relaxed).blocked == {}
    crowd = tuple(Patient(f"C{k}", 1, 0, 20, 30, stages, 12) for k in range(3))
    full = msgspec.structs.replace(problem, patients=crowd, resources=(Resource("b0"),))
    said = reasons(full, list(plan_greedily(full).blocked), plan_greedily(full).blocked)
    assert [one["alone"] for one in said] == [False]


def test_an_infusion_does_not_move_once_depletion_has_begun_and_is_named_when_it_cannot_stay() -> None:
    problem = next(
        one for one in map(lost, range(200)) if any(p.depletion is not None and p.depletion.begun for p in one.patients)
    )
    who = next(p for p in problem.patients if p.depletion is not None and p.depletion.begun)
    was = next(one for one in problem.plan if one.patient == who.id and one.stage == "infusion")
    assert was in written(problem)
    site = who.stages[-1].uses[0].resource
    gone = tuple(
        msgspec.structs.replace(one, closed=(Closing(problem.now, problem.horizon, None, "flood"),))
        if one.name == site
        else one
        for one in problem.resources
    )
    flooded = msgspec.structs.replace(problem, resources=gone)
    if was.start + who.stages[-1].duration > flooded.now:
        blocked = plan_greedily(flooded).blocked[who.id]
        assert blocked.constraint == "depletion"
        assert check_plan(flooded, written(flooded)).violations == ()
