"""A job ledger for tests: questions to ask it, answers to give it, and ways to look at what it did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from schemas.effects import Effect, write_effect
from schemas.jobs import Priority, Provenance, ResimulationRequest, ResimulationResult, SimulationSpec
from streams.jobs.ports import Asked, Claimed, Finished
from streams.jobs.store import JobStore
from streams.outputs import EmbeddedOutputs
from tests.support.engines import rows_of
from twins.engine import Overlap

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
KIND = "bioreactor"


def spec(seed: int = 1, kind: str = KIND, **inputs: Any) -> SimulationSpec:
    """A small specification; its seed makes it another."""
    return SimulationSpec(kind, "growth", {"mu_max": 0.04}, seed, 64, 24.0, inputs)


def request(
    seed: int = 1,
    reason: str = "growth slows",
    priority: Priority = "what_if",
    kind: str = KIND,
    deadline: str | None = None,
    tenant: str = "site",
    past_from: str | None = None,
) -> ResimulationRequest:
    """A request of that specification."""
    return ResimulationRequest(spec(seed, kind), reason, priority, deadline, "", tenant, past_from)


def ask(
    name: str,
    key: str = "BR-1",
    overlap: Overlap = "supersede",
    asked: ResimulationRequest | None = None,
    place: str = "resim.requests/0/0",
    **wanted: Any,
) -> Asked:
    """A question as it comes to the ledger; `wanted` as of `request`."""
    return Asked(name, "bioreactor", key, "growth", AT, asked or request(**wanted), overlap, place)


def line(name: str, key: str = "BR-1", **wanted: Any) -> bytes:
    """A question as it stands on the topic."""
    data = msgspec.to_builtins(request(**wanted))
    at = "2026-03-01T08:00:00Z"
    return write_effect(Effect(name, "request", "advisory", "bioreactor", key, at, at, "growth", data))


def open_store(uri: str, at_step: Callable[[str], None] | None = None, **options: Any) -> JobStore:
    """A store on the embedded log."""
    outputs = EmbeddedOutputs(uri)
    return JobStore(uri, outputs, "test-jobs", at_step or (lambda _: None), **options)


def take(
    store: JobStore, worker: str = "w", most: int = 1, kinds: Sequence[str] = (KIND,), seconds: float = 30.0
) -> list[Claimed]:
    """Claim some."""
    return store.claim(worker, kinds, "cpu", most, seconds)


def one(store: JobStore, **wanted: Any) -> Claimed:
    """Claim the one that must be there."""
    (found,) = take(store, **wanted)
    return found


def answer(claimed: Claimed, seconds: float = 1.0, summary: dict[str, Any] | None = None) -> Finished:
    """An answer to it."""
    provenance = Provenance(claimed.spec.seed, {"engine": "1"}, "cpu", "exact", attempt=claimed.lease.attempt)
    result = ResimulationResult(claimed.lease.id, claimed.kind, "done", provenance, summary or {"found": 1.5})
    return Finished(claimed.lease, msgspec.json.encode(result), b'{"whole": [1, 2, 3]}', seconds, "cpu")


def states(uri: str) -> dict[str, str]:
    """State of each job."""
    return dict(rows_of(uri, "select id, state from job order by no"))


def column(uri: str, job: str, name: str) -> Any:
    """One column of one job."""
    return rows_of(uri, f"select {name} from job where id = %s", job)[0][0]


def run_out(uri: str, job: str) -> None:
    """Let a lease be over, by the database's clock."""
    change(uri, "update job set lease_until = clock_timestamp() - interval '1 ms' where id = %s", job)


def change(uri: str, statement: str, *arguments: Any) -> None:
    """Change the ledger behind its back."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(statement.encode(), arguments)


def said(uri: str, topic: str) -> list[tuple[bytes, bytes, dict[str, str]]]:
    """Key, value and headers of what stands on a topic of the embedded log."""
    rows = rows_of(
        uri,
        "select r.key, r.value, r.headers from log_record r join log_topic t on t.no = r.topic where t.name = %s"
        " order by r.partition, r.rec_offset",
        topic,
    )
    return [(bytes(key), bytes(value), msgspec.msgpack.decode(bytes(headers))) for key, value, headers in rows]


def results(uri: str) -> list[ResimulationResult]:
    """What was said on `resim.results`."""
    return [msgspec.json.decode(value, type=ResimulationResult) for _, value, _ in said(uri, "resim.results")]


def race(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls at the same moment, each in a thread; give what they gave, or raise what one raised."""
    barrier, found, errors = threading.Barrier(len(calls)), [None] * len(calls), list[BaseException]()

    def run(i: int) -> None:
        try:
            barrier.wait(10.0)
            found[i] = calls[i]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    if errors:
        raise errors[0]
    return found
