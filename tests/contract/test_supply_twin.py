"""The supply twins hold to the shipped checks, and what they believe follows from the set of their facts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.supply_story import told
from twins import checks
from twins.supply import SupplyModel
from twins.supply.kept import Kept


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 80), max_size=8))
def test_they_hold_to_every_check(seed: int, cuts: list[int]) -> None:
    checks.check_all(SupplyModel(), told(seed), cuts, bytes_a_twin=60_000)


@pytest.mark.parametrize("word", ["patient", "shipper", "room", "network"])
def test_any_order_of_arrival_gives_the_same_belief(word: str) -> None:
    records = told(11, only=word)
    assert len(records) > 3
    rng = random.Random(3)
    orders = [list(range(len(records)))[::-1], rng.sample(range(len(records)), len(records))]
    checks.check_any_order(SupplyModel(), records, orders)


def test_another_configuration_takes_over_in_the_middle() -> None:
    records = told(5)
    other = SupplyModel.from_config({"boxes": {"estimate_minutes": 120}, "patients": {"silent_hours": 6}})
    checks.check_adopting_itself(SupplyModel(), records, 30)
    checks.check_adoption(SupplyModel(), other, records, 40)


def test_the_checks_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Kept.take
    monkeypatch.setattr(Kept, "take", lambda self, fact, keep=True: None if len(self) == 10 else take(self, fact, keep))
    records = told(11, only="shipper")
    with pytest.raises(AssertionError):
        checks.check_any_order(SupplyModel(), records, [list(range(len(records)))[::-1]])
