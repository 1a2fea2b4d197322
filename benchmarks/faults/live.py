"""Runs of the simulated vessel as events of a site, folded by the bioreactor block, beside the bare detector.

Each minute of a run is one reading, in which every channel and every set point is a tag of its own in a unit of the
site; the biomass signal is the capacitance. What the block raises has to be what the detector alone says of the same
numbers, a record later: a minute is closed by the first record of the next.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.faults.campaign import MISSING, residual_sd
from benchmarks.faults.injection import Injection
from benchmarks.faults.noise import Noise
from benchmarks.faults.plant import Plant
from benchmarks.faults.scenarios import ONSET_HOURS, WARM_HOURS, WATCH_HOURS, inject, scenarios
from benchmarks.faults.vessel import ACTUATORS, CHANNELS, Floats, Ints, draw
from benchmarks.report import Bar, Report
from schemas import bioreactor as b
from schemas.events import Event, write_headers, write_value
from schemas.instants import MINUTE, Instant, parse_instant
from schemas.units import find_unit
from twins.bioreactor import BioreactorModel
from twins.bioreactor.config import read_config
from twins.bioreactor.fault_mapping import FaultMapping, mapping_of
from twins.checks import PlainRecord
from twins.faults import Detector
from twins.frame import FrameReader
from twins.past import MemoryPast

BEGIN = parse_instant("2026-03-01T08:00:00Z")
# The unit a site says each channel in, and what makes it of the plant's. The capacitance is calibrated to cells.
UNITS = {
    "temperature": "Cel", "jacket_temperature": "Cel", "ph": "[pH]", "ph_second": "[pH]", "dissolved_oxygen": "%",
    "weight": "kg", "offgas_oxygen": "%", "offgas_carbon_dioxide": "%", "capacitance": "10*6/mL", "heater": "%",
    "base": "mL/h", "carbon_dioxide": "mL/min", "oxygen": "mL/min", "air": "L/h", "feed": "mL/h",
    "agitation": "{rpm}",
}  # fmt: skip
SAID_IN = {"weight": 1e-3, "air": 0.06}
TAGS = {name: "biomass" if name == "capacitance" else f"{name}.pv" for name in CHANNELS}
SET_POINTS = {CHANNELS[row]: f"{CHANNELS[row]}.sp" for row in ACTUATORS}
SECTION: dict[str, Any] = {
    "channels": {name: {"tag": tag, "unit": UNITS[name]} for name, tag in TAGS.items()},
    "demands": {name: {"tag": tag, "unit": UNITS[name]} for name, tag in SET_POINTS.items()},
}
QUIET: dict[str, Any] = {"estimate_seconds": 86_400, "forecast_seconds": 86_400, "limits": []}  # and little else
FRAME = 100  # records


def mapping() -> FaultMapping:
    """Give how the block reads what `reading` says."""
    section = read_config({"faults": SECTION}).faults
    assert section is not None
    return mapping_of(section)


def reading(readings: Floats, demands: Floats, minute: int, unit: int) -> Event:
    """Say one unit's minute as a site does; what is missing is left out."""
    channels = [
        b.Channel(tags[name], float(value) * SAID_IN.get(name, 1.0), UNITS[name])
        for tags, values in ((TAGS, readings[:, unit]), (SET_POINTS, demands[:, unit]))
        for name, value in zip(tags, values, strict=True)
        if not np.isnan(value)
    ]
    at = Instant(BEGIN + minute * MINUTE)
    return Event(
        id=f"{minute}-{unit}", source="plant", type="bioreactor.reading", subject=f"BR-{unit}", event_time=at,
        record_time=at, data=b.Reading(tuple(channels)),
    )  # fmt: skip


def heard(readings: Floats, demands: Floats, by: FaultMapping) -> tuple[Floats, Floats]:
    """Give the same numbers as they come out behind two changes of unit, which round their last bits."""
    found = []
    for names, values, sources in (
        (CHANNELS, readings, by.channels), (tuple(SET_POINTS), demands, by.demands),
    ):  # fmt: skip
        there = values.copy()
        for row, (name, source) in enumerate(zip(names, sources, strict=True)):
            unit = find_unit(UNITS[name])
            assert source is not None
            there[row] = (there[row] * SAID_IN.get(name, 1.0) + unit.shift) * unit.scale * source.factor
        found.append(there)
    return found[0], found[1]


