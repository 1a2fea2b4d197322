"""What the detector is told of a vessel: nominal noise, nominal constants, and how sure it has to be.

They are nominal: a vessel may differ from them by 10 to 20 %. Noise is learned within bounds about the nominal one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from schemas.errors import SettingsError

# assumed: sd of a one-minute reading about its short prediction, in closed loop, of a usual vessel; qualify your own.
# C, C, pH, pH, % air saturation, g, % O2, % CO2, ln(pF/cm), then (measured less demanded) mL/min three times, 1/min.
RESIDUAL_SD = {
    "temperature": 0.011, "jacket_temperature": 0.028, "ph": 0.0045, "ph_second": 0.0045, "dissolved_oxygen": 0.47,
    "weight": 1.1, "offgas_oxygen": 0.014, "offgas_carbon_dioxide": 0.016, "capacitance": 0.011,
    "carbon_dioxide": 0.11, "oxygen": 0.55, "air": 1.1, "agitation": 0.55,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """How the detector is set; the same for all units of a state.

    Parameters
    ----------
    residual_sd : mapping
        Of each tested channel, see `RESIDUAL_SD`.
    headspace : float
        Of the vessel [mL].
    evaporation : float
        Of the vessel [mL/h].
    heater_gain : float
        C of the jacket above the vessel for 1 % of the heater, in the long run.
    jacket_minutes : float
        How soon the jacket follows the heater.
    ph_low : float
        Below it the controller asks for base.
    rpm_exponent, flow_exponent : float
        Of kLa in stirrer speed and gas flow.
    settle_minutes : int
        At the start of a run nothing but drop-outs and stuck probes is tested.
    learn_minutes : int
        From the start, relations learn their level; their tests begin with its end.
    noise_bounds : pair of float
        Learned noise stays within these shares of the nominal one.
    false_alarm_points : float
        Mean number of points between false alarms of one channel's step test, on white residuals.
    relation_limit : float
        A relation beyond so many of its sd is broken.
    missing_minutes : int
        A channel silent for so long has dropped out.
    """

    residual_sd: dict[str, float] = field(default_factory=lambda: dict(RESIDUAL_SD))
    headspace: float = 2000.0
    rpm_exponent: float = 1.2  # assumed: P/V goes with rpm^3, kLa with (P/V)^0.4 (van 't Riet 1979)
    flow_exponent: float = 0.4  # assumed: between 0.2 and 0.5 of van 't Riet 1979
    evaporation: float = 0.8
    heater_gain: float = 0.07  # assumed: a heater of 140 W on 20 W/K
    jacket_minutes: float = 3.5  # assumed: 1 L of water on 20 W/K
    ph_low: float = 7.07
    settle_minutes: int = 240
    learn_minutes: int = 480
    noise_bounds: tuple[float, float] = (0.5, 2.5)
    false_alarm_points: float = 1e7
    relation_limit: float = 4.2
    missing_minutes: int = 5

    def __post_init__(self) -> None:
        for name, sd in self.residual_sd.items():
            if not 0 < sd < math.inf:
                raise SettingsError(f"expected a residual sd above 0, received {sd} for {name}")
        low, high = self.noise_bounds
        if not 0 < low <= 1 <= high:
            raise SettingsError(f"expected noise bounds about 1, received {self.noise_bounds}")
        if not 0 < self.settle_minutes <= self.learn_minutes:
            raise SettingsError(
                f"expected 0 < settle_minutes <= learn_minutes, received {self.settle_minutes}, {self.learn_minutes}"
            )
