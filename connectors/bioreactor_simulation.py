"""What to simulate: one frozen configuration, from which every record follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from connectors.bioreactor_faults import Faults
from connectors.bioreactor_truth import Process
from schemas.errors import InvalidFieldError, SettingsError
from schemas.instants import HOUR, SECOND, parse_instant

CORRECTION_HOURS = 1.0  # a wrong assay is corrected or withdrawn so long after it was told


@dataclass(frozen=True, slots=True)
class Simulation:
    """A fleet. `origin` is the event time of step 0; `rate_hz` counts readings per second of event time.

    `age_hours` spreads the units' runs: at step 0 each is somewhere in its first `age_hours`. With `stagger`
    their readings spread evenly over a step, in order of unit. A run that ends is followed by the next.
    """

    units: int = 32
    seed: int = 1
    rate_hz: float = 1.0
    origin: str = "2026-01-05T08:00:00Z"
    prefix: str = "BR-"
    age_hours: float = 0.0
    stagger: bool = True
    feed_every_seconds: float = 60.0
    time_passed_seconds: float = 60.0  # how often a fleet with `clock: source` says that time passed; 0: never
    biomass_noise: float = 0.03  # relative standard deviation
    assay_noise: float = 0.03  # relative standard deviation
    assay_delay_hours: tuple[float, float] = (1.0, 4.0)  # least, most
    clock: Literal["wall", "source"] = "source"
    model: str = "growth"
    parameters: Mapping[str, float] = field(default_factory=dict)
    process: Process = field(default_factory=Process)
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        run = self.process.run_hours
        least, most = self.assay_delay_hours
        for fine, expected, received in (
            (self.units > 0 and self.units <= 1_000_000, "1 to 1,000,000 units", self.units),
            (0.0 < self.rate_hz <= 10_000.0, "a rate above 0 and up to 10,000 Hz", self.rate_hz),
            (0 <= self.seed < 2**63, "a seed from 0", self.seed),
            (0.0 <= self.age_hours <= run, "age_hours within a run", self.age_hours),
            (0.0 <= least <= most <= run - CORRECTION_HOURS, "assay delays (least, most) within a run", (least, most)),
            (len(self.prefix) <= 40, "a prefix of at most 40 characters", self.prefix),
            (self.feed_every_seconds > 0, "feed_every_seconds above 0", self.feed_every_seconds),
            (self.time_passed_seconds >= 0, "time_passed_seconds of 0 or more", self.time_passed_seconds),
            (self.biomass_noise >= 0 and self.assay_noise >= 0, "noise of 0 or more", self.biomass_noise),
        ):
            if not fine:
                raise SettingsError(f"expected {expected}, received {received}, in the simulation")
        if self.step_us > run * HOUR / 4:
            raise SettingsError(f"expected at least 4 readings in a run, received a rate of {self.rate_hz} Hz")
        try:
            parse_instant(self.origin, "origin")
        except InvalidFieldError as error:
            raise SettingsError(f"{error}; correct the simulation") from None

    @property
    def step_us(self) -> int:
        """Give the time between two readings of a unit [us]."""
        return max(1, round(SECOND / self.rate_hz))

    @property
    def run_us(self) -> int:
        """Give the length of a run [us]."""
        return round(self.process.run_hours * HOUR)


def growth_parameters(simulation: Simulation) -> dict[str, float]:
    """Give what the `growth` model should be told to know this fleet's noise: for scoring, where priors must be honest.

    Pass them as `parameters` of the simulation, and every `batch_started` says them.
    """
    return {
        "gain_sd": max(simulation.process.gain_spread, 1e-6),
        "signal_relative_sd": simulation.biomass_noise,
        "assay_relative_sd": simulation.assay_noise,
    }


def read_simulation(document: Mapping[str, Any]) -> Simulation:  # Any: JSON, checked here
    """Make a simulation of a JSON object with the same names; `process` and `faults` are objects in it.

    Raises
    ------
    SettingsError
        For an unknown word, or a value that cannot be.
    """
    given = dict(document)
    if isinstance(given.get("process"), Mapping):
        given["process"] = _made(Process, given["process"], "process")
    if isinstance(given.get("faults"), Mapping):
        given["faults"] = _made(Faults, given["faults"], "faults")
    if isinstance(given.get("assay_delay_hours"), list):
        given["assay_delay_hours"] = tuple(given["assay_delay_hours"])
    made = _made(Simulation, given, "simulation")
    assert isinstance(made, Simulation)
    return made


def _made(
    kind: type[Simulation] | type[Process] | type[Faults], given: Mapping[str, Any], where: str
) -> Simulation | Process | Faults:
    known = {one.name for one in fields(kind)}
    unknown = sorted(given.keys() - known)
    if unknown:
        raise SettingsError(f"expected the words {sorted(known)}, received {unknown[:3]}, in {where}")
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"expected numbers and text as documented, received {error}, in {where}") from None
