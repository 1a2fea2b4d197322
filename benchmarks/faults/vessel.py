"""What the simulated vessel is: channels, their noise, ranges of its true values, and what differs between runs.

This is truth. The detector (`twins/faults`) imports nothing from here, and is told none of the values drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Rows of the readings, in this order.
CHANNELS = (
    "temperature", "jacket_temperature", "ph", "ph_second", "dissolved_oxygen", "weight", "offgas_oxygen",
    "offgas_carbon_dioxide", "capacitance", "heater", "base", "carbon_dioxide", "oxygen", "air", "feed", "agitation",
)  # fmt: skip
(T, TJ, PH, PH2, DO, W, GO2, GCO2, CAP, HEAT, BASE, CO2, O2, AIR, FEED, RPM) = range(len(CHANNELS))
ACTUATORS = (HEAT, BASE, CO2, O2, AIR, FEED, RPM)  # rows of the demands, in this order
MEASURED = (T, TJ, PH, PH2, DO, W, GO2, GCO2, CAP, CO2, O2, AIR, RPM)  # the rest says what its drive was told

# assumed: noise of one-minute means as sold for such instruments; white and slow (AR(1) of 3 h) parts alike, sd each.
# Units: C, C, pH, pH, % air saturation, g, % O2, % CO2, share of the signal, then mL/min three times, 1/min.
NOISE = {
    T: 0.01, TJ: 0.02, PH: 0.004, PH2: 0.004, DO: 0.4, W: 1.0, GO2: 0.01, GCO2: 0.01, CAP: 0.01,
    CO2: 0.1, O2: 0.5, AIR: 1.0, RPM: 0.5,
}  # fmt: skip
SLOW_HOURS = 3.0
RESOLUTION = 0.2  # of the white sd: what the instrument rounds to

# Set points, and the ranges of true values whose leaving is "the limit". assumed: usual for such a process.
SET_T, SET_PH, SET_DO, DEADBAND = 37.0, 7.10, 50.0, 0.03
RANGES = {T: (36.5, 37.5), PH: (6.95, 7.25), DO: (20.0, 80.0)}
GLUCOSE_LOW = 2.0  # mM
# Monitors hold no loop: their limit is an error as large as half the range of what they watch.
# assumed: 0.6 % O2 and CO2 are a third of what the culture takes and gives; 25 % of the cells; 5 % of the volume.
ERRORS = {T: 0.5, TJ: 0.5, PH: 0.15, PH2: 0.15, DO: 30.0, W: 250.0, GO2: 0.6, GCO2: 0.6, CAP: 0.25,
          CO2: 10.0, O2: 40.0, AIR: 40.0, RPM: 20.0}  # fmt: skip


@dataclass(slots=True, eq=False)
class Draws:
    """What differs between healthy runs; each of shape (n,)."""

    mu_max: Floats  # 1/h
    cells: Floats  # 1e9 cells/L at the start
    q_oxygen: Floats  # mmol/h for 1e9 cells
    q_lactate: Floats  # mol lactate for a mol of glucose
    kla: Floats  # 1/h at 100 rpm and 210 mL/min
    rpm_exponent: Floats
    flow_exponent: Floats
    buffer: Floats  # mM a pH unit, beside bicarbonate
    alkalinity: Floats  # mM at the start
    loss: Floats  # share of 1, of the heat losses
    jacket: Floats  # W/K, to the vessel
    power: Floats  # W, of the heater
    evaporation: Floats  # g/h
    ambient: Floats  # C
    phase: Floats  # of the day, radians
    rq: Floats  # mol CO2 for a mol of O2
    offset: Floats  # (channels, n): of each probe at the start, in its unit; of the capacitance a share
    noise: Floats  # (channels, n): share of the nominal noise


def draw(rng: np.random.Generator, n: int) -> Draws:
    """Draw n healthy runs. assumed: the spreads, as named behind each."""

    def about(middle: float, share: float) -> Floats:
        return middle * np.exp(share * rng.normal(size=n))

    offset = np.zeros((len(CHANNELS), n))
    for channel, sd in {
        T: 0.05,
        TJ: 0.1,
        PH: 0.015,
        PH2: 0.015,
        DO: 1.0,
        W: 5.0,
        GO2: 0.02,
        GCO2: 0.02,
        CAP: 0.05,
    }.items():
        offset[channel] = sd * rng.normal(size=n)
    return Draws(
        mu_max=about(0.029, 0.08),  # Xing 2010, mu_m
        cells=about(2.5, 0.15),
        q_oxygen=about(0.32, 0.10),  # Xing 2010, qO2
        q_lactate=about(0.5, 0.15),  # assumed: below Xing's 1.23, as in a culture held at low glucose
        kla=about(5.0, 0.10),
        rpm_exponent=rng.uniform(1.05, 1.35, n),
        flow_exponent=rng.uniform(0.35, 0.5, n),
        buffer=about(10.0, 0.15),
        alkalinity=about(14.0, 0.03),
        loss=about(1.0, 0.10),
        jacket=about(20.0, 0.1),
        power=about(150.0, 0.05),
        evaporation=about(0.8, 0.2),
        ambient=22.0 + 0.5 * rng.normal(size=n),
        phase=rng.uniform(0.0, 2.0 * np.pi, n),
        rq=about(1.0, 0.03),
        offset=offset,
        noise=np.exp(0.15 * rng.normal(size=(len(CHANNELS), n))),
    )
