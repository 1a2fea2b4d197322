"""One question under way: doing nothing, every action, and sets of them, block by block from the same draws.

Where a piece of work ends changes no number; nor does the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from twins.enrollment.course.actions import NOTHING, Plan, committed, lead_days, said
from twins.enrollment.course.applying import problems, touched
from twins.enrollment.course.choosing import Choice, choose, grown, sets_within
from twins.enrollment.course.effects import Effect, Weighed, effects_of, top_stays
from twins.enrollment.course.lanes import Counts
from twins.enrollment.course.prices import CostModel, PricedDays, price_of_days
from twins.enrollment.course.scene import Draws, Scene, check_fits
from twins.enrollment.course.simulate import Outcome, all_countries, simulate_block
from twins.enrollment.course.uniforms import BLOCK
from twins.enrollment.study import Floats, Ints

MOST_KEPT_SETS = 8  # of the sets that were tried, those that are told


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a scene, draws of its future, plans, what things cost, what may be committed."""

    scene: Scene
    draws: Draws
    plans: tuple[Plan, ...]  # beside doing nothing
    costs: CostModel
    price_of_day: float
    days: PricedDays
    seed: int
    budget: float | None = None  # that may be committed
    set_size: int = 2  # the most plans that are tried together
    standing: Plan = NOTHING  # what was recommended before


@dataclass(slots=True)
class Tally:
    """What is kept of a plan, block by block."""

    due: float
    finish: list[Floats] = field(default_factory=list)
    spend: list[Floats] = field(default_factory=list)
    subjects: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # by country, summed over draws


