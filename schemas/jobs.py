"""Re-simulation: what a twin asks, how the question is specified, what comes back."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Priority = Literal["patient_safety", "release", "what_if", "background"]
PRIORITIES: tuple[Priority, ...] = ("patient_safety", "release", "what_if", "background")
Reproducibility = Literal["exact", "statistical"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "superseded"]
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled", "superseded")  # a job in one of these moves no more

MOST_SUMMARY_BYTES = 64 * 1024  # of an answer's summary, which travels through the twin's own topic


class SimulationSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """All that a re-simulation needs; data only, never code. `horizon` is in hours."""

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    model: Annotated[str, Meta(min_length=1, max_length=128)]
    parameters: dict[str, float]
    seed: Annotated[int, Meta(ge=0)]
    draws: Annotated[int, Meta(ge=1, le=10_000_000)]
    horizon: Annotated[float, Meta(gt=0)]
    inputs: dict[str, Any] = {}  # depends on the kind; the engine validates it


def hash_of(document: Any) -> str:  # Any: what msgspec encodes
    """Give the hash of a document's canonical JSON (SHA-256), in hexadecimal; a specification's names the question.

    Examples
    --------
    >>> hash_of(SimulationSpec("bioreactor", "yeast", {}, 1, 1, 2.0))[:12]
    'f0ba09380b17'
    """
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


class ResimulationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A question. The effect id of a twin's request is the job's id; what a person asks gets an id of its own.

    `deadline` is RFC 3339 text in UTC. `tenant` is whose budget pays. `past_from` names the event time from which the
    worker is to be handed what the ledger keeps of the twin, up to the request's own record; null: nothing.
    """

    spec: SimulationSpec
    reason: str
    priority: Priority = "background"
    deadline: str | None = None
    content_hash: str = ""
    tenant: Annotated[str, Meta(min_length=1, max_length=64)] = "site"
    past_from: str | None = None


class Provenance(Struct, frozen=True, forbid_unknown_fields=True):
    """How an answer came to be: enough to repeat it.

    `inputs` are the places `topic/partition/offset` up to which facts were known; `resumed` the checkpoints it went on
    from, each `attempt/seq` with how (`exact` or `portable`); `bucket` the padded size of a launch, 0 where it says
    nothing; `cached_from` the job whose answer this repeats.
    """

    seed: int
    versions: dict[str, str]
    device: str
    reproducibility: Reproducibility
    inputs: tuple[str, ...] = ()
    content_hash: str = ""
    bucket: int = 0
    attempt: int = 1
    resumed: tuple[str, ...] = ()
    seconds: float = 0.0
    cached_from: str = ""


class ResimulationResult(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer: in short, with everything needed to repeat it. The whole document stays in the job ledger."""

    job: str
    kind: str
    status: Literal["done", "failed", "cancelled"]
    provenance: Provenance
    summary: dict[str, Any] = {}  # depends on the kind
    error: str = ""


class JobProgress(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a job is: `share` of 1, and what the engine says of itself, such as `ns_per_day`."""

    job: str
    state: JobState
    share: float = 0.0
    note: str = ""
    rates: dict[str, float] = {}
