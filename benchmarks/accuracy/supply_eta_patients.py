"""Patients whose journeys run while legs are learned: is the date held, at each scan and every 12 silent hours?

Two paths are scored on the same questions: `infusion_date` on all that is learned, and what a live patient twin says
from the 15 quantiles that a network tells it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from benchmarks.accuracy.supply_eta_worlds import HOURS_A_LEG, Network
from schemas.supply import PlannedLeg
from twins.supply.eta import Duration, Journey, Legs, Stage, infusion_date
from twins.supply.expecting import LegTime, _draws, _law  # the live path itself is scored, not a copy of it
from twins.supply.learned import LEVELS as TOLD

SILENT = 12.0  # hours between questions of a leg under way


@dataclass(slots=True)
class Patient:
    """A journey: lanes, when each leg begins and the last one ends, and how often its date was held on both paths."""

    name: str
    lanes: list[int]
    weekdays: list[int]
    begins: list[float]
    through: bool
    asks: list[tuple[float, int]]
    held: list[tuple[bool, bool]] = field(default_factory=list)


class Patients:
    """Asks for infusion dates as the clock moves on; a third of the journeys run through the shift."""

    def __init__(self, network: Network, count: int, shift_at: float, end: float, rng: np.random.Generator) -> None:
        self._network = network
        self.spent, self.asked = 0.0, 0
        self._all = [self._patient(place, count, shift_at, end, rng) for place in range(count)]
        self._due = sorted((hours, one, place) for one, each in enumerate(self._all) for hours, place in each.asks)
        self._next = 0

    def _patient(self, place: int, count: int, shift_at: float, end: float, rng: np.random.Generator) -> Patient:
        network = self._network
        through = place % 3 == 0
        start = shift_at - rng.uniform(0.0, 400.0) if through else rng.uniform(0.1, 0.93) * end
        lanes: list[int] = []
        weekdays: list[int] = []
        begins: list[float] = []
        asks: list[tuple[float, int]] = []
        at = float(start)
        for step in dict.fromkeys(key.step for key in network.keys):
            alike = [lane for lane, key in enumerate(network.keys) if key.step == step]
            weight = network.traffic[alike] / network.traffic[alike].sum()
            lane, weekday = int(rng.choice(alike, p=weight)), int(at // 24) % 7
            hours = network.sample(lane, weekday, network.factor(lane, at / HOURS_A_LEG), rng)
            asks += [(float(at + silent), len(lanes)) for silent in np.arange(0.0, hours, SILENT)]
            lanes.append(lane)
            weekdays.append(weekday)
            begins.append(at)
            at += hours
        return Patient(f"P{place}", lanes, weekdays, [*begins, at], begins[0] < shift_at < at, asks)

    def ask(self, legs: Legs, now: float) -> None:
        """Score all questions that are due by now [h]."""
        while self._next < len(self._due) and self._due[self._next][0] <= now:
            at, one, place = self._due[self._next]
            self._next += 1
            patient = self._all[one]
            patient.held.append((self._date(legs, patient, at, place), self._live(legs, patient, at, place)))

    def shares(self) -> dict[str, tuple[float, float]]:
        """Give the share held with its half-width, each patient weighing 1: both paths, and those through the shift."""
        held = np.array([np.mean(each.held, axis=0) for each in self._all if each.held])
        through = np.array([each.through for each in self._all if each.held])
        found = {"learned": held[:, 0], "told": held[:, 1], "told, through the shift": held[through, 1]}
        return {name: (float(each.mean()), float(1.96 * each.std() / len(each) ** 0.5)) for name, each in found.items()}

    def _date(self, legs: Legs, patient: Patient, at: float, place: int) -> bool:
        keys = [self._network.key(lane, day) for lane, day in zip(patient.lanes, patient.weekdays, strict=True)]
        journey = Journey(patient.begins[place], tuple(Stage(key) for key in keys[place:]))
        began = time.process_time()
        date = infusion_date(legs, journey, at, seed=int(patient.name[1:]))
        self.spent += time.process_time() - began
        self.asked += 1
        return date.hours[0] <= patient.begins[-1] <= date.hours[-1]

    def _live(self, legs: Legs, patient: Patient, at: float, place: int) -> bool:
        laws: list[Duration] = []
        for lane in patient.lanes[place:]:
            key = self._network.key(lane, int(at // 24) % 7)  # the weekday of the day it was told
            hours = np.maximum.accumulate(legs.expect(key).quantile(np.array(TOLD)))
            word = LegTime(0, 0, TOLD, tuple(hours), 1)
            planned = PlannedLeg(step=key.step, days=1.0, lane=key.lane, carrier=key.carrier)
            laws.append(_law(planned, {f"{key.step}\n{key.lane}\n{key.carrier}": word})[0])
        whole = np.sort(_draws(patient.name, tuple(laws), at - patient.begins[place]).sum(axis=0))
        low, high = whole[int(0.05 * len(whole))], whole[int(0.95 * len(whole))]
        return bool(low <= patient.begins[-1] - at <= high)
