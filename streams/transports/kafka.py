"""Faust on Kafka: its aiokafka driver with frames. Any number of workers, with static membership."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, ClassVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from schemas.placement import partition_of
from streams.transports.coalescing import CoalescingConsumer
from streams.transports.hooks import hooks_of

# aiokafka has one fetch under way per broker. One that asks only for partitions without news is answered after this
# long [ms], and the other partitions wait for it. Faust's driver says 1500, too long for an alert.
FETCH_WAIT_MS = 50


class _AsParsed(PartitionRecords):  # type: ignore[misc]  # it has no types
    """Records as aiokafka's parser made them: a `ConsumerRecord` of each would cost more than the parsing."""

    def _consumer_record(self, tp: TopicPartition, record: Any) -> Any:
        return record


class _Results(OrderedDict[TopicPartition, Any]):
    """What a fetcher holds ready, by partition: framed topics as parsed, others as aiokafka has them.

    Written against aiokafka 0.14, whose fetcher puts each result here before anybody reads it.
    """

    def __init__(self, framed: Callable[[str], bool]) -> None:
        super().__init__()
        self._framed = framed

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        if isinstance(result, FetchResult) and self._framed(tp.topic):
            result._partition_records.__class__ = _AsParsed
        super().__setitem__(tp, result)


class KafkaConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with a shorter wait at the broker and records as they were parsed."""

    async def on_start(self) -> None:
        """Start the consumer, and take what it fetches in our own way."""
        await super().on_start()
        fetcher = self._ensure_consumer()._fetcher
        ready = _Results(hooks_of(self.app).framed)
        ready.update(fetcher._records)
        fetcher._records = ready

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class KafkaConsumer(CoalescingConsumer, driver.Consumer):
    """aiokafka's consumer with frames; a record of a frame is that of aiokafka's parser.

    A worker that was frozen for longer than its lease is `lost`: with static membership the broker would let it
    go on as if nothing had been. The ledger's epoch refuses what slips through.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = FreezeGuard(self._hooks.lease_seconds, self._hooks.lost)

    def _new_consumer_thread(self) -> KafkaConsumerThread:
        return KafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_start(self) -> None:
        """Watch for having been frozen."""
        self._guard.start()
        await super().on_start()

    async def on_stop(self) -> None:
        """Finish what is in work and leave the group."""
        await super().on_stop()
        self._guard.close()

    async def _seek(self, partition: TP, offset: int) -> None:
        self._count_seek(partition)
        await super()._seek(partition, offset)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek, as table recovery does."""
        for tp in partitions:
            self._count_seek(tp)
        await super().seek_wait(partitions)

    def _may_work(self) -> bool:
        return super()._may_work() and self._guard.holds()


class FreezeGuard:
    """Notices that the process stood still: a thread that should run all the time and did not."""

    def __init__(self, lease_seconds: float, lost: Any) -> None:
        self._lease = lease_seconds
        self._lost = lost
        self._seen = monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="freeze-guard", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._seen = monotonic()
        self._thread.start()

    def holds(self) -> bool:
        """Tell whether the process ran all the time; if not, it is `lost`."""
        still = monotonic() - self._seen
        if still <= self._lease or self._closing.is_set():
            return True
        self._closing.set()
        self._lost(f"this process stood still for {still:.1f} s, the lease is {self._lease:g} s")
        return False

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.wait(self._lease / 12):
            if not self.holds():
                return
            self._seen = monotonic()


def place(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """Place a key as everywhere else; aiokafka would place one without a key at random."""
    return partitions[partition_of(key, len(partitions))]


class KafkaProducer(driver.Producer):
    """aiokafka's producer: idempotent, acks from all replicas, keys placed as everywhere else."""

    def __post_init__(self) -> None:
        if self.partitioner is None:
            self.partitioner = place
        super().__post_init__()

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(driver.Transport):
    """Kafka as a Faust transport, with frames."""

    Consumer: ClassVar[type[KafkaConsumer]] = KafkaConsumer
    Producer: ClassVar[type[KafkaProducer]] = KafkaProducer


__all__ = ["FreezeGuard", "KafkaConsumer", "Transport", "hooks_of", "place"]
