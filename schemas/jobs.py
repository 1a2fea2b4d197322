"""Re-simulation: what a twin asks, how the question is specified, what comes back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Priority = Literal["patient_safety", "release", "what_if", "background"]


class SimulationSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """All that a re-simulation needs; data only, never code. `horizon` is in hours."""

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    model: Annotated[str, Meta(min_length=1, max_length=128)]
    parameters: dict[str, float]
    seed: Annotated[int, Meta(ge=0)]
    draws: Annotated[int, Meta(ge=1, le=10_000_000)]
    horizon: Annotated[float, Meta(gt=0)]
    inputs: dict[str, Any] = {}  # depends on the kind; the engine validates it


class ResimulationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A twin's question. The effect id of the request is the job's id."""

    spec: SimulationSpec
    reason: str
    priority: Priority = "background"
    deadline: str | None = None
    content_hash: str = ""


class ResimulationResult(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer, with everything needed to repeat it."""

    job: str
    status: Literal["done", "failed", "cancelled"]
    seed: int
    versions: dict[str, str]
    device: str
    inputs_offset: int
    summary: dict[str, Any] = {}  # depends on the kind
    error: str = ""
