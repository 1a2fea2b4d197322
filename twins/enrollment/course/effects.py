"""What each plan is expected to change against doing nothing, draw by draw, with how sure the simulation is of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from twins.enrollment.course.actions import Action, Plan, committed, flags, said
from twins.enrollment.course.uniforms import generator
from twins.enrollment.study import Floats

REPLICATES = 200  # of the bootstrap
_LOW, _HIGH = 0.05, 0.95


@dataclass(frozen=True, slots=True)
class Weighed:
    """One plan in all draws: day of the finish, money spent, total with the price of days, each of shape (d,)."""

    plan: Plan
    finish: Floats
    spend: Floats
    total: Floats
    due: float


class Effect(Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan does. `_se` are Monte Carlo standard errors of paired differences; money in the prices' currency.

    `days_gained` is the mean, with a 90 % interval over the draws; a draw whose study does not finish within the steps
    counts as finishing at their end, and `unfinished` says how many do not. `cost` is spent beyond doing nothing (below
    0 where days saved save more), `cost_per_day_gained` null where no day is gained. `saving` is of the expected total,
    the price of days in it. `best_share`: share of draws in which no other plan's total is lower.
    """

    words: str
    actions: tuple[Action, ...]
    lead_days: float
    flags: tuple[str, ...]
    committed: float
    p_on_time: float
    p_on_time_change: float
    p_on_time_change_se: float
    finish_quantiles: tuple[float, float, float]  # 5, 50, 95 % [d]
    unfinished: float
    days_gained: float
    days_gained_interval: tuple[float, float]
    days_gained_se: float
    spend: float
    cost: float
    cost_interval: tuple[float, float]
    cost_se: float
    cost_per_day_gained: float | None
    cost_per_day_gained_se: float | None
    total: float
    saving: float
    saving_se: float
    best_share: float


def effects_of(weighed: list[Weighed], leads: list[float], end: float) -> list[Effect]:
    """Give the effect of each plan against the first.

    Parameters
    ----------
    leads : list of float
        Mean time until each plan works [d].
    end : float
        Where the steps end [d].
    """
    best = np.min([one.total for one in weighed], axis=0)
    return [_effect(one, weighed[0], lead, end, best) for one, lead in zip(weighed, leads, strict=True)]


def _effect(one: Weighed, base: Weighed, lead: float, end: float, best: Floats) -> Effect:
    finish = np.minimum(one.finish, end)
    gained = np.minimum(base.finish, end) - finish
    cost, saving = one.spend - base.spend, base.total - one.total
    on_time, before = one.finish <= one.due, base.finish <= base.due
    changed = on_time.astype(np.float64) - before
    per_day, per_day_se = _ratio(cost, gained)
    return Effect(
        words=said(one.plan),
        actions=one.plan,
        lead_days=lead,
        flags=tuple(dict.fromkeys(flag for action in one.plan for flag in flags(action))),
        committed=committed(one.plan),
        p_on_time=float(on_time.mean()),
        p_on_time_change=float(changed.mean()),
        p_on_time_change_se=_error(changed),
        finish_quantiles=_three(finish),
        unfinished=float(np.isinf(one.finish).mean()),
        days_gained=float(gained.mean()),
        days_gained_interval=_interval(gained),
        days_gained_se=_error(gained),
        spend=float(one.spend.mean()),
        cost=float(cost.mean()),
        cost_interval=_interval(cost),
        cost_se=_error(cost),
        cost_per_day_gained=per_day,
        cost_per_day_gained_se=per_day_se,
        total=float(one.total.mean()),
        saving=float(saving.mean()),
        saving_se=_error(saving),
        best_share=float((one.total <= best).mean()),
    )


def top_stays(totals: list[Floats], chosen: int, seed: int) -> float:
    """Give how often a plan would still have the lowest expected total had other draws been made (Poisson bootstrap).

    Examples
    --------
    >>> import numpy as np
    >>> few = np.arange(50.0)
    >>> top_stays([few, few + 1.0], 0, 1), top_stays([few, few[::-1].copy()], 1, 1) < 0.9
    (1.0, True)
    """
    if len(totals) == 1:
        return 1.0
    table = np.stack(totals)
    source = generator(seed, "bootstrap", 0)
    kept = 0
    for _ in range(REPLICATES):
        weights: Floats = np.asarray(source.poisson(1.0, table.shape[1]), dtype=np.float64)
        means = table @ weights
        kept += bool(means[chosen] <= means.min())
    return kept / REPLICATES


def _ratio(cost: Floats, gained: Floats) -> tuple[float | None, float | None]:
    """Give money per day gained, and its standard error by the delta method; none where no day is surely gained."""
    days, error = float(gained.mean()), _error(gained)
    if days <= 2.0 * error or days <= 0.0:
        return None, None
    ratio = float(cost.mean()) / days
    return ratio, _error(cost - ratio * gained) / days


def _error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, (_LOW, _HIGH))
    return float(low), float(high)


def _three(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, (_LOW, 0.5, _HIGH))
    return float(low), float(middle), float(high)
