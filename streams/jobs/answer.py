"""An answer as it is sent and kept: the engine's words with how they came to be."""

from __future__ import annotations

import msgspec

from schemas.jobs import Provenance, ResimulationResult
from streams.jobs.messages import Answered
from streams.jobs.ports import Claimed, Finished


def finished(claimed: Claimed, answered: Answered, device: str, seconds: float) -> Finished:
    """Make what is committed. `seconds` are those of this attempt so far; the answer says those of all."""
    result = ResimulationResult(
        job=claimed.lease.id,
        kind=claimed.kind,
        status="done",
        provenance=Provenance(
            seed=claimed.spec.seed,
            versions=answered.versions,
            device=device,
            reproducibility=answered.reproducibility,
            inputs=claimed.inputs,
            content_hash=claimed.content_hash,
            bucket=answered.bucket,
            attempt=claimed.lease.attempt,
            resumed=tuple(answered.resumed),
            seconds=round(claimed.seconds + seconds, 3),
        ),
        summary=msgspec.json.decode(answered.summary, type=dict),
    )
    body = msgspec.json.encode(result, order="sorted")
    return Finished(claimed.lease, body, answered.document, seconds, device)
