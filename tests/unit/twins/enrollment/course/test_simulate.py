"""A study and its plans, simulated: laws that hold draw by draw, and closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from schemas.errors import ShapeError
from tests.unit.twins.enrollment.course.worlds import world
from twins.enrollment.ahead import Ahead
from twins.enrollment.course import NOTHING, Held, Plan, Scene, simulate
from twins.enrollment.course import simulate as simulate_function
from twins.enrollment.course.actions import (
    AddCountry,
    BoostSite,
    CloseSites,
    ExtendTimeline,
    OpenSites,
    RaiseCap,
    RelaxCriterion,
    ReplaceSite,
)
from twins.enrollment.course.simulate import Outcome
from twins.enrollment.study import MONTH

PLANS: list[Plan] = [
    NOTHING,
    (OpenSites("A", 2),),
    (BoostSite("B-3", 1.7),),
    (RaiseCap("A", 9),),
    (RelaxCriterion("age", 0.4, 0.3),),
    (AddCountry("Z", 3, 0.6),),
    (OpenSites("A", 4), RaiseCap("A", 20), AddCountry("Z", 3, 0.6)),
]


def one_site(rate: float, draws: int, wanted: int, cap: float = np.inf, steps: int = 40) -> tuple[Scene, Held]:
    edges = np.arange(steps + 1.0) * 10.0
    ahead = Ahead(
        edges, np.full((draws, 1), rate), np.ones((draws, 1, steps)), np.zeros((draws, 1)),
        np.zeros((draws, 1, 0)), np.zeros((draws, 1, 0)),
    )  # fmt: skip
    return Scene(
        0.0, ("S",), np.array([0]), np.array([np.inf]), (True,), ("A",), np.array([cap]), 0, wanted, 100.0
    ), Held(ahead)


@pytest.mark.parametrize("plan", PLANS[1:], ids=str)
def test_more_never_means_fewer_or_later_in_any_draw(plan: Plan) -> None:
    scene, held = world(cap=20.0, site_cap=9.0)
    base, more = simulate(scene, held, [NOTHING, plan], seed=5).outcomes
    assert (more.cumulative >= base.cumulative).all()
    assert (more.finish <= base.finish).all()
    assert more.on_time.mean() >= base.on_time.mean()
    assert (more.cumulative > base.cumulative).any()


def test_closing_sites_never_means_more() -> None:
    scene, held = world()
    base, fewer = simulate(scene, held, [NOTHING, (CloseSites(("A-0", "B-3")),)], seed=5).outcomes
    assert (fewer.cumulative <= base.cumulative).all()
    assert (fewer.finish > base.finish).any()
    assert fewer.open_days[:, 0].mean() < base.open_days[:, 0].mean()


def test_answers_are_equal_however_draws_are_cut_and_whatever_the_threads() -> None:
    scene, held = world(draws=1300, cap=25.0)
    whole = simulate(scene, held, PLANS, seed=5)
    threaded = simulate(scene, held, PLANS, seed=5, threads=3)
    first = Held(Ahead(*(getattr(held.ahead, name)[: None if name == "steps" else 600] for name in Ahead.__slots__)))
    fewer = simulate(scene, first, PLANS, seed=5)
    for one, two, three in zip(whole.outcomes, threaded.outcomes, fewer.outcomes, strict=True):
        for name in ("finish", "cumulative", "by_country", "open_days"):
            assert np.array_equal(getattr(one, name), getattr(two, name))
            assert np.array_equal(getattr(one, name)[:600], getattr(three, name))


def test_a_plan_comes_to_the_same_whatever_is_weighed_beside_it() -> None:
    scene, held = world(draws=400, cap=25.0)
    relax, add, both = PLANS[4], PLANS[5], (*PLANS[5], *PLANS[4])
    many = simulate(scene, held, [NOTHING, add, relax, both, PLANS[6]], seed=5).outcomes
    for plan, one in zip([add, relax, both, PLANS[6]], many[1:], strict=True):
        alone = simulate(scene, held, [plan], seed=5).outcomes[0]
        assert np.array_equal(alone.finish, one.finish)
    assert (many[3].finish <= many[1].finish).all()
    assert (many[3].finish < many[1].finish).any()


def test_common_draws_halve_the_deviation_of_a_difference_or_better() -> None:
    scene, held = world(draws=3000, cap=60.0)
    other = Held(world(draws=3000, seed=2)[1].ahead)
    for plan in PLANS[1:-1]:  # the last gains so much, and so differently, that the gain itself is most of what varies
        base, same = (np.minimum(one.finish, 700.0) for one in finishes(scene, held, plan, 5))
        _, apart = (np.minimum(one.finish, 700.0) for one in finishes(scene, other, plan, 6))
        assert np.std(base - same) <= 0.5 * np.std(base - apart), plan


def finishes(scene: Scene, held: Held, plan: Plan, seed: int) -> tuple[Outcome, ...]:
    return simulate(scene, held, [NOTHING, plan], seed=seed).outcomes


def test_only_the_countries_that_a_plan_changes_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    module = importlib.import_module("twins.enrollment.course.simulate")
    drawn: list[str] = []
    real = module.brought

    def counted(lanes, country, *rest):  # type: ignore[no-untyped-def]
        drawn.append(country)
        return real(lanes, country, *rest)

    monkeypatch.setattr(module, "brought", counted)
    scene, held = world(draws=10)
    simulate_function(
        scene, held, [NOTHING, (OpenSites("A", 2),), (ExtendTimeline(30.0),), (ReplaceSite("C-6"),)], seed=1
    )
    assert drawn == ["A", "B", "C", "A", "C"]


def test_the_date_of_the_nth_subject_follows_the_gamma_law() -> None:
    scene, held = one_site(0.3, 20_000, 30)
    finish = simulate(scene, held, seed=2).outcomes[0].finish
    law = stats.gamma(30, scale=1.0 / 0.3)
    assert stats.kstest(finish[np.isfinite(finish)], law.cdf).pvalue > 1e-3
    assert np.isfinite(finish).all()


def test_counts_of_a_gamma_rate_follow_the_negative_binomial_law_and_a_cap_cuts_it() -> None:
    scene, held = one_site(1.0, 20_000, 10_000)
    rate = np.random.default_rng(3).gamma(1.5, 0.1, (20_000, 1))
    held = Held(replace(held.ahead, site_rate=rate))
    cumulative = simulate(scene, held, seed=2).outcomes[0].cumulative[:, 9]
    law = stats.nbinom(1.5, 10.0 / (10.0 + 100.0))
    for count in (0, 5, 15, 40):
        assert abs((cumulative <= count).mean() - law.cdf(count)) < 4.5 * np.sqrt(0.25 / 20_000)
    capped = simulate(replace(scene, country_left=np.array([12.0])), held, seed=2).outcomes[0].cumulative[:, 9]
    assert np.array_equal(capped, np.minimum(cumulative, 12))


def test_subjects_by_country_add_up_to_what_was_wanted_and_no_cap_is_passed() -> None:
    scene, held = world(draws=1500, cap=35.0)
    for one in simulate(scene, held, PLANS, seed=5).outcomes:
        done = np.isfinite(one.finish)
        assert (one.by_country[done].sum(axis=1) == scene.need).all()
        assert (one.by_country[~done].sum(axis=1) == one.cumulative[~done, -1] - scene.have).all()
        assert one.cumulative.max() <= scene.wanted
    base = simulate(scene, held, seed=5).outcomes[0]
    assert base.by_country.max() <= 35
    assert base.by_country.min() >= 0


def test_nothing_works_before_its_lead_time() -> None:
    scene, held = world()
    base, opened, boosted, amended, raised = simulate(
        scene, held,
        [
            NOTHING,
            (OpenSites("A", 3, lead_days_mean=206.0, lead_days_sd=0.0),),
            (BoostSite("A-0", 3.0, lead_days=206.0),),
            (RelaxCriterion("age", 0.5, 0.5, share_sd=0.0, lead_days=206.0),),
            (RaiseCap("A", 5, lead_days=206.0),) if np.isfinite(scene.country_left[0]) else NOTHING,
        ],
        seed=4,
    ).outcomes  # fmt: skip
    steps = int(206.0 // MONTH)
    for one in (opened, boosted, amended, raised):
        assert np.array_equal(one.cumulative[:, :steps], base.cumulative[:, :steps])
    for one in (opened, boosted, amended):
        assert (one.cumulative[:, -1] > base.cumulative[:, -1]).any() or (one.finish < base.finish).any()


def test_a_relaxed_criterion_raises_the_rate_by_what_it_let_through() -> None:
    scene, held = one_site(1.0, 4000, 10_000)
    plan = (RelaxCriterion("age", 0.5, 0.4, share_sd=0.0, lead_days=0.0),)
    base, relaxed = simulate(scene, held, [NOTHING, plan], seed=2).outcomes
    ratio = relaxed.cumulative[:, -1].mean() / base.cumulative[:, -1].mean()
    assert ratio == pytest.approx(1.0 + 0.5 * 0.4 / 0.5, rel=0.01)


def test_to_extend_the_timeline_moves_what_is_due_and_hastens_nobody() -> None:
    scene, held = world(due=300.0)
    base, later = simulate(scene, held, [NOTHING, (ExtendTimeline(120.0),)], seed=5).outcomes
    assert np.array_equal(base.finish, later.finish)
    assert later.due == 420.0
    assert later.on_time.mean() > base.on_time.mean()


def test_a_replaced_site_closes_when_the_other_opens() -> None:
    scene, held = world(draws=50)
    base, replaced = simulate(scene, held, [NOTHING, (ReplaceSite("A-0"),)], seed=5).outcomes
    apart = replaced.open_days[:, 0] - base.open_days[:, 0]
    same = base.finish == replaced.finish
    assert same.any()
    assert np.allclose(apart[same], 0.0)


def test_a_study_that_has_all_it_wants_is_finished_now() -> None:
    scene, held = world(wanted=7)
    only = simulate(scene, held, seed=1).outcomes[0]
    assert (only.finish == scene.as_of).all()
    assert (only.by_country == 0).all()
    assert (only.open_days == 0.0).all()


@pytest.mark.parametrize(
    "plan",
    [
        (OpenSites("Q", 1),),
        (OpenSites("A", 5),),
        (AddCountry("A", 1, 1.0),),
        (RaiseCap("A", 1),),
        (BoostSite("nobody", 2.0),),
        (CloseSites(("A-0",)), BoostSite("A-0", 2.0)),
    ],
    ids=str,
)
def test_a_plan_that_does_not_fit_is_refused(plan: Plan) -> None:
    scene, held = world(draws=5)
    with pytest.raises(ShapeError, match="expected a plan"):
        simulate(scene, held, [plan], seed=1)


def test_counts_by_country_and_step_add_up_to_the_study_and_end_with_it() -> None:
    scene, held = world(draws=700, cap=35.0)
    for one in simulate(scene, held, PLANS, seed=5, by_step=True).outcomes:
        assert np.array_equal(one.by_step.sum(axis=1) + scene.have, one.cumulative)
        assert np.array_equal(one.by_step[:, :, -1], one.by_country)
        assert (np.diff(one.by_step, axis=2) >= 0).all()


def test_a_simulation_of_each_arrival_alone_finds_the_same_dates() -> None:
    scene, held = world(draws=1500, cap=32.0, site_cap=14.0, months=36)
    finish = simulate(scene, held, seed=3).outcomes[0].finish
    ahead, rng = held.ahead, np.random.default_rng(5)
    start, end = ahead.steps[0], ahead.steps[-1]
    truth = np.full(len(finish), end)
    for d in range(len(finish)):
        came: list[list[float]] = [[] for _ in scene.countries]
        for s, c in enumerate(scene.site_country):
            factor = ahead.factor[d, c]
            count = rng.poisson(ahead.site_rate[d, s] * factor.max() * (end - start))
            days = np.sort(rng.uniform(start, end, count))
            kept = rng.random(count) * factor.max() < factor[np.searchsorted(ahead.steps, days, side="right") - 1]
            came[c] += days[kept & (days >= ahead.opens[d, s])][:14].tolist()
        days = np.sort(np.concatenate([np.sort(one)[:32] for one in came]))
        truth[d] = days[scene.need - 1] if len(days) >= scene.need else end
    assert stats.ks_2samp(np.minimum(finish, end), truth).pvalue > 1e-3
