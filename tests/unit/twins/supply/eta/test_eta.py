"""Durations learned, what remains in silence, infusion dates against closed forms, and the order of facts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from schemas.errors import UsageError
from twins.supply.eta import (
    LEVELS,
    Calendar,
    Duration,
    Journey,
    Leg,
    LegKey,
    Legs,
    Stage,
    infusion_date,
    out_of_specification,
    remaining,
    tables,
    vein_to_vein,
)
from twins.supply.eta import legs as learner

KEY = LegKey("transport", "north", "Oslo-Leiden")


def _gamma(shape: float, scale: float) -> Duration:
    x = np.linspace(math.log(1e-3), math.log(5000.0), 20_000)
    return Duration(x, stats.gamma(shape, scale=scale).cdf(np.exp(x)))


class _Known:
    """Says gamma legs; the lane's name is the shape."""

    def expect(self, key: LegKey) -> Duration:
        return _gamma(float(key.lane), 12.0)


def _drawn(count: int, lanes: int, seed: int, median: float = 30.0) -> list[Leg]:
    rng = np.random.default_rng(seed)
    return [
        Leg(
            str(i),
            LegKey("transport", "north", str(i % lanes), i % 7),
            float(i),
            float(median * np.exp(rng.normal(0, 0.3))),
        )
        for i in range(count)
    ]


def _folded(facts: list[Leg]) -> Legs:
    legs = Legs()
    for leg in facts:
        legs.add(leg)
    return legs


def test_gamma_legs_of_one_scale_add_to_the_closed_form() -> None:
    stages = tuple(Stage(LegKey("s", "c", shape)) for shape in ("4", "20", "14", "4"))
    date = infusion_date(_Known(), Journey(0.0, stages, 24 * 24.0), 0.0, seed=7)
    truth = stats.gamma(42, scale=12.0)
    assert date.hours == pytest.approx(truth.ppf(LEVELS), rel=0.02)
    assert date.p_late == pytest.approx(0.174648, abs=0.025)
    assert date.explains == 1  # the leg of the largest spread


def test_silence_conditions_on_what_has_passed() -> None:
    law = stats.lognorm(0.4, scale=2.0)
    x = np.linspace(math.log(0.01), math.log(200.0), 20_000)
    duration = Duration(x, law.cdf(np.exp(x)))
    assert duration.quantile(0.9) == pytest.approx(3.339322, rel=1e-3)
    said = remaining(duration, 3.0)
    due = law.isf(law.sf(3.0) * (1 - np.array(LEVELS))) - 3.0
    assert said.hours == pytest.approx(due, rel=1e-2)
    assert not said.overdue


def test_beyond_all_seen_a_leg_is_overdue_and_still_has_time_to_run() -> None:
    said = remaining(_gamma(4, 1.0), 4000.0)
    assert said.overdue
    assert min(said.hours) > 0.0
    assert list(said.hours) == sorted(said.hours)
    with pytest.raises(UsageError, match="elapsed"):
        remaining(_gamma(4, 1.0), -1.0)


def test_quantiles_rise_and_find_the_truth() -> None:
    legs = _folded(_drawn(900, 3, seed=1))
    said = legs.expect(LegKey("transport", "north", "0")).quantile(LEVELS)
    assert np.all(np.diff(said) > 0)
    assert said == pytest.approx(stats.lognorm(0.3, scale=30.0).ppf(LEVELS), rel=0.10)


def test_a_new_lane_borrows_from_its_step_and_carrier() -> None:
    legs = _folded(_drawn(400, 8, seed=2))
    known, strange = legs.expect(LegKey("transport", "north", "new")), legs.expect(LegKey("other", "x", "new"))
    width = [float(np.diff(np.log(each.quantile([0.05, 0.95])))[0]) for each in (known, strange)]
    assert width[0] < 0.6 * width[1]


def test_a_lane_that_shifts_is_followed_within_30_of_its_legs() -> None:
    facts = _drawn(600, 4, seed=3)
    legs = _folded(facts)
    for i, leg in enumerate(_drawn(30, 1, seed=4, median=45.0)):
        legs.add(Leg(f"late{i}", leg.key, 1000.0 + i, leg.duration_hours))
    assert float(legs.expect(LegKey("transport", "north", "0")).quantile(0.5)) == pytest.approx(45.0, rel=0.15)


def test_the_order_of_arrival_does_not_matter_and_a_correction_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "RECENT", 150)
    facts = _drawn(400, 5, seed=5)
    plain = _folded(facts)
    mixed = facts[:200] + facts[250:300] + facts[200:250][::-1] + facts[300:]
    wrong = Leg("390", facts[390].key, 390.5, 400.0)
    other = _folded([*mixed[:-5], wrong, *mixed[-5:], facts[390]])
    key = LegKey("transport", "north", "0")
    assert other.expect(key).cdf.tobytes() == plain.expect(key).cdf.tobytes()
    assert not plain.add(Leg("ancient", KEY, -5.0, 3.0))


