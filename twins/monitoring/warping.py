"""Maturity by dynamic time warping: which point of a reference run a run has come to, told from its tags.

Live the end is open: after each row, the point of the reference whose path has cost least per step. The maturity of a
run never falls. Training runs are known to their ends, so both ends are fixed there.

Source
------
Sakoe and Chiba 1978, IEEE Trans. ASSP 26:43: symmetric form, slope P = 0, adjustment window, cost over the sum of the
weights. Batches: Kassidas, MacGregor and Taylor 1998, AIChE J. 44:864, who weigh tags by their consistency too (in
rounds; here once). Open end: Tormene, Giorgino, Quaglini and Stefanelli 2009, Artif. Intell. Med. 45:11.

Where we differ: the window is in shares of a duration, not in samples, so runs may be sampled at any rate. The pace has
a small say (`PACE`), because on a plateau every point costs the same. Where a silence leaves no path within the window,
the costs begin anew there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from schemas.errors import SettingsError
from twins.monitoring.alignment import Run, elapsed_maturity, on_grid
from twins.monitoring.pca import Bools, Floats, Integers


class Warp(Struct, frozen=True, forbid_unknown_fields=True):
    """What runs are warped onto: a reference run on k points, and how tags are weighed."""

    run: str
    reference: Floats  # (k, p)
    spread: Floats  # (p,), standard deviation between runs: a tag that differs from run to run tells less of the place
    band: float  # widest shift, as a share of the duration
    duration_hours: float  # of the reference


# assumed: where the tags tell nothing, a run goes on at the pace of the reference. To be a tenth of a run off that
# place costs as much as one row whose tags are off by one standard deviation between runs: 100 (1/10)^2.
PACE = 100.0
AT_ONCE = 32  # runs whose tables are held in memory


@dataclass(frozen=True, slots=True)
class WarpState:
    """What n units need between rows. 8 (k + 3) bytes a unit."""

    costs: Floats  # (n, k): of the cheapest path to each point
    rows: Integers  # (n,): so far
    share: Floats  # (n,): of the reference's duration, at the last row
    maturity: Floats  # (n,)

    @classmethod
    def start(cls, warp: Warp, n: int) -> WarpState:
        """Give the state of n units that have said nothing yet."""
        return cls(np.full((n, len(warp.reference)), np.inf), np.zeros(n, np.int64), np.zeros(n), np.zeros(n))


def choose_reference(runs: list[Run], points: int, band: float) -> Warp:
    """Take the run of median duration as reference, on a grid of its own time.

    Raises
    ------
    SettingsError
        If it lacks a tag altogether.
    """
    order = sorted(runs, key=lambda run: (run.duration_hours, run.name))
    middle = order[(len(order) - 1) // 2]
    grid = np.linspace(0.0, 1.0, points)
    reference = on_grid(elapsed_maturity(middle, middle.duration_hours), middle.values, grid, np.inf)
    for tag in range(reference.shape[1]):
        known = np.flatnonzero(~np.isnan(reference[:, tag]))
        if not len(known):
            raise SettingsError(
                f"expected every tag in the run of median duration, received none of tag {tag + 1}, in {middle.name}; "
                "leave the tag or the run out"
            )
        reference[:, tag] = np.interp(np.arange(points), known, reference[known, tag])
    return Warp(middle.name, reference, _spread(runs, reference, grid), band, middle.duration_hours)


def _spread(runs: list[Run], reference: Floats, grid: Floats) -> Floats:
    """Give the standard deviation between runs at equal shares of their time, per tag, pooled over the points."""
    away = np.stack([on_grid(elapsed_maturity(run, run.duration_hours), run.values, grid, np.inf) for run in runs])
    known = np.where(np.isnan(away), np.nan, away - reference)
    spread = np.sqrt(np.nanmean(known * known, axis=(0, 1)) * len(runs) / max(1, len(runs) - 1))
    return np.where(spread > 0, spread, 1.0)


def advance(warp: Warp, state: WarpState, hours: Floats, values: Floats) -> WarpState:
    """Take in one row of each of n units, with an open end.

    Parameters
    ----------
    warp : Warp
    state : WarpState
        Of n units; left as it was.
    hours : array, shape (n,)
        Since each run's first row.
    values : array, shape (n, p)
        NaN where missing. A tag that is missing has no say.

    Returns
    -------
    WarpState
        `maturity` is the place on the reference, 0 to 1; the first row of a run is at 0.
    """
    k = len(warp.reference)
    share = hours / warp.duration_hours
    costs = _next_costs(warp, state.costs, np.minimum(share, 1.0), values, state.rows == 0)
    places = np.arange(k) / (k - 1.0)
    away = places - (state.maturity + share - state.share)[:, None]
    steps = state.rows[:, None] + 2.0 + np.arange(k)
    place = places[np.argmin((costs + PACE * away * away) / steps, axis=1)]
    maturity = np.where(state.rows == 0, 0.0, np.maximum(state.maturity, place))
    return WarpState(costs, state.rows + 1, share, maturity)


def open_ended(warp: Warp, runs: list[Run]) -> list[Floats]:
    """Give the maturity of each row of each run as it would have been live."""
    rows = max(len(run.hours) for run in runs)
    hours, values = (
        _padded([run.hours - run.hours[0] for run in runs], rows),
        _padded([run.values for run in runs], rows),
    )
    state = WarpState.start(warp, len(runs))
    out = np.zeros((len(runs), rows))
    for row in range(rows):
        state = advance(warp, state, np.nan_to_num(hours[:, row]), values[:, row])
        out[:, row] = state.maturity
    return [out[number, : len(run.hours)] for number, run in enumerate(runs)]


def both_ends(warp: Warp, runs: list[Run]) -> list[Floats]:
    """Give the maturity of each row of runs that are known to their ends: the furthest point a row is matched with.

    Raises
    ------
    SettingsError
        If the band leaves no path.
    """
    found: list[Floats] = []
    for begin in range(0, len(runs), AT_ONCE):
        some = runs[begin : begin + AT_ONCE]
        rows = max(len(run.hours) for run in some)
        share = _padded([elapsed_maturity(run, run.duration_hours) for run in some], rows)
        values = _padded([run.values for run in some], rows)
        costs = np.full((len(some), len(warp.reference)), np.inf)
        table = np.empty((rows, *costs.shape))
        for row in range(rows):
            first = np.full(len(some), row == 0)
            costs = _next_costs(warp, costs, np.nan_to_num(share[:, row], nan=1.0), values[:, row], first)
            table[row] = costs
        found += [_path(warp, run, table[: len(run.hours), number]) for number, run in enumerate(some)]
    return found


def _path(warp: Warp, run: Run, table: Floats) -> Floats:
    """Walk the cheapest path back from the end. `table` holds the costs, shape (rows, points)."""
    rows, points = table.shape
    distances = _distances(warp, run.values)
    out = np.zeros(rows)
    row, point = rows - 1, points - 1
    out[row] = point
    while row or point:
        here = distances[row, point]
        before = [
            (table[row - 1, point - 1] + 2.0 * here if row and point else np.inf, row - 1, point - 1),
            (table[row - 1, point] + here if row else np.inf, row - 1, point),
            (table[row, point - 1] + here if point else np.inf, row, point - 1),
        ]
        cost, row, point = min(before, key=lambda one: one[0])
        if not np.isfinite(cost):
            raise SettingsError(
                f"expected a path within the band of {warp.band:g}, received none for run {run.name}; widen --band"
            )
        out[row] = max(out[row], point)
    out[0] = 0.0
    share: Floats = out / (points - 1.0)
    return share


def _padded(parts: list[Floats], rows: int) -> Floats:
    """Put runs side by side, NaN after their ends."""
    out = np.full((len(parts), rows, *parts[0].shape[1:]), np.nan)
    for number, part in enumerate(parts):
        out[number, : len(part)] = part
    return out


def _next_costs(warp: Warp, before: Floats, share: Floats, values: Floats, first: Bools) -> Floats:
    """Give the costs after one more row: per unit, along the reference, never across units."""
    k = len(warp.reference)
    # half a step more than the band, so that rounding does not close its edge
    allowed = np.abs(np.arange(k) / (k - 1.0) - share[:, None]) <= warp.band + 0.5 / k
    distance = np.where(allowed, _distances(warp, values), np.inf)
    diagonal = np.full_like(before, np.inf)
    diagonal[:, 1:] = before[:, :-1]
    entered = np.minimum(diagonal + 2.0 * distance, before + distance)
    lost = ~first & ~np.any(np.isfinite(entered), axis=1)
    begin = np.where(first, 0, np.argmax(allowed, axis=1))
    anew = (first | lost)[:, None] & (np.arange(k) == begin[:, None])
    entered = np.where(anew, distance, entered)
    costs = np.ascontiguousarray(entered.T)
    for point, step in enumerate(np.ascontiguousarray(distance.T)[1:], 1):
        np.minimum(costs[point], costs[point - 1] + step, out=costs[point])
    return np.ascontiguousarray(costs.T)


def _distances(warp: Warp, values: Floats) -> Floats:
    """Give the mean squared distance of each unit's known tags from each point of the reference, shape (n, k)."""
    total = np.zeros((len(values), len(warp.reference)))
    count = np.zeros(len(values))
    for tag in range(values.shape[1]):
        known = ~np.isnan(values[:, tag])
        away = (np.where(known, values[:, tag], 0.0)[:, None] - warp.reference[:, tag]) / warp.spread[tag]
        total += np.where(known[:, None], away * away, 0.0)
        count += known
    mean: Floats = total / np.maximum(count, 1.0)[:, None]
    return mean
