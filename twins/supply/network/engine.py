"""The engine of supply networks. docs/supply_network.md says what may be asked."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

import numpy as np
import scipy

from schemas.jobs import SimulationSpec
from twins.block import Memory
from twins.engine import Device, Needs, Overlap, Run
from twins.supply.network.batch import compile_loop, has_numba
from twins.supply.network.questions import KIND, read_question
from twins.supply.network.running import NetworkRun

ENGINE = "1"  # counts up whenever an answer changes


class SupplyNetwork:
    """When patients of a network are infused, what holds them up, and what each scenario changes. Constants only."""

    kind: str = KIND
    needs: Needs = "cpu"
    overlap: Overlap = "supersede"

    def versions(self) -> dict[str, str]:
        """See `twins.engine.Engine`."""
        loop = f"numba {metadata.version('numba')}" if has_numba() else "plain"
        return {"engine": ENGINE, "numpy": np.__version__, "scipy": scipy.__version__, "loop": loop}

    def validate(self, spec: SimulationSpec) -> None:
        """See `twins.engine.Engine`."""
        read_question(spec)

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> Run:
        """See `twins.engine.Engine`. The past is not looked at: a request holds where everybody is."""
        question = read_question(spec)
        compile_loop()
        return NetworkRun(spec, question, max(device.threads, 1), self.versions())
