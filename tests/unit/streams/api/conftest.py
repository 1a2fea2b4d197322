"""The API on a port of loopback over a ledger with 32 units, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.fill import fill_units, filled
from tests.browser.memory_log import MemoryLog
from tests.browser.site import Site


@pytest.fixture(scope="session")
def filled_uri(postgres_server: Any) -> str:
    """A ledger with 32 units."""
    return filled(postgres_server, fill_units)


@pytest.fixture(scope="session")
def shared_site(filled_uri: str) -> Iterator[Site]:
    """The API, for tests that leave it as it was."""
    one = Site(filled_uri)
    yield one
    one.close()


@pytest.fixture
def api(shared_site: Site) -> Iterator[httpx.Client]:
    """A client of the shared API."""
    with httpx.Client(base_url=shared_site.url, timeout=20) as client:
        yield client


@pytest.fixture
def site(filled_uri: str) -> Iterator[Site]:
    """An API of the test's own, with a log of its own."""
    one = Site(filled_uri, heartbeat_seconds=0.2)
    yield one
    one.close()


@pytest.fixture
def log(site: Site) -> MemoryLog:
    """The topic log behind `site`."""
    return site.log


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """An empty place for keys."""
    return tmp_path / "keys"
