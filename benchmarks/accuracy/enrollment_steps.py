"""Steps of the funnel that change, and sites, of which a probability alone is told: part of `enrollment_detection`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.accuracy.enrollment_changes import fallen, screened, screenings
from benchmarks.intervals import NORMAL_90, wilson
from benchmarks.report import Report
from twins.enrollment.detection import watch
from twins.enrollment.detection.settings import YEAR
from twins.enrollment.study import MONTH

A_MONTH, PAST, PATIENCE = 30.0, 365.0, 365  # screenings a month, days before a change, and days it is waited for
CASES = (("screen_failure", (0.3, 0.5), 1.0, "rise"), ("screening_speed", (0.3, 0.3), 2.0, "fall"))
NEVER = (0.3, 0.3)
STUDIES, SITES = 60, 120


def steps(report: Report, seed: int, trials: int, years: int) -> None:
    """Count false alarms of both steps in quiet studies, then delays: 50 % fail instead of 30 %; twice as slow."""
    rng = np.random.default_rng((seed, 3))
    alarms = {what: 0 for what, *_ in CASES}
    for _ in range(max(1, years // 3)):
        truth, last = screenings(rng, A_MONTH, 3 * YEAR, np.inf, NEVER, 1.0), dict[str, float]()
        for day in np.arange(60.0, 3 * YEAR, 3.0):
            for what in {one.what for one in watch(screened(truth, day)).changes if one.country is None} & set(alarms):
                alarms[what] += day - last.get(what, -np.inf) > 90
                last[what] = day
    for what, failing, slower, direction in CASES:
        delay = []
        for _ in range(max(10, trials // 3)):
            truth = screenings(rng, A_MONTH, PAST + PATIENCE, PAST, failing, slower)
            days = np.arange(1, PATIENCE, 2)
            seen = (day for day in days if _flagged(watch(screened(truth, PAST + day)), what, direction))
            delay.append(float(next(seen, np.inf)) / MONTH)
        report.add(
            "steps of the funnel, 30 screenings a month",
            what=what,
            change="30 to 50 % fail" if what == "screen_failure" else "takes twice as long",
            study_years=3 * max(1, years // 3),
            false_alarms=int(alarms[what]),
            n=len(delay),
            median_months=float(np.quantile(delay, 0.5, method="higher")),
            p90_months=float(np.quantile(delay, 0.9, method="higher")),
        )


def _flagged(found, what: str, direction: str) -> bool:  # type: ignore[no-untyped-def]
    return any(one.what == what and one.direction == direction and one.country is None for one in found.changes)


def sites(report: Report, seed: int) -> None:
    """Compare the probabilities that sites fell below half with how many did, over drawn hazards and lengths."""
    rng = np.random.default_rng((seed, 4))
    told, true = [], []
    for _ in range(STUDIES):
        hazard = np.exp(rng.uniform(np.log(0.05), np.log(0.6))) / YEAR
        study, fell = fallen(rng, SITES, rng.uniform(240.0, 720.0), hazard)
        health = watch(study).sites
        told.append(health.fell)
        true.append(fell[health.site])
    chance, truth = np.concatenate(told), np.concatenate(true)
    edges = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    for low, high in pairwise(edges):
        inside = (chance >= low) & ((chance < high) | (high == 1.0))
        if not inside.any():
            continue
        hits = int(truth[inside].sum())
        a, b = wilson(hits, int(inside.sum()), NORMAL_90)
        report.add(
            "sites of 0.5 to 2 a month: probability that it fell below half",
            told=f"{low} to {high}",
            mean=round(float(chance[inside].mean()), 3),
            n=int(inside.sum()),
            true=round(hits / int(inside.sum()), 3),
            interval=f"{a:.3f} to {b:.3f}",
        )
