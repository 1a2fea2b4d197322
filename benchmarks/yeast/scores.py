"""Score forecasts of the yeast plate: windows, means and their confidence intervals over wells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.yeast.plate import Plate, sampled, target

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WARM_HOURS = 1.0  # of each well, before its first scored origin
PHASE_HOURS = 6.0
RESAMPLES = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The scored windows of one lead, (m, n) by origin; `truth` is ln scatter at the target, NaN elsewhere."""

    take: Bools
    drawn: Bools
    truth: Floats
    since_target: Floats  # hours of the target since its well's first reading
    since_origin: Floats
    plate_target: Floats  # hours of the target since the plate's first reading


def windows(plate: Plate, lead: float, stride: int = 1, shift: int = 0) -> Windows:
    """Find the windows of a lead: both readings there, the origin an hour or more into its well's run."""
    end = target(plate, lead)
    some = end >= 0
    truth = np.full(plate.scatter.shape, np.nan)
    truth[some] = np.log(plate.scatter[end[some]])
    since = plate.hours[:, None] - plate.hours[plate.begun][None, :]
    later = np.full(plate.scatter.shape, np.nan)
    later[some] = since[end[some]]
    grid = (np.arange(len(end)) % stride == shift)[:, None]
    take = np.isfinite(truth) & np.isfinite(plate.scatter) & (since >= WARM_HOURS - 1e-9) & grid
    return Windows(take, sampled(plate, lead), truth, later, since, later + plate.hours[plate.begun][None, :])


def kinds(found: Windows) -> dict[str, Bools]:
    """Give the windows without a sampling, with one, and all."""
    return {"without": found.take & ~found.drawn, "with": found.take & found.drawn, "all": found.take}


def relative_error(said: Floats, truth: Floats) -> Floats:
    """Give |forecast - truth| / truth of forecasts of ln scatter."""
    return np.abs(np.expm1(said - truth))


def mean(values: Floats, take: Bools) -> float:
    """Give the mean of what is taken, NaN of nothing."""
    return float(values[take].mean()) if take.any() else float("nan")


def by_well(values: Floats, take: Bools) -> tuple[Floats, Floats]:
    """Give each well's sum and number of values, shapes (n,)."""
    return np.where(take, values, 0.0).sum(axis=0), take.sum(axis=0).astype(np.float64)


def interval(above: Floats, below: Floats, seed: int) -> tuple[float, float]:
    """Give the 95 % bootstrap interval of sum(above) / sum(below), resampling wells.

    Readings of one well are not independent, wells nearly are: hence whole wells are drawn.
    """
    draw = np.random.default_rng(seed).integers(0, len(above), (RESAMPLES, len(above)))
    ratio = above[draw].sum(axis=1) / below[draw].sum(axis=1)
    low, high = np.quantile(ratio, (0.025, 0.975)).tolist()
    return low, high


def phases(held: Floats, hours: Floats, take: Bools) -> dict[int, tuple[float, int]]:
    """Give the coverage in each phase of six hours and its number of windows."""
    place = np.where(take, hours, -1.0) // PHASE_HOURS
    return {
        int(phase): (mean(held, take & (place == phase)), int(np.count_nonzero(take & (place == phase))))
        for phase in np.unique(place[take])
    }
