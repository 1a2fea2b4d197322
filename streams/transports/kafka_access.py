"""Writer and reader on Kafka for code without an event loop: aiokafka in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from time import monotonic
from typing import Any, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.errors import LogError, TopicMissingError
from schemas.events import Headers
from schemas.placement import partition_of
from streams.log import Placed, Row
from streams.log.read import LIMIT_RECORDS
from streams.transports.addresses import kafka_servers

T = TypeVar("T")

CALL_SECONDS = 30.0
LARGEST_REQUEST = 4 << 20  # bytes; four times the largest record
# The broker's clock says when the log knew a record; its producers' clocks do not agree.
_CONFIGURATION = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(LARGEST_REQUEST)}
_FIND_TRIES, _FIND_SECONDS = 10, 0.2
_HEADERS = msgspec.msgpack.Decoder(dict[str, str])


class _Loop:
    """An event loop in a thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run a coroutine there and give its result.

        Raises
        ------
        LogError
            If Kafka says no, or does not answer in time.
        """
        answer = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return answer.result(timeout)
        except FutureTimeoutError:
            answer.cancel()
            raise LogError(f"expected Kafka to answer within {timeout:g} s, it did not; is the broker up?") from None
        except KafkaError as error:
            raise LogError(f"Kafka said no: {error!r}") from error

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5.0)
        if not self._thread.is_alive():
            self._loop.close()


class KafkaWriter:
    """A LogWriter on Kafka: acks from all replicas, idempotent, keys placed as in the embedded log."""

    def __init__(self, broker: str, name: str = "twinstream-writer") -> None:
        self._loop = _Loop(name)
        self._servers = kafka_servers(broker)
        self._name = name
        self._producer: AIOKafkaProducer | None = None
        self._starting: asyncio.Lock | None = None
        self._open = True

    def append(
        self, topic: str, rows: Sequence[Row], partition: int | None = None, timeout: float = 60.0
    ) -> list[Placed]:
        """See LogWriter. One `Placed` for each row, in their order: other producers' records may lie between them."""
        if not self._open:
            raise LogError(f"expected an open writer, received records of {topic} after it was closed")
        return self._loop.call(self._append(topic, rows, partition), timeout)

    def close(self) -> None:
        """See LogWriter."""
        if not self._open:
            return
        self._open = False
        if self._producer is not None:
            self._loop.call(self._producer.stop(), CALL_SECONDS)
        self._loop.close()

    @staticmethod
    def declare(broker: str, topics: Mapping[str, int]) -> None:
        """Create topics that are missing, on one replica where there is one broker, else on up to three."""
        loop = _Loop("twinstream-declare")
        try:
            loop.call(_declare(kafka_servers(broker), topics), CALL_SECONDS)
        finally:
            loop.close()

    async def _append(self, topic: str, rows: Sequence[Row], partition: int | None) -> list[Placed]:
        """Send whole batches: a message and a future for each record cost several times as much."""
        producer = await self._started()
        await _find(producer.client, topic)
        count = len(await producer.partitions_for(topic))
        by_partition: dict[int, list[int]] = {}
        for i, (key, _, _) in enumerate(rows):
            by_partition.setdefault(partition_of(key, count) if partition is None else partition, []).append(i)
        sent = []
        for to, of in sorted(by_partition.items()):
            batch, within = producer.create_batch(), list[int]()
            for i in of:
                key, value, headers = rows[i]
                record = {"timestamp": None, "key": key, "value": value, "headers": _pairs(headers)}
                if batch.append(**record) is None:  # full; an empty one takes a record of any size
                    sent.append((to, within, await producer.send_batch(batch, topic, partition=to)))
                    batch, within = producer.create_batch(), []
                    batch.append(**record)
                within.append(i)
            sent.append((to, within, await producer.send_batch(batch, topic, partition=to)))
        placed: dict[int, Placed] = {}
        for to, within, answer in sent:
            where = await answer
            for n, i in enumerate(within):
                placed[i] = Placed(topic, to, where.offset + n, where.timestamp)
        return [placed[i] for i in range(len(rows))]

    async def _started(self) -> AIOKafkaProducer:
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._servers,
                    client_id=self._name,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=256 << 10,
                    max_request_size=LARGEST_REQUEST,
                )
                await producer.start()
                self._producer = producer
        return self._producer


