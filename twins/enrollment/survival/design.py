"""How many events a two-arm trial is designed for; a matter of the protocol, in which no subject's arm stands."""

from __future__ import annotations

import math

from scipy import special


def events_needed(hazard_ratio: float, power: float, alpha: float = 0.05, share: float = 0.5) -> float:
    """Give the events that a two-sided log-rank test at `alpha` needs for a power.

    Parameters
    ----------
    hazard_ratio : float
        Above 0, not 1.
    power, alpha, share : float
        Within 0 and 1; `share` of the subjects are in one arm.

    Returns
    -------
    float
        Not rounded up.

    Source
    ------
    Schoenfeld 1981, Biometrika 68:316.

    Examples
    --------
    >>> round(events_needed(0.70, 0.80), 6)
    246.787105
    """
    if hazard_ratio <= 0.0 or hazard_ratio == 1.0:
        raise ValueError(f"expected a hazard ratio above 0 and not 1, received {hazard_ratio}; check the design")
    quantiles = float(special.ndtri(1.0 - alpha / 2.0) + special.ndtri(power))
    return quantiles**2 / (share * (1.0 - share) * math.log(hazard_ratio) ** 2)
