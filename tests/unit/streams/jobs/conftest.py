"""A prepared database and a store on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.jobs.store import JobStore
from streams.prepare import prepare
from tests.conftest import PostgresServer
from tests.support.jobs import change, open_store


@pytest.fixture(scope="module")
def jobs_uri(postgres_server: PostgresServer) -> Iterator[str]:
    """A prepared database that a file's tests share; `uri` empties it."""
    uri = postgres_server.database()
    prepare(uri, None)
    yield uri
    postgres_server.drop(uri)


@pytest.fixture
def uri(jobs_uri: str) -> str:
    """The address of an empty job ledger."""
    change(jobs_uri, "truncate job, job_checkpoint, job_budget, job_intake, log_record")
    change(jobs_uri, "update log_head set next_offset = 0, first_offset = 0")
    return jobs_uri


@pytest.fixture
def store(uri: str) -> Iterator[JobStore]:
    """A store."""
    made = open_store(uri)
    yield made
    made.close()
