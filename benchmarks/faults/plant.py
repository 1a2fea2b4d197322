"""The truth: a stirred tank with mammalian cells in closed loop, minute by minute, for many runs at once.

    dX/dt = (mu - mu_d) X      mu = mu_m S/(S+K_S) KI_L/(L+KI_L)       dS/dt = -qS X     dL/dt = Y_LS qS X
    dC/dt = kLa (C* - C) - OUR                      kLa = k (rpm/100)^a (flow/210)^b
    A = HCO3 + beta (pH - 7)    CT = HCO3 + CO2     pH = 6.1 + log10(HCO3/CO2)
    dA/dt = base - dL/dt        dCT/dt = CER - kLa_C (CO2 - CO2*) + base/2

with feed, base and evaporation in the volume, a headspace that delays the off-gas, a heated jacket, and controllers
that believe their probes: PI on temperature (heater) and on dissolved oxygen (agitation, then air, then oxygen), base
below and carbon dioxide above a deadband of pH.

Source
------
Cells: Xing et al. 2010, simplified (glutamine in excess, ammonia left out). pH: bicarbonate as in `facts` of any
textbook, pK 6.1, 0.0301 mM/mmHg. kLa: van 't Riet 1979, its form. Sizes of the vessel (5 L), its heater and its
controllers are assumed: a bench vessel. Gas: 22.414 L/mol, dry, inert balance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.faults.injection import Injection
from benchmarks.faults.noise import Noise
from benchmarks.faults.vessel import (
    CAP,
    CHANNELS,
    DEADBAND,
    DO,
    MEASURED,
    NOISE,
    PH,
    RESOLUTION,
    SET_DO,
    SET_PH,
    SET_T,
    Draws,
    Floats,
    Ints,
    T,
)  # fmt: skip

SUBSTEPS = 3
MOLES = 60.0 / 22.414  # mmol/h of 1 mL/min
AIR_O2 = 0.2095
SATURATION = 0.21  # mM O2 at 100 % air saturation, 37 C
CO2_PER_FRACTION = 0.0301 * 713.0  # mM dissolved at a mole fraction of 1 (760 mmHg less 47 of water)
HEADSPACE = 2000.0  # mL
AIR_LEAST, RPM_LEAST, CO2_SHARE = 200.0, 100.0, 0.05  # CO2 overlay as a share of air
AIR_SPAN, O2_SPAN, RPM_SPAN, CO2_SPAN = 200.0, 200.0, 120.0, 60.0
BASE_SPAN, FEED_SPAN = 60.0, 40.0  # mL/h
FEED_GLUCOSE = 653.0  # mM, as the feed medium of the published CHO model
BASE_STRENGTH = 1.0  # mol/L of alkalinity, as carbonate
K_S, KI_L, MU_D = 0.084, 43.0, 0.002  # Xing 2010 (mM, mM); assumed death, 1/h
M_S, Y_XS = 0.0692, 0.169  # Xing 2010, mmol/h and 1e9 cells/mmol for 1e9 cells
GLUCOSE_SET = 12.0


@dataclass(slots=True, eq=False)
class Minute:
    """What one minute left, arrays with runs on the last axis: `readings` (16, n), `demands` (7, n), true values."""

    readings: Floats
    demands: Floats
    temperature: Floats
    ph: Floats
    oxygen: Floats
    glucose: Floats
    true: Floats  # (16, n): what each channel would read without noise, offset and fault of its own


class Plant:
    """Runs in closed loop. `index` says which draw each run uses, so that a faulty run has a healthy twin."""

    def __init__(self, draws: Draws, noise: Noise, index: Ints, injection: Injection) -> None:
        self.p = Draws(*(getattr(draws, name)[..., index] for name in draws.__slots__))
        self.noise, self.index, self.fault = noise, index, injection
        n = len(index)
        self.n, self.minute = n, 0
        self.X, self.S, self.L = self.p.cells.copy(), np.full(n, GLUCOSE_SET), np.full(n, 2.0)
        self.V = np.full(n, 5000.0)  # mL, and g
        self.A = self.p.alkalinity.copy()
        self.CO2aq = np.full(n, 0.06 * CO2_PER_FRACTION)
        self.pH = np.full(n, 7.05)
        self.CT = self.A + self.CO2aq
        self.C = np.full(n, SET_DO)
        self.T, self.TJ = np.full(n, SET_T), np.full(n, SET_T + 2.0)
        self.yO, self.yC = np.full(n, AIR_O2 - 0.01), np.full(n, 0.06)
        self.B = np.zeros(n)  # contaminant, 1e9 cell equivalents/L
        self.iT, self.iDO, self.iPH = np.full(n, 0.5), np.full(n, 0.15), np.zeros(n)
        self.ratio = np.ones(n)
        self.seen = np.zeros((len(CHANNELS), n))
        self.seen[T], self.seen[DO], self.seen[PH] = SET_T, SET_DO, SET_PH
        self._quantum = np.zeros((len(CHANNELS), 1))
        for channel in MEASURED:
            self._quantum[channel] = RESOLUTION * NOISE[channel]
        self._quantum[CAP] = 0.005

    def control(self) -> Floats:
        """Give the demands of the next minute, (7, n), from what the probes said last."""
        error = SET_T - self.seen[T]
        self.iT = np.clip(self.iT + 0.006 * error, 0.0, 1.0)
        heat = np.clip(self.iT + 0.6 * error, 0.0, 1.0)
        error = (SET_DO - self.seen[DO]) / 100.0
        self.iDO = np.clip(self.iDO + 0.03 * error, 0.0, 1.0)
        u = np.clip(self.iDO + 0.4 * error, 0.0, 1.0)
        # The split range gives each part about the same gain of oxygen transfer.
        rpm = RPM_LEAST + RPM_SPAN * np.clip(u / 0.35, 0.0, 1.0)
        air = AIR_LEAST + AIR_SPAN * np.clip((u - 0.35) / 0.15, 0.0, 1.0)
        oxygen = O2_SPAN * np.clip((u - 0.5) / 0.5, 0.0, 1.0)
        high = self.seen[PH] - (SET_PH + DEADBAND)
        low = (SET_PH - DEADBAND) - self.seen[PH]
        self.iPH = np.clip(
            self.iPH + np.where(high > 0, 0.03 * high, 0.0) - np.where(low > 0, 0.03 * low, 0.0), -1.0, 1.0
        )
        # Inside the deadband the integral fades, so that neither actuator works there for long.
        self.iPH = np.where((high <= 0) & (low <= 0), 0.99 * self.iPH, self.iPH)
        co2 = CO2_SHARE * air + CO2_SPAN * np.clip(self.iPH + np.maximum(high, 0.0), 0.0, 1.0)
        base = BASE_SPAN * np.clip(-self.iPH + 3.0 * np.maximum(low, 0.0), 0.0, 1.0)
        if self.minute % 720 == 0:  # glucose is assayed twice a day, and the feed is trimmed
            self.ratio = np.clip(self.ratio * (1.0 + 0.4 * (GLUCOSE_SET - self.S) / GLUCOSE_SET), 0.3, 3.0)
            self.X_fed = self.X.copy()
        growth = np.exp(0.022 * (self.minute % 720) / 60.0)
        used = self.X_fed * growth * (M_S + 0.022 / Y_XS) * self.V / 1000.0  # mmol/h
        feed = np.clip(self.ratio * used * 1000.0 / FEED_GLUCOSE, 1.0, FEED_SPAN)
        return np.stack([heat, base, co2, oxygen, air, feed, rpm])

    def step(self) -> Minute:
        """Go on by one minute."""
        noise, wander = self.noise.step()
        noise, wander = noise[:, self.index], wander[:, self.index]
        demands = self.control()
        self.fault.told(demands)
        real = self.fault.actuators(self.minute, demands)
        heat, base, co2, o2, air, feed, rpm = real
        p, dt = self.p, 1.0 / 60.0 / SUBSTEPS
        q_o2, q_lac, seed = self.fault.metabolism(self.minute)
        room = p.ambient + wander[3] + 0.3 * np.sin(2.0 * np.pi * self.minute / 1440.0 + p.phase)
        flow_in = np.maximum(air + o2 + co2, 5.0)
        yO_in, yC_in = (AIR_O2 * air + o2) / flow_in, (co2 + 4e-4 * air) / flow_in
        stirred = np.maximum(rpm / 100.0, 0.15) ** p.rpm_exponent
        kla = p.kla * stirred * (flow_in / 210.0) ** p.flow_exponent * np.exp(wander[2])
        self.B = self.B + seed
        for _ in range(SUBSTEPS):
            mu = p.mu_max * np.exp(wander[4]) * self.S / (self.S + K_S) * KI_L / (self.L + KI_L)
            eats = self.S / (self.S + 0.1)
            qs = (M_S * eats + mu / Y_XS) * self.X
            acid = p.q_lactate * np.exp(wander[1]) * q_lac * qs + 0.8 * self.B * eats
            breath = self.C / (self.C + 1.0)
            our = (p.q_oxygen * np.exp(wander[0]) * q_o2 * self.X + 1.6 * self.B) * breath
            cer = p.rq * our
            pour = (feed + base - p.evaporation) / self.V  # 1/h
            # Bubbles lie halfway between inlet and exit; what they give and take moves the exit, so solve for both.
            volume = self.V / 1000.0
            thin = 0.5 * volume / (MOLES * flow_in)
            otr = (
                kla
                * (SATURATION * yO_in / AIR_O2 - SATURATION * self.C / 100.0)
                / (1.0 + kla * SATURATION / AIR_O2 * thin)
            )
            ctr = 0.9 * kla * (self.CO2aq - CO2_PER_FRACTION * yC_in) / (1.0 + 0.9 * kla * CO2_PER_FRACTION * thin)
            out = np.maximum(flow_in + (ctr - otr) * volume / MOLES, 1.0)
            yO, yC = (flow_in * yO_in - otr * volume / MOLES) / out, (flow_in * yC_in + ctr * volume / MOLES) / out
            renew = 1.0 - np.exp(-out * dt * 60.0 / HEADSPACE)
            self.yO, self.yC = self.yO + renew * (yO - self.yO), self.yC + renew * (yC - self.yC)
            self.C = np.maximum(self.C + dt * (otr - our) / SATURATION * 100.0, 0.0)
            alkali = base / self.V * BASE_STRENGTH * 1000.0  # mM/h
            self.A = self.A + dt * (alkali - acid - pour * (self.A - 14.0 * feed / np.maximum(feed + base, 1e-9)))
            self.CT = self.CT + dt * (cer - ctr + 0.5 * alkali - pour * (self.CT - 14.0))
            self.acidity()
            self.X = self.X + dt * (mu - MU_D - pour) * self.X
            self.B = self.B + dt * np.where(self.B > 0, self.fault.contaminant_rate, 0.0) * self.B * breath
            self.S = np.maximum(self.S + dt * (feed * FEED_GLUCOSE / self.V - pour * self.S - qs - 0.5 * self.B), 0.0)
            self.L = self.L + dt * (acid - pour * self.L)
            self.V = self.V + dt * (feed + base - p.evaporation)
            # Jacket 1 L, vessel 5 L, 4.18 kJ/(kg K). assumed: losses of 1.5 W/K each.
            across = p.jacket * (self.TJ - self.T)
            self.TJ = self.TJ + dt * 3600.0 / 4180.0 * (p.power * heat - across - 1.5 * p.loss * (self.TJ - room))
            warm = across - 1.5 * p.loss * (self.T - room) + 0.13 * our * volume + 2.0 * (rpm / 150.0) ** 3
            self.T = self.T + dt * 3600.0 / (4.18 * self.V) * warm
        true = np.stack([
            self.T, self.TJ, self.pH, self.pH, self.C, self.V, 100.0 * self.yO, 100.0 * self.yC, self.X,
            100.0 * demands[0], demands[1], co2, o2, air, demands[5], rpm,
        ])  # fmt: skip
        clean = true + p.offset
        clean[CAP] = true[CAP] * (1.0 + p.offset[CAP])
        noise[CAP] = noise[CAP] * clean[CAP]
        readings = self.fault.readings(self.minute, clean, noise)
        quantum = np.where(self._quantum > 0, self._quantum, 1.0)
        readings = np.where(self._quantum > 0, np.round(readings / quantum) * quantum, readings)
        readings = self.fault.freeze(self.minute, readings)
        self.seen = np.where(np.isnan(readings), self.seen, readings)
        self.minute += 1
        said = demands.copy()
        said[0] *= 100.0
        return Minute(readings, said, self.T.copy(), self.pH.copy(), self.C.copy(), self.S.copy(), true)

    def acidity(self) -> None:
        """Solve for pH by two Newton steps from the last one, and split the carbon."""
        for _ in range(2):
            power = 10.0 ** (self.pH - 6.1)
            bicarbonate = self.CT * power / (1.0 + power)
            gap = bicarbonate + self.p.buffer * (self.pH - 7.0) - self.A
            slope = np.log(10.0) * bicarbonate / (1.0 + power) + self.p.buffer
            self.pH = self.pH - np.clip(gap / slope, -0.1, 0.1)
        self.CO2aq = self.CT / (1.0 + 10.0 ** (self.pH - 6.1))
