"""The backends that every transport test runs on, behind one face."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.log import committed, connect, declare, install
from streams.transports import LogReader, LogWriter, open_reader, open_writer
from streams.transports.kafka_access import KafkaWriter


@dataclass
class Backend:
    """`broker` None: the embedded log in `database`. `server`: what can be stopped and started, if anything."""

    name: str
    broker: str | None = None
    database: str = ""
    server: Any = None

    def topic(self, partitions: int = 8) -> str:
        """Make a topic of the test's own."""
        name = f"t-{uuid4().hex[:10]}"
        if self.broker is None:
            with connect(self.database, "test") as conn:
                install(conn)
                declare(conn, name, partitions)
        elif self.name == "kafka":
            KafkaWriter.declare(self.broker, {name: partitions})
        else:
            reader = self.reader()  # the mock makes a topic of four partitions when asked for it
            reader.ends(name)
            reader.close()
        return name

    @property
    def partitions(self) -> int:
        """How many partitions a topic has here: the mock decides itself."""
        return 4 if self.name == "mock" else 8

    def writer(self) -> LogWriter:
        return open_writer(self.broker, self.database)

    def reader(self) -> LogReader:
        return open_reader(self.broker, self.database)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Give what a consumer group committed."""
        if self.broker is None:
            with connect(self.database, "test") as conn:
                return {p: offset for (name, p), offset in committed(conn, group).items() if name == topic}
        return asyncio.run(_kafka_committed(self.broker.removeprefix("kafka://"), group, topic, self.partitions))


async def _kafka_committed(server: str, group: str, topic: str, partitions: int) -> dict[int, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=server)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(
            group, partitions=[TopicPartition(topic, partition) for partition in range(partitions)]
        )
    finally:
        await admin.close()
    return {tp.partition: place.offset for tp, place in found.items() if tp.topic == topic and place.offset >= 0}
