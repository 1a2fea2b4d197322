"""What a whole re-forecast of a large study costs: learned anew, and looked out on for 24 dates, on one core.

200 sites in 20 countries after a year, half of the countries capped, a tenth of the sites still to open.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.accuracy.enrollment_truth import Cell, make
from benchmarks.report import Bar, Report, add_out, given
from twins.enrollment.rates import RateSettings, learn, outlook
from twins.enrollment.study import MONTH

STUDY = Cell("speed", (200, 200), (20, 20), months=(12.0, 12.0), opening=0.8, later=0.1, rate=(0.7, 0.7))
WARM = 20


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="enrollment_speed", description=__doc__)
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("enrollment_speed", "A whole re-forecast: 200 sites, 20 countries, 24 dates.", given(options))
    study = make(STUDY, np.random.default_rng(options.seed)).study
    days = study.as_of + MONTH * np.arange(1.0, 25.0)
    settings = RateSettings()
    capped = tuple(replace(c, cap=120.0 if n % 2 else np.inf) for n, c in enumerate(study.countries))
    for name, told in (("no caps", study), ("every second country capped", replace(study, countries=capped))):
        wall, core = [], []
        for _ in range(WARM + options.times):
            begun, used = time.perf_counter(), time.process_time()
            outlook(learn(told, settings), told, days)
            wall.append(1e3 * (time.perf_counter() - begun))
            core.append(1e3 * (time.process_time() - used))
        row = {
            f"{which}_{label}": float(np.quantile(part[WARM:], level))
            for which, part in (("wall_ms", wall), ("cpu_ms", core))
            for label, level in (("best", 0.0), ("p50", 0.5), ("p99", 0.99))
        }
        report.add("reforecast", study=name, subjects=len(told.subjects), **row)
        report.bars.append(Bar(f"{name}, median", 10.0, row["wall_ms_p50"], "ms", most=True))
        report.bars.append(Bar(f"{name}, p99", 25.0, row["wall_ms_p99"], "ms", most=True))
    report.notes.append("Run with one thread of linear algebra (OPENBLAS_NUM_THREADS=1), as workers do.")
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1
