"""Read topics whole, without the product's readers: SQL on the embedded log, librdkafka on Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS

_SECONDS = 60.0


class Kept(NamedTuple):
    """One record of a topic; a RawRecord."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Any  # packed, or a list of pairs


def read_topic(broker: str | None, uri: str, topic: str) -> dict[int, list[Kept]]:
    """Give all records of each partition, in offset order."""
    return _read_embedded(uri, topic) if broker is None else _read_kafka(broker, topic)


def message_id(record: Kept) -> str:
    """The `ce_id` of an output."""
    headers = record.headers
    if isinstance(headers, bytes):
        return str(msgspec.msgpack.decode(headers)["ce_id"])
    return str(dict(headers)["ce_id"].decode())


def _read_embedded(uri: str, topic: str) -> dict[int, list[Kept]]:
    found: dict[int, list[Kept]] = {partition: [] for partition in range(TOPICS[topic].partitions)}
    with psycopg.connect(uri) as connection:
        cursor = connection.cursor(binary=True)
        for partition, offset, timestamp, key, value, headers in cursor.execute(
            "select partition, rec_offset, floor(extract(epoch from appended_at) * 1000)::bigint, key, value, headers"
            " from log_record join log_topic t on t.no = topic where t.name = %s order by partition, rec_offset",
            (topic,),
        ):
            found[partition].append(Kept(offset, timestamp, key, value, headers))
    return found


def _read_kafka(broker: str, topic: str) -> dict[int, list[Kept]]:
    found: dict[int, list[Kept]] = {partition: [] for partition in range(TOPICS[topic].partitions)}
    consumer = Consumer(
        {
            "bootstrap.servers": broker.removeprefix("kafka://"),
            "group.id": f"verifier-{uuid4().hex}",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        ends = {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_SECONDS)[1]
            for partition in found
        }
        left = {partition for partition, end in ends.items() if end}
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        deadline = monotonic() + _SECONDS
        while left:
            assert monotonic() < deadline, f"expected {topic} whole within {_SECONDS:g} s"
            for message in consumer.consume(5000, timeout=0.2):
                assert message.error() is None, message.error()
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                headers: Any = message.headers() or []
                found[partition].append(Kept(offset, message.timestamp()[1], message.key(), message.value(), headers))
                if offset >= ends[partition] - 1:
                    left.discard(partition)
    finally:
        consumer.close()
    return found


def clear_kafka(broker: str) -> None:
    """Delete the product's topics, and wait until they are gone."""
    admin = AdminClient({"bootstrap.servers": broker.removeprefix("kafka://"), "log_level": 0})
    deadline = monotonic() + _SECONDS
    while there := sorted(_topics(admin)):
        assert monotonic() < deadline, f"expected the topics to go within {_SECONDS:g} s: {there}"
        for answer in admin.delete_topics(there, operation_timeout=10).values():
            answer.exception(30)


def _topics(admin: AdminClient) -> Sequence[str]:
    return [name for name in admin.list_topics(timeout=10).topics if name in TOPICS]


def kafka_ends(broker: str, topic: str) -> dict[int, int]:
    """Give the next offset of each partition that has records."""
    consumer = Consumer(
        {"bootstrap.servers": broker.removeprefix("kafka://"), "group.id": f"ends-{uuid4().hex}", "log_level": 0}
    )
    try:
        ends = {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_SECONDS)[1]
            for partition in range(TOPICS[topic].partitions)
        }
    finally:
        consumer.close()
    return {partition: end for partition, end in ends.items() if end}
