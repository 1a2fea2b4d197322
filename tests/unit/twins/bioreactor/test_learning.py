"""The advisory lane of a block: what is said of it, and that the qualified lane never notices."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest
from river.anomaly import HalfSpaceTrees

from schemas.effects import Effect, ForecastData
from schemas.errors import SettingsError
from schemas.instants import HOUR, parse_instant
from streams.ledger.claims import Checkpoint
from streams.verify import PartitionVerdict, _compare_state
from tests.unit.twins.bioreactor.script import Script, records_of, wild_events, with_cells
from twins import checks
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.bioreactor.config import read_config
from twins.checks import Folded, PlainRecord, fold

LEARNING: dict[str, Any] = {"learning": {"leads_hours": [0.25, 1.0], "every_minutes": 10}}
GROWTH: dict[str, Any] = {"predicted": [{"tag": "biomass", "high": 1.5, "unit": "g/L"}], "silence_minutes": 5}
PROCESS: dict[str, Any] = {
    "limits": [],
    "silence_minutes": 0,
    "estimate_seconds": 3600,
    "forecast_seconds": 1200,
    "horizon_hours": 1,
    "process": {
        "model": "cho_xing",
        "channels": [
            {"tag": "biomass", "state": "viable_cells", "relative": 0.03, "gain_sd": 0.05},
            {"tag": "glucose", "state": "glucose", "relative": 0.04, "absolute": 0.2},
        ],
        "initial": {"viable_cells": 1e9},
        "lane": "extended",
    },
    "triggers": {"surprise": {"z": 0.7, "clear_z": 0.5}, "phase": True, "cooldown_hours": 0.2, "draws": 5},
}


def model(config: dict[str, Any], **more: Any) -> BioreactorModel:
    return BioreactorModel.from_config(config | more)


def learned(folded: Folded) -> list[Effect]:
    return [one for one in folded.effects if one.kind == "forecast" and one.lane == "advisory"]


def qualified(folded: Folded) -> list[bytes]:
    return [line for line, one in zip(folded.lines, folded.effects, strict=True) if one.lane == "qualified"]


def culture(hours: float, units: int = 2) -> list[PlainRecord]:
    """Units that grow by 0.1 /h, read every five minutes."""
    rng = np.random.default_rng(3)
    script = Script()
    for unit in range(units):
        script.unit = f"BR-{unit}"
        script.start(unit, f"B-{unit}", id=f"s{unit}")
    for minute in range(5, round(hours * 60), 5):
        for unit in range(units):
            script.unit = f"BR-{unit}"
            level = float(np.exp(0.1 * minute / 60) * (1 + 0.01 * rng.standard_normal()))
            script.read(minute * 60 + unit, level, also={"id": f"r{minute}-{unit}"})
    return records_of(script.events)


@pytest.mark.parametrize("config", [GROWTH, PROCESS])
def test_what_is_qualified_is_the_same_to_the_byte_with_and_without(config: dict[str, Any]) -> None:
    events = wild_events(11, 30 if "process" in config else 60)
    records = records_of(with_cells(events) if "process" in config else events)
    plain, beside = fold(model(config), records), fold(model(config, **LEARNING), records, range(0, 60, 13))
    assert len(learned(beside)) > 5
    assert qualified(beside) == qualified(plain)
    assert [one.id for one in beside.effects if one.kind == "request"] == [
        one.id for one in plain.effects if one.kind == "request"
    ]
    assert isinstance(beside.block, BioreactorBlock)
    body = beside.block.snapshot()
    assert body != plain.block.snapshot()
    assert beside.block.qualified(body) == plain.block.snapshot()


def test_every_check_of_a_twin_holds_with_it() -> None:
    with_learning = model(GROWTH, forecast_seconds=600, **LEARNING)
    records = records_of(wild_events(12, 50))
    checks.check_all(with_learning, records, range(1, 50, 7), bytes_a_twin=25_000)


def test_where_frames_end_changes_nothing_beside_a_process_model() -> None:
    records = records_of(with_cells(wild_events(13, 25)))
    checks.check_split_equals_whole(model(PROCESS, **LEARNING), records, [3, 11])


def test_each_message_says_what_stands_behind_it() -> None:
    records = culture(5.0)
    folded = fold(model({}, **LEARNING), records)
    last = learned(folded)[-1]
    data = msgspec.convert(last.data, ForecastData)
    assert data.learning is not None
    assert data.learning.leads is not None
    assert data.learning.window is not None
    assert data.learning.drift is not None
    assert data.learning.anomaly is not None
    assert data.learning.off is None
    assert data.learning.model.startswith("residual@1+")
    assert data.learning.library.startswith("river ")
    assert data.units == {"biomass": "g/L"}
    assert [one.hours for one in data.learning.leads] == [0.25, 1.0]
    ahead = [(parse_instant(at) - parse_instant(last.event_time)) / HOUR for at in data.at]
    assert ahead == pytest.approx([0.25, 1.0], abs=1e-6)
    for (low, middle, high), lead in zip(data.values["biomass"], data.learning.leads, strict=True):
        assert low < middle < high
        assert lead.applied or middle == lead.model
        assert lead.examples > 30
    assert data.learning.window.from_ < data.learning.window.to <= last.event_time
    assert 0 < data.learning.window.first_offset < data.learning.window.last_offset <= records[-1].offset
    fan = next(one for one in folded.effects if one.kind == "forecast" and one.id.rsplit("/", 1)[0] in last.id)
    assert fan.lane == "qualified", "what is learned comes after the forecast that it is about"


def test_the_model_s_forecast_is_that_of_the_twin() -> None:
    folded = fold(model({}, horizon_hours=1, learning={"leads_hours": [1.0], "every_minutes": 10}), culture(3.0))
    fans = [one.data for one in folded.effects if one.kind == "forecast" and one.lane == "qualified"]
    beside = [one.data for one in learned(folded)]
    assert len(fans) == len(beside) > 10
    for fan, said in zip(fans, beside, strict=True):
        assert said["learning"]["leads"][0]["model"] == pytest.approx(fan["values"]["biomass"][-1][2], rel=1e-9)


def test_an_exception_in_river_leaves_the_qualified_lane_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    records, calls = culture(5.0), [0]
    plain = fold(model({}), records)
    real = HalfSpaceTrees.score_one

    def planted(self: Any, x: Any) -> Any:
        calls[0] += 1
        if calls[0] > 20:
            raise ZeroDivisionError("float division by zero")
        return real(self, x)

    monkeypatch.setattr(HalfSpaceTrees, "score_one", planted)
    folded = fold(model({}, **LEARNING), records)
    assert qualified(folded) == qualified(plain)
    said = [msgspec.convert(one.data, ForecastData) for one in learned(folded)]
    offs = [one.learning.off for one in said if one.learning is not None]
    assert offs[:20] == [None] * 20
    rest = [one for one in offs[20:] if one is not None]
    assert len(rest) == len(offs) - 20 > 20
    assert {one.reason for one in rest} == {"ZeroDivisionError: float division by zero"}
    assert [one.left_out for one in rest] == list(range(1, len(rest) + 1))
    assert said[-1].values == {}
    again = model({}, **LEARNING).empty()
    again.restore(folded.block.snapshot())
    assert again.snapshot() == folded.block.snapshot()


def test_verifying_looks_at_the_qualified_lane_and_notes_what_else_differs() -> None:
    records = culture(3.0)
    live = fold(model({}, **LEARNING), records)
    other = fold(model({}, learning=LEARNING["learning"] | {"seed": 2}), records)
    verdict = PartitionVerdict("bioreactor.events", 0, 0, 9)
    checkpoint = Mock(spec=Checkpoint, body=live.block.snapshot(), next_offset=9)
    _compare_state(Mock(block=other.block), checkpoint, verdict)
    assert verdict.difference == ""
    assert verdict.notes == ["what the advisory lane has learned by offset 9 differs"]
    short = fold(model({}, **LEARNING), records[:-1])
    _compare_state(Mock(block=short.block), checkpoint, verdict)
    assert verdict.difference.startswith("the state at offset 9 differs")


def test_other_settings_begin_anew_and_no_settings_forget() -> None:
    first = fold(model({}, **LEARNING), culture(3.0)).block.snapshot()
    other = model({}, learning={"leads_hours": [1.0]}).empty()
    other.restore(first)
    more = culture(3.0)
    said = learned(fold(model({}, learning={"leads_hours": [1.0]}), more[:0], block=other))
    assert said == []
    assert other._state.learning is not None
    assert other._state.learning.advisor.anew.count == 1
    plain = model({}).empty()
    plain.restore(first)
    assert plain.snapshot() == fold(model({}), culture(3.0)).block.snapshot()


WITHOUT_RIVER = """
import sys
from schemas.errors import MissingExtraError
from twins.bioreactor import BioreactorModel
BioreactorModel().empty().snapshot()
assert "river" not in sys.modules
sys.modules["river"] = None
try:
    BioreactorModel.from_config({"learning": {}})
except MissingExtraError as error:
    assert "twinstream[online-ml]" in str(error)
else:
    raise AssertionError("it did not miss river")
"""


def test_it_is_off_by_default_and_river_is_loaded_only_when_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_RIVER], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_name_of_the_model_is_that_of_the_qualified_lane() -> None:
    assert model({}, **LEARNING).name == model({}).name == "growth@1+" + model({}).name[-10:]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"leads_hours": []}, "1 to 4 rising leads"),
        ({"leads_hours": [2.0, 1.0]}, "1 to 4 rising leads"),
        ({"leads_hours": [1.0, 2.0, 3.0, 4.0, 5.0]}, "1 to 4 rising leads"),
        ({"leads_hours": [200.0]}, "at most 64 forecasts"),
        ({"leads": [1.0]}, "unknown field"),
    ],
)
def test_a_section_that_cannot_be_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_config({"learning": section})


def test_a_process_model_without_a_biomass_signal_is_refused() -> None:
    process = PROCESS["process"] | {"channels": PROCESS["process"]["channels"][1:]}
    with pytest.raises(SettingsError, match="cells the biomass probe measures"):
        read_config({"process": process, **LEARNING})
