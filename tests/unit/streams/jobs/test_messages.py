"""Frames between a worker and its engine processes: whole however they are cut, refused where they are none."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.jobs.engines import EngineEntry
from streams.jobs.messages import (
    MOST_FRAME_BYTES,
    Begin,
    Do,
    Frames,
    FromEngine,
    Kept,
    Ready,
    Stop,
    ToEngine,
    Told,
    frame,
    read_from_engine,
    read_to_engine,
)
from streams.jobs.ports import Checkpoint, Lease
from twins.block import Memory
from twins.engine import Device

LEASE = Lease(1, "job-1", 2)
TO: list[ToEngine] = [
    Begin([EngineEntry("md", "a:b")], Device("cuda", 0, "card", 1 << 40, 2), 0.1, 0.5, 2.0),
    Do(LEASE, "md", b"{}", [Memory("BR-1", "input", 1, 2, None)], [Checkpoint(1, 3, {"a": "1"}, "cpu", b"\0\xff")]),
    Stop(LEASE, keep=True),
]
FROM: list[FromEngine] = [
    Ready(["md"], {"x": "no"}),
    Told(LEASE, 1.0, 2.0, "half", {"ns_per_day": 3.5}),
    Kept(LEASE, {}, b"body"),
]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_messages_come_through_however_they_are_cut(sizes: list[int]) -> None:
    stream = b"".join(frame(one) for one in FROM)
    frames, bodies, at = Frames(), [], 0
    for size in sizes:
        bodies += frames.feed(stream[at : at + size])
        at += size
    bodies += frames.feed(stream[at:])
    assert [read_from_engine(body) for body in bodies] == FROM


def test_a_worker_is_understood_by_its_engine_process() -> None:
    assert [read_to_engine(body) for body in Frames().feed(b"".join(frame(one) for one in TO))] == TO


def test_a_frame_that_says_it_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="at most"):
        Frames().feed(struct.pack(">I", MOST_FRAME_BYTES + 1))


@pytest.mark.parametrize("body", [b"", b"\xc1", msgspec.msgpack.encode({"type": "Told"}), frame(TO[2])[4:]])
def test_what_is_no_message_of_an_engine_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_from_engine(body)
