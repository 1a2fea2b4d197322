"""A worker of supply twins is killed while consequences flow: each is told once, the ledger is what a fold says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import pytest

from schemas.events import Event, write_headers, write_value
from schemas.partitions import TimePassed
from schemas.topics import PARTITIONS
from streams.appending import append_rows
from streams.fold import FileRecord, fold_records
from streams.ledger.connect import connect
from streams.transports.access import open_writer
from streams.verify import verify
from tests.faults.logs import Kept, message_id, read_topic
from tests.support.engines import prepared, rows_of
from tests.support.supply_story import story
from twins.supply import SupplyModel

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
TOPIC = "supply.events"
KILLS = 2


class Worker:
    """A worker in a process of its own."""

    def __init__(self, uri: str, folder: Path) -> None:
        self._output = folder / "worker.log"
        environment = {
            **os.environ, "TWINSTREAM_DATABASE": uri, "TWINSTREAM_DATA_DIR": str(folder),
            "TWINSTREAM_LEASE_SECONDS": "2", "TWINSTREAM_CHECKPOINT_SECONDS": "0.2",
        }  # fmt: skip
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "worker"], env=environment, stdout=output, stderr=output
            )
        self._waiting = threading.Event()  # set by nobody: it paces the looks at the ledger

    def wait_for(self, done: Callable[[], bool]) -> None:
        until = monotonic() + 120
        while not done():
            assert self.process.poll() is None, self._output.read_text()[-3000:]
            assert monotonic() < until, self._output.read_text()[-3000:]
            self._waiting.wait(0.05)

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(60)


def applied(uri: str) -> int:
    return int(rows_of(uri, f"select coalesce(sum(next_offset), 0)::int from applied where topic = '{TOPIC}'")[0][0])


def applied_all(uri: str) -> bool:
    return applied(uri) == sum(map(len, read_topic(None, uri, TOPIC).values()))


def rows(events: Sequence[Event]) -> list[tuple[bytes, bytes, list[tuple[str, bytes]], None]]:
    return [(one.subject.encode(), write_value(one), write_headers(one), None) for one in events]


def test_each_consequence_is_told_once_whatever_is_killed(postgres_uri: str, tmp_path: Path) -> None:
    uri = prepared(postgres_uri)
    writer = open_writer(None, uri, "test")
    events = [one for one in story(3) if not isinstance(one.data, TimePassed)]
    size = -(-len(events) // (KILLS + 1))
    parts = [events[first : first + size] for first in range(0, len(events), size)]
    worker = Worker(uri, tmp_path)
    for part in parts[:-1]:
        before = applied(uri)
        append_rows(writer, TOPIC, rows(part))
        worker.wait_for(lambda before=before: applied(uri) > before)  # type: ignore[misc]
        worker.end(signal.SIGKILL)
        worker = Worker(uri, tmp_path)
    append_rows(writer, TOPIC, rows(parts[-1]))
    worker.wait_for(lambda: applied_all(uri))
    writer.close()
    worker.end(signal.SIGTERM)

    log = read_topic(None, uri, TOPIC)
    told = Counter(message_id(one) for found in log.values() for one in found)
    effects = [name for (name,) in rows_of(
        uri, "select topic || '/' || partition || '/' || rec_offset || '/' || n from effect "
             f"where topic = '{TOPIC}' and kind = 'consequence'")]  # fmt: skip
    assert len(effects) > 10
    assert [told[name] for name in effects] == [1] * len(effects)
    assert sum(told.values()) == len(events) + len(effects)

    written = rows_of(uri, f"select line from effect where topic = '{TOPIC}' order by partition, rec_offset, n")
    folded = [
        line
        for partition in range(PARTITIONS)
        for line in fold_records(SupplyModel(), TOPIC, partition, [FileRecord(*one) for one in log[partition]])
    ]
    assert [bytes(line) for (line,) in written] == folded

    def read(_: str, partition: int, offset: int, limit: int) -> Sequence[Kept]:
        return [one for one in log[partition] if one.offset >= offset][:limit]

    with connect(uri, autocommit=True, name="test") as connection:
        verdicts = list(verify(connection, SupplyModel(), TOPIC, read, lambda *_: 0, 7))
    assert [one.difference for one in verdicts] == [""] * PARTITIONS
