"""False alarms of healthy vessels that are sampled twice a day, with and without an event that tells the detector."""

from __future__ import annotations

from collections import Counter

import numpy as np

from benchmarks.faults.campaign import MISSING
from benchmarks.faults.injection import Injection
from benchmarks.faults.noise import Noise
from benchmarks.faults.plant import Plant
from benchmarks.faults.vessel import CHANNELS, W, draw
from benchmarks.report import Report
from schemas.instants import MINUTE
from twins.faults import NAMES, Detector, Kind
from twins.faults.telling import JUMPED

EVERY, LEAST, MOST = 720, 10.0, 60.0  # minutes; g, assumed: a sample with what rinses its line
LEARNED = 480  # minutes before the first
TOLD = 4  # minutes, as the block tells it
FLEETS = ("not sampled", "sampled and told", "sampled, untold")


def report_samples(report: Report, unit_days: float, seed: int, days: int = 3) -> None:
    """Run one healthy fleet with the three of them, and put into the report what was raised."""
    n = max(1, round(unit_days / days))
    rng = np.random.default_rng([seed, 4])
    draws = draw(rng, n)
    plant, detector = Plant(draws, Noise(rng, draws, False), np.arange(n), Injection(n)), Detector()
    states = {fleet: detector.start(n) for fleet in FLEETS}
    raised = {fleet: Counter[str]() for fleet in FLEETS}
    first, grams = rng.integers(0, EVERY, n), rng.uniform(LEAST, MOST, n)
    drawn, since = np.zeros(n), np.full(n, TOLD)
    for minute in range(days * 1440):
        now = plant.step()
        readings = np.where(rng.random((len(CHANNELS), n)) < MISSING, np.nan, now.readings)
        sampling = ((minute - first) % EVERY == 0) & (minute >= LEARNED)
        drawn, since = drawn + np.where(sampling, grams, 0.0), np.where(sampling, 0, since + 1)
        lighter, told = readings.copy(), np.zeros((len(CHANNELS), n), np.int64)
        lighter[W] -= drawn
        told[W] = np.where(since < TOLD, JUMPED, 0)
        for fleet in FLEETS:
            said = readings if fleet == FLEETS[0] else lighter
            states[fleet], outcome = detector.step(
                states[fleet], np.full(n, minute * MINUTE), said, now.demands, told if fleet == FLEETS[1] else None
            )
            for place, unit in zip(*np.nonzero(outcome.raised), strict=True):
                raised[fleet][f"{NAMES[place]} {Kind(outcome.kind[place, unit]).name.lower()}"] += 1
    for fleet, of in raised.items():
        most = ", ".join(f"{what} {count}" for what, count in of.most_common(3))
        report.add("samples", fleet=fleet, unit_days=n * days, per_unit_day=of.total() / (n * days), of=most)
