"""Which plan is recommended: the cheapest with the price of days, and none for a gain that is noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.twins.enrollment.course.worlds import world
from twins.enrollment.course import NOTHING, Held, Plan, Prices, Question, Scene, answered, simulate
from twins.enrollment.course.actions import AddCountry, BoostSite, DoNothing, ExtendTimeline, OpenSites, RaiseCap
from twins.enrollment.course.choosing import choose, sets_within
from twins.enrollment.course.effects import Weighed, top_stays

OPEN: Plan = (OpenSites("A", 3, 40_000.0),)
PLANS: tuple[Plan, ...] = (
    OPEN,
    (RaiseCap("B", 10, 5_000.0, lead_days=0.0),),
    (BoostSite("B-3", 1.6, 15_000.0),),
    (ExtendTimeline(90.0),),
)


def asked(price: float, plans: tuple[Plan, ...] = PLANS, draws: int = 900, **more: Any) -> Question:
    scene, held = world(draws=draws, cap=45.0, wanted=100)
    prices = Prices(per_site_month=1_500.0, per_month=20_000.0, price_of_day=price)
    return Question(scene, held, plans, prices, price, "all", 3, **more)


def weighed(total: list[float], once: float = 0.0) -> Weighed:
    values = np.array(total)
    plan: Plan = (ExtendTimeline(1.0 + abs(float(values.sum())), once),) if once else NOTHING
    return Weighed(plan, values, values, values, 100.0)


def test_where_days_are_worth_nothing_it_says_to_do_nothing() -> None:
    question = replace(asked(0.0), costs=Prices(per_subject=9_000.0))
    found = answered(question)
    assert found.effects[found.choice.place].actions == NOTHING
    assert "doing nothing" in found.choice.why
    assert all(one.saving <= 0.0 for one in found.effects if OPEN[0] in one.actions)


def test_where_days_are_dear_it_acts_and_says_what_it_buys() -> None:
    found = answered(asked(40_000.0))
    best = found.effects[found.choice.place]
    assert OPEN[0] in best.actions
    assert best.days_gained > 5.0
    low, high = best.days_gained_interval
    assert 0.0 <= low < best.days_gained < high
    assert best.saving > 2.0 * best.saving_se > 0.0
    assert best.total == min(one.total for one in found.effects)
    assert best.p_on_time_change > 0.0
    assert best.lead_days == pytest.approx(108.0, rel=0.1)
    assert found.top_stays > 0.5


def test_what_an_effect_says_is_what_the_outcomes_say() -> None:
    question = asked(8_000.0, set_size=1)
    found = answered(question)
    base, opened = simulate(question.scene, question.draws, [NOTHING, OPEN], seed=3).outcomes
    end = found.steps[-1]
    gained = np.minimum(base.finish, end) - np.minimum(opened.finish, end)
    effect = found.effects[1]
    assert effect.days_gained == pytest.approx(gained.mean())
    assert effect.days_gained_se == pytest.approx(gained.std(ddof=1) / 30.0)
    assert effect.p_on_time_change == pytest.approx(opened.on_time.mean() - base.on_time.mean())
    assert effect.cost_per_day_gained is not None
    assert effect.cost_per_day_gained * effect.days_gained == pytest.approx(effect.cost)
    assert effect.saving == pytest.approx(8_000.0 * effect.days_gained - effect.cost)
    assert sum(one.best_share for one in found.effects) >= 1.0


def test_extending_the_timeline_earns_no_days_and_no_money() -> None:
    found = answered(asked(8_000.0, days_late(), set_size=1))
    effect = found.effects[1]
    assert (effect.days_gained, effect.saving, effect.cost_per_day_gained) == (0.0, 0.0, None)
    assert effect.p_on_time_change > 0.0
    assert found.choice.place == 0


def days_late() -> tuple[Plan, ...]:
    return ((ExtendTimeline(90.0),),)


def test_a_gain_that_is_noise_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(0.0, 100.0, 400)
    base = weighed([1000.0] * 400)
    luckily = Weighed(OPEN, base.finish, base.spend, base.total + noise - noise.mean() - 5.0, 100.0)
    assert choose([base, luckily], [True, True]).place == 0
    surely = replace(luckily, total=base.total + noise - noise.mean() - 13_000.0)
    assert choose([base, surely], [True, True]).place == 1


def test_a_saving_below_a_tenth_of_what_is_committed_changes_nothing_but_what_stands_may_stay() -> None:
    base = weighed([1000.0] * 50)
    dear = Weighed((ExtendTimeline(1.0, 10_000.0),), base.finish, base.spend, base.total - 900.0, 100.0)
    assert choose([base, dear], [True, True]).place == 0
    assert choose([base, dear], [True, True], standing=1).place == 1
    assert choose([base, dear], [True, False], standing=1).place == 0


def test_what_is_over_the_budget_is_told_and_never_chosen() -> None:
    found = answered(asked(40_000.0, budget=30_000.0))
    assert OPEN in [one.plan for one in found.excluded]
    assert OPEN[0] not in found.effects[found.choice.place].actions
    assert any("120,000" in one.reason for one in found.excluded)
    assert all(one.committed <= 30_000.0 for one in found.effects[5:])


def test_what_cannot_be_done_is_told_with_the_reason() -> None:
    found = answered(asked(8_000.0, (*PLANS, (BoostSite("nobody", 2.0),), (OpenSites("A", 9),))))
    reasons = {one.plan: one.reason for one in found.excluded}
    assert "not a site" in reasons[(BoostSite("nobody", 2.0),)]
    assert "hold 4 new sites" in reasons[(OpenSites("A", 9),)]


def test_a_greedy_search_finds_what_trying_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: tuple[Plan, ...] = (*PLANS[:3], (AddCountry("Z", 3, 0.5, cost=50_000.0),))
    every = answered(asked(20_000.0, plans, set_size=3))
    monkeypatch.setattr("twins.enrollment.course.choosing.MOST_SETS", 1)
    grown = answered(asked(20_000.0, plans, set_size=3))
    assert set(grown.effects[grown.choice.place].actions) == set(every.effects[every.choice.place].actions)
    assert "grown from the best" in grown.search
    assert "all 10 sets" in every.search


def test_the_plan_that_stands_is_weighed_even_if_nobody_proposes_it() -> None:
    standing: Plan = (OpenSites("B", 2, 1_000.0), AddCountry("Z", 2, 0.5))
    found = answered(asked(8_000.0, PLANS[:1], standing=standing))
    assert standing in [one.actions for one in found.effects]
    assert found.countries == ("A", "B", "C", "Z")
    gone = answered(asked(8_000.0, PLANS[:1], standing=(BoostSite("nobody", 2.0),)))
    assert "recommended before" in gone.excluded[0].reason


def test_sets_hold_no_action_twice_and_each_set_once() -> None:
    one, two, both = (ExtendTimeline(1.0),), (RaiseCap("A", 1),), (ExtendTimeline(1.0), RaiseCap("A", 1))
    assert sets_within([one, two, both], 2, lambda _: True, [one, two, both]) == []
    assert sets_within([one, two], 2, lambda _: True) == [both]
    assert (DoNothing(),) == NOTHING


def test_a_close_race_is_said_to_be_one() -> None:
    rng = np.random.default_rng(5)
    one, two = rng.normal(0.0, 1.0, 500), rng.normal(0.0, 1.0, 500)
    assert 0.1 < top_stays([one - one.mean(), two - two.mean()], 0, 1) < 0.9
    assert top_stays([one - 1.0, two], 0, 1) == 1.0


def test_more_sites_never_lower_the_chance_of_being_on_time() -> None:
    scene, held = world(draws=2000)
    plans: list[Plan] = [NOTHING, *((OpenSites("A", k),) for k in (1, 2, 3, 4))]
    chances = [one.on_time.mean() for one in simulate(scene, Held(held.ahead), plans, seed=1).outcomes]
    assert chances == sorted(chances)
    assert isinstance(scene, Scene)


def test_longer_is_never_cheaper_on_what_runs_with_time() -> None:
    scene, held = world(draws=800)
    prices = Prices(per_site_month=1_000.0, per_month=9_000.0)
    found = simulate(scene, held, [NOTHING, (OpenSites("A", 0 + 1),)], seed=1)
    base = found.outcomes[0]
    longer = replace(base, finish=base.finish + 30.0, open_days=base.open_days + 30.0)
    end = float(found.steps[-1]) + 100.0
    cost = [prices.spend(one, NOTHING, scene, found.countries, end) for one in (base, longer)]
    assert (cost[1] > cost[0]).all()
    fixed = Prices(per_subject=7_000.0, fixed=3.0)
    cost = [fixed.spend(one, NOTHING, scene, found.countries, end) for one in (base, longer)]
    assert np.array_equal(cost[0], cost[1])
