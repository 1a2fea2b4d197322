"""Penicillin fed-batch (PenSim, Birol 2002): Contois growth, inhibited production, oxygen, carbon dioxide, water loss.

    mu = mu_x/(1+K1/H+H/K2) S/(Kx X+S) CL/(Kox X+CL) (kg exp(-Eg/RT) - kd exp(-Ed/RT))
    pi = mu_p S/(Kp+S+S^2/KI) CL^p/(Kop X+CL^p)
    dX/dt = mu X                               dP/dt = pi X - K P
    dS/dt = -mu X/Yxs - pi X/Yps - mx X        dCL/dt = -mu X/Yxo - pi X/Ypo - mo X + KLa (CL* - CL)
    dCO2/dt = a1 dX/dt + a2 X + a3             KLa = alpha sqrt(fg) (Pw/V)^beta
    dV/dt = F - V lambda (exp(5 (T-T0)/(Tv-T0)) - 1)

every concentration but CO2 also diluted, or thickened, by the net flow (`volume.py`). Acid and base are feeds without
substance. Temperature and pH are inputs: the heat balance and the controllers of PenSim are not part of it.

Source
------
Birol, Undey and Cinar 2002; values in `parameters/birol2002.py`. Where we differ: maintenance on glucose and oxygen is
shut off with them (`S_off`, `CL_off`); above some 337 K, where death outruns growth, cells die without giving back the
glucose and oxygen that they were made of; carbon dioxide does not fall below 0 when a strong feed dilutes the cells.
"""

from __future__ import annotations

import math

from twins.bioreactor.models.model import (
    Array,
    InputInfo,
    Model,
    Namespace,
    Output,
    StateInfo,
    available,
    places,
    rows,
    stack,
)
from twins.bioreactor.models.volume import FEED_RATE, exchange, feed_of, volume_state
from twins.bioreactor.parameters.birol2002 import BIROL, GAS_CONSTANT

STATES = (
    StateInfo("biomass", "g/L", "log", 0.1, "biomass", 0.1),
    StateInfo("glucose", "g/L", "softplus", 0.1, "glucose", 15.0),
    StateInfo("penicillin", "g/L", "softplus", 0.01, "penicillin", 0.0),
    StateInfo("dissolved_oxygen", "g/L", "softplus", 0.1, "dissolved oxygen, on the source's scale", 1.16),
    StateInfo("carbon_dioxide", "mmol/L", "softplus", 0.1, "carbon dioxide made", 0.5, "other"),
    volume_state(100.0),
)
INPUTS = (
    FEED_RATE,
    feed_of(STATES[1], 600.0),  # sf of the source
    InputInfo("feed_dissolved_oxygen", "g/L", 0.0, "dissolved oxygen in the feed"),
    InputInfo("temperature", "K", 298.0, "temperature", 273.0, 373.0),
    InputInfo("ph", "[pH]", 5.0, "pH", 0.0, 14.0),
    InputInfo("aeration", "L/h", 8.6, "air, as in the source", high=1e4),
    InputInfo("agitation", "W", 30.0, "power of the agitator", high=1e5),
)
_GROWTH = places(BIROL, "mu_x Kx Kox K1 K2 kg Eg kd Ed")
_PRODUCTION = places(BIROL, "mu_p Kp KI Kop p")
_TRANSFER = places(BIROL, "alpha beta")
_WATER = places(BIROL, "lam T0 Tv")
_BALANCE = places(BIROL, "K Yxs Yps Yxo Ypo mx mo a1 a2 a3 CL_star S_off CL_off")


def growth_rate(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give the specific growth rate, below 0 above some 337 K [1/h]."""
    X, S, _, CL = rows(x, 4)
    mu_x, Kx, Kox, K1, K2, kg, Eg, kd, Ed = rows(p, _GROWTH)
    heat = GAS_CONSTANT * u[3]
    H = xp.exp(-math.log(10.0) * u[4])
    arrhenius = kg * xp.exp(-Eg / heat) - kd * xp.exp(-Ed / heat)
    return mu_x / (1.0 + K1 / H + H / K2) * _share(xp, S, Kx * X) * _share(xp, CL, Kox * X) * arrhenius


def production_rate(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give penicillin made per biomass [g/g/h]."""
    X, S, _, CL = rows(x, 4)
    mu_p, Kp, KI, Kop, exponent = rows(p, _PRODUCTION)
    return mu_p * S / (Kp + S + S * S / KI) * _share(xp, CL**exponent, Kop * X)


def transfer_coefficient(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give KLa, by the source's own correlation [1/h]."""
    alpha, beta = rows(p, _TRANSFER)
    return alpha * xp.sqrt(u[5]) * (u[6] / x[5]) ** beta


def water_loss(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give the water that evaporates [L/h]."""
    lam, T0, Tv = rows(p, _WATER)
    return x[5] * lam * (xp.exp(5.0 * (u[3] - T0) / (Tv - T0)) - 1.0)


def rates(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give dx/dt; see `ProcessModel.rates`."""
    X, S, P, CL, CO2, V = rows(x, 6)
    feed, S_in, CL_in = rows(u, 3)
    K, Yxs, Yps, Yxo, Ypo, mx, mo, a1, a2, a3, CL_star, S_off, CL_off = rows(p, _BALANCE)
    mu = growth_rate(xp, t, x, u, p)
    grown = xp.maximum(mu, 0.0) * X
    made = production_rate(xp, t, x, u, p) * X
    transfer = transfer_coefficient(xp, t, x, u, p) * (CL_star - CL)
    flow = exchange(V, feed, water_loss(xp, t, x, u, p))

    dX = (mu - flow.net) * X
    released = a1 * dX
    return stack(
        xp,
        dX,
        flow.inflow * S_in - flow.net * S - grown / Yxs - made / Yps - mx * X * available(S, S_off),
        made - (K + flow.net) * P,
        flow.inflow * CL_in - flow.net * CL - grown / Yxo - made / Ypo - mo * X * available(CL, CL_off) + transfer,
        xp.where(released < 0.0, released * available(CO2, 1e-3), released) + a2 * X + a3,
        flow.volume_rate,
    )


def _share(xp: Namespace, part: Array, other: Array) -> Array:
    """Give part/(part + other), 0 where there is no part."""
    some = part > 0.0
    return xp.where(some, part / xp.where(some, part + other, 1.0), 0.0)


PENSIM = Model(
    name="pensim",
    version=1,
    title="Penicillin fed-batch, PenSim",
    states=STATES,
    inputs=INPUTS,
    parameters=BIROL,
    outputs=(
        Output("growth_rate", "/h", "specific growth rate", growth_rate),
        Output("production_rate", "g/g/h", "penicillin made per biomass", production_rate),
        Output("transfer_coefficient", "/h", "KLa", transfer_coefficient),
        Output("water_loss", "L/h", "water that evaporates", water_loss),
    ),
    rates=rates,
    step_hours=1 / 300,
    stiff=True,
)
