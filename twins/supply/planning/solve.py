"""A plan by CP-SAT from the greedy one: whole where the problem is small, else one neighbourhood after another, with
quick tries of taking out and putting back between them.

A search is a sequence of steps; each depends on the problem, the seed and what the steps before found, and limits are
counted in the solver's deterministic seconds. So where it is interrupted changes nothing. What it holds is never worse
than the greedy plan: a step is taken only if it costs less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twins.supply.planning.bound import busiest_pool, lower_bound
from twins.supply.planning.check import Check, check_plan
from twins.supply.planning.costs import Plan, Spots, assignments, cost_of, present_of, total_cost
from twins.supply.planning.greedy import Found, plan_greedily
from twins.supply.planning.model import Part, solve_part
from twins.supply.planning.placing import replace
from twins.supply.planning.problem import Assignment, Patient, Problem
from twins.supply.planning.ruin import recreate
from twins.supply.planning.timetable import Timetable

Floats = NDArray[np.float64]
STANDARD_WORK = 4.0  # deterministic seconds: about ten seconds of one core (assumed; measured in the benchmark)
WHOLE_PATIENTS, WHOLE_PLACES = 40, 600  # a model of so many patients, or patients x units, is tried whole
WHOLE_WORK, PART_WORK = 1.0, 0.25
STEP_WORK = 0.05  # of every step beside the solver's, for building it
FEWEST, FIRST, MOST = 6, 12, 28  # patients of a neighbourhood
TRIES = 60  # of taking out and putting back, in one step
EACH = 5  # every so many steps is a model's, whose work is some five times that of the others
MOST_IDLE = 100  # steps without gain
MOST_STEP_SECONDS = 30.0  # protection of one step


@dataclass(slots=True)
class State:
    """What a search has come to; with the problem and the seed it is all that is needed to go on."""

    plan: dict[str, Spots]
    bound: int = 0
    step: int = 0
    work: float = 0.0
    size: int = FIRST
    idle: int = 0
    proved: bool = False
    cut: bool = False  # a wall limit had a say: the answer may differ elsewhere


@dataclass(slots=True)
class Search:
    """One problem under search."""

    problem: Problem
    seed: int = 0
    most_work: float = STANDARD_WORK
    greedy: Found = field(init=False)
    state: State = field(init=False)

    def __post_init__(self) -> None:
        self.greedy = plan_greedily(self.problem)
        self.present = present_of(self.problem)
        self.pool = busiest_pool(self.problem)
        self.state = State(dict(self.greedy.plan))

    present: Any = field(init=False)
    pool: str = field(init=False)

    @property
    def cost(self) -> int:
        """Points of the best plan so far."""
        return total_cost(self.problem, self.state.plan, self.present)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to do: proved, out of work, or long without gain."""
        state = self.state
        return state.step > 0 and (
            state.proved or state.work >= self.most_work or state.idle >= MOST_IDLE or not self.movable()
        )

    def movable(self) -> list[Patient]:
        """Name the patients of whom something is not frozen."""
        frozen = self.greedy.frozen
        return [
            one
            for one in self.problem.patients
            if one.id not in frozen.lost and len(frozen.kept[one.id]) < len(one.stages)
        ]

    def go_on(self, wall_seconds: float = MOST_STEP_SECONDS) -> None:
        """Make one step: the bound, the whole if it is small, then neighbourhoods, by the model or by trying."""
        state, free = self.state, self.movable()
        if state.step == 0:
            state.bound = lower_bound(self.problem, self.greedy.frozen, self.cost)
            state.proved = state.bound >= self.cost
        elif state.step == 1 and len(free) <= WHOLE_PATIENTS and len(free) * self._units() <= WHOLE_PLACES:
            part = self._solve(free, min(WHOLE_WORK, self.most_work), wall_seconds, linear=1)
            rest = self.cost - sum(self._cost(one, state.plan) for one in free)
            if part.found:
                state.bound = max(state.bound, rest + int(np.ceil(part.bound - 1e-6)))
            state.proved = state.proved or state.bound >= self.cost
        elif free and state.step % EACH == 0:
            self._improve(free, wall_seconds)
        elif free:
            self._recreate(free)
        state.step += 1

    def _improve(self, free: list[Patient], wall_seconds: float) -> None:
        state, before = self.state, self.cost
        part = self._solve(self._neighbours(free), PART_WORK, wall_seconds)
        if part.proved:
            state.size = min(state.size + 1, MOST)
        else:
            state.size = max(state.size - 2, FEWEST)
        state.idle = 0 if self.cost < before else state.idle + 1
        state.proved = state.bound >= self.cost

    def _solve(self, free: list[Patient], work: float, wall_seconds: float, linear: int = 0) -> Part:
        state, frozen = self.state, self.greedy.frozen
        names = {one.id for one in free}
        table = self._booked(names)
        part = solve_part(
            self.problem, table, free, frozen.kept, self.present, state.plan,
            seed=self.seed + state.step, work=work, wall_seconds=wall_seconds, linear=linear,
        )  # fmt: skip
        state.work += part.work + STEP_WORK
        state.cut = state.cut or part.cut
        if part.found:
            plan = {name: spots for name, spots in state.plan.items() if name not in names} | part.plan
            if total_cost(self.problem, plan, self.present) < self.cost:
                state.plan = plan
        return part

    def _units(self) -> int:
        return max((len(one.units) for one in self.problem.pools), default=1)

    def _cost(self, patient: Patient, plan: Plan) -> int:
        return cost_of(self.problem.weights, patient, plan.get(patient.id), self.present[patient.id])

    def _recreate(self, free: list[Patient]) -> None:
        """Take some out and put them back in another order, `TRIES` times."""
        state, frozen = self.state, self.greedy.frozen
        plan = dict(state.plan)
        times = self._times(free)

        def choose(rng: np.random.Generator) -> list[Patient]:
            costs = np.sqrt(np.array([self._cost(one, plan) for one in free], dtype=np.float64))
            focus, near = _focus(costs, times, rng, 3 * FIRST)
            others = rng.choice(near, size=min(int(rng.integers(1, FIRST)), len(near)), replace=False).tolist()
            return [free[focus], *(free[int(k)] for k in others if k != focus)]

        saved = recreate(self.problem, self._booked(set()), plan, frozen.kept, self.present, choose, self._rng(), TRIES)
        state.work += STEP_WORK
        state.idle = 0 if saved else state.idle + 1
        if saved:
            state.plan = plan
        state.proved = state.bound >= self.cost

    def _booked(self, but: set[str]) -> Timetable:
        """Give the timetable of the plan so far, without some patients."""
        frozen = self.greedy.frozen
        table = frozen.timetable.copy()
        for patient in self.problem.patients:
            if patient.id in self.state.plan and patient.id not in but:
                replace(table, patient, frozen.kept[patient.id], self.state.plan[patient.id])
        return table

    def _rng(self) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=np.array([self.seed, self.state.step], dtype=np.uint64)))

    def _times(self, free: list[Patient]) -> Floats:
        return np.array([self._time(one, self.state.step % 3 == 2) for one in free], dtype=np.float64)

    def _neighbours(self, free: list[Patient]) -> list[Patient]:
        """Choose one patient who costs something, and those who hold or want the same time."""
        rng, size = self._rng(), self.state.size
        costs = np.sqrt(np.array([self._cost(one, self.state.plan) for one in free], dtype=np.float64))
        focus, near = _focus(costs, self._times(free), rng, 3 * size)
        weights = 1.0 + 3.0 * costs[near] / max(float(costs[near].max()), 1.0)
        count = min(size, len(near))
        chosen = {focus, *rng.choice(near, size=count, replace=False, p=weights / weights.sum()).tolist()}
        return [free[int(k)] for k in sorted(chosen)]

    def _time(self, patient: Patient, infusion: bool) -> int:
        """Give when a patient holds, or would want, the pool (or the slot)."""
        spots = self.state.plan.get(patient.id)
        if infusion:
            return spots[-1].start if spots else patient.wanted
        k = next((k for k, one in enumerate(patient.stages) if one.pool == self.pool), 0)
        return spots[k].start if spots else max(patient.ready, self.problem.now)


