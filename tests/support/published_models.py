"""The published equations once more, in plain Python with hard cuts, as an oracle written apart from ours.

Each function gives dx/dt as a list, at floats. Feeds are a flow F [L/h] and what it holds. Hard cuts are those of the
published codes: what is used up at a constant rate stops where nothing is left.
"""

from __future__ import annotations

from math import exp, sqrt

XING = {
    "mu_m": 0.029, "K_S": 0.084, "K_G": 0.047, "KI_L": 43, "KI_A": 6.51, "mu_dm": 0.016, "KD_L": 45.8, "KD_A": 6.51,
    "m_S": 6.92e-11, "a1": 3.2e-12, "a2": 2.1, "d_G": 7.2e-3, "r_A": 6.3e-12, "Y_XS": 1.69e8, "Y_XG": 9.74e8,
    "Y_LS": 1.23, "Y_AG": 0.67,
}  # fmt: skip


def xing(x: list[float]) -> list[float]:
    """CHO-A in batch: X, dead, S, G, L, A."""
    k = XING
    X, _, S, G, L, A = x
    s, g = max(S, 0.0), max(G, 0.0)
    mu = k["mu_m"] * s / (s + k["K_S"]) * g / (g + k["K_G"]) * k["KI_L"] / (L + k["KI_L"]) * k["KI_A"] / (A + k["KI_A"])
    mu_d = k["mu_dm"] * L / (L + k["KD_L"]) * A / (A + k["KD_A"])
    dS = -X * (k["m_S"] + mu / k["Y_XS"])
    dL = X * (k["m_S"] + mu / k["Y_XS"]) * k["Y_LS"]
    if S <= 0:
        dS = dL = 0.0
    dG = -X * (k["a1"] * g / (k["a2"] + g) + mu / k["Y_XG"]) - k["d_G"] * g
    dA = X * mu / k["Y_XG"] * k["Y_AG"] - k["r_A"] * X + k["d_G"] * g
    return [X * (mu - mu_d), X * mu_d, dS, dG, dL, dA]


def duran_cho(x: list[float], F: float, Sg: float, Sq: float) -> list[float]:
    """CHO-B, with the nitrogen balance and the dilution of dead cells corrected: Xv, Xd, G, Q, L, A, I, V."""
    Xv, Xd, G, Q, L, A, I, V = x  # noqa: E741
    umax, Kdmax, Ku, Kg, Kq, Kl, Ka, C = 0.048, 0.01, 0.01, 1.0, 0.22, 150.0, 40.0, 100.0
    Kdq, mg, mq, qi, Ylg, Yaq, Yxg, Yxq = 0.001, 1.4e-10, 7e-12, 3.5e-10, 2.0, 0.9, 1.7e8, 1.3e9
    g, q = max(G, 0.0), max(Q, 0.0)
    mu = umax * g * q * (C - I) / (C * (Kg + g) * (Kq + q) * (L / Kl + 1) * (A / Ka + 1)) if I < C else 0.0
    Kd = Kdmax * Ku / (mu + Ku)
    D = F / V
    glucose = (mu / Yxg + mg) * Xv if G > 0 else 0.0
    glutamine = (mu / Yxq + mq) * Xv if Q > 0 else 0.0
    return [
        (mu - Kd) * Xv - D * Xv,
        Kd * Xv - D * Xd,
        D * (Sg - G) - glucose,
        D * (Sq - Q) - glutamine - Kdq * q,
        Ylg * glucose - D * L,
        Yaq * glutamine + Kdq * q - D * A,
        qi * Xv - D * I,
        F,
    ]


