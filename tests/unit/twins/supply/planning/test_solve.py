"""CP-SAT: never worse than greedy, equal for equal inputs, bounds below the best, the classic job shops proved."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from tests.unit.twins.supply.planning.cases import draw, lost
from twins.supply.planning import Problem, check_plan, solve
from twins.supply.planning.bound import lower_bound
from twins.supply.planning.freezing import freeze
from twins.supply.planning.jobshop import INSTANCES, faults, shortest
from twins.supply.planning.problem import Assignment, Patient, Pool, Resource, Stage, Weights

pytest.importorskip("ortools")


@pytest.mark.parametrize("make", [draw, lost])
def test_a_solved_plan_passes_the_check_and_is_never_worse_than_greedy(make: object) -> None:
    better = 0
    for seed in range(5):
        found = solve(make(seed), most_work=0.1)  # type: ignore[operator]
        assert found.check.violations == ()
        assert found.bound <= found.cost <= found.greedy_cost
        assert found.proved == (found.gap == 0.0) or found.cost == 0
        better += found.cost < found.greedy_cost
    assert better > 1, "the solver never gains anything"


def test_equal_inputs_give_equal_plans() -> None:
    problem = lost(5, patients=14)
    one, two = (solve(problem, seed=3, most_work=0.2) for _ in range(2))
    assert (one.plan, one.bound, one.work) == (two.plan, two.bound, two.work)
    assert not one.wall_hit


def test_a_wall_limit_is_told_and_leaves_the_greedy_plan() -> None:
    times = iter([0.0, 100.0, 200.0])
    found = solve(lost(5), wall_seconds=10.0, clock=lambda: next(times))
    assert found.wall_hit
    assert found.cost == found.greedy_cost


def best_by_trying(problem: Problem) -> int:
    """Try every start and bay of every patient: for problems of a few steps."""
    starts = range(problem.now, problem.horizon)
    units = problem.pools[0].units
    options = []
    for patient in problem.patients:
        mine: list[tuple[Assignment, ...]] = [()]
        make = patient.stages[0]
        for start, unit, slot in product(starts, units, starts):
            if patient.ready <= start and start + make.duration <= slot <= patient.latest:
                mine.append((Assignment(patient.id, "make", start, unit), Assignment(patient.id, "infusion", slot)))
        options.append(mine)
    best = 1 << 60
    for rows in product(*options):
        check = check_plan(problem, [one for row in rows for one in row])
        if check.feasible:
            best = min(best, check.terms.total)
    return best


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_what_trying_everything_finds(seed: int) -> None:
    stages = (Stage("make", 2, "bays"), Stage("infusion", 1))
    people = tuple(Patient(f"P{k}", 1 + k % 2, (seed + k) % 3, 2 + k, 6, stages) for k in range(3))
    problem = Problem(
        "n", 0, 8, people, (Resource("b0", changeover=1 + seed % 2),), (Pool("bays", ("b0",)),),
        weights=Weights((5, 2), unplaced=20),
    )  # fmt: skip
    found = solve(problem)
    assert found.proved
    assert found.cost == best_by_trying(problem)


@pytest.mark.parametrize("make", [draw, lost])
def test_the_bound_by_prices_is_never_above_the_best_plan(make: object) -> None:
    tight = 0
    for seed in range(7):
        problem = make(seed, 5, 2)  # type: ignore[operator]
        found = solve(problem, most_work=0.5)
        alone = lower_bound(problem, freeze(problem), found.greedy_cost)
        assert alone <= found.cost
        tight += alone > 0
    assert tight > 1, "the bound says nothing"


@pytest.mark.parametrize("instance", [INSTANCES[0], INSTANCES[1], INSTANCES[5]], ids=lambda one: one.name)
def test_a_classic_job_shop_is_proved_at_its_published_optimum(instance: object) -> None:
    found = shortest(instance.jobs)  # type: ignore[attr-defined]
    assert found.proved
    assert found.length == instance.optimum  # type: ignore[attr-defined]
    assert faults(instance.jobs, found) == []  # type: ignore[attr-defined]


def test_without_patients_there_is_nothing_to_plan() -> None:
    found = solve(msgspec.structs.replace(draw(1), patients=()))
    assert (found.plan, found.cost, found.proved) == ((), 0, True)
