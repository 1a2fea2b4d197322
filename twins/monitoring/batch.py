"""Batch mode: PCA of whole runs, unfolded batch-wise, with limits along maturity.

Every (point, tag) is a column of its own, centred and scaled over the training runs, so that what is modelled is how
runs differ from the mean trajectory. A column that does not vary over the training runs carries no weight.

Source
------
Nomikos and MacGregor 1994, AIChE J. 40:1361 (unfolding); 1995, Technometrics 37:41 (limits along the run).
Leaving one run out: Ramaker, van Sprang, Westerhuis and Smilde 2004, Chemom. Intell. Lab. Syst. 73:181, who show how
far limits from the training runs themselves are too narrow for few runs.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from schemas.errors import SettingsError, ShapeError
from twins.monitoring.continuous import Count, Limits
from twins.monitoring.limits import (
    box_t2_limits,
    jackson_mudholkar,
    smooth_quantile,
    smooth_weighted_chi_square,
    t2_limit,
)
from twins.monitoring.missing import Method, complete, pseudo_inverse, trimmed_regression
from twins.monitoring.pca import Floats, Integers, Pca, autoscale, principal_components, scaling_of
from twins.monitoring.scores import Scores
from twins.monitoring.so_far import Plane, Point, take_all, whole_run_spe

MOST_GROUPS = 60  # more runs than this are left out a sixtieth at a time
FEWEST_RUNS = 5  # assumed: with fewer, a limit at 99 % means nothing


class BatchModel(Struct, frozen=True, tag="batch", tag_field="mode", forbid_unknown_fields=True):
    """A fitted model of runs: k points, j tags, a components kept of r."""

    tags: tuple[str, ...]
    runs: Count
    components: Count
    significance: float
    limits: Limits
    leave_one_out: bool
    window: Annotated[int, Meta(ge=0)]
    missing: Method
    grid: Floats  # (k,)
    gap: float
    mean: Floats  # (k, j)
    sd: Floats  # (k, j)
    loadings: Floats  # (k, j, a)
    variances: Floats  # (r,)
    r2: Floats  # (r,)
    operators: Floats  # (k, a, a)
    t2_limits: Floats  # (k,)
    spe_limits: Floats  # (k,)
    run_t2_limit: float
    run_spe_limit: float
    left_out_t2_beyond: float  # share of points at which a run that was left out stands beyond these limits
    left_out_spe_beyond: float

    @property
    def plane(self) -> Plane:
        """Give the part that runs are projected by."""
        return Plane(self.mean, self.sd, self.loadings, self.variances, self.operators)

    def check(self) -> None:
        """Hold the arrays against each other. Raises ShapeError."""
        k, j, a, r = len(self.grid), len(self.tags), self.components, len(self.variances)
        shapes = [one.shape for one in (*self.plane, self.r2, self.t2_limits, self.spe_limits)]
        if shapes != [(k, j), (k, j), (k, j, a), (r,), (k, a, a), (r,), (k,), (k,)] or a >= r:
            raise ShapeError(f"expected arrays for {k} points, {j} tags and {a} components, received shapes {shapes}")


class BatchOptions(NamedTuple):
    """How to fit; the defaults are those of the command line."""

    components: int | None = None
    variance: float | None = None
    significance: float = 0.99
    limits: Limits = "theoretical"
    leave_one_out: bool = False
    window: int = 2  # assumed: five points smooth a limit and keep its shape
    missing: Method = "tsr"


class RunScores(NamedTuple):
    """Scores of n runs along maturity, and as wholes."""

    points: list[Scores]  # k of them, of n runs each
    t2: Floats  # (n,), of the whole run
    spe: Floats


class _Fit(NamedTuple):
    plane: Plane
    pca: Pca
    components: int


class _Along(NamedTuple):
    """What runs gave: T2 and SPE at each point (n, k), of the whole (n,), and scores (n, k, a)."""

    t2: Floats
    spe: Floats
    run_t2: Floats
    run_spe: Floats
    scores: Floats


class _Limits(NamedTuple):
    """Limits along the run, (k,), and of the whole run."""

    t2: Floats
    spe: Floats
    run_t2: float
    run_spe: float


def fit_batches(
    values: Floats, tags: tuple[str, ...], grid: Floats, gap: float, options: BatchOptions,
    live: Floats | None = None, calibrate: Floats | None = None,
) -> BatchModel:  # fmt: skip
    """Fit a model of runs that lie on one grid.

    Parameters
    ----------
    values : array, shape (n, k, j)
        Training runs; NaN where missing.
    tags : tuple of str, length j
    grid : array, shape (k,)
        Maturity of the points, rising.
    gap : float
        Kept for runs to come: widest step of maturity that is bridged.
    options : BatchOptions
    live : array, shape (n, k, j), optional
        The same runs as they would have been aligned live, where that differs: limits are for those.
    calibrate : array, shape (m, k, j), optional
        Other normal runs, from which empirical limits are taken.

    Raises
    ------
    SettingsError
        Too few runs, a tag that never varies or is nearly unknown.

    Notes
    -----
    Limits along the run. Theoretical: T2 by Box's theorem from the estimated scores of the training runs, which ends
    in the textbook's a (n^2 - 1) / (n (n - a)) F; SPE by a weighted chi-square with the moments of the training runs
    at the point and `window` points on each side; the whole run's SPE by Jackson and Mudholkar. Empirical: the
    quantile of the training runs in the same window. With `leave_one_out` the values are those of each run scored by a
    model of the others, and the theoretical T2 limits are weighted chi-squares too.
    """
    n, k, j = values.shape
    if (k, j) != (len(grid), len(tags)) or k < 2:
        raise ShapeError(
            f"expected runs of {len(grid)} points (2 or more) and {len(tags)} tags, received {values.shape}"
        )
    if n < FEWEST_RUNS:
        raise SettingsError(
            f"expected {FEWEST_RUNS} training runs or more, received {n}; add runs, or --mode continuous"
        )
    seen = values if live is None else live
    # one run fewer must do for so many components too: each run is left out once
    fit = _fit(values, tags, options, spare=4)
    options = options._replace(components=fit.components)
    own, left_out = _along(fit.plane, seen), _left_out(values, seen, tags, options)
    given = left_out if options.leave_one_out else own
    if calibrate is not None:
        given = _along(fit.plane, calibrate)
    found = _limits(fit, given, n, options)
    return BatchModel(
        tags, n, fit.components, options.significance, options.limits, options.leave_one_out, options.window,
        options.missing, grid, gap, fit.plane.mean, fit.plane.sd, fit.plane.loadings, fit.pca.variances, fit.pca.r2,
        fit.plane.operators, *found,
        float(np.mean(left_out.t2 > found.t2)), float(np.mean(left_out.spe > found.spe)),
    )  # fmt: skip


def score_runs(model: BatchModel, values: Floats) -> RunScores:
    """Score n runs on the model's grid, point by point as they went, values of shape (n, k, j), NaN where missing."""
    points = take_all(model.plane, values)
    found = [scores_at(model, np.full(len(values), number), point) for number, point in enumerate(points)]
    return RunScores(found, points[-1].t2, whole_run_spe(model.plane, values, points[-1].scores))