@dataclass(frozen=True, slots=True)
class Excluded:
    """A plan that may not be chosen, and why."""

    plan: Plan
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a question: effects of doing nothing, the plans, the best sets, and the place of the chosen one."""

    effects: tuple[Effect, ...]
    excluded: tuple[Excluded, ...]
    choice: Choice
    top_stays: float
    search: str
    countries: tuple[str, ...]
    subjects: tuple[tuple[float, ...], ...]  # expected from now to the finish, by effect and country
    steps: Floats
    cumulative: tuple[Counts, Counts]  # of doing nothing and of the chosen plan, each (d, m)
    finish: tuple[Floats, Floats]  # likewise, (d,)


class Course:
    """A question being answered. For one thread."""

    def __init__(self, question: Question, threads: int = 1) -> None:
        self.question = question
        scene, first = question.scene, question.draws.block(0)
        check_fits(scene, first)
        self.steps = first.steps
        self._spare = first.new_rate.shape[2]
        self._delays = first.new_delay
        self._threads = threads
        self.excluded: list[Excluded] = []
        self._singles = self._usable()
        self.blocks = -(-question.draws.count // BLOCK)
        usable = [one for one in self._singles[1:] if self._fits(one)]
        self._sets = sets_within(usable, question.set_size, self._fits, self._singles)
        self.stages: list[list[Plan]] = [[*self._singles, *(self._sets or ())]]
        self.standing = self._standing()
        self.countries = all_countries(scene, self.stages[0])
        self.tallies: dict[Plan, Tally] = {}
        self.fans: dict[Plan, list[Counts]] = {NOTHING: []}  # cumulative counts, of the two plans that are told in full
        self.next = 0  # block of the newest stage
        self.done = False

    @property
    def share(self) -> float:
        """How far it is, up to 1."""
        most = 1 + (1 if self._sets is not None else self.question.set_size)
        return 1.0 if self.done else min((len(self.stages) - 1 + self.next / self.blocks) / most, 0.999)

    def go_on(self) -> None:
        """Work on as many blocks as there are threads."""
        numbers = range(self.next, min(self.next + self._threads, self.blocks))
        if len(numbers) > 1:
            with ThreadPoolExecutor(len(numbers)) as pool:
                parts = list(pool.map(self._block, numbers))
        else:
            parts = [self._block(number) for number in numbers]
        for part in parts:
            self._take(part)
        self.next = numbers.stop
        self.close_stage()

    def close_stage(self) -> None:
        """Begin the next stage, or end, where all blocks of the newest are done. The last one is the chosen plan's."""
        if self.next < self.blocks or self.done:
            return
        if len(self.fans) == 1:
            plans = [] if self._sets is not None else self._larger()
            if not plans:
                kept, choice = self._kept(), self._choice()
                chosen = kept[choice.place].plan
                if chosen != NOTHING:
                    self.fans[chosen] = []
                    plans = [chosen]
            if plans:
                self.stages.append(plans)
                self.next = 0
                return
        self.done = True

    def found(self) -> Found:
        """Give what was found. Only at the end."""
        question, kept, choice = self.question, self._kept(), self._choice()
        end = float(self.steps[-1])
        allowed = [self._fits(one.plan) for one in kept]
        tried = len(self.tallies) - len(self._singles)
        over = [Excluded(one.plan, self._beyond(one.plan)) for one in kept if self._beyond(one.plan)]
        effects = effects_of(kept, [self._lead(one.plan) for one in kept], end)
        stays = top_stays([one.total for one, may in zip(kept, allowed, strict=True) if may],
                          sum(allowed[: choice.place]), question.seed)  # fmt: skip
        draws = question.draws.count
        subjects = tuple(tuple((self.tallies[one.plan].subjects / draws).tolist()) for one in kept)
        return Found(
            tuple(effects), (*self.excluded, *over), choice, stays, self._search(tried), self.countries, subjects,
            self.steps,
            (np.concatenate(self.fans[NOTHING]), np.concatenate(self.fans[kept[choice.place].plan])),
            (kept[0].finish, kept[choice.place].finish),
        )  # fmt: skip

    def _kept(self) -> list[Weighed]:
        """Give what is told: doing nothing, the plans, the best sets, and the plan that stands."""
        singles = [self._weighed(plan) for plan in self._singles]
        sets = sorted(
            (self._weighed(plan) for plan in self.tallies if plan not in self._singles),
            key=lambda one: (float(one.total.mean()), said(one.plan)),
        )
        standing = self.standing
        return [*singles, *(one for k, one in enumerate(sets) if k < MOST_KEPT_SETS or one.plan == standing)]

    def _choice(self) -> Choice:
        kept = self._kept()
        standing = next((k for k, one in enumerate(kept) if one.plan == self.standing), 0)
        return choose(kept, [self._fits(one.plan) for one in kept], standing)

    def _usable(self) -> list[Plan]:
        usable: list[Plan] = [NOTHING]
        for plan in self.question.plans:
            wrong = problems(plan, self.question.scene, self._spare)
            if wrong:
                self.excluded.append(Excluded(plan, wrong))
            elif not any(set(plan) == set(one) for one in usable):
                usable.append(plan)
        return usable

    def _standing(self) -> Plan:
        """Give the plan that stands as it is among those tried; add it where it is not, unless it cannot be."""
        wanted = self.question.standing
        for plan in self.stages[0]:
            if set(plan) == set(wanted):
                return plan
        wrong = problems(wanted, self.question.scene, self._spare)
        if wrong:
            self.excluded.append(Excluded(wanted, f"it was recommended before, and no longer can be: {wrong}"))
            return NOTHING
        self.stages[0].append(wanted)
        return wanted

    def _block(self, number: int) -> tuple[Outcome, ...]:
        question = self.question
        return simulate_block(
            question.scene, question.draws, self.stages[-1], self.countries, question.seed, number
        )  # fmt: skip

    def _take(self, outcomes: tuple[Outcome, ...]) -> None:
        question, end = self.question, float(self.steps[-1])
        for plan, one in zip(self.stages[-1], outcomes, strict=True):
            if plan in self.fans:
                self.fans[plan].append(one.cumulative)
            if plan in self.fans and len(self.fans) > 1:
                continue
            tally = self.tallies.setdefault(plan, Tally(one.due, subjects=np.zeros(len(self.countries), np.int64)))
            tally.finish.append(one.finish)
            tally.spend.append(question.costs.spend(one, plan, question.scene, self.countries, end))
            tally.subjects = tally.subjects + one.by_country.sum(axis=0, dtype=np.int64)

    def _weighed(self, plan: Plan) -> Weighed:
        question, tally = self.question, self.tallies[plan]
        finish, spend = np.concatenate(tally.finish), np.concatenate(tally.spend)
        days = price_of_days(finish, question.price_of_day, question.days, question.scene, float(self.steps[-1]))
        return Weighed(plan, finish, spend, spend + days, tally.due)

    def _larger(self) -> list[Plan]:
        """Give the sets that the best of the newest stage may grow into; none where it is no better than what was."""
        size = len(self.stages) + 1
        if size > self.question.set_size:
            return []
        totals = {plan: float(self._weighed(plan).total.mean()) for plan in self.tallies if self._fits(plan)}
        best = min(totals, key=lambda plan: totals[plan])
        if best not in self.stages[-1] or best == NOTHING:
            return []
        return [plan for plan in grown(best, self._singles[1:], self._fits) if plan not in self.tallies]

    def _fits(self, plan: Plan) -> bool:
        return not self._beyond(plan) and not problems(plan, self.question.scene, self._spare)

    def _beyond(self, plan: Plan) -> str:
        budget, once = self.question.budget, committed(plan)
        if budget is None or once <= budget:
            return ""
        return f"it commits {once:,.0f}, and {budget:,.0f} may be committed"

    def _lead(self, plan: Plan) -> float:
        """Give the mean time until all of a plan works [d]: the longest of its actions."""
        scene = self.question.scene
        found = [0.0]
        for action in plan:
            known = lead_days(action)
            if known is None:
                at = scene.countries.index(touched((action,), scene)[0])
                known = float(self._delays[:, at].mean())
            found.append(known)
        return max(found)

    def _search(self, tried: int) -> str:
        if self.question.set_size < 2:
            return "each action alone"
        most = self.question.set_size
        if self._sets is not None:
            return f"each action alone, and all {tried} sets of up to {most} within the budget"
        return f"each action alone, and {tried} sets of up to {most}, grown from the best by one action at a time"


def answered(question: Question, threads: int = 1, heard: Callable[[float], None] | None = None) -> Found:
    """Answer a question to the end."""
    course = Course(question, threads)
    while not course.done:
        course.go_on()
        if heard is not None:
            heard(course.share)
    return course.found()