class KafkaReader:
    """A LogReader on Kafka, outside any consumer group. Records are aiokafka's own."""

    def __init__(self, broker: str, name: str = "twinstream-reader") -> None:
        self._loop = _Loop(name)
        self._servers = kafka_servers(broker)
        self._name = name
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[TopicPartition, int] = {}

    def read(self, topic: str, partition: int, offset: int, limit: int = LIMIT_RECORDS) -> Sequence[Any]:
        """See LogReader."""
        return self._loop.call(self._read(TopicPartition(topic, partition), offset, limit), CALL_SECONDS)

    def beginnings(self, topic: str) -> dict[int, int]:
        """See LogReader."""
        return self._loop.call(self._edges(topic, "beginning_offsets"), CALL_SECONDS)

    def ends(self, topic: str) -> dict[int, int]:
        """See LogReader."""
        return self._loop.call(self._edges(topic, "end_offsets"), CALL_SECONDS)

    def wait(self, timeout: float) -> bool:
        """See LogReader. Kafka wakes nobody here: it is a poll."""
        threading.Event().wait(min(timeout, 0.05))
        return False

    def close(self) -> None:
        """See LogReader."""
        if self._consumer is not None:
            self._loop.call(self._consumer.stop(), CALL_SECONDS)
            self._consumer = None
        self._loop.close()

    async def _read(self, tp: TopicPartition, offset: int, limit: int) -> Sequence[Any]:
        consumer = await self._started()
        if tp not in consumer.assignment():
            consumer.assign([*consumer.assignment(), tp])
            self._positions.clear()
        if self._positions.get(tp) != offset:
            consumer.seek(tp, offset)
        rows: Sequence[Any] = (await consumer.getmany(tp, timeout_ms=0, max_records=limit)).get(tp, [])
        if not rows:
            end = (await consumer.end_offsets([tp]))[tp]
            until = monotonic() + CALL_SECONDS / 2
            while not rows and await consumer.position(tp) < end and monotonic() < until:
                rows = (await consumer.getmany(tp, timeout_ms=200, max_records=limit)).get(tp, [])
        self._positions[tp] = rows[-1].offset + 1 if rows else offset
        return rows

    async def _edges(self, topic: str, which: str) -> dict[int, int]:
        consumer = await self._started()
        partitions = await _find(consumer._client, topic)
        edges = await getattr(consumer, which)([TopicPartition(topic, partition) for partition in sorted(partitions)])
        return {tp.partition: offset for tp, offset in edges.items()}

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._servers,
                client_id=self._name,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=100,
            )
            await consumer.start()
            self._consumer = consumer
        return self._consumer


async def _find(client: AIOKafkaClient, topic: str) -> set[int]:
    """Give the partitions of a topic; a new one may take a moment to be known to the broker that is asked."""
    for _ in range(_FIND_TRIES):
        partitions = client.cluster.partitions_for_topic(topic)
        if partitions:
            return set(partitions)
        await client.add_topic(topic)
        await client.force_metadata_update()
        await asyncio.sleep(_FIND_SECONDS)
    raise TopicMissingError(
        f"expected an existing topic, received {topic}; `declare_topics` creates those of schemas/topics.py"
    )


async def _declare(servers: list[str], topics: Mapping[str, int]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        brokers = len((await admin.describe_cluster())["brokers"])
        there = set(await admin.list_topics())
        wanted = [
            NewTopic(name, number, min(3, brokers), topic_configs=_CONFIGURATION)
            for name, number in topics.items()
            if name not in there
        ]
        if wanted:
            answer = await admin.create_topics(wanted)
            for name, code, *rest in answer.topic_errors:
                if code not in (0, TopicAlreadyExistsError.errno):
                    raise for_code(code)(f"topic {name}: {rest}")
        for described in await admin.describe_topics(sorted(there & topics.keys())):
            found = len(described["partitions"])
            if found != topics[described["topic"]]:
                raise LogError(
                    f"expected {topics[described['topic']]} partitions, found {found}, for topic {described['topic']};"
                    " the placement of keys depends on it: recreate the topic"
                )
    finally:
        await admin.close()


def _pairs(headers: Headers) -> list[tuple[str, bytes]]:
    if not headers:
        return []
    if isinstance(headers, bytes):
        return [(name, value.encode()) for name, value in _HEADERS.decode(headers).items()]
    return list(headers)
