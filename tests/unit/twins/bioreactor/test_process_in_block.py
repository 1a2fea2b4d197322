"""A run of cells through the block: what the process model says live, late and revised."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from schemas import bioreactor as b
from schemas.effects import EstimateData, ForecastData
from tests.unit.twins.bioreactor.script import Script, records_of
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.block import Effects
from twins.checks import fold

SECTION: dict[str, Any] = {
    "model": "cho_xing",
    "channels": [
        {"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.05},
        {"tag": "glucose", "state": "glucose", "relative": 0.02, "absolute": 0.1},
    ],
    "unsure": {"mu_m": 0.2, "Y_XS": 0.2},
}
CONFIG = {"process": SECTION, "limits": [], "estimate_seconds": 600, "forecast_seconds": 3600}
GROWTH = 0.03  # 1/h


def run(hours: int, unit: str = "10*6/mL") -> Script:
    script = Script()
    script.start(0, volume=2.0)
    rng = np.random.default_rng(2)
    for minute in range(10, hours * 60 + 1, 10):
        cells = 0.2 * float(np.exp(GROWTH * minute / 60)) * (1 + 0.01 * rng.standard_normal())
        script.read(minute * 60, biomass=(cells, unit))
    return script


def assay(script: Script, hour: float, value: float, unit: str = "mmol/L", **also: Any) -> None:
    data = b.AssayResulted("S-1", "glucose", value, unit)
    script.say(hour * 3600, "bioreactor.assay_resulted", data, **also)


def folded(script: Script) -> list[Effects]:
    return fold(BioreactorModel.from_config(CONFIG), records_of(script.events), [len(script.events)]).frames


def estimates(effects: list[Effects]) -> list[dict[str, Any]]:
    return [one.data | {"at": one.event_time} for part in effects for one in part.estimates]


def test_an_estimate_holds_what_nobody_measures_in_readable_units() -> None:
    last = estimates(folded(run(24)))[-1]
    process = last["process"]
    assert process["model"] == "cho_xing@1"
    assert process["state"]["viable_cells"]["unit"] == "10*6/mL"
    assert process["state"]["viable_cells"]["mean"] == pytest.approx(0.2 * np.exp(GROWTH * 24), rel=0.05)
    assert 0.0 < process["state"]["glutamine"]["low"] < process["state"]["glutamine"]["mean"] < 4.0
    assert process["parameters"]["mu_m"]["seen"]
    assert process["outputs"]["viability"]["unit"] == "%"
    del last["at"]
    msgspec.convert(last, EstimateData)


def test_a_forecast_holds_the_models_states() -> None:
    effects = folded(run(8))
    last = [one.data for part in effects for one in part.forecasts][-1]
    glucose = last["process"]["values"]["glucose"]
    assert len(glucose) == len(last["at"])
    assert glucose[-1][2] < glucose[0][2]
    msgspec.convert(last, ForecastData)


def test_a_late_assay_counts_at_its_own_time_and_revises_the_past() -> None:
    """In order, and four hours late: the same belief to the bit; the past is said anew with it."""
    in_order, late = Script(), run(10)
    plain = run(10)
    assay(plain, 5.0, 22.0, id="g")
    in_order.events = sorted(plain.events, key=lambda event: event.event_time)
    assay(late, 5.0, 22.0, id="g", known=10 * 3600 + 60)
    model = BioreactorModel.from_config(CONFIG)
    beliefs = []
    for script in (in_order, late):
        records = records_of(script.events)
        block = fold(model, records, [len(records)]).block
        assert isinstance(block, BioreactorBlock)
        beliefs.append(block.belief("BR-1"))
    assert beliefs[0] == beliefs[1]
    revised = [one for one in estimates(folded(late)) if one["revised"]]
    assert revised
    before = {one["at"]: one for one in estimates(folded(run(10)))}
    changed = [one for one in revised if one["at"] in before]
    assert changed
    for one in changed:
        assert one["process"]["state"]["glucose"]["sd"] < before[one["at"]]["process"]["state"]["glucose"]["sd"]


def test_an_assay_in_a_unit_the_model_does_not_count_in_is_refused_with_its_reason() -> None:
    script = run(2)
    assay(script, 2.0, 4.5, unit="g/L")
    rejects = [one.data for part in folded(script) for one in part.rejects]
    assert [(one["reason"], one["received"]) for one in rejects] == [("unit", "g/L")]
    assert "mmol/L" in rejects[0]["expected"]


def test_a_signal_of_another_dimension_is_refused_and_moves_nothing() -> None:
    effects = folded(run(1, unit="g/L"))
    assert all(one.data["reason"] == "unit" for part in effects for one in part.rejects)
    assert sum(len(part.rejects) for part in effects) == 6
    assert all(one["process"] is None or one["process"]["channels"]["biomass"]["innovation_sd"] == 0.0
               for one in estimates(effects))  # fmt: skip


def test_without_the_section_nothing_is_said_and_nothing_is_kept() -> None:
    plain = BioreactorModel.from_config({"limits": []})
    script = run(1)
    one = fold(plain, records_of(script.events), [len(script.events)])
    assert all("process" not in estimate.data for part in one.frames for estimate in part.estimates)
    assert plain.name != BioreactorModel.from_config(CONFIG).name
