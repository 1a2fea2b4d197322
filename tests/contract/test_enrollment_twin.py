"""The enrollment twin holds to the shipped checks, and what it believes follows from the set of its facts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.twins.enrollment.trial import Trial, records, trial
from twins import checks
from twins.enrollment import EnrollmentModel
from twins.enrollment.register import Register


def model() -> EnrollmentModel:
    return EnrollmentModel.from_config({"estimate_hours": 168, "forecast_hours": 744, "points": 4})


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 150), max_size=8))
def test_it_holds_to_every_check(seed: int, cuts: list[int]) -> None:
    checks.check_all(model(), records(trial(seed).events), cuts, bytes_a_twin=40_000)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_order_of_arrival_gives_the_same_study(seed: int) -> None:
    told = records(trial(seed, subjects=25).events)
    rng = random.Random(seed)
    orders = [list(range(len(told)))[::-1], rng.sample(range(len(told)), len(told))]
    checks.check_any_order(model(), told, orders)


def test_another_configuration_takes_over_in_the_middle() -> None:
    told = records(trial(5, subjects=20).events)
    other = EnrollmentModel.from_config({"estimate_hours": 100, "forecast_hours": 700, "points": 6})
    checks.check_adopting_itself(model(), told, 30)
    checks.check_adoption(model(), other, told, 40)


def test_two_studies_of_one_partition_do_not_touch() -> None:
    one, two = trial(1), trial(2)
    two.key = "ST-2"
    moved = [replace(event, subject="ST-2", id="b" + event.id) for event in two.events if event.subject]
    mixed = sorted([*one.events, *moved], key=lambda event: (event.record_time, event.id))
    alone = checks.fold(model(), records(one.events))
    both = checks.fold(model(), records(mixed))
    assert both.block.keys() == ("ST-1", "ST-2")
    assert alone.block.belief("ST-1") == both.block.belief("ST-1")  # type: ignore[attr-defined]


@pytest.mark.parametrize("planted", ["drops a fact", "counts by arrival"])
def test_the_checks_can_fail(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Register._put
    told = records(trial(3).events)
    if planted == "drops a fact":
        monkeypatch.setattr(Register, "_put", lambda self, fact: None if len(self) == 20 else put(self, fact))
    else:
        monkeypatch.setattr("twins.enrollment.plan.Said.order", property(lambda self: (0, 0)))
    order = random.Random(5).sample(range(len(told)), len(told))
    with pytest.raises(AssertionError):
        checks.check_any_order(model(), told, [order])


def test_a_study_without_a_plan_says_nothing_and_loses_nothing() -> None:
    told = trial(4)
    plan, rest = told.events[0], told.events[1:]
    silent = checks.fold(model(), records(rest))
    assert [effect.kind for effect in silent.effects] == []
    later = checks.fold(model(), records([*rest, plan]))
    first = checks.fold(model(), records(told.events))
    assert later.block.belief("ST-1") == first.block.belief("ST-1")  # type: ignore[attr-defined]


def test_trial_of_one_fact() -> None:
    told = Trial()
    told.plan()
    told.pass_time(1.0)
    said = checks.fold(model(), records(told.events)).effects
    assert [effect.kind for effect in said][:2] == ["estimate", "forecast"]
    assert said[0].data["counted"] == 0
    assert said[0].data["sites_by_status"]["planned"] == 4
