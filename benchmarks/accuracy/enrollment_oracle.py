"""An oracle for enrollment that changes: it knows the family of the change and the law its parameters were drawn from.

It knows besides the shape of the sites' gamma, that countries do not differ and that nothing else will change. What it
does not know is drawn from its law and weighed by the likelihood of every site's subjects in twelve parts of the past
(importance sampling; walks are proposed near the counts). It shares no code with the model it is held against.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.enrollment_truth import Trial
from twins.enrollment.study import MONTH, by_bin

Floats = NDArray[np.float64]
DRAWS = 4000
BINS = 12
VAGUE = 9.0  # variance of ln rate at the end of a walk


def interval(trial: Trial, rng: np.random.Generator) -> tuple[float, float, float]:
    """Give the oracle's 5 % and 95 % quantiles of the count by the trial's day, and its effective number of draws."""
    study = trial.study
    edges = np.linspace(0.0, study.as_of, BINS + 1)
    counts, exposure = by_bin(study, edges)
    ahead = np.linspace(study.as_of, trial.day, BINS + 1)
    if trial.family == "walk":
        past, future, told = _walks(counts.sum(axis=0), exposure.sum(axis=0), edges, ahead, rng)
        level = np.zeros(DRAWS)
    else:
        course = _courses(trial.family, np.concatenate([edges, ahead[1:]]), study.as_of, rng)  # (d, 2 bins)
        past, future = course[:, :BINS], course[:, BINS:]
        # The level is proposed about what the counts say given the course, and wider.
        spread = 1.5 * np.sqrt(1.0 / (counts.sum() + 1.0) + 1.0 / (trial.shape * len(counts)))
        z = rng.standard_normal(DRAWS)
        level = np.log((counts.sum() + 0.5) / (past @ exposure.sum(axis=0))) + spread * z
        told = 0.5 * z * z
    k, a = counts.sum(axis=1), trial.shape
    seen = np.exp(level)[:, None] * (past @ exposure.T)
    told = told + level * k.sum() + np.log(past) @ counts.sum(axis=0) - np.log(a + seen) @ (a + k)
    weight = np.exp(told - told.max())
    weight /= weight.sum()
    pick = rng.choice(DRAWS, DRAWS, p=weight)
    multiplier = rng.standard_gamma(np.broadcast_to(a + k, seen.shape)) / (a + seen[pick])
    sure = np.exp(level[pick]) * (future[pick] @ np.diff(ahead)) * multiplier.sum(axis=1)
    low, high = np.quantile(rng.poisson(sure), [0.05, 0.95])
    return float(low + k.sum()), float(high + k.sum()), float(1.0 / np.square(weight).sum())


def _walks(
    counts: Floats, exposure: Floats, edges: Floats, ahead: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Propose walks near the counts, and say ln of prior over proposal: (draws, bins) past and future, (draws,)."""
    middle = 0.5 * (edges[1:] + edges[:-1]) / MONTH
    steps = np.concatenate([[edges[-1] / MONTH], 0.5 * (ahead[1:] + ahead[:-1]) / MONTH])
    gaps = np.sqrt(np.diff(steps))
    noise = np.diag(1.3 / (counts + 0.5))
    seen = np.log((counts + 0.5) / np.maximum(exposure, 1.0))
    scales = 0.05 + 0.1 * (np.arange(10) + 0.5) / 10.0
    past, future, ratio = [], [], []
    for sd in scales:
        # Of the past backward from its last middle: a vague level, and a walk.
        prior = VAGUE + sd**2 * (middle[-1] - np.maximum.outer(middle, middle))
        centre = seen.mean()
        gain = np.linalg.solve(prior + noise, prior).T
        mean, cover = centre + gain @ (seen - centre), prior - gain @ prior
        root = np.linalg.cholesky(0.5 * (cover + cover.T) + 1e-12 * np.eye(BINS))
        z = rng.standard_normal((DRAWS // 10, BINS))
        x = mean + z @ root.T
        away = np.linalg.solve(np.linalg.cholesky(prior), (x - centre).T)
        half = np.log(np.diag(root)).sum() - np.log(np.diag(np.linalg.cholesky(prior))).sum()
        ratio.append(half - 0.5 * np.square(away).sum(axis=0) + 0.5 * np.square(z).sum(axis=1))
        now = x[:, -1:] + sd * np.sqrt((edges[-1] / MONTH) - middle[-1]) * rng.standard_normal((len(x), 1))
        past.append(np.exp(x))
        future.append(np.exp(now + sd * np.cumsum(gaps * rng.standard_normal((len(x), BINS)), axis=1)))
    return np.concatenate(past), np.concatenate(future), np.concatenate(ratio)


def _courses(family: str, edges: Floats, as_of: float, rng: np.random.Generator) -> Floats:
    """Draw the factor at the middle of steps from the family's published law, shape (draws, steps)."""
    middle = 0.5 * (edges[1:] + edges[:-1])
    months = middle / MONTH
    one = rng.random((DRAWS, 1))
    if family == "decay":
        return np.exp(-(0.01 + 0.06 * one) * months)
    if family == "season":
        return np.exp((0.1 + 0.3 * one) * np.cos(2.0 * np.pi * (months / 12.0 + rng.random((DRAWS, 1)))))
    if family == "halving":
        when = as_of * (0.1 + 0.8 * one)
        share = np.clip((edges[1:] - when) / np.diff(edges), 0.0, 1.0)  # of the step that lies after
        return 1.0 - 0.5 * share
    return np.ones((DRAWS, len(months)))