def _focus(costs: Floats, times: Floats, rng: np.random.Generator, count: int) -> tuple[int, NDArray[np.int64]]:
    """Choose a patient by what they cost, and name so many around the same time, or, as often, around one beside it."""
    weights = costs if costs.sum() > 0.0 else costs + 1.0
    focus = int(rng.choice(len(costs), p=weights / weights.sum()))
    centre = times[focus] + rng.normal(0.0, 0.25 * float(np.std(times))) * int(rng.integers(2))
    return focus, np.argsort(np.abs(times - centre), kind="stable")[:count]


@dataclass(frozen=True, slots=True)
class Solved:
    """A plan, judged; `gap` is the share of its points that the bound leaves open; `wall_hit` a limit of time."""

    plan: tuple[Assignment, ...]
    check: Check
    cost: int
    greedy_cost: int
    bound: int
    proved: bool
    wall_hit: bool
    work: float
    steps: int
    search: Search

    @property
    def gap(self) -> float:
        """(cost - bound) / cost, 0 where the plan is proved best."""
        return gap(self.cost, self.bound)


def gap(cost: int, bound: int) -> float:
    """Give the share of a cost that a bound leaves open.

    Examples
    --------
    >>> gap(200, 150), gap(0, 0)
    (0.25, 0.0)
    """
    return max(cost - bound, 0) / cost if cost > 0 else 0.0


def solve(
    problem: Problem,
    seed: int = 0,
    most_work: float = STANDARD_WORK,
    wall_seconds: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> Solved:
    """Plan: greedily, then better.

    Parameters
    ----------
    most_work : float
        Deterministic seconds of the solver in all.
    wall_seconds : float
        Protection [s]: nothing is begun behind it, and it is told when it was hit.

    Raises
    ------
    MissingExtraError
        If OR-tools is not installed.
    """
    began = clock()
    search = Search(problem, seed, most_work)
    while not search.done:
        left = wall_seconds - (clock() - began)
        if left <= 0.05:
            search.state.cut = True
            break
        search.go_on(left)
    return solved(search)


def solved(search: Search) -> Solved:
    """Close a search: the plan is judged once more by the independent check.

    Raises
    ------
    RuntimeError
        If the plan breaks a rule or its points are not those it was chosen for: a bug.
    """
    state, problem = search.state, search.problem
    plan = assignments(problem, state.plan, search.greedy.frozen.kept)
    check = check_plan(problem, plan)
    cost = search.cost
    if check.terms.total != cost or check.violations:
        raise RuntimeError(
            f"expected a plan of {cost} points without faults, received {check.terms} {check.violations[:3]}"
        )
    return Solved(
        plan, check, cost, search.greedy.cost, min(state.bound, cost), state.proved, state.cut, state.work, state.step,
        search,
    )  # fmt: skip
