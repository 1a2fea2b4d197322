"""How much better a change of a country's rate explains its subjects than none, for many days and sizes at once.

Site i of a country brings at rate c g_i a day, g_i ~ Gamma(alpha, alpha), while nothing has changed, and f times as
much after day tau. Its g_i drops out in closed form; with K_i subjects in V_i days, n_i of them in w_i days since tau,

    ln L = sum_i n_i ln f + K_i ln c - (alpha + K_i) ln(1 + c x_i / alpha),     x_i = V_i - w_i + f w_i

and c, of which next to nothing is said beforehand, is integrated by Laplace's method on ln c. So a baseline of a few
months is as uncertain as it is, a site that opens, pauses or closes moves the days and not the evidence, and
a new site, whose own rate is not known, weighs little.

Source
------
Poisson-gamma rates of sites: Anisimov and Fedorov 2007, Statistics in Medicine 26:4958. Laplace's method: Tierney and
Kadane 1986, JASA 81:82.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from twins.enrollment.detection.exposure import Exposure
from twins.enrollment.study import Floats

COUNTRY_SPREAD = 1.0  # of ln c about the study's mean; assumed: countries differ by a factor of 3 either way
ALPHAS = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 32.0])  # shapes of the rates of a country's sites that are weighed
ALPHA_CENTRE, ALPHA_SPREAD = np.log(1.5), 1.0  # of ln alpha; assumed: site rates usually vary by 60 to 130 %
STEPS = 3  # of Newton, to the mode of ln c: quadratic from a start within the spread


def shape_of_sites(open_: Exposure) -> float:
    """Choose alpha, the shape of site rates within countries, by its posterior mode on `ALPHAS`."""
    count, days = open_.count, open_.days
    shape = ALPHAS[None, :]
    fit = _laplace(open_, np.repeat(days[:, None], len(ALPHAS), axis=1), ALPHAS).sum(axis=0)
    fit += (gammaln(shape + count[:, None]) - gammaln(shape) - count[:, None] * np.log(shape)).sum(axis=0)
    fit -= (np.log(ALPHAS) - ALPHA_CENTRE) ** 2 / (2 * ALPHA_SPREAD**2)
    return float(ALPHAS[int(np.argmax(fit))])


def log_ratios(open_: Exposure, factors: Floats, alpha: float) -> Floats:
    """Give ln L of a change over ln L of none, by country, age and factor: shape (g, a, f)."""
    days = open_.days[:, None, None] - (1.0 - factors) * open_.late_days[:, :, None]
    ages = open_.late_days.shape[1]
    changed = _laplace(open_, days.reshape(len(days), -1), alpha).reshape(-1, ages, len(factors))
    late = np.add.reduceat(open_.late_count, open_.starts, axis=0)
    result: Floats = (
        changed + late[:, :, None] * np.log(factors) - _laplace(open_, open_.days[:, None], alpha)[:, :, None]
    )
    return result


def _laplace(open_: Exposure, days: Floats, alpha: float | Floats) -> Floats:
    """ln of the integral over c, of all but n ln f, for days (s, q) and one alpha or q: shape (g, q)."""
    starts, count = open_.starts, open_.count
    total = np.add.reduceat(count, starts)[:, None]
    size = np.diff(np.append(starts, len(count)))
    centre = np.log((count.sum() + 0.5) / open_.days.sum())
    scaled = days / alpha
    weight = alpha + count[:, None]
    prior = 1.0 / COUNTRY_SPREAD**2
    sum_days = np.add.reduceat(days, starts, axis=0)
    mode = np.log((total + prior) / (sum_days + prior * np.exp(-centre)))
    bend = np.full_like(mode, prior)
    for _ in range(STEPS):
        u = np.repeat(np.exp(mode), size, axis=0) * scaled
        pull = u / (1.0 + u)
        bend = np.add.reduceat(weight * pull * (1.0 - pull), starts, axis=0) + prior
        slope = total - np.add.reduceat(weight * pull, starts, axis=0) - (mode - centre) * prior
        mode = mode + np.clip(slope / bend, -1.0, 1.0)
    u = np.repeat(np.exp(mode), size, axis=0) * scaled
    fit = total * mode - np.add.reduceat(weight * np.log(1.0 + u), starts, axis=0)
    result: Floats = fit - (mode - centre) ** 2 * prior / 2 - 0.5 * np.log(bend)
    return result