def duran_t_cell(x: list[float], F: float, Co: float) -> list[float]:
    """T cells, with the dilution of dead cells corrected: X, Xd, G, I, pH, V."""
    X, Xd, G, I, _, V = x  # noqa: E741

    def s(y: float) -> float:
        return 1 / (1 + exp(-y)) if y > -700 else 0.0

    rg, rd, rdg, rc, ri, kp, kgu = 0.02, 0.007, 0.083, 0.05, 1.0, 2.71, 0.2
    ai, bi, ad, ag, bg, gamma = 0.111, 95.26, 150.0, 30.0, 0.05, -5.899e-9
    if I < 0:
        rg, rd = rg / 5, 0.0
    Mx, Mi, Mp, Mig, Mg = G / (kp + G), 1 - s(ai * (I - bi)), I / (ad + I), 1 - s(ag * (G - bg)), G / (kgu + G)
    D = F / V
    died = rd * X * Mp + rdg * X * Mig
    return [
        rg * X * Mx * Mi - died - X * D, died - Xd * D, -rc * Mg * X / 1e6 + D * (Co - G), ri * X / 1e6, gamma * X, F,
    ]  # fmt: skip


def birol(x: list[float], F: float, sf: float, T: float, pH: float, fg: float, Pw: float) -> list[float]:
    """PenSim: X, S, P, CL, CO2, V."""
    X, S, P, CL, _, V = x
    H, s, c = 10**-pH, max(S, 0.0), max(CL, 0.0)
    R = 1.987
    mu = 0.092 / (1 + 1e-10 / H + H / 7e-5) * s / (0.15 * X + s) * c / (2e-2 * X + c)
    mu *= 7e3 * exp(-5100 / (R * T)) - 1e33 * exp(-50000 / (R * T))
    pi = 0.005 * s / (2e-4 + s + s**2 / 0.1) * c**3 / (5e-4 * X + c**3)
    loss = V * 2.5e-4 * (exp(5 * (T - 273) / (373 - 273)) - 1)
    dV = F - loss
    kla = 70 * sqrt(fg) * (Pw / V) ** 0.4
    dX = mu * X - X * dV / V
    return [
        dX,
        -mu * X / 0.45 - pi * X / 0.90 - (0.014 * X if S > 0 else 0.0) + F * sf / V - S * dV / V,
        pi * X - 0.04 * P - P * dV / V,
        -mu * X / 0.04 - pi * X / 0.20 - (0.467 * X if CL > 0 else 0.0) + kla * (1.16 - CL) - CL * dV / V,
        0.143 * dX + 4e-7 * X + 1e-4,
        dV,
    ]


def anane(x: list[float], F: float, Si: float) -> list[float]:
    """E. coli: X, S, A, V."""
    X, S, A, V = x
    s, a = max(S, 0.0), max(A, 0.0)
    qS = 0.6356 / (1 + a / 1.2399) * s / (s + 0.0370)
    qSof = 0.2268 * qS / (qS + 0.5052)
    qSox = qS - qSof
    qsA = 0.1148 / (1 + qS / 2.1231) * a / (a + 0.0134)
    mu = (qSox - 0.0129) * 0.5333 + qsA * 0.5718 + qSof * 0.2268
    return [X * (mu - F / V), F / V * (Si - S) - qS * X, (0.9097 * qSof - qsA) * X - F / V * A, F]


def sonnleitner(x: list[float], F: float, Sf: float) -> list[float]:
    """Yeast: X, S, E, V; oxygen and ethanol per glucose from the elements."""
    X, S, E, V = x
    s, e = max(S, 0.0), max(E, 0.0)
    glucose, ethanol, biomass = 24 / 180.156, 12 / 46.069, 4.2 / 24.626
    Yos, Yoe, Yes = (
        (glucose - 0.49 * biomass) / 4 * 31.998,
        (ethanol - 0.72 * biomass) / 4 * 31.998,
        (glucose - 0.05 * biomass) / ethanol,
    )
    qs = 3.6 * s / (0.1 + s)
    qox = min(qs, 0.221 / Yos)
    qe = min(0.236 * e / (0.1 + e) * 0.1 / (0.1 + s), (0.221 - Yos * qox) / Yoe)
    mu = 0.49 * qox + 0.05 * (qs - qox) + 0.72 * qe
    D = F / V
    return [(mu - D) * X, D * (Sf - S) - qs * X, (Yes * (qs - qox) - qe) * X - D * E, F]
