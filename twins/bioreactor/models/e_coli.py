"""E. coli fed-batch with acetate cycling (Anane 2017): overflow grows with glucose uptake, acetate is eaten again.

    qS   = qSmax S/(S+Ks) / (1 + A/Kia)            glucose uptake
    qSof = pAmax qS/(qS+Kap)     qSox = qS - qSof  overflow, oxidised
    pA   = Yas qSof              qsA = qAmax A/(A+Ksa) / (1 + qS/Kis)      acetate made, acetate taken up
    mu   = (qSox - qm) Yem + qSof Yxsof + qsA Yxa
    dX/dt = mu X        dS/dt = -qS X        dA/dt = (pA - qsA) X
    qO   = Yos (qSox - (qSox - qm) Yem Cx/Cs) + Yoa qsA                    oxygen uptake

with feed, evaporation and volume as in `volume.py`. Oxygen is taken to be plentiful. Carbon dioxide closes the carbon.

Source
------
Anane, Lopez, Neubauer and Cruz Bournazou 2017, Biochem. Eng. J. 125:23, as in a public transcription; values in
`parameters/anane2017.py`. Where we differ: no limit by oxygen, and oxygen uptake is never below 0. Known error of the
source: its overflow branch makes 0.400 Yas + 0.488 Yxsof = 0.475 g carbon out of 0.391 g; over all branches together
less carbon comes out than goes in.
"""

from __future__ import annotations

from typing import NamedTuple

from twins.bioreactor.models.model import Array, Model, Namespace, Output, StateInfo, places, rows, stack
from twins.bioreactor.models.volume import EVAPORATION, FEED_RATE, exchange, feed_of, volume_state
from twins.bioreactor.parameters.anane2017 import ANANE

OXYGEN = 31.998  # g/mol
CARBON = 12.011  # g/mol

STATES = (
    StateInfo("biomass", "g/L", "log", 0.1, "biomass, dry", 0.17),
    StateInfo("glucose", "g/L", "softplus", 0.1, "glucose", 4.94),
    StateInfo("acetate", "g/L", "softplus", 0.1, "acetate", 0.0129),
    volume_state(2.0),
)
INPUTS = (FEED_RATE, EVAPORATION, feed_of(STATES[1], 300.0), feed_of(STATES[2], 0.0))  # Si of the source
_FLUXES = places(ANANE, "qSmax Ks Kia pAmax Kap qAmax Ksa Kis qm Yem Yxsof Yas Yxa")
_OXYGEN = places(ANANE, "qm Yem Yos Yoa Cs Cx")
_CARBON = places(ANANE, "Cs Cx Ca")


class Fluxes(NamedTuple):
    """Specific rates, per biomass [g/g/h]."""

    uptake: Array
    oxidised: Array
    overflow: Array
    acetate_made: Array
    acetate_taken: Array
    growth: Array


def fluxes(xp: Namespace, x: Array, p: Array) -> Fluxes:
    """Work out what flows where."""
    _, S, A = rows(x, 3)
    qSmax, Ks, Kia, pAmax, Kap, qAmax, Ksa, Kis, qm, Yem, Yxsof, Yas, Yxa = rows(p, _FLUXES)
    qS = qSmax / (1.0 + A / Kia) * S / (S + Ks)
    qSof = pAmax * qS / (qS + Kap)
    qSox = qS - qSof
    qsA = qAmax / (1.0 + qS / Kis) * A / (A + Ksa)
    return Fluxes(qS, qSox, qSof, Yas * qSof, qsA, (qSox - qm) * Yem + qsA * Yxa + qSof * Yxsof)


def rates(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give dx/dt; see `ProcessModel.rates`."""
    X, S, A, V = rows(x, 4)
    feed, evaporation, S_in, A_in = rows(u, 4)
    q = fluxes(xp, x, p)
    flow = exchange(V, feed, evaporation)
    return stack(
        xp,
        (q.growth - flow.net) * X,
        flow.inflow * S_in - flow.net * S - q.uptake * X,
        flow.inflow * A_in - flow.net * A + (q.acetate_made - q.acetate_taken) * X,
        flow.volume_rate,
    )


def growth_rate(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give the specific growth rate, below 0 by maintenance where there is no glucose [1/h]."""
    return fluxes(xp, x, p).growth


def oxygen_uptake(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give OUR [mmol/L/h]."""
    q = fluxes(xp, x, p)
    qm, Yem, Yos, Yoa, Cs, Cx = rows(p, _OXYGEN)
    qO = Yos * (q.oxidised - (q.oxidised - qm) * Yem * Cx / Cs) + Yoa * q.acetate_taken
    return 1000.0 / OXYGEN * xp.maximum(qO, 0.0) * x[0]


def carbon_dioxide_evolution(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give CER, by the balance of carbon over all branches [mmol/L/h]."""
    q = fluxes(xp, x, p)
    Cs, Cx, Ca = rows(p, _CARBON)
    carbon = Cs * q.uptake - Ca * (q.acetate_made - q.acetate_taken) - Cx * q.growth
    return 1000.0 / CARBON * carbon * x[0]


E_COLI = Model(
    name="e_coli",
    version=1,
    title="E. coli fed-batch with acetate cycling",
    states=STATES,
    inputs=INPUTS,
    parameters=ANANE,
    outputs=(
        Output("growth_rate", "/h", "specific growth rate", growth_rate),
        Output("oxygen_uptake", "mmol/L/h", "OUR", oxygen_uptake),
        Output("carbon_dioxide_evolution", "mmol/L/h", "CER", carbon_dioxide_evolution),
    ),
    rates=rates,
    step_hours=1 / 360,
    stiff=True,
)
