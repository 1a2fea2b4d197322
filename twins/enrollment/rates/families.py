"""What the rates of a whole study may do with time, as families of Gaussian log-rates.

Each family writes the log-rate as a mean plus `past @ theta` at the bins of the past, and as a mean plus
`ahead @ theta` at steps to come, theta standard normal; walks go on in the future. The first column is the level today.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.rates.settings import RateSettings
from twins.enrollment.study import MONTH, Floats

YEAR = 12.0  # [months]


@dataclass(frozen=True, slots=True)
class Families:
    """`weight` (j,) prior; `past` (j, p, q) and `ahead` (j, f, q) bases; `walk` (j,) sd of what walks on, a month.

    `past_mean` (j, p) and `ahead_mean` (j, f): mean change of ln rate against today.
    """

    names: tuple[str, ...]
    weight: Floats
    past: Floats
    ahead: Floats
    walk: Floats
    past_mean: Floats
    ahead_mean: Floats


def families(settings: RateSettings, past_edges: Floats, ahead_edges: Floats, as_of: float) -> Families:
    """Give the families over bins of the past and steps to come (edges in days)."""
    began = (past_edges - as_of) / MONTH
    will = (ahead_edges - as_of) / MONTH
    past, ahead = 0.5 * (began[1:] + began[:-1]), 0.5 * (will[1:] + will[:-1])
    size, steps = len(past), len(ahead)
    level = settings.level[1]
    rows: list[tuple[str, float, Floats, Floats, float, float]] = []

    def add(name: str, weight: float, then: Floats, later: Floats, walk: float = 0.0, slope: float = 0.0) -> None:
        if weight > 0.0:
            rows.append((name, weight, then, later, walk, slope))

    none_past, none_ahead = np.zeros((size, 0)), np.zeros((steps, 0))
    add("constant", settings.constant, none_past, none_ahead)
    gaps = np.append(np.diff(past), -past[-1]) if size else np.zeros(0)
    back = np.triu(np.ones((size, size))) * np.sqrt(gaps)
    for sd, weight in settings.walks:
        add("walk", weight, np.asarray(sd * back, dtype=np.float64), np.zeros((steps, size)), sd)
    for slope, sd, weight in settings.trends:
        add("trend", weight, sd * past[:, None], sd * ahead[:, None], slope=slope)
    amplitude, share = settings.season
    cycle = 2.0 * np.pi / YEAR
    add("season", share, amplitude * _waves(began * cycle), amplitude * _waves(will * cycle))
    jump, share = settings.shift
    inner = range(1, size)
    for edge in inner:
        earlier = np.where(np.arange(size) < edge, jump, 0.0)[:, None]
        add("shift", share / len(inner), earlier, np.zeros((steps, 1)))
    width = 1 + max(row[2].shape[1] for row in rows)
    weights, slopes = np.array([row[1] for row in rows]), np.array([row[5] for row in rows])
    return Families(
        tuple(row[0] for row in rows), weights / weights.sum(), _fill([row[2] for row in rows], level, width),
        _fill([row[3] for row in rows], level, width), np.array([row[4] for row in rows]),
        slopes[:, None] * past, slopes[:, None] * ahead,
    )  # fmt: skip


def _waves(angle: Floats) -> Floats:
    """Give the means of cosine and sine over each bin, shape (bins, 2)."""
    width = np.diff(angle)
    return np.column_stack([np.diff(np.sin(angle)) / width, -np.diff(np.cos(angle)) / width])


def _fill(bases: list[Floats], level: float, width: int) -> Floats:
    """Put bases beside a first column of `level`, each with zeros up to the widest, (j, bins, width)."""
    out = np.zeros((len(bases), len(bases[0]), width))
    out[:, :, 0] = level
    for place, columns in zip(out, bases, strict=True):
        place[:, 1 : 1 + columns.shape[1]] = columns
    return out
