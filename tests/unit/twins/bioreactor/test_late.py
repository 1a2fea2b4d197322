"""Late, corrected and withdrawn facts: in whatever order they come, the twin believes what order would have told it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.effects import Effect
from schemas.events import Event
from tests.unit.twins.bioreactor.script import Script, later, records_of, wild_events
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.checks import check_any_order, fold


def run(hours: float = 4.0, units: int = 1) -> Script:
    rng = np.random.default_rng(8)
    script = Script()
    for unit in range(units):
        script.unit = f"BR-{unit + 1}"
        script.start(id=f"start-{unit}", parameters={"gain_sd": 0.2})
        for turn in range(int(hours * 30)):
            time = turn * 120.0
            script.read(
                time,
                float(1.1 * np.exp(0.15 * time / 3600) * (1 + 0.02 * rng.normal())),
                also={"id": f"r{unit}-{turn}"},
            )
    return script


def believed(events: list[Event], cuts: range | None = None) -> bytes:
    block = fold(BioreactorModel(), records_of(events), cuts or ()).block
    assert isinstance(block, BioreactorBlock)
    return block.belief("BR-1")


def in_order(events: list[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.event_time)


def test_a_late_assay_gives_the_in_order_belief() -> None:
    script = run()
    script.assay(3600, 1.16, known=4 * 3600)
    assert believed(script.events) == believed(in_order(script.events))
    assert believed(script.events, range(0, 122, 9)) == believed(script.events)
    assert believed(script.events[:-1]) != believed(script.events)


def test_a_late_assay_anchors_the_gain_and_revises_the_past() -> None:
    script = run()
    script.assay(3600, 1.16, known=4 * 3600)
    said = [one for one in fold(BioreactorModel(), records_of(script.events)).effects if one.id.split("/")[2] == "121"]
    assert {one.kind for one in said} == {"estimate"}
    assert [one.data["revised"] for one in said] == [True] * (len(said) - 1) + [False]
    assert len(said) == 18  # each ten minutes from 9:10 to 11:50, and now
    assert [one.event_time for one in said] == sorted(one.event_time for one in said)
    gain = said[-1].data["state"]["sensor_gain"]
    assert gain["mean"] == pytest.approx(1.1, abs=0.06)
    assert gain["sd"] < 0.06


def test_a_correction_replaces_an_assay_whenever_it_comes() -> None:
    script = run()
    only = [*script.events, script.assay(3600, 1.20, id="a2", known=5 * 3600)]
    script.events.pop()
    wrong = later(script.assay(3600, 9.9, id="a1", known=4 * 3600), sequence=None)
    right = script.correct(3600, 1.20, id="a2", known=5 * 3600)
    del script.events[-2:]
    assert believed([*script.events, wrong, right]) == believed([*script.events, right, wrong])
    # the same number, told once; only the letter's kind differs
    assert believed([*script.events, wrong, right]) == believed(only)


def test_a_withdrawn_assay_counts_no_more_whenever_it_comes() -> None:
    script = run()
    plain = list(script.events)
    assay = script.assay(3600, 2.0, id="a1", known=4 * 3600)
    gone = script.withdraw(3600, id="a2", known=5 * 3600)
    after = fold(BioreactorModel(), records_of([*plain, assay, gone])).effects[-1]
    never = fold(BioreactorModel(), records_of(plain)).effects
    last = [one for one in never if one.kind == "estimate"][-1]
    assert believed([*plain, assay, gone]) == believed([*plain, gone, assay])
    assert after.data["state"]["sensor_gain"]["mean"] == pytest.approx(
        last.data["state"]["sensor_gain"]["mean"], rel=1e-3
    )


def test_many_twins_refolded_together_are_as_each_alone() -> None:
    both = run(units=3)
    for unit in (1, 2, 3):
        both.unit = f"BR-{unit}"
        both.assay(1800 * unit, 1.2, f"S-{unit}", id=f"a{unit}", known=4 * 3600)
    alone = run()
    alone.assay(1800, 1.2, "S-1", id="a1", known=4 * 3600)
    assert believed(both.events) == believed(alone.events)


def test_dense_late_readings_wait_for_the_next_estimate_and_then_count() -> None:
    script = run(1.0)
    block = script.events[10:20]
    late = [*script.events[:10], *script.events[20:], *block]
    script.read(3700, 1.35, also={"id": "z"})
    script.read(3800, 1.36, also={"id": "y"})
    settled = script.events[-2:]
    assert believed([*late, *settled], range(0, 40, 7)) == believed([*in_order(late), *settled])


def test_a_late_batch_start_resets_what_followed_it() -> None:
    script = run(2.0)
    start = later(Script().start(3601, "B-2", volume=3.0), id="late-start")
    late = [*script.events, start]
    assert believed(late) == believed(in_order(late))
    data = fold(BioreactorModel(), records_of(late)).effects[-1].data
    assert (data["batch"], data["state"]["volume"]["mean"]) == ("B-2", 3.0)


def test_a_late_reading_does_not_move_an_alert() -> None:
    script = Script()
    script.start()
    script.read(600, dissolved_oxygen=50.0)
    script.read(100, dissolved_oxygen=1.0)
    effects: list[Effect] = fold(BioreactorModel(), records_of(script.events)).effects
    assert not [one for one in effects if one.kind == "alert"]


def calm(seed: int, count: int) -> list[Event]:
    """Events whose meaning does not depend on when they come: nothing invalid, one unit of biomass, no ids twice."""
    events = [
        event
        for event in wild_events(seed, count, units=2, disorder=0.0)
        if getattr(event.data, "batch", "") != "B-x"
        and all(channel.unit != "[arb'U]" for channel in getattr(event.data, "channels", ()))
    ]
    return list({event.id: event for event in events}.values())


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), order=st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_in_order_belief(seed: int, order: object) -> None:
    events = calm(seed, 50)
    shuffled = list(range(len(events)))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    settle = Script()
    for unit in range(2):
        settle.unit = f"BR-{unit}"
        settle.read(4 * 3600, 1.3, also={"id": f"y{unit}"})
        settle.read(4 * 3600 + 61, 1.3, also={"id": f"z{unit}"})
    check_any_order(BioreactorModel(), records_of(events), [shuffled, shuffled[::-1]], records_of(settle.events))
