"""What finds faults of probes and actuators by a configuration: the mapping, the detector, and the rows of its twins.

A row begins anew with a batch, and with the inoculation: what a vessel of medium does says nothing of one of cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.fault_mapping import FaultMapping, mapping_of
from twins.bioreactor.fault_rows import BEGAN, DISTRUSTED, NEVER, FaultRows, Floats
from twins.bioreactor.fault_speech import Trust, trust_data
from twins.bioreactor.faulting import Faulting
from twins.bioreactor.rows import Batch
from twins.bioreactor.sections import Faults
from twins.bioreactor.speech import Speech
from twins.bioreactor.state import State
from twins.faults import Detector


class FaultWatch:
    """Constants only."""

    def __init__(self, section: Faults) -> None:
        self.mapping: FaultMapping = mapping_of(section)
        self.detector = Detector(self.mapping.settings)
        self.rows = FaultRows(self.detector.start(1))
        self.width = self.rows.width

    def rows_of(self, state: State, slots: NDArray[np.int64]) -> Floats:
        """Copy the rows of some twins out, those begun anew whose run began at another time."""
        rows: Floats = state.fault[slots]
        began = np.array([_began(state.current[slot]) for slot in slots.tolist()])
        fresh = rows[:, BEGAN] != began
        if fresh.any():
            rows[fresh] = self.rows.beginning
            rows[:, BEGAN] = began
        return rows

    def of_frame(self, state: State, speech: Speech) -> Faulting:
        """Give what folds one frame's minutes."""
        return Faulting(self, state, speech)

    def sensors(self, state: State, slots: Sequence[int]) -> list[dict[str, Any]]:  # Any: goes straight to JSON
        """Say of each mapped tag of n twins whether it is trusted, as `SensorTrust`."""
        rows = self.rows_of(state, np.array(slots, dtype=np.int64))
        kind, other, since, spikes = (
            rows[:, self.rows.place_of(name)]
            for name in ("standing.kind", "standing.other", "standing.since", "spikes")
        )
        return trust_data(self.mapping, Trust(rows[:, DISTRUSTED], kind, other, since, spikes))


def _began(batch: Batch) -> float:
    """Say when the run that the detector follows began: with its cells, else with its batch."""
    at = batch.started if batch.inoculated is None else batch.inoculated
    return NEVER if at is None else float(at)
