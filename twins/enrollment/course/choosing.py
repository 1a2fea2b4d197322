"""Which plan to recommend: the lowest expected total with the price of days, and no change for a gain that is noise.

A plan replaces the standing one (doing nothing, where none stands) only where the saving is beyond what the simulation
can tell, and beyond a share of what has to be committed: money that is paid today for a saving that a month's facts may
take back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations

import numpy as np
from msgspec import Struct

from twins.enrollment.course.actions import Plan, committed
from twins.enrollment.course.effects import Weighed

SURE = 2.0  # standard errors of the paired difference
HELD_BACK = 0.10  # assumed: share of the committed money that a saving must exceed; small, for days are dear
MOST_SETS = 60  # sets that are tried one by one; beyond, they grow greedily


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    """The place of the chosen plan, and why in words."""

    place: int
    why: str


def choose(weighed: list[Weighed], allowed: list[bool], standing: int = 0) -> Choice:
    """Choose a plan.

    Parameters
    ----------
    weighed : list of Weighed
        The first is doing nothing.
    allowed : list of bool
        Whether each may be chosen; those over the budget may not.
    standing : int
        Place of the plan that was recommended before.
    """
    means = [float(one.total.mean()) if may else np.inf for one, may in zip(weighed, allowed, strict=True)]
    best = int(np.argmin(means))
    if not allowed[standing]:
        standing = 0
    if best == standing:
        return Choice(best, "doing nothing has the lowest expected total" if best == 0 else "it stays the best plan")
    apart = weighed[standing].total - weighed[best].total
    error = float(apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else np.inf
    saving = float(apart.mean())
    more = max(committed(weighed[best].plan) - committed(weighed[standing].plan), 0.0)
    if saving <= SURE * error:
        return Choice(standing, "no plan saves more than the simulation can tell apart from the standing one")
    if saving <= HELD_BACK * more:
        return Choice(standing, f"the best saves less than {HELD_BACK:.0%} of what it commits")
    return Choice(best, "it has the lowest expected total")


def sets_within(
    singles: list[Plan], most: int, fits: Callable[[Plan], bool], tried: Iterable[Plan] = ()
) -> list[Plan] | None:
    """Give all sets of two up to `most` plans that fit, in order; None where there are more than `MOST_SETS`."""
    found: list[Plan] = []
    known = {frozenset(plan) for plan in tried}
    for size in range(2, most + 1):
        for some in combinations(singles, size):
            plan = tuple(action for one in some for action in one)
            members = frozenset(plan)
            if len(members) == len(plan) and members not in known and fits(plan):
                known.add(members)
                found.append(plan)
                if len(found) > MOST_SETS:
                    return None
    return found


def grown(best: Plan, singles: list[Plan], fits: Callable[[Plan], bool]) -> list[Plan]:
    """Give the sets that add one plan to the best so far, and fit."""
    return [(*best, *one) for one in singles if not set(one) & set(best) and fits((*best, *one))]
