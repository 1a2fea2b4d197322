"""T cells, CAR-T among them, expanding in a stirred vessel: growth on glucose, an inhibitor that piles up, donors.

    s(y) = 1/(1+exp(-y))      Mx = G/(kp+G)   Mi = 1-s(ai(I-bi))   Mp = I/(ad+I)   Mig = 1-s(ag(G-bg))   Mg = G/(kgu+G)
    dX/dt  = rg X Mx Mi - rd X Mp - rdg X Mig          dXd/dt = rd X Mp + rdg X Mig
    dG/dt  = -rc Mg X/1e6                              dI/dt = ri X/1e6          dpH/dt = gamma X
    lag: while I < 0, growth is rg/5 and rd is 0; a culture begins with I below 0

with feed, evaporation and volume as in `volume.py`.

Source
------
Duran-Villalobos, public code webappdemo (the code, not its page: the page lacks Mi and has another Mp); values in
`parameters/duran_villalobos_t_cell.py`. Where we differ: dead cells are diluted by feed as live ones are. As published,
the inhibitor and pH are not diluted: their units count what happened to the culture. Oxygen and kLa are left out, the
code's own are wrong. pH drifts freely; a controlled vessel does not.
"""

from __future__ import annotations

from twins.bioreactor.models.cells import VIABILITY, growth_output
from twins.bioreactor.models.model import Array, Model, Namespace, Output, StateInfo, places, rows, stack
from twins.bioreactor.models.volume import EVAPORATION, FEED_RATE, exchange, feed_of, volume_state
from twins.bioreactor.parameters.duran_villalobos_t_cell import DURAN_T_CELL

STATES = (
    StateInfo("viable_cells", "/mL", "log", 1e5, "viable cells", 5e5),
    StateInfo("dead_cells", "/mL", "softplus", 1e5, "dead cells", 0.0),
    StateInfo("glucose", "mg/mL", "softplus", 0.1, "glucose", 4.0),
    StateInfo("inhibitor", "1", "linear", 1.0, "accumulated inhibitor, below 0 in the lag", -10.0, "other"),
    StateInfo("ph", "[pH]", "linear", 0.1, "pH, if nobody controls it", 7.3, "other"),
    volume_state(0.015),
)
INPUTS = (FEED_RATE, EVAPORATION, feed_of(STATES[2], 20.0))  # Co of the source
_GROWTH = places(DURAN_T_CELL, "rg kp lag")
_INHIBITION = places(DURAN_T_CELL, "ai bi")
_METABOLISM = places(DURAN_T_CELL, "rd rdg rc ri kgu ad ag bg gamma")


def _logistic(xp: Namespace, y: Array) -> Array:
    return 0.5 * (1.0 + xp.tanh(0.5 * y))  # 1/(1+exp(-y)) that cannot overflow


def inhibition(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give Mi, what the inhibitor leaves of growth, 1 for all: the inhibitor itself has no scale of its own."""
    ai, bi = rows(p, _INHIBITION)
    return _logistic(xp, -ai * (x[3] - bi))


def growth_rate(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give the specific growth rate, death not taken off [1/h]."""
    _, _, G, I = rows(x, 4)  # noqa: E741  (the source's symbol)
    rg, kp, lag = rows(p, _GROWTH)
    return xp.where(I < 0.0, rg / lag, rg) * G / (kp + G) * inhibition(xp, t, x, u, p)


def rates(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give dx/dt; see `ProcessModel.rates`."""
    X, Xd, G, I, _, V = rows(x, 6)  # noqa: E741
    feed, evaporation, G_in = rows(u, 3)
    rd, rdg, rc, ri, kgu, ad, ag, bg, gamma = rows(p, _METABOLISM)
    grown = growth_rate(xp, t, x, u, p)
    inhibitor = xp.maximum(I, 0.0)  # rd is 0 in the lag
    died = rd * inhibitor / (ad + inhibitor) + rdg * _logistic(xp, -ag * (G - bg))
    flow = exchange(V, feed, evaporation)
    return stack(
        xp,
        (grown - died - flow.net) * X,
        died * X - flow.net * Xd,
        flow.inflow * G_in - flow.net * G - rc * G / (kgu + G) * X / 1e6,
        ri * X / 1e6,
        gamma * X,
        flow.volume_rate,
    )


T_CELL = Model(
    name="t_cell",
    version=1,
    title="T cells in a stirred vessel",
    states=STATES,
    inputs=INPUTS,
    parameters=DURAN_T_CELL,
    outputs=(
        VIABILITY,
        growth_output(growth_rate),
        Output("inhibition", "1", "what the inhibitor leaves of growth, 1 for all", inhibition),
    ),
    rates=rates,
    step_hours=1 / 20,
)