def record(event: Event, offset: int) -> PlainRecord:
    """Write an event as a raw record."""
    return PlainRecord(
        offset, event.record_time // 1000, event.subject.encode(), write_value(event), write_headers(event)
    )  # fmt: skip


Raise = tuple[int, str, str]  # minute, unit, tag


def alike(report: Report, runs: int, seed: int, kinds: Sequence[str]) -> None:
    """Run `runs` of each kind through both, and put into the report what each raised when."""
    rng = np.random.default_rng([seed, 3])
    sd, todo = residual_sd(seed), [one for one in scenarios() if not kinds or one.kind in kinds]
    n = runs * len(todo)
    draws, injection = draw(rng, n), Injection(n)
    for place, scenario in enumerate(todo):
        where = place * runs + np.arange(runs)
        draws.cells[where] *= 2.0 if scenario.dense else 1.0
        inject(rng, scenario, injection, where, sd, draws.noise[:, where])
    plant = Plant(draws, Noise(rng, draws, False), np.arange(n), injection)
    bare, block, spent = _both(plant, n, rng)
    for place, scenario in enumerate(todo):
        units = {f"BR-{unit}" for unit in range(place * runs, (place + 1) * runs)}
        one, two = (sorted(r for r in said if r[1] in units) for said in (bare, block))
        delays = [minute - int(injection.onset[int(unit[3:])]) for minute, unit, _ in one]
        report.add(
            "through the block", fault=scenario.name, raised_bare=len(one), raised_block=len(two),
            the_same=one == two, delays_min=", ".join(f"{delay}" for delay in sorted(delays) if delay >= 0),
        )  # fmt: skip
    same = len(set(bare) & set(block)) / max(1, len(set(bare) | set(block)))
    report.bars.append(Bar("alarms of block and bare detector that agree to the minute", 1.0, same, "of all"))
    report.add("cost", units=n, us_per_unit_minute=spent, what="folding by the block, estimates once a day")


def _both(plant: Plant, n: int, rng: np.random.Generator) -> tuple[list[Raise], list[Raise], float]:
    by, detector = mapping(), Detector()
    state = detector.start(n)
    folded = BioreactorModel.from_config({**QUIET, "faults": SECTION}).empty()
    reader, past = FrameReader("bioreactor.events", 0), MemoryPast()
    bare: list[Raise] = []
    block: list[Raise] = []
    waiting: list[PlainRecord] = []
    offset, spent, minutes = 0, 0.0, 60 * (WARM_HOURS + ONSET_HOURS + WATCH_HOURS)
    for minute in range(minutes):
        now = plant.step()
        readings = np.where(rng.random((len(CHANNELS), n)) < MISSING, np.nan, now.readings)
        instants: Ints = np.full(n, BEGIN + minute * MINUTE)
        state, outcome = detector.step(state, instants, *heard(readings, now.demands, by))
        if minute < minutes - 1:  # nothing closes the last one
            bare += [(minute, f"BR-{u}", by.names[p]) for p, u in zip(*np.nonzero(outcome.raised), strict=True)]
        for unit in range(n):
            waiting.append(record(reading(readings, now.demands, minute, unit), offset))
            offset += 1
        while len(waiting) >= FRAME or (waiting and minute == minutes - 1):
            frame, waiting = reader.read(waiting[:FRAME]), waiting[FRAME:]
            begun = time.process_time()
            effects = folded.apply(frame, past.load(folded.wanted(frame), frame.first))
            spent += time.process_time() - begun
            past.keep(frame, effects)
            block += [
                ((parse_instant(one.event_time) - BEGIN) // MINUTE - 1, one.key, one.data["tag"])
                for one in effects.alerts
                if "fault" in one.data and one.data["action"] == "raise"
            ]
    return bare, block, 1e6 * spent / (n * minutes)
