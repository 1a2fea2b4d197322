"""The coalescing consumer: one Faust message per partition and poll.

Its value is the list of raw records, its offset the last one's.

Faust spends a quarter of a millisecond on each message; a frame of a thousand records costs no more. A mixin over
any Faust Consumer; topics that are not framed keep the stock path. Written against faust-streaming 0.15.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, cast

from faust.transport.base import Consumer
from faust.transport.consumer import ensure_TP
from faust.types import TP, ConsumerMessage, Message

from streams.transports.hooks import hooks_of

_IDLE_SECONDS = 0.02  # between two looks while nothing may be fetched


class RawFrame(list[Any]):
    """The raw records of one poll and partition. `follows`: the offset after the last record handed on before them.

    It is None right after a seek. On Kafka offsets have holes, so only this tells a hole from a lost frame.
    """

    follows: int | None = None


class Gathered:
    """Frames that wait to be folded: one a partition, made of those that follow each other.

    Parameters
    ----------
    most_records : int
        In one frame.
    """

    def __init__(self, most_records: int) -> None:
        self._most = most_records
        self._frames: dict[int, RawFrame] = {}

    def take(self, partition: int, frame: RawFrame) -> bool:
        """Add a frame; False where what waits has to be folded first: it does not follow on, or would be too long."""
        before = self._frames.get(partition)
        if before is None:
            self._frames[partition] = frame
            return True
        if frame.follows != before[-1].offset + 1 or len(before) + len(frame) > self._most:
            return False
        joined = RawFrame([*before, *frame])
        joined.follows = before.follows
        self._frames[partition] = joined
        return True

    def give(self) -> dict[int, tuple[Sequence[Any], int | None]]:
        """Give what waits, each frame with its `follows`; nothing waits then."""
        given, self._frames = self._frames, {}
        return {partition: (frame, frame.follows) for partition, frame in given.items()}


class CoalescingConsumer(Consumer):
    """Frames the topics that the hooks name.

    Order of an assignment: `claims` gives the offsets; then Faust's own callbacks run; at their end Faust calls
    `seek_to_committed`, which seeks there (it runs at other times too, so it must not claim); then flow resumes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hooks = hooks_of(self.app)
        self._start_at: dict[TP, int] = {}  # of framed partitions: as claimed, or as last sought
        self._unsought: set[TP] = set()
        self._seeks: dict[TP, int] = {}  # counts them, to know what was fetched before one
        self._next: dict[TP, int] = {}  # after the last record handed on since the last seek
        self._room = asyncio.Event()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Claim what is framed, then let Faust have the assignment."""
        framed = {ensure_TP(tp) for tp in assigned if self._hooks.framed(tp.topic)}
        try:
            self._start_at = {ensure_TP(tp): offset for tp, offset in (await self._hooks.claims(framed)).items()}
        except Exception as error:  # a driver would log and forget it, and fold without a claim
            await self.app.crash(error)
            return
        self._unsought = set(self._start_at)
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let Faust finish the frames in work, then say that the partitions are gone."""
        await super().on_partitions_revoked(revoked)
        framed = {ensure_TP(tp) for tp in revoked if self._hooks.framed(tp.topic)}
        for tp in framed:
            self._start_at.pop(tp, None)
            self._unsought.discard(tp)
        await self._hooks.revoked(framed)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek framed partitions to where they were claimed, others to what the broker has."""
        assigned = {ensure_TP(tp) for tp in self.assignment()}
        others = {ensure_TP(tp): offset for tp, offset in (await super().seek_to_committed()).items()}  # type: ignore[safe-super]
        for tp in assigned & self._start_at.keys():
            await self._seek(tp, self._start_at[tp])
            others[tp] = self._start_at[tp]
        return others

    async def seek(self, partition: TP, offset: int) -> None:
        """Go on from `offset`, as an agent asks for that found a gap."""
        tp = ensure_TP(partition)
        if tp in self._start_at:
            self._start_at[tp] = offset
        await super().seek(tp, offset)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Fetch once; give frames, and the records of other topics one by one."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        active = set() if self.should_stop or not self._may_work() else set(self._get_active_partitions())
        if not active:
            await self._rest()
            return
        await self._seek_first(active)
        seeks = {tp: self._seeks.get(tp, 0) for tp in active}
        if self._buffered_partitions:  # they may have room again long before the others have news
            timeout = min(timeout, _IDLE_SECONDS)
        records = await self._getmany(active_partitions=active, timeout=timeout)
        generation = self.app.consumer_generation_id
        if not records or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_back()
            return
        for tp, message in self._messages(await self._still_wanted(records, seeks), generation):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return  # what is left comes again: the next assignment seeks
            yield tp, message

    def on_buffer_drop(self, tp: TP) -> None:
        """A stream has room again."""
        super().on_buffer_drop(tp)
        self._room.set()

    def _may_work(self) -> bool:
        """A driver may know that this worker holds nothing at the moment."""
        return not self._hooks.paused()

    async def _rest(self) -> None:
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), _IDLE_SECONDS)
        except TimeoutError:
            return

    async def _seek_first(self, active: set[TP]) -> None:
        """Make sure that no partition is read from elsewhere than its claim, even if Faust's own seek failed."""
        for tp in self._unsought & active:
            await self._seek(tp, self._start_at[tp])
        self._unsought -= active

    async def _seek_back(self) -> None:
        """Flow stopped while fetching: what was fetched is dropped, so it must be fetched again."""
        try:
            await self.perform_seek()
        except Exception as error:  # as in Faust: flow resumes only after a seek that worked
            self.log.warning("could not seek while flow was inactive: %r", error)

    async def _still_wanted(
        self, records: Mapping[Any, Sequence[Any]], seeks: Mapping[TP, int]
    ) -> dict[TP, Sequence[Any]]:
        """Leave out what was fetched while a seek went on: it may be from before it."""
        wanted: dict[TP, Sequence[Any]] = {}
        for partition, rows in records.items():
            tp = ensure_TP(partition)
            if not rows or tp not in seeks:
                continue
            if self._seeks.get(tp, 0) != seeks[tp]:
                if tp in self._start_at:
                    await self._seek(tp, self._start_at[tp])
                continue
            wanted[tp] = rows
        return wanted

    def _messages(self, records: Mapping[TP, Sequence[Any]], generation: int) -> Iterable[tuple[TP, Message]]:
        plain = {tp: list(rows) for tp, rows in records.items() if not self._hooks.framed(tp.topic)}
        for tp, rows in records.items():
            if tp in plain:
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            for frame in _frames(rows, self._hooks.frame_records, self._hooks.frame_bytes):
                last = frame[-1]
                frame.follows = self._next.get(tp)
                self._next[tp] = last.offset + 1
                # Pre-set, so that Faust's own gap logic has nothing to fill.
                self._read_offset[tp] = last.offset - 1 if last.offset else None
                value = cast(Any, frame)  # Faust means bytes; its raw serializer hands on what it gets
                yield tp, ConsumerMessage(
                    tp.topic, tp.partition, last.offset, last.timestamp / 1000, 1, [], None, value, None,
                    tp=tp, generation_id=generation,
                )  # fmt: skip
        for tp, record in self.scheduler.iterate(plain):
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            yield tp, self._to_message(tp, record)

    def _new_offset(self, tp: TP) -> int | None:
        """Framed: frames are acknowledged in order, one at a time, so the greatest offset covers all before it."""
        if not self._hooks.framed(tp.topic):
            return super()._new_offset(tp)
        acked = self._acked[tp]
        if not acked:
            return None
        greatest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return int(greatest) + 1

    def _count_seek(self, tp: TP) -> None:
        """A driver calls it in each of its seeks."""
        self._seeks[tp] = self._seeks.get(tp, 0) + 1
        self._next.pop(tp, None)


def _frames(rows: Sequence[Any], most_records: int, most_bytes: int) -> Iterable[RawFrame]:
    """Cut records into frames within bounds."""
    if len(rows) <= most_records and sum([len(row.value or b"") for row in rows]) <= most_bytes:
        yield RawFrame(rows)
        return
    begin = size = 0
    for i, row in enumerate(rows):
        length = len(row.value) if row.value is not None else 0
        if i > begin and (i - begin >= most_records or size + length > most_bytes):
            yield RawFrame(rows[begin:i])
            begin, size = i, 0
        size += length
    yield RawFrame(rows[begin:])
