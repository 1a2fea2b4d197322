"""A run laid out of the minutes that are kept: what counts, when, and what keeps its own minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from schemas.instants import HOUR, MINUTE, format_instant
from tests.unit.twins.bioreactor.reestimated import BATCH, BEGAN, asked, reading, row_of, started
from twins.bioreactor.reestimation.changed import Held, Scan
from twins.bioreactor.reestimation.history import Deed, History, read_history
from twins.bioreactor.reestimation.question import read_question
from twins.bioreactor.rows import (
    DISTRUSTED,
    EXCHANGED,
    INOCULATED,
    NO_ITEMS,
    PHASE,
    PROBE,
    RETAINED,
    START,
    TRUSTED,
    Assay,
    Change,
    Items,
)
from twins.block import Memory


def at(minute: float) -> int:
    return round((BEGAN + minute) * MINUTE)


def of(rows: Sequence[Memory], **inputs: Any) -> History:
    return read_history(read_question(asked(**inputs)), rows)


def only(history: History, what: str) -> list[Deed]:
    return [one for one in history.deeds if one.what == what]


def changed(minute: int, order: int, name: str = "", volume: int = -1, bucket: Sequence[int] | None = None) -> Memory:
    items = NO_ITEMS.with_change(Change(at(minute), order, f"c{minute}", name=name, volume=volume))
    return row_of(minute, reading(1e9) if bucket is None else bucket, items)


def fed(minute: int, nanolitres: int) -> Memory:
    return row_of(minute, (*reading(1e9)[:5], nanolitres, 0))


def test_readings_of_a_half_hour_are_one_mean_at_the_mean_of_their_times() -> None:
    history = of([started(), *(row_of(minute, reading(1e8 * minute)) for minute in (1, 3, 8, 31, 33))])
    first, second = only(history, "measure")
    assert [first.value, second.value] == pytest.approx([4e8, 32e8])
    assert [first.hour, first.count, second.count] == pytest.approx([4 / 60, 3.0, 2.0])


def test_an_outlier_among_minutes_is_trimmed() -> None:
    history = of([started(), *(row_of(minute, reading(9e9 if minute == 4 else 1e9)) for minute in range(2, 8))])
    assert [one.value for one in only(history, "measure")] == [pytest.approx(1e9)]


def test_an_assay_counts_at_its_sample_in_the_models_unit_and_a_withdrawn_one_does_not() -> None:
    one = NO_ITEMS.with_assay(Assay("S1", "glucose", at(60.5), at(300), "a", 20.0))
    gone = NO_ITEMS.with_assay(Assay("S2", "glucose", at(70), at(300), "b", None))
    other = NO_ITEMS.with_assay(Assay("S3", "titer", at(80), at(300), "c", 1.0))
    history = of([started(), row_of(60, items=one), row_of(70, items=gone), row_of(80, items=other)])
    (deed,) = only(history, "measure")
    assert [deed.hour, deed.place, deed.value] == pytest.approx([60.5 / 60, 1, 20.0])
    assert history.measured == [0, 1, 0]


def test_a_bolus_keeps_its_minute_and_small_additions_become_one() -> None:
    history = of([started(), fed(5, 100_000), fed(9, 300_000), fed(14, 50_000_000), fed(25, 100_000)])
    assert [(round(d.hour * 60, 9), d.value) for d in only(history, "add")] == [
        (8.0, pytest.approx(4e-4)), (14.0, 0.05), (25.0, 1e-4)
    ]  # fmt: skip
    means = [round(d.hour * 60, 9) for d in only(history, "measure")]
    assert means == [7.0, 19.5]  # none reaches across the bolus


def test_readings_that_are_not_trusted_do_not_count_nor_those_of_a_minute_in_which_the_probe_changed() -> None:
    rows = [
        changed(5, PROBE),
        changed(30, DISTRUSTED, "biomass"),
        row_of(35, reading(2e9)),
        changed(60, TRUSTED, "biomass"),
    ]
    history = of([started(), *rows])
    assert [round(one.hour * 60) for one in only(history, "measure")] == [60]
    assert [round(one.hour * 60) for one in only(history, "forget")] == [5]


def test_an_exchange_of_medium_keeps_cells_that_are_retained() -> None:
    history = of([started(), changed(30, EXCHANGED, RETAINED, 400_000_000)])
    (deed,) = only(history, "exchange")
    assert deed.holds is not None
    assert (deed.value, deed.holds[0], deed.holds[2]) == (0.4, 0.0, 25.0)


def test_a_run_begins_with_its_inoculation_and_with_the_last_start_of_its_batch() -> None:
    again = row_of(90, items=NO_ITEMS.with_change(Change(at(90), START, "t", batch=BATCH, volume=2_000_000_000)))
    assert of([started(), again, row_of(120)]).began == at(90)
    assert of([started(), changed(45, INOCULATED), row_of(120, reading(1e9))]).began == at(45)


def test_the_volume_follows_from_what_is_there_now_where_the_start_says_none() -> None:
    rows = [started(-1), fed(10, 50_000_000), row_of(20, (*reading(1e9)[:6], 20_000_000))]
    assert of(rows, initial={"volume": 1.0}).litres == pytest.approx(0.97)


def test_now_is_when_it_was_asked_and_what_came_after_does_not_count() -> None:
    rows = [started(), row_of(60, reading(1e9)), row_of(200, reading(1e9))]
    history = of(rows, at=format_instant(at(90)))
    assert history.hours == 1.5
    assert history.measured[0] == 1
    assert history.deeds[-1].hour == 1.5


def test_no_step_is_long() -> None:
    hours = [0.0, *(one.hour for one in of([started(), row_of(600, reading(1e9))]).deeds)]
    assert max(np.diff(hours)) <= 0.75
    assert hours == sorted(hours)


def test_a_factor_counts_from_its_hour_on_and_phases_have_values_of_their_own() -> None:
    question = read_question(asked(phases={"cold": {"mu_m": 0.01, "K_S": 0.2}}))
    held = Held(question, np.array([[0.0, 0.1], [0.0, 0.0], [0.0, 0.2]]), np.log([0.5, 1.0]), np.array([10.0, np.inf]))
    names = held.filter.design.phased
    assert names[:3] == ("Y_XS", "d_G", "mu_m")
    growth = names.index("mu_m")
    assert held.values("", 8.0, 9.0)[growth] == pytest.approx([0.029, 0.029 * np.exp(0.2)])
    assert held.values("", 11.0, 12.0)[growth] == pytest.approx([0.0145, 0.029 * np.exp(0.2)])
    assert held.values("", 9.5, 10.5)[growth, 0] == pytest.approx(0.029 * 0.5**0.5)
    cold = held.values("cold", 11.0, 12.0)
    assert (cold[growth, 0], cold[names.index("K_S"), 0]) == (pytest.approx(0.005), 0.2)
    scan = Scan(question, np.array([np.inf, 10.0]))
    assert scan.values("", 9.0, 11.0)[-1].tolist() == [0.0, 0.5]


def test_a_phase_is_entered_at_its_time() -> None:
    items = Items((Change(at(30) + MINUTE // 2, PHASE, "p", name="cold"),))
    history = of([started(), row_of(30, items=items), row_of(60)])
    (deed,) = only(history, "phase")
    assert deed.name == "cold"
    assert deed.hour == pytest.approx(30.5 / 60)
    assert history.hours == 61 * MINUTE / HOUR
