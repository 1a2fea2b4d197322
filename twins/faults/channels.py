"""The channels of a vessel that the detector reads, in their order, and which of them share a cause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Rows of the readings. The last row of alarms, `culture`, has no reading: a fault of the process itself.
CHANNELS = (
    "temperature", "jacket_temperature", "ph", "ph_second", "dissolved_oxygen", "weight", "offgas_oxygen",
    "offgas_carbon_dioxide", "capacitance", "heater", "base", "carbon_dioxide", "oxygen", "air", "feed", "agitation",
)  # fmt: skip
(T, TJ, PH, PH2, DO, W, GO2, GCO2, CAP, HEAT, BASE, CO2, O2, AIR, FEED, RPM) = range(len(CHANNELS))
CULTURE = len(CHANNELS)
# What each counts in, as UCUM has it. Of the capacitance the logarithm is followed: a constant factor drops out.
UNITS = {
    "temperature": "Cel", "jacket_temperature": "Cel", "ph": "[pH]", "ph_second": "[pH]", "dissolved_oxygen": "%",
    "weight": "g", "offgas_oxygen": "%", "offgas_carbon_dioxide": "%", "capacitance": "pF/cm", "heater": "%",
    "base": "mL/h", "carbon_dioxide": "mL/min", "oxygen": "mL/min", "air": "mL/min", "feed": "mL/h",
    "agitation": "{rev}/min",
}  # fmt: skip
NAMES = (*CHANNELS, "culture")
COUNT, PLACES = len(CHANNELS), len(NAMES)

# Rows of the demands: what each controller asks of its actuator, in the unit of the actuator's channel.
ACTUATORS = (HEAT, BASE, CO2, O2, AIR, FEED, RPM)
METERED = (CO2, O2, AIR, RPM)  # actuators whose channel is a measurement of its own; the others echo the demand
PROBES = (T, TJ, PH, PH2, DO, W, GO2, GCO2, CAP)
TESTED = (*PROBES, *METERED)  # rows that have noise, and so can be tested for too little and too much of it

# What moves because of a standing fault, and so raises no alarm of its own.
_LOOP_T, _LOOP_PH, _LOOP_DO = (T, TJ, HEAT), (PH, PH2, BASE, CO2), (DO, RPM, AIR, O2)
CONSEQUENCES: dict[int, tuple[int, ...]] = {
    T: (*_LOOP_T, DO, CULTURE),
    TJ: (T, HEAT),
    PH: (*_LOOP_PH, GCO2, W, FEED, CULTURE, CAP, DO, GO2),
    PH2: (PH, BASE),
    DO: (*_LOOP_DO, GO2, GCO2, CULTURE, CAP, PH, PH2),
    W: (FEED, BASE),
    GO2: (GCO2, CAP, CULTURE, DO),
    GCO2: (GO2, PH, PH2),
    CAP: (CULTURE, GO2),
    HEAT: (*_LOOP_T, DO, CULTURE),
    BASE: (*_LOOP_PH, W, FEED, GCO2, CULTURE, CAP, GO2, DO),
    CO2: (*_LOOP_PH, GCO2, GO2, DO, CULTURE, CAP),
    O2: (*_LOOP_DO, GO2, GCO2, CULTURE, CAP, PH, PH2),
    AIR: (*_LOOP_DO, CO2, GO2, GCO2, CULTURE, CAP, PH, PH2),
    FEED: (W, BASE, CULTURE, CAP, PH, PH2, DO, GO2, GCO2),
    RPM: (*_LOOP_DO, CO2, GO2, GCO2, CULTURE, CAP, PH, PH2, T, TJ),
    CULTURE: (CAP, GO2, GCO2, DO, PH, PH2, BASE, FEED, W),
}


def consequence_table() -> Bools:
    """Lay `CONSEQUENCES` out: True at (cause, consequence), shape (17, 17)."""
    table = np.zeros((PLACES, PLACES), np.bool_)
    for cause, those in CONSEQUENCES.items():
        table[cause, list(those)] = True
    np.fill_diagonal(table, False)
    return table
