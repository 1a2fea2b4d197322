"""From runs to a golden model: choose the alignment, put the runs on their grid, fit."""

from __future__ import annotations

import numpy as np

from schemas.errors import SettingsError
from twins.monitoring.alignment import Run, common_grid, direction, elapsed_maturity, on_grid, tag_maturity
from twins.monitoring.batch import BatchOptions, fit_batches
from twins.monitoring.continuous import fit_continuous
from twins.monitoring.golden import Alignment, Golden, Options, TrainingRun
from twins.monitoring.pca import Floats
from twins.monitoring.warping import both_ends, choose_reference, open_ended


def fit_golden(runs: list[Run], tags: tuple[str, ...], options: Options, calibrate: list[Run] | None = None) -> Golden:
    """Fit a golden model.

    Parameters
    ----------
    runs : list of Run
        Good runs. In continuous mode their rows are taken together.
    tags : tuple of str
        What the columns of the runs' values are.
    options : Options
    calibrate : list of Run, optional
        Other good runs, from which empirical limits are taken.

    Raises
    ------
    SettingsError
        Runs or options that cannot give a model: it says which and what to do.
    """
    if not runs or not tags:
        raise SettingsError(
            f"expected runs with tags, received {len(runs)} runs of {len(tags)} tags; check --map and --tags"
        )
    if calibrate is not None and options.limits != "empirical":
        raise SettingsError(
            "expected empirical limits with other runs to calibrate on, received theoretical; add --limits empirical"
        )
    learned = tuple(TrainingRun(run.name, len(run.hours), run.duration_hours) for run in runs)
    others = tuple(TrainingRun(run.name, len(run.hours), run.duration_hours) for run in calibrate or ())
    if options.mode == "continuous":
        model = fit_continuous(
            np.concatenate([run.values for run in runs]), tags, components=options.components,
            variance=options.variance, significance=options.significance, limits=options.limits,
            missing=options.missing, calibrate=np.concatenate([run.values for run in calibrate]) if calibrate else None,
        )  # fmt: skip
        return Golden(options, learned, others, model, None)
    alignment = _alignment(runs, options)
    grid = _grid(runs, alignment, options)
    gap = options.gap * float(grid[-1] - grid[0])
    values = _whole(runs, alignment, grid, gap)
    live = None if alignment.warp is None else _as_live(runs, alignment, grid, gap)
    batches = fit_batches(
        values, tags, grid, gap,
        BatchOptions(
            options.components, options.variance, options.significance, options.limits, options.leave_one_out,
            options.window, options.missing,
        ),
        live,
        None if calibrate is None else _as_live(calibrate, alignment, grid, gap),
    )  # fmt: skip
    return Golden(options, learned, others, batches, alignment)


def maturities_of(runs: list[Run], alignment: Alignment, *, finished: bool) -> list[Floats]:
    """Give the maturity of each run's rows as it would be live.

    Parameters
    ----------
    runs : list of Run
    alignment : Alignment
    finished : bool
        Whether the last row of each is its end: elapsed time then counts in shares of the run's own duration, else of
        the median training run's; and a warped run has arrived.

    Raises
    ------
    SettingsError
        If a run lacks the maturity tag, or lasts no time.
    """
    if alignment.kind == "maturity":
        lacking = [run.name for run in runs if run.progress is None]
        if lacking:
            raise SettingsError(f"expected the maturity tag {alignment.tag}, received none in {', '.join(lacking[:5])}")
        return [tag_maturity(run.progress, alignment.sign) for run in runs if run.progress is not None]
    if alignment.warp is None:
        return [elapsed_maturity(run, run.duration_hours if finished else alignment.duration_hours) for run in runs]
    found = open_ended(alignment.warp, runs)
    if finished:
        for one in found:
            one[-1] = 1.0
    return found


def _alignment(runs: list[Run], options: Options) -> Alignment:
    duration = float(np.median([run.duration_hours for run in runs]))
    if options.align == "dtw":
        return Alignment("dtw", duration, warp=choose_reference(runs, options.grid, options.band))
    if options.align == "elapsed":
        return Alignment("elapsed", duration)
    tag = options.maturity_tag or ""
    lacking = [run.name for run in runs if run.progress is None or np.all(np.isnan(run.progress))]
    if lacking:
        raise SettingsError(f"expected the maturity tag {tag} in every run, received none in {', '.join(lacking[:5])}")
    sign = direction([run.progress for run in runs if run.progress is not None], tag)
    return Alignment("maturity", duration, tag, 1 if sign > 0 else -1)


def _grid(runs: list[Run], alignment: Alignment, options: Options) -> Floats:
    if alignment.kind != "maturity":
        return np.linspace(0.0, 1.0, options.grid)
    found = maturities_of(runs, alignment, finished=True)
    return common_grid(found, [run.name for run in runs], options.grid, alignment.tag or "")


def _whole(runs: list[Run], alignment: Alignment, grid: Floats, gap: float) -> Floats:
    """Put runs that are known to their ends on the grid, shape (n, k, j)."""
    if alignment.warp is None:
        return _as_live(runs, alignment, grid, gap)
    return _stacked(both_ends(alignment.warp, runs), runs, grid, gap)


def _as_live(runs: list[Run], alignment: Alignment, grid: Floats, gap: float) -> Floats:
    """Put finished runs on the grid as they would have come live, shape (n, k, j)."""
    return _stacked(maturities_of(runs, alignment, finished=True), runs, grid, gap)


def _stacked(maturities: list[Floats], runs: list[Run], grid: Floats, gap: float) -> Floats:
    return np.stack([on_grid(one, run.values, grid, gap) for one, run in zip(maturities, runs, strict=True)])
