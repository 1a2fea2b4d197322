"""Yeast fed-batch with overflow to ethanol: respiration is a bottleneck, what does not fit through is fermented.

    qs  = qs_max S/(Ks+S)                          glucose uptake
    qox = min(qs, qo_max/Yos)    qred = qs - qox   respired, fermented
    qe  = min(qe_max E/(Ke+E) Ki/(Ki+S), (qo_max - Yos qox)/Yoe)      ethanol uptake, with what respiration has left
    dX/dt = (Yxs_ox qox + Yxs_red qred + Yxe qe) X
    dS/dt = -qs X                dE/dt = (Yes qred - qe) X

with feed, evaporation and volume as in `volume.py`. Oxygen is taken to be plentiful. Yos, Yoe and Yes close the
electrons (24 in a mole of glucose C6H12O6, 12 in ethanol C2H6O, 4.2 in a C-mole of biomass CH1.8O0.5N0.2 made with
ammonia, 4 taken up by oxygen), carbon dioxide closes the carbon.

Source
------
Sonnleitner and Kappeli 1986, Biotechnol. Bioeng. 28:927 (bottleneck); balances and biomass of Roels 1983, Energetics
and Kinetics in Biotechnology. Values in `parameters/sonnleitner1986.py`, most of them assumed. With them the balances
give 0.397 g oxygen/g glucose, 1.101 g/g ethanol and 0.479 g ethanol/g glucose. Where we differ: no limit by oxygen.
"""

from __future__ import annotations

from typing import NamedTuple

from twins.bioreactor.models.model import Array, Model, Namespace, Output, StateInfo, places, rows, stack
from twins.bioreactor.models.volume import EVAPORATION, FEED_RATE, exchange, feed_of, volume_state
from twins.bioreactor.parameters.sonnleitner1986 import SONNLEITNER

# Molar masses from IUPAC's standard atomic weights (2021, abridged) [g/mol].
GLUCOSE, ETHANOL, OXYGEN = 180.156, 46.069, 31.998
BIOMASS = 24.626  # CH1.8O0.5N0.2 [g/C-mol]
# Electrons and carbon per gram [mol/g].
GLUCOSE_ELECTRONS, ETHANOL_ELECTRONS, BIOMASS_ELECTRONS = 24.0 / GLUCOSE, 12.0 / ETHANOL, 4.2 / BIOMASS
GLUCOSE_CARBON, ETHANOL_CARBON, BIOMASS_CARBON = 6.0 / GLUCOSE, 2.0 / ETHANOL, 1.0 / BIOMASS
OXYGEN_ELECTRONS = 4.0 / OXYGEN

STATES = (
    StateInfo("biomass", "g/L", "log", 0.1, "biomass, dry and free of ash", 0.5),
    StateInfo("glucose", "g/L", "softplus", 0.1, "glucose", 10.0),
    StateInfo("ethanol", "g/L", "softplus", 0.1, "ethanol", 0.0),
    volume_state(1.0),
)
INPUTS = (FEED_RATE, EVAPORATION, feed_of(STATES[1], 500.0), feed_of(STATES[2], 0.0))  # 500 g/L as in BPL's example
_ALL = places(SONNLEITNER, "qs_max qo_max Ks Ke Ki qe_max Yxs_ox Yxs_red Yxe")


class Fluxes(NamedTuple):
    """Specific rates, per biomass [g/g/h]."""

    respired: Array
    fermented: Array
    ethanol_made: Array
    ethanol_taken: Array
    growth: Array
    oxygen: Array


def fluxes(xp: Namespace, x: Array, p: Array) -> Fluxes:
    """Work out what flows where."""
    _, S, E = rows(x, 3)
    qs_max, qo_max, Ks, Ke, Ki, qe_max, Yxs_ox, Yxs_red, Yxe = rows(p, _ALL)
    Yos = (GLUCOSE_ELECTRONS - Yxs_ox * BIOMASS_ELECTRONS) / OXYGEN_ELECTRONS
    Yoe = (ETHANOL_ELECTRONS - Yxe * BIOMASS_ELECTRONS) / OXYGEN_ELECTRONS
    Yes = (GLUCOSE_ELECTRONS - Yxs_red * BIOMASS_ELECTRONS) / ETHANOL_ELECTRONS
    uptake = qs_max * S / (Ks + S)
    respired = xp.minimum(uptake, qo_max / Yos)
    fermented = uptake - respired
    capacity = xp.maximum(qo_max - Yos * respired, 0.0)
    taken = xp.minimum(qe_max * E / (Ke + E) * Ki / (Ki + S), capacity / Yoe)
    growth = Yxs_ox * respired + Yxs_red * fermented + Yxe * taken
    return Fluxes(respired, fermented, Yes * fermented, taken, growth, Yos * respired + Yoe * taken)


def rates(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give dx/dt; see `ProcessModel.rates`."""
    X, S, E, V = rows(x, 4)
    feed, evaporation, S_in, E_in = rows(u, 4)
    q = fluxes(xp, x, p)
    flow = exchange(V, feed, evaporation)
    return stack(
        xp,
        (q.growth - flow.net) * X,
        flow.inflow * S_in - flow.net * S - (q.respired + q.fermented) * X,
        flow.inflow * E_in - flow.net * E + (q.ethanol_made - q.ethanol_taken) * X,
        flow.volume_rate,
    )


def growth_rate(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give the specific growth rate [1/h]."""
    return fluxes(xp, x, p).growth


def oxygen_uptake(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give OUR [mmol/L/h]."""
    return 1000.0 / OXYGEN * fluxes(xp, x, p).oxygen * x[0]


def carbon_dioxide_evolution(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give CER, by the balance of carbon [mmol/L/h]."""
    q = fluxes(xp, x, p)
    carbon = GLUCOSE_CARBON * (q.respired + q.fermented) - ETHANOL_CARBON * (q.ethanol_made - q.ethanol_taken)
    return 1000.0 * (carbon - BIOMASS_CARBON * q.growth) * x[0]


def respiratory_quotient(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give RQ [mol/mol]; 0 where nothing breathes."""
    oxygen = oxygen_uptake(xp, t, x, u, p)
    some = oxygen > 0.0
    return xp.where(some, carbon_dioxide_evolution(xp, t, x, u, p) / xp.where(some, oxygen, 1.0), 0.0)


YEAST = Model(
    name="yeast",
    version=1,
    title="Yeast fed-batch with overflow to ethanol",
    states=STATES,
    inputs=INPUTS,
    parameters=SONNLEITNER,
    outputs=(
        Output("growth_rate", "/h", "specific growth rate", growth_rate),
        Output("oxygen_uptake", "mmol/L/h", "OUR", oxygen_uptake),
        Output("carbon_dioxide_evolution", "mmol/L/h", "CER", carbon_dioxide_evolution),
        Output("respiratory_quotient", "mol/mol", "RQ", respiratory_quotient),
    ),
    rates=rates,
    step_hours=1 / 720,
    stiff=True,
)
