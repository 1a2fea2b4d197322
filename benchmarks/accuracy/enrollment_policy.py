"""Decisions about simulated studies, month by month, by our rule: what they cost beside what others would have done.

The truth is another program's (`enrollment_worlds.py`); the rule is told facts alone: who is open since when, and how
many came. What it believes of rates is a small conjugate model of this benchmark, behind the contract of all: joint
draws (`Ahead`). Compared with doing nothing, opening by plan, every constant policy, linear projection, an oracle that
knows the true rates, and one that knows all that will happen. Intervals: 95 %, of paired differences.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from multiprocessing import Pool

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.enrollment_worlds import (
    COUNTRIES,
    COUNTRY_SD,
    DUE,
    FIRST,
    LATE_SCALE,
    LATE_SHAPE,
    LEAD_CV,
    LEAD_MEANS,
    LONGEST,
    MONTH,
    MOST_EACH,
    PER_SITE,
    PER_SITE_MONTH,
    PRIOR_RATES,
    SHAPE,
    STUDY_SD,
    WANTED,
    Floats,
    Opening,
    Trial,
    clairvoyant,
    cost_of,
    finish_of,
    informed,
    sites_of,
    trial,
)
from benchmarks.report import Bar, Report, add_out, given
from twins.enrollment.ahead import Ahead
from twins.enrollment.course import NOTHING, Held, Plan, Prices, Scene, simulate
from twins.enrollment.course.actions import OpenSites
from twins.enrollment.course.choosing import choose
from twins.enrollment.course.effects import Weighed
from twins.enrollment.course.prices import price_of_days

PRICES = (2_000.0, 8_000.0, 40_000.0)
SIZES = (4, 12, 32)
NAMES = ("C0", "C1", "C2")
SINGLES: tuple[tuple[int, int], ...] = tuple((c, size) for c in range(COUNTRIES) for size in SIZES)
PLANS: tuple[Plan, ...] = tuple((OpenSites(NAMES[c], size, PER_SITE),) for c, size in SINGLES)
MOST_ROUNDS = 4  # of advice in one month: what was decided counts in the next
STEPS = MONTH * np.concatenate([np.arange(0.0, 24.0, 1.5), np.arange(24.0, 97.0, 8.0)])
LEVELS = np.linspace(-1.6, 1.6, 65)  # of log multipliers
GAP_SHARE, COST_SHARE, WORSE_SHARE = 0.10, 0.005, 0.01


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="enrollment_policy", description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=128, help="of a decision")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--prices", type=float, nargs="+", default=list(PRICES), help="of a day")
    parser.add_argument("--country-sd", type=float, default=COUNTRY_SD, help="of log multipliers; the rule knows it")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("enrollment_policy", "Monthly decisions about studies, against the truth.", given(options))
    tasks = [
        (options.seed + k, tuple(options.prices), options.draws, options.country_sd) for k in range(options.trials)
    ]
    with Pool(options.processes) as pool:
        rows = pool.map(_tried, tasks, chunksize=5)
    for place, price in enumerate(options.prices):
        _tell(report, price, {name: np.array([row[place][name] for row in rows]) for name in rows[0][place]})
    report.notes.append("Regret: our cost less that of the oracle who knows the true rates, and decides once.")
    report.notes.append("`all seen` knows every arrival to come: what nobody can reach.")
    report.write(options.out)
    return 0


def _tell(report: Report, price: float, costs: dict[str, Floats]) -> None:
    constants = {name: one for name, one in costs.items() if name.startswith(("open", "do nothing"))}
    best = min(constants, key=lambda name: float(constants[name].mean()))
    ours, mean = costs["ours"], float(costs["ours"].mean())
    for name, one in sorted(costs.items(), key=lambda pair: float(pair[1].mean())):
        apart = ours - one
        half = 1.96 * float(apart.std(ddof=1)) / math.sqrt(len(one))
        report.add(
            f"{price:,.0f} per day", policy=name, cost_millions=float(one.mean()) / 1e6,
            ours_less_this_percent=100.0 * float(apart.mean()) / mean,
            from_percent=100.0 * (float(apart.mean()) - half) / mean,
            to_percent=100.0 * (float(apart.mean()) + half) / mean,
        )  # fmt: skip
    oracle, gap = costs["oracle"], float((costs[best] - costs["oracle"]).mean())
    allowed = GAP_SHARE * max(gap, 0.0) + COST_SHARE * mean
    regret = float((ours - oracle).mean())
    worse = float((ours - costs[best]).mean())
    report.bars.append(
        Bar(f"regret at {price:,.0f} a day", 100.0 * allowed / mean, 100.0 * regret / mean, "% of cost", True)
    )
    report.bars.append(
        Bar(
            f"above the best constant ({best}) at {price:,.0f} a day",
            100.0 * WORSE_SHARE,
            100.0 * worse / mean,
            "% of cost",
            True,
        )
    )


def _tried(task: tuple[int, tuple[float, ...], int, float]) -> list[dict[str, float]]:
    """Give the true cost of every policy in one world, by price of a day."""
    seed, prices, draws, country_sd = task
    world = trial(seed, country_sd)
    fixed: dict[str, list[Opening]] = {"do nothing": [], "by plan": [(FIRST + 3 * MONTH * k, 2, 4) for k in range(3)]}
    fixed |= {f"open {size} in {NAMES[c]}": [(FIRST, c, size)] for c, size in SINGLES}
    fixed["linear projection"] = projected(world)
    found = []
    for price in prices:
        decided = fixed | {"ours": advised(world, price, seed, draws, country_sd)}
        decided |= {"oracle": informed(world, price), "all seen": clairvoyant(world, price)}
        found.append({name: cost_of(world, openings, price) for name, openings in decided.items()})
    return found


def projected(world: Trial) -> list[Opening]:
    """Draw a straight line through what came; where it ends too late, open sites, at most once in three months."""
    openings: list[Opening] = []
    for month in range(36):
        day, finish = FIRST + month * MONTH, finish_of(world, openings)
        if day >= finish:
            break
        came = _came(world, openings, day)
        late = came == 0 or day * WANTED / came > DUE
        if late and (not openings or day - openings[-1][0] > 2.5 * MONTH) and _used(openings, 2) + 12 <= MOST_EACH:
            openings.append((day, 2, 12))
    return openings


def advised(world: Trial, price: float, seed: int, draws: int, country_sd: float = COUNTRY_SD) -> list[Opening]:
    """Ask our rule each month, do what it says, and ask again until it says to leave it."""
    openings: list[Opening] = []
    prices = Prices(per_site_month=PER_SITE_MONTH, price_of_day=price)
    for month in range(48):
        day, finish = FIRST + month * MONTH, finish_of(world, openings)
        if day >= finish:
            break
        for _ in range(MOST_ROUNDS):
            plans = tuple(
                plan for plan, (c, size) in zip(PLANS, SINGLES, strict=True) if _used(openings, c) + size <= MOST_EACH
            )
            scene, ahead = believed(world, openings, day, seed, draws, country_sd)
            weighed = _weighed(scene, ahead, (NOTHING, *plans), prices, seed * 100 + month)
            best = weighed[choose(weighed, [True] * len(weighed)).place]
            if best.plan == NOTHING:
                break
            openings += [(day, NAMES.index(one.country), one.sites) for one in best.plan if isinstance(one, OpenSites)]
        if np.quantile(weighed[0].finish, 0.95) < day + 0.4 * LEAD_MEANS.min():
            break  # no site that is decided on now would open before the end
    return openings


def _weighed(scene: Scene, ahead: Ahead, plans: Sequence[Plan], prices: Prices, seed: int) -> list[Weighed]:
    """Simulate plans and price them, as a course does."""
    found, end = simulate(scene, Held(ahead), plans, seed=seed), float(ahead.steps[-1])
    weighed = []
    for plan, one in zip(plans, found.outcomes, strict=True):
        spend = prices.spend(one, plan, scene, found.countries, end)
        days = price_of_days(one.finish, prices.price_of_day, prices.days, scene, end)
        weighed.append(Weighed(plan, one.finish, spend, spend + days, one.due))
    return weighed


def believed(
    world: Trial, openings: Sequence[Opening], day: float, seed: int, draws: int, country_sd: float = COUNTRY_SD
) -> tuple[Scene, Ahead]:
    """Give scene and joint draws from facts: conjugate site rates, multipliers of study and countries on a grid."""
    rng = np.random.default_rng([seed, round(day), 78])
    facts = sites_of(world, openings)
    country = np.array([c for c, _, _ in facts])
    opened = np.array([opens <= day for _, opens, _ in facts])
    came = np.array([float((days <= day).sum()) for _, _, days in facts])
    exposed = np.array([max(day - opens, 0.0) for _, opens, _ in facts])
    multiplier = _multipliers(country, came, exposed, rng, draws, country_sd)  # (draws, c)
    mean = PRIOR_RATES * multiplier
    rate = rng.gamma(SHAPE + came, 1.0 / (SHAPE / mean[:, country] + exposed))
    opens = np.where(opened, day, _opening(world, openings, day, rng, draws))
    new_rate = rng.gamma(SHAPE, mean[:, :, None] / SHAPE, (draws, COUNTRIES, max(SIZES)))
    form = LEAD_CV**-2
    new_delay = rng.gamma(form, LEAD_MEANS[:, None] / form, (draws, COUNTRIES, max(SIZES)))
    steps = day + STEPS
    scene = Scene(
        day, tuple(f"S{k}" for k in range(len(country))), country, np.full(len(country), np.inf),
        tuple(bool(one) for one in opened), NAMES, np.full(COUNTRIES, np.inf), int(came.sum()), WANTED, DUE,
    )  # fmt: skip
    factor = np.ones((draws, COUNTRIES, len(steps) - 1))
    return scene, Ahead(steps, rate, factor, opens, new_rate, new_delay)


def _multipliers(
    country: NDArray[np.int64],
    came: Floats,
    exposed: Floats,
    rng: np.random.Generator,
    draws: int,
    country_sd: float = COUNTRY_SD,
) -> Floats:
    """Draw the countries' multipliers from their posterior, shape (draws, c)."""
    said = np.zeros((COUNTRIES, len(LEVELS)))
    for c in range(COUNTRIES):
        here = country == c
        rate = SHAPE / (PRIOR_RATES[c] * np.exp(LEVELS))
        total = rate + exposed[here][:, None]
        said[c] = (SHAPE * np.log(rate / total) - came[here][:, None] * np.log(total)).sum(axis=0)
    likelihood = np.exp(said - said.max(axis=1, keepdims=True))
    between = np.exp(-0.5 * ((LEVELS[:, None] - LEVELS) / max(country_sd, 0.02)) ** 2)  # by study, country
    between /= between.sum(axis=1, keepdims=True)
    weight = np.exp(-0.5 * (LEVELS / STUDY_SD) ** 2) * np.prod(between @ likelihood.T, axis=1)
    study = _stratified(np.cumsum(weight / weight.sum())[None, :], rng, draws)
    found = np.empty((draws, COUNTRIES))
    for c in range(COUNTRIES):
        chance = np.cumsum(between * likelihood[c], axis=1)[study]
        found[:, c] = np.exp(LEVELS[_stratified(chance / chance[:, -1:], rng, draws)])
    return found


