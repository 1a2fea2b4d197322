"""The servers a benchmark measures: a PostgreSQL of its own, a Kafka where asked for, and a worker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg

from benchmarks.processes import Child, module, process_seconds
from schemas.topics import Topic, input_topic
from scripts.kafka import KafkaServer
from streams.database import embedded
from streams.prepare import prepare

TOPIC = input_topic("bioreactor")
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a benchmark plays: a scratch folder, a prepared database, perhaps a broker."""

    folder: Path
    uri: str
    broker: str | None
    postgres_pid: int
    broker_pid: int | None

    @property
    def roots(self) -> dict[str, int]:
        """The servers' process ids by name, for a CpuMeter."""
        found = {"postgresql": self.postgres_pid}
        if self.broker_pid is not None:
            found["kafka"] = self.broker_pid
        return found

    def environment(self, **settings: object) -> dict[str, str]:
        """Give the environment of a worker on this stage."""
        found = {
            "TWINSTREAM_DATABASE": self.uri,
            "TWINSTREAM_DATA_DIR": str(self.folder / "worker"),
            "TWINSTREAM_LOG_LEVEL": "WARNING",
            "TWINSTREAM_MEMORY_LIMIT_MB": "16384",
        }
        if self.broker is not None:
            found["TWINSTREAM_BROKER"] = self.broker
        found.update({f"TWINSTREAM_{name.upper()}": str(value) for name, value in settings.items()})
        return found


@contextmanager
def stage(transport: str, scratch: Path | None = None) -> Iterator[Stage]:
    """Set up `embedded` or `kafka` from nothing, and leave nothing.

    The server notes when each transaction was committed (`track_commit_timestamp`), which the product does not
    ask for: the latencies are read from it. All that makes a commit durable stays as the product has it.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="twinstream-bench-", dir=scratch))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # The server may run as another user when started by root.
        folder.chmod(0o755)
        data = folder / "postgres"
        with embedded(data) as uri, psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("alter system set track_commit_timestamp = on")
        uri = stack.enter_context(embedded(data))
        server = stack.enter_context(KafkaServer(quick=False, heap="1g")) if transport == "kafka" else None
        broker = server.url if server else None
        prepare(uri, broker, wait=server is not None)
        postmaster = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        yield Stage(folder, uri, broker, postmaster, server.pid if server else None)


def start_worker(
    where: Stage, name: str = "worker", environment: Mapping[str, str] | None = None, **settings: object
) -> Child:
    """Start a worker of the product; `settings` as in streams/settings.py."""
    environment = {**where.environment(**settings), **(environment or {})}
    environment["TWINSTREAM_BENCH_MARKS"] = str(marks_file(where, name))
    return Child(module("benchmarks.worker"), environment=environment, log=where.folder / f"{name}.log")


def marks_file(where: Stage, name: str = "worker") -> Path:
    """Where a worker that stopped gently left the instants of its commits."""
    return where.folder / f"{name}.marks"


def await_owner(
    where: Stage, worker: Child, before: Mapping[int, int] | None = None, topic: Topic = TOPIC
) -> dict[int, int]:
    """Wait until a worker has claimed every partition, each with an epoch above `before`; give the epochs."""
    until = monotonic() + _READY_SECONDS
    with psycopg.connect(where.uri, autocommit=True) as connection:
        while monotonic() < until:
            worker.alive()
            rows = connection.execute(
                "select partition, epoch from applied where epoch > 0 and topic = %s", (topic.name,)
            ).fetchall()
            epochs = {partition: epoch for partition, epoch in rows if epoch > (before or {}).get(partition, 0)}
            if len(epochs) == topic.partitions:
                return epochs
            sleep(0.02)
    raise TimeoutError(f"expected the worker to claim its partitions within {_READY_SECONDS:g} s: {worker.told()}")


def applied(connection: psycopg.Connection[Any], topic: Topic = TOPIC) -> int:
    """Count the records that the ledger holds."""
    row = connection.execute(
        "select coalesce(sum(next_offset), 0) from applied where topic = %s", (topic.name,)
    ).fetchone()
    return int(row[0]) if row else 0


def await_applied(where: Stage, wanted: int, worker: Child, seconds: float, topic: Topic = TOPIC) -> float:
    """Wait until so many records are applied; give the monotonic time at which they were."""
    until = monotonic() + seconds
    with psycopg.connect(where.uri, autocommit=True) as connection:
        while (count := applied(connection, topic)) < wanted:
            worker.alive()
            if monotonic() > until:
                raise TimeoutError(f"expected {wanted} records applied within {seconds:g} s, found {count}")
            sleep(0.01)
    return monotonic()


def backends(where: Stage, worker: Child) -> dict[tuple[str, int], float]:
    """CPU seconds of each of the server's processes by (what it does, pid)."""
    with psycopg.connect(where.uri, autocommit=True) as connection:
        rows = connection.execute(
            "select pid, case when backend_type <> 'client backend' then backend_type"
            " when application_name not like %s then application_name"
            " when query like '%%log_record%%' or query like '%%log_head%%' then 'worker reads'"
            " else 'worker commits' end from pg_stat_activity where pid <> pg_backend_pid()",
            (f"%-{worker.pid}-%",),
        ).fetchall()
    return {(name, pid): process_seconds(pid) for pid, name in rows}


def backends_used(before: dict[tuple[str, int], float], after: dict[tuple[str, int], float]) -> dict[str, float]:
    """CPU seconds by what the server's processes do, those that were there both times."""
    used: dict[str, float] = {}
    for (name, pid), seconds in after.items():
        if (name, pid) in before:
            used[name] = used.get(name, 0.0) + seconds - before[name, pid]
    return used
