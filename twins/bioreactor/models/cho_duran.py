"""CHO fed-batch with a secondary inhibitor (Duran-Villalobos), corrected.

    mu = umax G Q (C*-I) / [C* (Kg+G)(Kq+Q)(L/Kl+1)(A/Ka+1)]       Kd = Kdmax Ku/(mu+Ku)
    dXv/dt = (mu - Kd) Xv                     dXd/dt = Kd Xv
    dG/dt = -(mu/Yxg + mg) Xv                 dL/dt = Ylg (mu/Yxg + mg) Xv
    dQ/dt = -(mu/Yxq + mq) Xv - Kdq Q         dA/dt = Yaq (mu/Yxq + mq) Xv + Kdq Q
    dI/dt = qi Xv

with feed, evaporation and volume as in `volume.py`.

Source
------
Public code Tuning-Multivariable-Controller; values in `parameters/duran_villalobos_cho.py`. Where we differ: the code
takes Kd Q (the death rate) off glutamine and gives Kdq Q to ammonia, so that nitrogen does not close; here both are
Kdq Q. It dilutes dead cells with Xv; here with Xd. Its constant maintenance drives glucose and glutamine below 0; here
it is shut off with them (`G_off`, `Q_off`). Beyond I = C* its growth rate turns negative and its death rate singular;
here growth is 0 there.
"""

from __future__ import annotations

from twins.bioreactor.models.cells import CHO_CULTURE, VIABILITY, growth_output
from twins.bioreactor.models.model import Array, Model, Namespace, StateInfo, available, places, rows, stack
from twins.bioreactor.models.volume import EVAPORATION, FEED_RATE, exchange, feed_of, volume_state
from twins.bioreactor.parameters.duran_villalobos_cho import DURAN_CHO

STATES = (
    *CHO_CULTURE,
    StateInfo("inhibitor", "mmol/L", "softplus", 1.0, "secondary inhibitor", 0.0),
    volume_state(1.0),
)
INPUTS = (
    FEED_RATE,
    EVAPORATION,
    feed_of(STATES[2], 653.0),  # Sg of the source
    feed_of(STATES[3], 58.8),  # Sq of the source
    feed_of(STATES[4], 0.0),
    feed_of(STATES[5], 0.0),
    feed_of(STATES[6], 0.0),
)
_GROWTH = places(DURAN_CHO, "umax Kg Kq Kl Ka C_star")
_METABOLISM = places(DURAN_CHO, "Kdmax Ku Kdq mg mq qi Ylg Yaq Yxg Yxq G_off Q_off")


def growth_rate(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give the specific growth rate, death not taken off [1/h]."""
    _, _, G, Q, L, A, I, _ = rows(x, 8)  # noqa: E741  (the source's symbol)
    umax, Kg, Kq, Kl, Ka, C_star = rows(p, _GROWTH)
    left = xp.maximum(C_star - I, 0.0) / C_star
    return umax * G / (Kg + G) * Q / (Kq + Q) * left / (L / Kl + 1.0) / (A / Ka + 1.0)


def rates(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give dx/dt; see `ProcessModel.rates`."""
    Xv, Xd, G, Q, L, A, I, V = rows(x, 8)  # noqa: E741
    feed, evaporation, G_in, Q_in, L_in, A_in, I_in = rows(u, 7)
    Kdmax, Ku, Kdq, mg, mq, qi, Ylg, Yaq, Yxg, Yxq, G_off, Q_off = rows(p, _METABOLISM)
    mu = growth_rate(xp, t, x, u, p)
    Kd = Kdmax * Ku / (mu + Ku)
    flow = exchange(V, feed, evaporation)

    glucose = (mu / Yxg + mg * available(G, G_off)) * Xv
    glutamine = (mu / Yxq + mq * available(Q, Q_off)) * Xv
    decay = Kdq * Q
    return stack(
        xp,
        (mu - Kd - flow.net) * Xv,
        Kd * Xv - flow.net * Xd,
        flow.inflow * G_in - flow.net * G - glucose,
        flow.inflow * Q_in - flow.net * Q - glutamine - decay,
        flow.inflow * L_in - flow.net * L + Ylg * glucose,
        flow.inflow * A_in - flow.net * A + Yaq * glutamine + decay,
        flow.inflow * I_in - flow.net * I + qi * Xv,
        flow.volume_rate,
    )


CHO_DURAN = Model(
    name="cho_duran",
    version=1,
    title="CHO fed-batch with a secondary inhibitor, corrected",
    states=STATES,
    inputs=INPUTS,
    parameters=DURAN_CHO,
    outputs=(
        VIABILITY,
        growth_output(growth_rate),
    ),
    rates=rates,
    step_hours=1 / 20,
)
