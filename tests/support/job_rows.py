"""Rows of the job ledger, as dispatcher and workers leave them; for tests of what reads them."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

SPEC: dict[str, Any] = {
    "kind": "bioreactor.reestimate", "model": "growth@1", "parameters": {"mu_max": 0.3}, "seed": 7, "draws": 100,
    "horizon": 24.0, "inputs": {"steps": 4},
}  # fmt: skip
BELIEF = {"value": 0.21, "low": 0.19, "high": 0.24, "unit": "/h"}


def put_job(connection: psycopg.Connection[Any], job: str, **more: Any) -> int:
    """Insert one job; give its number. `spec`, `result` and `document` may be given as JSON."""
    now = datetime.now(UTC)
    ended = more.get("state", "queued") not in ("queued", "running")  # of a twin and kind one job waits, one runs
    row: dict[str, Any] = {
        "id": job,
        "twin_kind": "bioreactor",
        "twin_key": "BR-01" if ended else f"BR of {job}",
        "kind": "bioreactor.reestimate",
        "tenant": "site",
        "asked_by": "growth@1",
        "reasons": ["growth slows"],
        "priority": 3,
        "rank": more.get("priority", 3),
        "spec": SPEC,
        "content_hash": job.encode()[-8:],
        "event_time": now - timedelta(minutes=5),
        "asked_at": now - timedelta(minutes=5),
        **more,
    }
    for name in ("spec", "result"):
        if isinstance(row.get(name), dict):
            row[name] = json.dumps(row[name], sort_keys=True).encode()
    if isinstance(row.get("document"), dict):
        row["document"] = zlib.compress(json.dumps(row["document"]).encode())
    if isinstance(row.get("rates"), dict):
        row["rates"] = json.dumps(row["rates"])
    names = ", ".join(row)
    marks = ", ".join(f"%({name})s" for name in row)
    found = connection.execute(f"insert into job ({names}) values ({marks}) returning no".encode(), row).fetchone()
    assert found is not None
    return int(found[0])


def running(worker: str = "w-1", device: str = "cpu", **more: Any) -> dict[str, Any]:
    """Give what a job has that runs."""
    now = datetime.now(UTC)
    return {
        "state": "running", "attempt": 1, "worker": worker, "device": device, "started_at": now, "progressed_at": now,
        "lease_until": now + timedelta(seconds=30), "share": 0.25, "note": "smoothing", "seconds": 2.5,
        "rates": {"draws_per_second": 40.0}, **more,
    }  # fmt: skip


def answered(job: str, summary: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give what a job has that was answered."""
    now = datetime.now(UTC)
    provenance = {
        "seed": 7, "versions": {"numpy": "2.3.4", "engine": "1"}, "device": "cpu", "reproducibility": "exact",
        "inputs": ["bioreactor.events/3/120"], "content_hash": "ab", "attempt": 1, "seconds": 4.5,
    }  # fmt: skip
    return {
        "state": "done", "attempt": 1, "worker": "", "device": "cpu", "share": 1.0, "seconds": 4.5,
        "started_at": now, "finished_at": now, "document": {"all": [1, 2, 3]},
        "result": {
            "job": job, "kind": "bioreactor.reestimate", "status": "done", "provenance": provenance,
            "summary": summary,
        },
        **more,
    }  # fmt: skip
