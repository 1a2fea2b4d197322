"""The engine `bioreactor.reestimate`: what a run so far says of its parameters, and what they say of its end.

All that was measured counts at once, by smoothing: draws of the parameters are carried through the run as units of the
joint filter and weighed by how well they expect it. docs/reestimation.md has the method and how well it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.jobs import SimulationSpec
from twins.bioreactor.models.registry import MODELS
from twins.bioreactor.reestimation.course import Course
from twins.bioreactor.reestimation.history import read_history
from twins.bioreactor.reestimation.question import KIND, read_question
from twins.block import Memory
from twins.engine import Device, Needs, Overlap

VERSION = "1"  # raise it when the same question would be answered by other numbers


class Reestimate:
    """Parameter re-estimation by smoothing, then an ensemble forecast (`twins.engine.Engine`)."""

    kind = KIND
    needs: Needs = "cpu"
    overlap: Overlap = "supersede"

    def versions(self) -> dict[str, str]:
        """Name engine, library and models."""
        models = ",".join(f"{name}@{model.version}" for name, model in sorted(MODELS.items()))
        return {"engine": f"{KIND}@{VERSION}", "numpy": np.__version__, "models": models}

    def validate(self, spec: SimulationSpec) -> None:
        """Check a specification.

        Raises
        ------
        SettingsError
            With what was expected, what came, where, what to do.
        """
        read_question(spec)

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> Course:
        """Make ready to run.

        Parameters
        ----------
        past : sequence of Memory
            The twin's kept minutes, from the start of the batch that is named or before it.

        Raises
        ------
        SettingsError
            If the specification cannot be used, or the past does not hold the batch's start.
        """
        question = read_question(spec)
        return Course(question, read_history(question, past))