def scores_at(model: BatchModel, number: Integers, point: Point) -> Scores:
    """Put a point's results beside the limits of the point each unit is at, -1 for none yet."""
    nowhere = number < 0
    t2_limit_here = np.where(nowhere, np.nan, model.t2_limits[number])
    spe_limit_here = np.where(nowhere, np.nan, model.spe_limits[number])
    return Scores(point.t2, point.spe, t2_limit_here, spe_limit_here, point.t2_parts, point.spe_parts)


def _fit(values: Floats, tags: tuple[str, ...], options: BatchOptions, spare: int = 3) -> _Fit:
    """Scale, unfold, decompose, and prepare the estimate of scores at each point."""
    n, k, j = values.shape
    flat = values.reshape(n, k * j)
    # assumed: a column that half of the runs lack tells too little to be a direction; it carries no weight either
    enough = np.sum(~np.isnan(flat), axis=0) >= max(3, n / 2)
    scaling = scaling_of(np.where(enough, flat, 0.0))
    idle = [tag for place, tag in enumerate(tags) if not np.any(scaling.sd.reshape(k, j)[:, place] > 0)]
    if idle:
        raise SettingsError(
            f"expected tags that vary between the training runs and are known in half of them, received "
            f"{', '.join(idle[:5])}"
            f"{' and others' if len(idle) > 5 else ''}, constant or unknown at every point; leave them out with --tags"
        )
    z = autoscale(np.where(enough, flat, np.nan), scaling)
    z, chosen = complete(z, options.components, options.variance, spare)
    pca = principal_components(z)
    loadings = np.ascontiguousarray(pca.loadings[:, :chosen]).reshape(k, j, chosen)
    operators = _operators(z.reshape(n, k, j), loadings, pca.variances[:chosen], options.missing)
    plane = Plane(scaling.mean.reshape(k, j), scaling.sd.reshape(k, j), loadings, pca.variances, operators)
    return _Fit(plane, pca, chosen)


