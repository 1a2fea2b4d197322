"""A journey is the set of its facts: in any order, late, twice, in pieces, from a snapshot, the same belief."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.accuracy.supply_identity import run
from benchmarks.accuracy.supply_injuries import BOUND
from benchmarks.accuracy.supply_scans import Made, make
from schemas.errors import SnapshotError
from twins.supply.identity import Fact, Journey, Settings
from twins.supply.identity.facts import number

SETTINGS = Settings(lateness=BOUND)
SEED = 7


def made(one: int) -> Made:
    return make(np.random.Generator(np.random.Philox(key=[SEED, one])), one)


def taken(coi: str, facts: list[Fact]) -> Journey:
    journey = Journey(coi, SETTINGS)
    for fact in facts:
        journey.take(fact)
    return journey


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_bytes_and_the_same_reading(one: int, random: object) -> None:
    journey = made(one)
    whole = taken(journey.coi, journey.arriving)
    other = list(journey.arriving)
    random.shuffle(other)  # type: ignore[attr-defined]
    again = taken(journey.coi, [*other, *other[:9]])
    assert again.write() == whole.write()
    assert again.read() == whole.read()
    assert msgspec.msgpack.encode(again.read()) == msgspec.msgpack.encode(whole.read())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40))
def test_a_snapshot_between_two_facts_changes_nothing(one: int, place: int) -> None:
    journey = made(one)
    first = taken(journey.coi, journey.arriving[:place])
    second = Journey.restore(first.write(), SETTINGS)
    assert second.write() == first.write()
    for fact in journey.arriving[place:]:
        first.take(fact)
        second.take(fact)
        assert second.read() == first.read()
    assert second.write() == first.write()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False), st.booleans())
def test_readings_on_the_way_change_nothing(one: int, random: object, shuffled: bool) -> None:
    """What one reading spares the next is what it would find again, corrections and late facts too."""
    journey = made(one)
    facts = list(journey.arriving)
    if shuffled:
        random.shuffle(facts)  # type: ignore[attr-defined]
    asked = Journey(journey.coi, SETTINGS)
    for fact in facts:
        asked.take(fact)
        again = Journey.restore(asked.write(), SETTINGS)
        assert asked.read() == again.read()


def test_time_that_passes_is_read_as_if_it_had_passed_before() -> None:
    """A reading that is kept while nothing changes is the reading that would be made anew."""
    for one in range(60):
        journey = made(one)
        kept = taken(journey.coi, journey.arriving[:25])
        start = kept.clock
        for hours in (1, 5, 11, 13, 30, 100, 400):
            kept.pass_time(start + hours * 3_600_000_000)
            assert kept.read() == Journey.restore(kept.write(), SETTINGS).read(), (one, hours)


def test_of_two_facts_of_one_name_the_one_known_first_stays_in_any_order() -> None:
    journey = made(1)
    fact = journey.arriving[5]
    later = msgspec.structs.replace(fact, known_at=fact.known_at + 10_000_000)
    facts = [one for one in journey.arriving if number(one) != number(fact)]
    one = taken(journey.coi, [*facts, fact, later])
    other = taken(journey.coi, [later, *facts, fact])
    assert one.write() == other.write()
    assert fact in one.facts
    assert later not in one.facts


def test_a_snapshot_that_is_none_is_refused() -> None:
    body = taken("W1", made(1).arriving).write()
    for wrong in (b"", body[:-3], b"\x95\x01\xa2W1\x00\xc4\x00\x00", msgspec.msgpack.encode([9, "W1", 0, b""])):
        with pytest.raises(SnapshotError, match="expected"):
            Journey.restore(wrong)


def test_a_journey_fits_in_eight_kilobytes() -> None:
    sizes = [len(taken(one.coi, one.arriving).write()) for one in map(made, range(30))]
    assert max(sizes) <= 8192


def test_what_scans_show_is_found_and_nothing_else() -> None:
    score = run(SEED, (0, 400))
    assert sum(score.wanted.values()) > 100
    assert not score.missed, score.examples
    assert not score.false, score.examples
    assert (score.passing, score.not_at_once, score.unaccounted, score.other_bytes) == (0, 0, 0, 0)
