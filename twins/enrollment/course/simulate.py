"""Simulate a study and what plans would make of it, all from the same draws.

Each country's subjects come step by step (`lanes.py`); the study stops at its target, on a day that lies within its
step as the order statistics of uniform arrivals do. Only countries that a plan changes are drawn again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from schemas.errors import ShapeError
from twins.enrollment.course.actions import NOTHING, ExtendTimeline, Plan
from twins.enrollment.course.applying import Setting, applied, base_lanes, concerns, problems, touched
from twins.enrollment.course.lanes import Counts, Lanes, brought
from twins.enrollment.course.scene import Draws, Scene, check_fits
from twins.enrollment.course.uniforms import BLOCK
from twins.enrollment.study import Floats


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one plan comes to, draw by draw.

    `finish` (d,): day of the last subject that is wanted, inf where the steps end first. `cumulative` (d, m): subjects
    of the study by the end of each step, those there are among them. `by_country` (d, c): subjects that come from now
    on until the finish, and `open_days` (d, c) the days that sites are open until then, or until the steps end.
    `due`: day that counts as on time under the plan. `by_step` (d, c, m): subjects by country from now to the end of
    each step, none after the finish; without steps unless it was asked for.
    """

    finish: Floats
    cumulative: Counts
    by_country: Counts
    open_days: Floats
    due: float
    by_step: Counts

    @property
    def on_time(self) -> Floats:
        """1 where the study finishes by the day that is due, else 0, shape (d,)."""
        return (self.finish <= self.due).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Simulated:
    """The outcomes of plans, in their order, with the countries that their columns are of and the edges of steps."""

    countries: tuple[str, ...]
    steps: Floats
    outcomes: tuple[Outcome, ...]