def _operators(z: Floats, loadings: Floats, variances: Floats, method: Method) -> Floats:
    """Give the matrix of each point that makes scores of trimmed ones, shape (k, a, a); the last is the identity."""
    n, k, _ = z.shape
    a = len(variances)
    operators = np.empty((k, a, a))
    inner, trimmed = np.zeros((a, a)), np.zeros((n, a))
    for point in range(k):
        inner = inner + loadings[point].T @ loadings[point]
        trimmed = trimmed + z[:, point] @ loadings[point]
        if method == "pmp":
            operators[point] = pseudo_inverse(inner)
        else:
            operators[point] = trimmed_regression(inner, trimmed.T @ trimmed / (n - 1), variances)
    operators[-1] = np.eye(a)  # nothing is missing any more
    return operators


def _along(plane: Plane, values: Floats) -> _Along:
    points = take_all(plane, values)
    return _Along(
        np.stack([point.t2 for point in points], axis=1),
        np.stack([point.spe for point in points], axis=1),
        points[-1].t2,
        whole_run_spe(plane, values, points[-1].scores),
        np.stack([point.scores for point in points], axis=1),
    )


def _left_out(values: Floats, live: Floats, tags: tuple[str, ...], options: BatchOptions) -> _Along:
    """Score each run by a model of the others; of many runs, a sixtieth at a time."""
    n = len(values)
    group = np.arange(n) % min(n, MOST_GROUPS)
    found: list[_Along] = []
    for one in range(int(group.max()) + 1):
        fit = _fit(values[group != one], tags, options)
        found.append(_along(fit.plane, live[group == one]))
    order = np.argsort(np.argsort(group, kind="stable"), kind="stable")
    return _Along(*(np.concatenate(parts)[order] for parts in zip(*found, strict=True)))


def _limits(fit: _Fit, given: _Along, n: int, options: BatchOptions) -> _Limits:
    level, window = options.significance, options.window
    if options.limits == "empirical":
        return _Limits(
            smooth_quantile(given.t2, level, window),
            smooth_quantile(given.spe, level, window),
            float(np.quantile(given.run_t2, level)),
            float(np.quantile(given.run_spe, level)),
        )
    spe = smooth_weighted_chi_square(given.spe, level, window)
    if options.leave_one_out:
        whole = np.stack([given.run_t2, given.run_spe], axis=1)
        run_t2, run_spe = smooth_weighted_chi_square(whole, level, 0)
        return _Limits(smooth_weighted_chi_square(given.t2, level, window), spe, float(run_t2), float(run_spe))
    a = fit.components
    t2 = box_t2_limits(given.scores, fit.pca.variances[:a], level)
    return _Limits(t2, spe, t2_limit(a, n, level), jackson_mudholkar(fit.pca.variances[a:], level))