@pytest.mark.parametrize("seed", range(4))
def test_when_somebody_asks_does_not_matter(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Legs that come a little out of order, asked about at any time between."""
    monkeypatch.setattr(learner, "RECENT", 40)
    facts, rng = _drawn(260, 3, seed=seed), np.random.default_rng(seed)
    plain, asked = _folded(facts), Legs()
    for place in np.argsort(np.arange(260) + rng.uniform(0, rng.choice([1, 12, 35]), 260)):
        assert asked.add(facts[place])
        if rng.random() < 0.1:
            asked.expect(facts[place].key)
    assert asked.save() == plain.save()
    assert asked.expect(KEY).cdf.tobytes() == plain.expect(KEY).cdf.tobytes()


def test_saved_and_loaded_is_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "RECENT", 60)
    facts = _drawn(200, 5, seed=6)
    legs = _folded(facts[:150])
    again = Legs.load(legs.save())
    for leg in facts[150:]:
        legs.add(leg)
        again.add(leg)
    assert again.save() == legs.save()
    assert again.expect(KEY).cdf.tobytes() == legs.expect(KEY).cdf.tobytes()
    with pytest.raises(UsageError, match="fold the legs anew"):
        Legs.load(b"no")


def test_a_calendar_holds_a_leg_until_its_flight() -> None:
    calendar = Calendar((10.0, 100.0))
    assert calendar.after(np.array([0.0, 10.0, 10.1, 101.0, 170.0])).tolist() == [10.0, 10.0, 100.0, 178.0, 178.0]
    with pytest.raises(UsageError):
        Calendar((100.0, 10.0))


def test_nothing_departs_on_a_closed_day_however_many_follow_each_other() -> None:
    daily = Calendar((9.0, 33.0, 57.0, 81.0, 105.0), frozenset({1, 2, 7}))  # weekdays at 9; days 5 and 6 have none
    assert daily.after(np.array([0.0, 9.5, 25.0, 60.0, 106.0])).tolist() == [9.0, 81.0, 81.0, 81.0, 201.0]


def test_kpis_give_their_intervals() -> None:
    kpi = out_of_specification(2, 871)
    assert (kpi.low, kpi.high) == pytest.approx((0.00028, 0.0083), abs=5e-5)  # published: cord blood, 0.028 to 0.83 %
    days = vein_to_vein([20.0, 22.0, 25.0, 30.0, 31.0, 33.0, 40.0])
    assert days.value == 30.0
    assert days.low < 30.0 < days.high


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(UsageError, match="leg x"):
        Leg("x", KEY, 0.0, -1.0)


def _at_once(lanes: int, factor: float, seed: int, slowed: str = "north") -> list[Leg]:
    """20 legs of each lane of two carriers, then one of each of every second lane, slower for one carrier."""
    rng = np.random.default_rng(seed)
    keys = [LegKey("transport", carrier, str(lane)) for lane in range(lanes) for carrier in ("north", "south")]
    plan = [(key, 1.0) for _ in range(20) for key in keys]
    plan += [(key, factor if key.carrier == slowed else 1.0) for key in keys if int(key.lane) % 2]
    return [
        Leg(f"{i}", key, float(i), float(30.0 * by * np.exp(rng.normal(0, 0.2)))) for i, (key, by) in enumerate(plan)
    ]


def test_a_lane_without_a_leg_moves_with_the_lanes_of_its_carrier_and_another_carriers_does_not() -> None:
    legs = _folded(_at_once(40, 1.5, seed=8))
    slow, still = (float(legs.expect(LegKey("transport", each, "0")).quantile(0.5)) for each in ("north", "south"))
    assert slow == pytest.approx(45.0, rel=0.12)
    assert still == pytest.approx(30.0, rel=0.12)


def test_lanes_that_did_not_move_stay_where_they_are() -> None:
    legs = _folded(_at_once(24, 1.0, seed=9))
    said = [float(legs.expect(LegKey("transport", "north", str(lane))).quantile(0.5)) for lane in range(24)]
    assert said == pytest.approx([30.0] * 24, rel=0.15)


def test_a_leg_settled_long_ago_never_counts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "RECENT", 50)
    facts = _drawn(200, 3, seed=10)
    legs = _folded(facts)
    before = legs.save()
    again = Leg("3", facts[3].key, 1000.0, facts[3].duration_hours)
    assert not legs.add(again)
    assert not Legs.load(before).add(again)
    assert legs.save() == before
    assert legs.add(Leg("new", facts[3].key, 1000.0, facts[3].duration_hours))


def test_the_ids_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "RECENT", 20)
    monkeypatch.setattr(learner, "SETTLED", 40)
    legs = _folded(_drawn(300, 3, seed=11))
    assert len(legs.save()) < 60_000
    assert not legs.add(Leg("270", KEY, 1000.0, 3.0))  # of the last settled


def test_a_lane_weighs_less_than_4_kb_and_the_one_unused_for_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learner, "RECENT", 50)
    few, many = _folded(_drawn(200, 10, seed=12)), _folded(_drawn(200, 20, seed=12))
    assert (len(many.save()) - len(few.save())) / 10 < 4096
    monkeypatch.setattr(tables, "LANES", 8)
    legs = _folded(_drawn(200, 20, seed=12))
    assert len(legs.save()) < len(few.save())
    forgotten, kept = (legs.expect(LegKey("transport", "north", lane)).quantile(0.5) for lane in ("0", "19"))
    assert forgotten == pytest.approx(30.0, rel=0.3)  # its step and carrier still know
    assert kept == pytest.approx(30.0, rel=0.3)
