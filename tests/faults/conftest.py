"""What fault tests share: the process that makes workers, and rigs on both transports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.job_pool import Pool
from tests.faults.rig import Rig
from tests.faults.workers import Forge
from tests.support.engines import prepared

MakeRig = Callable[..., Rig]


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    """The process that makes workers."""
    with Forge(tmp_path_factory.mktemp("forge")) as one:
        yield one


@pytest.fixture
def make_rig(request: pytest.FixtureRequest, forge: Forge, postgres_server: Any, tmp_path: Path) -> Iterator[MakeRig]:
    """Make rigs: `make_rig("embedded" or "kafka", seed, ...)`, each on an empty database and empty topics."""
    rigs: list[Rig] = []

    def make(transport: str, seed: int, *, uri: str | None = None, **options: Any) -> Rig:
        if uri is None:
            uri = postgres_server.database()  # goes with its server: to drop each alone takes a second
        broker = request.getfixturevalue("kafka_server").url if transport == "kafka" else None
        folder = tmp_path / f"rig-{len(rigs)}"
        folder.mkdir()
        rig = Rig(forge, uri, broker, folder, seed, **options)
        rigs.append(rig)
        return rig

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def transport(request: pytest.FixtureRequest) -> str:
    """Each transport in turn."""
    return str(request.param)


@pytest.fixture
def pool(postgres_server: Any, tmp_path: Path) -> Iterator[Pool]:
    """A pool of dispatchers and job workers on an empty database."""
    with Pool(prepared(postgres_server.database()), tmp_path) as made:
        yield made
