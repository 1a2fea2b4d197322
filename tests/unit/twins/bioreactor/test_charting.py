"""Charts on innovations: they see a probe that jumps, keep quiet else, and are what the order of events makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.charts import campaign
from schemas.effects import Effect
from schemas.errors import SettingsError
from tests.unit.twins.bioreactor.script import Script, records_of, wild_events
from tests.unit.twins.bioreactor.test_late import calm
from tests.unit.twins.bioreactor.test_limits import without_numbers
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.bioreactor.sections import Chart
from twins.checks import check_any_order, fold

SEED = 20261123
ALL: dict[str, Any] = {
    "charts": [
        {"chart": "cusum", "arl0": 2000, "quiet_minutes": 30, "priority": "medium"},
        {"chart": "ewma", "arl0": 2000, "quiet_minutes": 10},
        {"chart": "rules", "rules": ["western_electric.1", "nelson.2"], "quiet_minutes": 10},
    ]
}


def run(jump_at: float | None, minutes: int, factor: float = 1.06, seed: int = SEED) -> Script:
    """Readings each 20 s of a unit that grows as expected, whose signal jumps by a factor after `jump_at` minutes."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    script = Script()
    script.start(parameters={"readings_effective": 3.0})
    for turn in range(minutes * 3):
        time = turn * 20.0
        level = np.exp(0.05 * time / 3600) * (1 + 0.02 * rng.normal())
        script.read(time, float(level * (factor if jump_at is not None and time >= jump_at * 60 else 1.0)))
    return script


def alerts_of(script: Script, config: dict[str, Any], cuts: Any = ()) -> list[Effect]:
    effects = fold(BioreactorModel.from_config(config), records_of(script.events), cuts).effects
    return [one for one in effects if one.kind == "alert"]


def test_no_chart_is_kept_unless_asked_for() -> None:
    assert alerts_of(run(120, 200), {}) == []
    block = BioreactorModel().empty()
    assert block._state.charting is None
    assert block._state.chart.shape[1] == 0


def test_a_probe_that_jumps_is_told_with_its_beginning_and_clears_when_it_is_quiet() -> None:
    found = alerts_of(run(120, 400), ALL)
    cusum = [one for one in found if one.data["rule"] == "biomass.residual.cusum"]
    assert [one.data["action"] for one in cusum] == ["raise", "clear"]
    data = cusum[0].data
    assert data["priority"] == "medium"
    assert data["value"] > data["limit"] > 0
    assert cusum[0].event_time < "2026-03-01T10:10:00Z"  # it jumped at 10:00
    assert data["message"].startswith("the biomass signal has been above what the twin expects since 2026-03-01T")
    assert data["message"].endswith("compare with an assay")
    assert "as expected for 30 min" in cusum[1].data["message"]
    assert {one.data["rule"] for one in found if one.data["action"] == "raise"} == {
        "biomass.residual.cusum",
        "biomass.residual.ewma",
        "biomass.residual.rules",
    }


def test_a_single_spike_fires_no_cusum() -> None:
    script = run(None, 200)
    script.events[360] = Script().read(7180, 50.0, also={"id": script.events[360].id})
    assert [one for one in alerts_of(script, {"charts": ALL["charts"][:1]}) if one.data["action"] == "raise"] == []


def test_a_minute_without_a_judged_signal_is_no_point() -> None:
    script = run(None, 30)
    block = fold(BioreactorModel.from_config(ALL), records_of(script.events)).block
    for minute in range(31, 60):
        script.read(minute * 60, dissolved_oxygen=40.0)
    again = fold(BioreactorModel.from_config(ALL), records_of(script.events)).block
    assert isinstance(block, BioreactorBlock)
    assert isinstance(again, BioreactorBlock)
    # the minute that was open in the first is closed in the second; nothing came after it
    assert (again._state.chart[0] != block._state.chart[0]).any()
    script.read(3600, dissolved_oxygen=40.0)
    last = fold(BioreactorModel.from_config(ALL), records_of(script.events)).block
    assert isinstance(last, BioreactorBlock)
    assert np.array_equal(last._state.chart[0], again._state.chart[0])


def test_a_new_batch_begins_the_charts_anew() -> None:
    script = run(60, 70)
    script.start(4210, "B-2")
    script.read(4300, 1.0)
    block = fold(BioreactorModel.from_config(ALL), records_of(script.events)).block
    assert isinstance(block, BioreactorBlock)
    charting = block._state.charting
    assert charting is not None
    assert np.array_equal(block._state.chart[0], charting.beginning[:, 0])


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32), order=st.randoms(use_true_random=False))
def test_charts_are_what_the_order_of_events_makes_them(seed: int, order: Any) -> None:
    events = calm(seed, 50)
    shuffled = list(range(len(events)))
    order.shuffle(shuffled)
    settle = Script()
    for unit in range(2):
        settle.unit = f"BR-{unit}"
        settle.read(4 * 3600, 1.3, also={"id": f"y{unit}"})
        settle.read(4 * 3600 + 61, 1.3, also={"id": f"z{unit}"})
    check_any_order(BioreactorModel.from_config(ALL), records_of(events), [shuffled], records_of(settle.events))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_neighbours_change_nothing(seed: int) -> None:
    charts = [{"chart": "cusum", "arl0": 5, "quiet_minutes": 0}, {"chart": "ewma", "arl0": 5, "quiet_minutes": 2}]
    model = BioreactorModel.from_config({"charts": charts})
    records = records_of(wild_events(seed, 120))
    whole = fold(model, records).effects
    for unit in ("BR-0", "BR-1", "BR-2"):
        own = fold(model, [one for one in records if one.key is None or one.key == unit.encode()]).effects
        assert without_numbers(own, unit) == without_numbers(whole, unit)


def test_false_signals_are_no_more_frequent_than_asked_for() -> None:
    shown = campaign(Chart("cusum", arl0=200.0), units=60, minutes=600, jump=1.03, seed=SEED)
    print(f"seed {SEED}: {shown}")
    assert shown["high"] > 200  # not significantly more often; `python -m benchmarks charts` for the figures
    assert shown["found"] > 0.8


@pytest.mark.parametrize(
    ("chart", "says"),
    [
        ({"chart": "rules"}, "expected rules"),
        ({"chart": "cusum", "rules": ["nelson.1"]}, "only there"),
        ({"chart": "rules", "rules": ["nelson.9"]}, "nelson.9"),
        ({"chart": "rules", "rules": ["nelson.1"], "arl0": 100}, "no arl0"),
        ({"chart": "shewhart"}, "shewhart"),
        ({"chart": "cusum", "reference": 2.5, "arl0": 10}, "make it smaller"),
    ],
)
def test_a_chart_that_cannot_be_is_refused(chart: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=r"expected") as error:
        BioreactorModel.from_config({"charts": [chart]})
    assert says in str(error.value)
