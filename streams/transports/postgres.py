"""Faust on the embedded log: the consumer of the one active worker, its assignment, and the transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

import msgspec
import psycopg
from faust.transport.base import Transport as BaseTransport
from faust.types import TP, ConsumerMessage

from schemas.placement import partition_of
from schemas.topics import PARTITIONS, TOPICS
from streams.log import (
    AWAY,
    Membership,
    Reader,
    Record,
    Role,
    Waiter,
    commit_offsets,
    committed,
    connect,
    declare,
    install,
)
from streams.transports.coalescing import CoalescingConsumer
from streams.transports.hooks import hooks_of
from streams.transports.postgres_producer import PostgresProducer

T = TypeVar("T")

_POLL_SECONDS = 0.05
_RETRY_SECONDS = 0.5
_HEADERS = msgspec.msgpack.Decoder(dict[str, str])


class PostgresConsumer(CoalescingConsumer):
    """Reads the log while this process holds the group's lock; otherwise stands by without an assignment.

    All database calls run in one thread of its own, so that neither a slow read nor a slow fold delays the other.
    While the database is away each call is tried again until it is back; nothing is dropped.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._database = self._hooks.database
        self._group = str(self.app.conf.id)
        self._calls = ThreadPoolExecutor(1, thread_name_prefix="log-consumer")
        self._reader = Reader(self._database, self._hooks.worker)
        self._conn: psycopg.Connection[Any] | None = None
        self._membership: Membership | None = None
        self._waiter: Waiter | None = None
        self._news = asyncio.Event()
        self._topics: dict[str, int] = {}
        self._assigned: set[TP] = set()
        self._positions: dict[TP, int] = {}
        self._ends: dict[TP, int] = {}
        self.away = False  # whether the database was, when last asked

    # -- joining and leaving

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Take part in the choice of the active worker.

        Returns at once: Faust's assignment waits for this to return.
        """
        wanted = set(topics)
        if self._membership is None:
            self.add_future(self._guarded(self._join(wanted)))
        elif self._membership.role is not Role.STANDBY:
            self.add_future(self._guarded(self._rebalance(wanted)))
        else:
            self._topics = dict.fromkeys(wanted, 0)

    async def on_stop(self) -> None:
        """Finish what is in work and give up the lock."""
        await super().on_stop()
        if self._waiter is not None:
            await asyncio.to_thread(self._waiter.close)
        if self._membership is not None:
            await asyncio.to_thread(self._membership.close)
        self._calls.submit(self._close)
        self._calls.shutdown(wait=False)

    async def _join(self, topics: set[str]) -> None:
        loop = asyncio.get_running_loop()
        await self._call(lambda conn: install(conn))
        self._topics = dict.fromkeys(topics, 0)
        joined = asyncio.Event()
        self._waiter = Waiter(
            self._database, topics, wake=lambda: _soon(loop, self._news), name=self._hooks.worker
        ).start()
        self._membership = Membership(
            self._database,
            self._group,
            self._hooks.worker,
            joined=lambda: _soon(loop, joined),
            lost=self._hooks.lost,
            lease_seconds=self._hooks.lease_seconds,
        ).start()
        self.log.info("standing by for the lock of group %s", self._group)
        if not await self.wait_for_stopped(joined.wait()):
            self.log.info("active worker of group %s, term %s", self._group, self._membership.term)
            await self._rebalance(set(self._topics))

    async def _rebalance(self, topics: set[str]) -> None:
        """Drive Faust through an assignment, as Kafka's coordinator would."""
        self._topics = {topic: await self._declare(topic) for topic in sorted(topics)}
        if self._waiter is not None:
            self._waiter.follow(topics)
        app: Any = self.app  # App has these members; AppT does not name them
        app.on_rebalance_start()
        await self.on_partitions_revoked(set(self._assigned))
        me = "worker"
        assignment = app.assignor.assign(_Cluster(self._topics), {me: app.assignor.metadata(topics)})[me]
        app.assignor.on_assignment(assignment)
        self._assigned = {
            TP(topic, partition) for topic, partitions in assignment.assignment for partition in partitions
        }
        app.consumer_generation_id += 1
        await self.on_partitions_assigned(set(self._assigned), app.consumer_generation_id)

    async def _guarded(self, work: Any) -> None:
        """Run a background task; Faust would forget its error and stand still."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if not (self.should_stop and isinstance(error, AWAY)):
                await self.app.crash(error)

    def _may_work(self) -> bool:
        return super()._may_work() and self._membership is not None and self._membership.holds()

    # -- fetching

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Record]]:
        wanted = {tp: self._positions.get(tp, 0) for tp in active_partitions or () if tp in self._assigned}
        until = asyncio.get_running_loop().time() + timeout
        while wanted and not self.should_stop and self._may_work():
            self._news.clear()
            records = await self._read(wanted)
            if records:
                return records
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return {}
            await self._wait_for_news(min(left, _POLL_SECONDS))
            if not self.flow_active:
                return {}
            wanted = {tp: self._positions.get(tp, 0) for tp in wanted}
        return {}

    async def _read(self, wanted: Mapping[TP, int]) -> dict[TP, list[Record]]:
        """Read once, and move the positions of what came; a partition that was sought meanwhile is read again."""
        hooks = self._hooks
        places = {(tp.topic, tp.partition): offset for tp, offset in wanted.items()}
        try:
            found = await self._run(lambda: self._reader.read(places, hooks.frame_records, hooks.frame_bytes))
        except AWAY as error:
            await self._note_away(error)
            return {}
        self._note_back()
        for (topic, partition), head in self._reader.heads.items():
            self._ends[TP(topic, partition)] = head.next
        records: dict[TP, list[Record]] = {}
        for (topic, partition), rows in found.items():
            tp = TP(topic, partition)
            if self._positions.get(tp, 0) == wanted[tp]:
                self._positions[tp] = rows[-1].offset + 1
                records[tp] = rows
        return records

    async def _wait_for_news(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return

    # -- positions

    def assignment(self) -> set[TP]:
        """Give the assigned partitions; none on a standby."""
        return set(self._assigned)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek framed partitions to their claims, others to what the group committed, or to the beginning."""
        plain = {tp for tp in self._assigned if tp not in self._start_at}
        result: dict[TP, int] = {}
        if plain:
            known = await self._call(lambda conn: committed(conn, self._group))
            for tp in plain:
                result[tp] = known.get((tp.topic, tp.partition), 0)
                await self._seek(tp, result[tp])
        for tp in self._assigned - plain:
            result[tp] = self._start_at[tp]
            await self._seek(tp, result[tp])
        return result

    async def _seek(self, partition: TP, offset: int) -> None:
        self._count_seek(partition)
        self._positions[partition] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek, as table recovery does."""
        for tp, offset in partitions.items():
            await self._seek(tp, offset)
            self._read_offset[tp] = offset if offset else None

    async def position(self, tp: TP) -> int | None:
        """Give the next offset to fetch."""
        return self._positions.get(tp)

    def highwater(self, tp: TP) -> int:
        """Give the end of a partition as last seen."""
        return self._ends.get(tp, 0)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Give the ends of partitions."""
        heads = await self._heads(partitions)
        return {tp: heads[tp][1] for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Give the first offsets kept of partitions."""
        heads = await self._heads(partitions)
        return {tp: heads[tp][0] for tp in partitions}

    async def _heads(self, partitions: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        topics = {tp.topic for tp in partitions}
        while not self.should_stop:
            try:
                found = await self._run(lambda: self._reader.refresh(topics))
            except AWAY as error:
                await self._note_away(error)
                continue
            return {TP(topic, partition): (head.first, head.next) for (topic, partition), head in found.items()}
        return {}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Note the group's offsets, for lag monitors only: not worth waiting for a database that is away."""
        places = {(tp.topic, tp.partition): offset for tp, offset in offsets.items()}
        try:
            await self._run(lambda: commit_offsets(self._session(), self._group, places))
        except AWAY as error:
            self.log.warning("could not note offsets, will with the next ones: %s", error)
            return False
        return True

    # -- topics and messages

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def topic_partitions(self, topic: str) -> int | None:
        """Give the number of partitions of a subscribed topic."""
        return self._topics.get(topic) or None

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """Place a key."""
        return partition if partition is not None else partition_of(key, self._topics.get(topic) or _partitions(topic))

    async def create_topic(self, topic: str, partitions: int, replication: int, **kwargs: Any) -> None:
        """Declare a topic; where it has its partitions already they stay."""
        self._topics[topic] = await self._declare(topic, partitions)

    async def _declare(self, topic: str, partitions: int | None = None) -> int:
        number = (
            _partitions(topic) if topic in TOPICS else partitions or int(self.app.conf.topic_partitions or PARTITIONS)
        )
        return await self._call(lambda conn: declare(conn, topic, number))

    def _to_message(self, tp: TP, record: Record) -> ConsumerMessage:
        headers = list(_HEADERS.decode(record.headers).items()) if record.headers else []
        return ConsumerMessage(
            tp.topic, tp.partition, record.offset, record.timestamp / 1000, 1,
            [(name, value.encode()) for name, value in headers], record.key, record.value, None,
            tp=tp, generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    # -- the database, from its one thread

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._calls, call)

    async def _call(self, call: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Run a call on the session, again and again while the database is away."""
        while True:
            try:
                result = await self._run(lambda: call(self._session()))
            except AWAY as error:
                if self.should_stop:
                    raise
                await self._note_away(error)
                continue
            self._note_back()
            return result

    def _session(self) -> psycopg.Connection[Any]:
        if self._conn is None or self._conn.broken or self._conn.closed:
            self._conn = connect(self._database, self._hooks.worker)
        return self._conn

    def _close(self) -> None:
        self._reader.close()
        if self._conn is not None:
            self._conn.close()

    async def _note_away(self, error: Exception) -> None:
        if not self.away:
            self.away = True
            self.log.warning("the database is away, trying again until it is back: %s", error)
        await self.sleep(_RETRY_SECONDS)

    def _note_back(self) -> None:
        if self.away:
            self.away = False
            self.log.warning("the database is back")


class _Cluster:
    """What Faust's assignor asks a Kafka cluster."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        self._topics = topics

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self._topics.get(topic, 0)))

    def topics(self) -> set[str]:
        return set(self._topics)


def _soon(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """Set an event from another thread, unless its loop has ended."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)


def _partitions(topic: str) -> int:
    return TOPICS[topic].partitions if topic in TOPICS else PARTITIONS


class Transport(BaseTransport):
    """The embedded log as a Faust transport."""

    Consumer: ClassVar[type[PostgresConsumer]] = PostgresConsumer
    Producer: ClassVar[type[PostgresProducer]] = PostgresProducer
    default_port = 5432
    driver_version = f"psycopg={psycopg.__version__}"


__all__ = ["PostgresConsumer", "Transport", "hooks_of"]
