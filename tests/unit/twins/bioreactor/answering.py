"""A culture that asks for a re-simulation, and answers made by hand: for the tests of what a twin does with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas import bioreactor as b
from schemas.events import Event
from schemas.instants import parse_instant
from schemas.jobs import Provenance, ResimulationResult
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.checks import Folded, fold

SECTION: dict[str, Any] = {
    "model": "cho_xing",
    "channels": [
        {"tag": "biomass", "state": "viable_cells", "relative": 0.03, "gain_sd": 0.02},
        {"tag": "biomass", "by": "assay", "state": "viable_cells", "relative": 0.05},
        {"tag": "glucose", "state": "glucose", "relative": 0.03, "absolute": 0.1},
    ],
    "unsure": {"mu_m": 0.1, "Y_XS": 0.2},
    "wander": {"mu_m": {"sd": 0.02, "hours": 24}},
    "initial": {"viable_cells": 2e8},
    "feed": {"glucose": 600.0},
}
CONFIG: dict[str, Any] = {
    "process": SECTION,
    "limits": [],
    "silence_minutes": 0,
    "estimate_seconds": 1800,
    "forecast_seconds": 5400,
    "triggers": {"phase": True, "cooldown_hours": 0, "most_a_day": 50, "draws": 4},
}
END = "2026-03-01T13:00:00Z"
FAN = (("q05", 0.8), ("q25", 0.9), ("q50", 1.0), ("q75", 1.1), ("q95", 1.2))
SAID: dict[str, Any] = {
    "parameters": {"mu_m": {"median": 0.02, "sd_log": 0.05}, "Y_XS": {"median": 1.5e8, "sd_log": 0.1}},
    "order": ["mu_m", "Y_XS"],
    "covariance_log": [[0.0025, 0.001], [0.001, 0.01]],
    "trajectory": {
        "hours": [0.0, 1.5, 3.5],
        "quantities": {
name: {"unit": unit, **{quantile: [scale * share] * 3 for quantile, share in FAN}}
            for name, unit, scale in (("viable_cells", "/mL", 1e6), ("glucose", "mmol/L", 20.0), ("mystery", "1", 3.0))
        },
    },
}  # fmt: skip


def culture(hours: float = 2.5, asks_at: float = 1.5, script: Script | None = None, unit: str = "BR-1") -> Script:
    """A culture that asks once, when its phase changes, and whose forecasts go to a planned end."""
    script = script or Script(unit)
    script.start(0, volume=2.0, planned_end=END, id=f"start-{unit}")
    script.phase(60, "batch", id=f"p0-{unit}")
    for minute in range(15, round(hours * 60) + 1, 15):
        cells = 0.2 * float(np.exp(0.026 * minute / 60))
        script.read(minute * 60, biomass=(cells, "10*6/mL"), also={"id": f"r{minute}-{unit}"})
    script.phase(asks_at * 3600 + 1, "fed-batch", id=f"p1-{unit}")
    in_order(script)
    return script


def in_order(script: Script) -> None:
    """Put the events in the order of when they were known."""
    script.events.sort(key=lambda event: event.record_time)


def request_of(
    script: Script, config: dict[str, Any] = CONFIG, number: int = 0, unit: str = "BR-1"
) -> tuple[str, float]:
    """Give the id of a request that the unit makes, and when it asked [s]."""
    folded = folding(script.events, {**config, "forecast_seconds": 86400, "estimate_seconds": 86400})
    found = [one for one in folded.effects if one.kind == "request" and one.key == unit][number]
    return found.id, (parse_instant(found.event_time) - BEGIN) / 1e6


def answer(
    script: Script, job: str, asked: float, known: float, summary: dict[str, Any] | None = None, **more: Any
) -> Event:  # fmt: skip
    """Tell an answer: its event time is the request's."""
    also = {name: more.pop(name) for name in ("id",) if name in more}
    inputs = more.pop("inputs", (job.rpartition("/")[0],))
    provenance = Provenance(7, {"numpy": "2.4"}, "cpu", "exact", tuple(inputs))
    given: dict[str, Any] = {"kind": "bioreactor.reestimate", "status": "done", **more}
    data = ResimulationResult(
        job, given.pop("kind"), given.pop("status"), provenance, SAID if summary is None else summary, **given
    )
    return script.say(asked, "bioreactor.resimulated", data, known=known, **{"id": job, **also})


def adopt(script: Script, seconds: float, job: str, **also: Any) -> Event:
    """Tell a person's word on an answer."""
    return script.say(
        seconds, "bioreactor.estimate_adopted", b.EstimateAdopted(job, "M. Sato", "growth slowed"), **also
    )


def folding(events: list[Event], config: dict[str, Any] = CONFIG, cuts: Any = ()) -> Folded:
    """Fold events in the order given."""
    return fold(BioreactorModel.from_config(config), records_of(events), cuts)


def block_of(folded: Folded) -> BioreactorBlock:
    """Give the block that was folded."""
    assert isinstance(folded.block, BioreactorBlock)
    return folded.block
