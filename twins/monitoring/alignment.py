"""Runs of unequal length on one grid of maturity, by linear interpolation.

A run's maturity says how far it is: the share of its time that has passed, or a tag that only rises (or only falls),
such as total feed or oxygen consumed; `warping.py` finds it where neither will do.

Source
------
Nomikos and MacGregor 1995, Technometrics 37:41, section 2 (an indicator variable in place of time); Wold, Kettaneh,
Friden and Holmberg 1998, Chemom. Intell. Lab. Syst. 44:331 (maturity).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.errors import SettingsError, ShapeError
from twins.monitoring.pca import Floats


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its name, the hours of its rows, in order (m,), and its tags (m, p), NaN where missing.

    `progress` (m,) is the maturity tag, where there is one; it need not be among the tags.
    """

    name: str
    hours: Floats
    values: Floats
    progress: Floats | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.hours.shape != self.values.shape[:1] or not len(self.hours):
            raise ShapeError(
                f"expected hours (m,) and values (m, p), received {self.hours.shape} and {self.values.shape}, "
                f"for run {self.name}"
            )

    @property
    def duration_hours(self) -> float:
        """Give the time from the first row to the last."""
        return float(self.hours[-1] - self.hours[0])


def elapsed_maturity(run: Run, duration_hours: float) -> Floats:
    """Give the share of a duration that has passed at each row, 0 to 1.

    Raises
    ------
    SettingsError
        If the duration is not above 0.
    """
    if not duration_hours > 0:
        raise SettingsError(f"expected a run that lasts, received rows of one time only, for run {run.name}")
    return np.asarray(np.clip((run.hours - run.hours[0]) / duration_hours, 0.0, 1.0))


def tag_maturity(values: Floats, sign: int) -> Floats:
    """Give the highest value so far of a tag, or the lowest, with its sign turned, so that maturity never falls.

    Parameters
    ----------
    values : array, shape (m,)
        The tag; NaN where missing, and then the row has the maturity of the row before (NaN if there is none).
    sign : 1 or -1
        Whether the tag rises or falls.

    Examples
    --------
    >>> tag_maturity(np.array([1.0, 3.0, np.nan, 2.0, 4.0]), 1)
    array([1., 3., 3., 3., 4.])
    """
    return np.asarray(np.fmax.accumulate(sign * values))


def direction(runs: list[Floats], tag: str) -> int:
    """Tell whether a maturity tag rises (1) or falls (-1) in most runs.

    Raises
    ------
    SettingsError
        If it does neither.
    """
    changes = [float(known[-1] - known[0]) for known in (one[~np.isnan(one)] for one in runs) if len(known)]
    median = float(np.median(changes)) if changes else 0.0
    if median == 0.0:
        raise SettingsError(
            f"expected a maturity tag that rises or falls along a run, received {tag}, which ends where it began; "
            "take another with --align maturity:TAG, or --align elapsed"
        )
    return 1 if median > 0 else -1


def common_grid(maturities: list[Floats], names: list[str], points: int, tag: str) -> Floats:
    """Lay a grid over the range of maturity that every run has.

    Raises
    ------
    SettingsError
        If there is none, naming the runs that bound it.
    """
    first = [float(one[~np.isnan(one)][0]) for one in maturities]
    last = [float(one[~np.isnan(one)][-1]) for one in maturities]
    late, early = int(np.argmax(first)), int(np.argmin(last))
    if not first[late] < last[early]:
        raise SettingsError(
            f"expected a range of {tag} that all runs pass through, received run {names[late]} that begins where run "
            f"{names[early]} has ended; leave one of them out"
        )
    return np.linspace(first[late], last[early], points)


def on_grid(maturity: Floats, values: Floats, grid: Floats, gap: float) -> Floats:
    """Interpolate a run's tags at each point of the grid.

    Parameters
    ----------
    maturity : array, shape (m,)
        Of each row, never falling; a row with NaN is passed over.
    values : array, shape (m, p)
    grid : array, shape (k,)
        Rising.
    gap : float
        Widest step of maturity between two known values that is bridged; a wider one stays missing.

    Returns
    -------
    array, shape (k, p)
        NaN before a tag's first known value and after its last. At rows of one maturity, a point on them takes the
        first, and a point after them counts from the last: what a live run would have done.
    """
    out = np.full((len(grid), values.shape[1]), np.nan)
    for tag in range(values.shape[1]):
        there = ~np.isnan(values[:, tag]) & ~np.isnan(maturity)
        at, known = maturity[there], values[there, tag]
        if not len(at):
            continue
        after = np.searchsorted(at, grid, side="left")
        inside = after < len(at)
        upper = np.minimum(after, len(at) - 1)
        lower = np.maximum(upper - 1, 0)
        between = between_rows(grid, at[lower], known[lower], at[upper], known[upper], gap)
        out[:, tag] = np.where(inside & ((upper > 0) | (at[upper] == grid)), between, np.nan)
    return out


def between_rows(grid: Floats, at0: Floats, value0: Floats, at1: Floats, value1: Floats, gap: float) -> Floats:
    """Interpolate at points between two rows, element by element; NaN where they are too far apart or not known."""
    width = at1 - at0
    apart = width > 0
    share = np.where(apart, (grid - at0) / np.where(apart, width, 1.0), 1.0)
    between = np.where(width <= gap, value0 + share * (value1 - value0), np.nan)
    return np.where(grid == at1, value1, between)
