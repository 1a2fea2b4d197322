"""What has ended is kept so many days, and what others still repeat as long as they."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from schemas.jobs import ResimulationRequest, SimulationSpec
from streams.jobs.content import canonical_spec, content_hash
from streams.jobs.engines import versions_beside
from streams.jobs.retention import drop_jobs
from tests.support.engines import prepared
from tests.support.job_rows import put_job


@pytest.fixture
def ledger(postgres_uri: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(prepared(postgres_uri), autocommit=True) as connection:
        yield connection


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


@pytest.mark.postgres
def test_ended_jobs_go_after_their_days(ledger: psycopg.Connection[Any]) -> None:
    put_job(ledger, "old", state="done", finished_at=days_ago(31))
    put_job(ledger, "old, repeated", state="done", finished_at=days_ago(40))
    put_job(ledger, "repeats it", state="done", finished_at=days_ago(2), answered_by="old, repeated")
    put_job(ledger, "young", state="failed", finished_at=days_ago(29))
    put_job(ledger, "waits", asked_at=days_ago(90))
    assert drop_jobs(ledger, 30) == 1
    assert [row[0] for row in ledger.execute("select id from job order by no")] == [
        "old, repeated", "repeats it", "young", "waits",
    ]  # fmt: skip
    assert drop_jobs(ledger, 30) == 0


def test_another_version_of_a_library_is_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SimulationSpec("bioreactor", "yeast", {}, 7, 1, 2.0)
    request = ResimulationRequest(spec, "why")

    def asked() -> bytes:
        return content_hash(request, "bioreactor", "BR-1", (), canonical_spec(spec))

    before = asked()
    assert asked() == before
    assert dict(versions_beside("bioreactor"))["numpy"] != "none"
    monkeypatch.setattr("streams.jobs.content.versions_beside", lambda kind: (("numpy", "0.0"),))
    assert asked() != before
