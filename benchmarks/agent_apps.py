"""The three readers that `agent` compares: bare aiokafka, the coalescing agent, a stock Faust agent.

python -m benchmarks.agent_apps bare|coalescing|stock BROKER RECORDS json|frame
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import faust
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from schemas.bioreactor import Reading
from schemas.topics import input_topic
from streams.app import settle_in
from streams.settings import Settings
from streams.transports import CoalescingHooks, attach, transport_url
from streams.transports.addresses import kafka_servers
from twins.frame import FrameReader, RawRecord

TOPIC = input_topic("bioreactor")
FRAME_RECORDS = Settings.model_fields["frame_records"].default
Decode = Callable[[int, Sequence[RawRecord]], Any]  # of a partition, its records


class Meter:
    """Counts records from the first fetch on; at the last one it says the rate and ends the process."""

    def __init__(self, records: int) -> None:
        self._left = records
        self._counted = 0
        self._begun = self._cpu = 0.0

    def count(self, number: int) -> None:
        """Count records that were decoded."""
        if not self._begun:
            self._begun, self._cpu = time.perf_counter(), time.process_time()
        else:
            self._counted += number
        self._left -= number
        if self._left <= 0:
            seconds, cpu = time.perf_counter() - self._begun, time.process_time() - self._cpu
            print(json.dumps({"rate": self._counted / seconds, "cpu_us": cpu / self._counted * 1e6}), flush=True)
            os._exit(0)


def decoder(kind: str) -> Decode:
    """Give what each reader does with the records of one partition."""
    if kind == "json":
        decode = msgspec.json.Decoder(Reading).decode
        return lambda _, records: [decode(record.value or b"") for record in records]
    readers = [FrameReader(TOPIC.name, partition) for partition in range(TOPIC.partitions)]
    return lambda partition, records: readers[partition].read(records)


async def bare(broker: str, meter: Meter, decode: Decode) -> None:
    """Read by aiokafka alone."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka_servers(broker), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(TOPIC.name, partition) for partition in range(TOPIC.partitions)])
    while True:
        for tp, records in (await consumer.getmany(timeout_ms=1000, max_records=FRAME_RECORDS)).items():
            decode(tp.partition, records)
            meter.count(len(records))


def coalescing(broker: str, meter: Meter, decode: Decode) -> None:
    """Read by the product's transport and an agent, set up as in streams/app.py."""
    app = _app(transport_url(broker, ""), broker_max_poll_records=FRAME_RECORDS, stream_buffer_maxsize=4)

    async def claims(assigned: set[TP]) -> dict[TP, int]:
        return dict.fromkeys(assigned, 0)

    attach(app, CoalescingHooks(claims=claims, frame_records=FRAME_RECORDS))

    async def agent(stream: Any) -> None:  # Any: faust.Stream has no types
        async for event in stream.events():
            frame = event.message.value
            decode(event.message.partition, frame)
            meter.count(len(frame))

    _run(app, agent)


def stock(broker: str, meter: Meter, decode: Decode) -> None:
    """Read by Faust as it comes, one event at a time."""
    app = _app(";".join(f"kafka://{server}" for server in kafka_servers(broker)))

    async def agent(stream: Any) -> None:  # Any: as above
        async for event in stream.events():
            decode(event.message.partition, [event.message])
            meter.count(1)

    _run(app, agent)


def _app(url: str, **settings: Any) -> faust.App:
    return faust.App(
        f"bench-{uuid.uuid4().hex[:8]}",
        broker=url,
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        topic_partitions=TOPIC.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        stream_wait_empty=False,
        datadir=f"/tmp/{uuid.uuid4().hex}",
        **settings,
    )


def _run(app: faust.App, agent: Any) -> None:  # Any: as above
    app.agent(app.topic(TOPIC.name, key_serializer="raw", value_serializer="raw"), concurrency=1)(agent)
    shell = faust.Worker(app, loglevel="WARNING", redirect_stdouts=False, quiet=True)
    shell.spinner = None
    shell.execute_from_commandline()


def main(arguments: list[str]) -> None:
    """Read until so many records are decoded."""
    name, broker, records, kind = arguments
    meter, decode = Meter(int(records)), decoder(kind)
    sys.argv = ["agent"]  # Faust reads it
    settle_in()
    if name == "bare":
        asyncio.run(bare(broker, meter, decode))
    else:
        {"coalescing": coalescing, "stock": stock}[name](broker, meter, decode)


if __name__ == "__main__":
    main(sys.argv[1:])
