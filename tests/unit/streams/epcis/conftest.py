"""The API with EPCIS' interfaces over an empty ledger and its own topic log, shared by the tests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streams.prepare import prepare
from tests.unit.streams.epcis.partner import LoggedSite, Partner, new_box


@pytest.fixture(scope="session")
def epcis_site(postgres_server: Any) -> Iterator[tuple[LoggedSite, str]]:
    """One site for all tests of a run; each test speaks of boxes of its own."""
    database = postgres_server.database()
    prepare(database, None)
    site = LoggedSite(database)
    yield site, database
    site.close()
    postgres_server.drop(database)


@pytest.fixture(scope="session")
def partner(epcis_site: tuple[LoggedSite, str]) -> Iterator[Partner]:
    """A partner of that site."""
    one = Partner(*epcis_site)
    yield one
    one.client.close()


@pytest.fixture
def box() -> str:
    """A box that no other test knows."""
    return new_box()
