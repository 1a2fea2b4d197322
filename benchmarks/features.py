"""What each feature of the bioreactor twin costs: one block, a reading of each unit a minute.

Every configuration folds the same records in this one process; the table gives microseconds a unit's minute, and the
share of one core that 10,000 units would take.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.report import Report, add_out, given
from schemas import bioreactor as b
from schemas.events import Event, write_headers, write_value
from schemas.fields import Quantity
from schemas.instants import MINUTE, Instant, parse_instant
from twins.bioreactor import BioreactorModel
from twins.checks import PlainRecord
from twins.frame import FrameReader
from twins.past import MemoryPast

BEGIN = parse_instant("2026-03-01T08:00:00Z")
SIGNAL = {
    "tag": "biomass",
    "state": "viable_cells",
    "relative": 0.015,
    "gain_sd": 0.05,
    "colour_sd": 0.015,
    "colour_hours": 3.0,
}
CHO = {
    "model": "cho_xing",
    "channels": [SIGNAL, {"tag": "glucose", "state": "glucose", "relative": 0.04, "absolute": 0.2}],
    "unsure": {"mu_m": 0.2, "Y_XS": 0.2, "Y_XG": 0.2},
    "wander": {"mu_m": {"sd": 0.05, "hours": 12.0}},
}
T_CELLS = {
    "model": "t_cell",
    "channels": [SIGNAL, {"tag": "glucose", "state": "glucose", "relative": 0.05, "absolute": 0.05}],
    "unsure": {"rg": 0.2, "bi": 0.2, "rc": 0.2, "rd": 0.2},
    "wander": {"rg": {"sd": 0.05, "hours": 12.0}},
}
DELAYED = {"tag": "dissolved_oxygen", "low": 10.0, "on_delay_seconds": 60, "unit": "%"}
CHARTS = [{"chart": "cusum"}, {"chart": "ewma"}, {"chart": "rules", "rules": ["nelson.1"]}]
FAULTS = {
    "channels": {
        "capacitance": {"tag": "biomass", "unit": "10*6/mL"},
        "dissolved_oxygen": {"tag": "dissolved_oxygen"},
    }
}
SELDOM = 86_400  # s: hardly ever
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "growth filter alone": {"estimate_seconds": SELDOM, "forecast_seconds": SELDOM, "limits": []},
    "and estimates each minute": {"forecast_seconds": SELDOM, "limits": []},
    "and forecasts each five": {"limits": []},
    "and limits with delays": {"limits": [DELAYED]},
    "and three charts": {"limits": [], "charts": CHARTS},
    "growth filter and faults": {
        "estimate_seconds": SELDOM, "forecast_seconds": SELDOM, "limits": [], "faults": FAULTS,
    },
    "and faults, estimates each minute": {"forecast_seconds": SELDOM, "limits": [], "faults": FAULTS},
    "CHO model, folded only": {"estimate_seconds": SELDOM, "forecast_seconds": SELDOM, "limits": [], "process": CHO},
    "CHO model, estimates each minute": {"forecast_seconds": SELDOM, "limits": [], "process": CHO},
    "CHO model, forecasts each five": {"limits": [], "process": CHO},
    "T-cell model, forecasts each five": {"limits": [], "process": T_CELLS},
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="features", description=__doc__)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--frame", type=int, default=500, help="records a frame")
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("features", "What each feature costs.", given(options))
    records = list(_records(options.units, options.minutes, options.seed))
    for name, config in CONFIGURATIONS.items():
        block = BioreactorModel.from_config(config).empty()
        reader, past = FrameReader("bioreactor.events", 0), MemoryPast()
        spent, said = 0.0, 0
        for first in range(0, len(records), options.frame):
            frame = reader.read(records[first : first + options.frame])
            begun = time.process_time()
            effects = block.apply(frame, past.load(block.wanted(frame), frame.first))
            spent += time.process_time() - begun
            past.keep(frame, effects)
            said += len(effects.estimates) + len(effects.forecasts)
        each = 1e6 * spent / (options.units * options.minutes)
        report.add(
            "features", configuration=name, us_per_unit_minute=each, share_of_a_core_at_10000=each * 1e4 / 60e6,
            said=said, bytes_a_unit=len(block.snapshot()) / options.units,
        )  # fmt: skip
    report.notes.append("Processor time of folding alone: reading frames, the log and the ledger are in `ingest`.")
    report.write(options.out)
    return 0


def _records(units: int, minutes: int, seed: int) -> Iterator[PlainRecord]:
    """Make the records: each unit starts, then reads once a minute, units spread over the minute."""
    rng = np.random.default_rng(seed)
    offset = 0
    for minute in range(minutes + 1):
        for unit in range(units):
            at = Instant(BEGIN + minute * MINUTE + unit * MINUTE // units)
            data: Any = b.BatchStarted(f"B-{unit}", volume=Quantity(1.0, "L"))
            kind = "bioreactor.batch_started"
            if minute:
                cells = 0.2 * float(np.exp(0.027 * minute / 60) * (1 + 0.02 * rng.standard_normal()))
                kind = "bioreactor.reading"
                data = b.Reading(
                    (b.Channel("biomass", cells, "10*6/mL"), b.Channel("dissolved_oxygen", 40 + rng.random(), "%"))
                )
            event = Event(
                id=f"{minute}-{unit}",
                source="features",
                type=kind,
                subject=f"BR-{unit}",
                event_time=at,
                record_time=at,
                data=data,
            )
            yield PlainRecord(offset, at // 1000, event.subject.encode(), write_value(event), write_headers(event))
            offset += 1
