"""A database with the log installed and one topic of eight partitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from streams.log import connect, declare, install


@pytest.fixture
def log(postgres_uri: str) -> Iterator[psycopg.Connection[Any]]:
    """A session on an installed log with the topic `events`."""
    with connect(postgres_uri, "test") as conn:
        install(conn)
        declare(conn, "events", 8)
        yield conn