def _stratified(chance: Floats, rng: np.random.Generator, draws: int) -> NDArray[np.int64]:
    """Draw places from cumulative chances, one from each part of equal probability: few draws then tell more."""
    u = rng.permutation((np.arange(draws) + rng.random(draws)) / draws)
    places: NDArray[np.int64] = np.minimum((chance < u[:, None]).sum(axis=1), chance.shape[1] - 1)
    return places


def _opening(world: Trial, openings: Sequence[Opening], day: float, rng: np.random.Generator, draws: int) -> Floats:
    """Draw when sites open that are not open yet, given that they are not."""
    begun = [float(one) for one in world.planned]
    laws = [(LATE_SHAPE, LATE_SCALE)] * len(begun)
    form = LEAD_CV**-2
    for decided, c, count in openings:
        begun += [decided] * count
        laws += [(form, float(LEAD_MEANS[c]) / form)] * count
    found = np.full((draws, len(begun)), day)
    tried = {law: rng.gamma(law[0], law[1], 4 * draws) for law in set(laws)}
    for place, (start, law) in enumerate(zip(begun, laws, strict=True)):
        waited = max(day - start, 0.0)
        left = tried[law][tried[law] > waited]
        late = rng.choice(left, draws) if len(left) > 20 else np.full(draws, waited + 15.0)
        found[:, place] = start + late
    capped: Floats = np.minimum(found, LONGEST)
    return capped


def _came(world: Trial, openings: Sequence[Opening], day: float) -> int:
    return int(sum((days <= day).sum() for _, _, days in sites_of(world, openings)))


def _used(openings: Sequence[Opening], country: int) -> int:
    return sum(count for _, c, count in openings if c == country)
