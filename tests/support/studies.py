"""Studies made of plain arrays, for tests and benchmarks of the enrollment twin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from twins.enrollment.study import OPEN, PLANNED, Country, Sites, Spans, Study, Subjects, Target


def study(
    as_of: float,
    opened: ArrayLike,
    subject_site: ArrayLike = (),
    subject_day: ArrayLike = (),
    *,
    country: ArrayLike | None = None,
    planned: ArrayLike | None = None,
    status: ArrayLike | None = None,
    cap: ArrayLike | None = None,
    countries: Sequence[Country] | None = None,
    targets: Sequence[Target] = (),
) -> Study:
    """Make a study whose sites opened on days (s,), NaN where not, and were open since; subjects are enrolled only."""
    opened = np.asarray(opened, dtype=np.float64)
    sites = len(opened)
    site, day = np.asarray(subject_site, dtype=np.int64), np.asarray(subject_day, dtype=np.float64)
    order = np.argsort(day, kind="stable")
    site, day = site[order], day[order]
    where = np.zeros(sites, np.int64) if country is None else np.asarray(country, dtype=np.int64)
    is_open = ~np.isnan(opened)
    state = np.where(is_open, OPEN, PLANNED) if status is None else np.asarray(status, dtype=np.int64)
    nan, none = np.full(len(site), np.nan), np.full(len(site), -1)
    return Study(
        "ST-1", as_of, "enrolled",
        tuple(countries) if countries else tuple(Country(f"C{n:02}") for n in range(int(where.max(initial=0)) + 1)),
        Sites(
            tuple(f"S{n:03}" for n in range(sites)), where, state.astype(np.int64),
            opened if planned is None else np.asarray(planned, dtype=np.float64), opened,
            np.full(sites, np.inf) if cap is None else np.asarray(cap, dtype=np.float64),
        ),
        Spans(np.flatnonzero(is_open), opened[is_open], np.full(int(is_open.sum()), as_of)),
        Subjects(site, none, nan, nan, nan, nan, none, day, nan, nan, nan, nan, nan, np.zeros(len(site))),
        tuple(targets),
    )  # fmt: skip
