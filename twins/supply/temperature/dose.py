"""Thermal dose: the Arrhenius integral of a temperature record, and time above limits, as an exact running state.

    dose = integral of exp(Ea / R * (1 / T_ref - 1 / T)) dt     in hours at the reference temperature

A product at its reference for 10 h has a dose of 10 h; where it decays by a first-order law with rate k at the
reference, what is left of it is exp(-k * dose). Sums are kept as whole numbers of fixed quanta, so no order, split or
correction of readings changes the last bit. Between two readings the rate is taken as the mean of theirs (trapezoid),
or the older one's (step): for a constant temperature both are exact. A gap longer than the bound adds no dose: its
time is counted as unknown.

Source
------
Arrhenius integral: Waterman and Adami 2005, Int J Pharm 293:101; gas constant: CODATA 2018.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from schemas.errors import SettingsError, ShapeError
from schemas.instants import HOUR
from twins.supply.temperature.folding import TEMPERATURE

GAS_CONSTANT = 8.314462618e-3  # kJ / (mol K), CODATA 2018
ZERO_CELSIUS = 273.15
Between = Literal["trapezoid", "step"]

_QUANTA = 128  # a rate is held to 2^-128 of the reference's
_HOTTEST = 200.0 + ZERO_CELSIUS  # readings above never reach a law (`folding`)


class DoseState(msgspec.Struct, frozen=True):
    """A dose so far.

    Parameters
    ----------
    first, last : int
        First and newest reading [us]; -1 where there was none.
    first_celsius, last_celsius : float
        What they read [degC].
    total : str
        Twice the dose, in 2^-128 us, hexadecimal.
    above : tuple of int
        Twice the time above each limit [us].
    covered, unknown : int
        Time bridged and time within gaps [us].
    """

    first: int = -1
    last: int = -1
    first_celsius: float = 0.0
    last_celsius: float = 0.0
    total: str = "0"
    above: tuple[int, ...] = ()
    covered: int = 0
    unknown: int = 0

    @property
    def hours(self) -> float:
        """The dose, in hours at the reference temperature; of the time that was covered."""
        return int(self.total, 16) / (2 * HOUR << _QUANTA)

    @property
    def hours_above(self) -> tuple[float, ...]:
        """Time above each limit [h]; of the time that was covered."""
        return tuple(ticks / (2 * HOUR) for ticks in self.above)


class Dose(msgspec.Struct, frozen=True):
    """The law of a dose.

    Parameters
    ----------
    activation_kj_per_mol : float
        Ea, 0 or more [kJ/mol].
    reference_celsius : float
        Where the rate is 1 [degC].
    limits_celsius : tuple of float
        Time strictly above each is counted; a reading stands for half of the time to each neighbour (trapezoid), or
        for the time to the next (step).
    longest_gap_hours : float
        No longer silence is bridged [h].
    between : str
        `trapezoid` or `step`.
    """

    activation_kj_per_mol: float
    reference_celsius: float
    limits_celsius: tuple[float, ...] = ()
    longest_gap_hours: float = 3.0
    between: Between = "trapezoid"

    def __post_init__(self) -> None:
        if not 0 <= self.activation_kj_per_mol < math.inf:
            raise SettingsError(f"expected an activation energy of 0 kJ/mol or more, got {self.activation_kj_per_mol}")
        if not -ZERO_CELSIUS < self.reference_celsius <= _HOTTEST - ZERO_CELSIUS:
            raise SettingsError(
                f"expected a reference within -273.15 to 200 degC, received {self.reference_celsius}; is it in kelvin?"
            )
        if not 0 < self.longest_gap_hours < math.inf:
            raise SettingsError(f"expected a longest gap above 0 h, received {self.longest_gap_hours}")
        if self._exponent(_HOTTEST) > 600.0:
            raise SettingsError(
                f"expected an activation energy whose rate at 200 degC can be written, received "
                f"{self.activation_kj_per_mol} kJ/mol at {self.reference_celsius} degC; choose a warmer reference"
            )

    def start(self) -> DoseState:
        """Give the state of no reading."""
        return DoseState(above=(0,) * len(self.limits_celsius))

    def rate(self, celsius: float) -> float:
        """Give the rate at a temperature, relative to the reference's."""
        kelvin = celsius + ZERO_CELSIUS
        return math.exp(self._exponent(kelvin)) if kelvin > 0 else float(self.activation_kj_per_mol == 0)

    def step(self, state: DoseState, instant: int, kind: int, value: float) -> DoseState:
        """Add the time from the newest reading to this one, which is not older."""
        if kind != TEMPERATURE:
            return state
        if state.last < 0:
            return msgspec.structs.replace(state, first=instant, last=instant, first_celsius=value, last_celsius=value)
        return msgspec.structs.replace(self._added(state, instant, value), last=instant, last_celsius=value)

    def joined(self, earlier: DoseState, later: DoseState) -> DoseState:
        """Join the doses of two stretches of one record, in the order of their events: equal to the whole's.

        Stretches that share the reading at which they were cut meet in it; else the time between them is bridged, or
        counted as unknown, as between two readings.

        Raises
        ------
        ShapeError
            If the later one begins before the earlier one ends.
        """
        if earlier.last < 0 or later.last < 0:
            return later if earlier.last < 0 else earlier
        if later.first < earlier.last:
            raise ShapeError(f"expected stretches in order, received one from {later.first} after {earlier.last}")
        met = self._added(earlier, later.first, later.first_celsius)
        return DoseState(
            earlier.first, later.last, earlier.first_celsius, later.last_celsius,
            f"{int(met.total, 16) + int(later.total, 16):x}",
            tuple(a + b for a, b in zip(met.above, later.above, strict=True)),
            met.covered + later.covered, met.unknown + later.unknown,
        )  # fmt: skip

    def _added(self, state: DoseState, instant: int, value: float) -> DoseState:
        elapsed = instant - state.last
        if elapsed > self.longest_gap_hours * HOUR:
            return msgspec.structs.replace(state, unknown=state.unknown + elapsed)
        ends = (state.last_celsius, value if self.between == "trapezoid" else state.last_celsius)
        rates = sum(_quanta(self.rate(end)) for end in ends)
        above = tuple(
            ticks + elapsed * sum(end > limit for end in ends)
            for ticks, limit in zip(state.above, self.limits_celsius, strict=True)
        )
        return msgspec.structs.replace(
            state, total=f"{int(state.total, 16) + rates * elapsed:x}", above=above, covered=state.covered + elapsed
        )

    def _exponent(self, kelvin: float) -> float:
        reference = self.reference_celsius + ZERO_CELSIUS
        return self.activation_kj_per_mol / GAS_CONSTANT * (1.0 / reference - 1.0 / kelvin)


def _quanta(rate: float) -> int:
    over, under = rate.as_integer_ratio()
    return (over << _QUANTA) // under
