"""Scores by a golden model: of runs in a file, and of units that are live."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from schemas.errors import SettingsError
from twins.monitoring.alignment import Run, on_grid
from twins.monitoring.batch import BatchModel, score_runs, scores_at
from twins.monitoring.continuous import ContinuousModel, score_rows
from twins.monitoring.fitting import maturities_of
from twins.monitoring.golden import Alignment, Golden
from twins.monitoring.pca import Bools, Floats
from twins.monitoring.scores import Scores
from twins.monitoring.so_far import SoFar, observe


class ScoredRun(NamedTuple):
    """One run's scores: of its rows, or of the m points of the grid that it reached."""

    name: str
    hours: Floats  # (m,), since the first row; NaN where a point lies before it
    maturity: Floats | None  # (m,); None in continuous mode
    known: Bools  # (m, p): which tags were there
    scores: Scores
    t2: float | None  # of the whole run; None unless it went to the end of a batch model's grid
    spe: float | None


class Scored(NamedTuple):
    """Scores of n units now, and their state for the next row."""

    scores: Scores
    so_far: SoFar | None


def score_golden(golden: Golden, runs: list[Run], *, unfinished: bool = False) -> list[ScoredRun]:
    """Score runs, each as it went: nothing at a point depends on what came after it.

    Parameters
    ----------
    golden : Golden
    runs : list of Run
        With the tags of the model, in its order.
    unfinished : bool
        The runs are still going: elapsed time counts in shares of the median training run's duration.
    """
    model = golden.model
    if isinstance(model, ContinuousModel):
        found = []
        for run in runs:
            known = ~np.isnan(run.values)
            scores = score_rows(model, run.values)
            found.append(ScoredRun(run.name, run.hours - run.hours[0], None, known, scores, None, None))
        return found
    assert golden.alignment is not None
    return _score_batches(model, golden.alignment, runs, unfinished) if runs else []


def start(golden: Golden, n: int) -> SoFar | None:
    """Give the state of n units whose runs begin; None in continuous mode, which needs none."""
    return SoFar.start(golden.model.plane, n) if isinstance(golden.model, BatchModel) else None


def score(golden: Golden, maturity: Floats, values: Floats, so_far: SoFar | None) -> Scored:
    """Score one row of each of n units. Pure, and each unit by itself, bit for bit.

    Parameters
    ----------
    golden : Golden
    maturity : array, shape (n,)
        How far each run is: the share of its duration that has passed, the value of the maturity tag, or the
        `maturity` of its `WarpState`. NaN where not known. Not looked at in continuous mode.
    values : array, shape (n, p)
        The model's tags in canonical units, NaN where missing.
    so_far : SoFar or None
        What `start` or the call before gave; left as it was.

    Returns
    -------
    Scored
        In batch mode a unit is scored when it reaches a new point of the grid, and is NaN between; a row complete in
        its tags gives what `score_golden` gives, bit for bit.
    """
    model = golden.model
    if isinstance(model, ContinuousModel):
        return Scored(score_rows(model, values), None)
    if so_far is None or golden.alignment is None:
        raise SettingsError("expected the state that `start` gives with a batch model, received none")
    state, point = observe(model.plane, model.grid, model.gap, golden.alignment.sign * maturity, values, so_far)
    return Scored(scores_at(model, state.point, point), state)


def _score_batches(model: BatchModel, alignment: Alignment, runs: list[Run], unfinished: bool) -> list[ScoredRun]:
    grid = model.grid
    maturities = maturities_of(runs, alignment, finished=not unfinished)
    values = np.stack(
        [on_grid(one, run.values, grid, model.gap) for one, run in zip(maturities, runs, strict=True)]
    )  # fmt: skip
    result = score_runs(model, values)
    found = []
    for number, (run, maturity) in enumerate(zip(runs, maturities, strict=True)):
        reached = int(np.searchsorted(grid, np.nanmax(maturity, initial=-np.inf), side="right"))
        hours = on_grid(maturity, (run.hours - run.hours[0])[:, None], grid, np.inf)[:reached, 0]
        fields = ("t2", "spe", "t2_limit", "spe_limit", "t2_contributions", "spe_contributions")
        scores = Scores(
            *(np.array([getattr(one, field)[number] for one in result.points[:reached]]) for field in fields)
        )
        whole = reached == len(grid)
        found.append(
            ScoredRun(
                run.name, hours, alignment.sign * grid[:reached], ~np.isnan(values[number, :reached]), scores,
                float(result.t2[number]) if whole else None, float(result.spe[number]) if whole else None,
            )
        )  # fmt: skip
    return found
