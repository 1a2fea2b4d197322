"""How server-sent events are written: one event's text, the answer that carries them, and who finds no place."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from starlette.responses import StreamingResponse

from streams.api.problems import ProblemError

RETRY_MS = 1000  # after which a browser comes back


def write_event(name: str, data: object) -> bytes:
    """Write one event without an id; `data` as JSON.

    Examples
    --------
    >>> write_event("notice", {"notice": "reset"})
    b'event: notice\\ndata: {"notice":"reset"}\\n\\n'
    """
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"


def streamed(events: AsyncIterator[bytes]) -> StreamingResponse:
    """Give the answer that carries events; no proxy is to keep or collect them."""
    return StreamingResponse(
        events,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def check_room(listeners: int, most: int) -> None:
    """Refuse a listener more than there may be.

    Raises
    ------
    ProblemError
        503.
    """
    if listeners >= most:
        raise ProblemError(503, f"all {most} streams are taken; close another page", {"Retry-After": "10"})
