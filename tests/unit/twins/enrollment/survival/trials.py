"""Studies for the tests: subjects by column, and a trial drawn by numpy alone."""

from __future__ import annotations

import numpy as np

from twins.enrollment.study import OPEN, Country, Floats, Sites, Spans, Study, Subjects, Target
from twins.enrollment.survival import Observed


def study(as_of: float, entry: Floats, targets: tuple[Target, ...] = (), **steps: Floats) -> Study:
    """One site; `steps` are days of event, withdrawn, completed, lost, where they are known."""
    n = len(entry)
    nan, none, zero = np.full(n, np.nan), np.full(n, -1), np.zeros(n, dtype=np.int64)
    known = {name: steps.get(name, nan) for name in ("withdrawn", "completed", "lost", "event")}
    subjects = Subjects(
        zero, none, nan, nan, nan, nan, none, nan, entry, known["withdrawn"], known["completed"], known["lost"],
        known["event"], nan,
    )  # fmt: skip
    sites = Sites(("S1",), np.array([0]), np.array([OPEN]), np.array([0.0]), np.array([0.0]), np.array([np.inf]))
    spans = Spans(np.array([0]), np.array([0.0]), np.array([as_of]))
    return Study("ST-1", as_of, "randomised", (Country("DE"),), sites, spans, subjects, targets)


def cut(as_of: float, entry: Floats, event: Floats, dropout: Floats) -> Observed:
    """What is known on a day of a trial whose times to event and to drop-out are known."""
    inside = entry <= as_of
    entry, event, dropout = entry[inside], event[inside], dropout[inside]
    end = np.minimum(event, dropout)
    over = entry + end <= as_of
    days = np.maximum(np.where(over, end, as_of - entry), 0.5)
    return Observed(as_of, entry, days, over & (event <= dropout), over & (event > dropout), ~over)


def drawn(seed: int, n: int = 300, shape: float = 1.0, scale: float = 570.0) -> tuple[Floats, Floats, Floats]:
    """Days of entry over a year, Weibull times to event, exponential times to drop-out of 7000 d in the mean."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0, 365, n)), scale * rng.weibull(shape, n), rng.exponential(7000.0, n)
