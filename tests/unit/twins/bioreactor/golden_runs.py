"""Golden models for tests, of runs drawn from a seed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from twins.monitoring import Golden, Options, Run, fit_golden, write_golden

TAGS = ("ph", "temperature", "dissolved_oxygen")


def good_run(rng: np.random.Generator, hours: float = 4.0, rows: int = 81) -> tuple[Any, Any]:
    """Give hours (m,) and values (m, 3) of a run: tags that move together along a trend."""
    at = np.linspace(0.0, hours, rows)
    a, b = rng.normal(size=2)
    ph = 7.0 - 0.05 * at + 0.02 * a + 0.004 * rng.normal(size=rows)
    temperature = 37.0 + 0.1 * b + 0.05 * a * at / hours + 0.02 * rng.normal(size=rows)
    oxygen = 60.0 - 8.0 * at + 2.0 * a - b + 0.4 * rng.normal(size=rows)
    return at, np.stack([ph, temperature, oxygen], axis=1)


def golden_of(seed: int = 3, **options: Any) -> Golden:
    """Fit a model of 14 good runs."""
    rng = np.random.default_rng(seed)
    runs = [Run(f"R{number}", *good_run(rng)) for number in range(14)]
    return fit_golden(runs, TAGS, Options(**{"components": 2, "grid": 40, **options}), None)


def document_of(golden: Golden) -> dict[str, Any]:
    """Write a model as the JSON that a configuration holds."""
    document: dict[str, Any] = json.loads(write_golden(golden))
    return document
