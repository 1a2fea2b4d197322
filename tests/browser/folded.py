"""A ledger with units that the twin's own code folded and committed: what it says of golden batches, feeds and alarms.

`fill.py` writes rows of the shapes that a worker leaves; here the rows are a worker's. Everything follows from the seed
and the moment at which the runs end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas import bioreactor as b
from schemas.events import Event
from schemas.instants import HOUR, MINUTE, Instant
from tests.support.engines import prepared
from tests.unit.streams.run_report.made import fill, records_of
from tests.unit.twins.bioreactor.golden_runs import document_of, golden_of, good_run
from tests.unit.twins.bioreactor.script import BEGIN, Script, later

SEED = 9
# One unit in each partition: each is folded by a configuration of its own.
GOLDEN, CULTURE, ALARMS = "GB-01", "CH-01", "AL-01"
GOLDEN_HOURS, CULTURE_HOURS, ALARMS_HOURS = 3.0, 4.0, 30.0

GOLDEN_CONFIG: dict[str, Any] = {
    "limits": [
        {"tag": "ph", "low": 6.75, "priority": "high", "unit": "[pH]", "phases": ["fed-batch"]},
        {"tag": "dissolved_oxygen", "low": 10, "unit": "%"},
    ],
    "silence_minutes": 0,
}
CULTURE_CONFIG: dict[str, Any] = {
    "process": {
        "model": "cho_xing",
        "channels": [
            {"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.02},
            {"tag": "glucose", "state": "glucose", "relative": 0.02, "absolute": 0.1},
        ],
        "unsure": {"mu_m": 0.1, "Y_XS": 0.2},
        "initial": {"viable_cells": 2e8},
        "feed": {"glucose": 600.0},
    },
    "limits": [],
    "silence_minutes": 0,
    "estimate_seconds": 1200,
    "forecast_seconds": 3600,
    "predicted": [{"tag": "process.glucose", "low": 23.6, "unit": "mmol/L"}],
    "advice": {
        "state": "glucose",
        "floor": 23.6,
        "unit": "mmol/L",
        "most_litres_per_hour": 0.1,
        "most_litres": 0.5,
        "vessel_litres": 3.0,
    },
    "triggers": {"surprise": {"z": 4.0, "clear_z": 3.0}, "phase": True, "cooldown_hours": 0, "most_a_day": 5},
}
ALARMS_CONFIG: dict[str, Any] = {
    "limits": [
        {"tag": "temperature", "high": 37.5, "unit": "Cel", "priority": "medium"},
        {"tag": "dissolved_oxygen", "low": 10, "unit": "%", "priority": "critical"},
    ],
    "silence_minutes": 0,
}


def golden_config() -> dict[str, Any]:
    """Give the configuration of the unit with a golden model, of 14 good runs."""
    model = document_of(golden_of(leave_one_out=True))
    return {**GOLDEN_CONFIG, "golden": {"model": model, "on_delay_minutes": 15, "priority": "medium"}}


def fill_folded(server: Any, now_us: int, keys: Sequence[str] = (GOLDEN, CULTURE, ALARMS)) -> str:
    """Make a database with these units, whose runs end at `now_us` [us since 1970]."""
    print(f"seed {SEED}")
    uri = prepared(str(server.database()))
    for script, hours, config in (
        (drifting_run(), GOLDEN_HOURS, golden_config()),
        (culture(), CULTURE_HOURS, CULTURE_CONFIG),
        (noisy_alarms(), ALARMS_HOURS, ALARMS_CONFIG),
    ):
        if script.unit in keys:
            fill(uri, records_of(_until(script.events, now_us - round(hours * HOUR))), config, frame=120)
    return uri


def drifting_run() -> Script:
    """A run among the good ones whose pH drifts away after an hour and a half, with all that is done at a vessel."""
    rng = np.random.default_rng(SEED)
    at, values = good_run(rng, 4.0, 481)
    script = Script(GOLDEN)
    script.start(0, "GB-117")
    script.phase(1, "inoculation")
    script.inoculate(10 * 60)
    script.phase(20 * 60, "batch")
    for number in range(1, int(GOLDEN_HOURS * 120)):
        ph, temperature, oxygen = values[number].tolist()
        ph -= 0.08 * max(0.0, float(at[number]) - 1.5)
        level = float(np.exp(0.05 * at[number])) * (1.5 if 150 <= number < 154 else 1.0)
        script.read(float(at[number]) * 3600, level, ph=ph, temperature=temperature, dissolved_oxygen=oxygen)
    script.sample(40 * 60 + 5, 0.004)
    script.assay(40 * 60 + 6, 1.04, known=100 * 60)
    script.hold(60 * 60 + 1, "stirrer belt changed")
    script.resume(70 * 60 + 1)
    script.calibrate(80 * 60 + 1, 0.05)
    script.phase(90 * 60 + 1, "fed-batch")
    for minute in range(92, 178, 2):
        script.feed(minute * 60 + 2, 0.002)
    script.exchange(100 * 60 + 3, 0.2)
    script.change_probe(110 * 60 + 3, tag="ph")
    return script


def culture() -> Script:
    """Cells that a process model follows: glucose goes down, and one assay surprises."""
    script = Script(CULTURE)
    script.start(0, "CHO-12", volume=2.0)
    script.phase(1, "batch")
    for minute in range(20, round(CULTURE_HOURS * 60) + 1, 20):
        cells = 0.2 * float(np.exp(0.026 * minute / 60))
        script.read(minute * 60, biomass=(cells, "10*6/mL"))
    for hour, value in ((2.05, 24.7), (3.05, 12.0)):
        script.say(hour * 3600, "bioreactor.assay_resulted", b.AssayResulted(f"S-{hour}", "glucose", value, "mmol/L"))
    script.phase(3.5 * 3600, "fed-batch")
    return script


def noisy_alarms() -> Script:
    """An oxygen alarm that stands for more than a day, and a temperature that chatters about its limit."""
    script = Script(ALARMS)
    script.start(0, "N-1")
    script.read(60, 1.0, dissolved_oxygen=8.0, temperature=37.0)
    for minute in range(60, round(ALARMS_HOURS * 60), 60):
        script.read(minute * 60, 1.0 + minute / 6000, dissolved_oxygen=8.0, temperature=37.0)
    for turn in range(60):
        script.read(28 * 3600 + turn * 12, dissolved_oxygen=8.0, temperature=37.6 if turn % 2 else 37.4)
    return script


def _until(events: list[Event], begin: int) -> list[Event]:
    """Shift events to begin in the minute of an instant, in the order in which they were told; none is yet to come."""
    by = begin - BEGIN - begin % MINUTE
    moved = [
        later(one, event_time=Instant(one.event_time + by), record_time=Instant(one.record_time + by)) for one in events
    ]
    return sorted(moved, key=lambda one: one.record_time)
