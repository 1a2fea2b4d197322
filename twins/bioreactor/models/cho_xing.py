"""CHO fed-batch after Xing 2010, simplified: growth on glucose and glutamine, held back by lactate and ammonia.

    mu = mu_m S/(S+K_S) G/(G+K_G) KI_L/(L+KI_L) KI_A/(A+KI_A)      mu_d = mu_dm L/(L+KD_L) A/(A+KD_A)
    dX/dt = (mu - mu_d) X                     dXd/dt = mu_d X
    dS/dt = -X (m_S + mu/Y_XS)                dL/dt = Y_LS X (m_S + mu/Y_XS)
    dG/dt = -X (a1 G/(a2+G) + mu/Y_XG) - d_G G
    dA/dt = Y_AG X mu/Y_XG - r_A X + d_G G

with feed, evaporation and volume as in `volume.py`. Lactate is never taken up again: dL/dt = -Y_LS dS/dt.

Source
------
Xing et al. 2010 as in the public code of_compartments; values in `parameters/xing2010.py`. Where we differ: the code
sets rates to 0 below a substrate of 0, we shut maintenance off smoothly (`S_off`); the removal of ammonia, which has no
end there and can drive ammonia below 0, is shut off with it (`A_off`); dead cells are counted, for a viability; oxygen
is no state (its published saturation is five times that of water) but its uptake is an output.
"""

from __future__ import annotations

from twins.bioreactor.models.cells import CHO_CULTURE, VIABILITY, growth_output
from twins.bioreactor.models.model import (
    Array,
    InputInfo,
    Model,
    Namespace,
    Output,
    available,
    places,
    rows,
    stack,
)
from twins.bioreactor.models.volume import EVAPORATION, FEED_RATE, exchange, feed_of, volume_state
from twins.bioreactor.parameters.xing2010 import XING

STATES = (*CHO_CULTURE, volume_state(1.0))
_X, _XD, _S, _G, _L, _A, _V = STATES
INPUTS: tuple[InputInfo, ...] = (
    FEED_RATE,
    EVAPORATION,
    feed_of(_S, 653.0),  # assumed: the feed medium of the other CHO source, the only one that states one
    feed_of(_G, 58.8),
    feed_of(_L, 0.0),
    feed_of(_A, 0.0),
)
_GROWTH = places(XING, "mu_m K_S K_G KI_L KI_A mu_dm KD_L KD_A")
_METABOLISM = places(XING, "m_S a1 a2 d_G r_A Y_XS Y_XG Y_LS Y_AG S_off A_off")
_OXYGEN = places(XING, "q_O2")


def growth_and_death(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> tuple[Array, Array]:
    """Give the specific rates of growth and death [1/h]."""
    _, _, S, G, L, A = rows(x, 6)
    mu_m, K_S, K_G, KI_L, KI_A, mu_dm, KD_L, KD_A = rows(p, _GROWTH)
    mu = mu_m * S / (S + K_S) * G / (G + K_G) * KI_L / (L + KI_L) * KI_A / (A + KI_A)
    return mu, mu_dm * L / (L + KD_L) * A / (A + KD_A)


def rates(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give dx/dt; see `ProcessModel.rates`."""
    X, XD, S, G, L, A, V = rows(x, 7)
    feed, evaporation, S_in, G_in, L_in, A_in = rows(u, 6)
    m_S, a1, a2, d_G, r_A, Y_XS, Y_XG, Y_LS, Y_AG, S_off, A_off = rows(p, _METABOLISM)
    mu, mu_d = growth_and_death(xp, t, x, u, p)
    flow = exchange(V, feed, evaporation)

    glucose = X * (m_S * available(S, S_off) + mu / Y_XS)
    glutamine = X * mu / Y_XG
    decay = d_G * G
    return stack(
        xp,
        (mu - mu_d - flow.net) * X,
        mu_d * X - flow.net * XD,
        flow.inflow * S_in - flow.net * S - glucose,
        flow.inflow * G_in - flow.net * G - glutamine - X * a1 * G / (a2 + G) - decay,
        flow.inflow * L_in - flow.net * L + Y_LS * glucose,
        flow.inflow * A_in - flow.net * A + Y_AG * glutamine + decay - r_A * X * available(A, A_off),
        flow.volume_rate,
    )


def growth_rate(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give the specific growth rate, death not taken off [1/h]."""
    return growth_and_death(xp, t, x, u, p)[0]


def oxygen_uptake(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give OUR [mmol/L/h]."""
    (q_O2,) = rows(p, _OXYGEN)
    return q_O2 * x[0]


CHO_XING = Model(
    name="cho_xing",
    version=1,
    title="CHO fed-batch, Xing 2010 simplified",
    states=STATES,
    inputs=INPUTS,
    parameters=XING,
    outputs=(
        VIABILITY,
        growth_output(growth_rate),
        Output("oxygen_uptake", "mmol/L/h", "OUR", oxygen_uptake),
    ),
    rates=rates,
    step_hours=1 / 20,
)
