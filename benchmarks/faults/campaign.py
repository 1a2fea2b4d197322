"""Run the plant and the detector together, and score what the detector said against what was put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.faults.injection import CODE, Injection
from benchmarks.faults.noise import Noise
from benchmarks.faults.plant import Minute, Plant
from benchmarks.faults.scenarios import (
    NAMED,
    NEVER,
    ONSET_HOURS,
    PAIRS,
    WARM_HOURS,
    WATCH_HOURS,
    Scenario,
    benign,
    inject,
    scenarios,
)  # fmt: skip
from benchmarks.faults.vessel import (
    BASE,
    CAP,
    CHANNELS,
    DO,
    ERRORS,
    FEED,
    GLUCOSE_LOW,
    HEAT,
    MEASURED,
    PH,
    RANGES,
    Bools,
    Floats,
    Ints,
    T,
    draw,
)
from schemas.instants import MINUTE
from twins.faults.alarms import Kind
from twins.faults.channels import NAMES
from twins.faults.detector import Detector

MISSING = 0.002  # share of healthy readings that never come


def residual_sd(seed: int, runs: int = 60, student: bool = False) -> Floats:
    """Measure the sd of each channel's healthy closed-loop residual, shape (16,).

    The residual is a reading less the mean of the ten before. Capacitance as a share. The median over runs, between the
    12th and the 36th hour.
    """
    rng = np.random.default_rng([seed, 7])
    draws = draw(rng, runs)
    plant = Plant(draws, Noise(rng, draws, student), np.arange(runs), Injection(runs))
    past: list[Floats] = []
    total, count = np.zeros((len(CHANNELS), runs)), 0
    for minute in range(36 * 60):
        readings = plant.step().readings
        readings[CAP] = np.log(readings[CAP])
        if minute > 720:
            total += (readings - sum(past) / len(past)) ** 2 / 1.1
            count += 1
        past = [*past[-9:], readings]
    return np.median(np.sqrt(total / count), axis=1)


@dataclass(slots=True)
class Scored:
    """One scenario: each of shape (runs,). Times in minutes after injection; `NEVER` where it did not happen."""

    scenario: Scenario
    onset: Ints
    limit: Ints
    alarm: Ints
    exact: Bools
    in_set: Bools
    right: Bools  # the channel alone, or, where no third witness exists, the right set of two
    size: Floats
    logged: Bools
    moved: Floats
    channel: Ints
    said: list[str]


def faults(runs: int, seed: int, chosen: Sequence[str] = ()) -> list[Scored]:
    """Run every scenario `runs` times, all at once, each run beside its healthy twin."""
    rng = np.random.default_rng([seed, 1])
    sd = residual_sd(seed)
    draws = draw(rng, 2 * runs)
    draws.cells[runs:] *= 2.0  # dense
    todo = [s for s in scenarios() if not chosen or s.kind in chosen]
    index = np.concatenate([np.arange(2 * runs), *(np.arange(runs) + runs * s.dense for s in todo)])
    injection = Injection(len(index))
    for place, scenario in enumerate(todo):
        at = np.arange(runs)
        inject(rng, scenario, injection, 2 * runs + place * runs + at, sd, draws.noise[:, at + runs * scenario.dense])
    plant = Plant(draws, Noise(rng, draws, False), index, injection)
    return _Watch(plant, injection, index, todo, sd[:, None] * draws.noise[:, index], runs).run(rng)


class _Watch:
    """Keeps the first times at which things happened."""

    def __init__(
        self, plant: Plant, injection: Injection, index: Ints, todo: list[Scenario], sd: Floats, runs: int
    ) -> None:
        self.plant, self.injection, self.index, self.todo, self.sd, self.runs = plant, injection, index, todo, sd, runs
        n = len(index)
        self.n = n
        self.onset, self.limit, self.alarm = (np.full(n, NEVER, np.int64) for _ in range(3))
        self.place, self.other = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
        self.kind = np.zeros(n, np.int64)
        self.size, self.moved, self.logged = np.zeros(n), np.zeros(n), np.zeros(n, np.bool_)
        self.true_place = injection.channel.copy()
        for kind, place in NAMED.items():
            self.true_place[injection.kind == CODE[kind]] = place

    def run(self, rng: np.random.Generator) -> list[Scored]:
        detector = Detector()
        state = detector.start(self.n)
        for minute in range(60 * (WARM_HOURS + ONSET_HOURS + WATCH_HOURS)):
            now = self.plant.step()
            lost = rng.random((len(CHANNELS), 2 * self.runs))[:, self.index] < MISSING
            readings = np.where(lost, np.nan, now.readings)
            state, outcome = detector.step(state, np.full(self.n, minute * MINUTE), readings, now.demands)
            since = minute - self.injection.onset
            self._truth(now, since)
            raised = outcome.raised & (since >= 0) & (self.alarm == NEVER)
            for unit in np.nonzero(raised.any(axis=0))[0]:
                place = int(np.nonzero(raised[:, unit])[0][0])
                self.alarm[unit], self.place[unit] = since[unit], place
                self.other[unit], self.kind[unit] = outcome.other[place, unit], outcome.kind[place, unit]
            self._spikes(now, outcome.spike, outcome.estimate, since)
        return [self._scored(place, scenario) for place, scenario in enumerate(self.todo)]

    def _truth(self, now: Minute, since: Ints) -> None:
        units, code = np.arange(self.n), self.injection.kind
        apart = np.abs(now.readings - now.readings[:, self.index]) / self.sd
        apart[CAP] /= np.maximum(now.readings[CAP, self.index], 1e-9)
        effect = (np.where(np.isnan(apart), 0.0, apart)[list(MEASURED)] > 1.0).any(axis=0)
        for row in (HEAT, BASE, FEED):
            effect |= apart[row] > 1.0
        effect |= (code == CODE["stuck"]) | (code == CODE["drop-out"])
        self.onset = np.where((since >= 0) & effect & (self.onset == NEVER), since, self.onset)
        out = now.glucose < GLUCOSE_LOW
        for row, value in ((T, now.temperature), (PH, now.ph), (DO, now.oxygen)):
            low, high = RANGES[row]
            out |= (value < low) | (value > high)
        drift = code == CODE["drift"]
        error = np.array([ERRORS.get(int(c), np.inf) for c in self.injection.channel])
        monitor = ~np.isin(self.injection.channel, (T, PH, DO))
        out |= drift & monitor & (np.abs(self.injection.size) * since >= error)
        self.limit = np.where((since >= 0) & out & (self.limit == NEVER), since, self.limit)
        swap = (code == CODE["swap"]) & (since == 0)
        first, second = self.injection.channel, self.injection.other
        if swap.any():
            gap = np.abs(now.readings[first, units] - now.readings[second, units])
            one, two = self.sd[first, units], self.sd[second, units]
            self.size = np.where(swap, gap / np.maximum(one, two), self.size)

    def _spikes(self, now: Minute, spike: Bools, estimate: Floats, since: Ints) -> None:
        channel, units = self.injection.channel, np.arange(self.n)
        spiked = self.injection.kind == CODE["spike"]
        near = spiked & (since >= 0) & (since <= 15)
        if not near.any():
            return
        self.logged |= near & spike[channel, units]
        pulled = estimate[channel, units] - estimate[channel, self.index]
        # What the vessel itself did, because its controllers believed the spike, is no error of the estimate.
        vessel = now.true[channel, units] - now.true[channel, self.index]
        pulled = np.minimum(np.abs(pulled), np.abs(pulled - vessel))
        unit = self.sd[channel, units] * np.where(channel == CAP, now.true[CAP], 1.0)
        during = spiked & (since >= 0) & (since < self.injection.length)
        self.moved = np.where(during, np.maximum(self.moved, np.abs(pulled) / unit), self.moved)

    def _scored(self, place: int, scenario: Scenario) -> Scored:
        at = 2 * self.runs + place * self.runs + np.arange(self.runs)
        truth, other = self.true_place[at], self.injection.other[at]
        said, partner = self.place[at], self.other[at]
        exact = (said == truth) & (partner == -1)
        in_set = (said == truth) | (partner == truth)
        if scenario.kind == "swap":
            exact = in_set = ((said == truth) & (partner == other)) | ((said == other) & (partner == truth))
        pair = np.array([(scenario.kind, int(place)) in PAIRS for place in truth])
        right = exact | (in_set & pair)
        words = [
            "-" if p < 0 else f"{NAMES[p]}{'/' + NAMES[o] if o >= 0 else ''} {Kind(k).name.lower()}"
            for p, o, k in zip(said, partner, self.kind[at], strict=True)
        ]
        return Scored(
            scenario, self.onset[at], self.limit[at], self.alarm[at], exact, in_set, right, self.size[at],
            self.logged[at], self.moved[at], truth, words,
        )  # fmt: skip


def healthy(
    unit_days: float, seed: int, *, student: bool, shifted: bool, days: int = 3
) -> tuple[float, int, Counter[str]]:
    """Run healthy vessels; give the unit-days, the alarms raised, and of what."""
    n = max(1, round(unit_days / days))
    rng = np.random.default_rng([seed, 2, student, shifted])
    draws, injection = draw(rng, n), Injection(n)
    if shifted:
        benign(rng, injection, days * 1440)
    plant = Plant(draws, Noise(rng, draws, student), np.arange(n), injection)
    detector = Detector()
    state, of = detector.start(n), Counter[str]()
    for minute in range(days * 1440):
        now = plant.step()
        readings = np.where(rng.random(now.readings.shape) < MISSING, np.nan, now.readings)
        state, outcome = detector.step(state, np.full(n, minute * MINUTE), readings, now.demands)
        for place, unit in zip(*np.nonzero(outcome.raised), strict=True):
            of[f"{NAMES[place]} {Kind(outcome.kind[place, unit]).name.lower()}"] += 1
    return n * days, sum(of.values()), of
