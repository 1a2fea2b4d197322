"""The database or the broker goes away and comes back: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from streams.log import Producer
from tests.conftest import PostgresServer
from tests.contract.backends import Backend
from tests.contract.faust_worker import Worker, eventually

pytestmark = pytest.mark.faults


@pytest.fixture(
    params=[pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("own_postgres")
        yield Backend("postgres", database=server.uri, server=server)
    else:
        kafka: Any = request.getfixturevalue("own_kafka")
        yield Backend("kafka", broker=kafka.url, server=kafka)


def _rows(begin: int, end: int) -> list[tuple[bytes | None, bytes | None, Any]]:
    return [(b"BR-%03d" % (i % 40), b"%08d" % i, None) for i in range(begin, end)]


def test_a_server_that_restarts_under_load_costs_nothing(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    lost: list[str] = []

    async def case() -> None:
        writer = backend.writer()
        seen = Worker(
            backend.broker,
            backend.database,
            topic,
            tmp_path,
            group=f"g-{uuid4().hex[:8]}",
            lost=lost.append,
            lease_seconds=6.0,
        )
        async with seen.running():
            await asyncio.to_thread(writer.append, topic, _rows(0, 2000))
            await seen.until(lambda: seen.count() >= 2000)
            await asyncio.to_thread(backend.server.stop)
            during = [
                asyncio.ensure_future(asyncio.to_thread(writer.append, topic, _rows(b, b + 500)))
                for b in range(2000, 4000, 500)
            ]
            await asyncio.to_thread(backend.server.start)
            await asyncio.wait_for(asyncio.gather(*during), 60)
            await asyncio.to_thread(writer.append, topic, _rows(4000, 5000))
            await seen.until(lambda: len({record.value for record in seen.records}) >= 5000, 60)
            assert lost == []
            if backend.broker is None:  # on Kafka the broker may assign anew, and the claim here always says 0
                assert seen.claimed == [set(range(8))]
                assert seen.count() == 5000
                assert all(offsets == list(range(len(offsets))) for offsets in seen.offsets.values())
        await asyncio.to_thread(writer.close)

    asyncio.run(case())


@pytest.mark.postgres
def test_a_database_away_at_the_start_is_waited_for(own_postgres: PostgresServer, tmp_path: Path) -> None:
    backend = Backend("postgres", database=own_postgres.uri, server=own_postgres)
    topic = backend.topic()
    own_postgres.stop()

    async def case() -> None:
        producer = Producer(own_postgres.uri)
        answer = producer.send(topic, _rows(0, 100))
        seen = Worker(None, own_postgres.uri, topic, tmp_path)
        async with seen.running():
            await eventually(lambda: seen.app.started and seen.app.consumer.away, what="noticed")
            assert not answer.done()
            await asyncio.to_thread(own_postgres.start)
            await seen.until(lambda: seen.count() >= 100, 30)
            assert sum(place.offset for place in answer.result(5)) == 0
        await asyncio.to_thread(producer.close)

    asyncio.run(case())
