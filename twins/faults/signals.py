"""Turn readings into signals that stand still or trend slowly while all is well, and back.

    capacitance               its logarithm
    metered actuators         measured less demanded
    weight                    less what the pumps say they poured
    off-gas oxygen, CO2       less what went in, delayed by the headspace
    jacket temperature        less what the heater's last moves do to it
    dissolved oxygen          less what the last moves of stirrer and gas do to it
    everything else           as it is

A controller answers a wrong probe within minutes and so hides it; what its answer does is known well enough to be taken
off for a while.

Source
------
Residuals of balances as in Gertler 1998, Fault Detection and Diagnosis in Engineering Systems, ch. 2; the dry gas in
and out as in the inert balance of any textbook.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.faults.channels import (
    ACTUATORS,
    AIR,
    BASE,
    CAP,
    CO2,
    DO,
    FEED,
    GCO2,
    GO2,
    HEAT,
    METERED,
    O2,
    RPM,
    TJ,
    Bools,
    Floats,
    W,
)  # fmt: skip
from twins.faults.settings import Settings

AIR_O2, AIR_CO2 = 0.2095, 4e-4  # mole fractions of dry air
OXYGEN_AT_100 = 0.21  # mM at 100 % air saturation, 37 C
DRIVE = 50.0  # assumed: usual distance of dissolved oxygen from saturation [%]
METERED_O2, METERED_CO2 = (
    0.05,
    0.02,
)  # assumed: noise that flow meters bring into the inlet where demands are unknown [%]
LEAST = 1e-6
SLOW = 1.0 / 60.0  # gain a minute
SHORT = 1.0 / 20.0  # the culture moves the loop of oxygen too, so only its last moves are taken off
STORED_O2, STORED_CO2 = 0.03, 0.15  # assumed: share of a change of the inlet that the liquid takes up for a while


@dataclass(slots=True, eq=False)
class Flows:
    """What goes in, shape (n,): gas in mL/min and mole fractions, pumps in mL/h, stirrer in 1/min."""

    gas: Floats
    oxygen: Floats
    carbon: Floats
    base: Floats
    feed: Floats
    rpm: Floats


def flows_of(readings: Floats, demands: Floats, distrusted: Bools) -> Flows:
    """Take each actuator at its demand while its own channel agrees with it, else at its reading.

    Demands carry no noise. Where `distrusted`, shape (16, n), the meter disagrees with the demand for good, and what it
    says is taken: a stopped actuator is commoner than a dead meter.
    """

    def of(row: int) -> Floats:
        demand, reading = demands[ACTUATORS.index(row)], readings[row]
        use_reading = distrusted[row] | np.isnan(demand)
        value = np.where(use_reading & ~np.isnan(reading), reading, demand)
        return np.maximum(np.where(np.isnan(value), 0.0, value), 0.0)

    air, o2, co2 = of(AIR), of(O2), of(CO2)
    gas = air + o2 + co2
    some = np.maximum(gas, LEAST)
    return Flows(gas, (AIR_O2 * air + o2) / some, (AIR_CO2 * air + co2) / some, of(BASE), of(FEED), of(RPM))


def lift_start(n: int) -> Floats:
    """Give the state of the lifts, shape (4, n), of n units.

    Mean demand of the heater over an hour, mean ln of oxygen transfer over 20 minutes, lifts of jacket and dissolved
    oxygen.
    """
    lift = np.zeros((4, n))
    lift[:2] = np.nan
    return lift


def lift_step(settings: Settings, lift: Floats, demands: Floats, flows: Flows, uptake: Floats) -> Floats:
    """Carry the lifts on by one minute.

        d jacket = (gain dheat - jacket) / tau
        d oxygen = OUR dln(kLa C*) - OUR / (C* - C) oxygen

    Parameters
    ----------
    uptake : array, shape (n,)
        ln of OUR [mmol/L/h], slow; NaN while it is not known.
    """
    duty = demands[ACTUATORS.index(HEAT)]
    duty = np.where(np.isnan(duty), np.where(np.isnan(lift[0]), 0.0, lift[0]), duty)
    transfer = transfer_of(settings, flows) + np.log(np.maximum(flows.oxygen, 0.01))
    mean_duty = np.where(np.isnan(lift[0]), duty, lift[0])
    mean_transfer = np.where(np.isnan(lift[1]), transfer, lift[1])
    jacket = lift[2] + (settings.heater_gain * (duty - mean_duty) - lift[2]) / settings.jacket_minutes
    rate = np.exp(np.clip(np.where(np.isnan(uptake), -20.0, uptake), -20.0, 4.0)) / OXYGEN_AT_100 * 100.0 / 60.0
    oxygen = lift[3] + rate * (transfer - mean_transfer) - np.minimum(rate / DRIVE, 0.9) * lift[3]
    return np.stack([
        mean_duty + SLOW * (duty - mean_duty), mean_transfer + SHORT * (transfer - mean_transfer), jacket, oxygen,
    ])  # fmt: skip


def transfer_of(settings: Settings, flows: Flows) -> Floats:
    """Give ln kLa of the nominal correlation, relative to 100 1/min and 210 mL/min."""
    return settings.rpm_exponent * np.log(np.maximum(flows.rpm, 10.0) / 100.0) + settings.flow_exponent * np.log(
        np.maximum(flows.gas, 10.0) / 210.0
    )


def offsets(demands: Floats, poured: Floats, inlet: Floats, lift: Floats) -> Floats:
    """Give what is taken off each reading, shape (16, n); 0 where nothing is.

    Parameters
    ----------
    demands : array, shape (7, n)
        NaN where a demand is not known: then the reading itself is the signal.
    poured : array, shape (n,)
        By the pumps since the start [mL].
    inlet : array, shape (4, n)
        Delayed inlet mole fractions of oxygen and carbon dioxide; their means over an hour.
    lift : array, shape (4, n)
        As of `lift_step`.
    """
    taken = np.zeros((16, demands.shape[1]))
    for row in METERED:
        demand = demands[ACTUATORS.index(row)]
        taken[row] = np.where(np.isnan(demand), 0.0, demand)
    taken[W] = poured
    taken[TJ], taken[DO] = lift[2], lift[3]
    taken[GO2], taken[GCO2] = 100.0 * inlet[0], 100.0 * inlet[1]
    return taken


def to_signals(readings: Floats, taken: Floats) -> Floats:
    """Give the signals, shape (16, n); NaN where there is no reading."""
    signals = readings - taken
    signals[CAP] = np.log(np.maximum(readings[CAP], LEAST))
    return signals


def to_readings(signals: Floats, taken: Floats) -> Floats:
    """Give the readings that would have been these signals."""
    readings = signals + taken
    readings[CAP] = np.exp(signals[CAP])
    return readings


def delay_inlet(settings: Settings, inlet: Floats, flows: Flows) -> Floats:
    """Carry the delayed inlet fractions on by one minute: a well mixed headspace, and a mean over an hour beside it."""
    now = np.stack([flows.oxygen, flows.carbon, flows.oxygen, flows.carbon])
    renew = np.empty(inlet.shape)
    renew[:2] = 1.0 - np.exp(-flows.gas / settings.headspace)
    renew[2:] = SLOW
    return inlet + renew * (now - inlet)


def unrest(inlet: Floats, demands: Floats) -> Floats:
    """Give the noise that a changing inlet adds, shape (16, n): the liquid stores what the balance leaves out."""
    extra = np.zeros((16, inlet.shape[1]))
    told = ~np.isnan(demands[ACTUATORS.index(AIR)] + demands[ACTUATORS.index(O2)] + demands[ACTUATORS.index(CO2)])
    extra[GO2] = 100.0 * STORED_O2 * np.abs(inlet[0] - inlet[2]) + np.where(told, 0.0, METERED_O2)
    extra[GCO2] = 100.0 * STORED_CO2 * np.abs(inlet[1] - inlet[3]) + np.where(told, 0.0, METERED_CO2)
    return extra
