"""Server-sent events: what the twins say, as it is said, resumable without loss by the id of the last event.

An event's id is a cursor. A listener that comes back with it first gets, from the log itself, what it missed: every
alert, and of estimates and forecasts at most the newest CATCH_UP of each partition; a `notice` tells how many were
passed over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import StreamingResponse

from streams.api.config import ApiConfig
from streams.api.cursor import STREAMED, Positions, read_positions, write_positions
from streams.api.hub import READ_AT_ONCE, Filter, Hub, Mailbox, Message, messages_of
from streams.api.metrics import ApiMetrics
from streams.api.ports import LogReader
from streams.api.problems import ProblemError
from streams.api.services import Services, services_of
from streams.api.sse import RETRY_MS, check_room, streamed, write_event

CATCH_UP = 2000
MOST_KEYS = 1000
AT_ONCE = 200  # messages written in one piece

router = APIRouter(prefix="/api/v1", tags=["stream"])


@router.get("/stream", summary="Follow estimates, forecasts and alerts as they are said (server-sent events)")
async def stream(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    kind: Annotated[
        list[Literal["estimate", "forecast", "alert", "correction"]] | None,
        Query(description="Which effects; all if absent."),
    ] = None,
    twin: Annotated[str | None, Query(max_length=64, description="Only twins of this kind.")] = None,
    key: Annotated[list[str] | None, Query(description="Only twins of these keys.")] = None,
    every_alert: Annotated[bool, Query(description="Let alerts of all keys through, whatever `key` says.")] = False,
    cursor: Annotated[
        str | None, Query(description="Begin here; a page of /twins gives one. `Last-Event-ID` wins.")
    ] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Each event is `estimate`, `forecast`, `alert` or `correction` with the effect as its data, or `notice`.

    A notice's data is `{"notice": "skipped", "count": n}`, `{"notice": "reset"}` (the log began anew; load again) or
    `{"notice": "source", "trouble": text}` (empty: all is well). A comment comes at least every 15 s.
    """
    since = last_event_id or cursor
    wanted = read_positions(since) if since else None
    keys = frozenset(key or ())
    if len(keys) > MOST_KEYS:
        raise ProblemError(400, f"expected at most {MOST_KEYS} keys, received {len(keys)}; leave `key` out for all")
    check_room(services.hub.listeners, services.config.stream_clients)
    if not await services.hub.ready(5.0):
        raise ProblemError(503, services.hub.trouble or "the topic log is not read yet", {"Retry-After": "2"})
    chosen = Filter(frozenset(kind) if kind else Filter().kinds, twin, keys, every_alert)
    mailbox = services.hub.join(chosen, services.config.stream_queue)
    listener = Listener(services.config, services.hub, services.reader, services.metrics, mailbox)
    return streamed(listener.events(wanted))


class Listener:
    """One client of the stream."""

    def __init__(self, config: ApiConfig, hub: Hub, reader: LogReader, metrics: ApiMetrics, mailbox: Mailbox) -> None:
        self._config = config
        self._hub = hub
        self._reader = reader
        self._metrics = metrics
        self._mailbox = mailbox
        self._until: Positions = dict(hub.positions)  # what comes after these is the mailbox's
        self._positions: Positions = dict(hub.positions)
        self._trouble = ""

    async def events(self, wanted: Positions | None) -> AsyncIterator[bytes]:
        """Give the stream, from a cursor's positions or from the present."""
        self._metrics.listeners.inc()
        try:
            yield f"retry: {RETRY_MS}\nid: {write_positions(self._positions | (wanted or {}))}\n\n".encode()
            if wanted is not None:
                async for piece in self._missed(wanted):
                    yield piece
            while not self._mailbox.closed and not self._mailbox.overrun:
                if not self._mailbox.waiting:
                    await self._mailbox.wait(self._config.heartbeat_seconds)
                yield self._next()
        finally:
            self._hub.leave(self._mailbox)
            self._metrics.listeners.dec()

    def _next(self) -> bytes:
        """Write what waits, or a heartbeat; either moves the cursor on, also past what was not wanted."""
        pieces: list[bytes] = []
        if self._hub.trouble != self._trouble:
            self._trouble = self._hub.trouble
            pieces.append(write_event("notice", {"notice": "source", "trouble": self._trouble}))
        waiting = self._mailbox.waiting
        if not waiting:
            self._move_to(self._hub.positions)
            pieces.append(f": alive\nid: {write_positions(self._positions)}\n\n".encode())
        while waiting and len(pieces) < AT_ONCE:
            message = waiting.popleft()
            if message.offset >= self._positions[message.topic, message.partition]:
                self._positions[message.topic, message.partition] = message.offset + 1
                if not waiting:
                    self._move_to(self._hub.positions)
                pieces.append(self._write(message))
        return b"".join(pieces)

    def _move_to(self, positions: Positions) -> None:
        for place, offset in positions.items():
            self._positions[place] = max(offset, self._positions.get(place, 0))

    async def _missed(self, wanted: Positions) -> AsyncIterator[bytes]:
        """Read from the log what lies between the cursor and the mailbox's first message."""
        self._positions = self._until | wanted
        skipped = 0
        for topic in STREAMED:
            ends = await self._reader.ends(topic)
            for partition, until in ((p, until) for (t, p), until in self._until.items() if t == topic):
                place = (topic, partition)
                if self._positions[place] > ends.get(partition, 0):
                    self._positions[place] = until
                    yield write_event("notice", {"notice": "reset"})
                if STREAMED[topic] != "a" and until - self._positions[place] > CATCH_UP:
                    skipped += until - CATCH_UP - self._positions[place]
                    self._positions[place] = until - CATCH_UP
                while self._positions[place] < until:
                    limit = min(READ_AT_ONCE, until - self._positions[place])
                    records = await self._reader.read(topic, partition, self._positions[place], limit)
                    for message in messages_of(topic, partition, records):
                        if message.offset < until and self._mailbox.filter.passes(message):
                            self._positions[place] = message.offset + 1
                            yield self._write(message)
                    self._positions[place] = min(records[-1].offset + 1, until) if records else until
        if skipped:
            self._metrics.dropped.inc(skipped)
            yield write_event("notice", {"notice": "skipped", "count": skipped})

    def _write(self, message: Message) -> bytes:
        self._metrics.streamed.labels(message.kind).inc()
        head = f"id: {write_positions(self._positions)}\nevent: {message.kind}\ndata: "
        return head.encode() + message.line.replace(b"\n", b"") + b"\n\n"