def simulate(
    scene: Scene,
    draws: Draws,
    plans: Sequence[Plan] = (NOTHING,),
    *,
    seed: int,
    threads: int = 1,
    by_step: bool = False,
) -> Simulated:
    """Simulate plans from the same draws.

    Parameters
    ----------
    plans : sequence of Plan
        The first should be `NOTHING` where others are compared with it.
    threads : int
        Blocks of draws are worked on by so many. No number changes with it.
    by_step : bool
        Whether outcomes hold counts by country and step, which take 4 bytes each.

    Raises
    ------
    ShapeError
        If draws and scene do not fit, or a plan cannot be applied.
    """
    blocks = range(-(-draws.count // BLOCK))
    first = draws.block(0)
    check_fits(scene, first)
    for plan in plans:
        wrong = problems(plan, scene, first.new_rate.shape[2])
        if wrong:
            raise ShapeError(f"expected a plan that fits the study, received {plan}: {wrong}")
    countries = all_countries(scene, plans)

    def work(number: int) -> tuple[Outcome, ...]:
        return simulate_block(scene, draws, plans, countries, seed, number, by_step)

    if threads <= 1 or len(blocks) == 1:
        parts: Iterable[tuple[Outcome, ...]] = map(work, blocks)
        return Simulated(countries, first.steps, joined(list(parts)))
    with ThreadPoolExecutor(threads) as pool:
        return Simulated(countries, first.steps, joined(list(pool.map(work, blocks))))


def all_countries(scene: Scene, plans: Sequence[Plan]) -> tuple[str, ...]:
    """Name the countries of the scene, then those that plans add, in order."""
    return tuple(dict.fromkeys((*scene.countries, *(name for plan in plans for name in touched(plan, scene)))))


def joined(parts: Sequence[tuple[Outcome, ...]]) -> tuple[Outcome, ...]:
    """Put the blocks of each plan together, in order."""
    return tuple(
        Outcome(
            np.concatenate([part.finish for part in of]),
            np.concatenate([part.cumulative for part in of]),
            np.concatenate([part.by_country for part in of]),
            np.concatenate([part.open_days for part in of]),
            of[0].due,
            np.concatenate([part.by_step for part in of]),
        )
        for of in zip(*parts, strict=True)
    )


def simulate_block(
    scene: Scene,
    draws: Draws,
    plans: Sequence[Plan],
    countries: tuple[str, ...],
    seed: int,
    number: int,
    by_step: bool = False,
) -> tuple[Outcome, ...]:
    """Simulate every plan in one block of draws."""
    setting = Setting(scene, draws.block(number), seed, number)
    base = {name: base_lanes(setting, name) for name in countries}
    edges = setting.ahead.steps
    came = {name: brought(lanes, name, edges, seed, number) for name, lanes in base.items()}
    known: dict[tuple[str, Plan], tuple[Lanes, Counts]] = {}  # sets of actions share what each does to a country
    found = []
    for plan in plans:
        lanes, counts = dict(base), dict(came)
        for name in touched(plan, scene):
            key = (name, tuple(action for action in plan if concerns(action, name, scene)))
            if key not in known:
                changed = applied(plan, name, setting)
                known[key] = changed, brought(changed, name, edges, seed, number)
            lanes[name], counts[name] = known[key]
        found.append(_ended(plan, setting, lanes, counts, by_step))
    return tuple(found)


def _ended(plan: Plan, setting: Setting, lanes: dict[str, Lanes], counts: dict[str, Counts], by_step: bool) -> Outcome:
    scene, edges = setting.scene, setting.ahead.steps
    each = np.stack(list(counts.values()), axis=1)  # (d, c, m)
    total = each.sum(axis=1, dtype=np.int32)
    place, finish = _finished(total, scene.need, setting)
    by_country = _shared(each, total, place, scene.need, setting)
    until = np.minimum(finish, edges[-1])
    open_days = np.stack([one.open_days(scene.as_of, until) for one in lanes.values()], axis=1)
    later = sum(action.days for action in plan if isinstance(action, ExtendTimeline))
    cumulative = (scene.have + np.minimum(total, scene.need)).astype(np.int32)
    steps = np.zeros((len(finish), 0, 0), dtype=np.int32)
    if by_step:
        before = np.arange(each.shape[2]) < place[:, None, None]
        steps = np.where(before, each, by_country[:, :, None]).astype(np.int32)
    return Outcome(finish, cumulative, by_country, open_days, scene.due + later, steps)


def _finished(total: Counts, need: int, setting: Setting) -> tuple[Counts, Floats]:
    """Give the step in which the last wanted subject comes, m where none does, and the day [d]."""
    edges = setting.ahead.steps
    draws, steps = total.shape
    place = (total < need).sum(axis=1).astype(np.int32)
    finish = np.full(draws, np.inf if need else setting.scene.as_of)
    rows = np.flatnonzero(place < steps) if need else np.zeros(0, np.int64)
    at = place[rows]
    before = np.where(at > 0, total[rows, at - 1], 0)
    came, rank = total[rows, at] - before, need - before
    u = setting.uniforms("day", 1)[rows, 0]
    finish[rows] = edges[at] + np.diff(edges)[at] * betaincinv(rank, came - rank + 1, u)
    return place, finish


def _shared(each: Counts, total: Counts, place: Counts, need: int, setting: Setting) -> Counts:
    """Give subjects by country until the finish: of the last step, each country's share, by systematic sampling."""
    draws, _, steps = each.shape
    rows, last = np.arange(draws), np.minimum(place, steps - 1)
    upto = each[rows, :, last]
    if not need:
        return np.zeros_like(upto)
    before = np.where((last > 0)[:, None], each[rows, :, last - 1], 0)
    over = place < steps
    came = np.where(over, total[rows, last] - before.sum(axis=1), 1)
    rank = np.where(over, need - before.sum(axis=1), 1)
    reached = np.cumsum(upto - before, axis=1)
    u = setting.uniforms("share", 1)
    marks = np.floor(rank[:, None] * reached / came[:, None] + u)
    marks[:, -1] = rank
    share = np.diff(marks, axis=1, prepend=0.0)
    found: Counts = np.where(over[:, None], before + share, upto).astype(np.int32)
    return found
