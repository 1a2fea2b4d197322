"""Golden batch between files and mathematics: recorded runs in, models and scores out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from connectors.file import open_file
from connectors.runs import Recording, read_runs
from schemas.errors import UsageError
from schemas.instants import HOUR
from twins.monitoring import Golden, Options, Run, ScoredRun, fit_golden, score_golden

ELAPSED = "elapsed_hours"  # a tag that every run has: hours since its first row


def fit_file(
    runs: Path,
    map_file: Path | None,
    tags: Sequence[str],
    without: Sequence[str],
    options: Options,
    calibrate: Path | None,
) -> tuple[Golden, Recording]:
    """Fit a model to the runs of a file.

    Parameters
    ----------
    runs : Path
        Event file, or a table with its mapping.
    map_file : Path, optional
    tags : sequence of str
        Which tags, in which order; empty for all of the file, but for the maturity tag.
    without : sequence of str
        Runs to leave out.
    options : Options
    calibrate : Path, optional
        A second file, by the same mapping, from which empirical limits are taken.

    Raises
    ------
    UsageError
        If files, tags or options do not fit together.
    """
    recording = _leave_out(read_runs(open_file(runs, map_file)), without, str(runs))
    chosen = tuple(tags or (tag for tag in recording.tags if tag != options.maturity_tag))
    if len(set(chosen)) != len(chosen):
        raise UsageError(f"expected each tag once, received {', '.join(chosen)}, in --tags")
    others = None
    if calibrate is not None:
        others = runs_of(read_runs(open_file(calibrate, map_file)), chosen, options.maturity_tag, str(calibrate))
    return fit_golden(runs_of(recording, chosen, options.maturity_tag, str(runs)), chosen, options, others), recording


def score_file(
    golden: Golden, runs: Path, map_file: Path | None, *, unfinished: bool
) -> tuple[list[ScoredRun], Recording]:
    """Score the runs of a file.

    Raises
    ------
    UsageError
        If the file cannot be read, or lacks a tag of the model.
    """
    recording = read_runs(open_file(runs, map_file))
    maturity_tag = golden.alignment.tag if golden.alignment is not None else None
    found = score_golden(golden, runs_of(recording, golden.model.tags, maturity_tag, str(runs)), unfinished=unfinished)
    return found, recording


def _leave_out(recording: Recording, names: Sequence[str], where: str) -> Recording:
    known = [run.name for run in recording.runs]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"expected runs of {where} in --without, received {', '.join(unknown[:5])}; it has {known[:40]}"
        )
    return recording._replace(runs=tuple(run for run in recording.runs if run.name not in names))


def runs_of(recording: Recording, tags: Sequence[str], maturity_tag: str | None, where: str) -> list[Run]:
    """Take the tags of a model from recorded runs.

    Raises
    ------
    UsageError
        If the recording lacks one.
    """
    have = {tag: place for place, tag in enumerate(recording.tags)}
    wanted = [*tags, *([maturity_tag] if maturity_tag is not None else [])]
    lacking = [tag for tag in wanted if tag not in have and tag != ELAPSED]
    if lacking:
        raise UsageError(
            f"expected the tags {', '.join(lacking[:5])}, received {', '.join(recording.tags[:60])}, in {where}; "
            "correct --tags, --align or the mapping's `channels`"
        )
    runs = []
    for run in recording.runs:
        hours = (run.times - run.times[0]) / HOUR
        columns = [hours if tag == ELAPSED else run.values[:, have[tag]] for tag in wanted]
        progress = None if maturity_tag is None else columns.pop()
        runs.append(Run(run.name, hours, np.stack(columns, axis=1), progress))
    return runs
