"""Some patients are taken out and put back in another order, many times: a quick way out of what greed left behind.

Source: Schrimpf et al., Record breaking optimization results using the ruin and recreate principle, Journal of
Computational Physics 159, 2000. Here a change is kept only if it costs less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from twins.supply.planning.costs import Present, Spots, cost_of
from twins.supply.planning.greedy import place_cheaply
from twins.supply.planning.placing import replace, unplace
from twins.supply.planning.problem import Patient, Problem
from twins.supply.planning.timetable import Timetable


def recreate(
    problem: Problem,
    table: Timetable,
    plan: dict[str, Spots],
    kept: Present,
    present: Present,
    choose: Callable[[np.random.Generator], Sequence[Patient]],
    rng: np.random.Generator,
    tries: int,
) -> int:
    """Better a plan in place, and its timetable with it; give the points that were saved.

    Parameters
    ----------
    choose : callable
        Chooses who is taken out; the first is the one it is about.
    """
    saved = 0
    for _ in range(tries):
        chosen = list(choose(rng))
        old = {one.id: plan.get(one.id) for one in chosen}
        before = sum(cost_of(problem.weights, one, old[one.id], present[one.id]) for one in chosen)
        for one in chosen:
            spots = plan.pop(one.id, None)
            if spots is not None:
                unplace(table, one, kept[one.id], spots)
        for at in _order(chosen, rng):
            found = place_cheaply(table, problem, chosen[at], kept[chosen[at].id], present[chosen[at].id])
            if isinstance(found, tuple):
                plan[chosen[at].id] = found
        after = sum(cost_of(problem.weights, one, plan.get(one.id), present[one.id]) for one in chosen)
        if after < before:
            saved += before - after
            continue
        for one in chosen:
            spots = plan.pop(one.id, None)
            if spots is not None:
                unplace(table, one, kept[one.id], spots)
        for one in chosen:
            spots = old[one.id]
            if spots is not None:
                replace(table, one, kept[one.id], spots)
                plan[one.id] = spots
    return saved


def _order(chosen: Sequence[Patient], rng: np.random.Generator) -> list[int]:
    """The one it is about first; then by the material's expiry, by priority or by chance."""
    rest = list(range(1, len(chosen)))
    way = int(rng.integers(3))
    if way == 0:
        rest.sort(key=lambda at: (chosen[at].latest if chosen[at].expires is None else chosen[at].expires, at))
    elif way == 1:
        rest.sort(key=lambda at: (chosen[at].priority, chosen[at].wanted, at))
    else:
        rest = [rest[int(at)] for at in rng.permutation(len(rest))]
    return [0, *rest]
