"""The engine of course correction. docs/enrollment_simulation.md says what may be asked."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.jobs import SimulationSpec
from twins.block import Memory
from twins.engine import Device, Needs, Overlap, Run
from twins.enrollment.course.document import KIND, read_scenario
from twins.enrollment.course.records import question_of, versions
from twins.enrollment.course.running import CourseRun


class EnrollmentCourse:
    """What a study's enrollment may come to, and what each action would change. Constants only."""

    kind: str = KIND
    needs: Needs = "cpu"
    overlap: Overlap = "supersede"

    def versions(self) -> dict[str, str]:
        """See `twins.engine.Engine`."""
        return versions()

    def validate(self, spec: SimulationSpec) -> None:
        """See `twins.engine.Engine`."""
        read_scenario(spec)

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> Run:
        """See `twins.engine.Engine`. The past is not looked at: a request holds what is believed."""
        scenario = read_scenario(spec)
        return CourseRun(spec, scenario, question_of(spec, scenario), max(device.threads, 1), self.versions())
