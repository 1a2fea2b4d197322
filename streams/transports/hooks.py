"""What the app hands to its transport: where partitions begin, what to do when they go, when to hold back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from faust.types import TP

from schemas.errors import LogError
from schemas.topics import TOPICS
from streams.log.membership import LEASE_SECONDS, leave


async def _nothing(_: set[TP]) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class CoalescingHooks:
    """Set on the app with `attach` before it starts.

    Parameters
    ----------
    claims : async callable
        Called with the framed partitions of a new assignment, before any stream sees it; claims them in the
        ledger and gives for each the offset to fold next. It waits while the ledger is away; an exception ends
        the app.
    revoked : async callable
        Called with the framed partitions that were taken away, after the frames in work are done.
    paused : callable
        While it is true no frame is fetched; the log keeps what comes.
    lost : callable
        Called with the reason when this worker has been, or may have been, replaced. Must end the process.
    worker : str
        Name of all this process's database sessions (embedded log only); its successor ends them.
    database : str
        postgresql:// address of the embedded log; not part of the broker's URL, which Faust prints.
    framed : callable
        Says whether a topic's records come as frames.
    frame_records, frame_bytes : int
        Bounds of one frame. One record beyond the bytes still comes, alone.
    lease_seconds : float
        How long a worker may be silent before another takes over.
    """

    claims: Callable[[set[TP]], Awaitable[Mapping[TP, int]]]
    revoked: Callable[[set[TP]], Awaitable[None]] = _nothing
    paused: Callable[[], bool] = lambda: False
    lost: Callable[[str], None] = leave
    worker: str = "twinstream-worker"
    database: str = ""
    framed: Callable[[str], bool] = lambda topic: topic in TOPICS and TOPICS[topic].framed
    frame_records: int = 4000
    frame_bytes: int = 4 << 20
    lease_seconds: float = LEASE_SECONDS


def attach(app: Any, hooks: CoalescingHooks) -> None:  # a faust.App; it keeps attributes it does not know
    """Give the hooks to a Faust app."""
    app.twinstream_hooks = hooks


def hooks_of(app: Any) -> CoalescingHooks:
    """Find the hooks of a Faust app."""
    hooks = getattr(app, "twinstream_hooks", None)
    if not isinstance(hooks, CoalescingHooks):
        raise LogError("expected hooks on the Faust app, found none; call streams.transports.attach(app, hooks) first")
    return hooks
