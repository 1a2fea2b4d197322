"""Read the output topics once, hand every message to all who listen, and never let a slow one hold the others up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from streams.api.cursor import KIND_OF, STREAMED, Positions
from streams.api.ports import LogReader
from twins.frame import RawRecord

READ_AT_ONCE = 500
WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class _Head(msgspec.Struct):
    twin: str
    key: str
    lane: str = "qualified"


_HEAD = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Message:
    """One record of an output topic. `line` is an effect's canonical line."""

    topic: str
    partition: int
    offset: int
    kind: str
    twin: str
    key: str
    line: bytes
    lane: str = "qualified"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a listener wants. Empty `keys` means every twin; `every_alert` lets alerts of other keys through too."""

    kinds: frozenset[str] = frozenset(KIND_OF.values())
    twin: str | None = None
    keys: frozenset[str] = frozenset()
    every_alert: bool = False

    def passes(self, message: Message) -> bool:
        """Tell whether a message is wanted."""
        if message.kind not in self.kinds or (self.twin is not None and message.twin != self.twin):
            return False
        return not self.keys or message.key in self.keys or (self.every_alert and message.kind == "alert")


@dataclass(eq=False)
class Mailbox:
    """What waits for one listener: at most `bound` messages.

    When it is full, of the estimates and forecasts of a twin only the newest stay (`dropped` counts the others).
    Alerts are never dropped: with `bound` of them the listener is cut off (`overrun`) and resumes by its cursor.
    """

    filter: Filter
    bound: int
    on_drop: Callable[[int], None]
    waiting: deque[Message] = field(default_factory=deque)
    dropped: int = 0
    overrun: bool = False
    closed: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, message: Message) -> None:
        """Take a message in, if it is wanted."""
        if self.overrun or self.closed or not self.filter.passes(message):
            return
        self.waiting.append(message)
        if len(self.waiting) > self.bound:
            self._make_room()
        self._wake.set()

    def close(self) -> None:
        """End the listener's stream."""
        self.closed = True
        self._wake.set()

    async def wait(self, timeout: float) -> None:
        """Return when there is something to do, or after a while."""
        if self.waiting or self.closed or self.overrun:
            return
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), timeout)
        except TimeoutError:
            return

    def _make_room(self) -> None:
        before = len(self.waiting)
        newest: dict[tuple[str, str, str, str], Message] = {}
        for message in self.waiting:
            if message.kind != "alert":
                newest[message.kind, message.lane, message.twin, message.key] = message
        keep = {id(message) for message in newest.values()}
        kept = [message for message in self.waiting if message.kind == "alert" or id(message) in keep]
        spare = len(kept) - self.bound // 2  # room for a while, so that this walk is rare
        self.waiting.clear()
        for message in kept:
            if spare > 0 and message.kind != "alert":
                spare -= 1
                continue
            self.waiting.append(message)
        self.dropped += before - len(self.waiting)
        self.on_drop(before - len(self.waiting))
        if len(self.waiting) >= self.bound:
            self.overrun = True
            self._wake.set()


class Hub:
    """Follows the output topics for all listeners of this process."""

    def __init__(self, reader: LogReader, on_drop: Callable[[int], None] = lambda _: None) -> None:
        self._reader = reader
        self._on_drop = on_drop
        self._mailboxes: set[Mailbox] = set()
        self._task: asyncio.Task[None] | None = None
        self._caught_up = asyncio.Event()
        self.positions: Positions = {}
        self.trouble = "not started"

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._mailboxes)

    def start(self) -> None:
        """Begin to follow, in the background."""
        self._task = asyncio.create_task(self._run(), name="api hub")

    async def stop(self) -> None:
        """End every stream and stop following."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def close(self) -> None:
        """End every stream, so that a server that waits for its clients can end."""
        for mailbox in self._mailboxes:
            mailbox.close()

    async def ready(self, timeout: float) -> bool:
        """Wait until positions are known; tell whether they are."""
        try:
            await asyncio.wait_for(self._caught_up.wait(), timeout)
        except TimeoutError:
            return False
        return True

    def join(self, wanted: Filter, bound: int) -> Mailbox:
        """Add a listener: it gets what comes after `positions` as they are now."""
        mailbox = Mailbox(wanted, bound, self._on_drop)
        self._mailboxes.add(mailbox)
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        """Remove a listener."""
        self._mailboxes.discard(mailbox)

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the log may be away for any reason its client has; it is told, and tried again
                if not self.trouble:
                    _log.warning("topic log away", error=repr(error))
                self.trouble = f"the topic log does not answer ({type(error).__name__})"
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        while True:
            for topic in STREAMED:
                for partition, end in (await self._reader.ends(topic)).items():
                    await self._read_to(topic, partition, end)
            self.trouble = ""
            self._caught_up.set()
            await self._reader.wait(WAIT_SECONDS)

    async def _read_to(self, topic: str, partition: int, end: int) -> None:
        place = (topic, partition)
        if place not in self.positions or not self._mailboxes or self.positions[place] > end:
            self.positions[place] = end
        while self.positions[place] < end:
            records = await self._reader.read(topic, partition, self.positions[place], READ_AT_ONCE)
            for message in messages_of(topic, partition, records):
                for mailbox in self._mailboxes:
                    mailbox.offer(message)
            self.positions[place] = records[-1].offset + 1 if records else end


def messages_of(topic: str, partition: int, records: Sequence[RawRecord]) -> list[Message]:
    """Read records of an output topic; what is no effect's line is passed over (somebody else wrote it)."""
    found = []
    for record in records:
        try:
            head = _HEAD.decode(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _log.warning("not an effect", topic=topic, partition=partition, offset=record.offset)
            continue
        line = record.value or b""
        found.append(Message(topic, partition, record.offset, KIND_OF[topic], head.twin, head.key, line, head.lane))
    return found
