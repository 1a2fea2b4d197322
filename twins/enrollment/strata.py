"""How full the strata of a study are once those in the funnel have come, and how many of them will."""

from __future__ import annotations

from typing import Any

import numpy as np

from twins.enrollment import funnel
from twins.enrollment.believing import Beliefs
from twins.enrollment.funnel.counts import chances, quantiles, room

Data = dict[str, Any]  # Any: JSON


def say_flight(believed: Beliefs) -> Data:
    """Say how many are in the funnel, and how many of them will count."""
    flight = believed.flight
    mean, variance = np.array([flight.total]), np.array([flight.total_variance])
    most = min(len(flight.of), room(mean, variance))
    low, middle, high = (int(one[0]) for one in quantiles(chances(mean, variance, most), (0.05, 0.5, 0.95)))
    return {"subjects": len(flight.of), "expected": {"median": middle, "low": low, "high": high}}


def say_strata(believed: Beliefs) -> list[Data]:
    """Say of each stratum what counts, what comes of those in the funnel, its cap, and whether to stop for it."""
    return [
        {
            "stratum": one.name,
            "counted": one.known,
            "coming": one.coming,
            "cap": int(one.cap) if np.isfinite(one.cap) else None,
            "exceeds": one.exceeds if np.isfinite(one.cap) else None,
            "free": one.free if np.isfinite(one.cap) else None,
            "stop": one.close,
        }
        for one in funnel.strata(believed.reading.study, believed.flight)
    ]
