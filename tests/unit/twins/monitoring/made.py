"""Made-up processes with known answers, for the tests of golden batch. Everything is seeded by the caller."""

from __future__ import annotations

import numpy as np

from twins.monitoring import Golden, Options, Run, fit_golden
from twins.monitoring.pca import Floats

TAGS = ("biomass", "dissolved_oxygen", "temperature", "ph")


def rows(seed: int, n: int, p: int) -> Floats:
    """Independent normal rows of p correlated tags: the same process for every n."""
    directions = np.linalg.qr(np.random.default_rng(p).normal(size=(p, p)))[0]
    mix = np.diag(np.linspace(3.0, 0.5, p)) @ directions
    values: Floats = np.random.default_rng([seed, n]).normal(size=(n, p)) @ mix + 10.0
    return values


def names(p: int) -> tuple[str, ...]:
    return tuple(f"tag{number}" for number in range(p))


def batches(seed: int, n: int, *, slowest: float = 1.0, noise: float = 0.02) -> list[Run]:
    """Runs of four tags that follow two hidden causes (vigour, heat) along the same course, at unequal paces."""
    rng = np.random.default_rng(seed)
    runs = []
    for number in range(n):
        vigour, heat = rng.normal(size=2)
        duration = rng.uniform(1.0, slowest) * 20.0
        hours = np.linspace(0.0, duration, round(duration * 4) + 1)
        runs.append(Run(f"B-{number:03d}", hours, course(hours / duration, vigour, heat, rng, noise)))
    return runs


def course(share: Floats, vigour: float, heat: float, rng: np.random.Generator, noise: float) -> Floats:
    """What the four tags do at a share of the run."""
    growth = 10.0 / (1.0 + np.exp(-8.0 * (share - 0.5 - 0.02 * vigour)))
    oxygen = 100.0 - 6.0 * growth + 2.0 * heat
    warm = 37.0 + 0.3 * heat * np.cos(3.0 * share) + 0.05 * vigour
    acid = 7.0 - 0.02 * growth + 0.05 * heat * share + 0.03 * vigour
    clean = np.stack([growth, oxygen, warm, acid], axis=1)
    return np.asarray(clean + rng.normal(size=clean.shape) * noise * np.array([1.0, 5.0, 1.0, 0.3]))


def fitted(runs: list[Run], **options: object) -> Golden:
    return fit_golden(runs, TAGS, Options(**{"components": 2, "grid": 50, **options}))  # type: ignore[arg-type]
