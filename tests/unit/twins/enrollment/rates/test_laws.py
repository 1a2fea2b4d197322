"""Laws that outlooks keep, whatever the study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.studies import study
from tests.unit.twins.enrollment.rates.made import AS_OF, DAYS, made, permuted, told
from twins.enrollment.rates import RateSettings, draw, learn, outlook
from twins.enrollment.rates.futures import latents, site_beliefs, table
from twins.enrollment.study import CLOSED, PAUSED, Country, Target

SETTINGS = RateSettings()


def test_silence_lowers_the_rate_of_an_open_site() -> None:
    opened, site, day = np.zeros(6), np.repeat(np.arange(5), 6), np.linspace(1.0, 99.0, 30)
    later = []
    for as_of in (100.0, 160.0, 280.0):
        told_ = study(as_of, opened, site, day)
        ahead = draw(learn(told_, SETTINGS), told_, 1, 512, np.array([as_of, as_of + 30.0]), 0)
        later.append((ahead.site_rate * ahead.factor[:, 0]).mean(axis=0))
    assert np.all(later[1] < later[0])
    assert np.all(later[2] < later[1])
    assert later[0][5] < later[0][0]  # the one that brought none


def test_an_outlook_without_sites_is_the_same_but_for_them() -> None:
    one = made(later=8)
    posterior = learn(one, SETTINGS)
    whole, less = outlook(posterior, one, DAYS), outlook(posterior, one, DAYS, sites=False)
    assert whole.sites.shape == (len(one.sites), len(DAYS), 5)
    assert less.sites.shape == (0, len(DAYS), 5)
    for name in ("mean", "study", "countries"):
        assert np.array_equal(getattr(whole, name), getattr(less, name)), name
    assert whole.reaching[0].on_time == less.reaching[0].on_time


def test_more_sites_never_lower_the_chance_to_be_on_time() -> None:
    base = made(later=8)
    closed = base.sites.status.copy()
    chance = []
    for kept in range(5):
        closed[-4:] = CLOSED
        closed[len(closed) - 4 : len(closed) - 4 + kept] = 0
        chance.append(told(replace(base, sites=replace(base.sites, status=closed.copy()))).reaching[0].on_time)
    assert np.all(np.diff(chance) >= 0.0)
    assert chance[-1] > chance[0]


def test_the_target_s_date_and_the_count_are_dual() -> None:
    of = replace(made(), targets=tuple(Target(f"T{n}", n, float(DAYS[0])) for n in (200, 260, 340)))
    whole = told(of)
    for one, target in zip(whole.reaching, of.targets, strict=True):
        again = replace(of, targets=tuple(Target("x", target.count, float(day)) for day in one.days))
        for level, back in zip(whole.levels, told(again).reaching, strict=True):
            assert back.on_time == pytest.approx(level, abs=1e-3)
    # The median count by a day is reached by then with a probability of a half, to the step of one subject.
    middle = int(whole.study[2, 2])
    at = told(replace(of, targets=(Target("x", middle, float(DAYS[2])),))).reaching[0].on_time
    beyond = told(replace(of, targets=(Target("x", middle + 1, float(DAYS[2])),))).reaching[0].on_time
    assert beyond - 1e-3 <= 0.5 <= at + 1e-3


def test_a_lower_cap_never_brings_more_and_is_never_passed() -> None:
    ends, chance = [], []
    for cap in (20.0, 45.0, 60.0, 90.0, np.inf):
        of = made(caps=(cap, cap, np.inf, np.inf))
        said = told(of)
        have = np.bincount(of.sites.country[of.subjects.site], minlength=4)
        assert np.all(said.countries[:2, :, -1] <= np.maximum(cap, have[:2, None]))
        ends.append(said.study[-1])
        chance.append(said.reaching[0].on_time)
    assert np.all(np.diff(np.array(ends), axis=0) >= 0.0)
    assert np.all(np.diff(chance) >= 0.0)
    full = told(made(caps=(40.0, 40.0, 40.0, 40.0)))
    assert np.all(full.reaching[0].days == np.inf)
    assert max(full.reaching[0].on_time, full.reaching[0].ever) < 1e-3
    assert np.all(full.study[-1] <= np.maximum(have, 40).sum())


def test_sites_with_caps_stop_at_them_and_those_without_go_on() -> None:
    of = made(later=0)
    have = np.bincount(of.subjects.site, minlength=24)
    cap = np.where(np.arange(24) < 12, have + 2.0, np.inf)
    said, free = told(replace(of, sites=replace(of.sites, cap=cap))), told(of)
    assert np.all(said.sites[:12, :, -1] <= cap[:12, None])
    assert np.array_equal(said.sites[12:], free.sites[12:])
    assert np.all(np.isfinite(said.study))
    assert said.reaching[0].on_time <= free.reaching[0].on_time
    assert said.mean[-1] < free.mean[-1]
    # A full site was not silent: its rate is that of the days until it was full.
    full = replace(of, sites=replace(of.sites, cap=np.where(np.arange(24) == 0, have, np.inf)))
    ahead = [draw(learn(one, SETTINGS), one, 1, 512, np.array([AS_OF, AS_OF + 9.0]), 0) for one in (full, of)]
    assert ahead[0].site_rate[:, 0].mean() > ahead[1].site_rate[:, 0].mean()


def test_the_order_of_sites_and_countries_does_not_matter() -> None:
    of = made(caps=(60.0, np.inf, np.inf, 30.0))
    rng = np.random.default_rng(5)
    site = rng.permutation(len(of.sites))
    other = permuted(of, site, np.arange(4))
    one, two = told(of), told(other)
    assert two.study == pytest.approx(one.study, abs=1.0)
    assert two.sites == pytest.approx(one.sites[site], abs=1.0)
    assert two.reaching[0].days == pytest.approx(one.reaching[0].days, rel=1e-6)
    country = np.array([2, 0, 3, 1])
    third = told(permuted(of, np.arange(len(site)), country))
    # Countries meet other normals of the fixed table: the same law, to what 128 draws leave.
    assert third.reaching[0].days[2] == pytest.approx(one.reaching[0].days[2], abs=6.0)
    assert learn(permuted(of, site, country), SETTINGS).weight == pytest.approx(learn(of, SETTINGS).weight, abs=1e-9)


def test_a_paused_site_may_go_on_and_a_closed_one_does_not() -> None:
    of = made(later=0)
    status = of.sites.status.copy()
    status[0], status[1] = PAUSED, CLOSED
    said = told(replace(of, sites=replace(of.sites, status=status)))
    have = np.bincount(of.subjects.site, minlength=24)
    assert np.all(said.sites[1] == have[1])
    assert 0.0 < said.sites[0, -1, -1] - have[0] < told(of).sites[0, -1, -1] - have[0] + 1.0


def test_overdue_sites_are_waited_for_and_counted() -> None:
    prompt = made()
    due = np.where(np.isnan(prompt.sites.opened), 200.0, prompt.sites.planned)
    late = replace(prompt, sites=replace(prompt.sites, planned=due))
    assert learn(late, SETTINGS).openings.mean.mean() > learn(prompt, SETTINGS).openings.mean.mean()
    ahead = draw(learn(late, SETTINGS), late, 1, 64, np.array([AS_OF, AS_OF + 100.0]), 2)
    assert np.all(ahead.opens >= AS_OF)
    assert np.all(ahead.opens[:, :16] == AS_OF)
    assert np.all(ahead.new_delay > 0.0)


def test_holidays_take_from_what_is_expected_and_are_no_silence() -> None:
    of = made(later=0)
    away = tuple(Country(one.name, one.cap, ((AS_OF, AS_OF + 31.0),)) for one in of.countries)
    assert told(replace(of, countries=away)).mean[0] < told(of).mean[0]
    past = tuple(Country(one.name, one.cap, ((250.0, 290.0),)) for one in of.countries)
    assert told(replace(of, countries=past)).mean[-1] > told(of).mean[-1]


def test_draws_agree_with_the_outlook_and_do_not_depend_on_how_many_there_are() -> None:
    of = made()
    posterior = learn(of, SETTINGS)
    steps = np.concatenate([[AS_OF], DAYS])
    some, many = draw(posterior, of, 7, 300, steps, 1), draw(posterior, of, 7, 4096, steps, 1)
    for name in ("site_rate", "factor", "opens", "new_rate", "new_delay"):
        assert np.array_equal(getattr(some, name), getattr(many, name)[:300])
    longer = draw(posterior, of, 7, 300, np.append(steps, steps[-1] + 90.0), 1)
    assert np.allclose(longer.factor[:, :, :4], some.factor)
    open_days = np.clip(steps[1:] - np.maximum(many.opens[:, :, None], steps[:-1]), 0.0, np.diff(steps))
    mean = (many.site_rate[:, :, None] * open_days * many.factor[:, of.sites.country]).sum(axis=(0, 1)) / 4096
    assert len(of.subjects) + np.cumsum(mean) == pytest.approx(outlook(posterior, of, DAYS).mean, rel=0.03)


def test_a_belief_is_a_function_of_the_study_alone() -> None:
    assert np.array_equal(told(made()).study, told(made()).study)
    none = study(10.0, [np.nan, np.nan], planned=[30.0, 60.0], targets=[Target("last", 50, 400.0)])
    said = outlook(learn(none, SETTINGS), none, 10.0 + DAYS)  # before anything has happened
    assert np.all(np.isfinite(said.study))
    assert said.study[-1, -1] > said.study[-1, 0]


@pytest.mark.parametrize("sites", [0, 1, 20])
def test_studies_of_which_little_is_known_are_told_too(sites: int) -> None:
    of = study(50.0, np.zeros(sites), targets=[Target("last", 40, 400.0)])
    said = outlook(learn(of, SETTINGS), of, 50.0 + DAYS)
    assert np.all(np.isfinite(said.study))
    assert said.reaching[0].days[-1] == np.inf
    assert 0.0 <= said.reaching[0].on_time < 0.5


def test_the_static_model_alone_is_the_textbook_s() -> None:
    """With a known shape and constant rates, the belief of sites is Gamma(a + k, a + v m), m the level."""
    of = made(later=0)
    still = RateSettings(walks=((0.1, 0.0),), trends=(), shift=(0.5, 0.0), season=(0.2, 0.0))
    only = replace(still, shapes=((2.0, 1.0),), spreads=((0.0, 1.0),))
    posterior = learn(of, only)
    columns = posterior.mean.shape[2] + 4 + 1
    even = np.column_stack([(np.arange(128) + 0.5) / 128] * 2)
    drawn = latents(posterior, np.array([AS_OF, AS_OF + 1.0]), even, table(128, columns))
    shape, rate = site_beliefs(posterior, of, drawn)
    assert shape[0] == pytest.approx(2.0 + np.bincount(of.subjects.site, minlength=24))
    assert rate[0] == pytest.approx(2.0 + np.exp(drawn.level[0]) * (AS_OF - of.sites.opened))
    # The level's posterior: grid integral of the marginal likelihood.
    k, v = np.bincount(of.subjects.site, minlength=24), AS_OF - of.sites.opened
    grid = np.linspace(-8.0, -1.0, 4001)
    loglik = (k * grid[:, None] - (2.0 + k) * np.log(2.0 + np.exp(grid)[:, None] * v)).sum(axis=1)
    loglik -= 0.5 * np.square((grid - np.log(0.7 / 30.4375)) / 1.5)
    weight = np.exp(loglik - loglik.max())
    weight /= weight.sum()
    mean = float((weight * grid).sum())
    sd = float(np.sqrt((weight * np.square(grid - mean)).sum()))
    assert drawn.level.mean() == pytest.approx(mean, abs=0.1 * sd)
    assert drawn.level.std() == pytest.approx(sd, rel=0.05)
