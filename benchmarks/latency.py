"""Latencies of a finished run: from a record's append to the durable commit of what came of it.

PostgreSQL notes when each transaction ended (`track_commit_timestamp`), just before it is flushed; the worker
notes when each COMMIT returned. A row's commit is durable at the first such return after its transaction's end.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from streams.ledger.commit import Committer

Floats = NDArray[np.float64]

_READINGS = """
select extract(epoch from known_at)::float8, extract(epoch from pg_xact_commit_timestamp(xmin))::float8, count(*)
from reading where known_at >= to_timestamp(%s) and known_at < to_timestamp(%s) group by known_at, xmin
"""
_ALERTS = """
select extract(epoch from known_at)::float8, extract(epoch from pg_xact_commit_timestamp(xmin))::float8, 1
from effect where kind = 'alert' and known_at >= to_timestamp(%s) and known_at < to_timestamp(%s)
"""


@dataclass(frozen=True, slots=True)
class Marks:
    """The steps of a worker's commit rounds: `steps` (n,) are places in `Committer.STEPS`, `at` (n,) when [s]."""

    steps: NDArray[np.int64]
    at: Floats

    @property
    def durable(self) -> Floats:
        """When commits returned, ascending."""
        return np.asarray(self.at[self.steps == Committer.STEPS.index("committed")])

    def rounds(self, since: float, until: float) -> dict[str, dict[str, float]]:
        """Describe how long each step took, and the time between two rounds, within a span [ms]."""
        taken = np.diff(self.at, prepend=self.at[:1]) * 1e3
        within = (self.at >= since) & (self.at < until)
        found = {}
        for number, name in enumerate(Committer.STEPS):
            some = taken[within & (self.steps == number)]
            if len(some):
                label = "between rounds" if number == 0 else name
                found[label] = {
                    "mean_ms": float(some.mean()),
                    "p99_ms": float(np.percentile(some, 99)),
                    "most_ms": float(some.max()),
                }
        return found


def read_marks(path: Path) -> Marks:
    """Read what a worker that stopped gently noted."""
    marks = array("d")
    marks.frombytes(path.read_bytes())
    steps, at = np.array(marks).reshape(-1, 2).T
    return Marks(steps.astype(np.int64), at)


def of_alerts(connection: psycopg.Connection[Any], since: float, until: float, durable: list[Floats]) -> dict[str, Any]:
    """Describe the time from append to commit of all alerts whose readings were appended in a span."""
    return _described(connection.execute(_ALERTS, (since, until)).fetchall(), durable)


def of_readings(
    connection: psycopg.Connection[Any], since: float, until: float, durable: list[Floats]
) -> dict[str, Any]:
    """Describe the time from append to commit of all readings appended in a span."""
    return _described(connection.execute(_READINGS, (since, until)).fetchall(), durable)


def _described(rows: list[tuple[float, float, int]], durable: list[Floats]) -> dict[str, Any]:
    """Give count, p50, p99 and max [s]; each row stands for so many records."""
    if not rows:
        return {"count": 0, "p50_s": None, "p99_s": None, "max_s": None}
    known, ended, count = (np.array(column) for column in zip(*rows, strict=True))
    # whose COMMIT it was is not known: of several workers the last one's next return counts
    returned = np.max([np.append(at, np.inf)[np.searchsorted(at, ended)] for at in durable], axis=0)
    latency = np.where(np.isfinite(returned), returned, ended) - known
    order = np.argsort(latency)
    latency, share = latency[order], np.cumsum(count[order]) / count.sum()
    p50, p99 = (float(latency[np.searchsorted(share, q)]) for q in (0.50, 0.99))
    return {"count": int(count.sum()), "p50_s": p50, "p99_s": p99, "max_s": float(latency[-1])}
