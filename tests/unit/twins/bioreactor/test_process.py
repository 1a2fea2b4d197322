"""The process model in the block: its column of floats, its minutes, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR, MINUTE
from twins.bioreactor import BioreactorModel
from twins.bioreactor.filter import REOPEN_AFTER
from twins.bioreactor.process import BEGUN, FIRST_CHANNEL, REJECTED, TIME, Process
from twins.bioreactor.process_emit import process_data, process_forecast
from twins.bioreactor.process_section import ProcessSection
from twins.bioreactor.rows import Assay, Batch

Floats = NDArray[np.float64]

SECTION: dict[str, Any] = {
    "model": "cho_xing",
    "channels": [
        {"tag": "biomass", "state": "viable_cells", "relative": 0.015, "gain_sd": 0.05, "colour_sd": 0.015,
         "colour_hours": 3.0},
        {"tag": "biomass", "by": "assay", "state": "viable_cells", "relative": 0.05},
        {"tag": "glucose", "state": "glucose", "relative": 0.04, "absolute": 0.2},
    ],
    "unsure": {"mu_m": 0.2, "Y_XS": 0.2},
    "wander": {"mu_m": {"sd": 0.05, "hours": 12.0}},
}  # fmt: skip
TICK = 5 * MINUTE


def process(**changes: object) -> Process:
    return Process(msgspec.convert(SECTION | changes, ProcessSection))


def begun(one: Process, n: int, litres: float = 1.0) -> Floats:
    m = np.zeros((one.width, n))
    for j in range(n):
        one.begin(m, j, 0, litres)
    return m


def follow(one: Process, m: Floats, y: Floats, litres: Floats, first: int = 0) -> None:
    """Take in signals of shape (ticks, n), five minutes apart."""
    n = m.shape[1]
    for tick, values in enumerate(y, first):
        times = np.full(n, (tick + 1) * TICK, dtype=np.int64)
        one.signal(m, times, litres, values, np.ones(n), np.ones(n, dtype=np.bool_))


def signals(ticks: int, n: int) -> Floats:
    rng = np.random.default_rng(4)
    grown = 0.2 * np.exp(0.027 * np.arange(1, ticks + 1) * TICK / HOUR)
    return grown[:, None] * (1.0 + 0.015 * rng.standard_normal((ticks, n)))


def sample(tag: str, value: float | None, at: int) -> Assay:
    return Assay("S1", tag, at, at, "id", value)


def test_a_twins_column_is_the_same_bits_alone_and_among_others() -> None:
    one, y = process(), signals(12, 9)
    together, alone = begun(one, 9), begun(one, 1)
    follow(one, together, y, np.ones(9))
    follow(one, alone, y[:, 4:5], np.ones(1))
    assert alone[:, 0].tobytes() == np.ascontiguousarray(together[:, 4]).tobytes()


def test_a_column_holds_all_that_the_filter_knows() -> None:
    one, y = process(), signals(24, 2)
    m = begun(one, 2)
    follow(one, m, y[:12], np.ones(2))
    again = np.array(m.T.tolist()).T  # as a mark or a snapshot brings it back
    follow(one, m, y[12:], np.ones(2), first=12)
    follow(one, again, y[12:], np.ones(2), first=12)
    assert again.tobytes() == m.tobytes()


def test_a_twin_without_a_run_remembers_nothing() -> None:
    one = process()
    m = np.zeros((one.width, 1))
    follow(one, m, signals(3, 1), np.ones(1))
    one.feed(m, np.array([1]), np.ones(1), np.array([10**8]))
    one.assays(m, np.ones(1), {0: sample("glucose", 20.0, HOUR)})
    assert not m.any()
    assert process_data(one, m, np.ones(1), [Batch()]) == [None]


def test_an_assay_counts_for_its_twin_alone_and_a_withdrawn_one_for_none() -> None:
    one = process()
    m = begun(one, 3)
    before = m.copy()
    one.assays(m, np.ones(3), {1: sample("glucose", None, HOUR)})
    one.assays(m, np.ones(3), {1: sample("lactate", 3.0, HOUR)})
    assert m.tobytes() == before.tobytes()
    one.assays(m, np.ones(3), {1: sample("glucose", 22.0, HOUR)})
    assert (m[:, [0, 2]] == before[:, [0, 2]]).all()
    assert m[TIME, 1] == HOUR
    said = process_data(one, m, np.ones(3), [Batch()] * m.shape[1])
    assert said[1] is not None
    assert 22.0 < said[1]["state"]["glucose"]["mean"] < 25.0


def test_a_count_of_cells_tells_the_probes_gain() -> None:
    """The probe reads 10 % more than is there; a count of 5 % says so."""
    one = process(initial_sd=0.3)
    m = begun(one, 1)
    follow(one, m, 1.1 * signals(12, 1), np.ones(1))
    high = one.read(m, np.array([0]), np.ones(1)).mean[one.filter.layout.gains[0], 0]
    for k in range(4):
        one.assays(m, np.ones(1), {0: sample("biomass", 0.2 * np.exp(0.027 * (2 + k)), (2 + k) * HOUR)})
    told = one.read(m, np.array([0]), np.ones(1)).mean[one.filter.layout.gains[0], 0]
    assert abs(high) < 0.01
    assert told > high + 0.03


def test_feed_brings_what_it_holds_and_dilutes_the_rest() -> None:
    """Within 1 %: what cells take up in the minute before, and the trace that an empty state holds."""
    one = process(feed={"glucose": 600.0})
    m = begun(one, 1)
    one.feed(m, np.array([1]), np.ones(1), np.array([25_000_000]))
    said = process_data(one, m, np.full(1, 1.025), [Batch()])[0]
    assert said is not None
    assert said["state"]["glucose"]["mean"] == pytest.approx((25.0 + 600.0 * 0.025) / 1.025, rel=0.01)
    assert said["state"]["viable_cells"]["mean"] == pytest.approx(0.2 / 1.025, rel=0.01)
    assert said["state"]["viable_cells"]["unit"] == "10*6/mL"


def test_a_lasting_jump_opens_the_gate() -> None:
    one = process()
    m = begun(one, 1)
    follow(one, m, signals(12, 1), np.ones(1))
    for tick in range(REOPEN_AFTER + 1):
        times = np.full(1, (13 + tick) * TICK, dtype=np.int64)
        one.signal(m, times, np.ones(1), np.array([0.5]), np.ones(1), np.ones(1, dtype=np.bool_))
        rejected = m[FIRST_CHANNEL + REJECTED, 0]
        assert rejected == (tick + 1 if tick < REOPEN_AFTER - 1 else 0)
    said = process_data(one, m, np.ones(1), [Batch()])[0]
    assert said is not None
    assert said["state"]["viable_cells"]["mean"] > 0.4


def test_what_the_data_have_not_seen_says_so() -> None:
    one = process()
    m = begun(one, 1)
    follow(one, m, signals(288, 1), np.ones(1))
    said = process_data(one, m, np.ones(1), [Batch()])[0]
    assert said is not None
    assert said["model"] == "cho_xing@1"
    assert said["parameters"]["mu_m"]["seen"]
    assert not said["parameters"]["Y_XS"]["seen"]
    assert said["channels"]["biomass"]["consistent"]
    msgspec.json.encode(said)


def test_a_forecast_is_laid_out_as_the_growth_filters() -> None:
    one = process()
    m = begun(one, 2)
    follow(one, m, signals(12, 2), np.ones(2))
    at = (HOUR * (1 + np.arange(1, 4)))[:, None] * np.ones(2, dtype=np.int64)
    before = m.copy()
    said = process_forecast(one, m, np.ones(2), at, np.array([-1.645, 0.0, 1.645]))
    assert m.tobytes() == before.tobytes()
    assert said[0] is not None
    cells = said[0]["values"]["viable_cells"]
    assert [len(row) for row in cells] == [3, 3, 3]
    assert all(low < middle < high for low, middle, high in cells)
    assert cells[2][1] > cells[0][1]


def test_a_run_that_begins_anew_forgets_the_last() -> None:
    one = process()
    m, fresh = begun(one, 1), begun(one, 1)
    follow(one, m, signals(12, 1), np.ones(1))
    one.begin(m, 0, 0, 1.0)
    assert m.tobytes() == fresh.tobytes()
    assert m[BEGUN, 0] == 1.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "cho"}, "model"),
        ({"parameters": {"mu": 1.0}}, "parameter"),
        ({"parameters": {"mu_m": -1.0}}, "mu_m"),
        ({"initial": {"cells": 1.0}}, "initial"),
        ({"feed": {"oxygen": 1.0}}, "feed"),
        ({"channels": [{"tag": "glucose", "state": "viable_cells", "relative": 0.1}]}, "measures"),
        ({"channels": [{"tag": "glucose", "state": "sugar", "relative": 0.1}]}, "state"),
        ({"channels": [{"tag": "glucose", "state": "glucose", "relative": 0.1, "by": "signal"}]}, "signal"),
    ],
)
def test_a_section_that_cannot_be_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        process(**changes)


def test_the_example_is_a_configuration_that_runs() -> None:
    document = json.loads((Path(__file__).resolve().parents[4] / "examples" / "bioreactor" / "cho.json").read_text())
    one = BioreactorModel.from_config(document).config.process
    assert one is not None
    assert Process(one).tags.keys() == {"biomass", "biomass assay", "glucose", "lactate"}
