"""What remains of a step that has lasted for a while: S(e + t) / S(e), never the mean less what has passed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twins.supply.network.spec import Deterministic, Empirical, Exponential, Gamma, Law, Lognormal

Floats = NDArray[np.float64]


def remaining(law: Law, elapsed: float, uniforms: Floats) -> Floats:
    """Give what remains of a duration that exceeds `elapsed` [d], at levels in [0, 1); 0 where it should have ended.

    Examples
    --------
    >>> remaining(Deterministic(7.0), 5.0, np.array([0.5])), remaining(Exponential(2.0), 9.0, np.array([0.0]))
    (array([2.]), array([0.]))
    """
    above = 1.0 - uniforms
    match law:
        case Deterministic(days):
            left = np.full(uniforms.shape, days - elapsed)
        case Exponential(mean):
            left = -mean * np.log(above)
        case Gamma(shape, scale):
            survives = special.gammaincc(shape, elapsed / scale)
            total = scale * special.gammainccinv(shape, above * survives)
            left = np.where(np.isfinite(total) & (survives > 0.0), total - elapsed, -scale * np.log(above))
        case Lognormal(median, sigma):
            if sigma == 0.0 or elapsed == 0.0:
                left = median * np.exp(-sigma * special.ndtri(np.clip(above, 1e-300, 1.0 - 2.0**-54))) - elapsed
            else:
                log_tail = special.log_ndtr(-np.log(elapsed / median) / sigma)
                left = median * np.exp(-sigma * special.ndtri_exp(np.log(above) + log_tail)) - elapsed
        case Empirical(levels, days):
            reached = float(np.interp(elapsed, days, levels)) if elapsed > days[0] else 0.0
            left = np.interp(1.0 - above * (1.0 - reached), levels, days) - elapsed
        case _:
            low = max(law.low, min(elapsed, law.high))
            left = low + (law.high - low) * uniforms - elapsed
    return np.asarray(np.maximum(left, 0.0), np.float64)
