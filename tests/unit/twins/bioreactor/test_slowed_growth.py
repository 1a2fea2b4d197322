"""From end to end, without a pool: growth slows, the twin notices and asks, the answer corrects the advisory forecast,
and adopting it moves the qualified one."""

from __future__ import annotations

import math
from typing import Any

from schemas.effects import Effect
from schemas.instants import parse_instant
from tests.unit.twins.bioreactor.answering import SECTION, adopt, answer, folding, in_order
from tests.unit.twins.bioreactor.script import BEGIN, Script

GROWTH, SLOWED, SLOWS, ENDS = 0.028, 0.002, 2.0, 20.0  # per hour, per hour, hours
CONFIG: dict[str, Any] = {
    "process": {**SECTION, "unsure": {"mu_m": 0.05, "Y_XS": 0.1}, "wander": {}},
    "limits": [],
    "silence_minutes": 0,
    "estimate_seconds": 1800,
    "forecast_seconds": 5400,
    "triggers": {
        "inconsistent": {"minutes": 60},
        "asks": "reestimate",
        "value": {"decision": "viable_cells", "loss_per_sd": 1e4, "price_per_second": 0.01},
        "draws": 100,
    },
}


def cells(hour: float) -> float:
    """What there truly is [10*6/mL]."""
    return 0.2 * math.exp(GROWTH * min(hour, SLOWS) + SLOWED * max(hour - SLOWS, 0.0))


def culture(hours: float) -> Script:
    script = Script()
    script.start(0, volume=2.0, planned_end="2026-03-02T04:00:00Z")
    for minute in range(20, round(hours * 60) + 1, 20):
        script.read(minute * 60, biomass=(cells(minute / 60), "10*6/mL"), also={"id": f"r{minute}"})
    return script


def end_of(effect: Effect) -> float:
    """The median of the cells at the planned end, by a forecast."""
    found: float = effect.data["process"]["end_of_run"]["values"]["viable_cells"][2]
    return found


def test_a_culture_that_slows_is_noticed_asked_about_corrected_and_adopted() -> None:
    script = culture(12.0)
    asked = [one for one in folding(script.events, CONFIG).effects if one.kind == "request"]
    assert len(asked) == 1
    hour = (parse_instant(asked[0].event_time) - BEGIN) / 3.6e9
    print(f"asked after {hour:.1f} h: {asked[0].data['reason']}")
    assert SLOWS + 1.0 <= hour <= 9.5
    assert "biomass has not been consistent" in asked[0].data["reason"]
    assert "worth" in asked[0].data["reason"]

    left = ENDS - hour
    medians = [cells(hour + share * left) for share in (0.0, 0.5, 1.0)]
    fan = (("q05", 0.9), ("q25", 0.96), ("q50", 1.0), ("q75", 1.04), ("q95", 1.1))
    rows = {name: [share * at for at in medians] for name, share in fan}
    found = {
        "parameters": {"mu_m": {"median": SLOWED, "sd_log": 0.1}, "Y_XS": {"median": 1.5e8, "sd_log": 0.1}},
        "trajectory": {"hours": [0.0, left / 2, left], "quantities": {"viable_cells": {"unit": "10*6/mL", **rows}}},
    }  # fmt: skip
    answer(script, asked[0].id, hour * 3600, 9.6 * 3600, found)
    adopt(script, 10.2 * 3600, asked[0].id, id="yes")
    in_order(script)
    said = [one for one in folding(script.events, CONFIG).effects if one.kind == "forecast"]
    own = [one for one in said if one.lane == "qualified"]
    advisory = [one for one in said if one.lane == "advisory"]
    truth, yes = cells(ENDS), BEGIN + 10.2 * 3.6e9
    before = [one for one in own if parse_instant(one.event_time) < yes][-1]
    after = [one for one in own if parse_instant(one.event_time) > yes][-1]
    off = {name: abs(end_of(one) / truth - 1.0) for name, one in (("own", before), ("adopted", after))}
    off["advisory"] = abs(end_of(advisory[-1]) / truth - 1.0)
    print(f"median of the cells at the end, off by {off}")
    assert off["own"] > 0.25
    assert off["advisory"] < 0.12
    assert off["adopted"] < 0.12
    told = advisory[-1].data["resimulated"]["ends"]["viable_cells"]
    assert told["before"][2] == end_of(before)
    assert advisory[0].data["resimulated"]["parameters"]["mu_m"]["before"] > 3 * SLOWED
    assert not [one for one in advisory if parse_instant(one.event_time) > yes], (
        "once adopted there is but one forecast"
    )
