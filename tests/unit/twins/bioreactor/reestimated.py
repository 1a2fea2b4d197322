"""A run of CHO cells as the ledger keeps it, made by the model itself, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.instants import MINUTE
from schemas.jobs import SimulationSpec
from twins.bioreactor.models import MODELS
from twins.bioreactor.models.coordinates import to_coordinates, to_states
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.rows import EMPTY_BUCKET, FIXED, NO_ITEMS, START, Assay, Change, Items, write_row
from twins.block import Memory

BEGAN = 29_000_010  # minutes since 1970, a whole half hour
KEY, BATCH = "BR-1", "B-1"
MODEL = MODELS["cho_xing"]
START_VALUES = {
    "viable_cells": 2e8, "dead_cells": 4e6, "glucose": 25.0, "glutamine": 4.0, "lactate": 0.5, "ammonia": 0.2,
}  # fmt: skip
INPUTS: dict[str, Any] = {  # Any: JSON
    "initial": {"volume": 1.0},
    "feeds": [],
    "method": "rk4",
    "batch": BATCH,
    "channels": [
        {"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.02},
        {"tag": "glucose", "state": "glucose", "relative": 0.02, "absolute": 0.1},
        {"tag": "lactate", "state": "lactate", "relative": 0.02, "absolute": 0.1},
    ],
    "prior": {"mu_m": [0.029, 0.2], "Y_XS": [1.69e8, 0.2], "d_G": [7.2e-3, 0.2]},
    "wander": {"mu_m": {"sd": 0.02, "hours": 12.0}},
    "begin": START_VALUES,
    "initial_sd": 0.02,
}


def row_of(minute: int, bucket: Sequence[int] = EMPTY_BUCKET, items: Items = NO_ITEMS, offset: int = 0) -> Memory:
    """Give the row of a minute after the run began."""
    return Memory(KEY, "input", (BEGAN + minute) * MINUTE, offset, write_row(tuple(bucket), items))


def started(volume: int = 1_000_000_000, batch: str = BATCH) -> Memory:
    """Give the row in which the batch starts."""
    return row_of(0, items=NO_ITEMS.with_change(Change(BEGAN * MINUTE, START, "s", batch=batch, volume=volume)))


def reading(cells: float) -> tuple[int, ...]:
    """Give the bucket of one reading, of cells per litre."""
    fixed = round(cells * 1e-9 * FIXED)
    return (1, fixed, fixed, fixed, 0, 0, 0)


def run_of(hours: int, seed: int = 1, changed: float = np.inf, factor: float = 1.0) -> list[Memory]:
    """Give the rows of a run with a reading each half hour, and assays each six hours."""
    rng = np.random.default_rng(seed)
    x = np.array([*START_VALUES.values(), 1.0])
    usual = [one.value for one in MODEL.parameters]
    u = np.array([0.0 if one.name.startswith("feed_") else one.default for one in MODEL.inputs])
    z = to_coordinates(np, MODEL.states, x)
    rows = [started()]
    for half in range(1, 2 * hours + 1):
        p = np.array([usual[0] * (factor if 0.5 * half > changed else 1.0), *usual[1:]])
        for part in range(5):
            z = rk4(np, MODEL, 0.5 * (half - 1) + 0.1 * part, 0.1, z, u, p)
        x = to_states(np, MODEL.states, z)
        items = NO_ITEMS
        when = (BEGAN + 30 * half) * MINUTE
        for tag, row in (("glucose", 2), ("lactate", 4)) if half % 12 == 0 else ():
            value = float(x[row] * (1.0 + 0.02 * rng.standard_normal()) + 0.1 * rng.standard_normal())
            items = items.with_assay(Assay(f"S{half}", tag, when, when, f"{tag}{half}", max(value, 0.0)))
        rows.append(row_of(30 * half, reading(float(x[0] * (1.0 + 0.02 * rng.standard_normal()))), items, half))
    return rows


def asked(draws: int = 64, horizon: float = 4.0, seed: int = 7, **more: Any) -> SimulationSpec:
    """Give a specification; `more` are inputs that are other or new."""
    return SimulationSpec("bioreactor.reestimate", "cho_xing@1", {}, seed, draws, horizon, INPUTS | more)
