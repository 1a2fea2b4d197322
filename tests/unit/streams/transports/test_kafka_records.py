"""Framed topics get records as aiokafka's parser made them; this holds the inside of aiokafka that it rests on."""

from __future__ import annotations

from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams.transports.kafka import _Results
from twins.frame import FrameReader

RECORDS = 3


class Assigned:
    """An assignment whose one partition is read from offset 0."""

    active = True

    def __init__(self) -> None:
        self.position = 0
        self.paused = False

    def state_value(self, tp: TopicPartition) -> Assigned:
        return self

    def consumed_to(self, offset: int) -> None:
        self.position = offset


def fetched(topic: str) -> list[Any]:
    """Records of one answer of a broker, as they come out of what a fetcher holds."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for offset in range(RECORDS):
        builder.append(offset, 1_772_348_400_000 + offset, b"U1", b"{}", [("ce_type", b"x")])
    tp = TopicPartition(topic, 0)
    parts = PartitionRecords(tp, MemoryRecords(bytes(builder.build())), [], 0, None, None, True, READ_UNCOMMITTED)
    results = _Results(lambda name: name == "framed")
    results[tp] = FetchResult(tp, assignment=Assigned(), partition_records=parts, backoff=0)
    return list(results[tp].getall())


def test_framed_topics_get_records_as_parsed() -> None:
    records = fetched("framed")
    assert len(records) == RECORDS
    assert not any(isinstance(one, ConsumerRecord) for one in records)
    assert [(one.offset, one.timestamp, one.key, one.value) for one in records] == [
        (offset, 1_772_348_400_000 + offset, b"U1", b"{}") for offset in range(RECORDS)
    ]
    assert [list(one.headers) for one in records] == [[("ce_type", b"x")]] * RECORDS
    assert len(FrameReader("framed", 0).read(records).refused) == RECORDS, "a frame is read from them"


def test_other_topics_get_what_aiokafka_gives() -> None:
    assert all(isinstance(one, ConsumerRecord) for one in fetched("other"))
