"""How good estimates are, where the truth is known: how often the band holds it, and how far the mean is off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectors.bioreactor_simulator import Simulator
from schemas.instants import parse_instant

QUANTITIES = ("biomass", "growth_rate", "sensor_gain", "volume", "biomass_mass")


@dataclass(frozen=True, slots=True)
class Score:
    """One quantity over all its estimates.

    `coverage` is the share of 90 % bands that hold the truth; `rmse` and `bias` (mean - truth) are in the
    quantity's unit; `relative` is the root mean square of (mean - truth) / truth; `mean_square_z` is the mean of
    ((mean - truth) / sd)^2, near 1 where the sd is honest. Both are None for a quantity that the twin takes as known
    (sd 0, such as a volume that is booked): look at `rmse` there.
    """

    count: int
    coverage: float | None
    rmse: float
    bias: float
    relative: float
    mean_square_z: float | None


def score(
    estimates: Iterable[Mapping[str, Any]],  # Any: effects as JSON
    simulator: Simulator,
    *,
    after_hours: float = 0.0,
) -> dict[str, Score]:
    """Score estimates of simulated units. Pure.

    Parameters
    ----------
    estimates : iterable of mappings
        Effects as JSON objects; other kinds than `estimate`, other keys than the simulator's, and estimates of
        no batch are passed over.
    simulator : Simulator
        What was simulated.
    after_hours : float
        Leave out estimates from earlier in their run, when a filter still settles [h].

    Returns
    -------
    dict of str to Score
        Only quantities that were estimated at all.
    """
    unit_of = {key: number for number, key in enumerate(simulator.keys)}
    units: list[int] = []
    times: list[int] = []
    rows: dict[str, list[tuple[int, float, float, float, float]]] = {name: [] for name in QUANTITIES}
    for estimate in estimates:
        data = estimate.get("data", {})
        unit = unit_of.get(estimate.get("key", ""))
        hours = data.get("hours")
        if estimate.get("kind") != "estimate" or unit is None or hours is None or hours < after_hours:
            continue
        for name in QUANTITIES:
            belief = data.get("state", {}).get(name)
            if belief is not None:
                rows[name].append((len(units), belief["mean"], belief["sd"], belief["low"], belief["high"]))
        units.append(unit)
        times.append(parse_instant(estimate["event_time"]))
    true = simulator.truth_at(np.array(units, dtype=np.int64), np.array(times, dtype=np.int64))
    return {name: _score(np.array(said), getattr(true, name)) for name, said in rows.items() if said}


def _score(said: np.ndarray[Any, np.dtype[np.float64]], true: np.ndarray[Any, np.dtype[np.float64]]) -> Score:
    """Score rows of (index, mean, sd, low, high), shape (n, 5)."""
    truth = true[said[:, 0].astype(np.int64)]
    _, mean, sd, low, high = said.T
    off = mean - truth
    unsure = sd > 0.0
    z = off[unsure] / sd[unsure]
    return Score(
        count=len(truth),
        coverage=float(np.mean(((low <= truth) & (truth <= high))[unsure])) if unsure.any() else None,
        rmse=float(np.sqrt(np.mean(off**2))),
        bias=float(np.mean(off)),
        relative=float(np.sqrt(np.mean((off / truth) ** 2))),
        mean_square_z=float(np.mean(z**2)) if unsure.any() else None,
    )
