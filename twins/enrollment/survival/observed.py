"""What a study says of the time to its event: how long each subject was watched, and how that ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twins.enrollment.study import Floats, Study

LEAST: Final = 0.5  # the shortest time under observation [d]; assumed: dates are whole days, and ln 0 is no number


@dataclass(frozen=True, slots=True)
class Observed:
    """Subjects who entered, each column of shape (n,), in order of entry; arms stand nowhere.

    `entry` [d] and `days` under observation up to the event, the drop-out, the completion or `as_of` [d], LEAST or
    more. `event`, `dropout`: whether it ended so. `at_risk`: under observation still.
    """

    as_of: float
    entry: Floats
    days: Floats
    event: NDArray[np.bool_]
    dropout: NDArray[np.bool_]
    at_risk: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.entry)

    @property
    def event_days(self) -> Floats:
        """Days of the events so far, ascending [d]."""
        return np.sort((self.entry + self.days)[self.event])


def observed(study: Study) -> Observed:
    """Read times to the event from a study's subjects.

    A subject enters at the study's counting milestone. An event counts whatever else is known of the subject; without
    one, the earlier of withdrawal and loss is the drop-out, and a completion ends the watch without being one.
    """
    subjects = study.subjects
    entry = study.counting_days
    inside = ~np.isnan(entry) & (entry <= study.as_of)
    order = np.flatnonzero(inside)[np.argsort(entry[inside], kind="stable")]
    entry = entry[order]
    event, gone = subjects.event[order], np.fmin(subjects.withdrawn[order], subjects.lost[order])
    completed = subjects.completed[order]
    has_event, out = ~np.isnan(event), ~np.isnan(gone) & ~(completed < gone)
    end = np.where(has_event, event, np.fmin(np.fmin(gone, completed), study.as_of))
    at_risk = ~has_event & np.isnan(gone) & np.isnan(completed)
    return Observed(study.as_of, entry, np.maximum(end - entry, LEAST), has_event, out & ~has_event, at_risk)
