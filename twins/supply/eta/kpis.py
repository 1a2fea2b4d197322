"""Vein-to-vein time and the share out of specification, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure, its 95 % interval, and of how many."""

    value: float
    low: float
    high: float
    count: int


def vein_to_vein(days: Sequence[float]) -> Kpi:
    """Give the median days from leukapheresis to infusion, of patients infused.

    Notes
    -----
    The interval is of order statistics (binomial, no shape assumed); under 6 patients it is their whole range.
    Patients still waiting are not in it: it tells what was, not what a new patient must expect.
    """
    if not len(days):
        raise UsageError("expected at least one patient infused, received none; ask again after the first infusion")
    rising = np.sort(np.asarray(days, dtype=np.float64))
    n = len(rising)
    # the least k with P(K <= k) of at least 0.025, K binomial(n, 1/2): how many order statistics lie below the interval
    least = int(np.searchsorted(special.bdtr(np.arange(n + 1), n, 0.5), 0.025))
    low = max(least - 1, 0)
    return Kpi(float(np.median(rising)), float(rising[low]), float(rising[n - 1 - low]), n)


def out_of_specification(out: int, tested: int) -> Kpi:
    """Give the share of products out of specification, with the exact interval of Clopper and Pearson (1934)."""
    if not 0 <= out <= tested or tested == 0:
        raise UsageError(
            f"expected 0 to `tested` out of specification, received {out} of {tested}; count products once"
        )
    low = float(special.betaincinv(out, tested - out + 1, 0.025)) if out else 0.0
    high = float(special.betaincinv(out + 1, tested - out, 0.975)) if out < tested else 1.0
    return Kpi(out / tested, low, high, tested)
