"""Relations between channels that hold while all is well, and how far each is from where it stood.

    jacket      jacket temperature - temperature - what the heater lifts it
    ph          ph - second ph
    oxygen      ln OTR of the off-gas - ln kLa(rpm, gas) (C* - C)
    quotient    ln CER - ln OUR
    cells       ln OUR - ln capacitance
    balance     weight - pumps           (against its own last hours: a leak, a lost feed)
    meters      measured - demanded flow or speed

Each is averaged over ten minutes and compared with a slow centre, learned at the start of a run and then followed at a
bounded rate, so that a drift over a day cannot hide in it. The scale is the nominal one, larger where the gas balance
is a small difference of large numbers.

Source
------
Analytical redundancy and parity relations: Gertler 1998; Isermann 2006, Fault-Diagnosis Systems, ch. 10. OUR and CER
by the inert balance of dry gas. kLa: van 't Riet 1979, its form; the nominal exponents are settings.
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
    CULTURE,
    DO,
    FEED,
    GCO2,
    GO2,
    HEAT,
    O2,
    PH,
    PH2,
    RPM,
    TJ,
    Bools,
    Floats,
    T,
    W,
)  # fmt: skip
from twins.faults.settings import Settings
from twins.faults.signals import LEAST, STORED_CO2, STORED_O2, Flows, transfer_of

RELATIONS = (
    "jacket", "ph", "oxygen", "quotient", "cells", "balance", "meter_co2", "meter_o2", "meter_air", "meter_rpm",
)  # fmt: skip
(JACKET, ACID, OXYGEN, QUOTIENT, CELLS, BALANCE, M_CO2, M_O2, M_AIR, M_RPM) = range(len(RELATIONS))
NUMBER = len(RELATIONS)
# Which channels each needs; it waits while one of them is gated, silent or at fault.
NEEDS: dict[int, tuple[int, ...]] = {
    JACKET: (T, TJ), ACID: (PH, PH2), OXYGEN: (DO, GO2, GCO2), QUOTIENT: (GO2, GCO2), CELLS: (GO2, GCO2, CAP),
    BALANCE: (W,), M_CO2: (CO2,), M_O2: (O2,), M_AIR: (AIR,), M_RPM: (RPM,),
}  # fmt: skip
# Which actuators move it when they fail: its centre does not follow then.
DRIVES: dict[int, tuple[int, ...]] = {
    OXYGEN: (RPM, AIR, O2), CELLS: (CULTURE,), BALANCE: (FEED, BASE), QUOTIENT: (CO2, BASE), JACKET: (HEAT,),
}  # fmt: skip
# assumed, then held against healthy runs: sd of the ten-minute mean about the centre. C, pH, ln, ln, ln, g, as metered.
SD = np.array([0.052, 0.0075, 0.035, 0.034, 0.029, 1.2, 0.14, 0.7, 1.4, 0.7])[:, None]
HOURS = np.array([24.0, 24.0, 18.0, 24.0, 18.0, 4.0, 24.0, 24.0, 24.0, 24.0])[:, None]  # memory of the centre
FASTEST = np.array([0.1, 0.1, 0.05, 0.1, 0.05, 9.0, 0.1, 0.1, 0.1, 0.1])[:, None]  # of the centre [sd/h]
SMOOTH = 0.1  # gain of the ten-minute mean
MOLES = 60.0 / 22.414  # mmol/h of 1 mL/min


@dataclass(slots=True, eq=False)
class Relations:
    """State, each of shape (10, n): the ten-minute mean, the centre, minutes seen.

    A centre without a mean is relative to the first value to come; see `telling`.
    """

    mean: Floats
    centre: Floats
    seen: Floats


def start(n: int) -> Relations:
    """Give the state of n units that have seen nothing."""
    return Relations(np.full((NUMBER, n), np.nan), np.full((NUMBER, n), np.nan), np.zeros((NUMBER, n)))


@dataclass(slots=True, eq=False)
class Gas:
    """The gas balance of one minute, shape (n,): ln of OUR, CER and modelled transfer, and sd of ln OUR and ln CER."""

    uptake: Floats
    evolved: Floats
    transfer: Floats
    uptake_sd: Floats
    evolved_sd: Floats


def gas_balance(settings: Settings, values: Floats, inlet: Floats, flows: Flows) -> Gas:
    """Give what the culture takes and gives by the off-gas, and what kLa says it takes.

    Parameters
    ----------
    values : array, shape (16, n)
        Trusted readings, smoothed, in the units of the channels.
    inlet : array, shape (4, n)
        Delayed inlet fractions of oxygen and carbon dioxide, as old as the off-gas; their means over an hour.
    """
    out_o, out_c = values[GO2] / 100.0, values[GCO2] / 100.0
    inert = np.maximum(1.0 - inlet[0] - inlet[1], 0.01) / np.maximum(1.0 - out_o - out_c, 0.01)
    liters = np.maximum(values[W], 1.0) / 1000.0
    moles = flows.gas * MOLES / liters
    taken, given = inlet[0] - inert * out_o, inert * out_c - inlet[1]
    share = 0.5 * (inlet[0] + out_o) / 0.2095
    drive = np.maximum(100.0 * share - values[DO], 1.0)
    kla = transfer_of(settings, flows)
    o, c = settings.residual_sd["offgas_oxygen"] / 100.0, settings.residual_sd["offgas_carbon_dioxide"] / 100.0
    taken, given = np.maximum(taken, 1e-4), np.maximum(given, 1e-4)
    return Gas(
        np.log(taken * np.maximum(moles, LEAST)), np.log(given * np.maximum(moles, LEAST)), kla + np.log(drive),
        (1.3 * o + STORED_O2 * np.abs(inlet[0] - inlet[2])) / taken,
        (c + STORED_CO2 * np.abs(inlet[1] - inlet[3])) / given,
    )  # fmt: skip


def residuals(settings: Settings, signals: Floats, lift: Floats, demands: Floats, gas: Gas) -> Floats:
    """Give each relation of this minute, shape (10, n); the lift of the jacket is put back."""
    duty = demands[ACTUATORS.index(HEAT)]
    warm = settings.heater_gain * np.where(np.isnan(duty), 0.0, duty) - lift[2]
    return np.stack([
        signals[TJ] - signals[T] - warm, signals[PH] - signals[PH2],
        gas.uptake - gas.transfer, gas.evolved - gas.uptake, gas.uptake - signals[CAP],
        signals[W], signals[CO2], signals[O2], signals[AIR], signals[RPM],
    ])  # fmt: skip


def scales(gas: Gas) -> Floats:
    """Give the sd of each relation, shape (10, n)."""
    scale = np.broadcast_to(SD, (NUMBER, len(gas.uptake))).copy()
    u, e = gas.uptake_sd, gas.evolved_sd
    scale[OXYGEN] = np.sqrt(scale[OXYGEN] ** 2 + u * u)
    scale[QUOTIENT] = np.sqrt(scale[QUOTIENT] ** 2 + u * u + e * e)
    scale[CELLS] = np.sqrt(scale[CELLS] ** 2 + u * u)
    return scale


def step(
    state: Relations, values: Floats, scale: Floats, usable: Bools, learning: Bools, moving: Bools
) -> tuple[Relations, Floats]:
    """Fold one minute.

    Parameters
    ----------
    state : Relations
        It is left as it was.
    values, scale : arrays, shape (10, n)
        Of this minute.
    usable : array of bool, shape (10, n)
        False waits.
    learning : array of bool, shape (n,)
        The centre follows quickly.
    moving : array of bool, shape (10, n)
        Where a centre may follow at all.

    Returns
    -------
    (Relations, array of shape (10, n))
        The new state, and the distance from the centre in sd; 0 before anything was seen.
    """
    use = usable & np.isfinite(values)
    fresh = use & np.isnan(state.mean)
    mean = np.where(fresh, values, np.where(use, state.mean + SMOOTH * (values - state.mean), state.mean))
    centre = np.where(fresh, values + np.where(np.isnan(state.centre), 0.0, state.centre), state.centre)
    seen = state.seen + use
    gap = mean - centre
    gain = np.where(learning, np.maximum(1.0 / np.maximum(seen, 1.0), 1.0 / 240.0), 1.0 / (60.0 * HOURS))
    most = np.where(learning, np.inf, FASTEST * scale / 60.0)
    follow = use & (learning | moving)
    centre = np.where(follow, centre + np.clip(gain * gap, -most, most), centre)
    distance = np.where(np.isnan(mean), 0.0, (mean - centre) / scale)
    return Relations(mean, centre, seen), distance
