"""The streaming score of oddness on two real temperatures of the Numenta Anomaly Benchmark (NAB), by NAB's scoring.

An anchor, not a NAB result: two of its 58 files, and one threshold for both, chosen with the windows in sight, as NAB
chooses its own over all files. A windowed Gaussian after NAB's floor is scored in the same way beside it.

Source
------
Lavin and Ahmad 2015, Evaluating real-time anomaly detection algorithms, IEEE ICMLA, section II; profile "standard": a
window found counts 1 by a sigmoid of how early, a false alarm costs 0.11 by one of how far after a window, a window
missed 1. The first 15 % of a file, of 5000 rows at most, is not scored.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report, add_out
from twins.learning.models import Forest, Scaler

Floats = NDArray[np.float64]
Window = tuple[int, int]  # rows, the last included

DATA = Path(__file__).parents[3] / "shared" / "data" / "bioprocess" / "nab"
FILES = ("machine_temperature_system_failure.csv", "ambient_temperature_system_failure.csv")
FALSE = 0.11
PROBATION, PROBATION_ROWS = 0.15, 5000
GAUSSIAN_ROWS, GAUSSIAN_STEP = 6400, 100  # NAB's windowed Gaussian


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="oddness", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the two files and combined_windows.json")
    parser.add_argument("--seeds", type=int, default=3, help="forests, each with another seed")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("oddness", "Two files of the Numenta Anomaly Benchmark.", {"seeds": options.seeds})
    files = [read(options.data, name) for name in FILES]
    rows = sum(len(values) for values, _ in files)
    detectors: list[tuple[str, Callable[[Floats], Iterator[float]]]] = [
        (f"forest, seed {seed}", lambda values, seed=seed: forest(values, seed)) for seed in range(1, options.seeds + 1)
    ]
    detectors.append(("windowed Gaussian", gaussian))
    for name, detector in detectors:
        begun = time.process_time()
        scores = [np.array(list(detector(values))) for values, _ in files]
        seconds = time.process_time() - begun
        threshold = best(scores, [windows for _, windows in files])
        found = [points(one, windows, threshold) for one, (_, windows) in zip(scores, files, strict=True)]
        wanted = sum(len(windows) for _, windows in files)
        report.add(
            "scores", detector=name, score=normalised(sum(one[0] for one in found), wanted), threshold=threshold,
            windows=wanted, found=sum(one[1] for one in found), false_alarms=sum(one[2] for one in found),
            us_a_row=1e6 * seconds / rows,
        )  # fmt: skip
    report.notes += [
        "Inputs of the forest: the value and its change, each within 4 learned standard deviations.",
        "False alarms are rows, as NAB counts them.",
    ]
    report.write(options.out)
    return 0


def forest(values: Floats, seed: int) -> Iterator[float]:
    """Score each row by what was seen before it."""
    names = ("value", "change")
    scaler, trees, before = Scaler(names), Forest(names, seed), float(values[0])
    for value in values.tolist():
        x = (value, value - before)
        before = value
        yield trees.score(scaler.scaled(x))
        scaler.learn(x)
        trees.learn(scaler.scaled(x))


def gaussian(values: Floats) -> Iterator[float]:
    """Score each row by NAB's floor: the probability of being so far from the mean of the rows before."""
    kept: list[float] = []
    mean, sd = 0.0, 1.0
    for row, value in enumerate(values.tolist()):
        yield 0.0 if not kept else 2.0 * NormalDist().cdf(abs(value - mean) / sd) - 1.0
        kept.append(value)
        if len(kept) < GAUSSIAN_ROWS or row % GAUSSIAN_STEP == 0:
            kept = kept[-GAUSSIAN_ROWS:]
            if len(kept) < 500 or row % 10 == 0:  # while it fills, each tenth row is close enough
                mean, sd = float(np.mean(kept)), max(float(np.std(kept)), 1e-6)


def read(folder: Path, name: str) -> tuple[Floats, list[Window]]:
    """Read a file and its windows, as rows."""
    with (folder / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["timestamp"]) for row in rows]  # the files' own, without a zone
    found = json.loads((folder / "combined_windows.json").read_text())[f"realKnownCause/{name}"]
    windows = []
    for first, last in found:
        begin, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
        inside = [row for row, at in enumerate(times) if begin <= at <= end]
        windows.append((inside[0], inside[-1]))
    return np.array([float(row["value"]) for row in rows]), windows


def points(scores: Floats, windows: Sequence[Window], threshold: float) -> tuple[float, int, int]:
    """Give NAB's raw score of one file, the windows found and the rows falsely called."""
    probation = min(math.floor(PROBATION * len(scores)), round(PROBATION * PROBATION_ROWS))
    called = np.nonzero(scores >= threshold)[0]
    called = called[called >= probation]
    raw, found = 0.0, 0
    outside = np.ones(len(called), dtype=np.bool_)
    for first, last in windows:
        inside = (called >= first) & (called <= last)
        outside &= ~inside
        if inside.any():
            early = -(last - int(called[inside][0]) + 1) / (last - first + 1)
            raw += sigmoid(early) / sigmoid(-1.0)
            found += 1
        else:
            raw -= 1.0
    for row in called[outside].tolist():
        passed = [(first, last) for first, last in windows if last < row]
        after = math.inf if not passed else (row - passed[-1][1]) / max(passed[-1][1] - passed[-1][0], 1)
        raw += FALSE * sigmoid(after)
    return raw, found, int(outside.sum())


def sigmoid(position: float) -> float:
    """Give NAB's scaled sigmoid: near 1 at a window's beginning, 0 at its end, -1 long after."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def normalised(raw: float, windows: int) -> float:
    """Give 0 for a detector that says nothing, 100 for a perfect one."""
    return 100.0 * (raw + windows) / (2.0 * windows)


def best(scores: Sequence[Floats], windows: Sequence[Sequence[Window]]) -> float:
    """Choose the threshold that gives the greatest sum."""
    every = np.unique(np.quantile(np.concatenate(list(scores)), np.linspace(0.9, 1.0, 400)))
    sums = [sum(points(one, some, t)[0] for one, some in zip(scores, windows, strict=True)) for t in every.tolist()]
    return float(every[int(np.argmax(sums))])
