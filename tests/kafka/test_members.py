"""Workers on a real Kafka: they share partitions; a static member that restarts has its own back; a frozen one ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from streams.transports import open_writer
from streams.transports.kafka_access import KafkaWriter
from tests.contract.processes import Process

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
LEASE = 6.0


class Plant:
    """A topic, a group, and the workers of a test."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.topic = f"t-{uuid4().hex[:8]}"
        self.group = f"g-{uuid4().hex[:8]}"
        self.workers: list[Process] = []
        KafkaWriter.declare(broker, {self.topic: 8})

    def worker(self, instance: str = "") -> Process:
        name = f"{len(self.workers)}"
        one = Process(
            "", self.topic, self.folder / name, lease=LEASE, group=self.group, broker=self.broker, instance=instance
        )
        self.workers.append(one)
        return one

    def write(self, count: int) -> None:
        writer = open_writer(self.broker, "")
        writer.append(self.topic, [(b"k%d" % (i % 64), b"v", None) for i in range(count)])
        writer.close()


@pytest.fixture
def plant(kafka_server: Any, tmp_path: Path) -> Iterator[Plant]:
    one = Plant(kafka_server.url, tmp_path)
    yield one
    for worker in one.workers:
        worker.close()


def last_claim(worker: Process) -> set[int]:
    claims = [set(word["partitions"]) for word in worker.said if word["event"] == "claimed"]
    return claims[-1] if claims else set()


def test_two_workers_share_the_partitions(plant: Plant) -> None:
    first = plant.worker()
    first.until(lambda: len(last_claim(first)) == 8, 30, "all partitions")
    second = plant.worker()
    second.until(lambda: len(last_claim(second)) == 4, 30, "half of them")
    first.until(lambda: len(last_claim(first)) == 4, 30, "the other half")
    assert last_claim(first) | last_claim(second) == set(range(8))
    seen = first.offsets()
    plant.write(640)
    second.until(lambda: second.offsets() > 0, 20, "frames")
    first.until(lambda: first.offsets() - seen + second.offsets() >= 640, 20, "all records")


def test_a_static_member_that_was_killed_has_its_partitions_back_at_once(plant: Plant) -> None:
    first, second = plant.worker("one"), plant.worker("two")
    for worker in (first, second):
        worker.until(lambda worker=worker: len(last_claim(worker)) == 4, 40, "half of the partitions")  # type: ignore[misc]
    mine, claims = last_claim(second), len(first.said)
    second.signal(signal.SIGKILL)
    again = plant.worker("two")
    took = again.until(lambda: last_claim(again) == mine, 10, "its partitions")
    print(f"a static member was back, from process start, in {took:.2f} s")
    assert not [word for word in first.said[claims:] if word["event"] == "claimed"], "the other was disturbed"


def test_a_frozen_worker_ends_when_it_wakes_before_it_works(plant: Plant) -> None:
    first = plant.worker("one")
    first.until(lambda: len(last_claim(first)) == 8, 30, "all partitions")
    plant.write(64)
    first.until(lambda: first.offsets() >= 64, 20, "frames")
    first.signal(signal.SIGSTOP)
    second = plant.worker()
    second.until(lambda: len(last_claim(second)) == 8, 30, "all partitions, once the session ran out")
    frames = sum(word["event"] == "frame" for word in first.said)
    plant.write(64)
    first.signal(signal.SIGCONT)
    assert first.process.wait(5) == 75
    assert sum(word["event"] == "frame" for word in first.said) == frames
