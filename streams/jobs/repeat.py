"""A job that ended, run again in the foreground: its answer is compared with the one that the job ledger keeps."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from schemas.errors import LedgerError
from schemas.jobs import ResimulationResult, SimulationSpec
from streams.jobs.content import read_spec
from streams.jobs.engines import engines
from streams.jobs.foreground import run_here
from streams.jobs.past import read_past
from streams.ledger.connect import connect

Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that the job ledger keeps, with all that it was computed from. `document` is its whole JSON."""

    id: str
    spec: SimulationSpec
    twin_kind: str
    twin_key: str
    past_from: datetime | None
    inputs: Sequence[str]
    result: ResimulationResult
    document: bytes


class _Repeated(msgspec.Struct, frozen=True):
    """What is read of an answer in the foreground."""

    versions: dict[str, str]
    device: str
    document: msgspec.Raw


def read_kept(connection: psycopg.Connection[Any], job: str) -> Kept | None:
    """Read a job's answer, or that of the job which answered it; None where the ledger keeps none."""
    row = connection.execute(
        "select a.id, a.spec, a.twin_kind, a.twin_key, a.past_from, a.inputs, a.result, a.document"
        " from job j join job a on a.id = coalesce(j.answered_by, j.id)"
        " where j.id = %s and a.result is not null and a.document is not null",
        (job,),
    ).fetchone()
    if row is None:
        return None
    name, spec, twin_kind, twin_key, past_from, inputs, result, document = row
    try:
        whole = zlib.decompress(bytes(document))
    except zlib.error as error:
        raise LedgerError(f"expected a zipped document, received {error}, of job {job}; ask the job again") from None
    answer = msgspec.json.decode(bytes(result), type=ResimulationResult)
    return Kept(name, read_spec(bytes(spec)), twin_kind, twin_key, past_from, inputs, answer, whole)


def repeat(uri: str, job: str) -> Json:
    """Run a job again; say whether its whole answer is the same to the byte.

    Returns
    -------
    dict
        `identical` is null, with why in `note`, where there is nothing to compare; where it is false, `note` says what
        else was different: versions, device.
    """
    with connect(uri, autocommit=True, name="twinstream-explain") as connection:
        kept = read_kept(connection, job)
    if kept is None:
        return {"id": job, "identical": None, "note": "the job ledger keeps no answer of it (any more)"}
    body = run_here(kept.spec.kind, kept.spec, engines(), lambda _: None, read_past(uri, kept))
    again = msgspec.json.decode(body, type=_Repeated)
    before, now = hashlib.sha256(kept.document).hexdigest(), hashlib.sha256(bytes(again.document)).hexdigest()
    how = kept.result.provenance
    changed = [
        f"{name} was {how.versions.get(name)!r}, is {again.versions.get(name)!r}"
        for name in sorted({*how.versions, *again.versions})
        if how.versions.get(name) != again.versions.get(name)
    ]
    if how.device != again.device:
        changed.append(f"device was {how.device!r}, is {again.device!r}")
    return {
        "id": job,
        "answered_by": kept.id,
        "kind": kept.spec.kind,
        "seed": kept.spec.seed,
        "reproducibility": how.reproducibility,
        "sha256": before,
        "sha256_again": now,
        "identical": before == now,
        "note": "; ".join(changed),
    }
